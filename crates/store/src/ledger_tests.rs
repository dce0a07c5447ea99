use super::{CACHED_MAX, Ledger};
use crate::journal::{BatchEntry, Entry};
use crate::tail::Tail;
use std::sync::Arc;
use waygate_core::id::{SpoolId, VehicleId};
use waygate_core::limits::SPOOL_RANGES_MAX;
use waygate_core::ranges::SeqRanges;

#[test]
fn what_is_not_folded_stays_when_the_rest_is_evicted() {
    let vehicle = |n: usize| VehicleId::new(&format!("LUX-{n}")).unwrap();
    let mut ledger = Ledger::default();
    let mut tail = Tail::default();
    let (settled, spool) = (SeqRanges::new(), SpoolId(1));
    let batch = BatchEntry { vehicle: 7, spool, settled, latest: None, signals: Vec::new(), sealed: None };
    tail.add_row(false, 1, &Arc::default(), vec![(vehicle(7), Entry::Batch(batch))]);
    for n in 0..100 {
        for spool in 0..3 {
            ledger.entry(&vehicle(n)).spool_mut(SpoolId(spool)).settled.insert(1, 5);
        }
    }
    ledger.look_up(CACHED_MAX);
    ledger.evict(&tail);
    assert!(ledger.knows(&vehicle(8), Some(SpoolId(1))), "nothing is dropped before there is too much");
    ledger.look_up(1);
    ledger.evict(&tail);
    assert!(!ledger.knows(&vehicle(8), None));
    assert!(ledger.knows(&vehicle(7), Some(SpoolId(1))));
    assert!(!ledger.knows(&vehicle(7), Some(SpoolId(2))));
}

#[test]
fn of_what_another_gateway_has_stored_holes_beyond_the_bound_are_left_out() {
    let mut known = super::Known::default();
    let every_other = |from: u64, count: u64| (0..count).map(move |n| (from + 2 * n, from + 2 * n)).collect();
    let held: SeqRanges = every_other(10, SPOOL_RANGES_MAX as u64 - 1);
    assert_eq!(known.settle(SpoolId(7), &held), held);
    // One more hole has room; of the others only what touches a range that is there.
    let beyond = 10 + 2 * SPOOL_RANGES_MAX as u64 + 100;
    let told = SeqRanges::from_iter([(1, 1), (9, 10), (beyond, beyond + 1)]);
    assert_eq!(known.settle(SpoolId(7), &told), SeqRanges::from_iter([(1, 1), (9, 9)]));
    let told = SeqRanges::from_iter([(11, 11), (beyond, beyond + 1)]);
    assert_eq!(known.settle(SpoolId(7), &told), told, "11 makes two ranges one");
    assert_eq!(known.spool(SpoolId(7)).unwrap().settled.len(), SPOOL_RANGES_MAX);
}
