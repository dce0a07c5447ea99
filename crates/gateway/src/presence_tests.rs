use super::all;
use waygate_core::view::Tally;

#[test]
fn those_who_sleep_are_counted_among_all() {
    let tally = Tally { online: 1, idle: 10, asleep: 100, unreachable: 1000, offline: 10_000, stale: 100_000 };
    assert_eq!(all(tally), 111_111);
}
