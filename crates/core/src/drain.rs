//! A gateway that is about to stop: who is sent away when, and when it may end.
//!
//! The redirects are spread evenly over a window, so that no herd arrives at the neighbours. Whoever has not left when the
//! window and a grace are over is ordered away. While there is nowhere to go, nobody is sent: a session here is better
//! than none.

use crate::id::ConnId;
use crate::time::{Millis, Mono};
use std::collections::{BTreeSet, VecDeque};

/// How long a vehicle that was told to leave last has for it.
pub const GRACE: Millis = Millis::secs(10);

/// How often it is looked whether there is a place to go by now.
const LOOK_AGAIN: Millis = Millis::secs(1);

/// How long the last words of the gateway have to reach its peers after the last vehicle has left: two of its flushes to
/// a peer, and as much again.
const SETTLE: Millis = Millis(500);

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A vehicle whose attach was under way has its session.
    Joined(ConnId),
    /// A socket has ended.
    Left(ConnId),
    /// The time of [`Drain::next_deadline`] has come.
    DeadlineReached {
        /// Whether another gateway takes vehicles.
        somewhere: bool,
        /// Sessions whose vehicles went on elsewhere and are still spoken for here.
        settling: bool,
    },
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this vehicle elsewhere; its socket is ended by the gateway after so long.
    Redirect(ConnId, Millis),
    /// Order this one away.
    Order(ConnId),
    /// Nobody is left to wait for: the gateway may end.
    Done,
}

/// A drain under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    /// Who is to be sent away, and when.
    due: VecDeque<(Mono, ConnId)>,
    here: BTreeSet<ConnId>,
    end: Mono,
    /// When the last one left, or it was last looked whether others see them elsewhere.
    empty: Option<Mono>,
    /// Whether they did.
    settled: bool,
    ordered: bool,
    done: bool,
}

impl Drain {
    /// Begins now, with these sessions.
    pub fn new(now: Mono, conns: Vec<ConnId>, window: Millis) -> Self {
        let count = conns.len().max(1) as u64;
        let slot = |(nth, conn): (usize, &ConnId)| (now + Millis(window.0 * nth as u64 / count), *conn);
        let due = conns.iter().enumerate().map(slot).collect();
        let empty = conns.is_empty().then_some(now);
        Self {
            due,
            here: conns.into_iter().collect(),
            end: now + window + GRACE,
            empty,
            settled: false,
            ordered: false,
            done: false,
        }
    }

    /// When [`Event::DeadlineReached`] is due; `None` once it is over.
    pub fn next_deadline(&self) -> Option<Mono> {
        if self.done {
            return None;
        }
        if let Some(empty) = self.empty {
            return Some(empty + SETTLE);
        }
        let next = self.due.front().map(|(at, _)| *at).filter(|_| !self.ordered);
        Some(next.map_or(self.end, |at| at.min(self.end)))
    }

    /// The machine.
    pub fn apply(&mut self, now: Mono, event: Event, out: &mut Vec<Action>) {
        match event {
            Event::Joined(conn) => {
                self.here.insert(conn);
                (self.empty, self.settled) = (None, false);
                if self.ordered {
                    out.push(Action::Order(conn));
                } else {
                    self.due.push_front((now, conn));
                }
            }
            Event::Left(conn) => {
                self.here.remove(&conn);
                if self.here.is_empty() && self.empty.is_none() {
                    self.empty = Some(now);
                }
            }
            Event::DeadlineReached { somewhere, settling } => self.go_on(now, somewhere, settling, out),
        }
    }

    fn go_on(&mut self, now: Mono, somewhere: bool, settling: bool, out: &mut Vec<Action>) {
        if self.done {
            return;
        }
        if let Some(empty) = self.empty {
            if now.since(empty) >= SETTLE {
                // This node sees them at their new place before others may: it waits once more. Never beyond the end.
                if (settling || !std::mem::replace(&mut self.settled, true)) && now < self.end {
                    (self.empty, self.settled) = (Some(now), !settling);
                } else {
                    self.done = true;
                    out.push(Action::Done);
                }
            }
            return;
        }
        if now >= self.end {
            return self.order(now, out);
        }
        while let Some((at, conn)) = self.due.front().copied().filter(|(at, _)| *at <= now) {
            if !self.here.contains(&conn) {
                self.due.pop_front();
            } else if somewhere {
                self.due.pop_front();
                out.push(Action::Redirect(conn, self.end.since(now)));
            } else {
                // Everyone after it waits as much longer, so that they do not leave all at once.
                let wait = (now + LOOK_AGAIN).since(at);
                self.due.iter_mut().for_each(|(at, _)| *at = *at + wait);
            }
        }
    }

    /// Whoever is left goes now, and is given the time of a Close.
    fn order(&mut self, now: Mono, out: &mut Vec<Action>) {
        if self.done || std::mem::replace(&mut self.ordered, true) {
            self.done = true;
            return out.push(Action::Done);
        }
        self.due.clear();
        out.extend(self.here.iter().map(|conn| Action::Order(*conn)));
        self.end = now + SETTLE;
    }
}

#[cfg(test)]
#[path = "drain_tests.rs"]
mod tests;
