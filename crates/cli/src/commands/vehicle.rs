//! `waygate vehicle ID`: all that is known about one.

use clap::Args;
use serde_json::Value;
use waygate_wire::operator::{StaleWhy, State, Vehicle, VehicleDetail};

use crate::api::Api;
use crate::args::AskArgs;
use crate::commands::vehicles::{age_words, state_words, warn_of_view};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::table::{Column, Field, Grid};
use crate::words;

#[derive(Clone, Debug, Args)]
pub struct VehicleArgs {
    /// The vehicle's id.
    #[arg(value_name = "ID", value_parser = vehicle_id)]
    pub id: String,
    #[command(flatten)]
    pub ask: AskArgs,
}

pub async fn run(args: VehicleArgs, output: &mut Output) -> Result<Exit, Failure> {
    let api = Api::new(&args.ask);
    let answer = api.ask(&["vehicles", &args.id], &[]).await?;
    show(&api, answer, output)
}

fn show(api: &Api, answer: Value, output: &mut Output) -> Result<Exit, Failure> {
    let detail: VehicleDetail = api.read(answer.clone())?;
    if output.json {
        output.json(&answer)?;
    } else {
        write(&detail, output)?;
    }
    warn_of_view(&detail.view, output);
    Ok(Exit::Ok)
}

fn write(detail: &VehicleDetail, output: &mut Output) -> std::io::Result<()> {
    let vehicle = &detail.vehicle;
    output.line(format!("{}  {}", words::plain(&vehicle.id), words::plain(&headline(vehicle))))?;
    if vehicle.cloned {
        let alarm = format!("  {:<16}two units seem to use this identity", "cloned");
        output.line(output.dressed("1;31", &alarm))?;
    }
    for (label, text) in facts(vehicle) {
        output.line(format!("  {label:<16}{}", words::plain(&text)))?;
    }
    match detail.waiting_commands {
        0 => {}
        waiting => {
            let text = format!("{} for it: `waygate commands {}`", words::count(waiting), vehicle.id);
            output.line(format!("  {:<16}{}", "commands wait", words::plain(&text)))?;
        }
    }
    if detail.signals.is_empty() {
        return Ok(());
    }
    output.line("")?;
    let mut grid = Grid::new(&[Column::left("SIGNAL"), Column::left("VALUE"), Column::left("AT").expendable(1)]);
    for (path, reading) in &detail.signals {
        grid.row(vec![Field::new(path), Field::new(value_words(&reading.value)), Field::new(reading.t.to_string())]);
    }
    grid.write(output)
}

/// The state; of a vehicle without a socket also how it comes back.
fn headline(vehicle: &Vehicle) -> String {
    let mut headline = state_words(vehicle);
    if vehicle.state == State::Asleep {
        headline += &match vehicle.update_expected_in_s {
            Some(seconds) if seconds > 0.0 => format!(", back in {}", words::age(seconds)),
            Some(_) => ", overdue".to_owned(),
            None => String::new(),
        };
    }
    if !vehicle.wake.is_empty() && vehicle.state != State::Online {
        headline += &format!(", wake: {}", vehicle.wake.join(", "));
    }
    headline
}

fn facts(vehicle: &Vehicle) -> Vec<(&'static str, String)> {
    let mut facts = vec![("heard", format!("{} ago", age_words(vehicle)))];
    if let Some(why) = vehicle.stale_why {
        facts.push(("stale because", stale_words(why).to_owned()));
    }
    if let Some(seconds) = vehicle.update_expected_in_s.filter(|_| vehicle.state != State::Asleep) {
        facts.push(if seconds > 0.0 { ("reports in", words::age(seconds)) } else { ("report", "overdue".to_owned()) });
    }
    facts.extend(vehicle.fleet.clone().map(|fleet| ("fleet", fleet)));
    facts.push(("served by", format!("{} in {}", vehicle.gateway, vehicle.region)));
    if let Some(position) = &vehicle.position {
        facts.push(("position", words::place(position.lat, position.lon)));
        facts.push(("", format!("at {} by its own clock", position.t)));
        facts.extend(position.speed.map(|speed| ("speed", words::speed(speed))));
        facts.extend(position.heading.map(|heading| ("heading", words::heading(heading))));
    }
    facts.extend(vehicle.cell.clone().map(|cell| ("area", format!("{cell} (H3)"))));
    facts.push(("epoch", vehicle.epoch.0.to_string()));
    facts.push(("session", vehicle.session.0.to_string()));
    facts.push(("this view", format!("{} old", words::age(vehicle.view_age_s))));
    facts
}

const fn stale_words(why: StaleWhy) -> &'static str {
    match why {
        StaleWhy::OwnerLost => "its gateway is not heard",
        StaleWhy::OwnerLeft => "its gateway has stopped",
        StaleWhy::OwnerRestarted => "its gateway restarted and has not heard it since",
        StaleWhy::ViewCutOff => "the gateway that answers is cut off from its gateway",
    }
}

/// A signal's value without JSON's quotes.
pub fn value_words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// Refuses what no vehicle can be called, before anything is asked.
pub fn vehicle_id(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if (1..=64).contains(&text.len()) && text.chars().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("an id has 1 to 64 letters, digits, dots, underscores and hyphens".to_owned())
    }
}

#[cfg(test)]
#[path = "vehicle_tests.rs"]
mod tests;
