use super::{Event, Registrar};
use crate::cause::{DetachCause, RejectCause};
use crate::cell::Cell;
use crate::epoch::{AHEAD_MAX, Epoch};
use crate::id::{ConnId, Incarnation, NodeId, RegionId, SessionId, SpoolId, VehicleId};
use crate::log::{Entry, LiveState};
use crate::message::{AttachKind, AttachRequest, Downlink};
use crate::ranges::SeqRanges;
use crate::record::{Position, SpoolReport};
use crate::session::{Accepted, Action, Phase};
use crate::time::{Millis, Mono, Wall};
use crate::timers::Timers;
use crate::token::KeyRing;
use crate::view::NodeInfo;
use crate::wake::WakeChannels;
use proptest::prelude::*;
use std::collections::BTreeSet;

const START: Mono = Mono(1 << 40);
const NOON: Wall = Wall(1_795_219_200_000);
const HOUR_MS: i64 = 3_600_000;

fn keys(regions: &[&str]) -> KeyRing {
    let mut keys = KeyRing::default();
    for region in regions {
        keys.insert(RegionId::new(region).unwrap(), format!("the key of {region}").into_bytes());
    }
    keys
}

fn registrar(region: &str) -> Registrar {
    let me = NodeInfo {
        id: NodeId::new(region).unwrap(),
        region: RegionId::new(region).unwrap(),
        incarnation: Incarnation(1),
        vehicles_url: String::new(),
        operators_url: String::new(),
        draining: false,
        rest: Box::default(),
    };
    Registrar::new(me, Timers::default(), keys(&["west", "east", "north"]))
}

fn vehicle(n: u64) -> VehicleId {
    VehicleId::new(&format!("LUX-{n}")).unwrap()
}

fn request(vehicle: &VehicleId, kind: AttachKind, token: Option<Vec<u8>>) -> AttachRequest {
    AttachRequest {
        vehicle: vehicle.clone(),
        kind,
        token,
        boot_id: "b1".to_owned(),
        spool: SpoolReport { id: SpoolId(7), oldest: 1, last: 0, acked: SeqRanges::new() },
        position: None,
        clock: None,
        signals: Vec::new(),
        wake: WakeChannels::NONE,
    }
}

/// A register, its clocks and what was asked of it last.
struct Bench {
    registrar: Registrar,
    now: Mono,
    wall: Wall,
    conns: u64,
    connected_elsewhere: bool,
    said: Vec<Action>,
}

impl Bench {
    fn new(region: &str) -> Self {
        Self {
            registrar: registrar(region),
            now: START,
            wall: NOON,
            conns: 0,
            connected_elsewhere: false,
            said: Vec::new(),
        }
    }

    fn does(&mut self, event: Event) -> &[Action] {
        self.said.clear();
        self.registrar.apply(self.now, event, &mut self.said);
        &self.said
    }

    /// Asks for a session on a new connection; the attach is not on disk yet.
    fn asks(&mut self, request: AttachRequest, known: Option<Epoch>) -> ConnId {
        self.conns += 1;
        let (conn, fresh) = (ConnId(self.conns), SessionId(1000 + self.conns));
        let wall = self.wall;
        let (request, connected_elsewhere) = (Box::new(request), self.connected_elsewhere);
        self.does(Event::AttachRequested { conn, request, known, connected_elsewhere, wall, fresh });
        conn
    }

    /// The disk answers the attach that was asked for last.
    fn stored(&mut self, settled: &[(u64, u64)]) {
        let (vehicle, session, epoch) = self.attempt().unwrap();
        let settled = settled.iter().copied().collect();
        self.does(Event::Persisted { vehicle, session, epoch, settled });
    }

    fn attempt(&self) -> Option<(VehicleId, SessionId, Epoch)> {
        self.said.iter().find_map(|action| match action {
            Action::Persist { vehicle, entry, answer: true, .. } => Some((vehicle.clone(), entry.session, entry.epoch)),
            Action::Persist { .. }
            | Action::Send(..)
            | Action::Accept(..)
            | Action::Publish(..)
            | Action::Close(..)
            | Action::ReportClone(_)
            | Action::Supersede { .. } => None,
        })
    }

