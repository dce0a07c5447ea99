//! What a link gives its peer: what is fresh first, then what is long, and last what this node holds.

use super::known::{cursor, known_logs, level_of};
use super::progress::{Due, Progress};
use super::sharing::Sharing;
use super::telling::relay_after;
use super::{Batch, Cursor, Frame, Link, Room};
use super::{FLUSH_BETWEEN_REGIONS, FLUSH_WITHIN_REGION, HEARTBEAT, JITTER};
use crate::homes::Part;
use crate::limits::SYNC_BATCH_ENTRIES_MAX;
use crate::log::{Log, LogId};
use crate::time::{Millis, Mono};
use crate::view::{NodeInfo, View};
use std::ops::Range;

impl Link {
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
}

/// A log and who wrote it, in the life in which it did.
fn log_and_owner<'a>(view: &'a View, id: &LogId) -> Option<(&'a Log, NodeInfo)> {
    let owner = NodeInfo { incarnation: id.incarnation, ..view.node(&id.owner)?.info.clone() };
    Some((view.log(id)?, owner))
}
