//! The live stream as lines: for pipes, files and whoever asks for them.

use serde_json::{Value, json};
use time::OffsetDateTime;
use waygate_wire::operator::{GatewayStatus, LivePosition, Positions, Regions, StreamEvent, Vehicle};

use crate::commands::vehicles::{age_words, state_words};
use crate::commands::watch::WatchArgs;
use crate::commands::watch::feed::{Feed, News};
use crate::events::Event;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::words;

pub async fn follow(mut feed: Feed, args: &WatchArgs, output: &mut Output) -> Result<Exit, Failure> {
    let mut left = args.events.unwrap_or(u64::MAX);
    let mut broken = false;
    while left > 0 {
        let Some(news) = feed.next().await else { return Ok(Exit::Ok) };
        match news {
            News::Event { raw, event } => {
                if std::mem::take(&mut broken) {
                    output.note("the stream is back");
                }
                let lines = if output.json { vec![json_event(&raw)] } else { event.map(words_of).unwrap_or_default() };
                for line in lines.into_iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
                    output.line(line)?;
                    left -= 1;
                }
                output.flush()?;
            }
            News::Listed { .. } => {}
            News::Broken(why) => {
                if !std::mem::replace(&mut broken, true) {
                    output.warn(&format!("{}; trying again", words::plain(&why)));
                }
            }
            News::Ended(error) => return Err(error.into()),
        }
    }
    Ok(Exit::Ok)
}

/// One line of JSON an event, as it came.
fn json_event(raw: &Event) -> String {
    let data: Value = serde_json::from_str(&raw.data).unwrap_or(Value::Null);
    let id = if raw.id.is_empty() { Value::Null } else { json!(raw.id) };
    json!({"event": raw.kind, "id": id, "data": data}).to_string()
}

fn words_of(event: StreamEvent) -> Vec<String> {
    let now = || time_words(OffsetDateTime::now_utc());
    let lines = match event {
        StreamEvent::Hello(hello) => {
            vec![format!("{} hello     from {} in {}", hello.time, hello.gateway, hello.region)]
        }
        StreamEvent::Presence(vehicle) => vec![format!("{} presence  {}", now(), presence_words(&vehicle))],
        StreamEvent::Positions(Positions { positions }) => positions.iter().map(position_words).collect(),
        StreamEvent::Command(command) => {
            let (id, vehicle, name) = (&command.id, &command.vehicle, &command.name);
            vec![format!("{} command   {id} {vehicle} {name} {}", now(), command.state.name())]
        }
        StreamEvent::Regions(regions) => vec![format!("{} regions   {}", regions.time, regions_words(&regions))],
        StreamEvent::Missed(missed) => vec![format!("{} missed    {} events", now(), missed.events)],
    };
    lines.iter().map(|line| words::plain(line).into_owned()).collect()
}

pub fn presence_words(vehicle: &Vehicle) -> String {
    let (heard, state) = (age_words(vehicle), state_words(vehicle));
    if vehicle.gateway.is_empty() {
        return format!("{} {state}", vehicle.id);
    }
    format!("{} {state}; heard {heard} ago by {} in {}", vehicle.id, vehicle.gateway, vehicle.region)
}

fn position_words(position: &LivePosition) -> String {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(position.t) * 1_000_000).ok();
    let at = at.map(time_words).unwrap_or_else(|| position.t.to_string());
    let mut line = format!("{at} position  {} {}", position.id, words::place(position.lat, position.lon));
    if let Some(speed) = position.speed {
        line.push_str(&format!("  {}", words::speed(speed)));
    }
    if let Some(heading) = position.heading {
        line.push_str(&format!("  {}", words::heading(heading)));
    }
    line
}

fn regions_words(regions: &Regions) -> String {
    let gateways = regions.regions.iter().flat_map(|region| &region.gateways);
    let words: Vec<_> = gateways
        .map(|gateway| {
            let status = match gateway.status {
                GatewayStatus::Alive => "alive",
                GatewayStatus::Lost => "lost",
                GatewayStatus::Relayed => "heard through others",
                GatewayStatus::Unknown => "never heard",
            };
            format!("{} {status}, {} online", gateway.id, gateway.vehicles.online)
        })
        .collect();
    words.join("; ")
}

/// UTC to the millisecond, as the gateway writes times.
fn time_words(at: OffsetDateTime) -> String {
    let (date, time) = (at.date(), at.time());
    let day = format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day());
    format!("{day}T{:02}:{:02}:{:02}.{:03}Z", time.hour(), time.minute(), time.second(), time.millisecond())
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
