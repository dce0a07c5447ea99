//! What this node knows of every vehicle: the logs it holds, who wins, and what may be shown.
//!
//! The winner of a vehicle is a pure function of the entries held: the highest (epoch, owner, incarnation)
//! that is not a tombstone. What an operator is shown is decided when it is read, from the winner, the
//! liveness of its owner and the age of the contact; nothing is rewritten when an owner is lost.

use crate::cause::DetachCause;
use crate::cell::Cell;
use crate::epoch::Epoch;
use crate::id::{Incarnation, NodeId, RegionId, SessionId, VehicleId};
use crate::log::{Entry, Gap, LiveState, Log, LogId, Piece, Slot, Suffix};
use crate::membership::Standing;
use crate::time::{Millis, Mono};
use crate::timers::Timers;
use crate::wake::WakeChannels;
use std::collections::BTreeMap;
use std::ops::{Bound, RangeInclusive};

/// A gateway node, as it speaks of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// Its name.
    pub id: NodeId,
    /// Its region.
    pub region: RegionId,
    /// Its present life.
    pub incarnation: Incarnation,
    /// Where vehicles attach, `ws://…/v1/obu`.
    pub vehicles_url: String,
    /// Where operators and peers ask, `http://…`.
    pub operators_url: String,
    /// Whether it is about to stop, so that no vehicle should go there.
    pub draining: bool,
    /// What its later version says of itself that this one cannot read, as it stood on the wire: passed on.
    pub rest: Box<[u8]>,
}

/// Whether a node can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// This node itself.
    Own,
    /// Heard from directly, lately.
    Alive {
        /// When.
        heard: Mono,
    },
    /// Its stream is lost.
    Lost {
        /// When it was last heard.
        since: Mono,
    },
    /// Known only by what others relayed or what an earlier life of this node stored.
    Unmet {
        /// When it was first mentioned.
        since: Mono,
    },
}

/// A node and whether it can be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// What it says of itself, in its highest incarnation seen.
    pub info: NodeInfo,
    /// Whether it can be believed.
    pub liveness: Liveness,
    /// What the cluster thinks of that life of it, if it was told.
    pub standing: Option<Standing>,
}

/// What a state is called once it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Known {
    /// Connected, in the owner's present life.
    Online,
    /// Without a socket, within the time it has to report.
    Idle,
    /// Asleep, within the time it said.
    Asleep,
    /// It did not report in time.
    Unreachable,
    /// Detached.
    Offline,
}

/// Why a vehicle is shown as stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StaleWhy {
    /// The stream of its gateway is lost.
    OwnerLost,
    /// Its gateway has stopped, and said so.
    OwnerLeft,
    /// Its gateway restarted and has not confirmed it.
    OwnerRestarted,
    /// This gateway has never heard its gateway directly.
    ViewCutOff,
}

/// Where an age comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgeKind {
    /// Counted from the last contact known.
    Measured,
    /// The longest the contact can be past, as its gateway would have said otherwise.
    Bound,
}

/// What an operator is shown of one vehicle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Which.
    pub vehicle: VehicleId,
    /// Its state, or the last known one if stale.
    pub known: Known,
    /// Set if that state is not to be trusted.
    pub stale: Option<StaleWhy>,
    /// Why, for a detached one.
    pub cause: Option<DetachCause>,
    /// Its gateway.
    pub owner: NodeId,
    /// Its gateway's region.
    pub region: Option<RegionId>,
    /// The attach.
    pub epoch: Epoch,
    /// The session.
    pub session: SessionId,
    /// The last known tracking area.
    pub cell: Option<Cell>,
    /// Since its last contact; never too young.
    pub age: Millis,
    /// How the age is known.
    pub age_kind: AgeKind,
    /// Since its gateway was last heard.
    pub view_age: Millis,
    /// Until the periodic update of an idle one, or the end of the sleep of one that sleeps.
    pub update_expected: Option<Millis>,
    /// How it can be woken when it has no socket.
    pub wake: WakeChannels,
    /// Whether two units seem to use its identity.
    pub cloned: bool,
}

