use super::losers::TOLD_AT_ONCE;
use super::{Action, Event, HangUp, LinkId, Node};
use crate::cause::RejectCause;
use crate::clones::SUSPECT;
use crate::epoch::Epoch;
use crate::homes::Shard;
use crate::id::{Incarnation, RegionId, SessionId};
use crate::log::{LiveState, Scope};
use crate::sync::{AgedEntry, Batch, Fault, Frame, HEARTBEAT, Kept, LOST_AFTER, Room};
use crate::time::{Millis, Mono};
use crate::timers::Timers;
use crate::token::KeyRing;
use crate::view::{Known, Liveness, NodeInfo, StaleWhy};
use crate::wake::WakeChannels;
use proptest::prelude::*;
use std::collections::BTreeMap;
use world::{Regions, VEHICLES, World, info, vehicle};

#[path = "node_world.rs"]
pub(super) mod world;

#[derive(Clone, Debug)]
enum Step {
    Attach(usize, usize),
    Lose(usize),
    Leave(usize),
    Cut(usize, usize, bool),
    Restart(usize),
    Disk(usize, bool),
    Wait(u64),
    Sleep(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..VEHICLES, 0usize..3).prop_map(|(v, g)| Step::Attach(v, g)),
        2 => (0..VEHICLES).prop_map(Step::Lose),
        1 => (0..VEHICLES).prop_map(Step::Leave),
        4 => (0usize..3, 0usize..3, any::<bool>()).prop_map(|(g, to, cut)| Step::Cut(g, to, cut)),
        1 => (0usize..3).prop_map(Step::Restart),
        2 => (0usize..3, any::<bool>()).prop_map(|(g, broken)| Step::Disk(g, broken)),
        6 => prop::sample::select(vec![250, 1000, 7000, 40_000]).prop_map(Step::Wait),
        // Long enough for an implicit detach, for tombstones to expire, for a purge.
        2 => prop::sample::select(vec![3, 25, 8 * 24]).prop_map(Step::Sleep),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever was cut, lost, delayed, restarted and skewed: once the network is whole, all agree.
    #[test]
    fn all_gateways_agree_after_the_network_has_healed(
        count in 2usize..4, kept in prop::option::of(1usize..=3), steps in prop::collection::vec(step(), 1..25),
        delays_ms in prop::collection::vec(0u64..900, 1..7), skews_ms in prop::collection::vec(-36_000_000i64..36_000_000, 3)
    ) {
        let mut world = World::spread(count, kept.map(|kept| Regions { count, kept }), delays_ms, &skews_ms);
        for step in steps {
            match step {
                Step::Attach(v, g) => world.attaches(v, g % count),
                Step::Lose(v) => if let Some((g, conn)) = world.rides[v] { world.loses(g, conn, world.at) },
                Step::Leave(v) => world.leaves(v),
                Step::Cut(g, to, cut) => (world.cut[g][to], world.cut[to][g]) = (cut, cut),
                Step::Disk(g, broken) => world.gateways[g % count].broken = broken,
                Step::Restart(g) => world.restarts(g % count),
                Step::Wait(ms) => world.run(Millis(ms)),
                Step::Sleep(hours) => world.sleeps(Millis::secs(hours * 3600)),
            }
        }
        world.cut = [[false; 3]; 3];
        world.run(Millis::secs(90));
        world.check_agreement();
        let before = world.batches;
        world.run(Millis::secs(20));
        prop_assert_eq!(world.batches, before, "nothing changes, so nothing but heartbeats is sent");
    }
}

/// Gateways that know each other, the vehicle 0 attached at the first, and everyone told.
fn settled(count: usize) -> World {
    let mut world = World::new(count, vec![20], &[0; 3]);
    world.run(Millis::secs(5));
    world.attaches(0, 0);
    world.run(Millis::secs(5));
    world.check_agreement();
    world
}

