//! The clocks of this process: the only place that reads them.

use std::time::{Instant, SystemTime, UNIX_EPOCH};
use waygate_core::time::{Mono, Wall};

/// Where the monotonic clock starts: far enough from zero that no age a peer or the store tells of saturates,
/// about 34 years.
const ORIGIN_MS: u64 = 1 << 40;

/// Reads the time. Cheap to copy.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// The monotonic clock of this process.
    pub fn now(&self) -> Mono {
        Mono(ORIGIN_MS + self.started.elapsed().as_millis() as u64)
    }

    /// The wall clock.
    pub fn wall(&self) -> Wall {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => Wall(since.as_millis() as i64),
            Err(before) => Wall(-(before.duration().as_millis() as i64)),
        }
    }

    /// The point of the monotonic clock as an instant to sleep until.
    pub fn instant(&self, at: Mono) -> tokio::time::Instant {
        let since_start = at.0.saturating_sub(ORIGIN_MS);
        tokio::time::Instant::from_std(self.started + std::time::Duration::from_millis(since_start))
    }

    /// When a wall-clock time of the past was, on the monotonic clock; now if it lies ahead.
    pub fn mono_of(&self, wall: Wall) -> Mono {
        let age_ms = self.wall().0.saturating_sub(wall.0).max(0);
        Mono(self.now().0.saturating_sub(age_ms as u64))
    }
}