/// How many vehicles of one owner are in which state, as shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Connected.
    pub online: u64,
    /// Idle.
    pub idle: u64,
    /// Asleep.
    pub asleep: u64,
    /// Unreachable.
    pub unreachable: u64,
    /// Detached.
    pub offline: u64,
    /// Any of these, of an owner that cannot be believed.
    pub stale: u64,
}

/// Lives of one owner that are held beside each other; more are dropped, oldest first.
const LIVES_MAX: usize = 4;

/// Everything this node knows of presence.
#[derive(Clone, Debug)]
pub struct View {
    me: NodeId,
    timers: Timers,
    logs: BTreeMap<LogId, Log>,
    nodes: BTreeMap<NodeId, NodeStatus>,
    winners: BTreeMap<VehicleId, LogId>,
    winning: BTreeMap<LogId, BTreeMap<LiveState, u64>>,
    /// The life of each owner that is held whole: what earlier ones said is void.
    whole: BTreeMap<NodeId, Incarnation>,
}

impl View {
    /// A view that holds nothing but this node's own, empty log.
    pub fn new(me: NodeInfo, timers: Timers) -> Self {
        let id = LogId { owner: me.id.clone(), incarnation: me.incarnation };
        Self {
            whole: BTreeMap::from([(me.id.clone(), me.incarnation)]),
            me: me.id.clone(),
            timers,
            logs: BTreeMap::from([(id.clone(), Log::new(id))]),
            nodes: BTreeMap::from([(me.id.clone(), NodeStatus { info: me, liveness: Liveness::Own, standing: None })]),
            winners: BTreeMap::new(),
            winning: BTreeMap::new(),
        }
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
        LogId { owner: self.me.clone(), incarnation: self.me().incarnation }
    }

    /// Every log held.
    pub fn logs(&self) -> impl Iterator<Item = &Log> {
        self.logs.values()
    }

    /// One log.
    pub fn log(&self, id: &LogId) -> Option<&Log> {
        self.logs.get(id)
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
        self.logs.get(id)?.slot(vehicle).map(|slot| (id, slot))
    }

    /// Publishes in this node's own log. Returns whether the shown winner may have changed.
    pub fn publish(&mut self, now: Mono, vehicle: VehicleId, entry: Entry) {
        let id = self.own_log_id();
        if let Some(log) = self.logs.get_mut(&id) {
            let before = self.winners.get(&vehicle).filter(|w| **w == id).and_then(|_| log.slot(&vehicle)).cloned();
            log.publish(now, vehicle.clone(), entry);
            self.settle(&id, &vehicle, before);
        }
    }

    /// Takes over a piece of someone's log. Returns the vehicles it changed.
    pub fn apply(&mut self, now: Mono, id: &LogId, suffix: Suffix) -> Result<Vec<VehicleId>, Gap> {
        let mut log = self.logs.remove(id).unwrap_or_else(|| Log::new(id.clone()));
        let before: BTreeMap<_, _> = suffix.entries.iter().map(|(v, _)| (v.clone(), log.slot(v).cloned())).collect();
        let applied = log.apply(now, suffix);
        self.logs.insert(id.clone(), log);
        let mut changed = applied?;
        for (vehicle, slot) in before {
            let was_winner = self.winners.get(&vehicle) == Some(id);
            self.settle(id, &vehicle, slot.filter(|_| was_winner));
        }
        changed.extend(self.drop_old_lives(&id.owner));
        Ok(changed)
    }

    /// Takes over a stretch of someone's log that differs from the copy held. Returns the vehicles it changed.
    pub fn mend(&mut self, now: Mono, id: &LogId, piece: Piece) -> Vec<VehicleId> {
        let Some(mut log) = self.logs.remove(id) else { return Vec::new() };
        let changed = log.mend(now, piece);
        self.logs.insert(id.clone(), log);
        let mut vehicles = Vec::new();
        for (vehicle, before) in changed {
            let was_winner = self.winners.get(&vehicle) == Some(id);
            self.settle(id, &vehicle, before.filter(|_| was_winner));
            vehicles.push(vehicle);
        }
        vehicles
    }

