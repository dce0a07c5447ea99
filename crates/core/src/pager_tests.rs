use super::{Action, Event, Facts, Outcome, PAGES_MAX, Pager, Probed, WAITERS_MAX, WaiterId, WakeRules, Why};
use crate::epoch::Epoch;
use crate::id::VehicleId;
use crate::time::{Millis, Mono};
use crate::view::Known;
use crate::wake::{WakeChannel, WakeChannels};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn car(n: u8) -> VehicleId {
    VehicleId::new(&format!("LUX-{n}")).unwrap()
}

fn mqtt() -> WakeChannels {
    [WakeChannel::Mqtt].into_iter().collect()
}

fn asleep() -> Facts {
    Facts { known: Some(Known::Asleep), connected: false, epoch: Epoch(5), wake: mqtt() }
}

fn online() -> Facts {
    Facts { known: Some(Known::Online), connected: true, ..asleep() }
}

/// A pager in virtual time, and everything it asked for.
struct Bench {
    pager: Pager,
    now: Mono,
    log: Vec<(u64, Action)>,
    waiters: u64,
}

impl Bench {
    fn new() -> Self {
        Self::with(WakeRules::default())
    }

    fn with(rules: WakeRules) -> Self {
        Self { pager: Pager::new(rules, mqtt()), now: Mono(1 << 40), log: Vec::new(), waiters: 0 }
    }

    fn apply(&mut self, event: Event) {
        let mut out = Vec::new();
        self.pager.apply(self.now, event, &mut out);
        self.log.extend(out.into_iter().map(|action| (self.now.0 - (1 << 40), action)));
    }

    fn ask(&mut self, facts: Facts, wait_s: u64, wake: bool) -> WaiterId {
        self.waiters += 1;
        let waiter = WaiterId(self.waiters);
        self.apply(Event::Asked { vehicle: car(1), facts, waiter, wait: Millis::secs(wait_s), wake });
        waiter
    }

    /// Lets time pass, deadline by deadline.
    fn pass(&mut self, secs: u64) {
        let end = self.now + Millis::secs(secs);
        while let Some(at) = self.pager.next_deadline().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.apply(Event::DeadlineReached);
        }
        self.now = end;
    }

    fn answers(&self, waiter: WaiterId) -> Vec<(Outcome, u64)> {
        let mine = |action: &(u64, Action)| match action.1 {
            Action::Answer { waiter: w, outcome, took } if w == waiter => Some((outcome, took.0)),
            Action::Answer { .. } | Action::Probe(_) | Action::Wake { .. } | Action::End { .. } => None,
        };
        self.log.iter().filter_map(mine).collect()
    }

    /// When wake-ups were sent, in seconds.
    fn wakes(&self) -> Vec<u64> {
        self.log.iter().filter(|(_, action)| matches!(action, Action::Wake { .. })).map(|(at, _)| at / 1000).collect()
    }
}

#[test]
fn wake_ups_are_sent_in_growing_spans_and_then_it_is_unreachable() {
    let mut bench = Bench::new();
    let waiter = bench.ask(asleep(), 600, true);
    bench.apply(Event::Sent { vehicle: car(1), number: 1, taken: true });
    bench.pass(600);
    assert_eq!(bench.wakes(), [0, 30, 90, 210]);
    assert_eq!(bench.answers(waiter), [(Outcome::Unreachable(Why::NoAnswer(4)), 240_000)]);
    assert_eq!(bench.pager.next_deadline(), None);
}

#[test]
fn an_attach_anywhere_ends_the_page_and_tells_how_long_it_took() {
    let newer = Facts { known: Some(Known::Idle), epoch: Epoch(6), ..asleep() };
    for attached in [newer, online()] {
        let mut bench = Bench::new();
        let waiter = bench.ask(asleep(), 240, true);
        bench.pass(31);
        bench.apply(Event::Seen(car(1), asleep()));
        assert_eq!(bench.answers(waiter), [], "nothing has changed");
        bench.pass(2);
        bench.apply(Event::Seen(car(1), attached));
        assert_eq!(bench.answers(waiter), [(Outcome::Woken, 33_000)]);
        bench.pass(600);
        assert_eq!(bench.wakes(), [0, 30], "nothing is sent to one that is here");
    }
}

