use super::record::AGES_APART;
use super::world::{World, lux, node, order};
use super::*;
use crate::command::VehicleVerdict;
use crate::limits::COMMANDS_OPEN_PER_VEHICLE_MAX;
use proptest::prelude::*;

const SECOND: u64 = 1000;

fn state(world: &World, at: &str, id: CommandId) -> State {
    world.record(at, id).unwrap().state()
}

fn keeper(record: &Record) -> String {
    record.keepers.first().unwrap().as_str().to_owned()
}

#[test]
fn a_command_is_on_two_disks_before_it_is_answered_and_reaches_the_vehicle_elsewhere() {
    let mut world = World::new(1);
    world.vehicle(Some("east"), false);
    let ask = world.take("west", order(Policy::Now, 60));
    assert!(!world.answers.contains_key(&ask));
    world.run(SECOND);
    let record = world.stored(ask);
    assert_eq!(record.keepers.len(), 1);
    assert_eq!(state(&world, "west", record.id), State::Succeeded);
    assert_eq!(state(&world, &keeper(&record), record.id), State::Succeeded);
    assert_eq!(world.begun, [record.id]);
    let states: Vec<State> = world.record("west", record.id).unwrap().steps.iter().map(|step| step.state).collect();
    assert!(states.starts_with(&[State::Queued]) && states.contains(&State::Succeeded), "{states:?}");
}

#[test]
fn without_another_region_it_is_kept_here_alone_and_says_so() {
    let mut world = World::new(1);
    world.kill("east");
    world.kill("north");
    let ask = world.take("west", order(Policy::Queue, 60));
    world.run(100);
    let record = world.stored(ask);
    assert!(record.keepers.is_empty());
    // Once one is heard, it gets its copy.
    world.restart("north");
    world.run(SECOND);
    assert_eq!(world.record("west", record.id).unwrap().keepers, BTreeSet::from([node("north")]));
    assert!(world.record("north", record.id).is_some());
}

#[test]
fn a_keeper_that_does_not_answer_holds_the_answer_up_for_a_second() {
    let mut world = World::new(1);
    world.cut.extend([(node("west"), node("east")), (node("west"), node("north"))]);
    let ask = world.take("west", order(Policy::Queue, 60));
    world.run(1100);
    assert!(world.stored(ask).keepers.is_empty());
}

#[test]
fn a_queued_command_waits_for_the_attach_and_expires_without_one() {
    for (attaches, end) in [(true, State::Succeeded), (false, State::Expired)] {
        let mut world = World::new(1);
        let ask = world.take("west", order(Policy::Queue, 60));
        world.run(30 * SECOND);
        let id = world.stored(ask).id;
        assert_eq!(state(&world, "west", id), State::Queued);
        if attaches {
            world.vehicle(Some("north"), false);
        }
        world.run(31 * SECOND);
        assert_eq!(state(&world, "west", id), end);
        world.run(10 * SECOND);
        world.check_ends();
    }
}

#[test]
fn the_keeper_sees_it_through_when_the_origin_is_lost() {
    let mut world = World::new(1);
    let ask = world.take("west", order(Policy::Queue, 60));
    world.run(SECOND);
    let record = world.stored(ask);
    world.kill("west");
    world.vehicle(Some("east"), false);
    world.run(5 * SECOND);
    assert_eq!(state(&world, &keeper(&record), record.id), State::Succeeded);
    // The origin learns of it when it is back.
    world.restart("west");
    world.run(5 * SECOND);
    assert_eq!(state(&world, "west", record.id), State::Succeeded);
    assert_eq!(world.begun, [record.id]);
}

