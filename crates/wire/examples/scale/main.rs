//! Checks the paper numbers of home regions with the real core and the real encoding: memory a gateway, bytes of its first
//! catch-up, bytes a second while vehicles live their day, and the time until their homes know.
//!
//! ```text
//! cargo run -p waygate-wire --example scale -- --regions 50 --vehicles 10000000 --homes 3
//! ```
//!
//! `--homes all` keeps the directory everywhere, `--homes none` configures no home regions: all detail everywhere. One
//! gateway a region. Two parts, each of which prints what it did:
//! - **Catch-up**: one gateway is kept whole, with all that it must keep of `--vehicles`. The others are made one after
//!   another, each with its whole log, read through a stream of their own, and dropped. Every gateway of a region keeps as
//!   much as that one does.
//! - **Steady**: all gateways at once, a stream between any two, at the real rate of changes. Only `--sample` vehicles a
//!   gateway stand in the logs, and each changes oftener: what crosses depends on the changes alone.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_types)]

mod carry;
mod catch_up;
mod fleet;
mod report;
mod steady;

use fleet::Fleet;
use waygate_core::homes::HomeRegions;

/// What is simulated.
#[derive(Debug)]
pub struct Plan {
    pub regions: usize,
    pub vehicles: u64,
    /// As it stands on the command line.
    pub homes: String,
    pub sample: u64,
    pub seconds: u64,
    pub peak: u64,
    pub delay_ms: u64,
    pub json: bool,
}

impl Plan {
    fn from_args() -> Self {
        let mut plan = Self {
            regions: 8,
            vehicles: 40_000,
            homes: "3".to_owned(),
            sample: 500,
            seconds: 60,
            peak: 5,
            delay_ms: 40,
            json: false,
        };
        let mut args = std::env::args().skip(1);
        while let Some(key) = args.next() {
            if key == "--json" {
                plan.json = true;
                continue;
            }
            let value = args.next().unwrap_or_else(|| panic!("{key} needs a value"));
            let number = || value.parse::<u64>().unwrap_or_else(|_| panic!("{key} {value}: not a number"));
            match key.as_str() {
                "--regions" => plan.regions = number() as usize,
                "--vehicles" => plan.vehicles = number(),
                "--homes" => plan.homes = value,
                "--sample" => plan.sample = number(),
                "--seconds" => plan.seconds = number(),
                "--peak" => plan.peak = number(),
                "--delay-ms" => plan.delay_ms = number(),
                _ => panic!("{key} is not known; see the top of this file"),
            }
        }
        plan
    }

    /// In how many regions the directory is kept; `None` if none are configured.
    fn homes(&self) -> Option<HomeRegions> {
        let homes = match self.homes.as_str() {
            "none" => return None,
            "all" => None,
            number => Some(number.parse().expect("--homes is a number, all or none")),
        };
        Some(HomeRegions::new((0..self.regions).map(Fleet::region).collect(), homes).unwrap())
    }
}

fn main() {
    let plan = Plan::from_args();
    let fleet = Fleet::new(&plan);
    let catch_up = catch_up::run(&fleet);
    let steady = [1, plan.peak].map(|factor| steady::run(&fleet, factor));
    report::print(&plan, &catch_up, &steady);
}
