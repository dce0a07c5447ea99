//! One stream between two nodes: how presence logs travel.
//!
//! Both sides say what they hold (`Hello`, then `Cursors`); each sends the other what it lacks. An owner's
//! entries are passed on unmodified, so two nodes that cannot see each other agree through a third. Nothing
//! is buffered: a stream without room is simply not read on from the log. The link owns what was sent and
//! what the peer says it holds; the logs belong to the view.

use crate::cause::DetachCause;
use crate::cell::Cell;
use crate::epoch::Epoch;
use crate::id::{SessionId, VehicleId};
use crate::limits::{SYNC_BATCH_ENTRIES_MAX, SYNC_UNACKED_ENTRIES_MAX};
use crate::log::{Entry, LiveState, Log, LogId, Slot, Suffix};
use crate::time::{Millis, Mono};
use crate::view::{NodeInfo, View};
use crate::wake::WakeChannels;
use std::collections::BTreeMap;

/// How often a node shows a sign of life and what it holds.
pub const HEARTBEAT: Millis = Millis::secs(1);

/// A peer not heard for this long is lost: five heartbeats.
pub const LOST_AFTER: Millis = Millis::secs(5);

/// How long a peer may lack an owner's entries before another node passes them on: the owner's own stream
/// is quicker if it stands.
const RELAY_AFTER: Millis = Millis::secs(2);

/// A cursor that does not follow what was sent for this long is believed: it is sent again from there.
const REWIND_AFTER: Millis = Millis::secs(10);

/// How often a log whose copy differs may be sent whole again: if an entry never gets through, the copy stays as
/// good as it can be and the stream is not filled with snapshots.
const REPAIR_AFTER: Millis = Millis::secs(60);

/// What two nodes send each other.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// The first frame of both sides.
    Hello {
        /// Who speaks.
        node: NodeInfo,
        /// What it holds.
        cursors: Vec<Cursor>,
    },
    /// A piece of a log.
    Batch(Box<Batch>),
    /// A sign of life, and what is held by now.
    Cursors {
        /// What it holds.
        cursors: Vec<Cursor>,
        /// Who speaks, if there is something to say of itself that the Hello did not.
        nodes: Vec<NodeInfo>,
    },
}

/// Everything of a log up to `seq` is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Which log.
    pub log: LogId,
    /// Up to where.
    pub seq: u64,
    /// How many slots stand in it, without tombstones.
    pub count: u64,
    /// The xor of their hashes.
    pub digest: u64,
}

/// A piece of an owner's log.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The owner, in the life whose log it is.
    pub owner: NodeInfo,
    /// Not included.
    pub from: u64,
    /// Included.
    pub to: u64,
    /// In sequence.
    pub entries: Vec<AgedEntry>,
    /// Set on the first piece of a snapshot: the sequence number at which it is whole.
    pub snapshot_end: Option<u64>,
}

/// An entry on its way: the contact as an age, for clocks differ.
#[derive(Clone, Debug, PartialEq)]
pub struct AgedEntry {
    /// Which vehicle.
    pub vehicle: VehicleId,
    /// Its place in the log.
    pub seq: u64,
    /// The attach.
    pub epoch: Epoch,
    /// The session.
    pub session: SessionId,
    /// The state.
    pub state: LiveState,
    /// Why, for a detached one.
    pub cause: Option<DetachCause>,
    /// The last known tracking area.
    pub cell: Option<Cell>,
    /// Since the last contact, when the batch was sent.
    pub age: Millis,
    /// How long a sleeping vehicle said it will sleep, in whole seconds.
    pub sleep: Millis,
    /// How it can be woken.
    pub wake: WakeChannels,
    /// Whether two units seem to use its identity.
    pub cloned: bool,
}

/// The peer broke the rules of the stream; it is hung up on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A frame before the Hello.
    #[error("the peer sent a frame before its hello")]
    NoHello,
    /// Another Hello.
    #[error("the peer said hello twice: a stream is one node's, in one life")]
    SecondHello,
    /// The peer has this node's id.
    #[error("the peer calls itself {0} too: node ids must be unique")]
    SameId(crate::id::NodeId),
    /// A stream of an earlier life of the peer.
    #[error("the peer speaks for a life of it that has ended")]
    OldLife,
}

/// What a received frame changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Received {
    /// Vehicles whose slot changed.
    pub changed: Vec<VehicleId>,
    /// Whether a node was seen for the first time, or in a new life.
    pub nodes_changed: bool,
}

