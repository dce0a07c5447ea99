//! What of the spool still has to be sent, in which order, and what is under way.
//!
//! Live records go first, gathered for a moment into batches; the backlog of an outage follows, as far as the
//! gateway's window has room. It holds numbers only; the records stay in the spool.

use std::collections::VecDeque;
use waygate_core::limits::SPOOL_RANGES_MAX;
use waygate_core::ranges::SeqRanges;
use waygate_core::record::Lane;
use waygate_core::time::{Millis, Mono};

/// How records are gathered into messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// A live record waits at most this long for others.
    pub delay: Millis,
    /// This many live records are sent at once.
    pub records: u64,
    /// At most this many records of the backlog go into a message.
    pub backlog_records: u64,
}

impl Default for Batching {
    fn default() -> Self {
        Self { delay: Millis::secs(1), records: 30, backlog_records: 256 }
    }
}

/// Records to be sent in one message, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// Live or backlog.
    pub lane: Lane,
}

/// A message that was sent and not acked.
#[derive(Clone, Copy, Debug)]
struct Flight {
    first: u64,
    last: u64,
    bytes: u32,
    sent: Mono,
}

/// How much may be under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Records.
    pub records: u64,
    /// Bytes.
    pub bytes: u64,
}

/// The numbers of the records that wait, are under way, or are settled.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    last: u64,
    /// Need not be sent any more, from 1 on.
    settled: SeqRanges,
    /// Settled or under way.
    claimed: SeqRanges,
    /// Sent in an earlier session and not settled.
    sent_before: SeqRanges,
    flights: VecDeque<Flight>,
    /// Sent in the session before this one, whose acks may still come.
    parted: Vec<Flight>,
    /// Being read from the spool.
    reading: Option<Span>,
    /// Records from here on were added in this session.
    live_from: u64,
    /// When the first live record that is not sent was added.
    live_since: Option<Mono>,
}

impl Queue {
    /// A spool that has given out `last` and of which `settled` need not be sent.
    pub fn new(last: u64, settled: SeqRanges) -> Self {
        let claimed = settled.clone();
        Self { last, settled, claimed, live_from: last + 1, ..Self::default() }
    }

    /// Highest number given out.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Lowest number that is not settled.
    pub fn oldest(&self) -> u64 {
        self.settled.through(1) + 1
    }

    /// What is settled beyond [`oldest`](Self::oldest); as much of it as a gateway takes.
    pub fn settled_beyond(&self) -> SeqRanges {
        let oldest = self.oldest();
        let beyond = self.settled.iter().filter(|range| *range.start() > oldest);
        beyond.take(SPOOL_RANGES_MAX).map(|range| (*range.start(), *range.end())).collect()
    }

    /// Records that are not settled.
    pub fn unsettled(&self) -> u64 {
        self.last.saturating_sub(self.settled.count())
    }

    /// When the oldest message that is not acked was sent.
    pub fn oldest_flight(&self) -> Option<Mono> {
        self.flights.front().map(|flight| flight.sent)
    }

    /// A record was added to the spool.
    pub fn add(&mut self, now: Mono, seq: u64) {
        // Numbers that the spool left out do not exist.
        if seq > self.last + 1 {
            self.settle_range(self.last + 1, seq - 1);
        }
        self.last = self.last.max(seq);
        self.live_since = self.live_since.or(Some(now));
    }

    /// A new session: nothing is under way, and what was added before is backlog.
    pub fn restart(&mut self) {
        self.hand_over();
        self.release();
    }

    /// Another session takes over: what is under way may still be acked in the old one, and is not sent again before
    /// [`release`](Self::release). What was added before is backlog.
    pub fn hand_over(&mut self) {
        self.release();
        for flight in &self.flights {
            self.sent_before.insert(flight.first, flight.last);
        }
        self.parted = self.flights.drain(..).collect();
        self.reading = None;
        self.live_from = self.last + 1;
        self.live_since = None;
    }

    /// Whether acks of the session before may still come.
    pub fn is_parting(&self) -> bool {
        !self.parted.is_empty()
    }

    /// No more acks come from the session before: what it did not ack is to be sent again.
    pub fn release(&mut self) {
        self.parted = Vec::new();
        self.claimed = self.settled.clone();
        for flight in &self.flights {
            self.claimed.insert(flight.first, flight.last);
        }
    }

