//! Which attaches are taken now, and when the others are to come back: load control against a measured queue.
//!
//! An attach waits for the disk. How fast the disk answers is measured; as long as those that wait will have their
//! answers soon, one more is admitted. The others are told to come back, each after as long as it will take to serve
//! those that were told so before: a *virtual queue* that lies in the vehicles and costs nothing here. As each of them
//! waits between once and twice what it was told, they come at seven tenths of the measured rate at most, however
//! many they are: a storm ends without being one again.
//!
//! The presence task owns it. It decides on the question alone, in constant time; it never looks at a request.

use crate::time::{Millis, Mono};

/// The shortest backoff: what makes a gateway refuse is not over in a moment.
pub const BACKOFF_MIN: Millis = Millis::secs(15);

/// The longest backoff. A vehicle does not wait longer for any gateway's word.
pub const BACKOFF_MAX: Millis = Millis::secs(30 * 60);

/// The rate before anything was measured, thousandths of an attach a second: 100 a second. A slow disk would need ten
/// seconds for the queue that this admits, within what a vehicle waits; a fast one is known a moment later.
const RATE_INITIAL_MILLI: u64 = 100_000;

/// The lowest rate reckoned with, so that a failed disk is tried again: 10 a second.
const RATE_MIN_MILLI: u64 = 10_000;

/// Time with attaches under way over which the rate is measured, at least.
const SAMPLE: Millis = Millis(250);

/// A pause of the answers that ends a burst of them: a group commit answers many at once.
const PAUSE: Millis = Millis(20);

/// A sample may lower the rate only if someone was refused in it and this part of those waited that may: one of a gateway
/// that could have done more says nothing of what it can do.
const BACKLOGGED: u64 = 8;

/// One part of this many of the queue and of the ceiling is kept for vehicles that resume.
const RESERVED: u64 = 4;

/// What is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The longest expected wait under which an attach is admitted; one that resumes may have half as much more.
    pub wait_max: Millis,
    /// Attaches that may wait at once, whatever the rate.
    pub queue_max: u64,
    /// Attaches admitted in a second, if there is a ceiling.
    pub per_second_max: Option<u32>,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A vehicle whose session lives here: to let it in costs little, and keeps its presence from flapping.
    Resume,
    /// Anyone else.
    Other,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may go on.
    Admitted,
    /// It is to come back.
    Refused {
        /// After a time between once and twice this.
        backoff: Millis,
    },
}

/// What is known of the load.
#[derive(Clone, Debug)]
pub struct Admission {
    settings: Settings,
    rate_milli: u64,
    waiting: u64,
    sample: Sample,
    /// When the disk last answered, or was last given something after it had nothing.
    progress: Mono,
    /// Thousandths of attaches that the ceiling still allows.
    allowed_milli: u64,
    /// The virtual queue, thousandths of vehicles.
    told_milli: u64,
    /// Up to when time has passed in all this.
    at: Mono,
}

/// Answers since the last change of the rate.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    /// Time with attaches under way, and the sum of their waits in it.
    busy: Millis,
    waits: Millis,
    /// Both as they were at the last answer.
    at_last: (Millis, Millis),
    stored: u64,
    refused: bool,
    first: Option<Mono>,
    last: Mono,
}

/// The backoff of a vehicle before which `ahead` were told to come back, at this rate.
pub fn backoff(ahead: u64, rate_milli: u64) -> Millis {
    let turn = Millis(ahead.saturating_mul(1_000_000) / rate_milli.max(1));
    (BACKOFF_MIN + turn).min(BACKOFF_MAX)
}

impl Admission {
    /// Nothing is under way, and nothing measured.
    pub fn new(settings: Settings, now: Mono) -> Self {
        Self {
            settings,
            rate_milli: RATE_INITIAL_MILLI,
            waiting: 0,
            sample: Sample::default(),
            progress: now,
            allowed_milli: u64::from(settings.per_second_max.unwrap_or(0)) * 1000,
            told_milli: 0,
            at: now,
        }
    }

    /// Attaches that wait for the disk.
    pub fn waiting(&self) -> u64 {
        self.waiting
    }

    /// How many can be served, thousandths of an attach a second: as measured, and not above the ceiling.
    pub fn rate_milli(&self) -> u64 {
        let ceiling = self.settings.per_second_max.map_or(u64::MAX, |most| u64::from(most) * 1000);
        self.rate_milli.min(ceiling).max(1)
    }

    /// Vehicles that were told to come back and whose turn has not come.
    pub fn told(&self) -> u64 {
        self.told_milli.div_ceil(1000)
    }

