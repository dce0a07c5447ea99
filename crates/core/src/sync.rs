//! One stream between two nodes: how presence logs travel.
//!
//! Both sides say what they hold (`Hello`, then `Cursors`); each sends the other what it lacks. An owner's
//! entries are passed on unmodified, so two nodes that cannot see each other agree through a third. Nothing
//! is buffered: a stream without room is simply not read on from the log. The link owns what was sent and
//! what the peer says it holds; the logs belong to the view.

mod audit;
mod flight;
mod frame;
mod known;
mod levels;
mod progress;
mod room;
mod shadows;
mod sharing;
mod telling;

pub use audit::AUDIT_EVERY;
pub use frame::{AgedEntry, Audit, Batch, Cursor, Frame, Kept};
pub use room::Room;

use self::audit::Auditor;
use self::frame::unaged;
use self::known::{cursor, known_logs, level_of, outlived};
use self::levels::Levels;
use self::progress::{Due, Progress};
use self::room::Waiting;
use self::shadows::Shadows;
use self::sharing::Sharing;
use self::telling::{Telling, relay_after};
use crate::homes::Part;
use crate::id::{Incarnation, VehicleId};
use crate::limits::SYNC_BATCH_ENTRIES_MAX;
use crate::log::{Log, LogId, Suffix};
use crate::time::{Millis, Mono};
use crate::view::{NodeInfo, View};
use std::collections::BTreeMap;
use std::ops::Range;

/// How often a node shows a sign of life and what it holds.
pub const HEARTBEAT: Millis = Millis::secs(1);

/// A peer not heard for this long is lost: five heartbeats.
pub const LOST_AFTER: Millis = Millis::secs(5);

/// How long a peer may lack an owner's entries before another node passes them on: the owner's own stream
/// is quicker if it stands.
const RELAY_AFTER: Millis = Millis::secs(2);

/// A cursor that does not follow what was sent for this long is believed: it is sent again from there.
const REWIND_AFTER: Millis = Millis::secs(10);

/// How long what is fresh may wait for more to go with it, on a stream within a region.
pub const FLUSH_WITHIN_REGION: Millis = Millis(100);

/// The same between regions, where a frame costs more than an entry. An attach does not wait.
pub const FLUSH_BETWEEN_REGIONS: Millis = Millis(500);

/// A driver that comes a little too early is not sent away until the next time.
const JITTER: Millis = Millis(50);

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
    /// A stream of an earlier life of the peer. Its hello is answered first, so that it learns of the later one.
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
    /// A life of this node, at or beyond its present one, that it knows nothing of: it has to begin a later one.
    pub outlived: Option<Incarnation>,
    /// Logs of owners that the peer hears, and this node may not, that are held as far as the peer held them; and up to
    /// when it knew all that they said.
    pub passed_on: Vec<(LogId, Mono)>,
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
    /// Copies here that differed at equal cursors; must stay 0.
    pub digest_mismatches: u64,
    /// Slots of such copies that were mended.
    pub entries_mended: u64,
}

/// One end of a stream.
#[derive(Clone, Debug)]
pub struct Link {
    peer: Option<NodeInfo>,
    /// What the peer keeps of other regions' vehicles; `None` for all, in detail.
    kept: Option<Kept>,
    heard: Mono,
    levels: Levels,
    /// When the peer was last known to hold all of this node's own log.
    abreast: Option<Mono>,
    /// When what both hold was last compared and found equal.
    audited: Option<Mono>,
    hello_sent: bool,
    /// Since when the peer is known to speak for a life of it that has ended.
    refused: Option<Mono>,
    cursors_sent: Mono,
    /// Entries, or frames without any, that came since then.
    unacked: usize,
    /// The log that was served last when there was no more room: the next in turn goes first.
    turn: Option<LogId>,
    /// Whether what is long found no room beside what is fresh.
    bulk_waits: bool,
    waiting: Waiting,
    /// Whether the peer was told that this node drains.
    drain_told: bool,
    progress: BTreeMap<LogId, Progress>,
    shadows: Shadows,
    telling: Telling,
    auditor: Auditor,
    counters: Counters,
}

