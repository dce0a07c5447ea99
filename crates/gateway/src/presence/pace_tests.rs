use super::*;

#[test]
fn what_is_new_after_a_pause_goes_at_once_and_what_follows_waits_for_the_rest_of_it() {
    let mut pace = Pace::default();
    pace.looked(Mono(1_000), 0);
    assert_eq!(pace.due(0), Mono(1_100), "nothing is new");
    assert!(pace.due(1) <= Mono(1_010), "nothing new went out lately");
    pace.looked(Mono(1_010), 1);
    assert_eq!(pace.due(1), Mono(1_110));
    assert_eq!(pace.due(2), Mono(1_110), "something new went out just now");
    pace.looked(Mono(1_110), 1);
    assert_eq!(pace.due(1), Mono(1_210));
    assert!(pace.due(2) <= Mono(1_110), "the pause since what was new is over, though they were looked at just now");
}

#[test]
fn a_busy_gateway_sends_as_often_as_it_looks() {
    let mut pace = Pace::default();
    let mut at = Vec::new();
    for now in 1_000..2_000 {
        // Something is said every millisecond.
        if pace.due(now) <= Mono(now) {
            pace.looked(Mono(now), now);
            at.push(now);
        }
    }
    assert_eq!(at, (1_000..2_000).step_by(100).collect::<Vec<_>>());
}