    fn accepted(&self) -> Option<&Accepted> {
        self.said.iter().find_map(|action| if let Action::Accept(_, it) = action { Some(&**it) } else { None })
    }

    fn rejected(&self) -> Option<RejectCause> {
        self.said.iter().find_map(|action| {
            if let Action::Send(_, Downlink::AttachReject(it)) = action { Some(it.cause) } else { None }
        })
    }

    /// Attaches all the way; the session and the token of the accept.
    fn attaches(&mut self, request: AttachRequest, known: Option<Epoch>) -> Option<(Accepted, Vec<u8>)> {
        self.asks(request, known);
        self.attempt()?;
        self.stored(&[]);
        let accepted = self.accepted().unwrap().clone();
        let token = self.registrar.token(&accepted.vehicle, accepted.session, accepted.epoch);
        Some((accepted, token))
    }

    fn first_attach(&mut self) -> (Accepted, Vec<u8>) {
        self.attaches(request(&vehicle(1), AttachKind::Initial, None), None).unwrap()
    }

    fn loses(&mut self, conn: u64) {
        let contact = self.now;
        self.does(Event::SocketLost { conn: ConnId(conn), contact });
    }
}

#[test]
fn a_resume_goes_on_with_the_session_as_long_as_it_lives() {
    for deadlines in 0..=2 {
        let mut bench = Bench::new("west");
        let (first, token) = bench.first_attach();
        bench.loses(1);
        for _ in 0..deadlines {
            bench.now = bench.registrar.next_deadline().unwrap();
            bench.does(Event::DeadlineReached);
        }
        let resume = request(&vehicle(1), AttachKind::Resume, Some(token.clone()));
        assert!(bench.registrar.resumes(&resume));
        for other in [
            AttachRequest { kind: AttachKind::Handover, ..resume.clone() },
            AttachRequest { token: None, ..resume.clone() },
            AttachRequest { vehicle: vehicle(2), ..resume },
        ] {
            assert!(!bench.registrar.resumes(&other), "{other:?}");
        }
        let (resumed, _) = bench.attaches(request(&vehicle(1), AttachKind::Resume, Some(token)), None).unwrap();
        assert_eq!((resumed.session, resumed.epoch), (first.session, first.epoch), "after {deadlines} deadlines");
    }
}

#[test]
fn an_attach_whose_write_failed_may_be_on_disk_so_what_is_lower_is_not_resumed() {
    let mut bench = Bench::new("west");
    let (first, token) = bench.first_attach();
    bench.asks(request(&vehicle(1), AttachKind::Initial, None), None);
    let (vehicle_id, session, failed) = bench.attempt().unwrap();
    assert!(failed > first.epoch);
    bench.does(Event::PersistFailed { vehicle: vehicle_id, session, epoch: failed });
    assert_eq!(bench.rejected(), Some(RejectCause::StoreUnavailable));
    bench.loses(1);
    let resume = request(&vehicle(1), AttachKind::Resume, Some(token));
    let (again, token) = bench.attaches(resume, None).unwrap();
    assert!(again.epoch > failed && again.session != first.session, "{again:?} after {failed:?}");
    // Once an attach is stored there is no doubt any more.
    bench.loses(3);
    let (resumed, _) = bench.attaches(request(&vehicle(1), AttachKind::Resume, Some(token)), None).unwrap();
    assert_eq!((resumed.epoch, resumed.session), (again.epoch, again.session));
}

/// The vehicle's first attach of all here: nothing is left of it but what the disk may have.
#[test]
fn an_attach_whose_write_failed_is_remembered_when_its_session_is_gone() {
    let mut bench = Bench::new("west");
    bench.asks(request(&vehicle(1), AttachKind::Handover, None), Some(Epoch::of_clock(NOON + Millis::secs(7 * 3600))));
    let (vehicle_id, session, failed) = bench.attempt().unwrap();
    bench.loses(1);
    bench.does(Event::PersistFailed { vehicle: vehicle_id, session, epoch: failed });
    assert!(bench.registrar.session(&vehicle(1)).is_none());
    // Nobody knows that epoch any more, and the clock here is behind it.
    let (again, _) = bench.attaches(request(&vehicle(1), AttachKind::Initial, None), None).unwrap();
    assert!(again.epoch > failed, "the disk would refuse {:?} after {failed:?}", again.epoch);
}