    /// A vehicle asks for a session.
    pub fn ask(&mut self, now: Mono, class: Class) -> Verdict {
        self.pass(now);
        let Settings { wait_max, queue_max, per_second_max } = self.settings;
        let reserve = match class {
            Class::Resume => 0,
            Class::Other => 1,
        };
        let ceiling_milli = u64::from(per_second_max.unwrap_or(0)) * 1000;
        let wait_max = Millis(wait_max.0 + (1 - reserve) * wait_max.0 / 2);
        let room = self.waiting < (queue_max - reserve * (queue_max / RESERVED)).max(1);
        let soon = self.expected_wait(now) < wait_max;
        // Of a ceiling of one nothing can be kept.
        let kept_milli = if ceiling_milli > 1000 { (ceiling_milli / RESERVED).max(1000) } else { 0 };
        let allowed = self.allowed_milli >= 1000 + reserve * kept_milli;
        if room && soon && (per_second_max.is_none() || allowed) {
            self.allowed_milli = self.allowed_milli.saturating_sub(1000);
            return Verdict::Admitted;
        }
        self.sample.refused |= !room || !soon;
        Verdict::Refused { backoff: self.tell(1) }
    }

    /// Something else was in the way of a vehicle that was admitted. Returns its backoff.
    pub fn refuse(&mut self, now: Mono) -> Millis {
        self.pass(now);
        self.tell(1)
    }

    /// So many vehicles were told to come back before they could ask.
    pub fn refused_elsewhere(&mut self, now: Mono, vehicles: u64) {
        self.pass(now);
        self.tell(vehicles);
    }

    /// An attach that was admitted is on its way to disk.
    pub fn begun(&mut self, now: Mono) {
        self.pass(now);
        if self.waiting == 0 {
            self.progress = now;
        }
        self.waiting += 1;
    }

    /// The disk has answered one; `stored` is false if it failed.
    pub fn answered(&mut self, now: Mono, stored: bool) {
        self.pass(now);
        if self.sample.is_whole(now) {
            self.measure();
        }
        self.sample.first.get_or_insert(now);
        self.sample.last = now;
        self.sample.at_last = (self.sample.busy, self.sample.waits);
        self.sample.stored += u64::from(stored);
        self.waiting = self.waiting.saturating_sub(1);
        self.progress = now;
    }

    /// How long one more would wait, by the measured rate; at least as long as the disk has said nothing.
    fn expected_wait(&self, now: Mono) -> Millis {
        let silent = if self.waiting > 0 { now.since(self.progress) } else { Millis(0) };
        Millis(self.waiting.saturating_mul(1_000_000) / self.rate_milli.max(1)).max(silent)
    }

    /// Puts vehicles at the end of the virtual queue. Returns the backoff of the last.
    fn tell(&mut self, vehicles: u64) -> Millis {
        // Beyond the longest backoff there is no order any more.
        let most = self.rate_milli() * BACKOFF_MAX.as_secs_ceil();
        self.told_milli = (self.told_milli + vehicles * 1000).min(most);
        backoff(self.told(), self.rate_milli())
    }

    /// Time passes.
    fn pass(&mut self, now: Mono) {
        let passed = now.since(self.at);
        self.at = self.at.max(now);
        if self.waiting > 0 {
            self.sample.busy = self.sample.busy + passed;
            self.sample.waits = self.sample.waits + Millis(passed.0.saturating_mul(self.waiting));
        }
        let most = u64::from(self.settings.per_second_max.unwrap_or(0));
        self.allowed_milli = passed.0.saturating_mul(most).saturating_add(self.allowed_milli).min(most * 1000);
        // While the disk says nothing, nobody's turn comes.
        if self.waiting == 0 || now.since(self.progress) < self.settings.wait_max {
            let served_milli = passed.0.saturating_mul(self.rate_milli()) / 1000;
            self.told_milli = self.told_milli.saturating_sub(served_milli);
        }
    }

    /// Draws the rate half way to that of the sample, and begins another.
    fn measure(&mut self) {
        let (busy, waits) = self.sample.at_last;
        let measured = self.sample.stored.saturating_mul(1_000_000) / busy.0.max(1);
        // As many as may wait, by the longest wait or by the bound of the queue.
        let most = self.rate_milli.saturating_mul(self.settings.wait_max.0) / 1_000_000;
        let most = most.min(self.settings.queue_max);
        let full = waits.0.saturating_mul(BACKLOGGED) >= busy.0.saturating_mul(most);
        let backlogged = self.sample.refused && full;
        if measured > self.rate_milli || backlogged {
            self.rate_milli = ((self.rate_milli + measured) / 2).max(RATE_MIN_MILLI);
        }
        self.sample = Sample {
            busy: Millis(self.sample.busy.0.saturating_sub(busy.0)),
            waits: Millis(self.sample.waits.0.saturating_sub(waits.0)),
            ..Sample::default()
        };
    }
}

impl Sample {
    /// Whether it is long enough, and ended with a burst rather than in the middle of one.
    fn is_whole(&self, now: Mono) -> bool {
        let over = |first| now.since(self.last) >= PAUSE || now.since(first) >= SAMPLE;
        self.at_last.0 >= SAMPLE && self.first.is_some_and(over)
    }
}

#[cfg(test)]
#[path = "admission_tests.rs"]
mod tests;
