//! The judge: it sees everything that really happens in the world and compares.
//!
//! This file keeps the truth of presence: what each owner published and what each gateway was told. The
//! promises to vehicles are in `promises.rs`, what is looked at every second in `audit.rs`, what must hold
//! after the faults in `agreement.rs`. The judge changes nothing in the world.

use super::check::{Check, Violation};
use super::homes::is_shown;
use super::promises::Promises;
use super::settings::Settings;
use super::verdicts::Orders;
use std::collections::{BTreeMap, BTreeSet};
use waygate_core::cause::DetachCause;
use waygate_core::cell::Cell;
use waygate_core::epoch::Epoch;
use waygate_core::homes::Part;
use waygate_core::id::{Incarnation, NodeId, SessionId, VehicleId};
use waygate_core::log::{Entry, LiveState, Log, LogId, Scope, Slot};
use waygate_core::node::{Action, Node};
use waygate_core::sync::{FLUSH_BETWEEN_REGIONS, Frame};
use waygate_core::time::Mono;
use waygate_core::timers::Timers;
use waygate_core::view::{Known, NodeInfo, StaleWhy, View};

/// What makes an entry, without what is on its holder's clock.
pub type Fact = (Epoch, SessionId, LiveState, Option<DetachCause>, Option<Cell>);

/// The fact in a slot.
pub fn fact(slot: &Slot) -> Fact {
    let entry = &slot.entry;
    (entry.epoch, entry.session, entry.state, entry.cause, entry.cell)
}

/// What an owner has published in one life.
#[derive(Clone, Debug, Default)]
pub struct LogTruth {
    /// The last sequence number.
    pub head: u64,
    /// Everything that was ever said and could be read by anyone.
    pub said: BTreeMap<u64, (VehicleId, Fact)>,
    /// Where each vehicle stands now.
    pub latest: BTreeMap<VehicleId, u64>,
}

/// What one gateway in its present life was told and has shown.
#[derive(Clone, Debug, Default)]
pub struct Eye {
    /// When this life began.
    pub since: u64,
    /// The highest sequence number held of a vehicle, ever.
    pub seen: BTreeMap<(LogId, VehicleId), u64>,
    /// The highest incarnation it was told of.
    pub lives: BTreeMap<NodeId, Incarnation>,
    /// The last frame of each peer itself, and the life it was sent in.
    pub heard: BTreeMap<NodeId, (Incarnation, u64)>,
    /// Up to when others said that they knew all that a node had said in which life, of nodes that they hear themselves.
    pub passed_on: BTreeMap<NodeId, (Incarnation, u64)>,
}

impl Eye {
    /// When a node was heard last in a life of it, itself or by one that is heard and passes on what it says.
    pub fn contact(&self, node: &NodeId, life: Option<Incarnation>) -> Option<u64> {
        let contacts = [self.heard.get(node), self.passed_on.get(node)].into_iter().flatten();
        contacts.filter(|(heard, _)| Some(*heard) == life).map(|(_, at)| *at).max()
    }
}

/// A vehicle as shown, without what changes as time passes.
pub type Shown = BTreeMap<VehicleId, (NodeId, Epoch, SessionId, u8, Option<StaleWhy>)>;

/// What is shown at a gateway now.
pub fn shown(now: Mono, view: &View) -> Shown {
    let mut all = Shown::new();
    view.scan(now, None, usize::MAX, |sight| {
        let known = match sight.known {
            Known::Online => 1,
            // Which of the two it is follows from its age.
            Known::Idle | Known::Asleep | Known::Unreachable => 2,
            Known::Offline => 3,
        };
        all.insert(sight.vehicle, (sight.owner, sight.epoch, sight.session, known, sight.stale));
    });
    all
}

/// Everything the judge knows.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    /// The first promise that was broken.
    pub violation: Option<Violation>,
    /// How often each promise was looked at.
    pub looked: BTreeMap<Check, u64>,
    /// What was published.
    pub logs: BTreeMap<LogId, LogTruth>,
    /// The highest incarnation begun.
    pub lives: BTreeMap<NodeId, Incarnation>,
    /// Each gateway's eye.
    pub eyes: Vec<Eye>,
    /// The promises to vehicles.
    pub promises: Promises,
    /// What was ordered, and what became of it.
    pub orders: Orders,
    /// The longest time a frame between gateways was on its way.
    pub transit_max_ms: u64,
    /// Entries published.
    pub published: u64,
    /// The timers of every gateway.
    pub timers: Timers,
    /// Entries that were changed on their way: whoever holds one as it came may hold another than its owner wrote.
    pub corrupted: BTreeSet<(LogId, u64)>,
    /// Gateways that may have forgotten in which life they are, until they are in a later one than ever.
    pub forgetful: BTreeSet<usize>,
    /// How often a gateway flushes.
    pub flush_ms: u64,
    /// Until a clock is set back: from then on what its gateway kept on disk cannot be dated.
    pub ages_are_known: bool,
}

