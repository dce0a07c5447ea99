//! Who may write and what is settled: the authority on duplicates and fences.
//!
//! Owned by the writer. It is a cache of the tables `vehicle`, `presence` and `spool` with everything
//! newer laid over it, and it decides in plain code; it never touches the database. It is changed while
//! a commit is being put together: if that commit fails, the ledger is thrown away with the writer's
//! connection and built anew from disk.

use crate::journal::Entry;
use crate::tail::Tail;
use crate::write::{Batch, Outcome, PresenceRecord, Refusal};
use std::collections::HashMap;
use std::ops::RangeInclusive;
use waygate_core::epoch::Epoch;
use waygate_core::id::{SpoolId, VehicleId};
use waygate_core::limits::SPOOL_RANGES_MAX;
use waygate_core::ranges::SeqRanges;
use waygate_core::time::Wall;

/// Vehicles and spools kept in memory beyond those with unfolded writes. About 200 bytes each.
const CACHED_MAX: usize = 100_000;

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    vehicles: HashMap<VehicleId, Known>,
    /// Vehicles and spools looked up since the last eviction.
    looked_up: usize,
}

/// What is known of one vehicle.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Its number in the database; none until its first write is accepted.
    pub(crate) number: Option<i64>,
    /// The highest epoch that attached here.
    pub(crate) fence: Option<Epoch>,
    spools: Vec<(SpoolId, SpoolState)>,
}

/// What is known of one spool.
#[derive(Clone, Debug, Default)]
pub(crate) struct SpoolState {
    pub(crate) settled: SeqRanges,
    /// The block that still grows.
    pub(crate) open: Option<OpenBlock>,
}

/// A block that has room for further batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenBlock {
    pub(crate) id: i64,
    pub(crate) bytes: u64,
    pub(crate) t_min: Wall,
    pub(crate) t_max: Wall,
}

impl SpoolState {
    /// What to answer to a batch of which some numbers are settled.
    fn overlap(&self, batch: &Batch) -> Outcome {
        if batch
            .settled
            .iter()
            .all(|r| self.settled.contains(*r.start()) && self.settled.through(*r.start()) >= *r.end())
        {
            return Outcome::Duplicate;
        }
        let inside = self.settled.iter().filter(|r| *r.end() >= batch.first_seq && *r.start() <= batch.last_seq);
        let cut = |r: RangeInclusive<u64>| (*r.start().max(&batch.first_seq), *r.end().min(&batch.last_seq));
        Outcome::Overlap { settled: inside.map(cut).collect() }
    }
}

impl Known {
    pub(crate) fn spool(&self, spool: SpoolId) -> Option<&SpoolState> {
        self.spools.iter().find(|(id, _)| *id == spool).map(|(_, state)| state)
    }

    pub(crate) fn spool_mut(&mut self, spool: SpoolId) -> &mut SpoolState {
        let at = self.spools.iter().position(|(id, _)| *id == spool).unwrap_or_else(|| {
            self.spools.push((spool, SpoolState::default()));
            self.spools.len() - 1
        });
        &mut self.spools[at].1
    }

    /// Decides on an attach; an accepted one fences lower epochs. `moved` is the epoch the vehicle has elsewhere.
    pub(crate) fn decide_attach(&mut self, record: &PresenceRecord, moved: Option<Epoch>) -> Result<(), Outcome> {
        self.admit(record.epoch, moved)?;
        self.fence = Some(record.epoch);
        Ok(())
    }

    /// Decides on what became of an attach later.
    pub(crate) fn decide_presence(&mut self, record: &PresenceRecord) -> Result<(), Outcome> {
        self.admit(record.epoch, None)?;
        self.fence = Some(record.epoch);
        Ok(())
    }

