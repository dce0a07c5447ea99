use super::{READING_LIFE, Reading, sent_at};
use tonic::Code;
use waygate_core::id::Incarnation;
use waygate_core::time::{Millis, Mono};
use waygate_wire::proto::Moment;

#[test]
fn a_moment_on_a_peers_clock_is_never_later_than_what_that_clock_shows() {
    // The peer read its clock at 7000; the answer took 300 ms.
    let reading = Reading { incarnation: Incarnation(1), clock: Mono(7000), read: Mono(100_300) };
    assert_eq!(reading.at(Mono(100_300)), Some(Mono(7000)));
    // Two peers: one answered at the last moment and its clock is slower by a thousandth, one answered at once and its clock
    // is as fast as this one.
    for later in [1_u64, 500, 1000, 59_999] {
        let told = reading.at(Mono(100_300 + later)).unwrap().0 as f64;
        let (slow, fast) = (7000.0 + later as f64 * 0.999, 7300.0 + later as f64);
        assert!(told <= slow && fast - told <= 300.0 + 61.0, "{later}: {told}, {slow} to {fast}");
    }
    assert_eq!(reading.at(Mono(100_300) + READING_LIFE), None);
}

#[test]
fn what_lay_on_its_way_is_read_as_of_when_it_was_sent() {
    let sent = |incarnation, clock_ms| Some(Moment { incarnation, clock_ms });
    let now = Mono(90_000);
    assert_eq!(sent_at(Incarnation(2), now, sent(2, 30_000)).unwrap(), now.before(Millis::secs(60)));
    assert_eq!(sent_at(Incarnation(2), now, sent(2, 90_001)).unwrap(), now, "nothing was sent in the future");
    assert_eq!(sent_at(Incarnation(2), now, sent(1, 30_000)).unwrap_err().code(), Code::FailedPrecondition);
    assert_eq!(sent_at(Incarnation(2), now, None).unwrap_err().code(), Code::InvalidArgument);
}