fn known(world: &World, g: usize) -> (Known, Option<StaleWhy>) {
    let (known, stale, ..) = world.shown(g, &vehicle(0)).unwrap();
    (known, stale)
}

fn own_head(world: &World, g: usize) -> u64 {
    let view = world.gateways[g].node.view();
    view.log(&view.own_log_id()).unwrap().head()
}

fn set_cut(world: &mut World, g: usize, to: usize, cut: bool) {
    (world.cut[g][to], world.cut[to][g]) = (cut, cut);
}

proptest! {
    /// Both dial at once, and one of the two streams has to end: which of the frames comes first does not matter.
    #[test]
    fn of_two_streams_between_gateways_one_ends_and_no_one_is_lost_over_it(
        delays_ms in prop::collection::vec(0u64..900, 1..9), lag in 0u64..8
    ) {
        let mut world = World::new(2, delays_ms, &[0; 3]);
        world.dials(0, 1);
        world.run(Millis(lag * 250));
        world.dials(1, 0);
        let mut met = [false; 2];
        for _ in 0..80 {
            world.run(Millis(250));
            for (g, met) in met.iter_mut().enumerate() {
                let liveness = world.gateways[g].node.view().node(&info(1 - g, 0).id).map(|peer| peer.liveness);
                *met |= matches!(liveness, Some(Liveness::Alive { .. }));
                prop_assert!(!*met || matches!(liveness, Some(Liveness::Alive { .. })), "{} is {:?}", 1 - g, liveness);
            }
        }
        prop_assert_eq!((met, world.wires()), ([true; 2], 1));
    }
}

#[test]
fn two_gateways_that_are_cut_off_from_each_other_hear_through_a_third() {
    let mut world = settled(3);
    set_cut(&mut world, 0, 1, true);
    world.run(Millis::secs(10));
    assert_eq!((known(&world, 1), known(&world, 2)), ((Known::Online, None), (Known::Online, None)));
    world.leaves(0);
    world.run(Millis::secs(5));
    assert_eq!(known(&world, 1), (Known::Offline, None), "relayed");
    world.attaches(0, 1);
    world.run(Millis::secs(5));
    assert_eq!(known(&world, 2), (Known::Online, None));
    assert!(world.gateways[0].node.registrar().session(&vehicle(0)).is_none(), "the loser heard it through the third");
}

#[test]
fn the_vehicles_of_a_gateway_that_falls_silent_read_stale_within_fifteen_seconds() {
    let mut world = settled(2);
    set_cut(&mut world, 0, 1, true);
    let mut waited = Millis(0);
    while known(&world, 1).1.is_none() {
        world.run(Millis(250));
        waited = waited + Millis(250);
    }
    assert!(waited <= Millis::secs(15) && waited >= Millis(LOST_AFTER.0 - 1000), "{waited:?}");
    assert_eq!(known(&world, 0), (Known::Online, None), "its own gateway serves it as before");
}

#[test]
fn what_was_held_before_a_cut_is_not_fresh_again_before_it_is_read_anew() {
    let mut world = World::new(2, vec![900], &[0; 3]);
    world.run(Millis::secs(10));
    world.attaches(0, 0);
    world.run(Millis::secs(10));
    assert_eq!(known(&world, 1), (Known::Online, None));
    set_cut(&mut world, 0, 1, true);
    world.run(Millis::secs(20));
    world.leaves(0);
    world.run(Millis::secs(3600));
    set_cut(&mut world, 0, 1, false);
    while known(&world, 1).1.is_some() {
        world.run(Millis(250));
    }
    assert_eq!(known(&world, 1), (Known::Offline, None));
}

