//! How far a peer is in one log, and what it should have next of it.

use super::flight::Flight;
use super::frame::{Batch, Cursor, aged};
use super::{FLUSH_BETWEEN_REGIONS, JITTER, REWIND_AFTER};
use crate::homes::Part;
use crate::limits::SYNC_BATCH_ENTRIES_MAX;
use crate::log::{Log, Suffix};
use crate::time::{Millis, Mono};
use crate::view::NodeInfo;

/// A peer that makes a copy of a snapshot tells how far it is with its next cursors.
const TOLD_WITHIN: Millis = Millis::secs(5);

/// What a peer lacks of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing that it should have from here now.
    Nothing,
    /// Little enough for one batch.
    News,
    /// More: a long suffix or a snapshot, which must not delay what is fresh.
    Bulk,
    /// More, but enough is on its way.
    Full,
}

/// How far the peer is in one log.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    /// What it says it holds.
    pub held: u64,
    sent: u64,
    /// How far the copy is that it reads anew.
    rebuilding: u64,
    /// Whether it hears the owner's own stream.
    pub heard: bool,
    /// Whether it has waited for that long enough: what follows is passed on without a grace of its own, until it comes
    /// another way.
    relayed: bool,
    /// When what it says changed last, or the last piece of a snapshot was sent.
    moved: Mono,
    /// A snapshot is under way, whole at this sequence number.
    snapshot_end: Option<u64>,
    /// While there is more to catch up with: fresh entries up to here were sent ahead.
    ahead: Option<u64>,
    flight: Flight,
    /// When what was fresh went out last. Each log has a pace of its own: attaches of one do not keep another's news back.
    flushed: Mono,
}

impl Progress {
    /// A peer that says that it holds so much.
    pub fn at(seq: u64, now: Mono) -> Self {
        Self {
            held: seq,
            sent: seq,
            rebuilding: 0,
            heard: false,
            relayed: false,
            moved: now,
            snapshot_end: None,
            ahead: None,
            flight: Flight::new(),
            flushed: now.before(FLUSH_BETWEEN_REGIONS),
        }
    }

    /// The peer says how much it holds, how far a copy is that it reads anew, and whether it hears the owner.
    pub fn note(&mut self, cursor: &Cursor, now: Mono) {
        let (seq, rebuilding) = (cursor.seq, cursor.rebuilding);
        self.heard = cursor.heard;
        if (seq, rebuilding) != (self.held, self.rebuilding) {
            (self.held, self.rebuilding, self.moved) = (seq, rebuilding, now);
        }
        // Of a snapshot the copy tells that is being made of it.
        self.flight.acked(now, if self.snapshot_end.is_some() { seq.max(rebuilding) } else { seq });
    }

    /// Whether the peer was sent all there is, so that what follows finds it exactly there.
    pub fn has_all(&self, log: &Log) -> bool {
        self.snapshot_end.is_none() && self.sent.max(self.held) >= log.head()
    }

    /// Whether what is fresh has waited long enough for more to go with it.
    pub fn is_paced(&self, now: Mono, pace: Millis) -> bool {
        now.since(self.flushed) + JITTER >= pace
    }

    /// What was fresh has gone out.
    pub fn note_flushed(&mut self, now: Mono) {
        self.flushed = now;
    }

    /// Whether the peer was not told of an attach. Until it is, the vehicle's old gateway may say that it lets go, and a
    /// peer that hears that first sees the vehicle vanish.
    pub fn is_urgent(&self, log: &Log) -> bool {
        log.last_attach() > self.ahead.unwrap_or(self.sent)
    }

    /// Looks at what the peer lacks. What is relayed has a grace, which lasts for as long as the peer comes on without it,
    /// and for as long as it hears the owner: the owner's own stream is quicker if it stands. Once it is over, all that
    /// follows goes at once.
    pub fn due(&mut self, now: Mono, log: &Log, grace: Option<Millis>) -> Due {
        let needless = grace.is_some() && self.heard;
        let due = if needless { self.rest(now, log) } else { self.look(now, log, grace) };
        self.relayed = grace.is_some() && !needless && (self.relayed || due != Due::Nothing);
        match due {
            Due::Nothing | Due::News => self.ahead = None,
            Due::Bulk => self.ahead = self.ahead.or(Some(log.head())),
            // All there was is on its way, and much of it not acked: whatever came since is fresh.
            Due::Full => self.ahead = self.ahead.or(Some(self.sent)),
        }
        due
    }

