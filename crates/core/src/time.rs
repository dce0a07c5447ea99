//! Points in time and spans, as plain numbers that can be sent and stored.
//!
//! The core never reads a clock: every event carries the time it happened.

use serde::{Deserialize, Serialize};
use std::ops::{Add, Sub};

/// A span of time in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Millis(pub u64);

impl Millis {
    /// A span of whole seconds.
    pub const fn secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// The span in whole seconds, rounded up, so that a bound told to another party is never too tight.
    pub const fn as_secs_ceil(self) -> u64 {
        self.0.div_ceil(1000)
    }
}

impl Add for Millis {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// A point on a clock that counts from the start of a machine, whatever its wall clock is set to. It outlives a process, and
/// means nothing once the machine has started anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootMoment {
    /// Which start.
    pub boot: u128,
    /// Since then.
    pub at: Millis,
}

/// A point on one node's monotonic clock, in milliseconds since an origin of that node's own.
///
/// It means nothing on another node: what crosses nodes is an age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mono(pub u64);

impl Mono {
    /// The span since `earlier`, zero if `earlier` lies ahead.
    pub const fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }

    /// The point `span` before this one, or the origin.
    pub const fn before(self, span: Millis) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl Add<Millis> for Mono {
    type Output = Self;
    fn add(self, span: Millis) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

/// A wall-clock reading, in milliseconds since 1970-01-01T00:00:00Z. May be wrong, may step back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Wall(pub i64);

impl Add<Millis> for Wall {
    type Output = Self;
    fn add(self, span: Millis) -> Self {
        Self(self.0.saturating_add_unsigned(span.0))
    }
}

impl Sub<Millis> for Wall {
    type Output = Self;
    fn sub(self, span: Millis) -> Self {
        Self(self.0.saturating_sub_unsigned(span.0))
    }
}