impl Oracle {
    /// A judge of a world.
    pub fn new(settings: &Settings) -> Self {
        let eyes = vec![Eye::default(); settings.gateways];
        // Most gateways are a region of their own.
        let (timers, flush_ms) = (settings.timers, settings.flush_ms.max(FLUSH_BETWEEN_REGIONS.0));
        Self { eyes, timers, flush_ms, ages_are_known: true, ..Self::default() }
    }

    /// Looks at a promise; notes the first that is broken.
    pub fn expect(&mut self, check: Check, now: u64, kept: bool, how: impl FnOnce() -> String) {
        *self.looked.entry(check).or_default() += 1;
        if !kept && self.violation.is_none() {
            self.violation = Some(Violation { check, at_ms: now, text: how() });
        }
    }

    /// A gateway begins a life.
    pub fn begun(&mut self, now: u64, g: usize, me: &NodeInfo) {
        let before = self.lives.get(&me.id).copied();
        let rises = before.is_none_or(|before| before < me.incarnation);
        self.expect(Check::IncarnationRises, now, rises || self.forgetful.contains(&g), || {
            format!("{} begins life {:?} after {before:?}", me.id, me.incarnation)
        });
        if rises {
            self.lives.insert(me.id.clone(), me.incarnation);
            self.forgetful.remove(&g);
        }
        self.eyes[g] = Eye { since: now, ..Eye::default() };
    }

    /// A frame reaches a gateway: what it is told thereby.
    pub fn told(&mut self, now: u64, g: usize, from: (NodeId, Incarnation), frame: &Frame, sent: u64) {
        self.transit_max_ms = self.transit_max_ms.max(now.saturating_sub(sent));
        let eye = &mut self.eyes[g];
        let info = match frame {
            Frame::Hello { node, .. } => Some(node),
            Frame::Batch(batch) => Some(&batch.owner),
            Frame::Cursors { .. } | Frame::Audit(_) => None,
        };
        if let Some(info) = info {
            let life = eye.lives.entry(info.id.clone()).or_insert(info.incarnation);
            *life = info.incarnation.max(*life);
        }
        let (peer, life) = from;
        if let Frame::Cursors { cursors, .. } = frame {
            // As for what is heard itself, the time on its way counts as none.
            let claims = cursors.iter().filter_map(|cursor| Some((&cursor.log, cursor.level?)));
            for (log, age) in claims {
                let (owner, at) = (log.owner.clone(), (log.incarnation, now.saturating_sub(age.0)));
                let passed_on = eye.passed_on.entry(owner).or_insert(at);
                *passed_on = at.max(*passed_on);
            }
        }
        // In a life before one that was heard a node is refused: it shows no sign of the later one.
        let heard = eye.heard.entry(peer).or_insert((life, now));
        *heard = (life, now).max(*heard);
    }

    /// A node took an event: `before` is what it showed, `actions` what it asks for.
    pub fn after(&mut self, now: u64, g: usize, mono: Mono, node: &Node, before: &Shown, actions: &[Action]) {
        self.note_published(now, node);
        let mut changed = Vec::new();
        let mut nodes = Vec::new();
        for action in actions {
            match action {
                Action::VehicleChanged(vehicle) => changed.push(vehicle),
                Action::NodeChanged(id) => nodes.push(id),
                Action::Session(_)
                | Action::SendFrame(..)
                | Action::HangUp(..)
                | Action::TellOutranked { .. }
                | Action::Outlived(_) => {}
            }
        }
        for vehicle in &changed {
            self.judge_slots(now, g, node.view(), vehicle);
            self.judge_register(now, node, vehicle);
        }
        let after = shown(mono, node.view());
        if after != *before {
            for vehicle in before.keys().chain(after.keys()) {
                let (old, new) = (before.get(vehicle), after.get(vehicle));
                let of_node = [old, new].iter().flatten().any(|(owner, ..)| nodes.contains(&owner));
                self.expect(
                    Check::ChangesAreAnnounced,
                    now,
                    old == new || of_node || changed.contains(&vehicle),
                    || format!("{} went from {old:?} to {new:?} at {} unannounced", vehicle, node.view().me().id),
                );
            }
        }
    }

    fn note_published(&mut self, now: u64, node: &Node) {
        let detail = node.view().own_log_id();
        let directory = LogId::directory(detail.owner.clone(), detail.incarnation);
        self.note_log(now, node, detail);
        self.note_log(now, node, directory);
    }

