//! `waygate gateways`: what every gateway sees of the others, asked through one of them.

use clap::Args;
use comfy_table::Color;
use serde_json::Value;
use std::collections::BTreeSet;
use waygate_wire::operator::{
    Agreement, Gateway, GatewayStatus, GatewayView, LogAgreement, LogScope, SeenGateway, Views,
};

use crate::api::Api;
use crate::args::AskArgs;
use crate::commands::regions::{ahead_words, lag_words};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::table::{Column, Field, Grid};
use crate::words;

/// Gateways of a table that shows each pair; of more, only the pairs in trouble are listed.
const MATRIX_MAX: usize = 8;

/// Fuller than this is coloured: it soon turns vehicles away.
const FULL: f64 = 0.9;

#[derive(Clone, Debug, Args)]
pub struct GatewaysArgs {
    /// Show every copy of every log, with its digest.
    #[arg(long)]
    pub logs: bool,
    #[command(flatten)]
    pub ask: AskArgs,
}

pub async fn run(args: GatewaysArgs, output: &mut Output) -> Result<Exit, Failure> {
    let api = Api::new(&args.ask);
    let answer = api.ask(&["views"], &[]).await?;
    show(&api, answer, args.logs, output)
}

fn show(api: &Api, answer: Value, logs: bool, output: &mut Output) -> Result<Exit, Failure> {
    let views: Views = api.read(answer.clone())?;
    if output.json {
        output.json(&answer)?;
        return Ok(Exit::Ok);
    }
    let asked = views.views.len() + views.silent.len();
    output.line(format!(
        "{} of {asked} gateways say what they see; asked by {} at {}",
        views.views.len(),
        words::plain(&views.gateway),
        views.time
    ))?;
    output.line("")?;
    sight(&views).write(output)?;
    if let Some(own) = views.views.iter().find(|view| view.seen_by == views.gateway) {
        output.line("")?;
        links(own).write(output)?;
        if own.gateways.iter().any(|seen| seen.gateway.said.is_some()) {
            output.line("")?;
            said(own).write(output)?;
        }
    }
    output.line("")?;
    if logs { copies(&views) } else { agreements(&views.logs) }.write(output)?;
    for silent in &views.silent {
        let name = silent.gateway.as_ref().unwrap_or(&silent.operators_url);
        output.warn(&format!("no word from {}: {}", words::plain(name), words::plain(&silent.why)));
    }
    for log in views.logs.iter().filter(|log| log.agreement == Agreement::Differs) {
        let advice = "whoever holds one asks its owner for what differs; --logs shows the digests";
        output.warn(&format!("copies of the log of {} differ: {advice}", words::plain(&log.owner)));
    }
    Ok(Exit::Ok)
}

/// Who sees whom: a row for each that looks, a column for each that is seen.
fn sight(views: &Views) -> Grid {
    let seen: BTreeSet<&str> =
        views.views.iter().flat_map(|view| &view.gateways).map(|seen| seen.gateway.id.as_str()).collect();
    if seen.len() > MATRIX_MAX {
        return troubled(views);
    }
    let columns = seen.iter().map(|id| Column::named(id));
    let mut grid = Grid::new(&std::iter::once(Column::left("SEEN BY")).chain(columns).collect::<Vec<_>>());
    for view in &views.views {
        let cell = |id: &&str| {
            let known = view.gateways.iter().find(|seen| seen.gateway.id == **id);
            known.map_or_else(|| Field::new("not known").coloured(Color::DarkGrey), |seen| sight_field(&seen.gateway))
        };
        grid.row(std::iter::once(Field::new(&view.seen_by)).chain(seen.iter().map(cell)).collect());
    }
    grid
}

/// The pairs that are not in order.
fn troubled(views: &Views) -> Grid {
    let mut grid = Grid::new(&[Column::left("SEEN BY"), Column::left("GATEWAY"), Column::left("SIGHT")]);
    let pairs = views.views.iter().flat_map(|view| view.gateways.iter().map(move |seen| (view, seen)));
    for (view, SeenGateway { gateway, .. }) in pairs {
        if gateway.status != GatewayStatus::Alive || gateway.lag_entries > 0 {
            grid.row(vec![Field::new(&view.seen_by), Field::new(&gateway.id), sight_field(gateway)]);
        }
    }
    grid
}

fn sight_field(gateway: &Gateway) -> Field {
    if gateway.is_self {
        return Field::new("itself").coloured(Color::DarkGrey);
    }
    let since = gateway.heard_ago_s.map(words::age);
    match (gateway.status, since) {
        (GatewayStatus::Alive, _) if gateway.lag_entries > 0 => {
            let behind = words::count(gateway.lag_entries);
            Field::new(format!("heard, {behind} behind")).coloured(Color::DarkYellow)
        }
        (GatewayStatus::Alive, _) if gateway.draining => Field::new("draining").coloured(Color::DarkYellow),
        (GatewayStatus::Alive, _) => Field::new("heard").coloured(Color::DarkGreen),
        (GatewayStatus::Relayed, _) => Field::new("heard through others").coloured(Color::DarkYellow),
        (GatewayStatus::Lost, Some(since)) => Field::new(format!("lost for {since}")).coloured(Color::DarkRed),
        (GatewayStatus::Lost, None) => Field::new("lost").coloured(Color::DarkRed),
        (GatewayStatus::Unknown, _) => Field::new("never heard").coloured(Color::DarkGrey),
    }
}

