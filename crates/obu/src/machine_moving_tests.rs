use super::*;

#[test]
fn a_unit_moves_to_a_gateway_it_prefers_without_a_goodbye_once_what_is_under_way_is_acked() {
    let mut unit = Unit::attached(&["a"]);
    unit.record(1).wait();
    unit.apply(Event::RecordsSent { first: 1, last: 1, bytes: 50 }).out.clear();
    assert_eq!(unit.apply(Event::GatewaysPreferred(vec!["b".into(), "a".into()])).asked(), []);
    let asked = unit.receive(ack(1)).asked();
    assert_eq!(asked[1..], [CLOSE, connect("b")]);
    assert_eq!(unit.connected().kind, AttachKind::Handover);
}

#[test]
fn a_unit_does_not_wait_long_for_acks_before_it_moves() {
    let mut unit = Unit::attached(&["a"]);
    unit.record(1).wait();
    unit.apply(Event::RecordsSent { first: 1, last: 1, bytes: 50 }).out.clear();
    unit.apply(Event::GatewaysPreferred(vec!["b".into()]));
    let asked_at = unit.now;
    assert_eq!(unit.wait().asked(), [CLOSE, connect("b")]);
    assert_eq!(unit.now, asked_at + DRAIN_WAIT);
}

#[test]
fn a_unit_with_nothing_under_way_moves_at_once_and_a_wish_to_stay_does_nothing() {
    let mut unit = Unit::attached(&["a"]);
    assert_eq!(unit.apply(Event::GatewaysPreferred(vec!["a".into(), "b".into()])).asked(), []);
    assert_eq!(unit.apply(Event::GatewaysPreferred(vec!["b".into()])).asked(), [CLOSE, connect("b")]);
    assert_eq!(unit.apply(Event::GatewaysPreferred(vec!["a".into()])).asked(), [CLOSE, connect("a")]);
}

#[test]
fn a_goodbye_waits_for_the_acks_and_ends_the_session() {
    let mut unit = Unit::attached(&["a"]);
    unit.record(1);
    let asked = unit.apply(Event::DetachRequested(DetachCause::IgnitionOff)).asked();
    assert!(matches!(asked.as_slice(), [A::SendRecords { .. }]), "{asked:?}");
    unit.apply(Event::RecordsSent { first: 1, last: 1, bytes: 50 }).out.clear();
    let asked = unit.receive(ack(1)).asked();
    assert_eq!(asked[1..], [A::Send(Uplink::Detach(DetachCause::IgnitionOff)), CLOSE]);
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
    assert_eq!(unit.wait().asked(), [A::Send(Uplink::Detach(DetachCause::Shutdown)), CLOSE]);
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
    assert_eq!(asked[1..], [A::Send(Uplink::Detach(DetachCause::Service)), CLOSE]);
}

#[test]
fn a_goodbye_that_the_socket_does_not_outlast_still_ends_the_unit() {
    let mut unit = Unit::attached(&["a"]);
    unit.record(1);
    unit.apply(Event::DetachRequested(DetachCause::IgnitionOff));
    unit.apply(Event::SocketLost { code: None, why: String::new(), random: 0 });
    assert_eq!((unit.machine.state(), unit.machine.next_deadline()), (State::Stopped, None));
}

#[test]
fn a_goodbye_of_a_unit_that_is_moving_is_said_where_it_arrives() {
    let mut unit = Unit::attached(&["a"]);
    unit.record(1).wait();
    unit.apply(Event::RecordsSent { first: 1, last: 1, bytes: 50 });
    unit.apply(Event::GatewaysPreferred(vec!["b".into()])).out.clear();
    assert_eq!(unit.apply(Event::DetachRequested(DetachCause::Service)).wait().asked(), [CLOSE, connect("b")]);
    unit.connected();
    let resumed = accepting(|accept| accept.resume_from = 2);
    let asked = unit.receive(resumed).asked();
    assert_eq!(asked.last_chunk(), Some(&[A::Send(Uplink::Detach(DetachCause::Service)), CLOSE]));
}

#[test]
fn a_unit_without_a_session_just_stops() {
    let mut unit = Unit::new(&["a"]);
    unit.apply(Event::AttachRequested);
    unit.apply(Event::ConnectFailed { why: String::new(), random: 0 });
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
        message: Downlink::DetachOrder { cause: OrderCause::Draining, reattach: true },
        random: 0,
    };
    let close = Event::SocketLost { code: Some(4503), why: String::new(), random: 0 };
    for event in [order, close] {
        let mut unit = Unit::attached(&["a", "b"]);
        unit.apply(event).out.clear();
        assert_eq!(unit.wait().asked(), [connect("b")]);
    }
}

#[test]
fn records_that_the_spool_gave_up_are_not_sent() {
    let mut unit = Unit::attached(&["a"]);
    unit.record(1).record(2).apply(Event::RecordsDropped([(1, 1)].into_iter().collect()));
    let span = Span { first: 2, last: 2, lane: Lane::Live };
    assert_eq!(unit.wait().asked(), [A::SendRecords { span, bytes_max: 262_144 }]);
    unit.apply(Event::RecordsDropped([(2, 2)].into_iter().collect())).apply(Event::RecordsUnread);
    assert_eq!((unit.asked(), unit.machine.unsettled()), (vec![], 0));
}