#[test]
fn what_cannot_be_resumed_becomes_a_new_session_with_a_higher_epoch() {
    type Spoil = fn(&mut Bench, &Accepted);
    let table: [(&str, AttachKind, Option<u64>, Spoil); 5] = [
        ("it is an initial attach", AttachKind::Initial, None, |_, _| ()),
        ("it is a handover", AttachKind::Handover, None, |_, _| ()),
        ("the directory knows a higher epoch", AttachKind::Resume, Some(9), |_, _| ()),
        ("the vehicle had said goodbye", AttachKind::Resume, None, |bench, _| {
            bench.does(Event::DetachRequested(ConnId(1), DetachCause::Service));
        }),
        ("a newer attach is under way", AttachKind::Resume, None, |bench, _| {
            bench.asks(request(&vehicle(1), AttachKind::Initial, None), None);
        }),
    ];
    for (why, kind, ahead, spoil) in table {
        let mut bench = Bench::new("west");
        let (first, token) = bench.first_attach();
        spoil(&mut bench, &first);
        let known = ahead.map(|ahead| Epoch(first.epoch.0 + ahead));
        let (second, _) = bench.attaches(request(&vehicle(1), kind, Some(token)), known).unwrap();
        assert_ne!(second.session, first.session, "{why}");
        assert!(second.epoch > first.epoch.max(known.unwrap_or(first.epoch)), "{why}");
    }
}

#[test]
fn a_resume_is_never_answered_with_what_is_settled_of_another_spool() {
    let mut bench = Bench::new("west");
    let (_, token) = bench.first_attach();
    bench.loses(1);
    let resume = request(&vehicle(1), AttachKind::Resume, Some(token));
    bench.asks(resume.clone(), None);
    let (vehicle, session, epoch) = bench.attempt().unwrap();
    let renewed = SpoolReport { id: SpoolId(8), ..resume.spool.clone() };
    bench.asks(AttachRequest { spool: renewed, ..resume }, None);
    // The disk answers the first one, of spool 7.
    let settled = [(1, 100)].into_iter().collect();
    bench.does(Event::Persisted { vehicle, session, epoch, settled });
    assert_eq!(bench.accepted(), None);
}

#[test]
fn a_handover_tells_the_gateway_that_served_before() {
    let (mut west, mut east) = (Bench::new("west"), Bench::new("east"));
    let (there, token) = west.first_attach();
    let (here, _) = east.attaches(request(&vehicle(1), AttachKind::Handover, Some(token)), None).unwrap();
    assert!(here.epoch > there.epoch, "without any word between the two");
    let told = Action::Supersede {
        node: NodeId::new("west").unwrap(),
        vehicle: vehicle(1),
        session: there.session,
        epoch: there.epoch,
        by: here.epoch,
        spool: here.spool.id,
    };
    assert!(here.gathers && !there.gathers, "only who comes from elsewhere has something to be asked for");
    assert_eq!(east.said.last(), Some(&told));
    west.does(Event::Superseded { vehicle: vehicle(1), session: there.session, epoch: there.epoch, by: here.epoch });
    assert!(west.said.contains(&Action::Close(ConnId(1), 4409)));
    assert_eq!(west.registrar.session(&vehicle(1)).unwrap().conns(), [None, None]);
    west.does(Event::Outranked { vehicle: vehicle(1), by: here.epoch, detached: false });
    assert!(west.registrar.session(&vehicle(1)).is_none());
}