#[test]
fn who_asks_while_a_wake_up_is_under_way_joins_it() {
    let mut bench = Bench::new();
    let first = bench.ask(asleep(), 240, true);
    bench.pass(10);
    let second = bench.ask(asleep(), 240, true);
    bench.pass(5);
    bench.apply(Event::Seen(car(1), online()));
    assert_eq!(bench.wakes(), [0]);
    assert_eq!(bench.answers(first), [(Outcome::Woken, 15_000)]);
    assert_eq!(bench.answers(second), [(Outcome::Woken, 5_000)]);
    let ends = bench.log.iter().filter(|(_, action)| matches!(action, Action::End { .. })).count();
    assert_eq!(ends, 1);
}

#[test]
fn a_waiter_is_answered_at_its_own_deadline_and_the_page_goes_on() {
    let mut bench = Bench::new();
    let waiter = bench.ask(asleep(), 45, true);
    bench.pass(60);
    assert_eq!(bench.answers(waiter), [(Outcome::Unreachable(Why::Pending { sent: 2 }), 45_000)]);
    bench.pass(600);
    assert_eq!(bench.wakes(), [0, 30, 90, 210]);
    assert_eq!(bench.answers(waiter).len(), 1);
}

#[test]
fn only_who_can_be_woken_is_woken_and_the_others_are_told_why() {
    let none = WakeChannels::NONE;
    let sms: WakeChannels = [WakeChannel::Sms].into_iter().collect();
    let known = |known| Facts { known, ..asleep() };
    for (facts, wake, why) in [
        (known(None), true, Why::Unknown),
        (known(Some(Known::Unreachable)), true, Why::Silent),
        (known(Some(Known::Offline)), true, Why::Offline),
        (Facts { wake: none, ..asleep() }, true, Why::NoChannel),
        (Facts { wake: sms, ..asleep() }, true, Why::NoHook),
        (known(Some(Known::Idle)), false, Why::NotAsked),
    ] {
        let mut bench = Bench::new();
        let waiter = bench.ask(facts, 30, wake);
        assert_eq!(bench.answers(waiter), [(Outcome::Unreachable(why), 0)]);
        assert_eq!(bench.wakes(), []);
        assert!(!why.to_string().is_empty());
    }
    for state in [Known::Idle, Known::Asleep] {
        let mut bench = Bench::new();
        bench.ask(known(Some(state)), 30, true);
        assert_eq!(bench.wakes(), [0]);
    }
}

#[test]
fn a_socket_is_probed_first_and_only_a_lost_one_leads_to_a_wake_up() {
    let lost = Facts { connected: false, ..online() };
    let probed = |result, facts| Event::Probed { vehicle: car(1), result, facts };
    let mut bench = Bench::new();
    let (first, quiet) = (bench.ask(online(), 30, true), bench.ask(online(), 30, false));
    bench.pass(1);
    assert_eq!(bench.log, [(0, Action::Probe(car(1)))], "one probe for both");
    bench.apply(probed(Probed::Answered, online()));
    assert_eq!(bench.answers(first), [(Outcome::Reachable, 1000)]);
    assert_eq!(bench.answers(quiet), [(Outcome::Reachable, 1000)]);

    let mut bench = Bench::new();
    let (first, quiet) = (bench.ask(online(), 30, true), bench.ask(online(), 30, false));
    bench.pass(8);
    bench.apply(probed(Probed::Lost, lost));
    assert_eq!(bench.answers(quiet), [(Outcome::Unreachable(Why::NotAsked), 8000)]);
    assert_eq!(bench.wakes(), [8]);
    bench.apply(Event::Seen(car(1), lost));
    assert_eq!(bench.answers(first), [], "it is shown as online while its socket may be resumed");
    bench.apply(Event::Seen(car(1), online()));
    assert_eq!(bench.answers(first), [(Outcome::Woken, 8000)]);

    let mut bench = Bench::new();
    let waiter = bench.ask(online(), 30, true);
    bench.apply(probed(Probed::Lost, online()));
    assert_eq!(bench.answers(waiter), [(Outcome::Reachable, 0)], "it has another socket already");

    let mut bench = Bench::new();
    let waiter = bench.ask(online(), 30, true);
    bench.apply(probed(Probed::Unread, online()));
    assert_eq!(bench.answers(waiter), [(Outcome::Unreachable(Why::Unread), 0)]);
}

