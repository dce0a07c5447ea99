use super::super::{Attempt, Event};
use super::*;
use crate::epoch::Epoch;
use crate::id::{ConnId, SessionId, SpoolId, VehicleId};
use crate::log::LiveState;
use crate::message::Downlink;
use crate::ranges::SeqRanges;
use crate::record::SpoolReport;
use crate::wake::WakeChannels;

const NOW: Mono = Mono(1_000_000_000);
const FIRST: ConnId = ConnId(1);
const SECOND: ConnId = ConnId(2);

fn does(session: &mut Session, event: Event) -> Vec<Action> {
    let mut out = Vec::new();
    session.apply(NOW, NOW, event, &Timers::default(), &mut out);
    out
}

fn begun(conn: ConnId, n: u64) -> Event {
    let spool = SpoolReport { id: SpoolId(7), oldest: 1, last: 0, acked: SeqRanges::new() };
    let (epoch, session, wake) = (Epoch(n), SessionId(n), WakeChannels::NONE);
    Event::AttachBegun(Attempt { conn: Some(conn), epoch, session, spool, cell: None, wake, elsewhere: None })
}

fn persisted(n: u64) -> Event {
    Event::Persisted { session: SessionId(n), epoch: Epoch(n), settled: SeqRanges::new() }
}

fn attaching() -> Session {
    let mut session = Session::new(VehicleId::new("LUX-1").unwrap(), NOW);
    does(&mut session, begun(FIRST, 5));
    session
}

fn connected() -> Session {
    let mut session = attaching();
    does(&mut session, persisted(5));
    session
}

fn ordered(out: &[Action], conn: ConnId, cause: OrderCause) -> bool {
    let order = Action::Send(conn, Downlink::DetachOrder { cause, reattach: false });
    let at = out.iter().position(|action| *action == order);
    at.is_some_and(|at| out[at + 1..].contains(&Action::Close(conn, cause.close_code())))
}

#[test]
fn a_connected_session_is_ended_with_the_order_and_shown_as_left_for_that_reason() {
    for (bar, order, detach) in [
        (Bar::Revoked, OrderCause::Revoked, DetachCause::Revoked),
        (Bar::Refused, OrderCause::Policy, DetachCause::Refused),
    ] {
        let mut session = connected();
        let out = does(&mut session, Event::Barred(bar));
        assert!(ordered(&out, FIRST, order), "{out:?}");
        let entry = session.entry().unwrap();
        assert_eq!((entry.state, entry.cause), (LiveState::Detached, Some(detach)));
        assert!(out.contains(&Action::Publish(session.vehicle.clone(), entry)));
        assert!(!session.resumable(SessionId(5), Epoch(5)));
        // The socket ends after it, which changes nothing.
        assert_eq!(does(&mut session, Event::SocketLost(FIRST)), []);
    }
}

#[test]
fn a_session_without_a_socket_cannot_be_resumed_any_more() {
    let mut session = connected();
    does(&mut session, Event::SocketLost(FIRST));
    assert!(session.resumable(SessionId(5), Epoch(5)));
    does(&mut session, Event::Barred(Bar::Revoked));
    assert!(!session.resumable(SessionId(5), Epoch(5)));
    assert_eq!(session.entry().unwrap().cause, Some(DetachCause::Revoked));
}

#[test]
fn a_first_attach_on_its_way_to_disk_is_ordered_away_and_leaves_nothing() {
    let mut session = attaching();
    let out = does(&mut session, Event::Barred(Bar::Refused));
    assert!(ordered(&out, FIRST, OrderCause::Policy), "{out:?}");
    let removed =
        |action: &Action| matches!(action, Action::Persist { entry, .. } if entry.state == LiveState::Removed);
    assert!(out.iter().any(removed), "{out:?}");
    // What the disk says of it has no effect any more.
    assert_eq!(does(&mut session, persisted(5)), []);
    assert_eq!(session.phase(), Phase::Gone);
}

#[test]
fn both_sockets_go_while_a_new_attach_is_on_its_way() {
    let mut session = connected();
    does(&mut session, begun(SECOND, 6));
    let out = does(&mut session, Event::Barred(Bar::Revoked));
    assert!(ordered(&out, FIRST, OrderCause::Revoked) && ordered(&out, SECOND, OrderCause::Revoked), "{out:?}");
    assert_eq!(does(&mut session, persisted(6)), []);
    assert_eq!(session.entry().unwrap().state, LiveState::Detached);
}