impl Link {
    /// A stream that was just opened.
    pub fn new(now: Mono) -> Self {
        Self {
            peer: None,
            kept: None,
            heard: now,
            levels: Levels::default(),
            abreast: None,
            audited: None,
            hello_sent: false,
            refused: None,
            cursors_sent: now,
            unacked: 0,
            turn: None,
            bulk_waits: false,
            waiting: Waiting::default(),
            drain_told: false,
            progress: BTreeMap::new(),
            shadows: Shadows::default(),
            telling: Telling::default(),
            auditor: Auditor::default(),
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
        self.levels.of_peer()
    }

    /// Whether nothing was heard for too long.
    pub fn silent(&self, now: Mono) -> bool {
        now.since(self.heard) >= LOST_AFTER
    }

    /// Whether the peer spoke for a life of it that has ended, and had the time to read the answer.
    pub fn is_outdated(&self, now: Mono) -> bool {
        self.refused.is_some_and(|since| now.since(since) >= HEARTBEAT)
    }

    /// What happened on it.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Entries of this node's own log that the peer does not hold yet.
    pub fn lag(&self, view: &View) -> u64 {
        let (id, part) = match self.sharing(view).map(|sharing| (sharing.shown_of_own(), sharing)) {
            Some((id, sharing)) => (id.clone(), sharing.sendable(&id).unwrap_or(Part::Whole)),
            None => (view.own_log_id(), Part::Whole),
        };
        let held = self.progress.get(&id).map_or(0, |p| p.held);
        let lacks = |log: &&Log| log.head() > held && !log.is_blank(held, &part);
        view.log(&id).filter(lacks).map_or(0, |log| log.head() - held)
    }

    /// Entries of the peer's own log that are known to be missing here.
    pub fn behind(&self, view: &View) -> u64 {
        let Some(id) = self.sharing(view).map(|sharing| sharing.shown_of_peer()) else {
            return 0;
        };
        let head = self.progress.get(&id).map_or(0, |progress| progress.held);
        head.saturating_sub(view.log(&id).map_or(0, Log::head))
    }

    /// When the peer was last known to hold all of this node's own log: what it lacks was said since.
    pub fn abreast(&self) -> Option<Mono> {
        self.abreast
    }

    /// When the peer's copy of this node's own log was last compared with it and found equal.
    pub fn audited(&self) -> Option<Mono> {
        self.audited
    }

    fn sharing<'a>(&'a self, view: &'a View) -> Option<Sharing<'a>> {
        self.peer.as_ref().map(|peer| Sharing::new(view, peer, self.kept.as_ref()))
    }

    /// Which home regions the peer says that it was given; `None` for none.
    pub fn homes_of_peer(&self) -> Option<u64> {
        self.kept.as_ref().map(|kept| kept.homes)
    }

    /// Whether the peer learns by itself what a log says of a vehicle.
    pub fn tells(&self, view: &View, log: &LogId, vehicle: &VehicleId) -> bool {
        self.sharing(view).and_then(|sharing| sharing.sendable(log)).is_some_and(|part| part.has(vehicle))
    }

    /// Takes a frame of the peer.
    pub fn receive(&mut self, now: Mono, frame: Frame, view: &mut View) -> Result<Received, Fault> {
        if self.refused.is_some() {
            return Ok(Received::default());
        }
        self.shadows.drop_overtaken(view);
        match frame {
            Frame::Hello { node, cursors, kept } => {
                self.kept = kept.map(|kept| *kept);
                self.greet(now, node, cursors, view)
            }
            Frame::Batch(batch) => {
                self.heard_of_known_peer(now)?;
                let received = self.take(now, *batch, view);
                self.catch_up(view);
                Ok(Received { passed_on: self.levels.caught_up(view), ..received })
            }
            Frame::Cursors { cursors, nodes } => {
                self.heard_of_known_peer(now)?;
                let outlived = self.note(now, cursors, false, view);
                // A node speaks of itself, and of the life whose stream this is.
                let said =
                    |peer: &NodeInfo, node: &NodeInfo| (&peer.id, peer.incarnation) == (&node.id, node.incarnation);
                let own = nodes.into_iter().find(|node| self.peer.as_ref().is_some_and(|peer| said(peer, node)));
                let nodes_changed = own.is_some_and(|node| view.mention(now, node));
                let passed_on = self.levels.caught_up(view);
                Ok(Received { nodes_changed, outlived, passed_on, ..Received::default() })
            }
            Frame::Audit(audit) => {
                self.heard_of_known_peer(now)?;
                let Some(sharing) = self.peer.as_ref().map(|peer| Sharing::new(view, peer, self.kept.as_ref())) else {
                    return Ok(Received::default());
                };
                let stretch = self.auditor.receive(now, *audit, view, sharing);
                let changed = stretch.map(|(log, piece)| view.mend(now, &log, piece)).unwrap_or_default();
                self.counters.entries_mended += changed.len() as u64;
                Ok(Received { changed, ..Received::default() })
            }
        }
    }

    fn greet(&mut self, now: Mono, node: NodeInfo, cursors: Vec<Cursor>, view: &mut View) -> Result<Received, Fault> {
        if node.id == view.me().id {
            return Err(Fault::SameId(node.id));
        }
        if self.peer.is_some() {
            return Err(Fault::SecondHello);
        }
        self.heard = now;
        if view.node(&node.id).is_some_and(|known| known.info.incarnation > node.incarnation) {
            self.refused = Some(now);
            return Ok(Received { outlived: outlived(&cursors, view), ..Received::default() });
        }
        self.peer = Some(node.clone());
        let nodes_changed = view.mention(now, node);
        let outlived = self.note(now, cursors, true, view);
        Ok(Received { nodes_changed, outlived, ..Received::default() })
    }

    /// The frames that the peer should have now and for which there is room.
    pub fn pump(&mut self, now: Mono, room: Room, view: &View, out: &mut Vec<Frame>) {
        self.waiting.settle(room);
        let begun = out.len();
        let long = self.speak(now, room, view, out);
        let last = out.len() - long.end;
        for (frames, long) in [(long.start - begun, false), (long.len(), true), (last, false)] {
            self.waiting.push(frames, long);
        }
    }

    /// Returns which of the frames are long.
    fn speak(&mut self, now: Mono, room: Room, view: &View, out: &mut Vec<Frame>) -> Range<usize> {
        let mut left = room.free;
        if !self.hello_sent && left > 0 {
            out.push(Frame::Hello {
                node: view.me().clone(),
                cursors: known_logs(now, view),
                kept: view.kept().map(Box::new),
            });
            self.hello_sent = true;
            self.drain_told = view.me().draining;
            self.cursors_sent = now;
            left -= 1;
        }
        let Some(peer) = self.peer.clone() else {
            return out.len()..out.len();
        };
        if self.lag(view) == 0 {
            self.abreast = Some(now);
        }
        let within = peer.region == view.me().region;
        let pace = if within { FLUSH_WITHIN_REGION } else { FLUSH_BETWEEN_REGIONS };
        // What is held is said last: then the peer has read all that came before, and both compare the same place.
        let kept = usize::from(left > 0 && self.owes_cursors(now, pace, view));
        left -= kept;
        let said = self.kept.clone();
        let sharing = Sharing::new(view, &peer, said.as_ref());
        let ids = self.in_turn(&peer, view, sharing);
        // However much is fresh, what is long goes on as well.
        let long_max = self.waiting.left_for_long(room);
        let bulk_kept = usize::from(self.bulk_waits && left > 0 && long_max > 0);
        left -= bulk_kept;
        let bulk = self.send_news(now, pace, &ids, view, &mut left, out);
        left += bulk_kept;
        let first = out.len();
        self.send_bulk(now, long_max, &bulk, view, &mut left, out);
        while left > 0 && out.len() - first < long_max {
            let has_all = |log: &Log| self.progress.get(log.id()).is_some_and(|progress| progress.has_all(log));
            let Some(audit) = self.auditor.next(now, view, sharing, has_all) else { break };
            out.push(Frame::Audit(Box::new(audit)));
            left -= 1;
        }
        let long = first..out.len();
        if kept > 0 {
            let draining = view.me().draining;
            let nodes = if draining { vec![view.me().clone()] } else { Vec::new() };
            out.push(Frame::Cursors { cursors: self.cursors(now, view, sharing), nodes });
            (self.drain_told, self.cursors_sent, self.unacked) = (draining, now, 0);
        }
        long
    }

    /// Whether it is time to say what is held.
    fn owes_cursors(&self, now: Mono, pace: Millis, view: &View) -> bool {
        let since = now.since(self.cursors_sent);
        // A peer with much to send waits for the word that it came.
        let owed = self.unacked >= SYNC_BATCH_ENTRIES_MAX || (self.unacked > 0 && since + JITTER >= pace);
        owed || since >= HEARTBEAT || (view.me().draining && !self.drain_told)
    }

    /// The logs that the peer may lack something of: the own one first, or where the room ended.
    fn in_turn(&self, peer: &NodeInfo, view: &View, sharing: Sharing<'_>) -> Vec<(LogId, Part)> {
        let own = view.own_log_id();
        // A peer needs no telling of its own present life.
        let its_own = |id: &LogId| id.owner == peer.id && id.incarnation >= peer.incarnation;
        let mine = |id: &LogId| id.owner == own.owner && id.incarnation == own.incarnation;
        let ids = view.logs().map(Log::id).filter(|id| !its_own(id));
        let (first, others): (Vec<_>, Vec<_>) = ids.partition(|id| mine(id));
        let ids = first.into_iter().chain(others);
        let mut ids: Vec<_> = ids.filter_map(|id| Some((id.clone(), sharing.sendable(id)?))).collect();
        if let Some(last) = self.turn.as_ref().and_then(|turn| ids.iter().position(|(id, _)| id == turn)) {
            let next = (last + 1) % ids.len();
            ids.rotate_left(next);
        }
        ids
    }

    /// Sends what is fresh of every log, of those that the peer is far behind in ahead of the rest. Returns the latter.
    fn send_news(
        &mut self,
        now: Mono,
        pace: Millis,
        ids: &[(LogId, Part)],
        view: &View,
        left: &mut usize,
        out: &mut Vec<Frame>,
    ) -> Vec<(LogId, Part)> {
        let mut bulk = Vec::new();
        self.turn = None;
        let grace = self.sharing(view).map(relay_after);
        for (id, part) in ids {
            let Some((log, owner)) = log_and_owner(view, id) else { continue };
            let progress = self.progress.entry(id.clone()).or_insert(Progress::at(0, now));
            let due = progress.due(now, log, grace.filter(|_| id.owner != view.me().id));
            if due == Due::Bulk {
                bulk.push((id.clone(), part.clone()));
            }
            if !(progress.is_paced(now, pace) || progress.is_urgent(log)) || *left == 0 {
                continue;
            }
            let batch = match due {
                Due::Nothing => None,
                Due::News => progress.next(now, log, owner, part),
                Due::Bulk | Due::Full => progress.ahead(now, log, owner, part),
            };
            if let Some(batch) = batch {
                progress.note_flushed(now);
                self.send(id, batch, left, out);
            }
        }
        bulk
    }

    /// Sends a piece of each long log in turn, at most `most`: the rest of the room is for what is fresh.
    fn send_bulk(
        &mut self,
        now: Mono,
        most: usize,
        ids: &[(LogId, Part)],
        view: &View,
        left: &mut usize,
        out: &mut Vec<Frame>,
    ) {
        let mut share = most.min(*left);
        self.bulk_waits = !ids.is_empty() && share == 0;
        let mut sent = true;
        let grace = self.sharing(view).map(relay_after);
        while std::mem::take(&mut sent) {
            for (id, part) in ids {
                let Some((log, owner)) = log_and_owner(view, id) else { continue };
                let Some(progress) = self.progress.get_mut(id).filter(|_| share > 0) else { continue };
                let batch = match progress.due(now, log, grace.filter(|_| id.owner != view.me().id)) {
                    Due::Bulk | Due::News => progress.next(now, log, owner, part),
                    Due::Nothing | Due::Full => None,
                };
                let Some(batch) = batch else { continue };
                self.counters.snapshots_sent += u64::from(batch.snapshot_end.is_some());
                (share, sent) = (share - 1, true);
                self.send(id, batch, left, out);
            }
        }
    }

    fn send(&mut self, id: &LogId, batch: Batch, left: &mut usize, out: &mut Vec<Frame>) {
        self.counters.entries_sent += batch.entries.len() as u64;
        out.push(Frame::Batch(Box::new(batch)));
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.turn = Some(id.clone());
        }
    }