/// What passes between one gateway and the others.
fn links(own: &GatewayView) -> Grid {
    let mut grid = Grid::new(&[
        Column::named(&format!("LINKS OF {}", own.seen_by)),
        Column::left("STREAM"),
        Column::right("BEHIND").expendable(1),
        Column::right("AHEAD").expendable(2),
        Column::right("SENT").expendable(3),
        Column::right("RECEIVED").expendable(4),
        Column::left("AUDIT"),
    ]);
    for SeenGateway { gateway, .. } in &own.gateways {
        let Some(link) = &gateway.link else { continue };
        let (stream, colour) = if link.up { ("stands", Color::DarkGreen) } else { ("none", Color::DarkRed) };
        grid.row(vec![
            Field::new(&gateway.id),
            Field::new(stream).coloured(colour),
            Field::new(lag_words(gateway)),
            Field::new(ahead_words(gateway)),
            Field::new(words::bytes(link.bytes_sent)),
            Field::new(words::bytes(link.bytes_received)),
            audit_field(link.audit.mismatches, link.audit.equal_ago_s),
        ]);
    }
    grid
}

fn audit_field(mismatches: u64, equal_ago_s: Option<f64>) -> Field {
    let equal = equal_ago_s.map_or_else(|| "not compared".to_owned(), |s| format!("equal {} ago", words::age(s)));
    match mismatches {
        0 => Field::new(equal),
        1 => Field::new(format!("{equal}, differed once")).coloured(Color::DarkRed),
        times => Field::new(format!("{equal}, differed {} times", words::count(times))).coloured(Color::DarkRed),
    }
}

/// What each gateway last said of itself, as one of them has heard it.
fn said(own: &GatewayView) -> Grid {
    let mut grid = Grid::new(&[
        Column::left("LAST SAID BY"),
        Column::right("SESSIONS"),
        Column::right("FULL"),
        Column::right("LOG HEAD").expendable(1),
    ]);
    for SeenGateway { gateway, .. } in &own.gateways {
        let Some(said) = gateway.said else { continue };
        // Never rounded up to full.
        let percent = (said.load * 100.0).floor();
        let full = Field::new(format!("{percent} %"));
        grid.row(vec![
            Field::new(&gateway.id),
            Field::new(words::count(said.sessions)),
            if said.load >= FULL { full.coloured(Color::DarkYellow) } else { full },
            Field::new(words::count(said.log_head.0)),
        ]);
    }
    grid
}

/// One row a log: whether all hold the same of it.
fn agreements(logs: &[LogAgreement]) -> Grid {
    let mut grid = Grid::new(&[
        Column::left("LOG OF"),
        Column::right("LIFE").expendable(2),
        Column::right("HEAD").expendable(1),
        Column::left("COPIES"),
    ]);
    for log in logs {
        let (copies, colour) = match log.agreement {
            Agreement::Equal => ("equal".to_owned(), Color::DarkGreen),
            Agreement::Behind => (format!("behind at {}", log.behind.join(", ")), Color::DarkYellow),
            Agreement::Differs => ("differ".to_owned(), Color::DarkRed),
        };
        grid.row(vec![
            Field::new(log_name(&log.owner, log.scope)),
            Field::new(log.incarnation.0.to_string()),
            Field::new(words::count(log.head.0)),
            Field::new(copies).coloured(colour),
        ]);
    }
    grid
}

/// Whose log, and that it is the one for other regions.
fn log_name(owner: &str, scope: LogScope) -> String {
    match scope {
        LogScope::Detail => owner.to_owned(),
        LogScope::Directory => format!("{owner}, directory"),
    }
}

/// One row a copy of a log.
fn copies(views: &Views) -> Grid {
    let mut grid = Grid::new(&[
        Column::left("LOG OF"),
        Column::right("LIFE").expendable(3),
        Column::left("HELD BY"),
        Column::right("HEAD"),
        Column::right("FLOOR").expendable(2),
        Column::right("VEHICLES"),
        Column::right("LET GO").expendable(1),
        Column::left("DIGEST"),
    ]);
    for log in &views.logs {
        for view in &views.views {
            let same = view
                .logs
                .iter()
                .filter(|held| (&held.owner, held.incarnation, held.scope) == (&log.owner, log.incarnation, log.scope));
            for held in same {
                grid.row(vec![
                    Field::new(log_name(&held.owner, held.scope)),
                    Field::new(held.incarnation.0.to_string()),
                    Field::new(&view.seen_by),
                    Field::new(words::count(held.head.0)),
                    Field::new(words::count(held.floor.0)),
                    Field::new(words::count(held.live)),
                    Field::new(words::count(held.tombstones)),
                    Field::new(&held.digest),
                ]);
            }
        }
    }
    grid
}

#[cfg(test)]
#[path = "gateways_tests.rs"]
mod tests;
