//! `waygate demo`: three regions, real traffic, a live map, in one terminal.
//!
//! It starts three gateways as processes of this very program, drives a trace through them with the real
//! vehicle client, shows how they are, and takes all of it down again. It decides nothing about vehicles or
//! gateways: those are the fleet's and the gateways' own.

mod children;
mod folder;
mod knowledge;
mod limits;
mod pki;
mod plan;
mod run;
mod screen;
mod status;
mod stop;
mod words;

use std::path::PathBuf;

use clap::Args;

pub use run::run;

/// What can be said to `waygate demo`.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// How many vehicles drive; more than the trace has are copies at another time and a few metres beside.
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub vehicles: u32,
    /// A SUMO floating-car trace to replay, .xml or .gz (default: Luxembourg, part of this program).
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// How fast the traffic plays.
    #[arg(long, value_name = "X", default_value = "1", value_parser = speed)]
    pub speed: f64,
    /// End by itself after so many seconds (default: at Ctrl-C).
    #[arg(long, value_name = "SECS")]
    pub duration: Option<u64>,
    /// Keep the gateways' data, configuration and logs here (default: a temporary folder, removed at the end).
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Start a gateway that died again after so many seconds; 0 leaves it dead.
    #[arg(long, value_name = "SECS", default_value_t = 30)]
    pub respawn: u64,
    /// At the end, look up every acked record at a gateway: each must be there exactly once.
    #[arg(long)]
    pub verify: bool,
    /// Speak TLS with vehicles: each has a certificate of a CA that is made at the start.
    #[arg(long)]
    pub tls: bool,
    /// Another seed is other traffic.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// The vehicles' port of the first gateway; the others take the next ones.
    #[arg(long, value_name = "PORT", default_value_t = 7701)]
    pub vehicle_ports: u16,
    /// The operators' port of the first gateway; the others take the next ones.
    #[arg(long, value_name = "PORT", default_value_t = 7801)]
    pub operator_ports: u16,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if (0.1..=100.0).contains(&speed) => Ok(speed),
        Ok(_) | Err(_) => Err("a number from 0.1 to 100 is wanted; 1 is real time".to_owned()),
    }
}