/// What happened on a link, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Entries sent.
    pub entries_sent: u64,
    /// Entries received.
    pub entries_received: u64,
    /// Snapshots sent.
    pub snapshots_sent: u64,
    /// Batches refused because they left a hole.
    pub gaps: u64,
    /// Equal cursors with unequal content; must stay 0.
    pub digest_mismatches: u64,
}

/// How far the peer is in one log.
#[derive(Clone, Copy, Debug)]
struct Progress {
    held: u64,
    sent: u64,
    moved: Mono,
    /// A snapshot is due.
    reset: bool,
    /// A snapshot is under way, whole at this sequence number.
    snapshot_end: Option<u64>,
    /// When a difference was last repaired.
    repaired: Option<Mono>,
}

impl Progress {
    fn at(seq: u64, now: Mono) -> Self {
        Self { held: seq, sent: seq, moved: now, reset: false, snapshot_end: None, repaired: None }
    }
}

/// One end of a stream.
#[derive(Clone, Debug)]
pub struct Link {
    peer: Option<NodeInfo>,
    heard: Mono,
    level: Option<Mono>,
    /// Where the peer's own log stood and when it said so, until it is held up to there.
    behind: Option<(u64, Mono)>,
    hello_sent: bool,
    cursors_sent: Mono,
    cursors_due: bool,
    /// Whether the peer was told that this node drains.
    drain_told: bool,
    progress: BTreeMap<LogId, Progress>,
    shadows: BTreeMap<LogId, (Log, u64)>,
    counters: Counters,
}

impl Link {
    /// A stream that was just opened.
    pub fn new(now: Mono) -> Self {
        Self {
            peer: None,
            heard: now,
            level: None,
            behind: None,
            hello_sent: false,
            cursors_sent: now,
            cursors_due: false,
            drain_told: false,
            progress: BTreeMap::new(),
            shadows: BTreeMap::new(),
            counters: Counters::default(),
        }
    }

    /// Who is at the other end, once it said so.
    pub fn peer(&self) -> Option<&NodeInfo> {
        self.peer.as_ref()
    }

    /// When the last frame came.
    pub fn heard(&self) -> Mono {
        self.heard
    }

    /// Up to when this node knows all that the peer said of its own vehicles; `None` until the peer's log is read up to
    /// where it stood at the hello. Before that, what is held of it may be as old as the cut.
    pub fn level(&self) -> Option<Mono> {
        self.level
    }

    /// Whether nothing was heard for too long.
    pub fn silent(&self, now: Mono) -> bool {
        now.since(self.heard) >= LOST_AFTER
    }

    /// What happened on it.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Entries of this node's own log that the peer does not hold yet.
    pub fn lag(&self, view: &View) -> u64 {
        let id = view.own_log_id();
        let held = self.progress.get(&id).map_or(0, |p| p.held);
        view.log(&id).map_or(0, |log| log.head().saturating_sub(held))
    }

    /// Entries of the peer's own log that are known to be missing here.
    pub fn behind(&self, view: &View) -> u64 {
        let Some(peer) = &self.peer else {
            return 0;
        };
        let id = LogId { owner: peer.id.clone(), incarnation: peer.incarnation };
        let head = self.progress.get(&id).map_or(0, |progress| progress.held);
        head.saturating_sub(view.log(&id).map_or(0, Log::head))
    }

    /// Takes a frame of the peer.
    pub fn receive(&mut self, now: Mono, frame: Frame, view: &mut View) -> Result<Received, Fault> {
        match frame {
            Frame::Hello { node, cursors } => {
                if node.id == view.me().id {
                    return Err(Fault::SameId(node.id));
                }
                if view.node(&node.id).is_some_and(|known| known.info.incarnation > node.incarnation) {
                    return Err(Fault::OldLife);
                }
                if self.peer.is_some() {
                    return Err(Fault::SecondHello);
                }
                self.heard = now;
                self.peer = Some(node.clone());
                self.note(now, cursors, view);
                Ok(Received { changed: Vec::new(), nodes_changed: view.mention(now, node) })
            }
            Frame::Batch(batch) => {
                self.heard_of_known_peer(now)?;
                let received = self.take(now, *batch, view);
                self.catch_up(view);
                Ok(received)
            }
            Frame::Cursors { cursors, nodes } => {
                self.heard_of_known_peer(now)?;
                self.note(now, cursors, view);
                // A node speaks of itself, and of the life whose stream this is.
                let said =
                    |peer: &NodeInfo, node: &NodeInfo| (&peer.id, peer.incarnation) == (&node.id, node.incarnation);
                let own = nodes.into_iter().find(|node| self.peer.as_ref().is_some_and(|peer| said(peer, node)));
                Ok(Received { changed: Vec::new(), nodes_changed: own.is_some_and(|node| view.mention(now, node)) })
            }
        }
    }