#[test]
fn a_copy_that_a_clock_made_younger_learns_of_the_other_how_old_it_is() {
    for younger in ["west", "keeper"] {
        let mut world = World::new(1);
        let ask = world.take("west", order(Policy::Queue, 60));
        world.run(30 * SECOND);
        let record = world.stored(ask);
        let younger = if younger == "west" { younger.to_owned() } else { keeper(&record) };
        world.kill(&younger);
        world.rejuvenate(&younger, Millis(25 * SECOND));
        world.restart(&younger);
        let taken = |world: &World| world.machine(&younger).record(record.id).unwrap().taken;
        assert!(taken(&world).since(record.taken) > Millis(20 * SECOND));
        world.run(10 * SECOND);
        assert!(taken(&world).since(record.taken) <= AGES_APART, "{younger}");
        assert!(world.kept(&younger, record.id).taken.since(record.taken) <= AGES_APART, "on disk too");
        world.run(21 * SECOND);
        assert_eq!(state(&world, "west", record.id), State::Expired);
        world.check_ends();
    }
}

#[test]
fn a_keeper_that_does_not_hear_the_origin_never_says_that_it_was_not_sent() {
    let mut world = World::new(1);
    let ask = world.take("west", order(Policy::Queue, 60));
    world.run(SECOND);
    let record = world.stored(ask);
    let keeper = keeper(&record);
    world.kill("west");
    world.run(100 * SECOND);
    assert_eq!(state(&world, &keeper, record.id), State::Queued, "the origin may come back and tell");
    world.run(30 * SECOND);
    let kept = world.record(&keeper, record.id).unwrap();
    assert_eq!((kept.state(), kept.said().code.as_str()), (State::Unknown, "holder_lost"));
    // The origin knows that it did not send it.
    world.restart("west");
    world.run(10 * SECOND);
    assert_eq!(state(&world, &keeper, record.id), state(&world, "west", record.id));
}

#[test]
fn the_keeper_delivers_when_the_origin_is_cut_off_from_the_serving_gateway() {
    let mut world = World::new(1);
    let ask = world.take("west", order(Policy::Queue, 60));
    world.run(SECOND);
    let record = world.stored(ask);
    let other = if keeper(&record) == "east" { "north" } else { "east" };
    world.cut.insert((node("west"), node(other)));
    world.vehicle(Some(other), false);
    world.run(2 * SECOND);
    assert_eq!(world.begun, [], "the origin has its chance first");
    world.run(3 * SECOND);
    assert_eq!(state(&world, "west", record.id), State::Succeeded);
    assert_eq!(world.begun, [record.id]);
}

#[test]
fn a_vehicle_that_moves_before_it_answers_is_heard_where_it_is() {
    let mut world = World::new(1);
    world.vehicle(Some("east"), false);
    world.busy = true;
    let ask = world.take("west", order(Policy::Now, 60));
    world.run(100);
    let id = world.stored(ask).id;
    world.vehicle(Some("north"), false);
    world.says(id, VehicleVerdict::Succeeded);
    world.run(SECOND);
    assert_eq!(state(&world, "west", id), State::Succeeded);
    world.check_ends();
}

#[test]
fn what_a_vehicle_says_where_nobody_is_heard_is_told_to_the_holders_once_they_are() {
    let mut world = World::new(1);
    world.vehicle(Some("west"), false);
    world.busy = true;
    let ask = world.take("west", order(Policy::Now, 60));
    world.run(SECOND);
    let record = world.stored(ask);
    // It goes to the one gateway that has no copy and never handed it over, and that is cut off.
    let keeper = keeper(&record);
    let stranger = if keeper == "east" { "north" } else { "east" };
    world.cut.extend(["west", &keeper].map(|other| (node(stranger), node(other))));
    world.vehicle(Some(stranger), false);
    world.says(record.id, VehicleVerdict::Succeeded);
    world.run(20 * SECOND);
    assert_eq!(state(&world, "west", record.id), State::Accepted);
    world.cut.clear();
    world.look();
    world.run(5 * SECOND);
    assert_eq!(state(&world, "west", record.id), State::Succeeded);
    assert_eq!(state(&world, &keeper, record.id), State::Succeeded);
}

