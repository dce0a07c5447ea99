//! Whether a vehicle can be reached now: probes of open sockets and wake-ups of vehicles without one.
//!
//! ```text
//!          a socket           it answered
//!   asked ──────────▶ Probing ──────────▶ reachable
//!     │                  │ socket lost
//!     │ no socket        ▼
//!     └──────────────▶ Waking ── attached ──▶ woken
//!                        │ every try made, nothing came, or the rate is used up
//!                        └──────────────────▶ unreachable
//! ```
//!
//! At most one page a vehicle is under way; who asks meanwhile joins it. It owns no socket and no hook: what it
//! wants done are [`Action`]s. It never decides where a vehicle is: that comes with each event, as [`Facts`].

mod outcome;
mod rules;

pub use outcome::{Outcome, Why};
pub use rules::WakeRules;

use crate::epoch::Epoch;
use crate::id::VehicleId;
use crate::time::{Millis, Mono};
use crate::view::Known;
use crate::wake::WakeChannels;
use std::collections::{BTreeMap, BTreeSet};

/// Vehicles with a page under way at once: as many as attaches may be on their way to disk.
pub const PAGES_MAX: usize = 4096;

/// Who waits for one vehicle at once; more are told that too many ask.
pub const WAITERS_MAX: usize = 64;

/// Vehicles whose wake-ups of the last hour are remembered: as many as a gateway has sockets.
pub const RATES_MAX: usize = 100_000;

/// What is known of a vehicle at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its state, or the last known one if its gateway is not heard; `None` if there is no record of it.
    pub known: Option<Known>,
    /// Whether it has a socket at this moment, at a gateway that is heard. A vehicle that lost its socket a moment
    /// ago and is still shown as online has none.
    pub connected: bool,
    /// Its attach.
    pub epoch: Epoch,
    /// How it can be woken.
    pub wake: WakeChannels,
}

/// Someone who waits for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaiterId(pub u64);

/// What happens at the pager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Someone wants to know whether a vehicle can be reached.
    Asked {
        /// Which.
        vehicle: VehicleId,
        /// What is known of it.
        facts: Facts,
        /// Who is answered.
        waiter: WaiterId,
        /// How long the answer may take.
        wait: Millis,
        /// Whether it is woken if it has no socket.
        wake: bool,
    },
    /// What is known of a vehicle may have changed.
    Seen(VehicleId, Facts),
    /// A probe has ended.
    Probed {
        /// Whose.
        vehicle: VehicleId,
        /// How.
        result: Probed,
        /// What is known of it after the probe.
        facts: Facts,
    },
    /// A wake-up was handed on, or could not be.
    Sent {
        /// Whose.
        vehicle: VehicleId,
        /// The number of the try.
        number: u32,
        /// Whether a hook took it.
        taken: bool,
    },
    /// The time of [`Pager::next_deadline`] has come.
    DeadlineReached,
}

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probed {
    /// Something came on its socket.
    Answered,
    /// Nothing came: its socket counts as lost.
    Lost,
    /// Its gateway could not read its socket: nothing is known.
    Unread,
}

