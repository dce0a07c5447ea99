use super::{FENCES_MAX, Fences};
use waygate_core::epoch::Epoch;
use waygate_core::id::VehicleId;

fn vehicle(n: usize) -> VehicleId {
    VehicleId::new(&format!("LUX-{n}")).unwrap()
}

#[test]
fn a_fence_rises_and_never_falls() {
    let mut fences = Fences::default();
    for (epoch, expected) in [(5, 5), (3, 5), (9, 9)] {
        fences.raise(&vehicle(1), Epoch(epoch));
        assert_eq!(fences.of(&vehicle(1)), Some(Epoch(expected)));
    }
    assert_eq!(fences.of(&vehicle(2)), None);
}

#[test]
fn what_was_fenced_longest_ago_is_let_go_when_there_are_too_many() {
    let mut fences = Fences::default();
    for n in 0..FENCES_MAX {
        fences.raise(&vehicle(n), Epoch(1));
    }
    // Fenced anew, the first is the last.
    fences.raise(&vehicle(0), Epoch(1));
    fences.raise(&vehicle(FENCES_MAX), Epoch(1));
    assert_eq!(fences.of(&vehicle(0)), Some(Epoch(1)));
    assert_eq!(fences.of(&vehicle(1)), None);
    assert_eq!(fences.of(&vehicle(2)), Some(Epoch(1)));
    assert_eq!((fences.by_vehicle.len(), fences.turns.len()), (FENCES_MAX, FENCES_MAX));
}

#[test]
fn a_fence_replaced_in_a_commit_that_failed_stands_again() {
    let mut fences = Fences::default();
    fences.raise(&vehicle(1), Epoch(5));
    fences.begin();
    fences.replace(&vehicle(1));
    assert_eq!(fences.of(&vehicle(1)), None);
    fences.begin();
    assert_eq!(fences.of(&vehicle(1)), Some(Epoch(5)));
    fences.replace(&vehicle(1));
    fences.committed();
    fences.begin();
    assert_eq!(fences.of(&vehicle(1)), None);
    assert!(fences.turns.is_empty());
}
