//! `waygate history ID`: a vehicle's stored records, as they come, in the form that is wanted.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use waygate_wire::operator::{TelemetryEnd, TelemetryRecord};

use crate::api::Api;
use crate::args::{AskArgs, seconds};
use crate::commands::vehicle::{value_words, vehicle_id};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::table::{Column, Field, Grid};
use crate::words;

/// Records after which it is told how far it is, and what was read is written out.
const PROGRESS_RECORDS: u64 = 1000;

/// The most records of a table or a JSON document, which are held in memory as a whole.
const WHOLE_RECORDS_MAX: u64 = 1_000_000;

const CSV_HEADINGS: &str = "t,received,spool,seq,lat,lon,alt_m,speed_mps,heading_deg,hdop,signals";

#[derive(Clone, Debug, Args)]
pub struct HistoryArgs {
    /// The vehicle's id.
    #[arg(value_name = "ID", value_parser = vehicle_id)]
    pub id: String,
    /// From this time on: 2026-11-21T02:00:00Z, or so long ago: 90s, 15m, 2h, 3d.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = moment)]
    pub from: Moment,
    /// Up to this time, the same forms [default: now].
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub to: Option<Moment>,
    /// Print at most this many records, the oldest first.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: u64,
    /// Print all of them.
    #[arg(long, conflicts_with = "limit")]
    pub all: bool,
    /// The form of the answer; ndjson and csv are written as they arrive, however many records there are.
    #[arg(long, value_enum, conflicts_with = "json")]
    pub format: Option<Format>,
    /// How long a gateway may keep the answer waiting before it is left out, and named.
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = seconds)]
    pub deadline: std::time::Duration,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Json,
    Ndjson,
    Csv,
}

/// A point in time as a person gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    At(OffsetDateTime),
    Ago(Duration),
}

pub async fn run(args: HistoryArgs, output: &mut Output) -> Result<Exit, Failure> {
    // A gateway that is silent as long as it may be does not end the reading.
    let api = Api::new(&args.ask).patient(args.deadline);
    let format = args.format.unwrap_or(if args.ask.json { Format::Json } else { Format::Table });
    let whole = matches!(format, Format::Table | Format::Json);
    let wanted = match (args.all, whole) {
        (true, true) => Some(WHOLE_RECORDS_MAX),
        (true, false) => None,
        (false, _) => Some(args.limit),
    };
    let mut query = query(&args, OffsetDateTime::now_utc())?;
    query.extend([("format", "ndjson".to_owned()), ("deadline_s", args.deadline.as_secs_f64().to_string())]);
    query.extend(wanted.map(|wanted| ("limit", wanted.to_string())));
    let mut lines = api.lines(&["vehicles", &args.id, "telemetry"], &query).await?;
    let mut kept = Vec::new();
    if format == Format::Csv {
        output.line(CSV_HEADINGS)?;
    }
    let mut records: u64 = 0;
    while let Some(mut line) = lines.next().await? {
        if let Some(end) = line.get_mut("end").map(Value::take) {
            output.reading(whole, None);
            return finish(&api, format, kept, &api.read(end)?, &args, output);
        }
        records += 1;
        if records.is_multiple_of(PROGRESS_RECORDS) {
            output.flush()?;
            let at = line["t"].as_str().unwrap_or_default();
            output.reading(whole, Some(&format!("{} records, up to {}", words::count(records), words::plain(at))));
        }
        match format {
            Format::Table | Format::Json => kept.push(line),
            Format::Ndjson => output.json_line(&line)?,
            Format::Csv => output.line(csv_line(&api.read(line)?))?,
        }
    }
    output.reading(whole, None);
    output.flush()?;
    let records = words::count(records);
    Err(Failure::server(format!("{} broke the answer off after {records} records: there are more", api.base())))
}