#[test]
fn it_is_sent_again_at_an_attach_and_after_ten_silent_seconds_but_not_once_accepted() {
    let mut world = World::new(1);
    world.vehicle(Some("east"), false);
    world.mute = true;
    world.take("west", order(Policy::Queue, 60));
    world.run(SECOND);
    assert_eq!(world.sent.len(), 1);
    world.vehicle(Some("east"), false);
    world.run(SECOND);
    assert_eq!(world.sent.len(), 2);
    world.run(8 * SECOND);
    assert_eq!(world.sent.len(), 2);
    world.mute = false;
    world.run(2 * SECOND);
    assert_eq!(world.sent.len(), 3);
    world.vehicle(Some("north"), false);
    world.run(60 * SECOND);
    assert_eq!((world.sent.len(), world.begun.len()), (3, 1));
}

#[test]
fn without_an_answer_it_ends_unknown_and_a_late_word_of_the_vehicle_corrects_it() {
    for busy in [false, true] {
        let mut world = World::new(1);
        world.vehicle(Some("east"), false);
        (world.mute, world.busy) = (!busy, busy);
        let ask = world.take("west", order(Policy::Now, 60));
        let grace = if busy { RUN_GRACE } else { ANSWER_GRACE };
        world.run(60 * SECOND + grace.0 - 1);
        let id = world.stored(ask).id;
        assert_eq!(state(&world, "west", id), if busy { State::Accepted } else { State::Sent });
        world.run(10 * SECOND);
        assert_eq!(state(&world, "west", id), State::Unknown);
        world.check_ends();
        world.mute = false;
        world.says(id, VehicleVerdict::Failed);
        world.run(SECOND);
        assert_eq!(state(&world, "west", id), State::Failed);
        world.check_ends();
    }
}

#[test]
fn a_vehicle_that_was_woken_and_sleeps_again_before_it_was_seen_is_woken_again() {
    let mut world = World::new(1);
    world.vehicle(None, true);
    let ask = world.take("west", order(Policy::Queue, 60));
    world.run(SECOND);
    let id = world.stored(ask).id;
    assert_eq!((world.wakes, state(&world, "west", id)), (1, State::Paging));
    world.is_woken("west");
    assert_eq!(world.wakes, 1, "its attach may be seen in a moment");
    world.run(2500);
    assert_eq!((world.wakes, state(&world, "west", id)), (2, State::Paging));
    assert_eq!(world.record("west", id).unwrap().wakes, 3, "one ended, one under way");
}

#[test]
fn now_fails_unless_the_vehicle_is_connected_or_being_woken() {
    let mut world = World::new(1);
    let ask = world.take("west", order(Policy::Now, 60));
    world.run(SECOND);
    let record = world.stored(ask);
    assert_eq!(state(&world, "west", record.id), State::Failed);
    assert_eq!(world.record("west", record.id).unwrap().said().code, "not_reachable");

    world.vehicle(None, true);
    let woken = world.take("west", order(Policy::Now, 60));
    let joins = world.take("west", order(Policy::Queue, 60));
    let unwoken = world.take("west", Order { wake: false, ..order(Policy::Now, 60) });
    world.run(SECOND);
    let [woken, joins, unwoken] = [woken, joins, unwoken].map(|ask| world.stored(ask).id);
    assert_eq!(world.wakes, 1, "one wake-up at a time");
    assert_eq!(state(&world, "west", woken), State::Paging);
    assert_eq!(state(&world, "west", joins), State::Paging);
    assert_eq!(state(&world, "west", unwoken), State::Failed);
    world.wake_fails();
    world.run(SECOND);
    assert_eq!(world.record("west", woken).unwrap().said().text, "nobody answered");
    assert_eq!(state(&world, "west", joins), State::Queued);
    let told = |step: &Step| (step.state, step.text.clone());
    let steps = world.record("west", joins).unwrap().steps.iter().filter(|step| step.gateway == node("west"));
    let steps: Vec<_> = steps.map(told).collect();
    let waits = |why: &str| (State::Queued, why.to_owned());
    assert_eq!(steps, [waits(""), (State::Paging, String::new()), waits("nobody answered")]);
    world.vehicle(Some("east"), true);
    world.run(SECOND);
    assert_eq!(state(&world, "west", joins), State::Succeeded);
    world.check_ends();
}

