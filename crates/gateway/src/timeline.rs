//! The timelines of vehicles, as this gateway comes to know them: which change of a presence slot is a transition, and
//! the way of each to the store.
//!
//! Every slot counts, not only that of the winner: a gateway that lets a vehicle go says so in a slot that never wins.
//! The presence task asks [`Timeline`] what is news, and never waits; [`Keeper`] is a task of its own that hands news
//! to the journal, a batch at a time. What finds no room is looked at again later, then as it stands by that time.

use crate::journal::Job;
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};
use waygate_core::by_vehicle::ByVehicle;
use waygate_core::cause::DetachCause;
use waygate_core::epoch::Epoch;
use waygate_core::id::{NodeId, VehicleId};
use waygate_core::log::{LiveState, Log, LogId, Slot};
use waygate_core::time::Wall;
use waygate_core::view::View;
use waygate_store::{Reader, TransitionRecord, Write};

/// Transitions on their way to the keeper: some MiB.
pub const NEWS_MAX: usize = 16_384;

/// Vehicles that wait to be looked at again; of more, transitions are lost here and counted.
const AGAIN_MAX: usize = 1_000_000;

/// Vehicles looked at again, and vehicles looked through for what is forgotten, at one tick.
const TICK_MAX: usize = 4096;

/// Transitions of one job of the journal: its queue is shared with attaches, which must find room.
const JOB_MAX: usize = 512;

/// Jobs that the journal may have of these at a time: after a start there are as many transitions to look at as vehicles,
/// and they wait better as vehicles than as rows.
const JOBS_UNDER_WAY_MAX: usize = 8;

/// Bit of a record's flags: two units seemed to use the identity.
pub const FLAG_CLONED: u8 = 1;

/// A transition, and whether its gateway spoke of the vehicle before in this life of this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    record: TransitionRecord,
    first: bool,
}

/// What makes a transition: another cell or contact alone is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Said {
    epoch: Epoch,
    state: LiveState,
    cause: Option<DetachCause>,
    cloned: bool,
}

/// What was last said of a vehicle by one gateway: there is one of these for every vehicle.
#[derive(Clone, Debug)]
struct Last {
    log: Arc<LogId>,
    seq: u64,
    said: Said,
}

/// Of most vehicles one gateway speaks.
type Lasts = SmallVec<[Last; 1]>;

/// Decides what is news. Owned by the presence task.
#[derive(Debug)]
pub struct Timeline {
    news: mpsc::Sender<News>,
    last: ByVehicle<Lasts>,
    again: BTreeSet<VehicleId>,
    swept: Option<VehicleId>,
}

impl Timeline {
    /// Knows nothing yet: the vehicles that `view` holds are looked at first.
    pub fn new(news: mpsc::Sender<News>, view: &View) -> Self {
        let again = view.shown_logs().flat_map(|log| log.slots().map(|(vehicle, _)| vehicle.clone())).collect();
        Self { news, last: ByVehicle::new(), again, swept: None }
    }

    /// A slot of the vehicle may have changed.
    pub fn changed(&mut self, view: &View, vehicle: &VehicleId, wall: Wall) {
        if self.note(view, vehicle, wall) {
            return;
        }
        if self.again.len() < AGAIN_MAX {
            self.again.insert(vehicle.clone());
        } else {
            metrics::counter!("waygate_timeline_dropped_total").increment(1);
        }
    }

    /// Looks again at what found no room, and forgets vehicles that no log speaks of any more.
    pub fn tick(&mut self, view: &View, wall: Wall) {
        for _ in 0..TICK_MAX {
            let Some(vehicle) = self.again.pop_first() else { break };
            if !self.note(view, &vehicle, wall) {
                self.again.insert(vehicle);
                break;
            }
        }
        let swept = self.swept.take();
        let seen: Vec<_> = self.last.after(swept.as_ref()).take(TICK_MAX).map(|(vehicle, _)| vehicle.clone()).collect();
        for vehicle in &seen {
            if view.shown_logs().all(|log| log.slot(vehicle).is_none()) {
                self.last.remove(vehicle);
            }
        }
        self.swept = seen.last().filter(|_| seen.len() == TICK_MAX).cloned();
    }

