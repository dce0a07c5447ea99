//! Make before break: link 1 is the session, link 2 the way to the next gateway.

use super::*;
use waygate_core::message::{Redirect, RedirectReason};

const OLD: LinkId = LinkId(1);
const NEW: LinkId = LinkId(2);

fn close(link: LinkId) -> Action {
    A::Close { link, code: 1000 }
}

fn dial(link: LinkId, gateway: &str) -> Action {
    A::Connect { link, gateway: gateway.to_owned() }
}

fn prefer(gateways: &[&str]) -> Event {
    Event::GatewaysPreferred(gateways.iter().map(|g| (*g).to_owned()).collect())
}

fn redirect(targets: &[&str], deadline: Millis) -> Downlink {
    let at = |url: &&str| GatewayAddress { region: "r".to_owned(), url: (*url).to_owned() };
    let targets = targets.iter().map(at).collect();
    Downlink::Redirect(Redirect { targets, reason: RedirectReason::Draining, deadline })
}

fn connected(link: LinkId) -> Event {
    Event::Connected { link, wall: Wall(99), signals: vec![] }
}

fn failed(link: LinkId) -> Event {
    Event::ConnectFailed { link, why: "refused".to_owned(), retry_after: None, random: u64::MAX }
}

fn message(link: LinkId, message: Downlink) -> Event {
    Event::MessageReceived { link, message, random: 0 }
}

fn loss(link: LinkId, code: Option<u16>) -> Event {
    Event::SocketLost { link, code, why: String::new(), random: 0 }
}

/// A unit with a session at `a`, one record under way there, that has asked `b`.
fn asking() -> Unit {
    let mut unit = Unit::attached(&["a"]);
    unit.record(1).wait();
    unit.apply(Event::RecordsSent { first: 1, last: 1, bytes: 50 }).out.clear();
    assert_eq!(unit.apply(prefer(&["b", "a"])).asked_on_links(), [dial(NEW, "b")]);
    let asked = unit.apply(connected(NEW)).asked_on_links();
    let [A::Send { link: NEW, message: Uplink::Attach(request) }] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!((request.kind, request.token.clone()), (AttachKind::Handover, Some(vec![1, 2])));
    unit
}

#[test]
fn the_session_goes_on_until_the_other_one_stands_and_then_only_brings_acks() {
    let mut unit = asking();
    let old = A::SendRecords { link: OLD, span: Span { first: 2, last: 2, lane: Lane::Live }, bytes_max: 262_144 };
    assert_eq!(unit.record(2).wait().asked_on_links(), [old]);
    unit.apply(Event::RecordsSent { first: 2, last: 2, bytes: 50 });
    unit.record(3).out.clear();
    let asked = unit.apply(message(NEW, accept())).asked_on_links();
    let new = A::SendRecords { link: NEW, span: Span { first: 3, last: 3, lane: Lane::Backfill }, bytes_max: 262_144 };
    assert_eq!(asked[1..], [new], "what is under way on the old one is not sent again yet, and it stays open");
    assert_eq!((unit.machine.state(), unit.machine.gateway()), (State::Attached, "b"));
    unit.apply(Event::RecordsSent { first: 3, last: 3, bytes: 50 });
    let asked = unit.apply(message(OLD, ack(2))).asked_on_links();
    assert_eq!(asked.last(), Some(&close(OLD)));
    assert_eq!(unit.machine.unsettled(), 1);
}

#[test]
fn what_the_old_session_does_not_ack_in_time_is_sent_on_the_new_one() {
    for old_ends in [false, true] {
        let mut unit = asking();
        unit.apply(message(NEW, accept())).out.clear();
        let stood = unit.now;
        let records =
            A::SendRecords { link: NEW, span: Span { first: 1, last: 1, lane: Lane::Backfill }, bytes_max: 262_144 };
        if old_ends {
            assert_eq!(unit.apply(loss(OLD, Some(4409))).asked_on_links(), [records]);
        } else {
            assert_eq!(unit.wait().asked_on_links(), [close(OLD), records]);
            assert_eq!(unit.now, stood + DRAIN_WAIT);
        }
        assert_eq!((unit.machine.state(), unit.machine.gateway()), (State::Attached, "b"));
    }
}

