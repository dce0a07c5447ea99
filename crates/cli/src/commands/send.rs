//! `waygate send ID NAME [ARGS]`: gives a vehicle a command and follows it to its end.

use std::future::Future;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::Value;
use waygate_wire::operator::{CommandInfo, CommandPolicy, Durability, NewCommand};

use crate::api::{Api, ApiError};
use crate::args::{AskArgs, span};
use crate::commands::follow::{self, Followed};
use crate::commands::vehicle::vehicle_id;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::words;

#[derive(Clone, Debug, Args)]
pub struct SendArgs {
    /// The vehicle's id.
    #[arg(value_name = "ID", value_parser = vehicle_id)]
    pub id: String,
    /// What it shall do, as its software calls it.
    #[arg(value_name = "NAME", value_parser = command_name)]
    pub name: String,
    /// With what, as JSON.
    #[arg(value_name = "ARGS-JSON", value_parser = json_text)]
    pub arguments: Option<Value>,
    /// It must not be begun after this: 30s, 15m, 2h, 3d.
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub ttl: Duration,
    /// What is done while the vehicle cannot be given it.
    #[arg(long, value_enum, default_value_t = Policy::Now)]
    pub policy: Policy,
    /// Of `latest-wins`: a later command of the vehicle with this key takes its place.
    #[arg(long, value_name = "K", required_if_eq("policy", "latest-wins"))]
    pub key: Option<String>,
    /// Do not wake a vehicle that has no socket.
    #[arg(long)]
    pub no_wake: bool,
    /// Follow it to its end; so it is unless --no-wait is given.
    // Never read: given last, it takes away a --no-wait before it.
    #[arg(long = "wait", overrides_with = "no_wait")]
    _wait: bool,
    /// End once it is taken.
    #[arg(long)]
    pub no_wait: bool,
    /// Sent again with the same key, it is the same command [default: a random one].
    #[arg(long, value_name = "K", value_parser = idempotency_key)]
    pub idempotency_key: Option<String>,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Policy {
    /// It fails unless the vehicle is connected or can be woken now.
    Now,
    /// It waits for the vehicle.
    Queue,
    /// It waits; a later one with the same --key takes its place.
    LatestWins,
}

impl Policy {
    const fn wire(self) -> CommandPolicy {
        match self {
            Self::Now => CommandPolicy::Now,
            Self::Queue => CommandPolicy::Queue,
            Self::LatestWins => CommandPolicy::LatestWins,
        }
    }
}

pub async fn run(args: SendArgs, output: &mut Output) -> Result<Exit, Failure> {
    if args.key.is_some() && args.policy != Policy::LatestWins {
        return Err(Failure::usage("--key belongs to --policy latest-wins"));
    }
    send(&Api::new(&args.ask), args, follow::interrupted(), output).await
}

async fn send(
    api: &Api,
    args: SendArgs,
    interrupt: impl Future<Output = ()>,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let command = NewCommand {
        name: args.name.clone(),
        arguments: args.arguments.clone(),
        ttl_s: args.ttl.as_secs_f64(),
        policy: args.policy.wire(),
        key: args.key.clone(),
        wake: !args.no_wake,
    };
    let idempotency_key = args.idempotency_key.clone().map_or_else(random_key, Ok)?;
    let header = Some(("idempotency-key", idempotency_key.as_str()));
    tokio::pin!(interrupt);
    let path = ["vehicles", args.id.as_str(), "commands"];
    let answer = tokio::select! {
        answer = api.post(&path, Some(&command), header) => answer,
        () = &mut interrupt => {
            let message = format!("interrupted before an answer came\n  {}", send_again(&idempotency_key));
            return Err(Failure::new(Exit::Unknown, message));
        }
    };
    let answer = answer.map_err(|error| not_taken(error, &idempotency_key))?;
    let info: CommandInfo = api.read(answer.clone())?;
    if !output.json {
        output.line(words::plain(&taken_words(&info)))?;
        output.flush()?;
    }
    if args.no_wait {
        if output.json {
            output.json(&answer)?;
        }
        return Ok(Exit::Ok);
    }
    finish(api, &info.id, follow::follow(api, answer, interrupt, output).await?, output)
}

/// Says how following a command went.
pub fn finish(api: &Api, id: &str, followed: Followed, output: &mut Output) -> Result<Exit, Failure> {
    match followed {
        Followed::Ended(answer) => {
            let info: CommandInfo = api.read(answer.clone())?;
            if output.json {
                output.json(&answer)?;
            } else {
                follow::tell_end(&info, output)?;
            }
            Ok(follow::exit(info.state))
        }
        Followed::Interrupted => {
            output.note(&follow::goes_on(id));
            Ok(Exit::UnderWay)
        }
    }
}

fn taken_words(info: &CommandInfo) -> String {
    let kept = match info.durability {
        Some(Durability::Safe) => ", kept in two regions",
        Some(Durability::Local) => ", kept by it alone: no other region could be reached",
        None => "",
    };
    let (id, name, vehicle, origin) = (&info.id, &info.name, &info.vehicle, &info.origin);
    format!("{id}  {name} for {vehicle}, taken by {origin}{kept}; to begin within {}", words::age(info.ttl_s))
}

/// Without an answer nobody knows whether it was taken: the same key makes a second attempt harmless.
fn not_taken(error: ApiError, key: &str) -> Failure {
    let unsure = error.is_unsure();
    let failure = Failure::from(error);
    if unsure {
        return Failure::new(failure.exit, format!("{}\n  {}", failure.message, send_again(key)));
    }
    failure
}

fn send_again(key: &str) -> String {
    format!("it may have been taken all the same; send it again with --idempotency-key {key}")
}

fn random_key() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Failure::internal(format!("no random bytes: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn command_name(text: &str) -> Result<String, String> {
    vehicle_id(text).map_err(|_| "a name has 1 to 64 letters, digits, dots, underscores and hyphens".to_owned())
}

fn json_text(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("that is not JSON ({error}); quote it for the shell"))
}

fn idempotency_key(text: &str) -> Result<String, String> {
    if (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("a key has 1 to 255 visible ASCII characters".to_owned())
    }
}

#[cfg(test)]
#[path = "send_tests.rs"]
mod tests;
