use super::{Action, Attempt, Event, Phase, Session, YIELDED_SHOWN};
use crate::cause::{DetachCause, OrderCause};
use crate::cell::Cell;
use crate::credential::Bar;
use crate::epoch::Epoch;
use crate::id::{ConnId, NodeId, SessionId, SpoolId, VehicleId};
use crate::log::{Entry, LiveState};
use crate::message::Downlink;
use crate::ranges::SeqRanges;
use crate::record::{Position, SpoolReport};
use crate::time::{Millis, Mono};
use crate::timers::Timers;
use crate::wake::{WakeChannel, WakeChannels};
use proptest::prelude::*;

const START: Mono = Mono(1_000_000_000);
const OLD: ConnId = ConnId(1);
const NEW: ConnId = ConnId(2);

fn vehicle() -> VehicleId {
    VehicleId::new("LUX-1").unwrap()
}

fn cell(lon: f64) -> Cell {
    Cell::of(Position::from_degrees(49.6, lon)).unwrap()
}

fn attempt(conn: ConnId, n: u64) -> Attempt {
    let spool = SpoolReport { id: SpoolId(7), oldest: 1, last: 0, acked: SeqRanges::new() };
    let (epoch, session, wake) = (Epoch(n), SessionId(n), WakeChannels::NONE);
    Attempt { conn: Some(conn), epoch, session, spool, cell: None, wake, elsewhere: None }
}

fn persisted(n: u64) -> Event {
    Event::Persisted { session: SessionId(n), epoch: Epoch(n), settled: SeqRanges::new() }
}

fn persist_failed(n: u64) -> Event {
    Event::PersistFailed { session: SessionId(n), epoch: Epoch(n) }
}

/// One session and the clock it lives by.
struct Bench {
    session: Session,
    now: Mono,
    timers: Timers,
}

impl Bench {
    fn new() -> Self {
        Self { session: Session::new(vehicle(), START), now: START, timers: Timers::default() }
    }

    /// Attached with epoch 5 on the connection OLD.
    fn connected() -> Self {
        let mut bench = Self::new();
        bench.does(Event::AttachBegun(attempt(OLD, 5)));
        bench.does(persisted(5));
        bench
    }

    /// Connected, then brought into the phase of this name.
    fn in_phase(name: &str) -> Self {
        let mut bench = match name {
            "new" => return Self::new(),
            "attaching" => {
                let mut bench = Self::new();
                bench.does(Event::AttachBegun(attempt(OLD, 5)));
                return bench;
            }
            _ => Self::connected(),
        };
        let deadlines = match name {
            "connected" => return bench,
            "asleep" => {
                bench.does(Event::SuspendRequested(OLD, Millis::secs(3600), WakeChannels::NONE));
                0
            }
            "held" => 0,
            "idle" => 1,
            "unreachable" => 2,
            "detached" => 3,
            "gone" => 4,
            _ => panic!("no phase {name}"),
        };
        bench.does(Event::SocketLost(OLD));
        for _ in 0..deadlines {
            bench.expires();
        }
        bench
    }

    fn does(&mut self, event: Event) -> Vec<Action> {
        let mut out = Vec::new();
        self.session.apply(self.now, self.now, event, &self.timers, &mut out);
        out
    }

    fn expires(&mut self) -> Vec<Action> {
        self.now = self.session.next_deadline().unwrap();
        self.does(Event::DeadlineReached)
    }

    fn said(&mut self, event: Event) -> String {
        words(&self.does(event))
    }
}

fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Attaching => "attaching",
        Phase::Connected(OLD) => "connected",
        Phase::Connected(_) => "connected anew",
        Phase::Held(_) => "held",
        Phase::Idle(_) => "idle",
        Phase::Asleep(_) => "asleep",
        Phase::Unreachable(_) => "unreachable",
        Phase::Detached(..) => "detached",
        Phase::Yielded(..) => "yielded",
        Phase::Gone => "gone",
    }
}

fn state(entry: &Entry) -> &'static str {
    match entry.state {
        LiveState::Connected => "connected",
        LiveState::Idle => "idle",
        LiveState::Asleep => "asleep",
        LiveState::Unreachable => "unreachable",
        LiveState::Detached => "detached",
        LiveState::Removed => "removed",
    }
}