#[test]
fn before_it_was_sent_a_cancel_ends_it_and_after_that_the_vehicle_decides() {
    let mut world = World::new(1);
    let ask = world.take("west", order(Policy::Queue, 60));
    world.run(SECOND);
    let id = world.stored(ask).id;
    let cancelled = world.cancel("west", id);
    world.run(100);
    assert_eq!(world.stored(cancelled).state(), State::Cancelled);
    world.vehicle(Some("east"), false);
    world.run(5 * SECOND);
    assert_eq!(world.begun, []);

    world.busy = true;
    let ask = world.take("west", order(Policy::Queue, 60));
    world.run(SECOND);
    let id = world.stored(ask).id;
    let cancelled = world.cancel("west", id);
    world.run(100);
    assert_eq!(world.stored(cancelled).state(), State::Accepted);
    assert_eq!(world.sent.last(), Some(&(id, true)));
    world.says(id, VehicleVerdict::Cancelled);
    world.run(SECOND);
    assert_eq!(state(&world, "west", id), State::Cancelled);
    world.check_ends();
}

#[path = "commands_cancel_tests.rs"]
mod cancel;

#[test]
fn ended_commands_are_told_one_after_the_other_to_a_holder_that_is_heard() {
    let (now, east) = (Mono(1 << 40), node("east"));
    let end = End { kind: EndKind::Expired, said: Said::default() };
    let plain = super::record::tests::plain();
    let ended = |n: u128| Record {
        id: CommandId(plain.id.0 + n),
        origin: node("west"),
        keepers: [east.clone()].into(),
        end: Some(end.clone()),
        ..plain.clone()
    };
    let mut machine = Commands::new(node("west"), RegionId::new("west").unwrap());
    machine.apply(now, Event::Restored((0..3).map(ended).collect()), &mut Vec::new());
    let mut event = Event::PeersSeen([(east.clone(), RegionId::new("east").unwrap())].into());
    for told in 0..3 {
        let mut out = Vec::new();
        machine.apply(now + Millis(ENDED_APART.0 * told), event, &mut out);
        let copies: Vec<_> = out.iter().filter(|action| matches!(action, Action::Replicate(..))).collect();
        assert_eq!(copies.len(), 1, "{told}: {copies:?}");
        event = Event::DeadlineReached;
    }
}

#[test]
fn those_that_took_no_copy_are_asked_again() {
    let mut world = World::new(1);
    world.cut.extend([(node("west"), node("east")), (node("west"), node("north"))]);
    let ask = world.take("west", order(Policy::Queue, 600));
    world.run(10 * SECOND);
    let id = world.stored(ask).id;
    assert!(world.record("west", id).unwrap().keepers.is_empty());
    world.cut.clear();
    world.run(KEEPER_SOUGHT.0 + 5 * SECOND);
    assert!(!world.record("west", id).unwrap().keepers.is_empty());
}

#[test]
fn a_command_that_nobody_is_known_to_have_sent_is_not_said_to_have_been_given() {
    let tried = Record { progress: Progress::Tried, ..super::record::tests::plain() };
    let expired = End { kind: EndKind::Expired, said: Said::default() };
    let said = Record { end: Some(expired.clone()), ..tried }.said();
    assert!(said.text.starts_with("it may have been given"), "{said:?}");
    let sent = Record { progress: Progress::Sent, end: Some(expired), ..super::record::tests::plain() };
    assert!(sent.said().text.starts_with("it was given"), "{sent:?}");
}

#[test]
fn a_cancel_at_the_keeper_reaches_the_origin() {
    let mut world = World::new(1);
    let ask = world.take("west", order(Policy::Queue, 60));
    world.run(SECOND);
    let record = world.stored(ask);
    world.cancel(&keeper(&record), record.id);
    world.run(SECOND);
    assert_eq!(state(&world, "west", record.id), State::Cancelled);
    world.run(5 * SECOND);
    world.check_ends();
}

