use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use waygate_core::command::{Command, CommandName, CommandStatus, Policy, VehicleVerdict};
use waygate_core::message::{Redirect, RedirectReason};

fn downlink() -> impl Strategy<Value = Downlink> {
    let cause = (0..RejectCause::ALL.len()).prop_map(|at| RejectCause::ALL[at]);
    let order = (0..OrderCause::ALL.len()).prop_map(|at| OrderCause::ALL[at]);
    prop_oneof![
        6 => (0u64..50).prop_map(|resume_from| accepting(|accept| accept.resume_from = resume_from)),
        4 => any::<u64>().prop_map(ack),
        4 => (1u64..50).prop_map(ack),
        1 => cause.prop_map(rejecting),
        1 => (order, any::<bool>()).prop_map(|(cause, reattach)| Downlink::DetachOrder { cause, reattach }),
        1 => any::<u64>().prop_map(|ms| Downlink::FlowControl { pause: Millis(ms), reason: String::new() }),
        2 => (0u64..30_000, "[abc]{0,2}").prop_map(|(deadline, to)| {
            let at = |c: char| GatewayAddress { region: String::new(), url: c.to_string() };
            let targets = to.chars().map(at).collect();
            Downlink::Redirect(Redirect { targets, reason: RedirectReason::Draining, deadline: Millis(deadline) })
        }),
        2 => (0u128..9, 0u64..9000).prop_map(|(id, ttl)| Downlink::Command(Box::new(Command {
            id: CommandId(id),
            name: CommandName::new("x").unwrap(),
            arguments: String::new(),
            issued: Wall(0),
            ttl: Millis(ttl),
            sent: Wall(0),
            policy: Policy::Now,
        }))),
        1 => (0u128..9).prop_map(|id| Downlink::CommandCancel(CommandId(id))),
    ]
}

/// Links are named by their place among those that are open.
fn event() -> impl Strategy<Value = Event> {
    let why = String::new;
    let link = || (0u64..2).prop_map(LinkId);
    let code = prop::option::of(prop_oneof![
        Just(1006u16),
        Just(4000),
        Just(4100),
        Just(4200),
        Just(4403),
        Just(4409),
        Just(4503)
    ]);
    let span = || prop_oneof![Just(Millis(0)), (1u64..30_000).prop_map(Millis)];
    prop_oneof![
        1 => Just(Event::AttachRequested),
        6 => link().prop_map(|link| Event::Connected { link, wall: Wall(0), signals: vec![] }),
        1 => (link(), any::<u64>()).prop_map(move |(link, random)| {
            Event::ConnectFailed { link, why: why(), retry_after: Some(Millis(random % 9000)), random }
        }),
        1 => (link(), code, any::<u64>()).prop_map(move |(link, code, random)| {
            Event::SocketLost { link, code, why: why(), random }
        }),
        8 => (link(), downlink(), any::<u64>()).prop_map(|(link, message, random)| {
            Event::MessageReceived { link, message, random }
        }),
        8 => Just(Event::RecordAdded { seq: 0, position: Some(LUX) }),
        1 => Just(Event::PositionChanged(BONN)),
        1 => Just(Event::GatewaysPreferred(vec!["b".into(), "a".into()])),
        1 => Just(Event::GatewaysPreferred(vec!["a".into()])),
        1 => Just(Event::DetachRequested(DetachCause::Shutdown)),
        1 => (span(), span()).prop_map(|(active, sleep)| Event::SuspendRequested(Nap { active, sleep })),
        1 => (0u128..9).prop_map(|id| Event::BeginAsked(CommandId(id))),
        1 => (0u128..9).prop_map(|id| Event::CommandSaid(CommandStatus {
            id: CommandId(id),
            verdict: VehicleVerdict::Succeeded,
            code: String::new(),
            text: String::new(),
            result: String::new(),
        })),
        8 => any::<u64>().prop_map(|random| Event::DeadlineReached { random }),
    ]
}

