//! What a link takes of its peer: entries into the view, and what the peer says that it holds.

use super::frame::unaged;
use super::known::outlived;
use super::progress::Progress;
use super::sharing::Sharing;
use super::{Batch, Cursor, Fault, Frame, Link, Received};
use crate::id::{Incarnation, VehicleId};
use crate::log::{Log, LogId, Suffix};
use crate::time::Mono;
use crate::view::{NodeInfo, View};

impl Link {
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
        let of_own = sharing.shown_of_own();
        let its_own = |id: &LogId| (&id.owner, id.incarnation) == (&peer.id, peer.incarnation);
        // Of others' logs, what is not held here is nothing to be sent.
        let counts = |id: &LogId| its_own(id) || view.log(id).is_some();
        self.progress.retain(|id, _| counts(id));
        self.levels.passed_on(now, &peer, &cursors, view);
        let (of_peers, mut heads) = (sharing.logs_of_peer(), [0, 0]);
        for cursor in cursors.iter().filter(|cursor| counts(&cursor.log)) {
            // A hello also names what is not kept here.
            let at = of_peers.iter().position(|id| *id == cursor.log);
            if let Some(at) = at.filter(|_| sharing.of_both(&cursor.log).is_some()) {
                heads[at] = cursor.seq;
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
        self.levels.stand_at(now, heads);
        self.catch_up(view);
        outlived(&cursors, view)
    }

    /// Notes whether the peer's own logs are held up to where they stood.
    fn catch_up(&mut self, view: &View) {
        let Some(ids) = self.sharing(view).map(|sharing| sharing.logs_of_peer()) else { return };
        self.levels.held(ids.map(|id| view.log(&id).map_or(0, Log::head)));
    }

    fn heard_of_known_peer(&mut self, now: Mono) -> Result<(), Fault> {
        self.heard = now;
        self.peer.is_some().then_some(()).ok_or(Fault::NoHello)
    }
}
