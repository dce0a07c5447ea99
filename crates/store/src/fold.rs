//! Moving the journal into the tables by vehicle, a slice with every few commits.
//!
//! A generation of journal rows is frozen once it is large enough, and its vehicles are folded in the order
//! of their numbers, some in each slice. A slice is part of the transaction of the commit it rides on: no sync
//! of its own, and after a crash the mark in the table `fold` says exactly which vehicles are done. Its size
//! follows that of the commits, so that no commit waits long and the fold is always done before the next
//! generation is full.
//!
//! State by vehicle may be written more than once without harm; batches move exactly once, by the mark.

use crate::ledger::{Known, Ledger, OpenBlock, SpoolState};
use crate::recovery::FoldMark;
use crate::retention::Aged;
use crate::slice::Slice;
use crate::tail::{Generation, Reported, TailBatch, VehicleTail};
use std::collections::{BTreeMap, VecDeque};
use std::mem;
use waygate_core::id::{SpoolId, VehicleId};
use waygate_core::time::Wall;

/// A block stops growing once it has this many bytes: a few pages, so that a day of a vehicle is a few reads.
const BLOCK_BYTES: u64 = 8 * 1024;

/// Bytes of work that make a slice worth its statements.
const SLICE_BYTES_MIN: usize = 32 * 1024;

/// Bytes folded for each byte committed; above 2.9 a fold is done before the next generation is full.
const PACE: usize = 4;

/// What a vehicle costs in a slice beside its batches, in bytes of the same effort.
const VEHICLE_COST_BYTES: usize = 64;

/// What a command costs beside its body, and a transition: less than each took in the journal, for the pace.
const ROW_COST_BYTES: usize = 32;

/// The fold that is under way, if one is.
#[derive(Debug, Default)]
pub(crate) struct Fold {
    pub(crate) mark: FoldMark,
    /// Vehicles of the frozen generation that are not folded, by number, highest first.
    waiting: Vec<(i64, VehicleId)>,
    /// Rows that are folded and not deleted.
    spent: VecDeque<(i64, usize)>,
    debt: usize,
    last_block: i64,
}

impl Fold {
    /// Goes on with a fold that was under way when the database was closed.
    pub(crate) fn resume(mark: FoldMark, last_block: i64, frozen: &Generation) -> Self {
        let mut fold = Self { mark, last_block, ..Self::default() };
        fold.take(frozen);
        fold
    }

    /// Freezes the active generation if it is full and no fold is under way.
    pub(crate) fn freeze(&mut self, active: &mut Generation, frozen: &mut Generation, fold_bytes: usize) {
        let idle = self.mark.target == self.mark.through && self.spent.is_empty();
        if !idle || !active.is_full(fold_bytes) {
            return;
        }
        *frozen = mem::take(active);
        self.mark.target = frozen.rows.last().map_or(self.mark.through, |(id, _)| *id);
        self.mark.vehicle = 0;
        self.take(frozen);
    }

    fn take(&mut self, frozen: &Generation) {
        self.waiting = frozen.vehicles.iter().map(|(id, tail)| (tail.number, id.clone())).collect();
        self.waiting.sort_unstable_by_key(|(number, _)| std::cmp::Reverse(*number));
        self.spent = frozen.rows.iter().copied().collect();
    }

    /// The slice that goes with a commit of `committed` bytes, if there is one to do. `wall` tells the age of things.
    pub(crate) fn next_slice(
        &mut self,
        frozen: &Generation,
        ledger: &mut Ledger,
        committed: usize,
        wall: fn() -> Wall,
    ) -> Option<Slice> {
        let folding = self.mark.target != self.mark.through;
        if !folding && self.spent.is_empty() {
            self.debt = 0;
            return None;
        }
        self.debt += PACE * committed;
        if self.debt < SLICE_BYTES_MIN {
            return None;
        }
        let mut budget = mem::take(&mut self.debt);
        let mut slice = Slice::default();
        if folding {
            while budget > 0
                && let Some((number, vehicle)) = self.waiting.pop()
            {
                if let Some(tail) = frozen.vehicles.get(&vehicle) {
                    budget = budget.saturating_sub(self.vehicle(&mut slice, ledger, &vehicle, tail));
                }
                self.mark.vehicle = number + 1;
                slice.vehicles.push(vehicle);
            }
            if self.waiting.is_empty() {
                self.mark.through = self.mark.target;
                self.mark.vehicle = 0;
            }
        } else {
            while budget > 0
                && let Some((id, bytes)) = self.spent.pop_front()
            {
                // Deleting touches a page where folding touches several.
                budget = budget.saturating_sub(bytes / 4 + 1);
                slice.delete_through = id;
            }
        }
        slice.mark = self.mark;
        slice.aged = Aged::at(wall(), slice.added);
        Some(slice)
    }

