//! From a write of the core to batches of the store, in the columnar form of the wire.

use crate::feed::{Committed, Place};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use waygate_core::ingest::Write;
use waygate_core::ranges::SeqRanges;
use waygate_core::record::{SignalPath, SignalValue, Telemetry};
use waygate_core::time::Wall;
use waygate_store::{Batch, Latest, Write as StoreWrite};
use waygate_wire::encode_columns;

/// The batches of a write, and what the feed is told once they are committed.
pub fn batches(write: &Write) -> (Vec<StoreWrite>, Committed) {
    let mut refused = write.settled.clone();
    let mut stored = SeqRanges::new();
    let mut writes = Vec::with_capacity(write.runs.len());
    for run in &write.runs {
        stored.insert(run.first_seq, run.last_seq());
        writes.push(StoreWrite::Batch(batch(write, run)));
    }
    if stored != write.settled {
        refused = refused.without(&stored);
        // They are settled without being stored.
        let refusal = |range: RangeInclusive<u64>| {
            let settled = SeqRanges::from_iter([(*range.start(), *range.end())]);
            Batch::of_nothing(write.vehicle.clone(), write.epoch, write.spool, settled, write.received)
        };
        writes.extend(refused.iter().map(|range| StoreWrite::Batch(refusal(range))));
    }
    // In the order of their numbers, so that what is settled grows without holes.
    writes.sort_by_key(|write| match write {
        StoreWrite::Batch(batch) => batch.first_seq,
        StoreWrite::Attach { .. }
        | StoreWrite::Presence(_)
        | StoreWrite::Forget { .. }
        | StoreWrite::Fence { .. }
        | StoreWrite::Settle { .. }
        | StoreWrite::Command(_)
        | StoreWrite::Transition(_) => 0,
    });
    let latest = write.runs.iter().filter_map(latest).max_by_key(|latest| latest.t);
    let committed = Committed {
        place: latest.map(|latest| Place { vehicle: write.vehicle.clone(), latest }),
        records: write.runs.iter().map(|run| run.records.len() as u64).sum(),
    };
    (writes, committed)
}

fn batch(write: &Write, run: &Telemetry) -> Batch {
    let times = || run.records.iter().map(|record| record.t);
    Batch {
        vehicle: write.vehicle.clone(),
        epoch: write.epoch,
        spool: write.spool,
        first_seq: run.first_seq,
        last_seq: run.last_seq(),
        settled: SeqRanges::from_iter([(run.first_seq, run.last_seq())]),
        received: write.received,
        t_min: times().min().unwrap_or(write.received),
        t_max: times().max().unwrap_or(write.received),
        count: run.records.len() as u32,
        columns: encode_columns(run),
        latest: latest(run),
        latest_signals: latest_signals(run),
    }
}

/// The latest position by device time; of equal times the first.
fn latest(run: &Telemetry) -> Option<Latest> {
    let fixes = run.records.iter().filter_map(|record| record.fix.map(|fix| Latest { t: record.t, fix }));
    fixes.reduce(|best, next| if next.t > best.t { next } else { best })
}

fn latest_signals(run: &Telemetry) -> Vec<(SignalPath, Wall, SignalValue)> {
    let mut latest: BTreeMap<&SignalPath, (Wall, &SignalValue)> = BTreeMap::new();
    for record in &run.records {
        for (path, value) in &record.signals {
            let held = latest.entry(path).or_insert((record.t, value));
            if record.t > held.0 {
                *held = (record.t, value);
            }
        }
    }
    latest.into_iter().map(|(path, (t, value))| (path.clone(), t, value.clone())).collect()
}