    /// A copy of a log that is being read anew came on from `was` to `is`; to 0 if it was given up.
    pub fn note_rebuilding(&mut self, id: &LogId, was: u64, is: u64) {
        self.logs.entry(id.clone()).or_insert_with(|| Log::new(id.clone())).note_rebuilding(was, is);
    }

    /// Puts a whole log, read anew, in the place of the one held. Returns the vehicles of both.
    pub fn replace(&mut self, mut log: Log) -> Vec<VehicleId> {
        let id = log.id().clone();
        if let Some(old) = self.logs.get(&id) {
            log.keep_ahead_of(old);
        }
        let mut vehicles: Vec<_> = log.slots().map(|(v, _)| v.clone()).collect();
        let old = self.logs.insert(id.clone(), log);
        if let Some(old) = &old {
            vehicles.extend(old.slots().map(|(v, _)| v.clone()));
            vehicles.sort_unstable();
            vehicles.dedup();
        }
        for vehicle in &vehicles {
            let was_winner = self.winners.get(vehicle) == Some(&id);
            let before = old.as_ref().and_then(|log| log.slot(vehicle)).filter(|_| was_winner).cloned();
            self.settle(&id, vehicle, before);
        }
        vehicles.extend(self.drop_old_lives(&id.owner));
        vehicles
    }

    /// A node was heard of through another; says nothing on whether it lives. A later life of a node has to be
    /// heard itself before it is believed. Of this node no one else can say anything.
    pub fn mention(&mut self, now: Mono, info: NodeInfo) -> bool {
        match self.nodes.get_mut(&info.id) {
            Some(status) if status.liveness == Liveness::Own => false,
            // No life that began to drain ever takes it back. What a later version says of itself is told by streams alone.
            Some(status) if status.info.incarnation == info.incarnation => {
                if status.info.rest.is_empty() {
                    status.info.rest = info.rest;
                }
                info.draining && !std::mem::replace(&mut status.info.draining, true)
            }
            Some(status) if status.info.incarnation > info.incarnation => false,
            Some(status) => {
                (status.info, status.standing) = (info, None);
                if let Liveness::Alive { heard } = status.liveness {
                    status.liveness = Liveness::Lost { since: heard };
                }
                true
            }
            None => {
                let status = NodeStatus { info, liveness: Liveness::Unmet { since: now }, standing: None };
                self.nodes.insert(status.info.id.clone(), status);
                true
            }
        }
    }

    /// What the cluster thinks of a gateway in one life. Returns whether that changes what is shown.
    pub fn note_standing(&mut self, now: Mono, info: NodeInfo, standing: Standing) -> bool {
        let (id, incarnation) = (info.id.clone(), info.incarnation);
        let mentioned = self.mention(now, info);
        match self.nodes.get_mut(&id) {
            Some(status) if status.info.incarnation == incarnation && status.liveness != Liveness::Own => {
                let left = |standing| standing == Some(Standing::Left);
                let before = status.standing.replace(standing);
                let lost = matches!(status.liveness, Liveness::Lost { .. });
                mentioned || (lost && left(before) != left(Some(standing)))
            }
            Some(_) | None => mentioned,
        }
    }

    /// An owner's log of this life was read up to where it stood when it greeted. A node restores what it knows
    /// before it greets, so what only its earlier lives said is nothing it still stands for. Returns the vehicles
    /// that were forgotten.
    pub fn void_lives_before(&mut self, owner: &NodeId, life: Incarnation) -> Vec<VehicleId> {
        if self.whole.get(owner).is_some_and(|whole| *whole >= life) {
            return Vec::new();
        }
        self.whole.insert(owner.clone(), life);
        let earlier = self.logs.range(lives_of(owner)).filter(|(id, _)| id.incarnation < life);
        let slots = earlier.flat_map(|(id, log)| log.slots().map(|(vehicle, slot)| (id.clone(), vehicle, slot)));
        let voided: Vec<_> = slots.map(|(id, vehicle, slot)| (id, vehicle.clone(), slot.clone())).collect();
        for (id, vehicle, slot) in &voided {
            let was_winner = self.winners.get(vehicle) == Some(id);
            self.settle(id, vehicle, was_winner.then(|| slot.clone()));
        }
        voided.into_iter().map(|(_, vehicle, _)| vehicle).collect()
    }