#[test]
fn a_late_supersede_that_names_another_session_or_epoch_does_nothing() {
    let mut bench = Bench::new("west");
    let (first, _) = bench.first_attach();
    let (second, _) = bench.attaches(request(&vehicle(1), AttachKind::Initial, None), None).unwrap();
    let (old, new) = ((first.session, first.epoch), (second.session, second.epoch));
    let far = Epoch(u64::MAX);
    for (session, epoch, by) in [(old.0, old.1, far), (old.0, new.1, far), (new.0, old.1, far), (new.0, new.1, new.1)] {
        let event = Event::Superseded { vehicle: vehicle(1), session, epoch, by };
        assert_eq!(bench.does(event), []);
    }
    assert_eq!(bench.registrar.session(&vehicle(1)).unwrap().phase(), Phase::Connected(ConnId(2)));
}

#[test]
fn a_late_answer_of_the_disk_that_names_another_attach_does_nothing() {
    let mut bench = Bench::new("west");
    bench.first_attach();
    bench.asks(request(&vehicle(1), AttachKind::Initial, None), None);
    let (_, session, epoch) = bench.attempt().unwrap();
    for (session, epoch) in [(SessionId(1001), epoch), (session, Epoch(epoch.0 - 1))] {
        let (vehicle, settled) = (vehicle(1), SeqRanges::new());
        assert_eq!(bench.does(Event::Persisted { vehicle: vehicle.clone(), session, epoch, settled }), []);
        assert_eq!(bench.does(Event::PersistFailed { vehicle, session, epoch }), []);
    }
    let stranger = Event::Persisted { vehicle: vehicle(9), session, epoch, settled: SeqRanges::new() };
    assert_eq!(bench.does(stranger), []);
}

#[test]
fn a_token_that_is_not_this_vehicles_own_is_not_taken_and_the_cause_says_why() {
    let mut south = Bench::new("west");
    south.registrar = Registrar::new(
        NodeInfo { region: RegionId::new("south").unwrap(), ..south.registrar.me.clone() },
        Timers::default(),
        keys(&["south"]),
    );
    let (_, unknown_region) = south.first_attach();
    let mut bench = Bench::new("west");
    let (_, own) = bench.first_attach();
    let mut flipped = own.clone();
    flipped[3] ^= 1;
    let mut rotated = own.clone();
    rotated[1] = 77;
    let tokens = [
        ("its region is unknown", unknown_region, RejectCause::ContextUnknown, 4203),
        ("its key is unknown", rotated, RejectCause::ContextUnknown, 4203),
        ("a bit is flipped", flipped, RejectCause::EpochSync, 4202),
        ("it is empty", Vec::new(), RejectCause::EpochSync, 4202),
    ];
    for (why, token, cause, code) in tokens {
        bench.asks(request(&vehicle(1), AttachKind::Resume, Some(token)), None);
        assert_eq!(bench.rejected(), Some(cause), "{why}");
        assert!(bench.said.contains(&Action::Close(ConnId(bench.conns), code)), "{why}");
    }
    bench.asks(request(&vehicle(2), AttachKind::Resume, Some(own)), None);
    assert_eq!(bench.rejected(), Some(RejectCause::EpochSync), "it is another vehicle's");
    assert_eq!(bench.registrar.conns.len(), 1, "the refused ones hold no place");
    assert!(bench.registrar.session(&vehicle(2)).is_none());
}

#[test]
fn an_epoch_is_adopted_up_to_a_day_ahead_of_the_clock_and_not_beyond() {
    let (mut ahead, mut here) = (Bench::new("east"), Bench::new("west"));
    for (ms_ahead, rejected) in [(AHEAD_MAX.0, None), (AHEAD_MAX.0 + 1, Some(RejectCause::EpochSync))] {
        ahead.wall = here.wall + Millis(ms_ahead);
        let (there, token) = ahead.first_attach();
        here.asks(request(&vehicle(1), AttachKind::Handover, Some(token)), None);
        assert_eq!(here.rejected(), rejected);
        if rejected.is_none() {
            assert!(here.attempt().unwrap().2 > there.epoch);
        }
        ahead = Bench::new("east");
    }
}