#[test]
fn six_wake_ups_in_an_hour_are_sent_and_the_seventh_is_not() {
    let mut bench = Bench::new();
    bench.ask(asleep(), 240, true);
    bench.pass(240);
    let second = bench.ask(asleep(), 240, true);
    bench.pass(240);
    assert_eq!(bench.wakes(), [0, 30, 90, 210, 240, 270]);
    assert_eq!(
        bench.answers(second),
        [(Outcome::Unreachable(Why::Limited { sent: 2, again: Millis(270_000) }), 90_000)]
    );
    let third = bench.ask(asleep(), 240, true);
    assert_eq!(bench.answers(third), [(Outcome::Unreachable(Why::Limited { sent: 0, again: Millis(120_000) }), 0)]);
    bench.pass(120);
    let fourth = bench.ask(asleep(), 10, true);
    assert_eq!(bench.wakes().len(), 7, "one more each ten minutes");
    assert_eq!(bench.answers(fourth), []);
}

#[test]
fn a_wake_up_that_no_hook_takes_is_tried_again_and_said() {
    let mut bench = Bench::new();
    let waiter = bench.ask(asleep(), 600, true);
    for number in 1..=4 {
        bench.apply(Event::Sent { vehicle: car(1), number, taken: false });
        bench.pass(if number == 4 { 30 } else { 30 << (number - 1) });
    }
    assert_eq!(bench.answers(waiter), [(Outcome::Unreachable(Why::NotTaken(4)), 240_000)]);
}

#[test]
fn too_many_waiters_are_told_so() {
    let mut bench = Bench::new();
    for _ in 0..WAITERS_MAX {
        bench.ask(asleep(), 240, true);
    }
    let waiter = bench.ask(asleep(), 240, true);
    assert_eq!(bench.answers(waiter), [(Outcome::Unreachable(Why::Busy), 0)]);
}

#[derive(Clone, Debug)]
enum Step {
    Ask(u8, u8, u64, bool),
    See(u8, u8),
    Probed(u8, Probed, u8),
    Sent(u8, u32, bool),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let probed = prop_oneof![Just(Probed::Answered), Just(Probed::Lost), Just(Probed::Unread)];
    let step = prop_oneof![
        4 => (0..3u8, 0..6u8, 0..300u64, any::<bool>()).prop_map(|(v, f, w, wake)| Step::Ask(v, f, w, wake)),
        2 => (0..3u8, 0..6u8).prop_map(|(v, f)| Step::See(v, f)),
        2 => (0..3u8, probed, 0..6u8).prop_map(|(v, p, f)| Step::Probed(v, p, f)),
        1 => (0..3u8, 0..6u32, any::<bool>()).prop_map(|(v, n, t)| Step::Sent(v, n, t)),
        4 => (0..200u64).prop_map(Step::Pass),
    ];
    proptest::collection::vec(step, 1..60)
}

