//! Load control at the attach, around the machine of the core: the presence task asks it, and those before it, the
//! vehicles' listener and connections that find no room at all, are told what it knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use waygate_core::admission::{Admission, Class, Settings, Verdict, backoff};
use waygate_core::time::{Millis, Mono};

/// What the presence task owns.
#[derive(Debug)]
pub struct Gate {
    admission: Admission,
    pressure: Arc<Pressure>,
}

/// What is known of the load to those that refuse before the presence task can be asked. Numbers only, each of one
/// writer but for the count of those that were told; nobody waits for anybody.
#[derive(Debug)]
pub struct Pressure {
    /// Vehicles told to come back, as the presence task knows.
    told: AtomicU64,
    /// At this rate, thousandths of an attach a second.
    rate_milli: AtomicU64,
    /// Told here, and not known to the presence task yet.
    told_here: AtomicU64,
}

impl Gate {
    /// Open, with nothing under way.
    pub fn new(settings: Settings, now: Mono) -> Self {
        let admission = Admission::new(settings, now);
        let pressure = Pressure {
            told: AtomicU64::new(0),
            rate_milli: AtomicU64::new(admission.rate_milli()),
            told_here: AtomicU64::new(0),
        };
        Self { admission, pressure: Arc::new(pressure) }
    }

    /// What is known of the load, for those before the presence task.
    pub fn pressure(&self) -> Arc<Pressure> {
        self.pressure.clone()
    }

    /// Attaches on their way to disk.
    pub fn waiting(&self) -> u64 {
        self.admission.waiting()
    }

    /// How many attaches can be served a second.
    pub fn rate(&self) -> f64 {
        self.admission.rate_milli() as f64 / 1000.0
    }

    /// A vehicle asks for a session. `room` is whether the journal can take anything.
    pub fn ask(&mut self, now: Mono, class: Class, room: bool) -> Verdict {
        let verdict = match room {
            true => self.admission.ask(now, class),
            false => Verdict::Refused { backoff: self.admission.refuse(now) },
        };
        if verdict != Verdict::Admitted {
            self.share(now);
        }
        verdict
    }

    /// An attach is on its way to disk.
    pub fn begun(&mut self, now: Mono) {
        self.admission.begun(now);
    }

    /// The disk has answered one.
    pub fn answered(&mut self, now: Mono, stored: bool) {
        self.admission.answered(now, stored);
    }

    /// Takes over what was told elsewhere, and tells there what is known here.
    pub fn share(&mut self, now: Mono) {
        self.admission.refused_elsewhere(now, self.pressure.told_here.swap(0, Ordering::Relaxed));
        self.pressure.told.store(self.admission.told(), Ordering::Relaxed);
        self.pressure.rate_milli.store(self.admission.rate_milli(), Ordering::Relaxed);
    }
}

impl Pressure {
    /// A vehicle has to be refused; its backoff.
    pub fn refuse(&self) -> Millis {
        let here = self.told_here.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let ahead = self.told.load(Ordering::Relaxed).saturating_add(here);
        backoff(ahead, self.rate_milli.load(Ordering::Relaxed))
    }

    /// The same as the seconds of a `Retry-After`, which whoever reads it keeps to the second: spread here.
    pub fn retry_after_s(&self) -> u64 {
        let backoff = self.refuse();
        let mut random = [0; 8];
        if let Err(error) = getrandom::fill(&mut random) {
            tracing::error!(%error, "no random bits: a Retry-After is not spread");
        }
        let spread = Millis(u64::from_le_bytes(random) % (backoff.0 + 1));
        (backoff + spread).as_secs_ceil()
    }
}

#[cfg(test)]
#[path = "admission_tests.rs"]
mod tests;
