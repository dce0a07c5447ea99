use super::*;
use crate::machine::COMMANDS_IN_HAND_MAX;
use waygate_core::command::{Command, CommandName, CommandStatus, Policy, VehicleVerdict as V};
use waygate_core::limits::COMMAND_IDS_REMEMBERED;

fn command(id: u128, ttl: Millis) -> Command {
    let name = CommandName::new("honk").unwrap();
    Command {
        id: CommandId(id),
        name,
        arguments: "{}".to_owned(),
        issued: Wall(0),
        ttl,
        sent: Wall(0),
        policy: Policy::Now,
    }
}

fn ask(id: u128) -> Downlink {
    Downlink::Command(Box::new(command(id, Millis::secs(10))))
}

fn status(id: u128, verdict: V) -> CommandStatus {
    CommandStatus { id: CommandId(id), verdict, code: String::new(), text: String::new(), result: String::new() }
}

fn begin(id: u128) -> Event {
    Event::BeginAsked(CommandId(id))
}

/// What was said of commands, and the answers to the owner.
fn said(unit: &mut Unit) -> Vec<(u128, V)> {
    let word = |action| {
        let A::Send { message: Uplink::CommandStatus(status), .. } = action else { return None };
        Some((status.id.0, status.verdict))
    };
    unit.asked().into_iter().filter_map(word).collect()
}

#[test]
fn a_command_is_remembered_then_handed_over_then_begun_once() {
    let mut unit = Unit::attached(&["a"]);
    unit.receive(ask(1));
    let arrived = A::Notify(Notice::CommandArrived(command(1, Millis::secs(10))));
    assert_eq!(unit.out.drain(..).collect::<Vec<_>>(), [A::RememberCommand(CommandId(1)), arrived]);
    let running = send(Uplink::CommandStatus(status(1, V::Running(0))));
    assert_eq!(unit.apply(begin(1)).asked(), [A::AnswerBegin { id: CommandId(1), granted: true }, running]);
    assert_eq!(unit.apply(begin(1)).asked(), [A::AnswerBegin { id: CommandId(1), granted: false }]);
    unit.apply(Event::CommandSaid(status(1, V::Succeeded)));
    assert_eq!(said(&mut unit), [(1, V::Succeeded)]);
    unit.apply(Event::CommandSaid(status(1, V::Failed)));
    assert_eq!(said(&mut unit), [], "the last word is the last");
}

#[test]
fn a_repeat_is_answered_with_what_was_said_last_and_never_handed_over_again() {
    let mut unit = Unit::attached(&["a"]);
    unit.receive(ask(1)).out.clear();
    assert_eq!(unit.receive(ask(1)).asked(), [], "the owner has it and will say");
    unit.apply(begin(1)).out.clear();
    assert_eq!(said(unit.receive(ask(1))), [(1, V::Running(0))]);
    unit.apply(Event::CommandSaid(status(1, V::Succeeded))).out.clear();
    unit.receive(ask(1));
    assert_eq!(said(&mut unit), [(1, V::Succeeded)]);
    // One that an earlier life began.
    unit.receive(ask(77));
    assert_eq!(said(&mut unit), [(77, V::Duplicate)]);
}

#[test]
fn a_command_is_not_begun_after_its_time() {
    let mut unit = Unit::attached(&["a"]);
    unit.receive(Downlink::Command(Box::new(command(1, Millis(0)))));
    assert_eq!(
        unit.asked(),
        [
            A::RememberCommand(CommandId(1)),
            send(Uplink::CommandStatus(CommandStatus {
                code: "expired".to_owned(),
                text: "the command has come too late".to_owned(),
                ..status(1, V::Expired)
            }))
        ]
    );
    unit.receive(ask(2)).out.clear();
    assert_eq!(unit.wait().now, Mono(11_000));
    assert!(unit.out.contains(&A::Notify(Notice::CommandExpired(CommandId(2)))));
    assert_eq!(said(&mut unit), [(2, V::Expired)]);
    assert_eq!(unit.apply(begin(2)).asked(), [A::AnswerBegin { id: CommandId(2), granted: false }]);
    // Also if the deadline is not noticed before the owner asks.
    unit.receive(ask(3)).out.clear();
    unit.now = unit.now + Millis::secs(10);
    let asked = unit.apply(begin(3)).asked();
    assert_eq!(asked.last(), Some(&A::AnswerBegin { id: CommandId(3), granted: false }));
}