fn facts(kind: u8) -> Facts {
    match kind {
        0 => online(),
        1 => Facts { connected: false, ..online() },
        2 => Facts { epoch: Epoch(9), ..asleep() },
        3 => Facts { known: Some(Known::Offline), ..asleep() },
        4 => Facts { wake: WakeChannels::NONE, ..asleep() },
        _ => asleep(),
    }
}

#[test]
fn a_page_for_which_there_is_no_room_ends_at_once_for_all_who_listen() {
    let mut bench = Bench::new();
    let ask = |n: usize| Event::Asked {
        vehicle: VehicleId::new(&format!("FULL-{n}")).unwrap(),
        facts: asleep(),
        waiter: WaiterId(n as u64),
        wait: Millis::secs(240),
        wake: true,
    };
    (0..PAGES_MAX).for_each(|n| bench.apply(ask(n)));
    bench.log.clear();
    bench.apply(ask(PAGES_MAX));
    let outcome = Outcome::Unreachable(Why::Busy);
    let ends = bench.log.iter().filter(|(_, a)| matches!(a, Action::End { outcome: o, .. } if *o == outcome)).count();
    assert_eq!(ends, 1, "{:?}", bench.log);
}

proptest! {
    #[test]
    fn every_waiter_is_answered_once_and_in_time_and_no_vehicle_is_woken_more_often_than_it_may(steps in steps()) {
        let mut bench = Bench::new();
        let mut until = BTreeMap::new();
        for step in steps {
            match step {
                Step::Ask(v, f, wait, wake) => {
                    bench.waiters += 1;
                    let waiter = WaiterId(bench.waiters);
                    let wait = Millis::secs(wait);
                    until.insert(waiter, bench.now + wait);
                    bench.apply(Event::Asked { vehicle: car(v), facts: facts(f), waiter, wait, wake });
                }
                Step::See(v, f) => bench.apply(Event::Seen(car(v), facts(f))),
                Step::Probed(v, result, f) => bench.apply(Event::Probed { vehicle: car(v), result, facts: facts(f) }),
                Step::Sent(v, number, taken) => bench.apply(Event::Sent { vehicle: car(v), number, taken }),
                Step::Pass(secs) => bench.pass(secs),
            }
        }
        for v in 0..3 {
            bench.apply(Event::Probed { vehicle: car(v), result: Probed::Unread, facts: asleep() });
        }
        bench.pass(700);
        prop_assert_eq!(bench.pager.vehicles().count(), 0);
        prop_assert_eq!(bench.pager.next_deadline(), None);
        let mut answered = BTreeSet::new();
        let mut open: BTreeMap<VehicleId, u32> = BTreeMap::new();
        let mut sent: BTreeMap<VehicleId, Vec<u64>> = BTreeMap::new();
        for (at, action) in &bench.log {
            match action {
                Action::Answer { waiter, .. } => {
                    prop_assert!(answered.insert(*waiter), "answered twice");
                    prop_assert!(Mono(at + (1 << 40)) <= until[waiter], "answered late");
                }
                Action::Wake { vehicle, number, channels, .. } => {
                    let before = open.insert(vehicle.clone(), *number).unwrap_or(0);
                    prop_assert_eq!(before + 1, *number, "one page a vehicle, its tries in order");
                    prop_assert_eq!(*channels, mqtt());
                    sent.entry(vehicle.clone()).or_default().push(*at);
                }
                Action::End { vehicle, .. } => drop(open.remove(vehicle)),
                Action::Probe(vehicle) => prop_assert!(!open.contains_key(vehicle), "probed while it is woken"),
            }
        }
        prop_assert_eq!(answered.len(), until.len(), "everyone is answered");
        for times in sent.values() {
            for (i, from) in times.iter().enumerate() {
                for (n, to) in times[i..].iter().enumerate() {
                    let room = 6 + (to - from) / 600_000;
                    prop_assert!((n as u64) < room, "{} wake-ups within {} ms", n + 1, to - from);
                }
            }
        }
    }
}