#[test]
fn a_later_command_with_the_same_key_takes_the_place_of_those_that_were_not_accepted() {
    let mut world = World::new(1);
    let latest = || order(Policy::LatestWins("climate".to_owned()), 60);
    let first = world.take("west", latest());
    let other = world.take("west", order(Policy::LatestWins("doors".to_owned()), 60));
    world.run(SECOND);
    let second = world.take("west", latest());
    world.run(SECOND);
    let [first, other, second] = [first, other, second].map(|ask| world.stored(ask).id);
    let replaced = world.record("west", first).unwrap();
    assert_eq!((replaced.state(), replaced.said().code.as_str()), (State::Cancelled, "replaced"));
    assert_eq!([other, second].map(|id| state(&world, "west", id)), [State::Queued; 2]);
    world.busy = true;
    world.vehicle(Some("east"), false);
    world.run(SECOND);
    let third = world.take("west", latest());
    world.run(SECOND);
    let third = world.stored(third).id;
    assert_eq!([second, third].map(|id| state(&world, "west", id)), [State::Accepted; 2]);
}

#[test]
fn a_command_that_is_replaced_after_it_was_sent_is_called_back() {
    let mut world = World::new(1);
    let latest = || order(Policy::LatestWins("climate".to_owned()), 60);
    world.vehicle(Some("east"), false);
    world.mute = true;
    let first = world.take("west", latest());
    world.run(SECOND);
    world.take("west", latest());
    world.run(SECOND);
    let first = world.stored(first).id;
    assert_eq!(state(&world, "west", first), State::Unknown, "the vehicle has it, and has not said what it does");
    assert!(world.sent.contains(&(first, true)));
}

#[test]
fn the_same_request_is_taken_once_and_its_key_is_not_reused() {
    let mut world = World::new(1);
    let asked = |digest| {
        let request = Some(RequestKey { key: "k".to_owned(), digest });
        Order { request, ..order(Policy::Queue, 60) }
    };
    let first = world.take("west", asked(1));
    let at_once = world.take("west", asked(1));
    world.run(SECOND);
    let again = world.take("west", asked(1));
    let reused = world.take("west", asked(2));
    let id = world.stored(first).id;
    assert_eq!([at_once, again].map(|ask| world.stored(ask).id), [id; 2]);
    assert_eq!(world.answers[&reused], Answer::Refused(Refusal::KeyReused));
    world.restart("west");
    let after = world.take("west", asked(1));
    assert_eq!(world.stored(after).id, id);
    world.run(ENDED_KEPT.0 + 120 * SECOND);
    let late = world.take("west", asked(2));
    world.run(SECOND);
    assert_ne!(world.stored(late).id, id);
}

#[test]
fn what_could_not_be_stored_is_refused_and_never_sent() {
    let mut world = World::new(1);
    world.vehicle(Some("west"), false);
    world.disk_fails = true;
    let ask = world.take("west", order(Policy::Queue, 60));
    world.run(SECOND);
    assert_eq!(world.answers[&ask], Answer::Refused(Refusal::NotStored));
    assert_eq!((world.machine("west").open(), world.sent.len()), (0, 0));
}

#[test]
fn commands_to_one_vehicle_are_bounded() {
    let mut world = World::new(1);
    for _ in 0..COMMANDS_OPEN_PER_VEHICLE_MAX {
        world.take("west", order(Policy::Queue, 60));
    }
    let beyond = world.take("west", order(Policy::Queue, 60));
    assert_eq!(world.answers[&beyond], Answer::Refused(Refusal::VehicleFull));
    world.run(SECOND);
    assert_eq!(world.machine("west").waiting(&lux()), COMMANDS_OPEN_PER_VEHICLE_MAX);
    world.run(70 * SECOND);
    world.check_ends();
}

