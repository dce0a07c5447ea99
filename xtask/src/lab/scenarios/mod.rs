//! What is done to gateways, and what must hold: a function each. The numbers are those of design and protocol, where they say
//! one; limits are generous only where the machine's own speed is in them.

mod catch_up;
mod clones;
mod cuts;
mod lives;
mod rolling;
mod skew;

use std::time::Duration;

use anyhow::Result;

use super::cluster::Lab;

/// After the end of any disturbance all views must be equal: ten seconds, as long as a stream needs to be dialled anew.
const AGREE_WITHIN: Duration = Duration::from_secs(10);

/// A gateway that is not heard must show what it owns as stale.
const STALE_WITHIN: Duration = Duration::from_secs(15);

/// A vehicle that reaches a gateway attaches there: a local round trip, on a machine that does much else.
const ATTACH_WITHIN: Duration = Duration::from_secs(5);

/// What a scenario begins with.
#[derive(Debug)]
pub struct Plan {
    /// Gateways and their regions.
    pub seats: &'static [(&'static str, &'static str)],
    /// Vehicles of each gateway.
    pub vehicles: usize,
    /// The only gateway that has vehicles.
    pub only: Option<&'static str>,
    /// The gateway that begins with `entries` vehicles that drove there once.
    pub seeded: Option<&'static str>,
    pub entries: u64,
    /// The gateway that is not started at the beginning.
    pub late: Option<&'static str>,
    /// Gateways whose clocks are wrong, by seconds.
    pub skewed: &'static [(&'static str, i64)],
}

/// One thing that happens.
#[derive(Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub about: &'static str,
    /// Whether it is part of every test.
    pub is_short: bool,
    pub plan: Plan,
    pub run: fn(&mut Lab<'_>) -> Result<()>,
}

const FIVE: &[(&str, &str)] = &[("r1", "r1"), ("r2", "r2"), ("r3", "r3"), ("r4", "r4"), ("r5", "r5")];
const THREE: &[(&str, &str)] = &[("r1", "r1"), ("r2", "r2"), ("r3", "r3")];
/// Two gateways in the first region.
const PAIRED: &[(&str, &str)] = &[("r1", "first"), ("r2", "first"), ("r3", "second"), ("r4", "third")];

const fn plan(seats: &'static [(&'static str, &'static str)], vehicles: usize) -> Plan {
    Plan { seats, vehicles, only: None, seeded: None, entries: 0, late: None, skewed: &[] }
}

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "split",
        about: "two regions and three do not hear each other, and vehicles move across",
        is_short: true,
        plan: plan(FIVE, 4),
        run: cuts::split,
    },
    Scenario {
        name: "isolated",
        about: "one region is cut off from all others, but not from its vehicles",
        is_short: true,
        plan: Plan { seeded: Some("r1"), entries: 2000, ..plan(FIVE, 4) },
        run: cuts::isolated,
    },
    Scenario {
        name: "one-way",
        about: "what r1 says does not reach r2, what r2 says does reach r1",
        is_short: true,
        plan: plan(THREE, 4),
        run: cuts::one_way,
    },
    Scenario {
        name: "non-transitive",
        about: "r1 and r2 do not hear each other, both hear r3",
        is_short: true,
        plan: plan(THREE, 4),
        run: cuts::non_transitive,
    },
    Scenario {
        name: "duplicate",
        about: "two units with one name attach on both sides of a split",
        is_short: true,
        plan: plan(THREE, 2),
        run: clones::duplicate,
    },
    Scenario {
        name: "kill",
        about: "a gateway is killed and starts again over its disk",
        is_short: true,
        plan: Plan { only: Some("r1"), ..plan(THREE, 6) },
        run: lives::kill,
    },
    Scenario {
        name: "kill-wiped",
        about: "a gateway is killed and starts again over an empty disk",
        is_short: true,
        plan: Plan { only: Some("r1"), ..plan(THREE, 6) },
        run: lives::kill_wiped,
    },
    Scenario {
        name: "kill-rolled-back",
        about: "a gateway is killed and starts again over a copy of its disk from an earlier life",
        is_short: true,
        plan: Plan { only: Some("r1"), ..plan(THREE, 6) },
        run: lives::kill_rolled_back,
    },
    Scenario {
        name: "stopped",
        about: "a gateway is alive and does nothing for a while (SIGSTOP)",
        is_short: true,
        plan: plan(THREE, 4),
        run: lives::stopped,
    },
    Scenario {
        name: "region-loss",
        about: "a region of two gateways is gone at once, without a word; its vehicles go elsewhere",
        is_short: false,
        plan: plan(PAIRED, 8),
        run: lives::region_loss,
    },
    Scenario {
        name: "catch-up",
        about: "a new region has much to catch up with, over 256 kbit/s with 5 % loss",
        is_short: false,
        plan: Plan { seeded: Some("r1"), entries: 10_000, late: Some("r3"), ..plan(THREE, 4) },
        run: catch_up::catch_up,
    },
    Scenario {
        name: "flapping",
        about: "a region's link comes and goes",
        is_short: false,
        plan: plan(THREE, 4),
        run: cuts::flapping,
    },
    Scenario {
        name: "skew",
        about: "one gateway's clock is an hour ahead, and vehicles come and go",
        is_short: true,
        plan: Plan { skewed: &[("r2", 3600)], ..plan(THREE, 10) },
        run: skew::skew,
    },
    Scenario {
        name: "rolling",
        about: "all gateways are drained and started again one by one, two of them in one region; with --with-binary, upgraded",
        is_short: true,
        plan: plan(PAIRED, 4),
        run: rolling::rolling,
    },
];
