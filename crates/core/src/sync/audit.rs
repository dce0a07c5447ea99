//! One end's part in comparing copies: whoever differs from the owner asks where, and for what stands there.
//!
//! Cursors say how many slots stand in a log and the xor of their hashes. Where both are as far and this differs, a copy
//! is wrong. Its holder asks for the hashes of the 256 buckets, then for the buckets that differ; it is answered at
//! moments at which it has been sent all else, so both ends speak of the same place in the log. Nothing of that ever
//! happens unless something is broken, and it ends even if that cannot be mended.

use super::frame::{AgedEntry, Audit, Cursor, aged, unaged};
use super::sharing::Sharing;
use crate::digest::BUCKETS;
use crate::id::{Incarnation, NodeId, VehicleId};
use crate::limits::SYNC_BATCH_ENTRIES_MAX;
use crate::log::{Log, LogId, Piece};
use crate::time::{Millis, Mono};
use crate::view::{Liveness, NodeInfo, View};
use std::collections::{BTreeMap, BTreeSet};

/// How often what differs is asked for again.
pub const AUDIT_EVERY: Millis = Millis::secs(60);

/// How often the very same difference is tried to mend: what an entry that cannot be read makes stays for as long as the
/// entry does.
pub(super) const AUDIT_TRIES: u32 = 3;

/// Slots looked at for one stretch, some milliseconds of work.
const SCAN_MAX: usize = 32_768;

/// A copy here that differs from the peer's.
#[derive(Clone, Copy, Debug)]
struct Difference {
    /// The same as long as nothing was mended, whatever is published meanwhile.
    key: (u64, u64),
    since: Mono,
    asked: Option<Mono>,
    tries: u32,
}

/// What the peer asked for.
#[derive(Clone, Debug)]
enum Answer {
    Hashes,
    Stretches { buckets: BTreeSet<u8>, after: Option<VehicleId> },
}

/// What is under way between two ends: at most one question and one answer a log held.
#[derive(Clone, Debug, Default)]
pub(super) struct Auditor {
    differing: BTreeMap<LogId, Difference>,
    asks: BTreeMap<LogId, BTreeSet<u8>>,
    answers: BTreeMap<LogId, Answer>,
}

impl Auditor {
    /// Compares the copies here with what the peer says of its own. Returns how many differ that did not before.
    pub fn compare(
        &mut self,
        now: Mono,
        peer: &NodeInfo,
        cursors: &[Cursor],
        view: &View,
        sharing: Sharing<'_>,
    ) -> u64 {
        let mut lives: BTreeMap<&NodeId, Incarnation> = BTreeMap::new();
        for cursor in cursors {
            let life = lives.entry(&cursor.log.owner).or_insert(cursor.log.incarnation);
            *life = cursor.log.incarnation.max(*life);
        }
        self.differing.retain(|id, _| view.log(id).is_some());
        let mut found = 0;
        for cursor in cursors.iter().filter(|cursor| lives[&cursor.log.owner] == cursor.log.incarnation) {
            let comparable = is_witness(peer, &cursor.log, view);
            let Some(log) = view.log(&cursor.log).filter(|log| comparable && log.head() == cursor.seq) else {
                continue;
            };
            let Some(sum) = sharing.of_both(&cursor.log).map(|part| log.sum(&part)) else { continue };
            let key = (sum.xor ^ cursor.digest, sum.count.wrapping_sub(cursor.count));
            if key == (0, 0) {
                self.differing.remove(&cursor.log);
                continue;
            }
            let fresh = Difference { key, since: now, asked: None, tries: 0 };
            let known = self.differing.entry(cursor.log.clone()).or_insert(fresh);
            if known.key != key {
                *known = Difference { asked: known.asked, ..fresh };
            }
            // Another than the owner is asked only if the owner itself has not mended it.
            let own = cursor.log.owner == peer.id;
            let grace = known.asked.or(Some(known.since).filter(|_| !own));
            if known.tries < AUDIT_TRIES && grace.is_none_or(|since| now.since(since) >= AUDIT_EVERY) {
                found += u64::from(known.tries == 0);
                (known.asked, known.tries) = (Some(now), known.tries + 1);
                self.asks.insert(cursor.log.clone(), BTreeSet::new());
            }
        }
        found
    }

