//! Vehicles that are turned away for who they are: counted by reason, and logged, though never as fast as they come.

use crate::clock::Clock;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use waygate_core::time::{Millis, Mono};

/// How long lines are counted.
const WINDOW: Millis = Millis::secs(10);

/// Lines of one reason in that time; what is beyond is counted, and told with the next line.
const LINES_MAX: u32 = 5;

/// How much was said of one reason.
#[derive(Clone, Copy, Debug)]
struct Said {
    since: Mono,
    lines: u32,
    held_back: u64,
}

/// Reasons, of which there are few, and how much was said of each.
#[derive(Debug)]
pub struct Refusals {
    clock: Clock,
    said: Mutex<BTreeMap<&'static str, Said>>,
}

impl Refusals {
    /// Nothing was said yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, said: Mutex::default() }
    }

    /// A vehicle was turned away. `reason` is one of a few words, `text` says it to a person; `from` and `name` are where it
    /// comes from and who it is, as far as that is known.
    pub fn tell(&self, reason: &'static str, from: Option<IpAddr>, name: Option<&dyn std::fmt::Display>, text: &str) {
        metrics::counter!("waygate_vehicles_turned_away_total", "reason" => reason).increment(1);
        let Some(held_back) = self.line(reason, self.clock.now()) else { return };
        let (from, name) = (from.map(|from| from.to_string()), name.map(ToString::to_string));
        tracing::warn!(reason, from, name, held_back, "a vehicle is turned away: {text}");
    }

    /// Whether there is room for a line; if so, how many were held back since the last.
    fn line(&self, reason: &'static str, now: Mono) -> Option<u64> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let said = said.entry(reason).or_insert(Said { since: now, lines: 0, held_back: 0 });
        if now.since(said.since) >= WINDOW {
            (said.since, said.lines) = (now, 0);
        }
        if said.lines == LINES_MAX {
            said.held_back += 1;
            return None;
        }
        said.lines += 1;
        Some(std::mem::take(&mut said.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_reason_are_held_back_counted_and_told_later() {
        let refusals = Refusals::new(Clock::start());
        let now = Mono(1_000_000);
        for _ in 0..LINES_MAX {
            assert_eq!(refusals.line("fleet", now), Some(0));
        }
        assert_eq!(refusals.line("fleet", now), None);
        assert_eq!(refusals.line("fleet", now + Millis(1)), None);
        assert_eq!(refusals.line("revoked", now), Some(0), "another reason has its own lines");
        assert_eq!(refusals.line("fleet", now + WINDOW), Some(2));
        assert_eq!(refusals.line("fleet", now + WINDOW), Some(0));
    }
}
