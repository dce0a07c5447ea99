use super::*;
use crate::machine::Action as A;
use waygate_core::cause::{DetachCause, RejectCause};
use waygate_core::cell::Cell;
use waygate_core::command::CommandId;
use waygate_core::epoch::Epoch;
use waygate_core::id::SessionId;
use waygate_core::message::{
    AttachAccept, AttachKind, AttachReject, AttachRequest, GatewayAddress, TrackingAccept, TrackingCause,
    TrackingUpdate, Uplink,
};
use waygate_core::record::{Lane, SignalPath};
use waygate_core::time::Wall;
use waygate_core::timers::Timers;
use waygate_core::wake::WakeChannel;

const SPOOL: SpoolId = SpoolId(7);
const LUX: Position = Position { lat_e7: 496_100_000, lon_e7: 61_300_000 };
const BONN: Position = Position { lat_e7: 507_300_000, lon_e7: 71_000_000 };

/// A machine, its clock, and what it asked for.
struct Unit {
    machine: Machine,
    now: Mono,
    out: Vec<Action>,
}

impl Unit {
    fn new(gateways: &[&str]) -> Self {
        Self::with_spool(gateways, 0, None)
    }

    fn with_spool(gateways: &[&str], last: u64, token: Option<Token>) -> Self {
        let settings = Settings {
            vehicle: VehicleId::new("LUX-1").unwrap(),
            boot_id: "b1".to_owned(),
            gateways: gateways.iter().map(|g| (*g).to_owned()).collect(),
            batching: Batching::default(),
            ignition_on: true,
            wake: [WakeChannel::Mqtt].into_iter().collect(),
            takes_commands: true,
        };
        let spool = SpoolState { id: SPOOL, last, settled: SeqRanges::new(), token, commands: vec![CommandId(77)] };
        Self { machine: Machine::new(settings, spool), now: Mono(1000), out: Vec::new() }
    }

    /// What names [`MAIN`] is about the session or the dial.
    fn apply(&mut self, mut event: Event) -> &mut Self {
        if let Event::Connected { link, .. }
        | Event::ConnectFailed { link, .. }
        | Event::SocketLost { link, .. }
        | Event::FrameReceived { link }
        | Event::MessageReceived { link, .. } = &mut event
            && *link == MAIN
        {
            *link = self.machine.main_link().unwrap_or_default();
        }
        self.machine.apply(self.now, event, &mut self.out);
        self
    }

    /// Lets the time come at which the machine wants to be woken.
    fn wait(&mut self) -> &mut Self {
        self.now = self.now.max(self.machine.next_deadline().expect("it waits for nothing"));
        self.apply(Event::DeadlineReached { random: u64::MAX })
    }

    /// What was asked for since the last call, but for the notices, on whichever link.
    fn asked(&mut self) -> Vec<Action> {
        let mut asked = self.asked_on_links();
        for action in &mut asked {
            if let A::Connect { link, .. }
            | A::Send { link, .. }
            | A::SendRecords { link, .. }
            | A::Close { link, .. } = action
            {
                *link = MAIN;
            }
        }
        asked
    }

    /// The same with the links, which are numbered from 1.
    fn asked_on_links(&mut self) -> Vec<Action> {
        self.out.drain(..).filter(|action| !matches!(action, A::Notify(_))).collect()
    }

    fn notices(&mut self) -> Vec<Notice> {
        let notice = |action| if let A::Notify(notice) = action { Some(notice) } else { None };
        self.out.drain(..).filter_map(notice).collect()
    }

    fn connected(&mut self) -> AttachRequest {
        self.out.clear();
        self.apply(Event::Connected { link: MAIN, wall: Wall(99), signals: vec![] });
        let asked = self.asked();
        let [A::Send { message: Uplink::Attach(request), .. }] = asked.as_slice() else { panic!("{asked:?}") };
        request.as_ref().clone()
    }

    fn receive(&mut self, message: Downlink) -> &mut Self {
        self.apply(Event::FrameReceived { link: MAIN }).apply(Event::MessageReceived { link: MAIN, message, random: 0 })
    }

    fn attached(gateways: &[&str]) -> Self {
        let mut unit = Self::new(gateways);
        unit.apply(Event::AttachRequested);
        unit.connected();
        unit.receive(accept()).out.clear();
        assert_eq!(unit.machine.state(), State::Attached);
        unit
    }

    fn record(&mut self, seq: u64) -> &mut Self {
        self.apply(Event::RecordAdded { seq, position: None })
    }
}

fn accepting(change: impl FnOnce(&mut AttachAccept)) -> Downlink {
    let mut accept = AttachAccept {
        token: vec![1, 2],
        epoch: Epoch(5),
        session: SessionId(6),
        server_time: Wall(100),
        areas: vec![],
        timers: Timers::default(),
        window_records: 4096,
        window_bytes: 1 << 20,
        max_frame_bytes: 262_144,
        resume_from: 1,
        pending_commands: 0,
        gateways: vec![],
        wake_key: Vec::new(),
    };
    change(&mut accept);
    Downlink::AttachAccept(Box::new(accept))
}