#[test]
fn a_vehicle_whose_clock_is_more_than_a_day_off_is_told_so() {
    let mut bench = Bench::new("west");
    let day_ms = 24 * HOUR_MS;
    for (off_ms, rejected) in [
        (day_ms, None),
        (-day_ms, None),
        (day_ms + 1, Some(RejectCause::ClockOff)),
        (-day_ms - 1, Some(RejectCause::ClockOff)),
        (i64::MIN, Some(RejectCause::ClockOff)),
    ] {
        let clock = Some(Wall(NOON.0.wrapping_add(off_ms)));
        bench.asks(AttachRequest { clock, ..request(&vehicle(1), AttachKind::Initial, None) }, None);
        assert_eq!(bench.rejected(), rejected, "{off_ms} ms");
    }
}

/// What becomes of an attach of a vehicle that is connected here already.
fn attaches_again(bench: &mut Bench, token: Option<Vec<u8>>, known: Option<Epoch>) -> (Option<RejectCause>, Vec<u8>) {
    bench.now = bench.now + Millis::secs(1);
    let kind = if token.is_some() { AttachKind::Resume } else { AttachKind::Initial };
    match bench.attaches(request(&vehicle(1), kind, token), known) {
        Some((_, token)) => (None, token),
        None => (bench.rejected(), Vec::new()),
    }
}

#[test]
fn units_that_push_each_other_out_are_reported_and_the_one_that_is_connected_stays() {
    let mut bench = Bench::new("west");
    let (_, token) = bench.first_attach();
    let mut tokens = [Some(token), None];
    for n in 0..4 {
        let unit = (n + 1) % 2;
        let (rejected, token) = attaches_again(&mut bench, tokens[unit].take(), None);
        assert_eq!(rejected, None, "the newest wins");
        tokens[unit] = Some(token);
        assert_eq!(bench.registrar.suspected_clone(&vehicle(1), bench.now), n == 3, "{n}");
    }
    let [newest, older] = tokens;
    for presented in [older.clone(), None, older] {
        let (rejected, _) = attaches_again(&mut bench, presented, None);
        assert_eq!(rejected, Some(RejectCause::Cloned));
        assert!(bench.said.contains(&Action::Close(ConnId(bench.conns), 4003)));
        assert_eq!(bench.registrar.session(&vehicle(1)).unwrap().phase(), Phase::Connected(ConnId(5)));
    }
    assert_eq!(attaches_again(&mut bench, newest, None).0, None, "it presents the newest token: nothing is contested");
    assert!(bench.registrar.session(&vehicle(1)).unwrap().entry().unwrap().cloned, "everyone is told");
    bench.now = bench.now + crate::clones::SUSPECT;
    assert!(!bench.registrar.suspected_clone(&vehicle(1), bench.now));
    bench.does(Event::Ticked);
    assert!(!bench.registrar.session(&vehicle(1)).unwrap().entry().unwrap().cloned, "and told when it is over");
}

#[test]
fn who_presents_the_session_it_leaves_never_counts_as_a_double() {
    type Next = fn(&mut Bench, u64, Vec<u8>) -> Option<Vec<u8>>;
    let table: [(&str, Next); 5] = [
        ("it resumes over an open socket", |_, _, token| Some(token)),
        ("it resumes after a loss", |bench, n, token| {
            bench.loses(n);
            Some(token)
        }),
        ("it lost its token, once", |_, n, token| Some(token).filter(|_| n != 5)),
        ("it loses each token and its socket with it", |bench, n, _| {
            bench.loses(n);
            bench.now = bench.registrar.next_deadline().unwrap();
            bench.does(Event::DeadlineReached);
            None
        }),
        ("it says goodbye each time and keeps no token", |bench, n, _| {
            bench.does(Event::DetachRequested(ConnId(n), DetachCause::Service));
            None
        }),
    ];
    for (why, next) in table {
        let mut bench = Bench::new("west");
        let (_, mut token) = bench.first_attach();
        for n in 1..20 {
            let presented = next(&mut bench, n, token);
            let rejected;
            (rejected, token) = attaches_again(&mut bench, presented, None);
            assert_eq!(rejected, None, "{why}");
            assert!(!bench.registrar.suspected_clone(&vehicle(1), bench.now), "{why}");
        }
    }
}