#[test]
fn a_command_is_cancelled_before_it_is_begun_and_not_after() {
    let mut unit = Unit::attached(&["a"]);
    unit.receive(ask(1)).out.clear();
    unit.receive(Downlink::CommandCancel(CommandId(1)));
    assert!(unit.out.contains(&A::Notify(Notice::CommandCancelled(CommandId(1)))));
    assert_eq!(said(&mut unit), [(1, V::Cancelled)]);
    assert_eq!(unit.apply(begin(1)).asked(), [A::AnswerBegin { id: CommandId(1), granted: false }]);
    unit.receive(ask(2)).apply(begin(2)).out.clear();
    assert_eq!(said(unit.receive(Downlink::CommandCancel(CommandId(2)))), [(2, V::Running(0))]);
    // One that comes before its command.
    unit.receive(Downlink::CommandCancel(CommandId(3))).receive(ask(3));
    assert_eq!(said(&mut unit), [(3, V::Cancelled), (3, V::Cancelled)]);
}

#[test]
fn a_unit_whose_owner_takes_none_rejects_it() {
    let mut unit = Unit::attached(&["a"]);
    unit.machine.commands = Commands::new(vec![], false);
    unit.receive(ask(1));
    let asked = unit.asked();
    let [A::RememberCommand(CommandId(1)), A::Send { message: Uplink::CommandStatus(status), .. }] = asked.as_slice()
    else {
        panic!("{asked:?}")
    };
    assert_eq!((status.verdict, status.code.as_str()), (V::Rejected, "unsupported"));
}

/// The unit that keeps what `unit` has asked to remember since its attach, after a reboot.
fn rebooted(unit: &mut Unit) -> Unit {
    let remembered = |action: &A| if let A::RememberCommand(id) = action { Some(*id) } else { None };
    let remembered = unit.out.iter().filter_map(remembered).collect();
    let mut next = Unit::attached(&["b"]);
    next.machine.commands = Commands::new(remembered, true);
    next
}

#[test]
fn what_was_cancelled_or_rejected_is_not_begun_after_a_reboot() {
    let mut unit = Unit::attached(&["a"]);
    // Called back before it came.
    unit.receive(Downlink::CommandCancel(CommandId(1)));
    let cancelled = send(Uplink::CommandStatus(status(1, V::Cancelled)));
    let mut after = rebooted(&mut unit);
    assert_eq!(unit.asked(), [A::RememberCommand(CommandId(1)), cancelled], "kept before it is said");
    assert_eq!(said(after.receive(ask(1))), [(1, V::Duplicate)]);
    assert_eq!(after.apply(begin(1)).asked(), [A::AnswerBegin { id: CommandId(1), granted: false }]);
    // One too many.
    for id in 1000..=1000 + COMMANDS_IN_HAND_MAX as u128 {
        unit.receive(ask(id));
    }
    let last = 1000 + COMMANDS_IN_HAND_MAX as u128;
    let mut after = rebooted(&mut unit);
    assert_eq!(said(&mut unit), [(last, V::Rejected)]);
    assert_eq!(said(after.receive(ask(last))), [(last, V::Duplicate)]);
    assert_eq!(after.apply(begin(last)).asked(), [A::AnswerBegin { id: CommandId(last), granted: false }]);
}

#[test]
fn what_is_said_without_a_session_waits_for_the_next_the_newest_of_each() {
    let mut unit = Unit::attached(&["a"]);
    unit.receive(ask(1)).receive(ask(2)).apply(lost(None)).out.clear();
    for verdict in [V::Running(10), V::Running(50)] {
        unit.apply(Event::CommandSaid(status(1, verdict)));
    }
    unit.apply(Event::CommandSaid(status(2, V::Failed)));
    assert_eq!(said(&mut unit), []);
    unit.now = unit.machine.next_deadline().unwrap();
    unit.apply(Event::DeadlineReached { random: 0 });
    unit.connected();
    assert_eq!(said(unit.receive(accept())), [(1, V::Running(50)), (2, V::Failed)]);
}