    fn take(&mut self, now: Mono, batch: Batch, view: &mut View) -> Received {
        let (owner, incarnation) = (batch.owner.id.clone(), batch.owner.incarnation);
        let id = LogId { owner, incarnation, scope: batch.scope };
        // Only this node writes its log; later lives of it there are none.
        if id >= view.own_log_id() && id.owner == view.me().id {
            return Received::default();
        }
        self.unacked += batch.entries.len().max(1);
        self.telling.came(&id.owner);
        self.counters.entries_received += batch.entries.len() as u64;
        let nodes_changed = view.mention(now, batch.owner);
        let (mut entries, rests) = unaged(now, batch.entries);
        match self.sharing(view).map(|sharing| sharing.of_both(&id)) {
            Some(Some(part)) => entries.retain(|(vehicle, _)| part.has(vehicle)),
            // Nothing that is kept here.
            Some(None) | None => return Received { nodes_changed, ..Received::default() },
        }
        let suffix = Suffix { from: batch.from, to: batch.to, entries, rests };
        if let Some(end) = batch.snapshot_end {
            self.shadows.begin(&id, end, view);
        }
        // What is sent ahead is shown at once, whatever is being built beside it.
        let ahead = suffix.from == suffix.to && batch.snapshot_end.is_none();
        let taken = if ahead { Err(suffix) } else { self.shadows.take(now, &id, suffix, view) };
        let applied = taken.unwrap_or_else(|suffix| view.apply(now, &id, suffix));
        let changed = applied.unwrap_or_else(|_| self.gap());
        Received { changed, nodes_changed, ..Received::default() }
    }