    /// Decides on a batch; an accepted one is settled from here on.
    pub(crate) fn decide_batch(&mut self, batch: &Batch, moved: Option<Epoch>) -> Result<(), Outcome> {
        let contradiction = |why| Err(Outcome::Refused(Refusal::Contradiction(why)));
        let within = |seqs: &SeqRanges| {
            seqs.iter().all(|range| *range.start() >= batch.first_seq && *range.end() <= batch.last_seq)
        };
        if batch.settled.is_empty() || !within(&batch.settled) {
            return contradiction("it settles no number, or one beyond its first and last");
        }
        if batch.t_min > batch.t_max {
            return contradiction("its earliest time is after its latest");
        }
        if u64::from(batch.count) > batch.settled.count() {
            return contradiction("it has more records than numbers");
        }
        self.admit(batch.epoch, moved)?;
        let state = self.spool_mut(batch.spool);
        if batch.settled.iter().any(|r| state.settled.overlaps(*r.start(), *r.end())) {
            return Err(state.overlap(batch));
        }
        if state.settled.len() + batch.settled.len() <= SPOOL_RANGES_MAX {
            state.settled.extend(&batch.settled);
            return Ok(());
        }
        // Filling a hole makes two ranges one: whether there are too many is known only afterwards.
        let mut after = state.settled.clone();
        after.extend(&batch.settled);
        if after.len() > SPOOL_RANGES_MAX && after.len() > state.settled.len() {
            return Err(Outcome::Refused(Refusal::TooManyRanges));
        }
        state.settled = after;
        Ok(())
    }

    /// What another gateway has stored is settled from here on; what of it was not, as far as there is room for holes.
    pub(crate) fn settle(&mut self, spool: SpoolId, settled: &SeqRanges) -> SeqRanges {
        let known = &mut self.spool_mut(spool).settled;
        let mut noted = SeqRanges::new();
        for range in settled.without(known).iter() {
            let (first, last) = (*range.start(), *range.end());
            if known.len() < SPOOL_RANGES_MAX || known.overlaps(first.saturating_sub(1), last.saturating_add(1)) {
                known.insert(first, last);
                noted.insert(first, last);
            }
        }
        noted
    }

    /// Takes over what an earlier life of the writer decided.
    pub(crate) fn replay(&mut self, entry: &Entry) {
        match entry {
            Entry::Presence { record, .. } => self.fence = Some(record.epoch),
            Entry::Forget { .. } => self.fence = None,
            Entry::Batch(batch) => self.spool_mut(batch.spool).settled.extend(&batch.settled),
            // They are nobody's right to write and settle nothing.
            Entry::Command { .. } | Entry::Transition { .. } => {}
        }
    }

    fn admit(&self, epoch: Epoch, moved: Option<Epoch>) -> Result<(), Outcome> {
        // None is below any epoch.
        match self.fence.max(moved) {
            Some(by) if epoch < by => Err(Outcome::Fenced { by }),
            _ => Ok(()),
        }
    }
}

impl Ledger {
    pub(crate) fn knows(&self, vehicle: &VehicleId, spool: Option<SpoolId>) -> bool {
        self.vehicles.get(vehicle).is_some_and(|known| spool.is_none_or(|s| known.spool(s).is_some()))
    }

    pub(crate) fn entry(&mut self, vehicle: &VehicleId) -> &mut Known {
        self.vehicles.entry(vehicle.clone()).or_default()
    }

    pub(crate) fn known(&self, vehicle: &VehicleId) -> Option<&Known> {
        self.vehicles.get(vehicle)
    }

    /// Takes note of what is about to be read from the tables.
    pub(crate) fn look_up(&mut self, vehicles_and_spools: usize) {
        self.looked_up += vehicles_and_spools;
    }

    /// Drops what can be read again from the tables once there is too much of it. What is not folded stays.
    pub(crate) fn evict(&mut self, tail: &Tail) {
        if self.looked_up <= CACHED_MAX {
            return;
        }
        self.looked_up = 0;
        self.vehicles.retain(|vehicle, known| {
            known.spools.retain(|(spool, _)| tail.of(vehicle).any(|unfolded| unfolded.has_spool(*spool)));
            tail.of(vehicle).next().is_some()
        });
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
