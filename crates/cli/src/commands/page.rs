//! `waygate page ID`: whether a vehicle can be reached now, and how long that took.

use std::time::Duration;

use clap::Args;
use serde_json::Value;
use waygate_wire::operator::{NewPage, Page, PageOutcome};

use crate::api::Api;
use crate::args::{AskArgs, span};
use crate::commands::vehicle::vehicle_id;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::words;

#[derive(Clone, Debug, Args)]
pub struct PageArgs {
    /// The vehicle's id.
    #[arg(value_name = "ID", value_parser = vehicle_id)]
    pub id: String,
    /// How long it may take: 30s, 2m; at most 240s.
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = wait)]
    pub wait: Duration,
    /// Do not wake a vehicle that has no socket.
    #[arg(long)]
    pub no_wake: bool,
    #[command(flatten)]
    pub ask: AskArgs,
}

/// The longest that a gateway takes.
const WAIT_MAX: Duration = Duration::from_secs(240);

pub async fn run(args: PageArgs, output: &mut Output) -> Result<Exit, Failure> {
    // The gateway answers once the vehicle has, or its time is over: --timeout counts from then on.
    let api = Api::new(&args.ask).patient(args.wait);
    let page = NewPage { wait_s: args.wait.as_secs_f64(), wake: !args.no_wake };
    output.progress(Some(&format!("paging {}, at most {}", args.id, words::age(page.wait_s))));
    let answer = api.post(&["vehicles", &args.id, "page"], Some(&page), None).await;
    output.progress(None);
    show(&api, answer?, output)
}

fn show(api: &Api, answer: Value, output: &mut Output) -> Result<Exit, Failure> {
    let page: Page = api.read(answer.clone())?;
    let (word, ansi, exit) = match page.outcome {
        PageOutcome::Reachable => ("reachable", "32", Exit::Ok),
        PageOutcome::Woken => ("woken", "32", Exit::Ok),
        PageOutcome::Unreachable => ("unreachable", "31", Exit::Nothing),
    };
    if output.json {
        output.json(&answer)?;
        return Ok(exit);
    }
    let at = page.gateway.as_ref().map(|gateway| format!(", at {gateway}")).unwrap_or_default();
    let detail = if page.detail.is_empty() { String::new() } else { format!(": {}", page.detail) };
    let rest = format!(" after {}{at}{detail}", words::age(page.took_s));
    let line = format!("{}  {}{}", words::plain(&page.vehicle), output.dressed(ansi, word), words::plain(&rest));
    output.line(line)?;
    Ok(exit)
}

fn wait(text: &str) -> Result<Duration, String> {
    let wait = span(text)?;
    if wait <= WAIT_MAX { Ok(wait) } else { Err("a page waits at most 240s".to_owned()) }
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