/// What the shell would make of an event: `None` if it cannot happen.
fn possible(unit: &mut Unit, mut event: Event, open: &mut BTreeSet<LinkId>, last: &mut u64) -> Option<Event> {
    if let Event::RecordAdded { seq, .. } = &mut event {
        *last += 1;
        *seq = *last;
    } else if let Event::DeadlineReached { .. } = &event {
        unit.now = unit.now.max(unit.machine.next_deadline()?);
    } else if let Event::Connected { link, .. }
    | Event::ConnectFailed { link, .. }
    | Event::SocketLost { link, .. }
    | Event::FrameReceived { link }
    | Event::MessageReceived { link, .. } = &mut event
    {
        *link = *open.iter().nth(link.0 as usize)?;
    }
    if let Event::ConnectFailed { link, .. } = &event {
        // A dial fails only as long as it is one.
        let main = unit.machine.main_link() == Some(*link);
        let asked = if main { unit.machine.state() != State::Connecting } else { unit.machine.is_second_asked() };
        let leaving = unit.machine.leaving.is_some_and(|leaving| leaving.link == *link);
        if asked || leaving {
            return None;
        }
    }
    if let Event::ConnectFailed { link, .. } | Event::SocketLost { link, .. } = &event {
        open.remove(link);
    }
    Some(event)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_happens_it_holds_two_sockets_at_most_sends_only_what_it_may_and_never_spins(
        events in prop::collection::vec((event(), 0u64..3000), 0..300),
    ) {
        let mut unit = Unit::new(&["a", "b"]);
        unit.apply(Event::AttachRequested);
        let (mut last, mut open) = (0, BTreeSet::from([LinkId(1)]));
        let mut handed = BTreeSet::new();
        unit.out.clear();
        for (event, wait) in events {
            unit.now = Mono(unit.now.0 + wait);
            let Some(event) = possible(&mut unit, event, &mut open, &mut last) else { continue };
            let waited = matches!(event, Event::DeadlineReached { .. });
            unit.apply(event);
            let mut rounds = 0;
            while !unit.out.is_empty() {
                rounds += 1;
                prop_assert!(rounds < 300, "it spins");
                for action in std::mem::take(&mut unit.out) {
                    match action {
                        A::Connect { link, .. } => {
                            prop_assert!(open.insert(link));
                            prop_assert!(open.len() <= 2, "two sockets at a time: {open:?}");
                        }
                        A::Close { link, .. } => prop_assert!(open.remove(&link), "{link:?} is closed twice"),
                        A::Send { link, .. } => prop_assert!(open.contains(&link)),
                        A::SendRecords { link, span, .. } => {
                            prop_assert_eq!(unit.machine.session_link(), Some(link));
                            prop_assert!(1 <= span.first && span.first <= span.last && span.last <= last);
                            unit.apply(Event::RecordsSent { first: span.first, last: span.last, bytes: 10 });
                        }
                        A::Settle { seqs, .. } => prop_assert!(seqs.iter().all(|range| *range.end() <= last)),
                        A::RememberCommand(id) => prop_assert!(handed.insert(id), "{id} is handed over twice"),
                        A::KeepToken(_) | A::Notify(_) | A::AnswerBegin { .. } | A::Snapshot(_) => {}
                    }
                }
            }
            let state = unit.machine.state();
            let main = unit.machine.main_link();
            prop_assert_eq!(main.is_some(), matches!(state, State::Connecting | State::Attaching | State::Attached));
            prop_assert!(main.is_none_or(|link| open.contains(&link)));
            prop_assert!(open.len() <= usize::from(main.is_some()) + usize::from(state == State::Attached));
            prop_assert!(unit.machine.next_deadline().is_some() || state == State::Stopped);
            prop_assert!(!waited || unit.machine.next_deadline().is_none_or(|at| at >= unit.now), "it waits for the past");
        }
    }
}
