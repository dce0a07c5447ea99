//! `waygate snapshot ID`: asks a vehicle for the full state of all its signals.

use clap::Args;
use serde_json::Value;

use crate::api::Api;
use crate::args::AskArgs;
use crate::commands::vehicle::vehicle_id;
use crate::exit::{Exit, Failure};
use crate::output::Output;

#[derive(Clone, Debug, Args)]
pub struct SnapshotArgs {
    /// The vehicle's id.
    #[arg(value_name = "ID", value_parser = vehicle_id)]
    pub id: String,
    #[command(flatten)]
    pub ask: AskArgs,
}

pub async fn run(args: SnapshotArgs, output: &mut Output) -> Result<Exit, Failure> {
    let api = Api::new(&args.ask);
    let answer = api.post::<Value>(&["vehicles", &args.id, "snapshot"], None, None).await?;
    if output.json {
        output.json(&answer)?;
    } else {
        output.line(format!("{} was asked for all its signals; `waygate vehicle {}` shows them", args.id, args.id))?;
    }
    Ok(Exit::Ok)
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
