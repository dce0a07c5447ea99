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
    for later in [1, 500, 1000, 59_999] {
        let told = reading.at(Mono(100_300 + later)).unwrap();
        // A peer whose clock is slower by a thousandth, and that answered at the last moment.
        let slowest = 7000 + later - later.div_ceil(1000);
        assert!(told.0 <= slowest && told.0 + 100 >= slowest, "{told:?} {slowest}");
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