fn accept() -> Downlink {
    accepting(|_| {})
}

fn rejecting(cause: RejectCause) -> Downlink {
    let text = String::new();
    Downlink::AttachReject(AttachReject { cause, backoff: Millis::secs(10), redirect: vec![], text })
}

fn ack(through: u64) -> Downlink {
    Downlink::TelemetryAck(TelemetryAck { spool: SPOOL, through, ranges: SeqRanges::new(), rejected: vec![] })
}

fn connect(gateway: &str) -> Action {
    A::Connect { link: MAIN, gateway: gateway.to_owned() }
}

fn send(message: Uplink) -> Action {
    A::Send { link: MAIN, message }
}

fn records(span: Span) -> Action {
    A::SendRecords { link: MAIN, span, bytes_max: 262_144 }
}

fn lost(code: Option<u16>) -> Event {
    Event::SocketLost { link: MAIN, code, why: String::new(), random: 0 }
}

fn refused() -> Event {
    Event::ConnectFailed { link: MAIN, why: String::new(), retry_after: None, random: 0 }
}

/// Stands for the link of the session or the dial. No link has this number.
const MAIN: LinkId = LinkId(0);

const CLOSE: Action = A::Close { link: MAIN, code: 1000 };

// --- attach ---

#[test]
fn a_unit_dials_the_first_of_its_gateways_and_says_what_it_keeps() {
    let mut unit = Unit::with_spool(&["a", "b"], 9, None);
    assert_eq!(unit.apply(Event::AttachRequested).asked(), [connect("a")]);
    let request = unit.connected();
    assert_eq!((request.kind, request.token, request.clock), (AttachKind::Initial, None, Some(Wall(99))));
    assert_eq!((request.spool.id, request.spool.oldest, request.spool.last), (SPOOL, 1, 9));
}

#[test]
fn an_accept_gives_a_token_that_is_kept_and_presented_to_resume_or_to_hand_over() {
    let mut unit = Unit::new(&["a", "b"]);
    unit.apply(Event::AttachRequested);
    unit.connected();
    let token = Some(Token { bytes: vec![1, 2], gateway: "a".to_owned(), wake_key: Vec::new() });
    assert_eq!(unit.receive(accept()).asked(), [A::KeepToken(token)]);
    unit.apply(lost(None));
    unit.wait();
    let request = unit.connected();
    assert_eq!((request.kind, request.token), (AttachKind::Resume, Some(vec![1, 2])));
    unit.apply(refused());
    unit.apply(lost(None)).wait();
    assert_eq!(unit.machine.gateway(), "b");
    let request = unit.connected();
    assert_eq!((request.kind, request.token), (AttachKind::Handover, Some(vec![1, 2])));
}

#[test]
fn a_token_of_before_a_reboot_resumes() {
    let token = Token { bytes: vec![3], gateway: "a".to_owned(), wake_key: Vec::new() };
    let mut unit = Unit::with_spool(&["a"], 0, Some(token));
    unit.apply(Event::AttachRequested);
    assert_eq!(unit.connected().kind, AttachKind::Resume);
}

#[test]
fn the_attach_guard_goes_to_the_next_gateway() {
    let mut unit = Unit::new(&["a", "b"]);
    unit.apply(Event::AttachRequested);
    assert_eq!(unit.machine.next_deadline(), Some(Mono(16_000)));
    unit.now = Mono(5000);
    unit.connected();
    assert_eq!(unit.machine.next_deadline(), Some(Mono(20_000)));
    assert_eq!(unit.wait().asked(), [CLOSE]);
    assert_eq!(unit.wait().asked(), [connect("b")]);
}

#[test]
fn a_lost_gateway_is_tried_once_more_and_then_its_neighbours() {
    let mut unit = Unit::new(&["a"]);
    unit.apply(Event::AttachRequested);
    unit.connected();
    let neighbour = GatewayAddress { region: "r".to_owned(), url: "n".to_owned() };
    unit.receive(accepting(|accept| accept.gateways = vec![neighbour]));
    unit.apply(lost(None)).out.clear();
    assert_eq!(unit.wait().asked(), [connect("a")]);
    unit.apply(refused()).out.clear();
    assert_eq!(unit.wait().asked(), [connect("n")]);
}

#[test]
fn a_gateway_that_has_no_room_is_tried_again_after_the_wait_it_asks_for() {
    let mut unit = Unit::new(&["a", "b"]);
    unit.apply(Event::AttachRequested);
    unit.connected();
    assert_eq!(unit.receive(rejecting(RejectCause::Congestion)).asked(), [CLOSE]);
    assert_eq!(unit.machine.next_deadline(), Some(Mono(11_000)));
    assert_eq!(unit.wait().asked(), [connect("a")]);
}