/// What the pager asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask the vehicle on its socket; [`Event::Probed`] must follow.
    Probe(VehicleId),
    /// Send a wake-up by each of these channels.
    Wake {
        /// Whom.
        vehicle: VehicleId,
        /// Which try, from 1.
        number: u32,
        /// By which.
        channels: WakeChannels,
        /// How long it may take to bring the vehicle here.
        deadline: Millis,
    },
    /// Tell someone.
    Answer {
        /// Whom.
        waiter: WaiterId,
        /// How it went.
        outcome: Outcome,
        /// Since they asked.
        took: Millis,
    },
    /// A page is over, whoever waited for it.
    End {
        /// Whose.
        vehicle: VehicleId,
        /// How it went.
        outcome: Outcome,
        /// Since it began.
        took: Millis,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiter {
    id: WaiterId,
    since: Mono,
    until: Mono,
    wake: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Probing,
    Waking {
        /// Wake-ups sent.
        number: u32,
        /// When the next is due, or the page has failed.
        due: Mono,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Page {
    phase: Phase,
    begun: Mono,
    epoch: Epoch,
    channels: WakeChannels,
    /// Whether anyone who asked wants it woken.
    wanted: bool,
    /// Whether a hook took one of the wake-ups.
    taken: bool,
    waiters: Vec<Waiter>,
}

impl Page {
    fn next_deadline(&self) -> Option<Mono> {
        let due = match self.phase {
            Phase::Probing => None,
            Phase::Waking { due, .. } => Some(due),
        };
        self.waiters.iter().map(|waiter| waiter.until).chain(due).min()
    }

    fn sent(&self) -> u32 {
        match self.phase {
            Phase::Probing => 0,
            Phase::Waking { number, .. } => number,
        }
    }
}

/// The pages of one gateway.
#[derive(Clone, Debug)]
pub struct Pager {
    rules: WakeRules,
    hooks: WakeChannels,
    pages: BTreeMap<VehicleId, Page>,
    deadlines: BTreeSet<(Mono, VehicleId)>,
    /// When the wake-ups of a vehicle are paid for; one that is not here has none to pay for.
    paid: BTreeMap<VehicleId, Mono>,
    /// When those that have nothing to pay for were last taken out.
    swept: Mono,
}

impl Pager {
    /// A pager that has hooks for these channels.
    pub fn new(rules: WakeRules, hooks: WakeChannels) -> Self {
        let (pages, deadlines, paid) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        Self { rules, hooks, pages, deadlines, paid, swept: Mono(0) }
    }

    /// The vehicles with a page under way.
    pub fn vehicles(&self) -> impl Iterator<Item = &VehicleId> {
        self.pages.keys()
    }

    /// Whether a page of the vehicle is under way.
    pub fn pages(&self, vehicle: &VehicleId) -> bool {
        self.pages.contains_key(vehicle)
    }

    /// When [`Event::DeadlineReached`] is due.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The machine.
    pub fn apply(&mut self, now: Mono, event: Event, out: &mut Vec<Action>) {
        match event {
            Event::Asked { vehicle, facts, waiter, wait, wake } => {
                let waiter = Waiter { id: waiter, since: now, until: now + wait, wake };
                self.asked(now, vehicle, facts, waiter, out);
            }
            Event::Seen(vehicle, facts) => self.seen(now, &vehicle, facts, out),
            Event::Probed { vehicle, result, facts } => self.probed(now, &vehicle, result, facts, out),
            Event::Sent { vehicle, number, taken } => {
                if let Some(page) = self.pages.get_mut(&vehicle)
                    && (1..=page.sent()).contains(&number)
                {
                    page.taken |= taken;
                }
            }
            Event::DeadlineReached => {
                while let Some((_, vehicle)) = self.deadlines.first().filter(|(at, _)| *at <= now).cloned() {
                    self.expire(now, &vehicle, out);
                }
            }
        }
    }

    fn asked(&mut self, now: Mono, vehicle: VehicleId, facts: Facts, waiter: Waiter, out: &mut Vec<Action>) {
        self.seen(now, &vehicle, facts, out);
        if let Some(page) = self.pages.get(&vehicle) {
            let why = match page.phase {
                Phase::Waking { .. } if !waiter.wake => Some(Why::NotAsked),
                Phase::Probing | Phase::Waking { .. } if page.waiters.len() >= WAITERS_MAX => Some(Why::Busy),
                Phase::Probing | Phase::Waking { .. } => None,
            };
            match why {
                Some(why) => tell(now, waiter, Outcome::Unreachable(why), out),
                None => self.change(&vehicle, |page| {
                    page.wanted |= waiter.wake;
                    page.waiters.push(waiter);
                }),
            }
            return;
        }
        if self.pages.len() >= PAGES_MAX {
            let outcome = Outcome::Unreachable(Why::Busy);
            tell(now, waiter, outcome, out);
            return out.push(Action::End { vehicle, outcome, took: Millis(0) });
        }
        let page = Page {
            phase: Phase::Probing,
            begun: now,
            epoch: facts.epoch,
            channels: WakeChannels::NONE,
            wanted: waiter.wake,
            taken: false,
            waiters: vec![waiter],
        };
        self.deadlines.insert((waiter.until, vehicle.clone()));
        self.pages.insert(vehicle.clone(), page);
        if facts.connected {
            out.push(Action::Probe(vehicle));
        } else {
            self.wake(now, &vehicle, facts, out);
        }
    }

    fn seen(&mut self, now: Mono, vehicle: &VehicleId, facts: Facts, out: &mut Vec<Action>) {
        let Some(page) = self.pages.get(vehicle) else {
            return;
        };
        let attached = match page.phase {
            // The probe will tell of the socket it was put to.
            Phase::Probing => false,
            Phase::Waking { .. } => facts.connected || facts.epoch > page.epoch,
        };
        if attached {
            self.end(now, vehicle, Outcome::Woken, out);
        }
    }

    fn probed(&mut self, now: Mono, vehicle: &VehicleId, result: Probed, facts: Facts, out: &mut Vec<Action>) {
        let Some(page) = self.pages.get(vehicle).filter(|page| page.phase == Phase::Probing) else {
            return;
        };
        match result {
            Probed::Answered => self.end(now, vehicle, Outcome::Reachable, out),
            Probed::Unread => self.end(now, vehicle, Outcome::Unreachable(Why::Unread), out),
            // It has another socket by now: it has just been heard on it.
            Probed::Lost if facts.connected || facts.epoch > page.epoch => {
                self.end(now, vehicle, Outcome::Reachable, out);
            }
            Probed::Lost => self.wake(now, vehicle, facts, out),
        }
    }

    /// Begins to wake a vehicle that has no socket, or says why not.
    fn wake(&mut self, now: Mono, vehicle: &VehicleId, facts: Facts, out: &mut Vec<Action>) {
        self.change(vehicle, |page| {
            let content = page.waiters.extract_if(.., |waiter| !waiter.wake);
            content.for_each(|waiter| tell(now, waiter, Outcome::Unreachable(Why::NotAsked), out));
        });
        let wanted = self.pages.get(vehicle).is_some_and(|page| page.wanted);
        let channels = facts.wake.iter().filter(|channel| self.hooks.contains(*channel)).collect::<WakeChannels>();
        let why = match facts.known {
            None => Some(Why::Unknown),
            Some(Known::Unreachable) => Some(Why::Silent),
            Some(Known::Offline) => Some(Why::Offline),
            Some(Known::Online | Known::Idle | Known::Asleep) if !wanted => Some(Why::NotAsked),
            Some(Known::Online | Known::Idle | Known::Asleep) if facts.wake.is_empty() => Some(Why::NoChannel),
            Some(Known::Online | Known::Idle | Known::Asleep) if channels.is_empty() => Some(Why::NoHook),
            Some(Known::Online | Known::Idle | Known::Asleep) => None,
        };
        if let Some(why) = why {
            return self.end(now, vehicle, Outcome::Unreachable(why), out);
        }
        self.change(vehicle, |page| {
            page.phase = Phase::Waking { number: 0, due: now };
            (page.epoch, page.channels) = (facts.epoch, channels);
        });
        self.send(now, vehicle, out);
    }

    /// Sends the next wake-up if the vehicle may have one.
    fn send(&mut self, now: Mono, vehicle: &VehicleId, out: &mut Vec<Action>) {
        let Some(sent) = self.pages.get(vehicle).map(Page::sent) else {
            return;
        };
        if let Err(why) = self.pay(now, vehicle, sent) {
            return self.end(now, vehicle, Outcome::Unreachable(why), out);
        }
        let number = sent + 1;
        let deadline = self.rules.after(number);
        self.change(vehicle, |page| {
            page.phase = Phase::Waking { number, due: now + deadline };
            let channels = page.channels;
            out.push(Action::Wake { vehicle: vehicle.clone(), number, channels, deadline });
        });
    }

    /// Takes a wake-up out of the vehicle's bucket: `per_hour` fit in, and it fills by one each part of an hour.
    fn pay(&mut self, now: Mono, vehicle: &VehicleId, sent: u32) -> Result<(), Why> {
        let cost = self.rules.cost();
        if now.since(self.swept) >= cost {
            self.swept = now;
            self.paid.retain(|_, paid| *paid > now);
        }
        let room = Millis(cost.0 * u64::from(self.rules.per_hour.max(1)));
        let paid = self.paid.get(vehicle).copied().unwrap_or(now).max(now) + cost;
        if paid > now + room {
            return Err(Why::Limited { sent, again: paid.since(now + room) });
        }
        if self.paid.len() >= RATES_MAX && !self.paid.contains_key(vehicle) {
            return Err(Why::Busy);
        }
        self.paid.insert(vehicle.clone(), paid);
        Ok(())
    }

    fn expire(&mut self, now: Mono, vehicle: &VehicleId, out: &mut Vec<Action>) {
        let due = self.pages.get(vehicle).and_then(|page| match page.phase {
            Phase::Waking { number, due } if due <= now => Some((number, page.taken)),
            Phase::Waking { .. } | Phase::Probing => None,
        });
        match due {
            Some((number, taken)) if number >= self.rules.tries() => {
                let why = if taken { Why::NoAnswer(number) } else { Why::NotTaken(number) };
                self.end(now, vehicle, Outcome::Unreachable(why), out);
            }
            Some(_) => self.send(now, vehicle, out),
            None => {}
        }
        self.change(vehicle, |page| {
            let why = Why::Pending { sent: page.sent() };
            let late = page.waiters.extract_if(.., |waiter| waiter.until <= now);
            late.for_each(|waiter| tell(now, waiter, Outcome::Unreachable(why), out));
        });
    }

    fn end(&mut self, now: Mono, vehicle: &VehicleId, outcome: Outcome, out: &mut Vec<Action>) {
        let Some(page) = self.pages.remove(vehicle) else {
            return;
        };
        if let Some(at) = page.next_deadline() {
            self.deadlines.remove(&(at, vehicle.clone()));
        }
        for waiter in &page.waiters {
            tell(now, *waiter, outcome, out);
        }
        out.push(Action::End { vehicle: vehicle.clone(), outcome, took: now.since(page.begun) });
    }

    /// Changes a page and keeps its deadline.
    fn change(&mut self, vehicle: &VehicleId, change: impl FnOnce(&mut Page)) {
        let Some(page) = self.pages.get_mut(vehicle) else {
            return;
        };
        let before = page.next_deadline();
        change(page);
        let after = page.next_deadline();
        if before != after {
            if let Some(at) = before {
                self.deadlines.remove(&(at, vehicle.clone()));
            }
            self.deadlines.extend(after.map(|at| (at, vehicle.clone())));
        }
    }
}

fn tell(now: Mono, waiter: Waiter, outcome: Outcome, out: &mut Vec<Action>) {
    out.push(Action::Answer { waiter: waiter.id, outcome, took: now.since(waiter.since) });
}

#[cfg(test)]
#[path = "pager_tests.rs"]
mod tests;
