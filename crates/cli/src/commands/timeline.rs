//! `waygate timeline ID`: the presence transitions of a vehicle, newest first.

use clap::Args;
use serde_json::{Value, json};
use waygate_wire::operator::{State, Timeline, Transition};

use crate::api::Api;
use crate::args::AskArgs;
use crate::commands::vehicle::vehicle_id;
use crate::commands::vehicles::state_colour;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::table::{Column, Field, Grid};
use crate::words;

/// Transitions asked for at once.
const PAGE_MAX: u64 = 1000;

/// The most that are held in memory as a whole.
const LIMIT_MAX: u64 = 1_000_000;

/// Digits that are shown of an epoch: enough to tell the attaches of one vehicle from each other.
const EPOCH_DIGITS: usize = 8;

#[derive(Clone, Debug, Args)]
pub struct TimelineArgs {
    /// The vehicle's id.
    #[arg(value_name = "ID", value_parser = vehicle_id)]
    pub id: String,
    /// Show at most this many, the newest.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=LIMIT_MAX))]
    pub limit: u64,
    #[command(flatten)]
    pub ask: AskArgs,
}

pub async fn run(args: TimelineArgs, output: &mut Output) -> Result<Exit, Failure> {
    let api = Api::new(&args.ask);
    let answer = collect(&api, &args.id, args.limit).await?;
    show(&api, answer, &args.id, output)
}

/// Asks for pages until there are as many as are wanted, or no more; the answer has the shape of one page.
async fn collect(api: &Api, id: &str, wanted: u64) -> Result<Value, Failure> {
    let mut whole = json!({"transitions": [], "next": null, "missing_regions": []});
    let mut have = 0;
    loop {
        let before = whole["next"].clone();
        let mut query = vec![("limit", (wanted - have).min(PAGE_MAX).to_string())];
        query.extend(before.as_str().map(|cursor| ("cursor", cursor.to_owned())));
        let mut page = api.ask(&["vehicles", id, "timeline"], &query).await?;
        let Some(new) = page["transitions"].as_array_mut() else {
            api.read::<Timeline>(page)?;
            return Err(Failure::server(format!("{} answers without transitions", api.base())));
        };
        have += new.len() as u64;
        let mut new = std::mem::take(new);
        if let Some(transitions) = whole["transitions"].as_array_mut() {
            transitions.append(&mut new);
        }
        for region in page["missing_regions"].as_array().into_iter().flatten() {
            if let Some(missing) = whole["missing_regions"].as_array_mut().filter(|missing| !missing.contains(region)) {
                missing.push(region.clone());
            }
        }
        whole["next"] = page["next"].take();
        if whole["next"].is_null() || have >= wanted {
            return Ok(whole);
        }
        if whole["next"] == before {
            return Err(Failure::server(format!("{} gives the same page again and again", api.base())));
        }
    }
}

fn show(api: &Api, answer: Value, id: &str, output: &mut Output) -> Result<Exit, Failure> {
    let timeline: Timeline = api.read(answer.clone())?;
    let changes = changes(&timeline.transitions);
    if output.json {
        output.json(&answer)?;
    } else if !changes.is_empty() {
        grid(&changes).write(output)?;
    }
    super::warn_of_missing(&timeline.missing_regions, "what it alone knows is not among these", output);
    if timeline.transitions.is_empty() {
        output.note(&format!("no transition of {id} is known"));
        return Ok(Exit::Nothing);
    }
    if timeline.next.is_some() && !output.json {
        output.note(&format!("the newest {} are shown; --limit shows more", words::count(changes.len() as u64)));
    }
    Ok(Exit::Ok)
}

/// Those that changed something for an operator, newest first: of the same said again in a row, as when a vehicle
/// reports from another cell, the first.
fn changes(newest_first: &[Transition]) -> Vec<&Transition> {
    let older = newest_first.iter().skip(1).map(Some).chain(std::iter::once(None));
    let repeats = |transition: &Transition, older: &Transition| {
        let said = |t: &Transition| (t.state, t.epoch, t.session, t.cloned);
        said(transition) == said(older) && transition.cause == older.cause && transition.gateway == older.gateway
    };
    let changed = newest_first.iter().zip(older);
    changed.filter(|(t, older)| older.is_none_or(|older| !repeats(t, older))).map(|(t, _)| t).collect()
}

fn grid(transitions: &[&Transition]) -> Grid {
    let mut grid = Grid::new(&[
        Column::left("WHEN"),
        Column::left("STATE"),
        Column::left("CAUSE").expendable(2),
        Column::left("GATEWAY").expendable(1),
        Column::left("EPOCH").expendable(3),
    ]);
    for transition in transitions {
        let colour = if transition.cloned { comfy_table::Color::Red } else { state_colour(transition.state) };
        grid.row(vec![
            Field::new(transition.at.to_string()),
            Field::new(state_words(transition)).coloured(colour),
            Field::maybe(transition.cause.as_ref().map(|cause| cause.replace('_', " "))),
            Field::new(&transition.gateway),
            Field::new(short(transition.epoch.0)),
        ]);
    }
    grid
}

fn state_words(transition: &Transition) -> String {
    let state = match transition.state {
        State::Unknown => "let go",
        State::Online | State::Idle | State::Asleep | State::Unreachable | State::Offline | State::Stale => {
            transition.state.name()
        }
    };
    if transition.cloned { format!("{state}, cloned") } else { state.to_owned() }
}

/// The last digits of an epoch.
fn short(epoch: u64) -> String {
    let digits = epoch.to_string();
    match digits.len().checked_sub(EPOCH_DIGITS) {
        Some(hidden) if hidden > 0 => format!("…{}", &digits[hidden..]),
        Some(_) | None => digits,
    }
}

#[cfg(test)]
#[path = "timeline_tests.rs"]
mod tests;