#[test]
fn a_gateway_that_stops_sends_the_unit_to_the_next() {
    let mut unit = Unit::new(&["a", "b"]);
    unit.apply(Event::AttachRequested);
    unit.connected();
    unit.receive(rejecting(RejectCause::Draining)).out.clear();
    assert_eq!(unit.wait().asked(), [connect("b")]);
}

#[test]
fn a_token_that_is_not_taken_is_dropped_at_once_and_only_once() {
    let mut unit = Unit::attached(&["a", "b"]);
    unit.apply(lost(None)).wait();
    assert!(unit.connected().token.is_some());
    assert_eq!(unit.receive(rejecting(RejectCause::EpochSync)).asked(), [CLOSE, A::KeepToken(None), connect("a")]);
    let request = unit.connected();
    assert_eq!((request.kind, request.token), (AttachKind::Initial, None));
    assert_eq!(unit.receive(rejecting(RejectCause::EpochSync)).asked(), [CLOSE]);
    assert_eq!(unit.machine.state(), State::Waiting);
}

#[test]
fn a_clock_that_is_found_to_be_off_is_not_told_again() {
    let mut unit = Unit::new(&["a"]);
    unit.apply(Event::AttachRequested);
    assert!(unit.connected().clock.is_some());
    assert_eq!(unit.receive(rejecting(RejectCause::ClockOff)).asked(), [CLOSE, connect("a")]);
    assert_eq!(unit.connected().clock, None);
}

#[test]
fn a_unit_that_may_not_attach_tries_again_in_half_a_day() {
    let mut unit = Unit::new(&["a", "b"]);
    unit.apply(Event::AttachRequested);
    unit.connected();
    unit.receive(rejecting(RejectCause::Forbidden));
    let wait = unit.machine.next_deadline().unwrap().since(unit.now);
    assert!(wait >= STOP_WAIT, "{wait:?}");
}

#[test]
fn a_close_code_alone_tells_the_class() {
    for (code, gateway, least) in [(4000, "a", Millis::secs(1)), (4100, "b", Millis(0)), (4300, "a", STOP_WAIT)] {
        let mut unit = Unit::new(&["a", "b"]);
        unit.apply(Event::AttachRequested);
        unit.connected();
        unit.apply(lost(Some(code)));
        assert_eq!(unit.machine.gateway(), gateway, "{code}");
        assert!(unit.machine.next_deadline().unwrap().since(unit.now) >= least, "{code}");
    }
}

// --- telemetry ---

#[test]
fn records_are_sent_in_a_batch_and_let_go_of_when_acked() {
    let mut unit = Unit::attached(&["a"]);
    unit.record(1).record(2);
    assert_eq!(unit.asked(), []);
    let span = Span { first: 1, last: 2, lane: Lane::Live };
    assert_eq!(unit.wait().asked(), [records(span)]);
    unit.apply(Event::RecordsSent { first: 1, last: 2, bytes: 50 }).out.clear();
    unit.now = Mono(unit.now.0 + 40);
    unit.receive(ack(2));
    let seqs: SeqRanges = [(1, 2)].into_iter().collect();
    let settled = Notice::Settled { seqs: seqs.clone(), latency: Some(Millis(40)) };
    assert_eq!(unit.out, [A::Settle { seqs, rejected: vec![] }, A::Notify(settled)]);
    assert_eq!(unit.machine.unsettled(), 0);
}

#[test]
fn records_without_an_ack_are_sent_again_in_the_next_session() {
    let mut unit = Unit::attached(&["a"]);
    unit.record(1).wait();
    unit.apply(Event::RecordsSent { first: 1, last: 1, bytes: 50 });
    unit.apply(lost(None)).wait();
    unit.connected();
    let asked = unit.receive(accept()).asked();
    let span = Span { first: 1, last: 1, lane: Lane::Backfill };
    assert_eq!(asked[1..], [records(span)]);
    unit.apply(Event::RecordsSent { first: 1, last: 1, bytes: 50 });
    assert_eq!(unit.notices().last(), Some(&Notice::RecordsSent { records: 1, again: 1, bytes: 50 }));
}

#[test]
fn what_the_gateway_has_already_is_not_sent_again() {
    let mut unit = Unit::with_spool(&["a"], 9, None);
    unit.apply(Event::AttachRequested);
    unit.connected();
    let asked = unit.receive(accepting(|accept| accept.resume_from = 8)).asked();
    let span = Span { first: 8, last: 9, lane: Lane::Backfill };
    let seqs = [(1, 7)].into_iter().collect();
    assert_eq!(asked[1..], [A::Settle { seqs, rejected: vec![] }, records(span)]);
}