#[test]
fn another_vehicle_has_no_say() {
    let mut world = World::new(1);
    let ask = world.take("west", order(Policy::Queue, 60));
    world.run(SECOND);
    let id = world.stored(ask).id;
    let mut machine = world.machine("west").clone();
    let text = String::new();
    let verdict = VehicleVerdict::Succeeded;
    let status = CommandStatus { id, verdict, code: text.clone(), text: text.clone(), result: text };
    let mut out = Vec::new();
    machine.apply(Mono(world.now), Event::StatusHeard(VehicleId::new("LUX-2").unwrap(), status), &mut out);
    assert_eq!(machine.record(id).unwrap().state(), State::Queued);
    assert_eq!(out, []);
}

/// What happens to a world.
#[derive(Clone, Copy, Debug)]
enum Twist {
    Take(usize, u8),
    Cancel(usize),
    Move(Option<usize>, bool),
    Cut(usize, usize),
    Heal,
    Crash(usize),
    Start(usize),
    Disk(bool),
    Mute(bool),
    Busy(bool),
    WakeFails,
}

const NAMES: [&str; 3] = ["west", "east", "north"];

fn twist() -> impl Strategy<Value = Twist> {
    let place = 0..3usize;
    prop_oneof![
        4 => (place.clone(), 0..4u8).prop_map(|(at, policy)| Twist::Take(at, policy)),
        1 => place.clone().prop_map(Twist::Cancel),
        3 => (prop::option::of(place.clone()), any::<bool>()).prop_map(|(at, wakeable)| Twist::Move(at, wakeable)),
        1 => (place.clone(), place.clone()).prop_map(|(a, b)| Twist::Cut(a, b)),
        1 => Just(Twist::Heal),
        1 => place.clone().prop_map(Twist::Crash),
        1 => place.prop_map(Twist::Start),
        1 => any::<bool>().prop_map(Twist::Disk),
        1 => any::<bool>().prop_map(Twist::Mute),
        1 => any::<bool>().prop_map(Twist::Busy),
        1 => Just(Twist::WakeFails),
    ]
}

fn twisted(world: &mut World, twist: Twist, asks: &mut Vec<Ask>) {
    match twist {
        Twist::Take(at, policy) => {
            let policy = match policy {
                0 => Policy::Now,
                1 => Policy::Queue,
                _ => Policy::LatestWins("key".to_owned()),
            };
            let ttl = 1 + world.roll(30);
            asks.push(world.take(NAMES[at], order(policy, ttl)));
        }
        Twist::Cancel(at) => {
            let newest = world.machine(NAMES[at]).of(&lux()).next().map(|record| record.id);
            if let Some(id) = newest {
                world.cancel(NAMES[at], id);
            }
        }
        Twist::Move(at, wakeable) => world.vehicle(at.map(|at| NAMES[at]), wakeable),
        Twist::Cut(a, b) => drop(world.cut.insert((node(NAMES[a]), node(NAMES[b])))),
        Twist::Heal => world.cut.clear(),
        Twist::Crash(at) => world.kill(NAMES[at]),
        Twist::Start(at) => world.restart(NAMES[at]),
        Twist::Disk(fails) => world.disk_fails = fails,
        Twist::Mute(mute) => world.mute = mute,
        Twist::Busy(busy) => world.busy = busy,
        Twist::WakeFails => world.wake_fails(),
    }
    world.look();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 300 } else { 3000 }))]

    /// The world checks at every step that nothing is answered or told before it is on disk, that nothing is sent
    /// after its time to live, and that at most one command waits under one key.
    #[test]
    fn whatever_happens_every_command_ends_and_its_holders_agree(
        seed in any::<u64>(),
        script in prop::collection::vec((twist(), 0..9000u64), 1..40),
    ) {
        let mut world = World::new(seed);
        let mut asks = Vec::new();
        for (twist, pause) in script {
            twisted(&mut world, twist, &mut asks);
            world.run(pause);
        }
        world.disk_fails = false;
        world.cut.clear();
        NAMES.iter().for_each(|name| world.restart(name));
        world.run(RUN_GRACE.0 + 300 * SECOND);
        world.wake_fails();
        world.run(300 * SECOND);
        world.check_ends();
    }
}