#[test]
fn a_vehicle_that_moved_during_a_cut_is_let_go_by_the_old_gateway_without_a_call() {
    let mut world = settled(2);
    set_cut(&mut world, 0, 1, true);
    world.attaches(0, 1);
    world.run(Millis::secs(10));
    assert_eq!(world.gateways[0].sockets.len(), 1, "the old one cannot know");
    assert_eq!((known(&world, 0).0, known(&world, 1)), (Known::Online, (Known::Online, None)));
    set_cut(&mut world, 0, 1, false);
    world.run(Millis::secs(10));
    world.check_agreement();
    assert_eq!((world.gateways[0].sockets.len(), world.rides[0].unwrap().0), (0, 1));
}

#[test]
fn loss_and_resume_within_the_hold_moves_no_log() {
    let mut world = settled(2);
    let head = own_head(&world, 0);
    for _ in 0..5 {
        let (g, conn) = world.rides[0].unwrap();
        world.loses(g, conn, world.at);
        world.run(Millis::secs(29));
        world.attaches(0, 0);
        world.run(Millis::secs(5));
        assert_eq!(known(&world, 1), (Known::Online, None));
    }
    assert_eq!((own_head(&world, 0), own_head(&world, 1)), (head, 0));
}

#[test]
fn a_gateway_that_starts_again_is_heard_at_once_and_its_vehicles_are_idle_until_they_return() {
    let mut world = settled(3);
    set_cut(&mut world, 0, 1, true);
    world.restarts(0);
    assert_eq!(known(&world, 0), (Known::Idle, None));
    let restarted = world.at;
    while known(&world, 1) == (Known::Online, None) {
        world.run(Millis(250));
    }
    assert!(world.at.0 - restarted.0 < LOST_AFTER.0, "told by the third before the old stream is given up");
    assert_eq!(known(&world, 1), (Known::Idle, Some(StaleWhy::OwnerLost)), "not heard itself in its new life");
    set_cut(&mut world, 0, 1, false);
    world.run(Millis::secs(3));
    assert_eq!(known(&world, 1), (Known::Idle, None), "the old stream does not stand in the way");
    world.attaches(0, 0);
    world.run(Millis::secs(3));
    world.check_agreement();
}

#[test]
fn a_session_that_lost_while_an_attach_was_on_its_way_to_disk_ends_if_that_fails() {
    let mut world = settled(1);
    let (link, peer) = (LinkId(999), world::info(1, 1));
    world.does(0, Event::LinkOpened { link, dialled: false });
    world.does(0, Event::FrameReceived(link, Frame::Hello { node: peer.clone(), cursors: Vec::new(), kept: None }));
    let first = world.gateways[0].node.registrar().session(&vehicle(0)).unwrap().epoch();
    world.at = world.at + Millis::secs(60);
    world.tokens[0] = None;
    world.attaches(0, 0);
    // The attach under way has a higher epoch than the one that wins elsewhere now.
    let elsewhere = AgedEntry {
        vehicle: vehicle(0),
        seq: 1,
        epoch: Epoch(first.0 + 1),
        session: SessionId(1),
        state: LiveState::Connected,
        cause: None,
        cell: None,
        age: Millis(0),
        sleep: Millis(0),
        wake: WakeChannels::NONE,
        cloned: false,
        rest: None,
    };
    let batch =
        Batch { owner: peer, scope: Scope::Detail, from: 0, to: 1, entries: vec![elsewhere], snapshot_end: None };
    world.does(0, Event::FrameReceived(link, Frame::Batch(Box::new(batch))));
    assert_eq!(world.gateways[0].sockets.len(), 2, "the newer attach may yet stand");
    world.gateways[0].broken = true;
    world.run(Millis::secs(1));
    assert!(world.gateways[0].node.registrar().session(&vehicle(0)).is_none());
    assert_eq!(world.gateways[0].sockets.len(), 0);
}

/// Two units with one identity, each with its own token, attach in turns at these gateways.
fn take_turns(world: &mut World, turns: usize, at: [usize; 2]) {
    let mut tokens = [world.tokens[0].take(), None];
    for turn in 0..turns {
        let unit = (turn + 1) % 2;
        world.tokens[0] = tokens[unit].take();
        world.attaches(0, at[unit]);
        world.run(Millis::secs(4));
        tokens[unit] = world.tokens[0].take();
    }
}

