use super::*;

fn punctual(clock: &mut OwnTime, from: u64, to: u64) {
    for at in (from..=to).step_by(POLL.0 as usize) {
        clock.advance(Mono(at));
    }
}

#[test]
fn a_node_that_runs_counts_every_millisecond() {
    let mut clock = OwnTime::default();
    punctual(&mut clock, 10_000, 20_000);
    clock.advance(Mono(20_003));
    assert_eq!((clock.now(), clock.doubt()), (10_003, 0));
    assert_eq!(clock.when(Some(10_005)), Some(Mono(20_005)));
    assert_eq!(clock.when(Some(99_000)), Some(Mono(20_003) + POLL));
    assert_eq!(clock.when(None), Some(Mono(20_003) + POLL));
}

#[test]
fn time_in_which_the_node_did_not_run_is_not_counted() {
    let mut clock = OwnTime::default();
    punctual(&mut clock, 0, 1000);
    clock.advance(Mono(21_000));
    assert!(clock.now() <= 1000 + POLL.0, "{}", clock.now());
}

#[test]
fn after_it_the_clock_goes_slower_and_then_as_before() {
    let mut clock = OwnTime::default();
    punctual(&mut clock, 0, 1000);
    clock.advance(Mono(5000));
    let (before, doubt) = (clock.now(), clock.doubt());
    assert!(doubt >= 3);
    clock.advance(Mono(5250));
    assert_eq!(clock.now(), before + 250 / (doubt + 1));
    punctual(&mut clock, 5250, 5000 + TRUST_AGAIN.0 * (doubt + 1));
    assert_eq!(clock.doubt(), 0);
    let before = clock.now();
    clock.advance(Mono(5000 + TRUST_AGAIN.0 * (doubt + 1) + 200));
    assert!(clock.now() >= before + 200);
}

#[test]
fn doubt_has_an_end() {
    let mut clock = OwnTime::default();
    clock.advance(Mono(0));
    for late in 1..100 {
        clock.advance(Mono(late * 10_000));
    }
    assert_eq!(clock.doubt(), DOUBT_MAX);
    let due = clock.now() + 10;
    assert_eq!(clock.when(Some(due)), Some(Mono(990_000) + Millis(80)));
}

#[test]
fn a_little_late_is_no_reason_to_doubt() {
    let mut clock = OwnTime::default();
    clock.advance(Mono(0));
    clock.advance(Mono(POLL.0 + LATE.0 - 1));
    assert_eq!(clock.doubt(), 0);
    clock.advance(Mono(2 * (POLL.0 + LATE.0)));
    assert_eq!(clock.doubt(), 1);
}