#[test]
fn a_session_that_the_directory_shows_elsewhere_is_pushed_out_too() {
    for (elsewhere, last) in [(true, Some(RejectCause::Cloned)), (false, None)] {
        let mut bench = Bench::new("west");
        bench.connected_elsewhere = elsewhere;
        for n in 0..5 {
            // The double at the other gateway attached meanwhile, which ended the session here.
            let known = Epoch(Epoch::of_clock(NOON).0 + n * 1000);
            let (rejected, _) = attaches_again(&mut bench, None, Some(known));
            assert_eq!(rejected, last.filter(|_| n == 4));
            bench.does(Event::DetachRequested(ConnId(n + 1), DetachCause::Service));
        }
    }
}

#[test]
fn a_second_attach_on_one_connection_is_a_bad_message() {
    let mut bench = Bench::new("west");
    bench.first_attach();
    bench.conns = 0;
    let conn = bench.asks(request(&vehicle(2), AttachKind::Initial, None), None);
    assert_eq!((conn, bench.rejected()), (ConnId(1), Some(RejectCause::BadMessage)));
    assert!(bench.said.contains(&Action::Close(conn, 4200)));
}

#[test]
fn a_restored_session_is_published_with_its_deadline_and_does_not_replace_one_that_is_here() {
    let mut bench = Bench::new("west");
    let entry = Entry {
        epoch: Epoch(77),
        session: SessionId(78),
        state: LiveState::Connected,
        cause: None,
        cell: None,
        contact: START,
        sleep: Millis(0),
        wake: WakeChannels::NONE,
        cloned: false,
    };
    bench.does(Event::Restored { vehicle: vehicle(1), entry: entry.clone() });
    assert_eq!(bench.said, [Action::Publish(vehicle(1), Entry { state: LiveState::Idle, ..entry.clone() })]);
    assert_eq!(bench.registrar.next_deadline(), Some(START + Timers::default().reachable));
    bench.asks(request(&vehicle(1), AttachKind::Initial, None), None);
    assert!(bench.attempt().unwrap().2 > Epoch(77));
    assert_eq!(bench.does(Event::Restored { vehicle: vehicle(1), entry: entry.clone() }), []);
    let removed = Entry { state: LiveState::Removed, ..entry };
    assert_eq!(bench.does(Event::Restored { vehicle: vehicle(2), entry: removed }), []);
    assert!(bench.registrar.session(&vehicle(2)).is_none());
}

#[test]
fn a_purged_vehicle_leaves_nothing_behind() {
    let mut bench = Bench::new("west");
    bench.first_attach();
    bench.loses(1);
    while let Some(at) = bench.registrar.next_deadline() {
        bench.now = at;
        bench.does(Event::DeadlineReached);
    }
    assert_eq!(bench.registrar.sessions().count(), 0);
    assert!(bench.registrar.conns.is_empty() && bench.registrar.deadlines.is_empty());
}

fn any_event() -> impl Strategy<Value = (u64, u8, u64, u64)> {
    (prop_oneof![Just(0u64), Just(900), Just(40_000), Just(4_000_000)], 0u8..10, 1u64..4, 0u64..5)
}

