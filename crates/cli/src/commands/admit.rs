//! `waygate admit ID` and `waygate refuse ID`: decides whether a vehicle may attach.

use clap::Args;
use serde_json::Value;
use waygate_wire::operator::{EnrolledVehicle, NewDecision};

use crate::api::Api;
use crate::args::AskArgs;
use crate::commands::vehicle::vehicle_id;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::words;

#[derive(Clone, Debug, Args)]
pub struct DecideArgs {
    /// The vehicle's id.
    #[arg(value_name = "ID", value_parser = vehicle_id)]
    pub id: String,
    /// Its fleet, for one that has not asked yet, or asked for another fleet.
    #[arg(long, value_name = "FLEET")]
    pub fleet: Option<String>,
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Lets a vehicle attach.
pub async fn admit(args: DecideArgs, output: &mut Output) -> Result<Exit, Failure> {
    let rest = "it may attach; one that was turned away tries again within 12 hours, or when its unit starts anew";
    decide(args, "admit", rest, output).await
}

/// Ends a vehicle's session, if it has one, and lets it attach no more.
pub async fn refuse(args: DecideArgs, output: &mut Output) -> Result<Exit, Failure> {
    decide(args, "refuse", "a session that it had is over, and it gets no other", output).await
}

async fn decide(args: DecideArgs, verb: &str, rest: &str, output: &mut Output) -> Result<Exit, Failure> {
    let api = Api::new(&args.ask);
    let body = args.fleet.map(|fleet| NewDecision { fleet: Some(fleet) });
    let answer = api.post::<NewDecision>(&["vehicles", &args.id, verb], body.as_ref(), None).await?;
    show(&api, answer, rest, output)
}

fn show(api: &Api, answer: Value, rest: &str, output: &mut Output) -> Result<Exit, Failure> {
    let vehicle: EnrolledVehicle = api.read(answer.clone())?;
    if output.json {
        output.json(&answer)?;
    } else {
        let EnrolledVehicle { id, fleet, standing, .. } = vehicle;
        let line =
            format!("{}  {} in fleet {}: {rest}", words::plain(&id), words::plain(&standing), words::plain(&fleet));
        output.line(line)?;
    }
    Ok(Exit::Ok)
}

#[cfg(test)]
#[path = "admit_tests.rs"]
mod tests;