fn finish(
    api: &Api,
    format: Format,
    kept: Vec<Value>,
    end: &TelemetryEnd,
    args: &HistoryArgs,
    output: &mut Output,
) -> Result<Exit, Failure> {
    match format {
        Format::Json => {
            let TelemetryEnd { next, missing_regions, missing, .. } = end;
            let answer = json!({
                "records": kept, "next": next, "missing_regions": missing_regions, "missing": missing
            });
            output.json(&answer)?;
        }
        Format::Table if !kept.is_empty() => {
            let records = kept.into_iter().map(|record| api.read(record)).collect::<Result<Vec<_>, _>>()?;
            grid(&records).write(output)?;
        }
        Format::Table | Format::Ndjson | Format::Csv => {}
    }
    output.flush()?;
    for missing in &end.missing {
        let name = words::plain(missing.gateway.as_ref().unwrap_or(&missing.region));
        output.warn(&format!("{name}: {}; records that it holds may be missing", words::plain(&missing.why)));
    }
    if end.records == 0 {
        let since = if args.to.is_none() && matches!(args.from, Moment::Ago(_)) {
            "; --from 7d looks further back"
        } else {
            ""
        };
        output.note(&format!("no record of {} in this time{since}", args.id));
        return Ok(Exit::Nothing);
    }
    if end.next.is_some() && format == Format::Table {
        output.note(&format!("the oldest {} are shown; --all shows every one", words::count(end.records)));
    }
    Ok(Exit::Ok)
}

fn query(args: &HistoryArgs, now: OffsetDateTime) -> Result<Vec<(&'static str, String)>, Failure> {
    let from = args.from.at(now);
    let mut query = vec![("from", rfc3339(from)?)];
    if let Some(to) = args.to {
        let to = to.at(now);
        if to <= from {
            let (from, to) = (rfc3339(from)?, rfc3339(to)?);
            return Err(Failure::usage(format!("--to ({to}) does not lie after --from ({from})")));
        }
        query.push(("to", rfc3339(to)?));
    }
    Ok(query)
}

impl Moment {
    fn at(self, now: OffsetDateTime) -> OffsetDateTime {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now.checked_sub(ago).unwrap_or(OffsetDateTime::UNIX_EPOCH),
        }
    }
}

fn rfc3339(at: OffsetDateTime) -> Result<String, Failure> {
    at.format(&Rfc3339).map_err(|error| Failure::usage(format!("{at} cannot be asked for: {error}")))
}

fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(at) = OffsetDateTime::parse(text, &Rfc3339) {
        return Ok(Moment::At(at));
    }
    let unit_s = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        Some(_) | None => 0,
    };
    let number = text.get(..text.len().saturating_sub(1)).and_then(|number| number.parse::<u32>().ok());
    match number {
        Some(number) if unit_s > 0 => Ok(Moment::Ago(Duration::seconds(i64::from(number) * unit_s))),
        Some(_) | None => Err("a time is 2026-11-21T02:00:00Z, or so long ago: 90s, 15m, 2h, 3d".to_owned()),
    }
}

fn grid(records: &[TelemetryRecord]) -> Grid {
    let mut grid = Grid::new(&[
        Column::left("TIME"),
        Column::left("POSITION"),
        Column::right("SPEED").expendable(2),
        Column::left("HEADING").expendable(3),
        Column::right("SEQ").expendable(4),
        Column::left("SIGNALS").expendable(5),
    ]);
    for record in records {
        let signals: Vec<_> =
            record.signals.iter().map(|(path, value)| format!("{}={}", short(path), value_words(value))).collect();
        grid.row(vec![
            Field::new(record.t.to_string()),
            Field::maybe(record.lat.zip(record.lon).map(|(lat, lon)| words::place(lat, lon))),
            Field::maybe(record.speed.map(words::speed)),
            Field::maybe(record.heading.map(words::heading)),
            Field::new(record.seq.0.to_string()),
            Field::new(signals.join(" ")),
        ]);
    }
    grid
}

/// The last part of a signal's path, as a table has room for.
fn short(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

fn csv_line(record: &TelemetryRecord) -> String {
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let signals = if record.signals.is_empty() { String::new() } else { json!(record.signals).to_string() };
    [
        record.t.to_string(),
        record.received.to_string(),
        record.spool.0.to_string(),
        record.seq.0.to_string(),
        number(record.lat),
        number(record.lon),
        number(record.alt),
        number(record.speed),
        number(record.heading),
        number(record.hdop),
        csv_text(&signals),
    ]
    .join(",")
}

/// Quoted as RFC 4180 has it.
fn csv_text(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
