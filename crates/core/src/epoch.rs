//! The attach epoch: who orders two attaches of one vehicle without a centre.
//!
//! The vehicle carries the epoch of its last attach in an authenticated token, so its own history is the
//! order, whatever the clocks of the gateways say.

use crate::time::{Millis, Wall};
use serde::{Deserialize, Serialize};

/// Orders the attaches of one vehicle: a hybrid clock, milliseconds since 1970 in the upper 48 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch of a clock reading alone.
    pub fn of_clock(wall: Wall) -> Self {
        Self(u64::try_from(wall.0).unwrap_or(0) << 16)
    }

    /// The next epoch: above what the vehicle presented and what the directory knows, and at least the clock.
    pub fn next(presented: Option<Self>, known: Option<Self>, wall: Wall) -> Self {
        let above = |e: Option<Self>| e.map_or(Self(0), |e| Self(e.0.saturating_add(1)));
        above(presented).max(above(known)).max(Self::of_clock(wall))
    }

    /// Whether the epoch lies further ahead of the clock than a presented one may.
    pub fn too_far_ahead(self, wall: Wall) -> bool {
        self > Self::of_clock(wall + AHEAD_MAX)
    }
}

/// How far a presented epoch may lie ahead of the gateway's clock before it is not adopted.
pub const AHEAD_MAX: Millis = Millis::secs(24 * 3600);

#[cfg(test)]
#[path = "epoch_tests.rs"]
mod tests;