#[test]
fn to_be_superseded_by_its_own_move_is_no_double() {
    let order = || Downlink::DetachOrder { cause: OrderCause::Superseded, reattach: false };
    let mut unit = asking();
    unit.apply(message(NEW, accept())).out.clear();
    let asked = unit.apply(message(OLD, order())).asked_on_links();
    assert_eq!(asked[0], close(OLD));
    assert_eq!(unit.machine.state(), State::Attached);
    // The order may also overtake the accept.
    for event in [message(OLD, order()), loss(OLD, Some(4409))] {
        let mut unit = asking();
        unit.apply(event);
        assert!(
            !unit.notices().iter().any(|notice| matches!(notice, Notice::Superseded { .. } | Notice::WaitBegun { .. }))
        );
        assert_eq!((unit.machine.state(), unit.machine.gateway()), (State::Attaching, "b"));
        unit.apply(message(NEW, accept()));
        assert_eq!(unit.machine.state(), State::Attached);
    }
}

#[test]
fn a_double_is_still_one_while_the_other_gateway_was_not_asked() {
    let mut unit = Unit::attached(&["a"]);
    unit.apply(prefer(&["b"])).out.clear();
    let order = Downlink::DetachOrder { cause: OrderCause::Superseded, reattach: false };
    assert_eq!(unit.apply(message(OLD, order)).asked_on_links(), [close(OLD), close(NEW)]);
    assert!(unit.machine.next_deadline().unwrap().since(unit.now) >= Millis::secs(96));
}

#[test]
fn when_the_session_ends_meanwhile_the_dial_becomes_the_only_one() {
    let mut unit = Unit::attached(&["a"]);
    unit.apply(prefer(&["b"])).out.clear();
    assert_eq!(unit.apply(loss(OLD, None)).asked_on_links(), []);
    assert_eq!((unit.machine.state(), unit.machine.gateway()), (State::Connecting, "b"));
    unit.apply(connected(NEW)).apply(message(NEW, accept()));
    assert_eq!(unit.machine.state(), State::Attached);
}

#[test]
fn a_target_that_fails_leaves_the_session_alone_and_the_search_ends_after_the_last_pass() {
    let mut unit = Unit::attached(&["a"]);
    let asked = unit.receive(redirect(&["b", "a", "c"], Millis(0))).asked_on_links();
    assert_eq!(asked, [dial(NEW, "b")]);
    let (mut link, mut waits, mut gateways) = (2, Vec::new(), Vec::new());
    unit.apply(failed(NEW));
    while unit.machine.handover.is_some() {
        let until = unit.machine.handover.as_ref().unwrap().next_deadline();
        waits.push(until.since(unit.now).0 / 1000);
        while unit.now < until {
            unit.now = until.min(unit.now + Millis::secs(30));
            unit.apply(Event::FrameReceived { link: OLD }).apply(Event::DeadlineReached { random: 0 });
        }
        link += 1;
        let gateway = |action| if let A::Connect { gateway, .. } = action { Some(gateway) } else { None };
        let dialled = unit.asked_on_links().into_iter().find_map(gateway);
        gateways.extend(dialled);
        unit.apply(failed(LinkId(link)));
        assert_eq!((unit.machine.state(), unit.machine.gateway()), (State::Attached, "a"));
    }
    assert_eq!(waits, [1, 1, 3, 3, 8, 8, 23, 23, 64, 64]);
    assert_eq!(gateways.concat(), "cbcbcbcbcb");
    assert!(unit.notices().contains(&Notice::MoveGivenUp { gateway: "a".to_owned() }));
}

