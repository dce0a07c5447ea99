//! Lines of standard input to records, one by one, each of a bounded length.

use std::io::BufRead;
use std::time::{SystemTime, UNIX_EPOCH};
use waygate_core::command::CommandStatus;
use waygate_core::limits::{RECORD_SIGNALS_MAX, SIGNAL_TEXT_BYTES_MAX, SPEED_CMS_MAX};
use waygate_core::message::Uplink;
use waygate_core::record::{Record, SignalValue};
use waygate_core::time::{Millis, Wall};
use waygate_wire::Codec;

/// Longest line, bytes: more than the longest record that can be sent.
const LINE_BYTES_MAX: usize = 256 * 1024;

/// What a line is.
#[derive(Debug)]
pub(crate) enum Input {
    /// A record.
    Record(Record),
    /// What became of a command.
    CommandStatus(CommandStatus),
    /// To sleep.
    Suspend { active: Millis, sleep: Millis },
    /// To attach.
    Attach,
    /// A short message that may be a wake-up.
    WakeUp(String),
    /// Something else, and why it is no record.
    Bad { line: u64, what: String },
    /// Standard input cannot be read any more.
    Broken(std::io::Error),
}

/// Reads to the end, or until `give` says to stop. Empty lines are passed over.
pub(crate) fn read(mut from: impl BufRead, give: &mut impl FnMut(Input) -> bool) {
    let mut text = Vec::new();
    for line in 1.. {
        let input = match read_line(&mut from, &mut text) {
            Ok(None) => return,
            Ok(Some(Length::Whole)) if text.iter().all(u8::is_ascii_whitespace) => continue,
            Ok(Some(Length::Whole)) => match order(&text).unwrap_or_else(|| record(&text).map(Input::Record)) {
                Ok(input) => input,
                Err(what) => Input::Bad { line, what },
            },
            Ok(Some(Length::TooLong)) => Input::Bad { line, what: format!("is longer than {LINE_BYTES_MAX} bytes") },
            Err(error) => Input::Broken(error),
        };
        let over = matches!(input, Input::Broken(_));
        if !give(input) || over {
            return;
        }
    }
}

enum Length {
    Whole,
    TooLong,
}

/// The next line into `text`, without its end; what is too long is read over.
fn read_line(from: &mut impl BufRead, text: &mut Vec<u8>) -> std::io::Result<Option<Length>> {
    text.clear();
    let (mut any, mut too_long) = (false, false);
    loop {
        let chunk = match from.fill_buf() {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            chunk => chunk?,
        };
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let part = &chunk[..end.unwrap_or(chunk.len())];
        any |= !chunk.is_empty();
        too_long |= text.len() + part.len() > LINE_BYTES_MAX;
        if !too_long {
            text.extend_from_slice(part);
        }
        let (used, over) = (part.len() + usize::from(end.is_some()), end.is_some() || chunk.is_empty());
        from.consume(used);
        if over {
            return Ok(any.then_some(if too_long { Length::TooLong } else { Length::Whole }));
        }
    }
}

/// A line that is no record but an order: an object of one known name.
#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    CommandStatus(serde_json::Map<String, serde_json::Value>),
    Suspend(Spans),
    Attach(serde::de::IgnoredAny),
    WakeUp(String),
}

#[derive(serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Spans {
    active_s: u32,
    sleep_s: u32,
}

fn order(text: &[u8]) -> Option<Result<Input, String>> {
    let body = text.trim_ascii().strip_prefix(b"{")?.trim_ascii_start();
    let names: [&[u8]; 4] = [b"\"command_status\"", b"\"suspend\"", b"\"attach\"", b"\"wake_up\""];
    names.iter().any(|name| body.starts_with(name)).then(|| match serde_json::from_slice(text) {
        Err(error) => Err(error.to_string()),
        Ok(Order::Attach(_)) => Ok(Input::Attach),
        Ok(Order::WakeUp(payload)) => Ok(Input::WakeUp(payload)),
        Ok(Order::Suspend(Spans { active_s, sleep_s })) => {
            Ok(Input::Suspend { active: Millis::secs(active_s.into()), sleep: Millis::secs(sleep_s.into()) })
        }
        Ok(Order::CommandStatus(mut fields)) => {
            fields.insert("type".to_owned(), "command_status".into());
            let frame = serde_json::Value::Object(fields).to_string();
            match Codec::Json.decode_uplink(frame.as_bytes(), &[]) {
                Ok(Uplink::CommandStatus(status)) => Ok(Input::CommandStatus(status)),
                Ok(_) => Err("is no command_status".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        }
    })
}

fn record(text: &[u8]) -> Result<Record, String> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Wall(i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    // There is but one line in what was parsed.
    let told = |error: waygate_wire::WireError| error.fault.to_string().replace(" at line 1 column", " at column");
    let record = waygate_wire::record_from_json(text, now).map_err(told)?;
    match unusable(&record) {
        Some(what) => Err(what),
        None => Ok(record),
    }
}

/// Why a gateway would refuse the record for good.
fn unusable(record: &Record) -> Option<String> {
    if let Some(fix) = &record.fix {
        if !fix.position.on_globe() {
            return Some("lat, lon: must be within ±90 and ±180 degrees".to_owned());
        }
        if fix.heading_cdeg.is_some_and(|heading| heading >= 36_000) {
            return Some("heading: must be from 0 to below 360 degrees".to_owned());
        }
        if fix.speed_cms.is_some_and(|speed| speed > SPEED_CMS_MAX) {
            return Some(format!("speed: must be from 0 to {} m/s", SPEED_CMS_MAX / 100));
        }
    }
    if record.signals.len() > RECORD_SIGNALS_MAX {
        return Some(format!("signals: has more than {RECORD_SIGNALS_MAX} entries"));
    }
    record.signals.iter().find_map(|(path, value)| match value {
        SignalValue::Number(number) if !number.is_finite() => {
            Some("signals: a path must be of A-Z a-z 0-9 _ . and a value a number, true, false or a text".to_owned())
        }
        SignalValue::Text(text) if text.len() > SIGNAL_TEXT_BYTES_MAX => {
            Some(format!("signals.{}: is longer than {SIGNAL_TEXT_BYTES_MAX} bytes", path.as_str()))
        }
        SignalValue::Number(_) | SignalValue::Text(_) | SignalValue::Integer(_) | SignalValue::Flag(_) => None,
    })
}

#[cfg(test)]
#[path = "input_tests.rs"]
mod tests;
