use super::{Record, Step};
use crate::command::{CommandId, CommandName, Policy};
use crate::commands::word::{End, EndKind, Progress, Said, State};
use crate::id::{NodeId, VehicleId};
use crate::time::{Millis, Mono, Wall};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn node(n: u8) -> NodeId {
    NodeId::new(&format!("node-{n}")).unwrap()
}

pub(in crate::commands) fn plain() -> Record {
    Record {
        id: CommandId::new(Wall(1_795_219_200_000), 7),
        vehicle: VehicleId::new("LUX-1").unwrap(),
        name: CommandName::new("lock").unwrap(),
        arguments: "{}".to_owned(),
        policy: Policy::Queue,
        wake: true,
        taken: Mono(1 << 40),
        ttl: Millis::secs(60),
        origin: node(0),
        by: String::new(),
        request: None,
        keepers: BTreeSet::new(),
        cancel: false,
        wakes: 0,
        progress: Progress::Queued,
        end: None,
        steps: Vec::new(),
    }
}

fn said() -> impl Strategy<Value = Said> {
    (0..2u8, 0..2u8).prop_map(|(a, b)| Said::of(&a.to_string(), &b.to_string()))
}

fn progress() -> impl Strategy<Value = Progress> {
    (1..6u32, 0..3u8, said()).prop_map(|(n, percent, said)| Progress::from_number(n, percent, said).unwrap())
}

fn end() -> impl Strategy<Value = Option<End>> {
    let end = (1..10u32, said()).prop_map(|(n, said)| End { kind: EndKind::from_number(n).unwrap(), said });
    prop::option::of(end)
}

fn step() -> impl Strategy<Value = Step> {
    (0..90u64, 1..12u32, 0..5u8).prop_map(|(at, state, gateway)| Step {
        at: Mono((1 << 40) + at),
        state: State::from_number(state).unwrap(),
        gateway: node(gateway),
        text: String::new(),
    })
}

fn record() -> impl Strategy<Value = Record> {
    let copy = (0..50u64, prop::collection::btree_set(0..4u8, 0..3), any::<bool>(), 0..4u32);
    (copy, progress(), end(), prop::collection::vec(step(), 0..40)).prop_map(
        |((age, keepers, cancel, wakes), progress, end, steps)| {
            let mut record = Record { cancel, wakes, progress, end, ..plain() };
            record.taken = Mono((1 << 40) - age);
            record.keepers = keepers.into_iter().map(node).collect();
            for step in steps {
                record.step(step);
            }
            record
        },
    )
}

fn joined(a: &Record, b: &Record) -> Record {
    let mut joined = a.clone();
    joined.merge(b);
    joined
}

proptest! {
    #[test]
    fn copies_join_in_any_order_to_the_same(a in record(), b in record(), c in record()) {
        prop_assert_eq!(joined(&a, &b), joined(&b, &a));
        prop_assert_eq!(joined(&joined(&a, &b), &c), joined(&a, &joined(&b, &c)));
        prop_assert_eq!(joined(&a, &a), a);
    }

    #[test]
    fn a_join_keeps_an_end_and_makes_nothing_younger(a in record(), b in record()) {
        let both = joined(&a, &b);
        prop_assert_eq!(both.is_ended(), a.is_ended() || b.is_ended());
        prop_assert!(both.taken <= a.taken && both.progress >= a.progress && both.end >= a.end);
        prop_assert!(both.tells_the_same(&a) || both != a);
    }
}

#[test]
fn among_ends_the_vehicle_has_the_last_word() {
    let with = |kind| Record { end: Some(End { kind, said: Said::default() }), ..plain() };
    let weakest_first = [
        (EndKind::Unknown, State::Unknown),
        (EndKind::Expired, State::Expired),
        (EndKind::NotReachable, State::Failed),
        (EndKind::Cancelled, State::Cancelled),
        (EndKind::Rejected, State::Rejected),
        (EndKind::Failed, State::Failed),
        (EndKind::Succeeded, State::Succeeded),
    ];
    for (at, (weaker, _)) in weakest_first.iter().enumerate() {
        for (stronger, state) in &weakest_first[at..] {
            assert_eq!(joined(&with(*weaker), &with(*stronger)).state(), *state, "{weaker:?} and {stronger:?}");
        }
    }
}

#[test]
fn what_was_sent_by_another_gateway_has_not_expired_but_is_unknown() {
    let end = Some(End { kind: EndKind::Expired, said: Said::of("expired", "") });
    let expired = Record { end, ..plain() };
    assert_eq!(expired.state(), State::Expired);
    let both = joined(&expired, &Record { progress: Progress::Sent, ..plain() });
    assert_eq!((both.state(), both.said().code.as_str()), (State::Unknown, "no_answer"));
    let end = Some(End { kind: EndKind::Succeeded, said: Said::default() });
    assert_eq!(joined(&both, &Record { end, ..plain() }).state(), State::Succeeded);
}

#[test]
fn a_vehicle_is_given_what_is_left_of_the_time_to_live_and_then_nothing() {
    let record = plain();
    assert_eq!(record.to_send(Mono((1 << 40) + 59_999)).map(|command| command.ttl), Some(Millis(1)));
    assert_eq!(record.to_send(Mono((1 << 40) + 60_000)), None);
    assert_eq!(record.issued(), Wall(1_795_219_200_000));
}