    /// Gives up all copies that are not whole: the stream has ended.
    pub fn abandon(&mut self, view: &mut View) {
        self.shadows.abandon(view);
    }

    fn gap(&mut self) -> Vec<VehicleId> {
        self.counters.gaps += 1;
        Vec::new()
    }

    /// Notes how far the peer is, and whether what is held here is what it should be. Returns a life of this node that
    /// the peer knows and this node does not.
    fn note(&mut self, now: Mono, cursors: Vec<Cursor>, hello: bool, view: &mut View) -> Option<Incarnation> {
        let (peer, kept) = (self.peer.clone()?, self.kept.clone());
        for (from, cursor) in cursors.iter().filter_map(|cursor| Some((cursor.blank_from?, cursor))) {
            let shared = Sharing::new(view, &peer, kept.as_ref()).of_both(&cursor.log).is_some();
            if shared && cursor.log.owner != view.me().id && !self.shadows.has(&cursor.log) {
                view.skip(&cursor.log, from, cursor.seq);
            }
        }
        let sharing = Sharing::new(view, &peer, kept.as_ref());
        // A hello is written before it is known what its reader keeps: its sums are of all that the sender does.
        if !hello || sharing.is_whole() {
            self.counters.digest_mismatches += self.auditor.compare(now, &peer, &cursors, view, sharing);
        }
        let (of_peer, of_own) = (sharing.shown_of_peer(), sharing.shown_of_own());
        let its_own = |id: &LogId| (&id.owner, id.incarnation) == (&peer.id, peer.incarnation);
        // Of others' logs, what is not held here is nothing to be sent.
        let counts = |id: &LogId| its_own(id) || view.log(id).is_some();
        self.progress.retain(|id, _| counts(id));
        self.levels.passed_on(now, &peer, &cursors, view);
        let mut head = 0;
        for cursor in cursors.iter().filter(|cursor| counts(&cursor.log)) {
            if cursor.log == of_peer {
                head = cursor.seq;
            }
            let progress = self.progress.entry(cursor.log.clone()).or_insert(Progress::at(cursor.seq, now));
            progress.note(cursor, now);
            let own = view.log(&cursor.log).filter(|log| cursor.log == of_own && log.head() == cursor.seq);
            let sum = own.zip(sharing.of_both(&cursor.log)).map(|(log, part)| log.sum(&part));
            if sum.is_some_and(|sum| (sum.count, sum.xor) == (cursor.count, cursor.digest)) {
                self.audited = Some(now);
            }
        }
        // Of a log in which nothing was said there is no copy.
        if view.log(&of_own).is_none_or(|log| log.head() == 0) {
            self.audited = Some(now);
        }
        self.levels.stands_at(now, head);
        self.catch_up(view);
        outlived(&cursors, view)
    }