    /// The owner speaks to the peer itself. What is under way from here comes to its end there, or is given up.
    fn rest(&mut self, now: Mono, log: &Log) -> Due {
        if self.held >= log.head() {
            (self.sent, self.moved, self.snapshot_end) = (self.held, now, None);
        }
        Due::Nothing
    }

    fn look(&mut self, now: Mono, log: &Log, grace: Option<Millis>) -> Due {
        self.relayed &= self.held.max(self.rebuilding) <= self.sent;
        let waits = grace.is_some_and(|grace| !self.relayed && now.since(self.moved) < grace);
        if self.snapshot_end.is_none_or(|end| self.sent >= end || self.held >= end) {
            self.snapshot_end = None;
            // Another has brought the peer further than this node did.
            let overtaken = self.held > self.sent;
            self.sent = self.sent.max(self.held);
            if self.held >= log.head() {
                self.moved = now;
                return Due::Nothing;
            }
            let catches_up = self.ahead.is_some() && !overtaken;
            if !catches_up && self.sent <= self.held && waits {
                return Due::Nothing;
            }
            if self.sent > self.held && now.since(self.moved) >= REWIND_AFTER {
                self.sent = self.held;
                self.moved = now;
                self.flight.forget();
            }
        } else if self.held.max(self.rebuilding) > self.sent && waits {
            return Due::Nothing;
        }
        let full = self.flight.is_full();
        if self.snapshot_end.is_some() || self.sent < log.floor() {
            // A peer that does not tell of the copy it makes acks all of it at once: then the stream's room alone holds
            // back what follows.
            let silent =
                self.rebuilding == 0 && self.flight.since().is_some_and(|since| now.since(since) >= TOLD_WITHIN);
            return if full && !silent { Due::Full } else { Due::Bulk };
        }
        if self.sent >= log.head() {
            return Due::Nothing;
        }
        match (log.is_longer_than(self.sent, SYNC_BATCH_ENTRIES_MAX), full) {
            (_, true) => Due::Full,
            (true, false) => Due::Bulk,
            (false, false) => Due::News,
        }
    }

    /// The next piece in sequence. A snapshot begins below the floor. Of a part in which nothing stands, only cursors tell.
    pub fn next(&mut self, now: Mono, log: &Log, owner: NodeInfo, part: &Part) -> Option<Batch> {
        let begins = self.snapshot_end.is_none() && self.sent < log.floor();
        if begins {
            (self.sent, self.snapshot_end) = (0, Some(log.head()));
            self.flight.forget();
        }
        let suffix = log.suffix(self.sent, SYNC_BATCH_ENTRIES_MAX, part);
        if suffix.entries.is_empty() && self.snapshot_end.is_none() && *part != Part::Whole {
            return None;
        }
        self.sent = suffix.to;
        self.flight.sent(now, suffix.to, suffix.entries.len());
        if self.snapshot_end.is_some_and(|end| self.sent >= end) {
            // A snapshot is acked as a whole.
            self.moved = now;
        }
        let snapshot_end = self.snapshot_end.filter(|_| begins);
        Some(batch(now, log, owner, suffix, snapshot_end))
    }

    /// Fresh entries that would wait behind all that the peer still lacks, sent ahead of it.
    pub fn ahead(&mut self, now: Mono, log: &Log, owner: NodeInfo, part: &Part) -> Option<Batch> {
        let ahead = self.ahead.filter(|ahead| log.head() > *ahead)?;
        let suffix = log.suffix(ahead, SYNC_BATCH_ENTRIES_MAX, part);
        self.ahead = Some(suffix.to);
        let fresh = Suffix { from: 0, to: 0, ..suffix };
        (!fresh.entries.is_empty()).then(|| batch(now, log, owner, fresh, None))
    }

    /// Nothing of the part stands after what was sent: passes over it. Returns from where.
    pub fn pass_over(&mut self, log: &Log, part: &Part) -> Option<u64> {
        let idle = self.snapshot_end.is_none() && self.sent >= self.held && self.sent >= log.floor();
        let from = self.sent;
        let blank = idle && from < log.head() && log.is_blank(from, part);
        blank.then(|| {
            self.sent = log.head();
            from
        })
    }
}

fn batch(now: Mono, log: &Log, owner: NodeInfo, suffix: Suffix, snapshot_end: Option<u64>) -> Batch {
    let Suffix { from, to, entries, rests } = suffix;
    Batch { owner, scope: log.id().scope, from, to, entries: aged(now, entries, rests), snapshot_end }
}

#[cfg(test)]
#[path = "progress_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "relay_tests.rs"]
mod relay_tests;
