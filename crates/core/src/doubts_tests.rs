use super::Doubts;
use crate::epoch::Epoch;
use crate::id::VehicleId;
use crate::limits::ATTACH_DOUBTS_MAX;

/// Later ones come earlier in the alphabet.
fn vehicle(n: usize) -> VehicleId {
    VehicleId::new(&format!("veh-{:06}", 999_999 - n)).unwrap()
}

#[test]
fn the_highest_epoch_counts_until_a_write_is_on_disk() {
    let mut doubts = Doubts::default();
    for epoch in [5, 9, 7] {
        doubts.raise(vehicle(1), Epoch(epoch));
    }
    assert_eq!((doubts.of(&vehicle(1)), doubts.of(&vehicle(2))), (Some(Epoch(9)), None));
    assert_eq!(doubts.settle(&vehicle(1)), Some(Epoch(9)));
    assert_eq!((doubts.of(&vehicle(1)), doubts.turns.len()), (None, 0));
}

#[test]
fn of_too_many_the_one_that_failed_longest_ago_is_forgotten() {
    let mut doubts = Doubts::default();
    for n in 0..ATTACH_DOUBTS_MAX {
        doubts.raise(vehicle(n), Epoch(n as u64 + 1));
    }
    // This one failed again, so another is the oldest.
    doubts.raise(vehicle(0), Epoch(1));
    doubts.raise(vehicle(ATTACH_DOUBTS_MAX), Epoch(1));
    assert_eq!((doubts.of.len(), doubts.turns.len()), (ATTACH_DOUBTS_MAX, ATTACH_DOUBTS_MAX));
    let known = [0, 1, 2, ATTACH_DOUBTS_MAX].map(|n| doubts.of(&vehicle(n)).is_some());
    assert_eq!(known, [true, false, true, true]);
}
