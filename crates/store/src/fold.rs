//! Moving the journal into the tables by vehicle, a slice with every few commits.
//!
//! A generation of journal rows is frozen once it is large enough, and its vehicles are folded in the order
//! of their numbers, some in each slice. A slice is part of the transaction of the commit it rides on: no sync
//! of its own, and after a crash the mark in the table `fold` says exactly which vehicles are done. Its size
//! follows that of the commits, so that no commit waits long and the fold is always done before the next
//! generation is full.
//!
//! State by vehicle may be written more than once without harm; batches move exactly once, by the mark.

use crate::bytes::put_ranges;
use crate::ledger::{Ledger, OpenBlock, SpoolState};
use crate::recovery::FoldMark;
use crate::signal::put_value;
use crate::tail::{Generation, TailBatch, VehicleTail};
use crate::write::{Latest, PresenceRecord};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::mem;
use waygate_core::id::{SpoolId, VehicleId};

/// A block stops growing once it has this many bytes: a few pages, so that a day of a vehicle is a few reads.
const BLOCK_BYTES: u64 = 8 * 1024;

/// Bytes of work that make a slice worth its statements.
const SLICE_BYTES_MIN: usize = 32 * 1024;

/// Bytes folded for each byte committed; above 2.9 a fold is done before the next generation is full.
const PACE: usize = 4;

/// What a vehicle costs in a slice beside its batches, in bytes of the same effort.
const VEHICLE_COST_BYTES: usize = 64;

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

/// What one slice writes, table by table.
#[derive(Debug, Default)]
pub(crate) struct Slice {
    pub(crate) new_blocks: Rows,
    pub(crate) grown_blocks: Rows,
    pub(crate) closed_blocks: Rows,
    pub(crate) spools: Rows,
    pub(crate) presence: Rows,
    pub(crate) forgotten: Rows,
    pub(crate) latest: Rows,
    pub(crate) signals: Rows,
    /// Journal rows up to here are deleted.
    pub(crate) delete_through: i64,
    pub(crate) mark: FoldMark,
    /// Who is folded with it; to leave the frozen generation once the slice is on disk.
    pub(crate) vehicles: Vec<VehicleId>,
}

/// Rows of one table: their numbers as a JSON array of arrays, their bytes one after the other.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    json: String,
    pub(crate) pool: Vec<u8>,
}

impl Rows {
    fn push(&mut self, row: std::fmt::Arguments<'_>) {
        let separator = if self.json.is_empty() { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(self.json, "{separator}[{row}]");
    }

    pub(crate) fn json(&self) -> String {
        format!("[{}]", self.json)
    }
}

/// A number or null, in JSON.
struct Nullable<T>(Option<T>);

impl<T: std::fmt::Display> std::fmt::Display for Nullable<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            None => f.write_str("null"),
            Some(n) => n.fmt(f),
        }
    }
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
        if !idle || active.bytes < fold_bytes {
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

    /// The slice that goes with a commit of `committed` bytes, if there is one to do.
    pub(crate) fn next_slice(&mut self, frozen: &Generation, ledger: &mut Ledger, committed: usize) -> Option<Slice> {
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
        Some(slice)
    }

    /// Adds a vehicle to the slice; returns what it cost.
    fn vehicle(&mut self, slice: &mut Slice, ledger: &mut Ledger, vehicle: &VehicleId, tail: &VehicleTail) -> usize {
        let mut cost = VEHICLE_COST_BYTES;
        let number = tail.number;
        match &tail.presence {
            None => {}
            Some(None) => slice.forgotten.push(format_args!("{number}")),
            Some(Some(record)) => push_presence(&mut slice.presence, number, record),
        }
        if let Some(latest) = &tail.latest {
            push_latest(&mut slice.latest, number, latest);
        }
        for (path, (t, value)) in &tail.signals {
            let at = slice.signals.pool.len();
            put_value(&mut slice.signals.pool, value);
            let len = slice.signals.pool.len() - at;
            cost += len;
            slice.signals.push(format_args!("{number},\"{}\",{},{at},{len}", path.as_str(), t.0));
        }
        let mut batches = BTreeMap::<SpoolId, Vec<&TailBatch>>::new();
        for batch in &tail.batches {
            cost += batch.sealed().len();
            batches.entry(batch.spool).or_default().push(batch);
        }
        for spool in &tail.spools {
            let state = ledger.entry(vehicle).spool_mut(*spool);
            if let Some(mut batches) = batches.remove(spool) {
                batches.sort_by_key(|batch| (batch.at.t_min, batch.at.first_seq));
                self.blocks(slice, number, *spool, state, &batches);
            }
            push_spool(&mut slice.spools, number, *spool, state);
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

fn push_presence(rows: &mut Rows, number: i64, record: &PresenceRecord) {
    rows.push(format_args!(
        "{number},{},{},{},{},{},{},{}",
        record.epoch.0 as i64,
        record.session.0 as i64,
        record.state,
        record.cause,
        Nullable(record.cell.map(|cell| cell.index() as i64)),
        record.contact.0,
        Nullable(record.spool.map(|spool| spool.0 as i64)),
    ));
}

fn push_latest(rows: &mut Rows, number: i64, latest: &Latest) {
    let fix = &latest.fix;
    rows.push(format_args!(
        "{number},{},{},{},{},{},{},{}",
        latest.t.0,
        fix.position.lat_e7,
        fix.position.lon_e7,
        Nullable(fix.alt_cm),
        Nullable(fix.speed_cms),
        Nullable(fix.heading_cdeg),
        Nullable(fix.hdop_centi),
    ));
}

fn push_spool(rows: &mut Rows, number: i64, spool: SpoolId, state: &SpoolState) {
    let at = rows.pool.len();
    put_ranges(&mut rows.pool, &state.settled);
    let len = rows.pool.len() - at;
    let open = state.open;
    rows.push(format_args!(
        "{number},{},{at},{len},{},{},{},{}",
        spool.0 as i64,
        Nullable(open.map(|block| block.id)),
        Nullable(open.map(|block| block.bytes)),
        Nullable(open.map(|block| block.t_min.0)),
        Nullable(open.map(|block| block.t_max.0)),
    ));
}
