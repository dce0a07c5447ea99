use super::Gate;
use std::collections::BTreeSet;
use waygate_core::admission::{BACKOFF_MAX, BACKOFF_MIN, Class, Settings, Verdict};
use waygate_core::time::{Millis, Mono};

const SETTINGS: Settings = Settings { wait_max: Millis::secs(2), queue_max: 1, per_second_max: None };
const NOW: Mono = Mono(1 << 40);

#[test]
fn those_told_before_the_presence_task_and_by_it_stand_in_one_queue() {
    let mut gate = Gate::new(SETTINGS, NOW);
    let pressure = gate.pressure();
    // A hundred a second, before anything is measured.
    let turn = |k: u64| Millis(BACKOFF_MIN.0 + k * 10);
    assert_eq!(gate.ask(NOW, Class::Other, true), Verdict::Admitted);
    gate.begun(NOW);
    assert_eq!(gate.ask(NOW, Class::Other, true), Verdict::Refused { backoff: turn(1) });
    assert_eq!((pressure.refuse(), pressure.refuse()), (turn(2), turn(3)));
    gate.share(NOW);
    assert_eq!(pressure.refuse(), turn(4));
    gate.answered(NOW, true);
    gate.share(NOW);
    assert_eq!(gate.ask(NOW, Class::Resume, false), Verdict::Refused { backoff: turn(5) }, "the journal has no room");
    assert_eq!(gate.ask(NOW, Class::Other, true), Verdict::Admitted);
}

#[test]
fn a_retry_after_is_spread_between_once_and_twice_the_backoff() {
    let gate = Gate::new(SETTINGS, NOW);
    let pressure = gate.pressure();
    let seconds: BTreeSet<_> = (0..500).map(|_| pressure.retry_after_s()).collect();
    assert!(seconds.len() > 10, "{seconds:?}");
    assert!(seconds.iter().all(|s| *s >= BACKOFF_MIN.as_secs_ceil() && *s <= 41), "at most 20 s, twice: {seconds:?}");
    gate.pressure().told_here.store(u64::MAX / 2, std::sync::atomic::Ordering::Relaxed);
    assert!(pressure.retry_after_s() >= BACKOFF_MAX.as_secs_ceil());
}
