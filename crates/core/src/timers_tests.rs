use super::{TimerConflict, Timers};
use crate::time::Millis;

#[test]
fn the_defaults_are_those_of_the_protocol() {
    let timers = Timers::default();
    assert_eq!(timers.check(), Ok(()));
    assert_eq!(timers.silence_max(), Millis::secs(75));
    assert_eq!((timers.reachable, timers.implicit_detach), (Millis::secs(58 * 60), Millis::secs(58 * 60)));
}

#[test]
fn timers_under_which_an_honest_vehicle_would_be_given_up_are_refused() {
    let good = Timers::default();
    let table = [
        (Timers { ping: Millis(0), ..good }, ("zero", "ping and pong")),
        (Timers { pong: Millis(0), ..good }, ("zero", "ping and pong")),
        (Timers { periodic_update: good.reachable, ..good }, ("periodic_update", "reachable")),
        (Timers { hold: good.reachable, ..good }, ("ping + pong + hold", "reachable")),
        (Timers { active: good.sleep, ..good }, ("active", "sleep")),
        (Timers { sleep_grace: Millis(1), ..good }, ("ping + pong", "sleep_grace")),
        (Timers { purge: good.implicit_detach, ..good }, ("implicit_detach", "purge")),
    ];
    for (timers, (shorter, longer)) in table {
        assert_eq!(timers.check(), Err(TimerConflict { shorter, longer }));
    }
    let text = Timers { hold: good.reachable, ..good }.check().unwrap_err().to_string();
    assert_eq!(text, "timer ping + pong + hold must be shorter than reachable");
}

#[test]
fn a_span_told_in_seconds_is_never_shorter_than_it_is() {
    for (ms, secs) in [(0, 0), (1, 1), (1000, 1), (1001, 2)] {
        assert_eq!(Millis(ms).as_secs_ceil(), secs);
    }
}
