//! What this node knows of every vehicle: the logs it holds, who wins, and what may be shown.
//!
//! The winner of a vehicle is a pure function of the entries held: the highest (epoch, owner, incarnation)
//! that is not a tombstone. What an operator is shown is decided when it is read, from the winner, the
//! liveness of its owner and the age of the contact; nothing is rewritten when an owner is lost.

mod node;
mod sight;

pub use node::{Liveness, NodeInfo, NodeStatus};
pub use sight::{AgeKind, Known, Sight, StaleWhy, Tally};

use crate::by_vehicle::ByVehicle;
use crate::epoch::Epoch;
use crate::homes::{HomeRegions, Interest};
use crate::id::{Incarnation, NodeId, VehicleId};
use crate::log::{Entry, Gap, LiveState, Log, LogId, Piece, Scope, Slot, Suffix};
use crate::sync::Kept;
use crate::time::{Millis, Mono};
use crate::timers::Timers;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, RangeInclusive};
use std::sync::Arc;

/// Lives of one owner that are held beside each other; more are dropped, oldest first.
const LIVES_MAX: usize = 4;

/// Everything this node knows of presence.
#[derive(Clone, Debug)]
pub struct View {
    me: NodeId,
    timers: Timers,
    logs: BTreeMap<LogId, Log>,
    nodes: BTreeMap<NodeId, NodeStatus>,
    winners: ByVehicle<Arc<LogId>>,
    winning: BTreeMap<LogId, BTreeMap<LiveState, u64>>,
    /// The life of each owner that is held whole: what earlier ones said is void.
    whole: BTreeMap<NodeId, Incarnation>,
    homes: Option<Homes>,
    contested: BTreeSet<VehicleId>,
    /// What gateways of this region, this one among them, say for other regions: passed on, and not shown, for their
    /// detail is here.
    outbound: BTreeMap<LogId, Log>,
}

/// Where home regions are configured: the list, and what this region keeps of the vehicles of others.
#[derive(Clone, Debug)]
struct Homes {
    regions: HomeRegions,
    interest: Interest,
}

impl View {
    /// A view that holds nothing but this node's own, empty log.
    pub fn new(me: NodeInfo, timers: Timers) -> Self {
        let id = LogId::detail(me.id.clone(), me.incarnation);
        Self {
            whole: BTreeMap::from([(me.id.clone(), me.incarnation)]),
            me: me.id.clone(),
            timers,
            logs: BTreeMap::from([(id.clone(), Log::new(id))]),
            nodes: BTreeMap::from([(me.id.clone(), NodeStatus::new(me, Liveness::Own))]),
            winners: ByVehicle::new(),
            winning: BTreeMap::new(),
            homes: None,
            contested: BTreeSet::new(),
            outbound: BTreeMap::new(),
        }
    }

    /// Other regions are told, and tell, no more than the directory, and only of the vehicles that they are home of. Set
    /// before anything is published.
    pub fn set_homes(&mut self, regions: HomeRegions) {
        let interest = regions.interest(&self.me().region);
        self.homes = Some(Homes { regions, interest });
        let id = LogId::directory(self.me.clone(), self.me().incarnation);
        self.outbound.insert(id.clone(), Log::new(id));
    }

    /// The home regions, if any are configured.
    pub fn homes(&self) -> Option<&HomeRegions> {
        self.homes.as_ref().map(|homes| &homes.regions)
    }

    /// What is kept here of the vehicles of other regions; `None` for all that there is, in detail.
    pub fn interest(&self) -> Option<&Interest> {
        self.homes.as_ref().map(|homes| &homes.interest)
    }

    /// This node.
    pub fn me(&self) -> &NodeInfo {
        &self.nodes[&self.me].info
    }

    /// This node is about to stop.
    pub fn drain(&mut self) {
        if let Some(status) = self.nodes.get_mut(&self.me) {
            status.info.draining = true;
        }
    }