    /// When the next live batch is due, if records wait for company.
    pub fn live_due(&self, batching: &Batching) -> Option<Mono> {
        self.live_since.filter(|_| self.reading.is_none()).map(|since| since + batching.delay)
    }

    /// What to send next, if the window has room for it; it is being read until [`sent`](Self::sent). With `flush`
    /// live records do not wait for company.
    pub fn next(&mut self, now: Mono, window: Window, batching: &Batching, flush: bool) -> Option<Span> {
        if self.reading.is_some() {
            return None;
        }
        let under_way: u64 = self.flights.iter().map(|f| f.last - f.first + 1).sum();
        let room = window.records.saturating_sub(under_way);
        let bytes: u64 = self.flights.iter().map(|f| u64::from(f.bytes)).sum();
        if room == 0 || bytes >= window.bytes {
            return None;
        }
        let live = self.missing_from(self.live_from, self.last);
        let due = live.is_some_and(|(first, _)| {
            flush
                || self.last - first + 1 >= batching.records
                || self.live_since.is_none_or(|since| now >= since + batching.delay)
        });
        let span = |(first, last): (u64, u64), most: u64, lane| {
            Some(Span { first, last: last.min(first.saturating_add(most.min(room) - 1)), lane })
        };
        let span = if due {
            span(live?, batching.records.max(1), Lane::Live)
        } else {
            let backlog = self.missing_from(self.oldest(), self.live_from.saturating_sub(1))?;
            span(backlog, batching.backlog_records.max(1), Lane::Backfill)
        };
        self.reading = span;
        span
    }

    /// The span last asked for was sent up to `last`, in a frame of so many bytes. Returns how many of its records
    /// had been sent in an earlier session.
    pub fn sent(&mut self, now: Mono, first: u64, last: u64, bytes: u32) -> u64 {
        self.reading = None;
        self.claimed.insert(first, last);
        self.flights.push_back(Flight { first, last, bytes, sent: now });
        if self.missing_from(self.live_from, self.last).is_none() {
            self.live_since = None;
        }
        if self.sent_before.is_empty() {
            return 0;
        }
        (first..=last).filter(|seq| self.sent_before.contains(*seq)).count() as u64
    }

    /// The span last asked for could not be read; what is left of it will be asked for again.
    pub fn unread(&mut self) {
        self.reading = None;
    }

    /// These need not be sent any more. Returns those that were not settled before, and since when the oldest
    /// message that is now settled was under way.
    pub fn settle(&mut self, ranges: impl IntoIterator<Item = (u64, u64)>) -> (SeqRanges, Option<Mono>) {
        let mut news = SeqRanges::new();
        for (first, last) in ranges {
            // A number never given out cannot be settled.
            for (a, b) in gaps(&self.settled, first.max(1), last.min(self.last)) {
                news.insert(a, b);
            }
        }
        for range in news.iter() {
            self.settle_range(*range.start(), *range.end());
        }
        let settled = &self.settled;
        let mut since = None;
        let mut under_way = |flight: &Flight| {
            let done = settled.through(flight.first) >= flight.last;
            if done && since.is_none() {
                since = Some(flight.sent);
            }
            !done
        };
        self.parted.retain(&mut under_way);
        self.flights.retain(&mut under_way);
        if !self.sent_before.is_empty() {
            let ranges = self.sent_before.iter().flat_map(|r| gaps(settled, *r.start(), *r.end()));
            self.sent_before = ranges.collect();
        }
        if self.missing_from(self.live_from, self.last).is_none() {
            self.live_since = None;
        }
        (news, since)
    }

    fn settle_range(&mut self, first: u64, last: u64) {
        self.settled.insert(first, last);
        self.claimed.insert(first, last);
    }

    /// The first unbroken run from `from` to `to` that is neither settled nor under way.
    fn missing_from(&self, from: u64, to: u64) -> Option<(u64, u64)> {
        gaps(&self.claimed, from, to).next()
    }
}

/// The runs between `from` and `to` that `set` does not hold, in ascending order.
fn gaps(set: &SeqRanges, from: u64, to: u64) -> impl Iterator<Item = (u64, u64)> {
    let mut at = Some(from);
    std::iter::from_fn(move || {
        let first = set.through(at?) + 1;
        if first > to {
            at = None;
            return None;
        }
        let next = set.iter().map(|range| *range.start()).find(|start| *start > first);
        let last = next.map_or(to, |start| to.min(start - 1));
        at = last.checked_add(1);
        Some((first, last))
    })
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
