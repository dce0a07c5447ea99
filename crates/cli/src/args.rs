//! The command line: what can be typed, and what is refused before anything is asked of a gateway.

use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use url::Url;

use crate::commands;
use crate::trust::Bundle;

/// The longest span that can be given, seconds: a year. The gateway says what it takes.
const SPAN_MAX_S: f64 = 366.0 * 86_400.0;

/// Listed under every `--help`.
const EXIT_CODES: &str = "\
Exit codes:
   0  done
   1  the vehicle or command is not known, nothing matched, or the vehicle was not reached
   2  the command line is wrong, or the gateway refused a parameter
   3  no gateway answered at the URL
   4  the gateway answered with an error, or can take no more now
   5  the command failed or was rejected
   6  the command expired or was cancelled: it was never begun
   7  the command may have been done: nobody knows
   8  the command has not ended yet
  64  the configuration file is missing or wrong
  70  this program failed by itself, or the gateway could not start";

#[derive(Debug, Parser)]
#[command(
    name = "waygate",
    version,
    about = "A decentralised vehicle telematics gateway: run one, try three, ask any.",
    after_help = EXIT_CODES,
    after_long_help = EXIT_CODES,
    subcommand_required = true,
    arg_required_else_help = true,
    propagate_version = true
)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Three gateways, simulated traffic and a live map, in one terminal; Ctrl-C ends all of it.
    #[command(after_help = EXIT_CODES)]
    Demo(crate::demo::DemoArgs),
    /// Run one gateway until SIGTERM or Ctrl-C.
    #[command(after_help = EXIT_CODES)]
    Gateway(commands::gateway::GatewayArgs),
    /// List vehicles: who is reachable, where, through which gateway, and how old that answer is.
    #[command(after_help = EXIT_CODES)]
    Vehicles(commands::vehicles::VehiclesArgs),
    /// Show all that is known about one vehicle.
    #[command(after_help = EXIT_CODES)]
    Vehicle(commands::vehicle::VehicleArgs),
    /// Print a vehicle's stored records, whichever regions hold them.
    #[command(after_help = EXIT_CODES)]
    History(commands::history::HistoryArgs),
    /// Follow vehicles live: a screen on a terminal, one line per event otherwise.
    #[command(after_help = EXIT_CODES)]
    Watch(commands::watch::WatchArgs),
    /// Show every region and gateway as the asked gateway sees them.
    #[command(after_help = EXIT_CODES)]
    Regions(commands::regions::RegionsArgs),
    /// Ask every gateway what it sees: who hears whom, how far behind, bytes of each link, whether copies agree.
    #[command(after_help = EXIT_CODES)]
    Gateways(commands::gateways::GatewaysArgs),
    /// Print a vehicle's presence transitions, newest first: when, which, why, at which gateway.
    #[command(after_help = EXIT_CODES)]
    Timeline(commands::timeline::TimelineArgs),
    /// Send a vehicle a command and follow it to its end, wherever the vehicle is.
    #[command(after_help = EXIT_CODES)]
    Send(commands::send::SendArgs),
    /// Show where a command stands, follow it, or cancel it.
    #[command(name = "command", after_help = EXIT_CODES)]
    One(commands::command::CommandArgs),
    /// List a vehicle's commands, newest first.
    #[command(after_help = EXIT_CODES)]
    Commands(commands::list::CommandsArgs),
    /// Find out whether a vehicle can be reached now; wakes it if it sleeps.
    #[command(after_help = EXIT_CODES)]
    Page(commands::page::PageArgs),
    /// Let a vehicle attach that showed who it is and waits; `waygate vehicles --pending` lists them.
    #[command(after_help = EXIT_CODES)]
    Admit(commands::admit::DecideArgs),
    /// Let a vehicle attach no more; a session that it has is ended.
    #[command(after_help = EXIT_CODES)]
    Refuse(commands::admit::DecideArgs),
    /// Ask a vehicle for the full state of all its signals.
    #[command(after_help = EXIT_CODES)]
    Snapshot(commands::snapshot::SnapshotArgs),
    /// Make certificates for gateways and vehicles, renew and revoke them: a CA for development and small fleets.
    #[command(after_help = EXIT_CODES)]
    Pki(commands::pki::PkiArgs),
}

impl Command {
    /// Whether the answer is wanted as JSON.
    pub fn wants_json(&self) -> bool {
        match self {
            Self::Demo(_) | Self::Gateway(_) | Self::Pki(_) => false,
            Self::Vehicles(args) => args.ask.json,
            Self::Vehicle(args) => args.ask.json,
            Self::History(args) => args.ask.json,
            Self::Watch(args) => args.ask.json,
            Self::Regions(args) => args.ask.json,
            Self::Gateways(args) => args.ask.json,
            Self::Timeline(args) => args.ask.json,
            Self::Send(args) => args.ask.json,
            Self::One(args) => args.ask.json,
            Self::Commands(args) => args.ask.json,
            Self::Page(args) => args.ask.json,
            Self::Snapshot(args) => args.ask.json,
            Self::Admit(args) | Self::Refuse(args) => args.ask.json,
        }
    }
}

/// Which gateway to ask, and how the answer is wanted; the same for every operator's command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Asking")]
pub struct AskArgs {
    /// Any gateway's operator address.
    #[arg(long, env = "WAYGATE_URL", default_value = "http://127.0.0.1:7801", value_parser = gateway_url)]
    pub url: Url,
    /// The CA of a gateway that speaks TLS (https://), a PEM file.
    #[arg(long, env = "WAYGATE_CA", value_name = "FILE", value_parser = Bundle::read)]
    pub ca: Option<Bundle>,
    /// Print JSON instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Give up on an answer after this many seconds.
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = seconds)]
    pub timeout: Duration,
}

fn gateway_url(text: &str) -> Result<Url, String> {
    let example = "give it as http://HOST:PORT, for example http://127.0.0.1:7801";
    let url = Url::parse(text).map_err(|error| format!("{error}; {example}"))?;
    match url.scheme() {
        "http" | "https" if url.host_str().is_none_or(str::is_empty) => Err(format!("it names no host; {example}")),
        "http" | "https" if !url.username().is_empty() || url.password().is_some() => {
            Err(format!("credentials do not belong in a URL; {example}"))
        }
        "http" | "https" if url.query().is_some() || url.fragment().is_some() => {
            Err(format!("it must end before `?` and `#`; {example}"))
        }
        "http" | "https" => Ok(url),
        other => Err(format!("the scheme `{other}` is not http or https; {example}")),
    }
}

/// A number of seconds that can be waited.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds is wanted".to_owned())?;
    if (0.1..=3600.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("must lie between 0.1 and 3600 seconds".to_owned())
    }
}

/// A span such as `30s`, `1.5s`, `15m`, `2h`, `3d`; a number alone is seconds.
pub fn span(text: &str) -> Result<Duration, String> {
    let (number, unit_s) = match text.char_indices().last() {
        Some((at, 's')) => (&text[..at], 1.0),
        Some((at, 'm')) => (&text[..at], 60.0),
        Some((at, 'h')) => (&text[..at], 3600.0),
        Some((at, 'd')) => (&text[..at], 86_400.0),
        Some(_) | None => (text, 1.0),
    };
    let seconds = number.parse::<f64>().ok().map(|number| number * unit_s);
    match seconds.filter(|seconds| (0.001..=SPAN_MAX_S).contains(seconds)) {
        Some(seconds) => Ok(Duration::from_secs_f64(seconds)),
        None => Err("a span is 30s, 15m, 2h or 3d, above 0 and at most a year".to_owned()),
    }
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;