    /// Takes what the peer says. Returns a stretch to take over.
    pub fn receive(&mut self, now: Mono, audit: Audit, view: &View, sharing: Sharing<'_>) -> Option<(LogId, Piece)> {
        match audit {
            Audit::Asked { log, buckets } => {
                if may_answer(&log, view) && sharing.sendable(&log).is_some() {
                    let contents = !buckets.is_empty();
                    let contents = contents.then_some(Answer::Stretches { buckets, after: None });
                    self.answers.insert(log, contents.unwrap_or(Answer::Hashes));
                }
                None
            }
            Audit::Hashes { log, seq, hashes } => {
                let held = view.log(&log).filter(|held| held.head() == seq && hashes.len() == BUCKETS)?;
                let kept = held.buckets(&sharing.of_both(&log)?);
                let unlike = (0u8..=u8::MAX).zip(kept.iter()).zip(&hashes);
                let buckets: BTreeSet<u8> = unlike.filter(|((_, a), b)| a != b).map(|((n, _), _)| n).collect();
                if self.differing.contains_key(&log) && !buckets.is_empty() {
                    self.asks.insert(log, buckets);
                }
                None
            }
            Audit::Stretch { log, seq, buckets, after, through, entries } => {
                self.differing.get(&log)?;
                let (mut entries, rests) = unaged(now, entries);
                let part = sharing.of_both(&log)?;
                entries.retain(|(vehicle, _)| part.has(vehicle));
                Some((log, Piece { seq, buckets, after, through, entries, rests }))
            }
        }
    }

    /// What is to be asked or answered next. `has_all` says whether the peer was sent all of a log.
    pub fn next(
        &mut self,
        now: Mono,
        view: &View,
        sharing: Sharing<'_>,
        has_all: impl Fn(&Log) -> bool,
    ) -> Option<Audit> {
        if let Some((log, buckets)) = self.asks.pop_first() {
            return Some(Audit::Asked { log, buckets });
        }
        let gone = |id: &LogId| view.log(id).is_none();
        self.answers.retain(|id, _| !gone(id));
        let ready = self.answers.keys().filter_map(|id| view.log(id)).find(|log| has_all(log))?;
        let (id, answer) = self.answers.remove_entry(ready.id())?;
        let part = sharing.sendable(&id)?;
        match answer {
            Answer::Hashes => Some(Audit::Hashes { log: id, seq: ready.head(), hashes: ready.buckets(&part).to_vec() }),
            Answer::Stretches { buckets, after } => {
                let piece = ready.piece(&buckets, after.as_ref(), &part, (SYNC_BATCH_ENTRIES_MAX, SCAN_MAX));
                if piece.through.is_some() {
                    self.answers.insert(id.clone(), Answer::Stretches { buckets, after: piece.through.clone() });
                }
                let Piece { seq, buckets, after, through, entries, rests } = piece;
                let entries: Vec<AgedEntry> = aged(now, entries, rests);
                Some(Audit::Stretch { log: id, seq, buckets, after, through, entries })
            }
        }
    }
}

/// Whether a peer's copy says what this one should be: the owner's does, and that of another where the owner is not heard.
/// What an earlier life said is forgotten by everyone in his own time.
fn is_witness(peer: &NodeInfo, log: &LogId, view: &View) -> bool {
    let Some(owner) = view.node(&log.owner).filter(|owner| owner.info.incarnation == log.incarnation) else {
        return false;
    };
    match owner.liveness {
        Liveness::Own => false,
        Liveness::Alive { .. } => log.owner == peer.id,
        Liveness::Relayed { .. } | Liveness::Lost { .. } | Liveness::Unmet { .. } => true,
    }
}

/// Whether this node may say what a log is: its own, or one whose owner it hears.
fn may_answer(log: &LogId, view: &View) -> bool {
    let heard = |liveness| matches!(liveness, Liveness::Own | Liveness::Alive { .. });
    let present = |node: &&crate::view::NodeStatus| node.info.incarnation == log.incarnation && heard(node.liveness);
    view.log(log).is_some() && view.node(&log.owner).as_ref().is_some_and(present)
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