proptest! {
    /// The vehicle carries the order: no gateway knows the directory, all clocks are wrong by up to half a day.
    #[test]
    fn epochs_strictly_rise_along_a_vehicles_history_under_any_clock_skew(
        attaches in prop::collection::vec((0usize..3, -11 * HOUR_MS..11 * HOUR_MS, any::<bool>()), 1..30)
    ) {
        let mut gateways = ["west", "east", "north"].map(Bench::new);
        let (mut last, mut token) = (None, None);
        for (at, skew, resume) in attaches {
            gateways[at].wall = Wall(NOON.0 + skew);
            let kind = if resume { AttachKind::Resume } else { AttachKind::Handover };
            let attached = gateways[at].attaches(request(&vehicle(1), kind, token.take()), None);
            let (accepted, next) = attached.expect("a skew below a day is no reason to refuse");
            if let Some((session, epoch)) = last {
                prop_assert!(accepted.epoch > epoch || (accepted.session, accepted.epoch) == (session, epoch));
            }
            (last, token) = (Some((accepted.session, accepted.epoch)), Some(next));
        }
    }

    /// Beyond a day the token is not adopted; the directory keeps the order for a vehicle that drops it.
    #[test]
    fn epochs_strictly_rise_where_the_token_is_refused_but_the_directory_knows(
        attaches in prop::collection::vec((0usize..3, -40_000i64..40_000), 1..20)
    ) {
        let mut gateways = ["west", "east", "north"].map(Bench::new);
        let (mut last, mut token) = (None, None);
        for (at, skew_hours) in attaches {
            let bench = &mut gateways[at];
            // No gateway here hears that it was left: attaches as fast as this would be those of a clone.
            bench.now = bench.now + Millis::secs(21);
            bench.wall = Wall(NOON.0 + skew_hours * HOUR_MS);
            let attached = match bench.attaches(request(&vehicle(1), AttachKind::Handover, token.take()), last) {
                Some(attached) => attached,
                None => {
                    prop_assert_eq!(bench.rejected(), Some(RejectCause::EpochSync));
                    bench.attaches(request(&vehicle(1), AttachKind::Initial, None), last).unwrap()
                }
            };
            prop_assert!(last.is_none_or(|last| attached.0.epoch > last));
            (last, token) = (Some(attached.0.epoch), Some(attached.1));
        }
    }

    #[test]
    fn the_deadlines_are_those_of_the_sessions_and_no_connection_is_kept_after_its_loss(
        events in prop::collection::vec(any_event(), 1..80)
    ) {
        let mut bench = Bench::new("west");
        let mut open = BTreeSet::new();
        let mut under_way = Vec::new();
        for (wait_ms, what, v, pick) in events {
            bench.now = bench.now + Millis(wait_ms);
            let some_conn = open.iter().nth(pick as usize).copied().unwrap_or(ConnId(pick));
            let (vehicle, contact) = (vehicle(v), bench.now);
            let current = bench.registrar.session(&vehicle).map(|s| (s.id(), s.epoch()));
            match what {
                0..=2 => {
                    let conn = bench.asks(request(&vehicle, AttachKind::Initial, None), None);
                    // So many without a token look like a clone's, and are sent away.
                    if bench.rejected().is_none() {
                        open.insert(conn);
                    }
                    under_way.extend(bench.attempt());
                }
                3 | 4 => if let Some((vehicle, session, epoch)) = under_way.pop() {
                    let settled = SeqRanges::new();
                    bench.does(if pick == 0 {
                        Event::PersistFailed { vehicle, session, epoch }
                    } else {
                        Event::Persisted { vehicle, session, epoch, settled }
                    });
                },
                5 => {
                    bench.does(Event::SocketLost { conn: some_conn, contact });
                    open.remove(&some_conn);
                }
                6 => { bench.does(Event::DetachRequested(some_conn, DetachCause::Service)); }
                7 => if let Some((session, epoch)) = current {
                    let by = Epoch(epoch.0.saturating_add(pick).saturating_sub(1));
                    bench.does(Event::Superseded { vehicle, session, epoch, by });
                },
                8 => {
                    let cell = Cell::of(Position::from_degrees(49.6, pick as f64)).unwrap();
                    bench.does(Event::Moved(some_conn, cell));
                }
                _ => { bench.does(Event::DeadlineReached); }
            }
            let of_sessions: BTreeSet<_> =
                bench.registrar.sessions().filter_map(|(v, s)| Some((s.next_deadline()?, v.clone()))).collect();
            prop_assert_eq!(&bench.registrar.deadlines, &of_sessions);
            prop_assert_eq!(bench.registrar.conns.keys().copied().collect::<BTreeSet<_>>(), open.clone());
            prop_assert!(bench.registrar.sessions().all(|(_, s)| s.phase() != Phase::Gone));
        }
    }
}