    /// Sets whether a node can be believed. Returns whether that changed what is shown.
    pub fn set_liveness(&mut self, node: &NodeId, liveness: Liveness) -> bool {
        let alive = |l| matches!(l, Liveness::Own | Liveness::Alive { .. });
        match self.nodes.get_mut(node) {
            Some(status) if status.liveness != Liveness::Own => {
                let changed = alive(status.liveness) != alive(liveness);
                status.liveness = liveness;
                changed
            }
            Some(_) | None => false,
        }
    }

    /// What is shown of a vehicle; `None` if nothing is known.
    pub fn sight(&self, now: Mono, vehicle: &VehicleId) -> Option<Sight> {
        let (id, slot) = self.winner(vehicle)?;
        Some(self.see(now, vehicle, id, &slot.entry))
    }

    /// Vehicles in the order of their ids after `after`, at most `scan_max` looked at. Gives each to `keep`
    /// and returns where to go on, `None` at the end.
    pub fn scan(
        &self,
        now: Mono,
        after: Option<&VehicleId>,
        scan_max: usize,
        mut keep: impl FnMut(Sight),
    ) -> Option<VehicleId> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut last = None;
        for (seen, (vehicle, id)) in self.winners.range::<VehicleId, _>((from, Bound::Unbounded)).enumerate() {
            if seen == scan_max {
                return last;
            }
            if let Some(slot) = self.logs.get(id).and_then(|log| log.slot(vehicle)) {
                keep(self.see(now, vehicle, id, &slot.entry));
            }
            last = Some(vehicle.clone());
        }
        None
    }

    /// How many vehicles of an owner are in which state, as shown without looking at timers.
    pub fn tally(&self, owner: &NodeId) -> Tally {
        let mut tally = Tally::default();
        for (id, counts) in &self.winning {
            if id.owner != *owner {
                continue;
            }
            let stale = self.distrust(id).is_some();
            for (&state, &count) in counts {
                match state {
                    _ if stale => tally.stale += count,
                    LiveState::Connected => tally.online += count,
                    LiveState::Idle => tally.idle += count,
                    LiveState::Asleep => tally.asleep += count,
                    LiveState::Unreachable => tally.unreachable += count,
                    LiveState::Detached => tally.offline += count,
                    LiveState::Removed => {}
                }
            }
        }
        tally
    }

    /// Drops tombstones older than `life` in every log.
    pub fn expire_tombstones(&mut self, now: Mono, life: Millis) {
        for log in self.logs.values_mut() {
            log.expire_tombstones(now, life);
        }
    }

    fn see(&self, now: Mono, vehicle: &VehicleId, id: &LogId, entry: &Entry) -> Sight {
        let status = self.nodes.get(&id.owner);
        let stale = self.distrust(id);
        let view_age = match status.map(|s| s.liveness) {
            Some(Liveness::Own) => Millis(0),
            Some(Liveness::Alive { heard }) => now.since(heard),
            Some(Liveness::Lost { since } | Liveness::Unmet { since }) => now.since(since),
            None => Millis(0),
        };
        let measured = now.since(entry.contact);
        // A connected vehicle's later contacts are not told to peers; had they stopped, its gateway would have said so.
        // That is known up to where this node heard that life of the gateway itself, and no further.
        let told = matches!(stale, None | Some(StaleWhy::OwnerLost | StaleWhy::OwnerLeft)) && id.owner != self.me;
        let bound = self.timers.silence_max() + view_age;
        let bounded = entry.state == LiveState::Connected && told && bound < measured;
        let (age, age_kind) = if bounded { (bound, AgeKind::Bound) } else { (measured, AgeKind::Measured) };
        let known = match entry.state {
            LiveState::Connected => Known::Online,
            LiveState::Idle if age < self.timers.reachable + self.timers.silence_max() => Known::Idle,
            LiveState::Asleep if age < entry.sleep + self.timers.sleep_grace + self.timers.silence_max() => {
                Known::Asleep
            }
            LiveState::Idle | LiveState::Asleep | LiveState::Unreachable => Known::Unreachable,
            LiveState::Detached | LiveState::Removed => Known::Offline,
        };
        let due = match known {
            Known::Idle => Some(self.timers.periodic_update),
            Known::Asleep => Some(entry.sleep),
            Known::Online | Known::Unreachable | Known::Offline => None,
        };
        Sight {
            vehicle: vehicle.clone(),
            known,
            stale,
            cause: entry.cause,
            owner: id.owner.clone(),
            region: status.map(|s| s.info.region.clone()),
            epoch: entry.epoch,
            session: entry.session,
            cell: entry.cell,
            age,
            age_kind,
            view_age,
            update_expected: due.map(|due| Millis(due.0.saturating_sub(age.0))),
            wake: entry.wake,
            cloned: entry.cloned,
        }
    }

    fn distrust(&self, id: &LogId) -> Option<StaleWhy> {
        let Some(status) = self.nodes.get(&id.owner) else {
            return Some(StaleWhy::ViewCutOff);
        };
        if status.info.incarnation > id.incarnation {
            return Some(StaleWhy::OwnerRestarted);
        }
        match status.liveness {
            Liveness::Own | Liveness::Alive { .. } => None,
            Liveness::Lost { .. } if status.standing == Some(Standing::Left) => Some(StaleWhy::OwnerLeft),
            Liveness::Lost { .. } => Some(StaleWhy::OwnerLost),
            Liveness::Unmet { .. } => Some(StaleWhy::ViewCutOff),
        }
    }

    /// After the slot of `vehicle` in log `id` changed: the word of a later life replaces that of an earlier
    /// one, the winner is found anew and counted. `before` is the slot that was counted for this log.
    fn settle(&mut self, id: &LogId, vehicle: &VehicleId, before: Option<Slot>) {
        if let Some(old) = &before {
            self.uncount(id, old.entry.state);
        } else if let Some(winner) = self.winners.get(vehicle).filter(|w| *w != id).cloned()
            && let Some(state) = self.logs.get(&winner).and_then(|l| l.slot(vehicle)).map(|s| s.entry.state)
        {
            self.uncount(&winner, state);
        }
        self.void_earlier_lives(&id.owner, vehicle);
        let winner = self
            .logs
            .values()
            .filter_map(|log| log.slot(vehicle).map(|slot| (log.id(), &slot.entry)))
            .filter(|(_, entry)| entry.state != LiveState::Removed)
            .max_by(|(a, x), (b, y)| (x.epoch, &a.owner, a.incarnation).cmp(&(y.epoch, &b.owner, b.incarnation)))
            .map(|(id, entry)| (id.clone(), entry.state));
        match winner {
            Some((id, state)) => {
                *self.winning.entry(id.clone()).or_default().entry(state).or_default() += 1;
                self.winners.insert(vehicle.clone(), id);
            }
            None => {
                self.winners.remove(vehicle);
            }
        }
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
        for (id, log) in self.logs.range_mut(lives_of(owner)).rev() {
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
        let lives: Vec<LogId> = self.logs.range(lives_of(owner)).map(|(id, _)| id.clone()).collect();
        let mut changed = Vec::new();
        for id in lives.iter().rev().skip(LIVES_MAX) {
            let gone = self.logs.remove(id);
            self.winning.remove(id);
            for (vehicle, _) in gone.iter().flat_map(Log::slots) {
                if self.winners.get(vehicle) == Some(id) {
                    self.winners.remove(vehicle);
                    self.settle(id, vehicle, None);
                    changed.push(vehicle.clone());
                }
            }
        }
        changed
    }
}

fn lives_of(owner: &NodeId) -> RangeInclusive<LogId> {
    let life = |incarnation| LogId { owner: owner.clone(), incarnation: Incarnation(incarnation) };
    life(0)..=life(u64::MAX)
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
