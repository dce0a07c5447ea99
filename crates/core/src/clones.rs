//! Vehicles of which there seem to be two: they push each other out, again and again.
//!
//! The newest attach always wins, so two units with one identity would take the session from each other for ever. A
//! vehicle alone never contests: at a resume or a handover it presents the token of the very session that it leaves.
//! An attach is *contested* if it pushes out a session that is connected and was not the one it presented. More than
//! [`CONTESTED_MAX`] of those within [`WINDOW`] make the vehicle *suspect*: for a while the unit that is connected
//! keeps its session, and the others are told to come back later. Never for ever: which of them is the right one
//! cannot be told from here, so every [`REFUSED_MAX`] one of those that contest is let through.
//!
//! The register owns it and asks it at each attach. It never decides on an attach that is not contested.

use crate::epoch::Epoch;
use crate::id::{SessionId, SpoolId, VehicleId};
use crate::time::{Millis, Mono};
use std::collections::{BTreeMap, BTreeSet};

/// Contested attaches within [`WINDOW`] that a vehicle may have before it counts as cloned.
pub const CONTESTED_MAX: usize = 3;

/// Over how long contested attaches are counted.
pub const WINDOW: Millis = Millis::secs(60);

/// How long a vehicle is suspect after the last contested attach.
pub const SUSPECT: Millis = Millis::secs(5 * 60);

/// The first backoff of a refused attach; each further one is longer by as much.
pub const BACKOFF_STEP: Millis = Millis::secs(60);

/// The longest backoff.
pub const BACKOFF_MAX: Millis = Millis::secs(5 * 60);

/// How long contested attaches are refused before one of them is let through.
pub const REFUSED_MAX: Millis = Millis::secs(15 * 60);

/// Vehicles that are remembered, about 300 bytes each; of more, the one that was quiet for the longest is forgotten.
pub const VEHICLES_MAX: usize = 16 * 1024;

/// A session that was pushed out from elsewhere.
type Ousted = (SessionId, Epoch);

/// What an attach presented, by which a repetition is known.
pub type Presented = (Option<Epoch>, SpoolId);

/// What is to become of a contested attach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It wins, as the newest always does.
    Wins {
        /// The vehicle has just become suspect.
        news: bool,
    },
    /// It is to come back later.
    Refused {
        /// After this.
        backoff: Millis,
    },
}

/// What is remembered of one vehicle.
#[derive(Clone, Debug, PartialEq)]
struct Trail {
    /// The latest contested attaches, oldest first, and what they pushed out if it was from elsewhere.
    contested: Vec<(Mono, Option<Ousted>)>,
    /// What the last one here presented.
    presented: Option<Presented>,
    /// While it is suspect.
    suspect_until: Option<Mono>,
    /// Contested attaches refused since the last that won, and when that one did.
    refused: u64,
    won: Mono,
    /// When anything of this last changed: what is forgotten first.
    touched: Mono,
}

/// The vehicles that were contested lately.
#[derive(Clone, Debug, Default)]
pub struct Clones {
    trails: BTreeMap<VehicleId, Trail>,
    oldest: BTreeSet<(Mono, VehicleId)>,
}

impl Clones {
    /// Whether there seem to be several of this vehicle.
    pub fn suspects(&self, vehicle: &VehicleId, now: Mono) -> bool {
        self.trails.get(vehicle).is_some_and(|trail| trail.is_suspect(now))
    }

    /// An attach contests a session that is connected. `open` is whether that session's socket is known to be open.
    pub fn contest(&mut self, now: Mono, vehicle: &VehicleId, presented: Presented, open: bool) -> Verdict {
        self.touch(now, vehicle, |trail| {
            if trail.is_suspect(now) {
                trail.suspect_until = Some(now + SUSPECT);
                if now.since(trail.won) < REFUSED_MAX {
                    trail.refused += 1;
                    let backoff = Millis(BACKOFF_STEP.0.saturating_mul(trail.refused)).min(BACKOFF_MAX);
                    return Verdict::Refused { backoff };
                }
                trail.win(now);
                return Verdict::Wins { news: false };
            }
            // A unit whose accepts are lost on the way asks again with the same token. Without a token it is known
            // by its spool, and by the session it had being without a socket.
            let again = trail.presented.replace(presented) == Some(presented) && (presented.0.is_some() || !open);
            let news = !again && trail.count(now, None);
            trail.win(now);
            Verdict::Wins { news }
        })
    }

    /// A session that was connected here lost to an attach elsewhere. Returns whether the vehicle has just become
    /// suspect.
    pub fn ousted(&mut self, now: Mono, vehicle: &VehicleId, session: SessionId, epoch: Epoch) -> bool {
        self.touch(now, vehicle, |trail| {
            trail.won = now;
            if trail.is_suspect(now) {
                trail.suspect_until = Some(now + SUSPECT);
                return false;
            }
            trail.count(now, Some((session, epoch)))
        })
    }

    /// The winner presented that session's own token after all: it was a handover, of which gossip told first.
    pub fn vouch(&mut self, vehicle: &VehicleId, session: SessionId, epoch: Epoch) {
        if let Some(trail) = self.trails.get_mut(vehicle) {
            let before = trail.contested.len();
            trail.contested.retain(|(_, ousted)| *ousted != Some((session, epoch)));
            if trail.contested.len() < before && trail.contested.len() <= CONTESTED_MAX {
                trail.suspect_until = None;
            }
        }
    }

    /// Changes what is remembered of a vehicle, within the bound.
    fn touch<T>(&mut self, now: Mono, vehicle: &VehicleId, change: impl FnOnce(&mut Trail) -> T) -> T {
        let mut trail = match self.trails.remove(vehicle) {
            Some(trail) => {
                self.oldest.remove(&(trail.touched, vehicle.clone()));
                trail
            }
            None => Trail::new(now),
        };
        let result = change(&mut trail);
        trail.touched = now;
        self.oldest.insert((now, vehicle.clone()));
        self.trails.insert(vehicle.clone(), trail);
        // The longest of the spans above: what was quiet for so long says nothing any more.
        let over = |(at, _): &(Mono, VehicleId)| now.since(*at) >= REFUSED_MAX;
        while self.trails.len() > VEHICLES_MAX || self.oldest.first().is_some_and(over) {
            let Some((_, forgotten)) = self.oldest.pop_first() else { break };
            self.trails.remove(&forgotten);
        }
        result
    }
}

impl Trail {
    fn new(now: Mono) -> Self {
        Self { contested: Vec::new(), presented: None, suspect_until: None, refused: 0, won: now, touched: now }
    }

    fn is_suspect(&self, now: Mono) -> bool {
        self.suspect_until.is_some_and(|until| now < until)
    }

    fn win(&mut self, now: Mono) {
        (self.won, self.refused) = (now, 0);
    }

    /// Counts one more; whether that makes the vehicle suspect.
    fn count(&mut self, now: Mono, ousted: Option<Ousted>) -> bool {
        self.contested.retain(|(at, _)| now.since(*at) <= WINDOW);
        self.contested.push((now, ousted));
        if self.contested.len() <= CONTESTED_MAX {
            return false;
        }
        self.suspect_until = Some(now + SUSPECT);
        true
    }
}

#[cfg(test)]
#[path = "clones_tests.rs"]
mod tests;