#[test]
fn a_record_that_was_refused_is_told_and_let_go_of() {
    let mut unit = Unit::attached(&["a"]);
    unit.record(1).wait().out.clear();
    let rejected = vec![(1, RecordFault::TimeInFuture)];
    let message = TelemetryAck { spool: SPOOL, through: 1, ranges: SeqRanges::new(), rejected: rejected.clone() };
    unit.apply(Event::RecordsSent { first: 1, last: 1, bytes: 50 }).out.clear();
    unit.receive(Downlink::TelemetryAck(message));
    assert_eq!(unit.out[0], A::Notify(Notice::RecordRejected { seq: 1, reason: RecordFault::TimeInFuture }));
    assert_eq!(unit.out[1], A::Settle { seqs: [(1, 1)].into_iter().collect(), rejected });
}

#[test]
fn an_ack_for_another_spool_means_nothing() {
    let mut unit = Unit::attached(&["a"]);
    unit.record(1);
    let other = TelemetryAck { spool: SpoolId(8), through: 1, ranges: SeqRanges::new(), rejected: vec![] };
    assert_eq!(unit.receive(Downlink::TelemetryAck(other)).asked(), []);
    assert_eq!(unit.machine.unsettled(), 1);
}

#[test]
fn a_pause_is_kept_and_ends() {
    let mut unit = Unit::attached(&["a"]);
    unit.receive(Downlink::FlowControl { pause: Millis(5000), reason: String::new() });
    unit.record(1);
    assert_eq!(unit.machine.next_deadline(), Some(Mono(6000)));
    let asked = unit.wait().asked();
    assert!(matches!(asked.as_slice(), [A::SendRecords { .. }]), "{asked:?}");
}

#[test]
fn a_gateway_that_acks_nothing_is_left() {
    let mut unit = Unit::attached(&["a"]);
    unit.record(1).wait();
    unit.apply(Event::RecordsSent { first: 1, last: 1, bytes: 50 });
    let sent = unit.now;
    while unit.now < sent + ACK_WAIT {
        unit.apply(Event::FrameReceived { link: MAIN }).out.clear();
        unit.wait();
    }
    assert_eq!(unit.asked(), [A::Close { link: MAIN, code: 1001 }]);
    assert_eq!(unit.machine.state(), State::Waiting);
}

// --- liveness and tracking ---

#[test]
fn a_gateway_that_is_silent_for_a_ping_and_two_pongs_is_lost() {
    let mut unit = Unit::attached(&["a"]);
    unit.now = Mono(31_000);
    unit.apply(Event::FrameReceived { link: MAIN });
    assert_eq!(unit.machine.next_deadline(), Some(Mono(91_000)));
    assert_eq!(unit.wait().asked(), [A::Close { link: MAIN, code: 1001 }]);
}

#[test]
fn a_unit_that_leaves_its_areas_says_so_once_until_it_is_answered() {
    let mut unit = Unit::new(&["a"]);
    unit.apply(Event::AttachRequested);
    unit.connected();
    let areas = Cell::of(LUX).unwrap().tracking_areas();
    unit.receive(accepting(|accept| accept.areas = areas)).out.clear();
    assert_eq!(unit.apply(Event::PositionChanged(LUX)).asked(), []);
    let moved = TrackingUpdate { cause: TrackingCause::Moved, position: Some(BONN) };
    assert_eq!(unit.apply(Event::PositionChanged(BONN)).asked(), [send(Uplink::TrackingUpdate(moved))]);
    assert_eq!(unit.apply(Event::PositionChanged(BONN)).asked(), []);
    let areas = Cell::of(BONN).unwrap().tracking_areas();
    unit.receive(Downlink::TrackingAccept(TrackingAccept { areas, timers: Timers::default(), gateways: vec![] }));
    assert_eq!(unit.apply(Event::PositionChanged(BONN)).asked(), []);
}

#[test]
fn a_unit_reports_periodically() {
    let mut unit = Unit::new(&["a"]);
    unit.apply(Event::AttachRequested);
    unit.connected();
    let timers = Timers { periodic_update: Millis::secs(40), ..Timers::default() };
    unit.receive(accepting(|accept| accept.timers = timers)).out.clear();
    let periodic = TrackingUpdate { cause: TrackingCause::Periodic, position: None };
    assert_eq!(unit.wait().asked(), [send(Uplink::TrackingUpdate(periodic))]);
    assert_eq!(unit.now, Mono(41_000));
}

// --- moving, leaving, losing ---

#[path = "machine_moving_tests.rs"]
mod moving;

// --- sleep, commands ---

#[path = "machine_sleep_tests.rs"]
mod sleep;

#[path = "machine_command_tests.rs"]
mod commands;

// --- any order of things ---

#[path = "machine_order_tests.rs"]
mod order;
