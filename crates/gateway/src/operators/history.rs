//! One vehicle's records, merged from every gateway that holds some.
//!
//! Records leave in the order (time, spool, sequence number), each once, however many gateways have it. Nothing is
//! held whole: each source holds what overlaps in time and no more than its share, and is read no faster than the
//! answer is. Whoever keeps the answer waiting is left out after a while, and named.

mod patience;
mod places;
mod source;

pub use patience::Patience;
pub use places::{EXPORTS_MAX, Place, Places, RETRY_AFTER_S};
pub use source::{Pieces, Source};

use futures_util::future::join_all;
use source::Lost;
use waygate_core::record::Record;
use waygate_core::time::Wall;
use waygate_wire::operator::MissingSource;

/// Bytes of records that one answer holds at most, as they lie in memory, however many sources it has: those that have
/// something still share it. Beyond its share a source holds one record, as it could give none otherwise.
const HELD_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Where a record stands in the merged order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The vehicle's clock.
    pub t: Wall,
    /// Which life of its spool.
    pub spool: u64,
    /// The number in that spool.
    pub seq: u64,
}

/// A record and when it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The gateway's clock.
    pub received: Wall,
    /// What the vehicle said.
    pub record: Record,
}

/// Which records are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// The earliest time.
    pub from: Wall,
    /// The latest, not included.
    pub to: Wall,
    /// Only those after this one.
    pub after: Option<Key>,
}

impl Span {
    fn holds(&self, key: Key) -> bool {
        self.from <= key.t && key.t < self.to && self.after.is_none_or(|after| key > after)
    }
}

/// The records of all sources, each once.
#[derive(Debug)]
pub struct Merge {
    sources: Vec<Source>,
    missing: Vec<MissingSource>,
    /// Bytes that all of them may hold together.
    held_max: usize,
    /// The most bytes that were held at once.
    peak: usize,
    /// Given back with the answer's end.
    place: Option<Place>,
}

impl Merge {
    /// Records of these sources.
    pub fn new(sources: Vec<Source>) -> Self {
        Self { sources, missing: Vec::new(), held_max: HELD_BYTES_MAX, peak: 0, place: None }
    }

    /// It holds this place until it is dropped.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Most gateways have nothing of a vehicle. What they leave goes to the others, as less would be asked for again and
    /// again. The number of those that have something only falls, so shares only rise: nobody holds too much for one.
    fn share(&mut self) {
        let giving = self.sources.iter().filter(|source| !source.is_exhausted()).count();
        let share = self.held_max / giving.max(1);
        for source in &mut self.sources {
            source.hold_at_most(share);
        }
    }

    /// Whether the next record is known without waiting for anyone.
    pub fn is_ready(&self) -> bool {
        self.sources.iter().all(Source::is_ready)
    }

    /// The next record.
    pub async fn next(&mut self) -> Option<(Key, Row)> {
        self.share();
        // All at once, so that those who keep it waiting share one wait.
        let behind = self.sources.iter_mut().filter(|source| !source.is_ready());
        let lost: Vec<Lost> = join_all(behind.map(Source::fill)).await.into_iter().filter_map(Result::err).collect();
        self.missing.extend(lost.into_iter().map(|Lost(missing)| missing));
        self.peak = self.peak.max(self.sources.iter().map(Source::held_bytes).sum());
        let key = self.sources.iter().filter_map(Source::first).min()?;
        // Of several copies the one that was stored first counts, whoever is asked.
        let copies = self.sources.iter_mut().filter_map(|source| source.take(key));
        let row = copies.min_by_key(|row| row.received)?;
        Some((key, row))
    }

    /// Who did not answer to the end, so far, or left out what is damaged.
    pub fn missing(&self) -> impl Iterator<Item = MissingSource> {
        self.missing.iter().cloned().chain(self.sources.iter().filter_map(Source::lacks))
    }

    /// The most bytes of records that were held at once, as they lie in memory.
    pub fn held_bytes_peak(&self) -> usize {
        self.peak
    }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
