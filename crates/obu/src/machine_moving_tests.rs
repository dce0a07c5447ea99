use super::*;

#[test]
fn a_goodbye_waits_for_the_acks_and_ends_the_session() {
    let mut unit = Unit::attached(&["a"]);
    unit.record(1);
    let asked = unit.apply(Event::DetachRequested(DetachCause::IgnitionOff)).asked();
    assert!(matches!(asked.as_slice(), [A::SendRecords { .. }]), "{asked:?}");
    unit.apply(Event::RecordsSent { first: 1, last: 1, bytes: 50 }).out.clear();
    let asked = unit.receive(ack(1)).asked();
    assert_eq!(asked[1..], [send(Uplink::Detach(DetachCause::IgnitionOff)), CLOSE]);
    assert_eq!((unit.machine.state(), unit.machine.next_deadline()), (State::Stopped, None));
    assert_eq!(unit.apply(Event::AttachRequested).asked(), [connect("a")]);
    let request = unit.connected();
    assert_eq!((request.kind, request.token.is_some()), (AttachKind::Initial, true));
}

#[test]
fn a_goodbye_does_not_wait_for_ever() {
    let mut unit = Unit::attached(&["a"]);
    unit.record(1);
    unit.apply(Event::DetachRequested(DetachCause::Shutdown));
    unit.apply(Event::RecordsSent { first: 1, last: 1, bytes: 50 }).out.clear();
    assert_eq!(unit.wait().asked(), [send(Uplink::Detach(DetachCause::Shutdown)), CLOSE]);
    assert_eq!(unit.now, Mono(1000) + GOODBYE_WAIT);
}

#[test]
fn a_goodbye_that_is_taken_back_leaves_the_session_as_it_is() {
    let mut unit = Unit::attached(&["a"]);
    unit.record(1);
    unit.apply(Event::DetachRequested(DetachCause::Shutdown));
    unit.apply(Event::RecordsSent { first: 1, last: 1, bytes: 50 });
    unit.apply(Event::AttachRequested).receive(ack(1));
    assert_eq!(unit.machine.state(), State::Attached);
}

#[test]
fn a_goodbye_before_the_accept_is_said_after_it() {
    let mut unit = Unit::new(&["a"]);
    unit.apply(Event::AttachRequested);
    unit.apply(Event::DetachRequested(DetachCause::Service));
    unit.connected();
    let asked = unit.receive(accept()).asked();
    assert_eq!(asked[1..], [send(Uplink::Detach(DetachCause::Service)), CLOSE]);
}

#[test]
fn a_goodbye_that_the_socket_does_not_outlast_still_ends_the_unit() {
    let mut unit = Unit::attached(&["a"]);
    unit.record(1);
    unit.apply(Event::DetachRequested(DetachCause::IgnitionOff));
    unit.apply(lost(None));
    assert_eq!((unit.machine.state(), unit.machine.next_deadline()), (State::Stopped, None));
}

#[test]
fn a_unit_without_a_session_just_stops() {
    let mut unit = Unit::new(&["a"]);
    unit.apply(Event::AttachRequested);
    unit.apply(refused());
    unit.apply(Event::DetachRequested(DetachCause::Shutdown));
    assert_eq!(unit.machine.state(), State::Stopped);
}

#[test]
fn a_superseded_unit_does_not_fight() {
    let mut unit = Unit::attached(&["a", "b"]);
    let order = Downlink::DetachOrder { cause: OrderCause::Superseded, reattach: false };
    assert_eq!(unit.receive(order).asked(), [CLOSE]);
    assert!(unit.machine.next_deadline().unwrap().since(unit.now) >= Millis::secs(96));
    assert_eq!(unit.machine.gateway(), "a");
}

#[test]
fn a_drained_unit_goes_to_the_next_gateway_also_if_only_the_close_code_says_so() {
    let order = Event::MessageReceived {
        link: MAIN,
        message: Downlink::DetachOrder { cause: OrderCause::Draining, reattach: true },
        random: 0,
    };
    let close = lost(Some(4503));
    for event in [order, close] {
        let mut unit = Unit::attached(&["a", "b"]);
        unit.apply(event).out.clear();
        assert_eq!(unit.wait().asked(), [connect("b")]);
    }
}

#[test]
fn a_unit_that_is_turned_away_tries_again_in_half_a_day_also_if_only_the_close_code_says_so() {
    for cause in [OrderCause::Revoked, OrderCause::Policy] {
        let message = Downlink::DetachOrder { cause, reattach: false };
        let order = Event::MessageReceived { link: MAIN, message, random: 0 };
        for event in [order, lost(Some(cause.close_code()))] {
            let mut unit = Unit::attached(&["a", "b"]);
            unit.apply(event);
            assert!(unit.machine.next_deadline().unwrap().since(unit.now) >= STOP_WAIT, "{cause:?}");
        }
    }
}

#[test]
fn records_that_the_spool_gave_up_are_not_sent() {
    let mut unit = Unit::attached(&["a"]);
    unit.record(1).record(2).apply(Event::RecordsDropped([(1, 1)].into_iter().collect()));
    let span = Span { first: 2, last: 2, lane: Lane::Live };
    assert_eq!(unit.wait().asked(), [records(span)]);
    unit.apply(Event::RecordsDropped([(2, 2)].into_iter().collect())).apply(Event::RecordsUnread);
    assert_eq!((unit.asked(), unit.machine.unsettled()), (vec![], 0));
}

#[path = "machine_handover_tests.rs"]
mod handover;