#[test]
fn clones_are_found_wherever_they_attach_and_one_keeps_its_session() {
    for at in [[0, 0], [0, 1]] {
        let mut world = settled(2);
        take_turns(&mut world, 10, at);
        for g in at {
            assert_eq!(world.gateways[g].reported, [vehicle(0)], "told once an episode at {g} of {at:?}");
            assert!(world.gateways[g].node.registrar().suspected_clone(&vehicle(0), world.now(g)));
        }
        // From the fifth on one unit is refused, and the other resumes the session that it has.
        let refused: Vec<_> = world.rejects.iter().map(|(_, cause)| *cause).collect();
        assert_eq!(refused, [RejectCause::Cloned; 3], "{at:?}");
        assert_eq!(known(&world, 0), (Known::Online, None));
        world.run(SUSPECT);
        assert!(at.iter().all(|g| !world.gateways[*g].node.registrar().suspected_clone(&vehicle(0), world.now(*g))));
        world.attaches(0, 1);
        world.run(Millis::secs(4));
        assert_eq!(world.rejects.len(), 3, "no one is refused for ever");
    }
}

#[test]
fn a_vehicle_that_hands_over_back_and_forth_is_no_clone() {
    for delays_ms in [vec![20], vec![0, 900, 300]] {
        let mut world = World::new(3, delays_ms, &[0; 3]);
        world.run(Millis::secs(5));
        for n in 0..40 {
            world.attaches(0, [0, 1, 0, 2][n % 4]);
            world.run(Millis::secs(1));
        }
        assert_eq!(world.rejects, []);
        assert!(world.gateways.iter().all(|gateway| gateway.reported.is_empty()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// One vehicle that keeps its token, but for one time: however it roams and flaps, it is one.
    #[test]
    fn a_vehicle_by_itself_is_never_taken_for_two(
        steps in prop::collection::vec((0usize..3, any::<bool>(), 1u64..20), 1..40), forgets_at in 0usize..40
    ) {
        let mut world = World::new(3, vec![20, 400], &[0, 7_000_000, -7_000_000]);
        world.run(Millis::secs(5));
        for (n, (g, loses, wait_s)) in steps.into_iter().enumerate() {
            if n == forgets_at {
                world.tokens[0] = None;
            }
            if let Some((at, conn)) = world.rides[0].filter(|_| loses) {
                world.loses(at, conn, world.at);
            }
            world.attaches(0, g);
            world.run(Millis::secs(wait_s));
        }
        prop_assert_eq!(&world.rejects, &[]);
        prop_assert!(world.gateways.iter().all(|gateway| gateway.reported.is_empty()));
    }
}

#[test]
fn two_streams_that_were_dialled_at_once_become_one_at_both_ends() {
    for delays_ms in [vec![0], vec![900], vec![0, 900], vec![900, 0, 300]] {
        let mut world = World::new(3, delays_ms, &[0; 3]);
        world.run(Millis::secs(12));
        world.check_agreement();
    }
}

#[test]
fn what_happened_with_a_peer_is_counted_over_all_streams_to_it() {
    let mut world = settled(3);
    let peers = [1, 2].map(|g| world.gateways[g].node.view().me().id.clone());
    let counted = |world: &World| peers.clone().map(|peer| world.gateways[0].node.counters_with(&peer));
    let before = counted(&world);
    assert!(before[0].entries_sent > 0, "{before:?}");
    set_cut(&mut world, 0, 1, true);
    world.run(Millis::secs(10));
    assert!(world.gateways[0].node.link_to(&peers[0]).is_none());
    let during = counted(&world);
    assert_eq!(during[0], before[0], "what the ended stream carried stays counted");
    set_cut(&mut world, 0, 1, false);
    world.leaves(0);
    world.run(Millis::secs(20));
    let after = counted(&world);
    assert!(after[0].entries_sent > during[0].entries_sent, "{after:?}");
    let all = world.gateways[0].node.counters();
    assert_eq!(all.entries_sent, after[0].entries_sent + after[1].entries_sent);
}

#[test]
fn what_is_published_is_told_to_the_feed_and_never_to_the_driver() {
    let mut world = settled(1);
    let purge = Millis::secs(8 * 24 * 3600);
    world.leaves(0);
    world.sleeps(purge);
    world.run(Millis::secs(1));
    assert_eq!(world.shown(0, &vehicle(0)), None);
    assert_eq!(world.gateways[0].node.next_deadline(), None);
}

/// The first gateway alone, and streams to peers whose frames are written by hand.
fn hears(world: &mut World, link: u64, dialled: bool, frame: Frame) {
    let link = LinkId(link);
    if matches!(frame, Frame::Hello { .. }) {
        world.does(0, Event::LinkOpened { link, dialled });
    }
    world.does(0, Event::FrameReceived(link, frame));
}

fn hello(at: usize, life: u64) -> Frame {
    Frame::Hello { node: world::info(at, life), cursors: Vec::new(), kept: None }
}

#[test]
fn the_stream_of_a_peers_new_life_takes_the_place_of_the_old_one_whoever_dialled() {
    for dialled in [false, true] {
        let mut world = World::new(1, vec![0], &[0; 3]);
        hears(&mut world, 1, !dialled, hello(1, 1));
        hears(&mut world, 2, dialled, hello(1, 2));
        let b = world::info(1, 2);
        assert_eq!(world.gateways[0].node.link_to(&b.id).unwrap().peer(), Some(&b));
    }
}

#[test]
fn a_frame_of_an_ended_life_brings_no_one_back_to_life() {
    let mut world = World::new(1, vec![0], &[0; 3]);
    let (b, c) = (world::info(1, 2), world::info(2, 1));
    hears(&mut world, 1, true, hello(1, 1));
    hears(&mut world, 2, true, hello(2, 1));
    let told =
        Batch { owner: b.clone(), scope: Scope::Detail, from: 0, to: 0, entries: Vec::new(), snapshot_end: None };
    hears(&mut world, 2, true, Frame::Batch(Box::new(told)));
    hears(&mut world, 1, true, Frame::Cursors { cursors: Vec::new(), nodes: Vec::new() });
    let liveness = |id| world.gateways[0].node.view().node(id).unwrap().liveness;
    assert!(matches!(liveness(&b.id), Liveness::Lost { .. }));
    assert!(matches!(liveness(&c.id), Liveness::Alive { .. }));
}

#[test]
fn a_node_that_stood_still_shows_no_sign_of_life_before_it_has_looked_at_what_it_missed() {
    let me = world::info(0, 1);
    let mut node = Node::new(me, Timers::default(), KeyRing::default());
    let flush = |node: &mut Node, now| {
        let mut out = Vec::new();
        node.apply(now, Event::FlushDue { link: LinkId(1), room: Room::empty(8) }, &mut out);
        out.len()
    };
    let begun = Mono(1 << 40);
    let woken = begun + LOST_AFTER;
    node.apply(begun, Event::Ticked, &mut Vec::new());
    // Even on a stream that a peer opened in the meantime.
    node.apply(woken, Event::LinkOpened { link: LinkId(1), dialled: false }, &mut Vec::new());
    assert_eq!(flush(&mut node, woken), 0);
    node.apply(woken, Event::Ticked, &mut Vec::new());
    assert_eq!(flush(&mut node, woken), 1);
}

/// The disk of `b` was lost and its clock set back: it lives as 1, `a` knows it as 7.
#[test]
fn a_peer_that_forgot_its_life_is_told_of_it_hung_up_on_and_asked_to_begin_a_later_one() {
    let begun = Mono(1 << 40);
    let (mut a, mut b) = (
        Node::new(world::info(0, 1), Timers::default(), KeyRing::default()),
        Node::new(world::info(1, 1), Timers::default(), KeyRing::default()),
    );
    let does = |node: &mut Node, now, event| {
        let mut out = Vec::new();
        node.apply(now, event, &mut out);
        out
    };
    let hello_of = |node: &mut Node, link| {
        does(node, begun, Event::LinkOpened { link: LinkId(link), dialled: true });
        match does(node, begun, Event::FlushDue { link: LinkId(link), room: Room::empty(8) }).pop() {
            Some(Action::SendFrame(_, frame)) => frame,
            other => panic!("{other:?}"),
        }
    };
    let earlier = hello_of(&mut Node::new(world::info(1, 7), Timers::default(), KeyRing::default()), 1);
    hello_of(&mut a, 1);
    does(&mut a, begun, Event::FrameReceived(LinkId(1), earlier));
    does(&mut a, begun, Event::LinkLost(LinkId(1)));

    let greeting = hello_of(&mut b, 2);
    does(&mut a, begun, Event::LinkOpened { link: LinkId(2), dialled: false });
    assert_eq!(does(&mut a, begun, Event::FrameReceived(LinkId(2), greeting)), [], "not hung up on before the answer");
    let Some(Action::SendFrame(_, answer)) =
        does(&mut a, begun, Event::FlushDue { link: LinkId(2), room: Room::empty(8) }).pop()
    else {
        panic!("it is answered")
    };
    assert!(a.link_to(&world::info(1, 1).id).is_none());
    let learned = does(&mut b, begun, Event::FrameReceived(LinkId(2), answer));
    assert!(learned.contains(&Action::Outlived(Incarnation(7))), "{learned:?}");
    let over = does(&mut a, begun + HEARTBEAT, Event::Ticked);
    assert_eq!(over, [Action::HangUp(LinkId(2), HangUp::Fault(Fault::OldLife))]);
}

#[test]
fn a_gateway_that_another_region_has_a_vehicle_of_is_told_so_by_the_vehicles_home() {
    let regions = Regions { count: 3, kept: 1 };
    let homes = regions.homes();
    let home = |v: usize| homes.of(Shard::of(&vehicle(v)))[0].as_str().to_owned();
    let v = (0..VEHICLES).find(|v| home(*v) == "c").expect("one of them is at home there");
    let mut world = World::spread(3, Some(regions), vec![20], &[0; 3]);
    world.run(Millis::secs(5));
    world.attaches(v, 0);
    world.run(Millis::secs(5));
    assert_eq!(world.shown(2, &vehicle(v)).map(|shown| (shown.0, shown.1)), Some((Known::Online, None)));
    // It lost its token, and with it the name of its old gateway.
    world.tokens[v] = None;
    world.attaches(v, 1);
    assert!(world.gateways[0].node.registrar().session(&vehicle(v)).is_some(), "nothing has told it yet");
    world.run(Millis::secs(5));
    world.check_agreement();
    assert!(world.gateways[0].node.registrar().session(&vehicle(v)).is_none());
    assert_eq!(world.shown(2, &vehicle(v)).map(|shown| shown.2.as_str().to_owned()), Some("b".to_owned()));
}

#[test]
fn a_vehicle_is_let_in_above_what_a_home_region_named_whatever_the_clock_says() {
    let regions = Regions { count: 3, kept: 1 };
    let homes = regions.homes();
    let v = (0..VEHICLES).find(|v| homes.of(Shard::of(&vehicle(*v)))[0].as_str() == "c").expect("one is at home there");
    // The first gateway's clock is ten hours ahead: no epoch that the second makes of its own clock comes near.
    let mut world = World::spread(3, Some(regions), vec![20], &[36_000_000, 0, 0]);
    world.run(Millis::secs(5));
    world.attaches(v, 0);
    world.run(Millis::secs(5));
    // A unit that lost all that it knew.
    (world.tokens[v], world.told[v]) = (None, None);
    world.attaches(v, 1);
    world.run(Millis::secs(5));
    assert!(world.gateways[1].node.registrar().session(&vehicle(v)).is_none(), "it is told that it lost");
    world.attaches(v, 1);
    world.run(Millis::secs(20));
    world.check_agreement();
    assert_eq!(world.shown(2, &vehicle(v)).map(|shown| shown.2.as_str().to_owned()), Some("b".to_owned()));
}

/// A home of all these vehicles, with streams to the gateway that had them and to the one that has them now. Every second
/// one has left that again.
fn home_of(vehicles: &[usize], regions: Regions) -> (Node, Mono) {
    let info = |at: usize| NodeInfo { region: RegionId::new(world::NODES[at]).unwrap(), ..world::info(at, 1) };
    let mut home = Node::new(info(2), Timers::default(), KeyRing::default()).with_homes(Some(regions.homes()));
    let (now, mut out) = (Mono(1 << 40), Vec::new());
    for (link, at, epoch) in [(LinkId(1), 0, 5), (LinkId(2), 1, 9)] {
        home.apply(now, Event::LinkOpened { link, dialled: false }, &mut out);
        let kept = Kept { interest: regions.homes().interest(&info(at).region), homes: 0 };
        let hello = Frame::Hello { node: info(at), cursors: Vec::new(), kept: Some(Box::new(kept)) };
        home.apply(now, Event::FrameReceived(link, hello), &mut out);
        let entries = vehicles.iter().zip(1..).map(|(v, seq)| AgedEntry {
            vehicle: vehicle(*v),
            seq,
            epoch: Epoch(epoch),
            session: SessionId(epoch),
            state: if epoch == 9 && seq % 2 == 0 { LiveState::Detached } else { LiveState::Connected },
            cause: None,
            cell: None,
            age: Millis(0),
            sleep: Millis(0),
            wake: WakeChannels::NONE,
            cloned: false,
            rest: None,
        });
        let (entries, to) = (entries.collect(), vehicles.len() as u64);
        let batch = Batch { owner: info(at), scope: Scope::Directory, from: 0, to, entries, snapshot_end: None };
        home.apply(now, Event::FrameReceived(link, Frame::Batch(Box::new(batch))), &mut out);
    }
    (home, now)
}

#[test]
fn gateways_that_lost_many_vehicles_are_told_of_some_at_once_and_of_each_in_turn() {
    let regions = Regions { count: 3, kept: 1 };
    let homes = regions.homes();
    let at_home = |v: &usize| homes.of(Shard::of(&vehicle(*v)))[0].as_str() == "c";
    let vehicles: Vec<_> = (0..).filter(at_home).take(2 * TOLD_AT_ONCE + 10).collect();
    let (mut home, mut now) = home_of(&vehicles, regions);
    let mut told = BTreeMap::new();
    for most in [TOLD_AT_ONCE, TOLD_AT_ONCE, 10, 0] {
        let mut out = Vec::new();
        now = now + Millis::secs(1);
        home.apply(now, Event::Ticked, &mut out);
        let mut calls = Vec::new();
        for action in &out {
            if let Action::TellOutranked { node, vehicle, lost, by, detached } = action {
                let has_left = vehicles.iter().position(|v| self::vehicle(*v) == *vehicle).unwrap() % 2 == 1;
                assert_eq!(*detached, has_left);
                calls.push((node.as_str(), vehicle.clone(), *lost, *by));
            }
        }
        assert_eq!(calls.len(), most);
        for (node, vehicle, lost, by) in calls {
            assert_eq!((node, lost, by), ("a", (SessionId(5), Epoch(5)), Epoch(9)));
            *told.entry(vehicle).or_insert(0) += 1;
        }
    }
    assert_eq!((told.len(), told.values().all(|times| *times == 1)), (vehicles.len(), true));
}
