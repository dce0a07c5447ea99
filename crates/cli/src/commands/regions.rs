//! `waygate regions`: what the asked gateway knows of every region, and how fresh that is.

use clap::Args;
use comfy_table::Color;
use serde_json::Value;
use waygate_wire::operator::{Gateway, GatewayStatus, Regions, StateCounts};

use crate::api::Api;
use crate::args::AskArgs;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::table::{Column, Field, Grid};
use crate::words;

#[derive(Clone, Debug, Args)]
pub struct RegionsArgs {
    #[command(flatten)]
    pub ask: AskArgs,
}

pub async fn run(args: RegionsArgs, output: &mut Output) -> Result<Exit, Failure> {
    let api = Api::new(&args.ask);
    let answer = api.ask(&["regions"], &[]).await?;
    show(&api, answer, output)
}

fn show(api: &Api, answer: Value, output: &mut Output) -> Result<Exit, Failure> {
    let regions: Regions = api.read(answer.clone())?;
    if output.json {
        output.json(&answer)?;
        return Ok(Exit::Ok);
    }
    output.line(format!(
        "as {} sees it at {}; {} records acked by it",
        words::plain(&regions.gateway),
        regions.time,
        words::count(regions.acked_records_total)
    ))?;
    output.line("")?;
    grid(&regions).write(output)?;
    Ok(Exit::Ok)
}

/// Gateways as rows, with the sum below.
pub fn grid(regions: &Regions) -> Grid {
    let mut grid = Grid::new(&[
        Column::left("REGION"),
        Column::left("GATEWAY").expendable(2),
        Column::left("STATUS"),
        Column::right("HEARD").expendable(1),
        Column::right("BEHIND").expendable(3),
        Column::right("AHEAD").expendable(8),
        Column::right("ONLINE"),
        Column::right("IDLE").expendable(4),
        Column::right("ASLEEP").expendable(7),
        Column::right("UNREACHABLE").expendable(6),
        Column::right("OFFLINE").expendable(5),
        Column::right("STALE"),
    ]);
    for region in &regions.regions {
        for gateway in &region.gateways {
            let (status, colour) = status_words(gateway);
            let mut row = vec![
                Field::new(&region.region),
                Field::new(&gateway.id),
                Field::new(status).coloured(colour),
                Field::new(heard_words(gateway)),
                Field::new(lag_words(gateway)),
                Field::new(ahead_words(gateway)),
            ];
            row.extend(count_fields(&gateway.vehicles));
            grid.row(row);
        }
    }
    let mut total =
        vec![Field::new("all"), Field::new(""), Field::new(""), Field::new(""), Field::new(""), Field::new("")];
    total.extend(count_fields(&regions.totals));
    grid.row(total);
    grid
}

fn status_words(gateway: &Gateway) -> (String, Color) {
    match (gateway.status, gateway.stale_for_s) {
        (GatewayStatus::Alive, _) if gateway.draining => ("draining".to_owned(), Color::DarkYellow),
        (GatewayStatus::Alive, None) => ("alive".to_owned(), Color::DarkGreen),
        (GatewayStatus::Alive, Some(s)) => (format!("alive, stale for {}", words::age(s)), Color::DarkYellow),
        (GatewayStatus::Relayed, _) => ("heard through others".to_owned(), Color::DarkYellow),
        (GatewayStatus::Lost, None) => ("lost".to_owned(), Color::DarkRed),
        (GatewayStatus::Lost, Some(s)) => (format!("lost, stale for {}", words::age(s)), Color::DarkRed),
        (GatewayStatus::Unknown, _) => ("never heard".to_owned(), Color::DarkGrey),
    }
}

fn heard_words(gateway: &Gateway) -> String {
    if gateway.is_self {
        return "itself".to_owned();
    }
    gateway.heard_ago_s.map_or_else(|| "-".to_owned(), words::age)
}

/// What is missing here of its log.
pub fn lag_words(gateway: &Gateway) -> String {
    lag(gateway.lag_entries, gateway.lag_s)
}

/// What it lacks of the asked gateway's log.
pub fn ahead_words(gateway: &Gateway) -> String {
    let link = gateway.link.as_ref();
    lag(link.and_then(|link| link.ahead_entries).unwrap_or_default(), link.and_then(|link| link.ahead_s))
}

fn lag(entries: u64, seconds: Option<f64>) -> String {
    match (entries, seconds) {
        (0, _) => "-".to_owned(),
        (entries, None) => words::count(entries),
        (entries, Some(s)) => format!("{}, {}", words::count(entries), words::age(s)),
    }
}

fn count_fields(counts: &StateCounts) -> [Field; 6] {
    [counts.online, counts.idle, counts.asleep, counts.unreachable, counts.offline, counts.stale]
        .map(|count| Field::new(words::count(count)))
}

#[cfg(test)]
#[path = "regions_tests.rs"]
mod tests;
