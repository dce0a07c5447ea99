use super::{AHEAD_MAX, Epoch};
use crate::time::{Millis, Wall};
use proptest::prelude::*;

const NOON: Wall = Wall(1_795_219_200_000);

#[test]
fn without_history_the_epoch_is_the_clock() {
    assert_eq!(Epoch::next(None, None, NOON), Epoch(1_795_219_200_000 << 16));
    assert_eq!(Epoch::next(None, None, Wall(-1)), Epoch(0), "a clock before 1970 orders nothing");
}

#[test]
fn an_epoch_is_too_far_ahead_a_day_after_the_clock_and_not_a_bit_earlier() {
    let limit = Epoch::of_clock(NOON + AHEAD_MAX);
    assert!(!limit.too_far_ahead(NOON));
    assert!(Epoch(limit.0 + 1).too_far_ahead(NOON));
    assert!(!Epoch(0).too_far_ahead(NOON), "the past is no offence");
}

proptest! {
    #[test]
    fn the_next_epoch_is_above_all_that_is_known_and_not_behind_the_clock(
        presented in prop::option::of(0u64..1 << 60), known in prop::option::of(0u64..1 << 60), wall in 0i64..1 << 43
    ) {
        let (presented, known) = (presented.map(Epoch), known.map(Epoch));
        let next = Epoch::next(presented, known, Wall(wall));
        prop_assert!(presented.is_none_or(|it| next > it) && known.is_none_or(|it| next > it));
        prop_assert!(next >= Epoch::of_clock(Wall(wall)));
    }

    #[test]
    fn later_clocks_make_higher_epochs(wall in 0i64..1 << 43, span in 1u64..1 << 40) {
        prop_assert!(Epoch::of_clock(Wall(wall) + Millis(span)) > Epoch::of_clock(Wall(wall)));
    }
}