/// The actions in a few words, in their order.
fn words(actions: &[Action]) -> String {
    let word = |action: &Action| match action {
        Action::Persist { entry, answer: true, .. } => format!("persist {}", entry.epoch.0),
        Action::Persist { entry, .. } => format!("keep {}", state(entry)),
        Action::Send(conn, Downlink::DetachOrder { .. }) => format!("order {}", conn.0),
        Action::Send(conn, Downlink::AttachReject(_)) => format!("reject {}", conn.0),
        Action::Send(conn, other) => format!("send {} {other:?}", conn.0),
        Action::Accept(conn, _) => format!("accept {}", conn.0),
        Action::Publish(_, entry) => format!("publish {}", state(entry)),
        Action::Close(conn, code) => format!("close {} {code}", conn.0),
        Action::ReportClone(vehicle) => format!("report {vehicle}"),
        Action::Supersede { session, by, .. } => format!("supersede {} by {}", session.0, by.0),
    };
    actions.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// phase | event | phase after | actions. The session in force has epoch 5 on connection 1.
const TABLE: &str = "
new         | attach             | attaching   | persist 9
new         | persisted 5        | attaching   |
new         | persist failed 5   | attaching   |
new         | moved              | attaching   |
new         | goodbye            | attaching   |
new         | lost               | attaching   |
new         | outranked by 9     | attaching   |
new         | deadline           | attaching   |
attaching   | attach             | attaching   | order 1, close 1 4409, persist 9
attaching   | persisted 5        | connected   | accept 1, publish connected
attaching   | persisted 4        | attaching   |
attaching   | persist failed 5   | gone        | reject 1, close 1 4002
attaching   | persist failed 4   | attaching   |
attaching   | moved              | attaching   |
attaching   | goodbye            | attaching   |
attaching   | lost               | attaching   |
attaching   | outranked by 9     | attaching   |
attaching   | deadline           | attaching   |
connected   | attach             | connected   | persist 9
connected   | persisted 5        | connected   |
connected   | persist failed 5   | connected   |
connected   | moved              | connected   | publish connected, keep connected
connected   | other moved        | connected   |
connected   | goodbye            | detached    | publish detached, keep detached
connected   | other goodbye      | connected   |
connected   | lost               | held        |
connected   | other lost         | connected   |
connected   | outranked by 4     | connected   |
connected   | outranked by 5     | gone        | order 1, close 1 4409, publish removed, keep removed
connected   | outranked by 9     | gone        | order 1, close 1 4409, publish removed, keep removed
connected   | deadline           | connected   |
held        | attach             | held        | persist 9
held        | persisted 5        | held        |
held        | persist failed 5   | held        |
held        | moved              | held        |
held        | goodbye            | held        |
held        | lost               | held        |
held        | outranked by 4     | held        |
held        | outranked by 9     | gone        | publish removed, keep removed
held        | too early          | held        |
held        | deadline           | idle        | publish idle, keep idle
idle        | attach             | idle        | persist 9
idle        | persisted 5        | idle        |
idle        | moved              | idle        |
idle        | goodbye            | idle        |
idle        | lost               | idle        |
idle        | outranked by 4     | idle        |
idle        | outranked by 9     | gone        | publish removed, keep removed
idle        | too early          | idle        |
idle        | deadline           | unreachable | publish unreachable, keep unreachable
unreachable | attach             | unreachable | persist 9
unreachable | persisted 5        | unreachable |
unreachable | goodbye            | unreachable |
unreachable | lost               | unreachable |
unreachable | outranked by 4     | unreachable |
unreachable | outranked by 9     | gone        | publish removed, keep removed
unreachable | too early          | unreachable |
unreachable | deadline           | detached    | publish detached, keep detached
detached    | attach             | detached    | persist 9
detached    | persisted 5        | detached    |
detached    | moved              | detached    |
detached    | goodbye            | detached    |
detached    | lost               | detached    |
detached    | outranked by 4     | detached    |
detached    | outranked by 9     | gone        | publish removed, keep removed
detached    | too early          | detached    |
detached    | deadline           | gone        | publish removed, keep removed
gone        | persisted 5        | gone        |
gone        | moved              | gone        |
gone        | goodbye            | gone        |
gone        | lost               | gone        |
gone        | outranked by 9     | gone        |
gone        | deadline           | gone        |
";

fn event(name: &str) -> Event {
    let number = |text: &str| text.parse().unwrap();
    match name {
        "attach" => Event::AttachBegun(attempt(NEW, 9)),
        "moved" => Event::Moved(OLD, cell(6.1)),
        "other moved" => Event::Moved(NEW, cell(6.1)),
        "goodbye" => Event::DetachRequested(OLD, DetachCause::Shutdown),
        "other goodbye" => Event::DetachRequested(NEW, DetachCause::Shutdown),
        "lost" => Event::SocketLost(OLD),
        "other lost" => Event::SocketLost(NEW),
        "deadline" | "too early" => Event::DeadlineReached,
        other => match other.rsplit_once(' ').unwrap() {
            ("persisted", n) => persisted(number(n)),
            ("persist failed", n) => persist_failed(number(n)),
            ("outranked by", n) => Event::Outranked { by: Epoch(number(n)), detached: false },
            _ => panic!("no event {other}"),
        },
    }
}

#[test]
fn every_phase_meets_every_event_as_the_table_says() {
    for row in TABLE.lines().filter(|row| !row.is_empty()) {
        let columns: Vec<&str> = row.split('|').map(str::trim).collect();
        let &[before, what, after, actions] = columns.as_slice() else { panic!("{row}") };
        let mut bench = Bench::in_phase(before);
        if let Some(at) = bench.session.next_deadline() {
            bench.now = if what == "too early" { Mono(at.0 - 1) } else { at };
        }
        assert_eq!(bench.said(event(what)), actions, "{row}");
        assert_eq!(name(bench.session.phase()), after, "{row}");
    }
}

#[test]
fn a_late_goodbye_of_an_old_socket_is_ignored() {
    let mut bench = Bench::connected();
    bench.does(Event::AttachBegun(attempt(NEW, 9)));
    assert_eq!(bench.said(persisted(9)), "accept 2, publish connected, order 1, close 1 4409");
    for late in [Event::DetachRequested(OLD, DetachCause::Shutdown), Event::SocketLost(OLD)] {
        assert_eq!(bench.said(late), "");
        assert_eq!(bench.session.phase(), Phase::Connected(NEW));
    }
}

#[test]
fn nothing_of_an_attach_shows_before_it_is_on_disk() {
    let mut bench = Bench::connected();
    assert_eq!(bench.said(Event::AttachBegun(attempt(NEW, 9))), "persist 9");
    assert_eq!((bench.session.id(), bench.session.phase()), (SessionId(5), Phase::Connected(OLD)));
    assert_eq!(bench.session.entry().unwrap().epoch, Epoch(5));
    assert_eq!(bench.session.conns(), [Some(OLD), Some(NEW)]);
}

#[test]
fn loss_and_resume_within_the_hold_publishes_nothing() {
    let mut bench = Bench::connected();
    assert_eq!(bench.said(Event::SocketLost(OLD)), "");
    bench.now = Mono(bench.session.next_deadline().unwrap().0 - 1);
    assert_eq!(bench.said(Event::AttachBegun(attempt(NEW, 5))), "persist 5");
    assert_eq!(bench.said(persisted(5)), "accept 2");
    assert_eq!(bench.session.phase(), Phase::Connected(NEW));
    assert_eq!(bench.session.next_deadline(), None);
}

#[test]
fn a_resume_of_a_socket_that_is_not_known_to_be_lost_closes_the_old_one_and_publishes_nothing() {
    let mut bench = Bench::connected();
    bench.does(Event::AttachBegun(attempt(NEW, 5)));
    assert_eq!(bench.said(persisted(5)), "accept 2, order 1, close 1 4409");
}

#[test]
fn a_resume_after_the_hold_or_in_another_area_is_published() {
    let mut idle = Bench::in_phase("idle");
    idle.does(Event::AttachBegun(attempt(NEW, 5)));
    assert_eq!(idle.said(persisted(5)), "accept 2, publish connected");
    let mut moved = Bench::in_phase("held");
    moved.does(Event::AttachBegun(Attempt { cell: Some(cell(6.1)), ..attempt(NEW, 5) }));
    assert_eq!(moved.said(persisted(5)), "accept 2, publish connected");
    assert_eq!(moved.session.entry().unwrap().cell, Some(cell(6.1)));
}

#[test]
fn a_vehicle_that_falls_silent_passes_every_state_at_its_exact_time() {
    let mut bench = Bench::connected();
    bench.does(Event::SocketLost(OLD));
    let Timers { hold, reachable, implicit_detach, purge, .. } = bench.timers;
    let mut due = bench.now;
    for (span, after) in [(hold, "idle"), (reachable, "unreachable"), (implicit_detach, "detached"), (purge, "gone")] {
        due = due + span;
        assert_eq!(bench.session.next_deadline(), Some(due));
        bench.expires();
        assert_eq!(name(bench.session.phase()), after);
    }
    assert_eq!(bench.session.next_deadline(), None);
}

#[test]
fn an_implicit_detach_names_its_cause() {
    let bench = Bench::in_phase("detached");
    assert_eq!(bench.session.entry().unwrap().cause, Some(DetachCause::Implicit));
}

#[test]
fn any_contact_cancels_the_timers() {
    for phase in ["held", "idle", "unreachable", "detached"] {
        let mut bench = Bench::in_phase(phase);
        bench.does(Event::AttachBegun(attempt(NEW, 9)));
        bench.does(persisted(9));
        assert_eq!(bench.session.next_deadline(), None, "{phase}");
        assert_eq!(bench.session.phase(), Phase::Connected(NEW), "{phase}");
    }
}

#[test]
fn no_timer_moves_a_vehicle_whose_attach_is_on_its_way_to_disk() {
    for phase in ["held", "idle", "unreachable", "detached"] {
        let mut bench = Bench::in_phase(phase);
        bench.does(Event::AttachBegun(attempt(NEW, 9)));
        for _ in 0..3 {
            assert_eq!(words(&bench.expires()), "", "{phase}");
            assert_eq!(name(bench.session.phase()), phase);
        }
        assert_eq!(bench.said(persist_failed(9)), "reject 2, close 2 4002", "{phase}");
        assert_ne!(words(&bench.expires()), "", "{phase} goes on after the attach failed");
    }
}

#[test]
fn of_two_attaches_under_way_the_newest_wins_and_the_earlier_is_closed() {
    let mut bench = Bench::connected();
    bench.does(Event::AttachBegun(attempt(NEW, 9)));
    assert_eq!(bench.said(Event::AttachBegun(attempt(ConnId(3), 10))), "order 2, close 2 4409, persist 10");
    assert_eq!(bench.said(persisted(9)), "", "the earlier one's answer comes late");
    assert_eq!(bench.said(persist_failed(9)), "");
    assert_eq!(bench.said(persisted(10)), "accept 3, publish connected, order 1, close 1 4409");
}

#[test]
fn an_attach_whose_socket_is_lost_on_the_way_to_disk_stands_and_is_held() {
    let mut bench = Bench::in_phase("attaching");
    bench.does(Event::SocketLost(OLD));
    let lost = bench.now;
    bench.now = lost + Millis::secs(10);
    assert_eq!(bench.said(persisted(5)), "publish connected");
    assert_eq!(bench.session.phase(), Phase::Held(lost + bench.timers.hold), "however long the disk took");
    assert!(bench.session.resumable(SessionId(5), Epoch(5)), "the vehicle may have got the accept");
}

#[test]
fn a_goodbye_while_the_attach_is_on_its_way_to_disk_is_kept() {
    let mut bench = Bench::in_phase("attaching");
    assert_eq!(bench.said(Event::DetachRequested(OLD, DetachCause::IgnitionOff)), "");
    bench.does(Event::SocketLost(OLD));
    assert_eq!(bench.said(persisted(5)), "publish detached, keep detached");
    assert_eq!(bench.session.entry().unwrap().cause, Some(DetachCause::IgnitionOff));

    let mut again = Bench::in_phase("attaching");
    again.does(Event::DetachRequested(OLD, DetachCause::IgnitionOff));
    again.does(Event::AttachBegun(attempt(NEW, 9)));
    assert_eq!(again.said(persisted(9)), "accept 2, publish connected", "the goodbye was said before this attach");
}

#[test]
fn an_attach_that_cannot_be_stored_leaves_the_session_in_force_alone() {
    let mut bench = Bench::connected();
    bench.does(Event::AttachBegun(attempt(NEW, 9)));
    assert_eq!(bench.said(persist_failed(9)), "reject 2, close 2 4002");
    assert_eq!((bench.session.phase(), bench.session.epoch()), (Phase::Connected(OLD), Epoch(5)));
}

#[test]
fn an_attach_that_outranks_the_winner_elsewhere_goes_on() {
    let mut bench = Bench::connected();
    bench.does(Event::AttachBegun(attempt(NEW, 9)));
    assert_eq!(bench.said(Event::Outranked { by: Epoch(8), detached: false }), "");
    assert_eq!(bench.said(persisted(9)), "accept 2, publish connected, order 1, close 1 4409");
}

#[test]
fn an_attach_that_is_outranked_on_its_way_to_disk_is_ended_with_the_session() {
    let mut bench = Bench::connected();
    bench.does(Event::AttachBegun(attempt(NEW, 9)));
    let said = bench.said(Event::Outranked { by: Epoch(10), detached: false });
    assert_eq!(said, "order 1, close 1 4409, order 2, close 2 4409, publish removed, keep removed");
    assert_eq!(bench.said(persisted(9)), "");
    assert_eq!(bench.session.conns(), [None, None]);
}

#[test]
fn a_vehicle_whose_winner_has_left_is_told_to_attach_again() {
    for detached in [false, true] {
        let mut bench = Bench::connected();
        let ordered = bench.does(Event::Outranked { by: Epoch(9), detached });
        let order = Downlink::DetachOrder { cause: OrderCause::Superseded, reattach: detached };
        assert_eq!(ordered.first(), Some(&Action::Send(OLD, order)));
        assert_eq!(bench.session.phase(), Phase::Gone);
    }
}

#[test]
fn the_gateway_that_served_before_is_told_last() {
    let mut bench = Bench::new();
    let elsewhere = Some((NodeId::new("east-1").unwrap(), SessionId(3), Epoch(3)));
    bench.does(Event::AttachBegun(Attempt { elsewhere, ..attempt(OLD, 5) }));
    assert_eq!(bench.said(persisted(5)), "accept 1, publish connected, supersede 3 by 5");
}

#[test]
fn a_restored_session_is_never_connected_and_has_time_to_come_back() {
    let timers = Timers::default();
    let kept = Bench::connected().session.entry().unwrap();
    let now = START + Millis::secs(100 * 24 * 3600);
    for (kept_state, after) in
        [(LiveState::Connected, "idle"), (LiveState::Idle, "idle"), (LiveState::Unreachable, "unreachable")]
    {
        let entry = Entry { state: kept_state, ..kept.clone() };
        let session = Session::restored(vehicle(), &entry, now, &timers);
        assert_eq!(name(session.phase()), after);
        let span = if kept_state == LiveState::Connected { timers.reachable } else { timers.hold };
        assert_eq!(session.next_deadline(), Some(now + span));
        assert!(session.resumable(SessionId(5), Epoch(5)));
    }
    let asleep = Entry { state: LiveState::Asleep, sleep: Millis::secs(3600), ..kept.clone() };
    let sleeps = Session::restored(vehicle(), &asleep, START + Millis::secs(60), &timers);
    assert_eq!(sleeps.next_deadline(), Some(START + Millis::secs(3600) + timers.sleep_grace));
    assert_eq!(sleeps.entry(), Some(asleep));
    let idle = Entry { state: LiveState::Idle, ..kept };
    let recent = Session::restored(vehicle(), &idle, START + Millis::secs(1), &timers);
    assert_eq!(recent.next_deadline(), Some(START + timers.reachable), "the timer runs from the last contact");
}

#[path = "session_sleep_tests.rs"]
mod sleep;

#[test]
fn a_suspected_clone_is_published_once_and_taken_back_once() {
    let mut bench = Bench::connected();
    assert_eq!(bench.said(Event::CloneSuspected(true)), "publish connected, keep connected");
    assert!(bench.session.entry().unwrap().cloned);
    assert_eq!(bench.said(Event::CloneSuspected(true)), "");
    assert_eq!(bench.said(Event::CloneSuspected(false)), "publish connected, keep connected");
}

fn any_event() -> impl Strategy<Value = (u64, Event)> {
    let conn = (1u64..5).prop_map(ConnId);
    let event = prop_oneof![
        4 => (conn.clone(), 1u64..12).prop_map(|(c, n)| Event::AttachBegun(attempt(c, n))),
        6 => (1u64..12).prop_map(persisted),
        2 => (1u64..12).prop_map(persist_failed),
        1 => (conn.clone(), 6i32..9).prop_map(|(c, lon)| Event::Moved(c, cell(f64::from(lon)))),
        1 => conn.clone().prop_map(|c| Event::DetachRequested(c, DetachCause::Service)),
        1 => conn.clone().prop_map(|c| Event::SuspendRequested(c, Millis::secs(60), WakeChannels::NONE)),
        1 => any::<bool>().prop_map(Event::CloneSuspected),
        3 => conn.prop_map(Event::SocketLost),
        1 => (1u64..12, any::<bool>()).prop_map(|(by, detached)| Event::Outranked { by: Epoch(by), detached }),
        1 => Just(Event::Barred(Bar::Revoked)),
        4 => Just(Event::DeadlineReached),
    ];
    (prop_oneof![Just(0), Just(1), Just(30_000), Just(4_000_000)], event)
}

proptest! {
    /// Accept and Publish of an attach answer its own `Persisted`, and in this order before the old socket is closed;
    /// whatever connection the session lets go of was lost by itself or is closed.
    #[test]
    fn whatever_happens_only_what_is_on_disk_is_accepted_and_no_socket_is_forgotten(
        events in prop::collection::vec(any_event(), 1..60)
    ) {
        let mut bench = Bench::new();
        for (wait_ms, event) in events {
            bench.now = bench.now + Millis(wait_ms);
            let before: Vec<ConnId> = bench.session.conns().into_iter().flatten().collect();
            let actions = bench.does(event.clone());
            let accepts: Vec<_> = actions.iter().filter(|a| matches!(a, Action::Accept(..))).collect();
            if !accepts.is_empty() {
                let answered = matches!(event, Event::Persisted { .. });
                prop_assert!(answered, "accepted at {event:?}");
                prop_assert!(matches!(actions[0], Action::Accept(..)), "{}", words(&actions));
            }
            if matches!(event, Event::SocketLost(_)) {
                let asleep = matches!(bench.session.phase(), Phase::Asleep(_));
                let news = if asleep { words(&actions).replace("publish asleep, keep asleep", "") } else { words(&actions) };
                prop_assert_eq!(news, "", "a lost socket alone is no news");
            }
            let after: Vec<ConnId> = bench.session.conns().into_iter().flatten().collect();
            for conn in before.iter().filter(|conn| !after.contains(conn)) {
                let left = event == Event::SocketLost(*conn)
                    || event == Event::DetachRequested(*conn, DetachCause::Service);
                let closed = actions.iter().any(|a| matches!(a, Action::Close(c, _) if c == conn));
                prop_assert!(left || closed, "{conn:?} was forgotten at {event:?}");
            }
            for action in &actions {
                if let Action::Publish(_, entry) = action {
                    prop_assert_eq!(Some(entry.clone()), bench.session.entry(), "what is published is so");
                }
            }
        }
    }
}

#[test]
fn a_loss_that_is_noticed_late_is_not_held_for_longer_than_one_noticed_in_time() {
    let mut bench = Bench::connected();
    let timers = bench.timers;
    let stood_still = START + Millis(10 * timers.silence_max().0);
    let mut out = Vec::new();
    bench.session.apply(stood_still, START + Millis::secs(1), Event::SocketLost(OLD), &timers, &mut out);
    assert_eq!(bench.session.next_deadline(), Some(START + Millis::secs(1) + timers.silence_max()));
    bench.now = stood_still;
    assert_eq!(bench.does(Event::DeadlineReached).len(), 2, "idle is said and kept at once");

    let mut bench = Bench::connected();
    bench.does(Event::SocketLost(OLD));
    assert_eq!(bench.session.next_deadline(), Some(START + timers.hold), "noticed in time, the whole hold runs");
}

#[test]
fn a_session_that_is_told_it_lost_closes_its_socket_and_is_spoken_for_until_the_winner_speaks() {
    let mut bench = Bench::connected();
    let shown = bench.session.entry();
    let said = bench.said(Event::Superseded { by: Epoch(9) });
    assert!(said.contains("close") && !said.contains("publish"), "{said}");
    assert_eq!(name(bench.session.phase()), "yielded");
    assert_eq!((bench.session.entry(), bench.session.conns()), (shown, [None, None]));
    let mut told = Bench { session: bench.session.clone(), ..Bench::connected() };
    assert!(
        told.said(Event::Outranked { by: Epoch(9), detached: false }).contains("publish removed"),
        "by the winner's entry"
    );
    assert_eq!(bench.said(Event::Superseded { by: Epoch(9) }), "", "once is enough");
    assert_eq!(bench.session.next_deadline(), Some(bench.now + YIELDED_SHOWN), "nor for ever");
    assert!(words(&bench.expires()).contains("publish removed"));
}

#[test]
fn a_vehicle_that_comes_back_to_a_session_that_stands_aside_is_served_anew() {
    let mut bench = Bench::connected();
    bench.does(Event::Superseded { by: Epoch(9) });
    bench.does(Event::AttachBegun(attempt(NEW, 10)));
    assert_eq!(bench.said(Event::Outranked { by: Epoch(9), detached: false }), "", "the newer attach is under way");
    assert!(bench.said(persisted(10)).contains("publish connected"));
    assert_eq!(bench.session.phase(), Phase::Connected(NEW));
}