#[test]
fn a_last_word_shortly_before_a_loss_is_said_again_and_an_old_one_is_not() {
    let timers = |ping, pong| Timers { ping: Millis::secs(ping), pong: Millis::secs(pong), ..Timers::default() };
    // Twice the silence of its session, and a minute at least.
    let cases = [(Timers::default(), 120), (timers(100, 30), 320), (timers(5, 2), 60)];
    let cases = cases.into_iter().flat_map(|(timers, within)| {
        let silence = timers.ping + timers.pong + timers.pong;
        assert_eq!((silence + silence).max(Millis::secs(60)), Millis::secs(within));
        let again = (timers, Millis::secs(within), vec![(1, V::Succeeded)]);
        [again, (timers, Millis::secs(within) + Millis(1), vec![])]
    });
    for (timers, wait, again) in cases {
        let mut unit = Unit::new(&["a"]);
        unit.apply(Event::AttachRequested);
        unit.connected();
        unit.receive(accepting(|accept| accept.timers = timers)).out.clear();
        unit.receive(ask(1)).apply(Event::CommandSaid(status(1, V::Succeeded)));
        unit.now = unit.now + wait;
        unit.apply(lost(None)).wait();
        unit.connected();
        assert_eq!(said(unit.receive(accept())), again);
    }
}

#[test]
fn a_last_word_on_a_path_that_was_dead_already_is_said_again_when_that_is_found_out() {
    let mut unit = Unit::new(&["a"]);
    unit.apply(Event::AttachRequested);
    unit.connected();
    let (ping, pong) = (Millis::secs(60), Millis::secs(20));
    unit.receive(accepting(|accept| (accept.timers.ping, accept.timers.pong) = (ping, pong))).receive(ask(1));
    // Nothing is heard any more, and nothing arrives.
    let heard = unit.now;
    unit.now = unit.now + Millis(1);
    unit.apply(Event::CommandSaid(status(1, V::Succeeded))).out.clear();
    while unit.machine.state() == State::Attached {
        unit.wait();
    }
    assert_eq!(unit.now, heard + ping + pong + pong);
    unit.wait();
    unit.connected();
    assert_eq!(said(unit.receive(accept())), [(1, V::Succeeded)]);
}

#[test]
fn what_is_kept_of_commands_is_bounded_and_a_flood_is_rejected() {
    let mut unit = Unit::attached(&["a"]);
    for id in 1000..1000 + COMMANDS_IN_HAND_MAX as u128 {
        unit.receive(ask(id));
    }
    assert_eq!(said(&mut unit), []);
    unit.receive(ask(2000));
    assert_eq!(said(&mut unit), [(2000, V::Rejected)]);
    for id in 3000..3000 + 2 * COMMAND_IDS_REMEMBERED as u128 {
        unit.receive(ask(id)).out.clear();
    }
    unit.apply(begin(1000));
    assert_eq!(said(&mut unit), [(1000, V::Running(0))], "what is in hand is not forgotten");
}

#[test]
fn a_snapshot_is_made_for_the_gateway_of_the_session() {
    let mut unit = Unit::attached(&["a"]);
    let signals = vec![SignalPath::new("Vehicle.Speed").unwrap()];
    assert_eq!(unit.receive(Downlink::SnapshotRequest(signals.clone())).asked(), [A::Snapshot(signals)]);
}

#[test]
fn a_command_that_a_link_held_back_for_longer_than_its_time_is_not_begun() {
    let mut unit = Unit::attached(&["a"]);
    // The accept told 100; a second later by the gateway's clock the command was sent, with ten seconds to live.
    let sent = |id| Command { sent: Wall(1100), ..command(id, Millis::secs(10)) };
    unit.now = unit.now + Millis::secs(6);
    unit.receive(Downlink::Command(Box::new(sent(1))));
    let arrived = A::Notify(Notice::CommandArrived(Command { ttl: Millis::secs(5), ..sent(1) }));
    assert!(unit.out.contains(&arrived), "five of them have passed on the way: {:?}", unit.out);
    unit.now = unit.now + Millis::secs(5);
    unit.out.clear();
    unit.receive(Downlink::Command(Box::new(sent(2))));
    assert_eq!(said(&mut unit), [(1, V::Expired), (2, V::Expired)]);
}
