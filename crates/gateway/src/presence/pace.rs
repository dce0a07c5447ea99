//! When the streams to peers are looked at next.

use waygate_core::time::{Millis, Mono};

/// How often streams to peers are looked at, and how long what is new of the own log waits for more to go with it.
pub const FLUSH: Millis = Millis(100);

/// What is new goes out at once if nothing new went out for so long, so that a gateway with little to say is heard of as
/// soon as a busy one. With what follows it waits, so however much happens, the own log makes no more frames than if all of it waited.
#[derive(Debug, Default)]
pub struct Pace {
    /// The own log as it stood when the streams were looked at last.
    head: u64,
    looked: Option<Mono>,
    /// When something new of the own log went out last.
    fresh: Option<Mono>,
}

impl Pace {
    /// When they are looked at next, with the own log at `head`: at once if that is past.
    pub fn due(&self, head: u64) -> Mono {
        let after = |since: Option<Mono>| since.map_or(Mono(0), |since| since + FLUSH);
        let next = after(self.looked);
        if head > self.head { next.min(after(self.fresh)) } else { next }
    }

    /// They were looked at.
    pub fn looked(&mut self, now: Mono, head: u64) {
        if head > self.head {
            (self.head, self.fresh) = (head, Some(now));
        }
        self.looked = Some(now);
    }
}

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;
