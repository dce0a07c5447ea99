//! How often a membership probes and tells, and how long it waits.

use foca::{Config, PeriodicParams};
use std::num::{NonZeroU8, NonZeroUsize};
use std::time::Duration;

/// Who probes for another, and to how many news is told at once.
const FAN_OUT: usize = 3;

/// How often news is told.
const GOSSIP: Duration = Duration::from_millis(300);

/// How often each news is passed on, at most.
const TRANSMISSIONS: u8 = 12;

/// How often someone is asked for the members it knows.
const EXCHANGE: Duration = Duration::from_secs(30);

/// How long a gateway that is down is remembered, and called.
const DOWN_REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// How often a gateway probes someone.
pub const PROBE_PERIOD: Duration = Duration::from_millis(1500);

/// How long the direct answer may take before others are asked to probe.
pub const PROBE_RTT: Duration = Duration::from_millis(500);

/// How long a suspected gateway may take to refute it.
pub const SUSPICION: Duration = Duration::from_secs(6);

/// The longest packet, bytes: a welcome names every member that has room.
pub const PACKET_BYTES_MAX: usize = 32 * 1024;

const fn at_least_one(number: usize) -> NonZeroUsize {
    match NonZeroUsize::new(number) {
        Some(number) => number,
        None => NonZeroUsize::MIN,
    }
}

/// The protocol's settings.
pub fn config() -> Config {
    let every = |frequency, members| Some(PeriodicParams { frequency, num_members: at_least_one(members) });
    Config {
        probe_period: PROBE_PERIOD,
        probe_rtt: PROBE_RTT,
        num_indirect_probes: at_least_one(FAN_OUT),
        max_transmissions: NonZeroU8::new(TRANSMISSIONS).unwrap_or(NonZeroU8::MIN),
        suspect_to_down_after: SUSPICION,
        remove_down_after: Some(DOWN_REMEMBERED),
        max_packet_size: at_least_one(PACKET_BYTES_MAX),
        notify_down_members: true,
        periodic_announce: every(EXCHANGE, 1),
        // It does so only while it knows someone who lives; this machine calls them always.
        periodic_announce_to_down_members: None,
        periodic_gossip: every(GOSSIP, FAN_OUT),
    }
}
