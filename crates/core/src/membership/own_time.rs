//! A clock that a node trusts to judge others by: it stands still while the node itself does not run, and goes slower for a
//! while after.
//!
//! A process that got no processor for seconds finds the answers of others in its queue, behind timers that say they are
//! overdue. Judged by the wall the others were silent; they were not, it was deaf.

use crate::time::{Millis, Mono};

/// How often the owner of the clock must look at it.
pub const POLL: Millis = Millis(250);

/// Later than this, and the node doubts itself.
pub const LATE: Millis = Millis(500);

/// At most so many times slower, less one.
const DOUBT_MAX: u64 = 7;

/// Punctual for so long, and it doubts itself by one less.
const TRUST_AGAIN: Millis = Millis::secs(2);

/// The clock.
#[derive(Clone, Debug, Default)]
pub struct OwnTime {
    /// Of the wall, when it was last looked at.
    last: Option<Mono>,
    /// Own time, in milliseconds.
    now: u64,
    /// What was not enough for a millisecond of own time.
    rest: u64,
    doubt: u64,
    punctual_since: Mono,
}

impl OwnTime {
    /// What it shows.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// By how much this node doubts itself: 0 not at all.
    pub fn doubt(&self) -> u64 {
        self.doubt
    }

    /// Reads the monotonic clock.
    pub fn advance(&mut self, now: Mono) {
        let Some(last) = self.last.replace(now) else {
            self.punctual_since = now;
            return;
        };
        let passed = now.since(last);
        if passed >= POLL + LATE {
            // Once for being late, once more for every second of it.
            let late = Millis(passed.0 - POLL.0);
            self.doubt = (self.doubt + 1 + late.0 / 1000).min(DOUBT_MAX);
            self.punctual_since = now;
        } else if self.doubt > 0 && now.since(self.punctual_since) >= TRUST_AGAIN {
            self.doubt -= 1;
            self.punctual_since = now;
        }
        let counted = self.rest + passed.0.min(POLL.0);
        let slower = self.doubt + 1;
        self.now += counted / slower;
        self.rest = counted % slower;
    }

    /// When it will show `at`, or the next time it must be looked at if that is sooner.
    pub fn when(&self, at: Option<u64>) -> Option<Mono> {
        let last = self.last?;
        let left = at.map_or(POLL.0, |at| at.saturating_sub(self.now).saturating_mul(self.doubt + 1));
        Some(last + Millis(left.min(POLL.0)))
    }
}

#[cfg(test)]
#[path = "own_time_tests.rs"]
mod tests;