#[test]
fn a_target_is_refused_by_the_class_of_its_cause() {
    let cases = [
        (RejectCause::Congestion, Some("b"), 10_000),
        (RejectCause::Draining, Some("c"), 0),
        (RejectCause::EpochSync, Some("c"), 0),
        (RejectCause::Forbidden, Some("c"), 0),
    ];
    for (cause, next, least) in cases {
        let mut unit = Unit::attached(&["a"]);
        unit.receive(redirect(&["b", "c"], Millis(0)));
        unit.apply(connected(NEW)).out.clear();
        assert_eq!(unit.apply(message(NEW, rejecting(cause))).asked_on_links(), [close(NEW)], "{cause:?}");
        let until = unit.machine.handover.as_ref().unwrap().next_deadline();
        assert!(until.since(unit.now).0 >= least, "{cause:?}");
        assert_eq!(unit.wait().asked_on_links(), next.map(|g| dial(LinkId(3), g)).into_iter().collect::<Vec<_>>());
        assert!(unit.machine.token.is_some(), "the token of the session that stands is kept");
    }
}

#[test]
fn an_empty_redirect_of_a_gateway_that_stops_means_the_units_own_list() {
    let mut unit = Unit::attached(&["a", "b"]);
    assert_eq!(unit.receive(redirect(&[], Millis(0))).asked_on_links(), [dial(NEW, "b")]);
}

#[test]
fn the_tries_come_before_the_deadline_of_a_redirect_and_none_after_it() {
    let mut unit = Unit::attached(&["a"]);
    unit.receive(redirect(&["b"], Millis(1000)));
    let deadline = unit.now + Millis(1000);
    let mut link = 2;
    while unit.machine.handover.is_some() {
        unit.apply(failed(LinkId(link)));
        link += 1;
        if unit.machine.handover.is_some() {
            unit.wait();
            assert!(unit.now < deadline);
        }
    }
    assert!(link <= 8, "{link}");
    let mut unit = Unit::attached(&["a"]);
    unit.receive(redirect(&["b"], Millis(1000)));
    unit.now = deadline;
    unit.apply(failed(NEW));
    assert!(unit.machine.handover.is_none());
}

#[test]
fn the_guard_of_the_second_dial_does_not_touch_the_session() {
    let mut unit = Unit::attached(&["a"]);
    unit.apply(prefer(&["b"])).out.clear();
    assert_eq!(unit.wait().asked_on_links(), [close(NEW)]);
    assert_eq!(unit.machine.state(), State::Attached);
}

#[test]
fn a_wish_to_stay_hangs_up_before_the_question_and_goes_back_after_it() {
    let mut unit = Unit::attached(&["a"]);
    unit.apply(prefer(&["b"])).out.clear();
    assert_eq!(unit.apply(prefer(&["a", "b"])).asked_on_links(), [close(NEW)]);
    let mut unit = asking();
    assert_eq!(unit.apply(prefer(&["a", "b"])).asked_on_links(), []);
    let asked = unit.apply(message(NEW, accept())).asked_on_links();
    assert_eq!(asked[1..3], [close(OLD), dial(LinkId(3), "a")], "two sockets at most");
}

#[test]
fn a_goodbye_or_a_sleep_is_said_where_the_session_stands() {
    // Not asked yet: at the old one.
    let mut unit = Unit::attached(&["a"]);
    unit.apply(prefer(&["b"])).out.clear();
    let asked = unit.apply(Event::DetachRequested(DetachCause::Service)).asked_on_links();
    assert_eq!(asked, [close(NEW), A::Send { link: OLD, message: Uplink::Detach(DetachCause::Service) }, close(OLD)]);
    // Asked: at the new one.
    let mut unit = asking();
    assert_eq!(unit.apply(Event::DetachRequested(DetachCause::Service)).asked_on_links(), []);
    let resumed = accepting(|accept| accept.resume_from = 2);
    let asked = unit.apply(message(NEW, resumed)).asked_on_links();
    let goodbye = A::Send { link: NEW, message: Uplink::Detach(DetachCause::Service) };
    assert_eq!(asked.last_chunk(), Some(&[close(OLD), goodbye, close(NEW)]));
    // Refused: at the old one after all.
    let mut unit = asking();
    unit.apply(Event::DetachRequested(DetachCause::Service));
    unit.apply(message(NEW, rejecting(RejectCause::Congestion)));
    assert_eq!(unit.machine.state(), State::Attached);
    let asked = unit.apply(message(OLD, ack(1))).asked_on_links();
    assert_eq!(asked.last(), Some(&close(OLD)));
}