    /// The id of this node's own log.
    pub fn own_log_id(&self) -> LogId {
        LogId::detail(self.me.clone(), self.me().incarnation)
    }

    /// Where this node's own log ends.
    pub fn own_head(&self) -> u64 {
        self.logs.get(&self.own_log_id()).map_or(0, Log::head)
    }

    /// Every log held.
    pub fn logs(&self) -> impl Iterator<Item = &Log> {
        self.logs.values().chain(self.outbound.values())
    }

    /// Those of them whose word counts here: not what is only passed on, whose detail is here as well.
    pub fn shown_logs(&self) -> impl Iterator<Item = &Log> {
        self.logs.values()
    }

    /// One log.
    pub fn log(&self, id: &LogId) -> Option<&Log> {
        self.logs.get(id).or_else(|| self.outbound.get(id))
    }

    /// Whether a log is only passed on: its owner's detail is here.
    fn is_outbound(&self, id: &LogId) -> bool {
        let here = |owner: &NodeStatus| owner.info.region == self.me().region;
        id.scope == Scope::Directory && (self.outbound.contains_key(id) || self.nodes.get(&id.owner).is_some_and(here))
    }

    /// Every node known, this one included.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeStatus> {
        self.nodes.values()
    }

    /// One node.
    pub fn node(&self, id: &NodeId) -> Option<&NodeStatus> {
        self.nodes.get(id)
    }

    /// The highest epoch any log held gives a vehicle, tombstones included.
    pub fn known_epoch(&self, vehicle: &VehicleId) -> Option<Epoch> {
        self.logs.values().filter_map(|log| log.slot(vehicle)).map(|slot| slot.entry.epoch).max()
    }

    /// Who speaks for a vehicle, and what it says.
    pub fn winner(&self, vehicle: &VehicleId) -> Option<(&LogId, &Slot)> {
        let id = self.winners.get(vehicle)?;
        self.logs.get(id.as_ref())?.slot(vehicle).map(|slot| (id.as_ref(), slot))
    }

    /// What this node says that it keeps, where home regions are configured.
    pub fn kept(&self) -> Option<Kept> {
        self.homes.as_ref().map(|homes| Kept { interest: homes.interest.clone(), homes: homes.regions.fingerprint() })
    }

    /// Publishes in this node's own log, and what other regions should know of it in the directory.
    pub fn publish(&mut self, now: Mono, vehicle: VehicleId, entry: Entry) {
        let id = self.own_log_id();
        self.publish_abroad(now, &vehicle, &entry);
        if let Some(log) = self.logs.get_mut(&id) {
            let before = log.slot(&vehicle).cloned();
            log.publish(now, vehicle.clone(), entry);
            self.settle(&id, &vehicle, before.as_ref());
        }
    }

    /// Says in the directory what it should know of an entry, if that is news there.
    fn publish_abroad(&mut self, now: Mono, vehicle: &VehicleId, entry: &Entry) {
        let id = LogId::directory(self.me.clone(), self.me().incarnation);
        if let Some(log) = self.outbound.get_mut(&id) {
            let entry = entry.clone().for_directory();
            let said = log.slot(vehicle).map(|slot| &slot.entry);
            let news = said.map_or(entry.state != LiveState::Removed, |said| !said.says_the_same(&entry));
            if news {
                log.publish(now, vehicle.clone(), entry);
            }
        }
    }

    /// Nothing that is kept here of a log stands in `(from, to]`.
    pub fn skip(&mut self, id: &LogId, from: u64, to: u64) {
        if let Some(log) = self.logs.get_mut(id).or_else(|| self.outbound.get_mut(id)) {
            log.skip(from, to);
        } else if from == 0 && self.nodes.get(&id.owner).is_some_and(|node| node.info.incarnation == id.incarnation) {
            let held = if self.is_outbound(id) { &mut self.outbound } else { &mut self.logs };
            held.entry(id.clone()).or_insert_with(|| Log::new(id.clone())).skip(from, to);
        }
    }

    /// Takes over a piece of someone's log. Returns the vehicles it changed.
    pub fn apply(&mut self, now: Mono, id: &LogId, mut suffix: Suffix) -> Result<Vec<VehicleId>, Gap> {
        if self.is_outbound(id) {
            let void = self.is_void(id);
            if void {
                suffix.entries.clear();
            }
            let log = self.outbound.entry(id.clone()).or_insert_with(|| Log::new(id.clone()));
            let applied = log.apply(now, suffix);
            if void {
                // Not to be passed on as if nothing had ever stood there.
                log.raise_floor(log.head());
            }
            self.drop_old_lives(&id.owner);
            return applied.map(|_| Vec::new());
        }
        let mut log = self.logs.remove(id).unwrap_or_else(|| Log::new(id.clone()));
        let applied = log.apply(now, suffix);
        self.logs.insert(id.clone(), log);
        let vehicles = self.settle_all(id, applied?);
        Ok(vehicles.chain(self.drop_old_lives(&id.owner)).collect())
    }

    /// Takes over a stretch of someone's log that differs from the copy held. Returns the vehicles it changed.
    pub fn mend(&mut self, now: Mono, id: &LogId, piece: Piece) -> Vec<VehicleId> {
        if let Some(log) = self.outbound.get_mut(id) {
            return log.mend(now, piece).into_iter().map(|(vehicle, _)| vehicle).collect();
        }
        let Some(mut log) = self.logs.remove(id) else { return Vec::new() };
        let changed = log.mend(now, piece);
        self.logs.insert(id.clone(), log);
        self.settle_all(id, changed).collect()
    }

    /// After these slots of log `id` changed, each with what was shown before. Returns the vehicles.
    fn settle_all(
        &mut self,
        id: &LogId,
        changed: Vec<(VehicleId, Option<Slot>)>,
    ) -> impl Iterator<Item = VehicleId> + use<> {
        let mut settled = BTreeSet::new();
        for (vehicle, before) in &changed {
            // A peer that names one twice told of the last; what was counted is what was shown before the first.
            if settled.insert(vehicle) {
                self.settle(id, vehicle, before.as_ref());
            }
        }
        changed.into_iter().map(|(vehicle, _)| vehicle)
    }

    /// A copy of a log that is being read anew came on from `was` to `is`; to 0 if it was given up.
    pub fn note_rebuilding(&mut self, id: &LogId, was: u64, is: u64) {
        let held = if self.is_outbound(id) { &mut self.outbound } else { &mut self.logs };
        held.entry(id.clone()).or_insert_with(|| Log::new(id.clone())).note_rebuilding(was, is);
    }

    /// Puts a whole log, read anew, in the place of the one held. Returns the vehicles of both.
    pub fn replace(&mut self, mut log: Log) -> Vec<VehicleId> {
        let id = log.id().clone();
        if let Some(old) = self.log(&id) {
            log.keep_ahead_of(old);
        }
        if self.is_outbound(&id) {
            if self.is_void(&id) {
                log = log.emptied();
            }
            self.outbound.insert(id.clone(), log);
            return self.drop_old_lives(&id.owner);
        }
        let mut vehicles: Vec<_> = log.slots().map(|(v, _)| v.clone()).collect();
        let old = self.logs.insert(id.clone(), log);
        if let Some(old) = &old {
            vehicles.extend(old.slots().map(|(v, _)| v.clone()));
            vehicles.sort_unstable();
            vehicles.dedup();
        }
        for vehicle in &vehicles {
            self.settle(&id, vehicle, old.as_ref().and_then(|log| log.slot(vehicle)));
        }
        vehicles.extend(self.drop_old_lives(&id.owner));
        vehicles
    }

    /// An owner's log of this life was read up to where it stood when it greeted. A node restores what it knows
    /// before it greets, so what only its earlier lives said is nothing it still stands for. Returns the vehicles
    /// that were forgotten.
    pub fn void_lives_before(&mut self, owner: &NodeId, life: Incarnation) -> Vec<VehicleId> {
        if self.whole.get(owner).is_some_and(|whole| *whole >= life) {
            return Vec::new();
        }
        self.whole.insert(owner.clone(), life);
        // Whoever has it from here on would take the word of an earlier life for one that nobody took back.
        self.outbound.retain(|id, _| id.owner != *owner || id.incarnation >= life);
        let earlier = self.logs.range(lives_of(owner)).filter(|(id, _)| id.incarnation < life);
        let slots = earlier.flat_map(|(id, log)| log.slots().map(|(vehicle, slot)| (id.clone(), vehicle, slot)));
        let voided: Vec<_> = slots.map(|(id, vehicle, slot)| (id, vehicle.clone(), slot.clone())).collect();
        for (id, vehicle, slot) in &voided {
            self.settle(id, vehicle, Some(slot));
        }
        voided.into_iter().map(|(_, vehicle, _)| vehicle).collect()
    }

    /// Whether a later life of the owner is held whole. Of an earlier one nothing is taken that would only be passed on: who
    /// does not know the later life would take it for the owner's word.
    fn is_void(&self, id: &LogId) -> bool {
        self.whole.get(&id.owner).is_some_and(|whole| *whole > id.incarnation)
    }

    /// Drops tombstones older than `life` in every log.
    pub fn expire_tombstones(&mut self, now: Mono, life: Millis) {
        for log in self.logs.values_mut().chain(self.outbound.values_mut()) {
            log.expire_tombstones(now, life);
        }
    }

    /// After the slot of `vehicle` in log `id` changed: the word of a later life replaces that of an earlier
    /// one, the winner is found anew and counted. `before` is the slot that this log showed.
    fn settle(&mut self, id: &LogId, vehicle: &VehicleId, before: Option<&Slot>) {
        let winner = self.winners.get(vehicle).cloned();
        let before = before.filter(|_| winner.as_deref() == Some(id));
        if let Some(old) = before {
            self.uncount(id, old.entry.state);
        } else if let Some(winner) = winner.as_deref().filter(|winner| *winner != id)
            && let Some(state) = self.logs.get(winner).and_then(|l| l.slot(vehicle)).map(|s| s.entry.state)
        {
            self.uncount(winner, state);
        }
        self.void_earlier_lives(&id.owner, vehicle);
        let next = self.succeed(id, vehicle, winner.as_deref(), before.map(|old| old.entry.epoch));
        if let Some((id, state)) = &next {
            *self.winning.entry(LogId::clone(id)).or_default().entry(*state).or_default() += 1;
        }
        match (winner, next) {
            (Some(winner), Some((next, _))) if winner == next => {}
            (Some(_), Some((next, _))) => self.winners.insert(vehicle, next),
            (None, Some((next, _))) => {
                self.winners.push(vehicle.clone(), next);
            }
            (Some(_), None) => {
                self.winners.remove(vehicle);
            }
            (None, None) => {}
        }
    }

    /// The winner now. Every log is looked at only if what led is gone: otherwise it is the one that led or the one that
    /// changed. `led` is the epoch at which the log that changed led.
    fn succeed(
        &mut self,
        id: &LogId,
        vehicle: &VehicleId,
        winner: Option<&LogId>,
        led: Option<Epoch>,
    ) -> Option<(Arc<LogId>, LiveState)> {
        let stands = |log: &Log| {
            let slot = log.slot(vehicle).filter(|slot| slot.entry.state != LiveState::Removed)?;
            Some((slot.entry.epoch, log.shared_id(), slot.entry.state))
        };
        let changed = self.logs.get(id).and_then(stands);
        let leader = winner.map(|w| if w == id { changed.clone() } else { self.logs.get(w).and_then(stands) });
        let still = led.is_none_or(|led| changed.as_ref().is_some_and(|(epoch, ..)| *epoch >= led));
        let winner = match leader {
            Some(Some(leader)) if still => {
                let other = changed.as_ref().map(|(_, id, _)| id).filter(|id| **id != leader.1);
                if other.is_some_and(|id| Scope::Directory == id.scope.max(leader.1.scope)) {
                    self.contested.insert(vehicle.clone());
                }
                changed.max(Some(leader))
            }
            Some(_) => self.logs.values().filter_map(stands).max(),
            None => changed,
        };
        winner.map(|(_, id, state)| (id, state))
    }

    /// Gateways that still speak for a vehicle that another has: what each says of it, and what the winner says.
    pub fn losers(&self, vehicle: &VehicleId) -> Vec<(&LogId, &Entry, &LogId, &Entry)> {
        let Some((winner, slot)) = self.winner(vehicle) else { return Vec::new() };
        let others = self.logs.values().filter(|log| log.id() != winner);
        let said = others.filter_map(|log| Some((log.id(), &log.slot(vehicle)?.entry)));
        let open = said.filter(|(_, entry)| entry.state != LiveState::Removed);
        open.map(|(id, entry)| (id, entry, winner, &slot.entry)).collect()
    }

    /// Vehicles after `after` that more than one gateway spoke for, one of them in another region: noted where home regions
    /// are configured. Within a region each hears the other's word itself.
    pub fn contested(&self, after: Option<&VehicleId>) -> impl Iterator<Item = &VehicleId> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.contested.range::<VehicleId, _>((from, Bound::Unbounded))
    }

    /// A vehicle that no more than one gateway speaks for.
    pub fn settled(&mut self, vehicle: &VehicleId) {
        self.contested.remove(vehicle);
    }

    fn uncount(&mut self, id: &LogId, state: LiveState) {
        if let Some(count) = self.winning.get_mut(id).and_then(|counts| counts.get_mut(&state)) {
            *count = count.saturating_sub(1);
        }
    }

    /// What an earlier life of an owner said of a vehicle is void once a later one names as high an epoch, or is
    /// held whole, in whichever order the two came here.
    fn void_earlier_lives(&mut self, owner: &NodeId, vehicle: &VehicleId) {
        let mut said = None;
        let whole = self.whole.get(owner);
        let mut lives = self.logs.range_mut(lives_of(owner)).rev().peekable();
        while let Some((id, log)) = lives.next() {
            // Of most there is but one life, and it stands.
            if said.is_none() && lives.peek().is_none() && Some(&id.incarnation) >= whole {
                return;
            }
            match log.slot(vehicle).map(|slot| slot.entry.epoch) {
                Some(epoch) if said >= Some(epoch) || Some(&id.incarnation) < whole => {
                    log.forget(vehicle);
                }
                Some(epoch) => said = Some(epoch),
                None => {}
            }
        }
    }

    /// Forgets the oldest lives of an owner beyond those held. Returns the vehicles they spoke for.
    fn drop_old_lives(&mut self, owner: &NodeId) -> Vec<VehicleId> {
        let abroad: Vec<LogId> = self.outbound.range(lives_of(owner)).map(|(id, _)| id.clone()).collect();
        for id in abroad.iter().rev().skip(LIVES_MAX) {
            self.outbound.remove(id);
        }
        let lives: Vec<LogId> = self.logs.range(lives_of(owner)).map(|(id, _)| id.clone()).collect();
        let mut changed = Vec::new();
        for id in lives.iter().rev().skip(LIVES_MAX) {
            let gone = self.logs.remove(id);
            self.winning.remove(id);
            for (vehicle, _) in gone.iter().flat_map(Log::slots) {
                if self.winners.get(vehicle).is_some_and(|winner| **winner == *id) {
                    self.settle(id, vehicle, None);
                    changed.push(vehicle.clone());
                }
            }
        }
        changed
    }
}

fn lives_of(owner: &NodeId) -> RangeInclusive<LogId> {
    let last = LogId::directory(owner.clone(), Incarnation(u64::MAX));
    LogId::detail(owner.clone(), Incarnation(0))..=last
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