    fn note_log(&mut self, now: u64, node: &Node, id: LogId) {
        let Some(log) = node.view().log(&id) else { return };
        let known = self.logs.entry(id.clone()).or_default().head;
        if log.head() == known {
            return;
        }
        let suffix = log.suffix(known, usize::MAX, &Part::Whole);
        let mut last = known;
        for (vehicle, slot) in &suffix.entries {
            let seq = slot.seq;
            self.expect(Check::SequenceRises, now, seq > last && seq <= log.head(), || {
                format!("{id:?} published {seq} after {last}")
            });
            last = seq;
            let truth = self.logs.entry(id.clone()).or_default();
            truth.said.insert(seq, (vehicle.clone(), fact(slot)));
            truth.latest.insert(vehicle.clone(), seq);
            self.promises.note_published(vehicle, slot.entry.epoch);
        }
        self.expect(Check::SequenceRises, now, log.head() > known, || format!("{id:?} fell back to {}", log.head()));
        self.published += log.head().saturating_sub(known);
        self.logs.entry(id).or_default().head = log.head();
    }

    /// Every slot of a vehicle that a gateway holds, and which of them wins.
    fn judge_slots(&mut self, now: u64, g: usize, view: &View, vehicle: &VehicleId) {
        let mut held = Vec::new();
        for log in view.logs() {
            let Some(slot) = log.slot(vehicle) else { continue };
            let said = self.logs.get(log.id()).and_then(|truth| truth.said.get(&slot.seq)).cloned();
            let corrupted = self.corrupted.contains(&(log.id().clone(), slot.seq));
            let genuine = said.as_ref().is_some_and(|(v, f)| v == vehicle && (*f == fact(slot) || corrupted));
            self.expect(Check::OnlyTheOwnerWrites, now, genuine, || {
                format!("gateway {g} holds {slot:?} of {vehicle} in {:?}; its owner wrote {said:?}", log.id())
            });
            let key = (log.id().clone(), vehicle.clone());
            let seen = self.eyes[g].seen.entry(key).or_default();
            let before = std::mem::replace(seen, slot.seq.max(*seen));
            self.expect(Check::NoResurrection, now, slot.seq >= before, || {
                format!("gateway {g} went back from {before} to {} for {vehicle} in {:?}", slot.seq, log.id())
            });
            if slot.entry.state != LiveState::Removed && is_shown(view, log.id()) {
                held.push((slot.entry.epoch, log.id().clone()));
            }
        }
        held.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let shown = view.winner(vehicle).map(|(id, slot)| (slot.entry.epoch, id.clone()));
        let best = held.last().cloned();
        self.expect(Check::WinnerIsPure, now, shown == best, || {
            format!("gateway {g} shows {shown:?} of {vehicle}, the entries held {held:?} say {best:?}")
        });
    }

    /// What the own log says of a vehicle is what the register holds of it.
    fn judge_register(&mut self, now: u64, node: &Node, vehicle: &VehicleId) {
        let held = node.registrar().session(vehicle).and_then(|session| session.entry());
        let log = node.view().log(&node.view().own_log_id());
        let said = log.and_then(|log| log.slot(vehicle)).map(|slot| &slot.entry);
        let said = said.filter(|entry| entry.state != LiveState::Removed);
        let same = match (&held, said) {
            (Some(held), Some(said)) => {
                (held.epoch, held.session, held.state, held.cause, held.cell)
                    == (said.epoch, said.session, said.state, said.cause, said.cell)
            }
            (None, None) => true,
            (Some(held), None) => held.state == LiveState::Removed,
            (None, Some(_)) => false,
        };
        self.expect(Check::LogFollowsRegister, now, same, || {
            format!("{} holds {held:?} of {vehicle} and says {said:?}", node.view().me().id)
        });
        self.judge_directory(now, node, vehicle);
    }

    /// The own directory says of a vehicle what it should of what the own log does.
    fn judge_directory(&mut self, now: u64, node: &Node, vehicle: &VehicleId) {
        let detail = node.view().own_log_id();
        let Some(directory) = node.view().log(&LogId { scope: Scope::Directory, ..detail.clone() }) else { return };
        let open =
            |log: &Log| log.slot(vehicle).map(|slot| slot.entry.clone()).filter(|e| e.state != LiveState::Removed);
        let (held, said) = (node.view().log(&detail).and_then(open).map(Entry::for_directory), open(directory));
        let same = match (&held, &said) {
            (Some(held), Some(said)) => held.says_the_same(said),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        self.expect(Check::LogFollowsRegister, now, same, || {
            format!("{} says {held:?} of {vehicle} and {said:?} in the directory", node.view().me().id)
        });
    }
}