    /// Notes whether the peer's own log is held up to where it stood.
    fn catch_up(&mut self, view: &View) {
        let Some(id) = self.sharing(view).map(|sharing| sharing.shown_of_peer()) else { return };
        self.levels.held(view.log(&id).map_or(0, Log::head));
    }

    /// What is held of what both ends keep. Of a part of a log, that nothing of it was said lately is told with it.
    fn cursors(&mut self, now: Mono, view: &View, sharing: Sharing<'_>) -> Vec<Cursor> {
        let mut cursors = Vec::new();
        let whose = self.telling.next(now, view, sharing, |id| {
            self.progress.get(id).is_some_and(|progress| !progress.heard) && level_of(view, id).is_some()
        });
        for log in view.logs().filter(|log| whose.as_ref().is_none_or(|whose| whose.contains(&log.id().owner))) {
            let Some(part) = sharing.of_both(log.id()) else { continue };
            let sends = sharing.sendable(log.id()).filter(|part| *part != Part::Whole);
            let progress = self.progress.get_mut(log.id());
            // Who hears the owner itself knows better.
            let level = progress.as_ref().filter(|progress| !progress.heard && sharing.sendable(log.id()).is_some());
            let level = level.and_then(|_| level_of(view, log.id())).map(|level| now.since(level));
            let blank_from = sends.zip(progress).and_then(|(part, progress)| progress.pass_over(log, &part));
            cursors.push(Cursor { blank_from, level, ..cursor(now, view, log, &part) });
        }
        cursors
    }

    fn heard_of_known_peer(&mut self, now: Mono) -> Result<(), Fault> {
        self.heard = now;
        self.peer.is_some().then_some(()).ok_or(Fault::NoHello)
    }
}

/// A log and who wrote it, in the life in which it did.
fn log_and_owner<'a>(view: &'a View, id: &LogId) -> Option<(&'a Log, NodeInfo)> {
    let owner = NodeInfo { incarnation: id.incarnation, ..view.node(&id.owner)?.info.clone() };
    Some((view.log(id)?, owner))
}

#[cfg(test)]
#[path = "sync_rig.rs"]
mod rig;

#[cfg(test)]
#[path = "sync_tests.rs"]
mod tests;
