//! The clocks of this process: the only place that reads them.

use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::Instant;
use waygate_core::time::{BootMoment, Millis, Mono, Wall};

/// Where the monotonic clock starts: far enough from zero that no age a peer or the store tells of saturates,
/// about 34 years.
const ORIGIN_MS: u64 = 1 << 40;

/// Reads the time. Cheap to copy.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Of tokio's clock, which is the system's: only where a test pauses tokio's time, this pauses with it.
    started: Instant,
    wall: WallClock,
    /// Which start of the machine this is, if that is told.
    boot: Option<u128>,
}

/// Where the wall clock comes from.
#[derive(Clone, Copy, Debug)]
enum WallClock {
    /// The system's.
    System {
        /// How far it is meant to be wrong, milliseconds.
        offset_ms: i64,
    },
    /// It was this when the clock was started, and has gone on with the monotonic clock.
    From(Wall),
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self::wrong_by(0)
    }

    /// The same with a wall clock that is wrong by so many seconds, for tests of wrong clocks.
    pub fn wrong_by(offset_s: i64) -> Self {
        let wall = WallClock::System { offset_ms: offset_s.saturating_mul(1000) };
        Self { started: Instant::now(), wall, boot: machine::boot() }
    }

    /// A clock that starts now and says that it is `wall`: of a world whose time is not the system's.
    pub fn start_at(wall: Wall) -> Self {
        Self { started: Instant::now(), wall: WallClock::From(wall), boot: None }
    }

    /// The monotonic clock of this process.
    pub fn now(&self) -> Mono {
        Mono(ORIGIN_MS + self.started.elapsed().as_millis() as u64)
    }

    /// The wall clock.
    pub fn wall(&self) -> Wall {
        let offset_ms = match self.wall {
            WallClock::System { offset_ms } => offset_ms,
            WallClock::From(Wall(then_ms)) => {
                return Wall(then_ms.saturating_add(self.started.elapsed().as_millis() as i64));
            }
        };
        let system_ms = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => since.as_millis() as i64,
            Err(before) => -(before.duration().as_millis() as i64),
        };
        Wall(system_ms.saturating_add(offset_ms))
    }

    /// The clock of the machine, which goes on while this process is down and which nobody sets; `None` where there is none.
    pub fn machine(&self) -> Option<BootMoment> {
        Some(BootMoment { boot: self.boot?, at: machine::since_boot()? })
    }

    /// When something was that was noted on the clock of the machine; `None` if that has started anew since, or is not the one
    /// that it was noted on.
    pub fn mono_at(&self, noted: BootMoment) -> Option<Mono> {
        let BootMoment { boot, at } = self.machine()?;
        let since = at.0.checked_sub(noted.at.0).filter(|_| boot == noted.boot)?;
        Some(self.now().before(Millis(since)))
    }

    /// The point of the monotonic clock as an instant to sleep until.
    pub fn instant(&self, at: Mono) -> Instant {
        let since_start = at.0.saturating_sub(ORIGIN_MS);
        self.started + std::time::Duration::from_millis(since_start)
    }

    /// When a wall-clock time of the past was, on the monotonic clock; now if it lies ahead.
    pub fn mono_of(&self, wall: Wall) -> Mono {
        let age_ms = self.wall().0.saturating_sub(wall.0).max(0);
        Mono(self.now().0.saturating_sub(age_ms as u64))
    }
}

#[cfg(target_os = "linux")]
mod machine {
    use super::Millis;
    use rustix::time::{ClockId, clock_gettime};

    /// A UUID that is made at each start.
    pub fn boot() -> Option<u128> {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        u128::from_str_radix(&id.trim().replace('-', ""), 16).ok()
    }

    /// It counts while the machine sleeps.
    pub fn since_boot() -> Option<Millis> {
        let since = clock_gettime(ClockId::Boottime);
        let (secs, nanos) = (u64::try_from(since.tv_sec).ok()?, u64::try_from(since.tv_nsec).ok()?);
        Some(Millis(secs * 1000 + nanos / 1_000_000))
    }
}

#[cfg(not(target_os = "linux"))]
mod machine {
    use super::Millis;

    pub fn boot() -> Option<u128> {
        None
    }

    pub fn since_boot() -> Option<Millis> {
        None
    }
}

#[cfg(test)]
#[path = "clock_tests.rs"]
mod tests;