    /// Sends on what is news of a vehicle; `false` if there was no room for all of it.
    fn note(&mut self, view: &View, vehicle: &VehicleId, wall: Wall) -> bool {
        let slots = spoken(view, vehicle);
        let last = self.last.or_insert(vehicle, Lasts::new);
        last.retain(|last| slots.contains_key(&last.log.owner));
        let mut roomy = true;
        for (owner, (log, slot)) in slots {
            let id = log.id();
            let said = Said::of(slot);
            let known = last.iter_mut().find(|last| last.log.owner == *owner);
            let first = known.is_none();
            let is_no_news = |last: &Last| (last.log.incarnation, last.seq) >= (id.incarnation, slot.seq);
            if known.as_deref().is_some_and(is_no_news) {
                continue;
            }
            if known.as_ref().is_none_or(|last| last.said != said) {
                let Some(region) = view.node(owner).map(|node| node.info.region.clone()) else { continue };
                let record = TransitionRecord {
                    vehicle: vehicle.clone(),
                    at: wall,
                    owner: owner.clone(),
                    region,
                    incarnation: id.incarnation,
                    seq: slot.seq,
                    epoch: said.epoch,
                    session: slot.entry.session,
                    state: said.state.number(),
                    cause: said.cause_number(),
                    cell: slot.entry.cell,
                    flags: said.flags(),
                };
                if self.news.try_send(News { record, first }).is_err() {
                    roomy = false;
                    continue;
                }
            }
            let now = Last { log: log.shared_id(), seq: slot.seq, said };
            match known {
                Some(known) => *known = now,
                None => last.push(now),
            }
        }
        roomy
    }
}

/// What each gateway says of a vehicle, in its latest life.
fn spoken<'a>(view: &'a View, vehicle: &VehicleId) -> BTreeMap<&'a NodeId, (&'a Log, &'a Slot)> {
    // Logs come by owner, life and scope; what a gateway says in detail says more than its directory.
    let mut slots: BTreeMap<&NodeId, (&Log, &Slot)> = BTreeMap::new();
    for log in view.shown_logs() {
        let Some(slot) = log.slot(vehicle) else { continue };
        let owner = &log.id().owner;
        if slots.get(owner).is_none_or(|(said, _)| said.id().incarnation < log.id().incarnation) {
            slots.insert(owner, (log, slot));
        }
    }
    slots
}

impl Said {
    fn of(slot: &Slot) -> Self {
        let entry = &slot.entry;
        Self { epoch: entry.epoch, state: entry.state, cause: entry.cause, cloned: entry.cloned }
    }

    fn cause_number(&self) -> u32 {
        self.cause.map_or(0, DetachCause::number)
    }

    fn flags(&self) -> u8 {
        if self.cloned { FLAG_CLONED } else { 0 }
    }
}

/// Whether two transitions of one gateway say the same.
fn says_the_same(a: &TransitionRecord, b: &TransitionRecord) -> bool {
    let said = |record: &TransitionRecord| (record.state, record.cause, record.epoch, record.flags & FLAG_CLONED);
    said(a) == said(b)
}

/// Hands news to the journal. Ends when the presence task has.
#[derive(Debug)]
pub struct Keeper {
    news: mpsc::Receiver<News>,
    reader: Reader,
    journal: mpsc::Sender<Job>,
}

impl Keeper {
    /// A task that reads `news`.
    pub fn new(news: mpsc::Receiver<News>, reader: Reader, journal: mpsc::Sender<Job>) -> Self {
        Self { news, reader, journal }
    }

    /// Runs until there will be no more news.
    pub async fn run(mut self) {
        let mut batch = Vec::new();
        let room = Arc::new(Semaphore::new(JOBS_UNDER_WAY_MAX));
        while self.news.recv_many(&mut batch, JOB_MAX).await > 0 {
            let kept = self.kept(&batch).await;
            let news = batch.drain(..).zip(kept).filter(|(_, kept)| !kept);
            let writes: Vec<_> = news.map(|(news, _)| Write::Transition(news.record)).collect();
            let count = writes.len() as u64;
            if count == 0 {
                continue;
            }
            let Ok(under_way) = Arc::clone(&room).acquire_owned().await else { return };
            if self.journal.send(Job::Transitions { writes, under_way: Some(under_way) }).await.is_err() {
                metrics::counter!("waygate_timeline_dropped_total").increment(count);
            }
        }
    }

    /// Of each whether the last that is kept of the same gateway says the same: then one of the two has only restarted.
    async fn kept(&self, batch: &[News]) -> Vec<bool> {
        let firsts: Vec<_> = batch.iter().enumerate().filter(|(_, news)| news.first).collect();
        let mut kept = vec![false; batch.len()];
        if firsts.is_empty() {
            return kept;
        }
        let wanted: Vec<_> = firsts.iter().map(|(_, n)| (n.record.vehicle.clone(), n.record.owner.clone())).collect();
        match self.reader.last_of_each(&wanted).await {
            Ok(lasts) => {
                for ((at, news), last) in firsts.into_iter().zip(lasts) {
                    kept[at] = last.is_some_and(|last| says_the_same(&last, &news.record));
                }
            }
            Err(error) => {
                tracing::error!(%error, "timelines cannot be read; what may be kept already is written again");
            }
        }
        kept
    }
}

#[cfg(test)]
#[path = "timeline_tests.rs"]
mod tests;