    /// At most `room` frames that the peer should have now.
    pub fn pump(&mut self, now: Mono, room: usize, view: &View, out: &mut Vec<Frame>) {
        let mut left = room;
        if !self.hello_sent && left > 0 {
            out.push(Frame::Hello { node: view.me().clone(), cursors: cursors(view) });
            self.hello_sent = true;
            self.drain_told = view.me().draining;
            self.cursors_sent = now;
            left -= 1;
        }
        if self.peer.is_none() {
            return;
        }
        let draining = view.me().draining;
        let news = draining && !self.drain_told;
        if left > 0 && (self.cursors_due || news || now.since(self.cursors_sent) >= HEARTBEAT) {
            let nodes = if draining { vec![view.me().clone()] } else { Vec::new() };
            out.push(Frame::Cursors { cursors: cursors(view), nodes });
            self.drain_told = draining;
            self.cursors_sent = now;
            self.cursors_due = false;
            left -= 1;
        }
        let own = view.own_log_id();
        let ids = std::iter::once(own.clone()).chain(view.logs().map(|l| l.id().clone()).filter(|id| *id != own));
        for id in ids.collect::<Vec<_>>() {
            while left > 0 {
                let Some(batch) = self.next_batch(now, &id, view) else { break };
                self.counters.entries_sent += batch.entries.len() as u64;
                out.push(Frame::Batch(Box::new(batch)));
                left -= 1;
            }
        }
    }

    fn next_batch(&mut self, now: Mono, id: &LogId, view: &View) -> Option<Batch> {
        let peer = self.peer.as_ref()?;
        let log = view.log(id)?;
        // A peer needs no telling of its own present life.
        if id.owner == peer.id && id.incarnation >= peer.incarnation {
            return None;
        }
        let owner = NodeInfo { incarnation: id.incarnation, ..view.node(&id.owner)?.info.clone() };
        let progress = self.progress.entry(id.clone()).or_insert(Progress::at(0, now));
        if progress.snapshot_end.is_none_or(|end| progress.sent >= end) {
            progress.snapshot_end = None;
            progress.sent = progress.sent.max(progress.held);
            if progress.held >= log.head() && !progress.reset {
                progress.moved = now;
                return None;
            }
            let relayed = id.owner != view.me().id;
            if relayed && progress.sent <= progress.held && now.since(progress.moved) < RELAY_AFTER {
                return None;
            }
            if progress.sent > progress.held && now.since(progress.moved) >= REWIND_AFTER {
                progress.sent = progress.held;
                progress.moved = now;
            }
        }
        let below_floor = progress.sent < log.floor();
        let snapshot = progress.snapshot_end.is_none() && (progress.reset || below_floor);
        if snapshot {
            *progress = Progress { sent: 0, reset: false, snapshot_end: Some(log.head()), ..*progress };
            self.counters.snapshots_sent += 1;
        }
        if progress.snapshot_end.is_some() {
            // A snapshot is not acked piece by piece: the stream's own room is what slows it.
            progress.moved = now;
        } else {
            let unacked = progress.sent.saturating_sub(progress.held);
            if progress.sent >= log.head() || unacked >= SYNC_UNACKED_ENTRIES_MAX {
                return None;
            }
        }
        let suffix = log.suffix(progress.sent, SYNC_BATCH_ENTRIES_MAX);
        progress.sent = suffix.to;
        let entries = suffix.entries.into_iter().map(|(vehicle, slot)| age(now, vehicle, slot)).collect();
        let snapshot_end = snapshot.then(|| log.head());
        Some(Batch { owner, from: suffix.from, to: suffix.to, entries, snapshot_end })
    }