    /// Adds a vehicle to the slice; returns what it cost.
    fn vehicle(&mut self, slice: &mut Slice, ledger: &mut Ledger, vehicle: &VehicleId, tail: &VehicleTail) -> usize {
        let mut cost = VEHICLE_COST_BYTES;
        let number = tail.number;
        match tail.presence() {
            None => {}
            Some(None) => slice.forgotten.push(format_args!("{number}")),
            Some(Some(record)) => slice.presence(number, record),
        }
        if let Some(reported) = tail.reported() {
            cost += self.reported(slice, ledger.entry(vehicle), number, reported);
        }
        for record in tail.commands.values() {
            cost += ROW_COST_BYTES + record.body.len();
            slice.command(number, record);
        }
        for record in &tail.transitions {
            cost += ROW_COST_BYTES;
            slice.transition(number, record);
        }
        slice.cut_back(number, tail);
        cost
    }

    /// Adds what it reported.
    fn reported(&mut self, slice: &mut Slice, known: &mut Known, number: i64, reported: &Reported) -> usize {
        let mut cost = 0;
        if let Some(latest) = &reported.latest {
            slice.latest(number, latest);
        }
        for (path, (t, value)) in &reported.signals {
            cost += slice.signal(number, path, *t, value);
        }
        let mut batches = BTreeMap::<SpoolId, Vec<&TailBatch>>::new();
        for batch in &reported.batches {
            cost += batch.sealed().len();
            batches.entry(batch.spool).or_default().push(batch);
        }
        for spool in &reported.spools {
            let state = known.spool_mut(*spool);
            if let Some(mut batches) = batches.remove(spool) {
                batches.sort_by_key(|batch| (batch.at.t_min, batch.at.first_seq));
                self.blocks(slice, number, *spool, state, &batches);
            }
            slice.spool(number, *spool, state);
        }
        cost
    }

    /// Lays the batches of one spool into its open block and into new ones.
    fn blocks(
        &mut self,
        slice: &mut Slice,
        number: i64,
        spool: SpoolId,
        state: &mut SpoolState,
        batches: &[&TailBatch],
    ) {
        let mut rest = batches;
        while let Some(first) = rest.first() {
            let fits = |open: &OpenBlock| open.bytes < BLOCK_BYTES && open.t_min <= first.at.t_min;
            let (mut block, is_new) = match state.open.take() {
                Some(open) if fits(&open) => (open, false),
                other => {
                    if let Some(closed) = other {
                        slice.closed_blocks.push(format_args!("{},{}", closed.id, closed.t_max.0));
                    }
                    self.last_block += 1;
                    (OpenBlock { id: self.last_block, bytes: 0, t_min: first.at.t_min, t_max: first.at.t_max }, true)
                }
            };
            let rows = if is_new { &mut slice.new_blocks } else { &mut slice.grown_blocks };
            let at = rows.pool.len();
            let taken = rest.iter().take_while(|batch| {
                let room = block.bytes < BLOCK_BYTES;
                if room {
                    rows.pool.extend_from_slice(batch.sealed());
                    block.bytes += batch.sealed().len() as u64;
                    block.t_max = block.t_max.max(batch.at.t_max);
                    self.mark.batches += 1;
                    self.mark.records += i64::from(batch.at.count);
                }
                room
            });
            rest = &rest[taken.count()..];
            let len = rows.pool.len() - at;
            let full = block.bytes >= BLOCK_BYTES;
            if is_new {
                let t_max = if full { block.t_max.0 } else { i64::MAX };
                let (id, t_min) = (block.id, block.t_min.0);
                rows.push(format_args!("{id},{number},{},{t_min},{t_max},{at},{len}", spool.0 as i64));
            } else {
                rows.push(format_args!("{},{at},{len}", block.id));
                if full {
                    slice.closed_blocks.push(format_args!("{},{}", block.id, block.t_max.0));
                }
            }
            state.open = (!full).then_some(block);
        }
    }
}