    fn take(&mut self, now: Mono, batch: Batch, view: &mut View) -> Received {
        let id = LogId { owner: batch.owner.id.clone(), incarnation: batch.owner.incarnation };
        // Only this node writes its log; later lives of it there are none.
        if id >= view.own_log_id() && id.owner == view.me().id {
            return Received::default();
        }
        self.cursors_due = true;
        self.counters.entries_received += batch.entries.len() as u64;
        let nodes_changed = view.mention(now, batch.owner);
        let entries = batch.entries.into_iter().map(|aged| unage(now, aged)).collect();
        let suffix = Suffix { from: batch.from, to: batch.to, entries };
        if let Some(end) = batch.snapshot_end {
            self.shadows.insert(id.clone(), (Log::new(id.clone()), end));
        }
        let changed = match self.shadows.remove(&id) {
            Some((mut shadow, end)) => match shadow.apply(now, suffix) {
                // Swapped in when it is whole, so that no vehicle vanishes meanwhile.
                Ok(_) if shadow.head() >= end && view.log(&id).is_none_or(|log| log.head() <= shadow.head()) => {
                    // The snapshot came without the tombstones that were gone at the sender: not to be passed on as whole.
                    shadow.raise_floor(shadow.head());
                    view.replace(shadow)
                }
                Ok(_) => {
                    self.shadows.insert(id, (shadow, end));
                    Vec::new()
                }
                Err(_) => self.gap(),
            },
            None => view.apply(now, &id, suffix).unwrap_or_else(|_| self.gap()),
        };
        Received { changed, nodes_changed }
    }

    fn gap(&mut self) -> Vec<VehicleId> {
        self.counters.gaps += 1;
        Vec::new()
    }

    /// Notes how far the peer is, and whether what it holds of this node's log is what it should be.
    fn note(&mut self, now: Mono, cursors: Vec<Cursor>, view: &View) {
        let own = view.own_log_id();
        let peers_own = self.peer.as_ref().map(|info| LogId { owner: info.id.clone(), incarnation: info.incarnation });
        let mut head = 0;
        for cursor in cursors {
            if Some(&cursor.log) == peers_own.as_ref() {
                head = cursor.seq;
            }
            let progress = self.progress.entry(cursor.log.clone()).or_insert(Progress::at(cursor.seq, now));
            if cursor.seq != progress.held {
                progress.held = cursor.seq;
                progress.moved = now;
            }
            let same = view.log(&own).filter(|log| *log.id() == cursor.log && log.head() == cursor.seq);
            let quiet = progress.snapshot_end.is_none() && !progress.reset;
            let due = progress.repaired.is_none_or(|at| now.since(at) >= REPAIR_AFTER);
            let differs = same.is_some_and(|log| log.digest() != cursor.digest || log.live() as u64 != cursor.count);
            if quiet && due && differs {
                self.counters.digest_mismatches += 1;
                progress.reset = true;
                progress.repaired = Some(now);
            }
        }
        self.behind = self.behind.or(Some((head, now)));
        self.catch_up(view);
    }

    /// Notes whether the peer's own log is held up to where it stood.
    fn catch_up(&mut self, view: &View) {
        let Some(peer) = &self.peer else { return };
        let id = LogId { owner: peer.id.clone(), incarnation: peer.incarnation };
        let held = view.log(&id).map_or(0, Log::head);
        if let Some((_, at)) = self.behind.take_if(|(head, _)| held >= *head) {
            self.level = Some(at);
        }
    }

    fn heard_of_known_peer(&mut self, now: Mono) -> Result<(), Fault> {
        self.heard = now;
        self.peer.is_some().then_some(()).ok_or(Fault::NoHello)
    }
}

fn cursors(view: &View) -> Vec<Cursor> {
    let cursor =
        |log: &Log| Cursor { log: log.id().clone(), seq: log.head(), count: log.live() as u64, digest: log.digest() };
    view.logs().map(cursor).collect()
}

fn age(now: Mono, vehicle: VehicleId, slot: Slot) -> AgedEntry {
    let Entry { epoch, session, state, cause, cell, contact, sleep, wake, cloned } = slot.entry;
    let age = now.since(contact);
    AgedEntry { vehicle, seq: slot.seq, epoch, session, state, cause, cell, age, sleep, wake, cloned }
}

fn unage(now: Mono, aged: AgedEntry) -> (VehicleId, Slot) {
    let AgedEntry { vehicle, seq, epoch, session, state, cause, cell, age, sleep, wake, cloned } = aged;
    let contact = now.before(age);
    (vehicle, Slot { seq, entry: Entry { epoch, session, state, cause, cell, contact, sleep, wake, cloned } })
}

#[cfg(test)]
#[path = "sync_tests.rs"]
mod tests;
