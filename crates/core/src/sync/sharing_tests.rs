use crate::cell::Cell;
use crate::epoch::Epoch;
use crate::homes::{HomeRegions, Part, Shard};
use crate::id::{Incarnation, NodeId, RegionId, SessionId};
use crate::log::{Entry, LiveState, LogId};
use crate::record::Position;
use crate::sync::rig::{START, Stream, info, publish, vehicle};
use crate::sync::{Frame, Room};
use crate::time::{Millis, Mono};
use crate::timers::Timers;
use crate::view::{Liveness, NodeInfo, View};
use crate::wake::WakeChannels;
use proptest::prelude::*;
use std::collections::BTreeMap;

const REGIONS: [&str; 5] = ["east", "mid", "north", "south", "west"];

fn region(name: &str) -> RegionId {
    RegionId::new(name).unwrap()
}

fn homes(homes: usize) -> HomeRegions {
    HomeRegions::new(REGIONS.map(region).to_vec(), Some(homes)).unwrap()
}

fn plain(id: &str, at: &str) -> View {
    View::new(NodeInfo { region: region(at), ..info(id, 1) }, Timers::default())
}

/// A gateway where every vehicle is kept in so many of five regions.
fn view(id: &str, at: &str, kept: usize) -> View {
    let mut view = plain(id, at);
    view.set_homes(homes(kept));
    view
}

fn directory(id: &str) -> LogId {
    LogId::directory(NodeId::new(id).unwrap(), Incarnation(1))
}

fn detail(id: &str) -> LogId {
    LogId::detail(NodeId::new(id).unwrap(), Incarnation(1))
}

fn run(stream: &mut Stream, now: &mut Mono, span: Millis, a: &mut View, b: &mut View) {
    stream.run(now, span, a, b);
}

fn talk(now: &mut Mono, a: &mut View, b: &mut View) -> Stream {
    let mut stream = Stream::open(*now);
    run(&mut stream, now, Millis::secs(8), a, b);
    stream
}

/// What a view shows of the first `n` vehicles.
fn shown(view: &View, n: u64) -> BTreeMap<u64, LiveState> {
    (0..n).filter_map(|n| Some((n, view.winner(&vehicle(n))?.1.entry.state))).collect()
}

fn equal(a: &View, b: &View, log: &LogId, part: &Part) {
    let (one, two) = (a.log(log).unwrap(), b.log(log).unwrap());
    assert_eq!((one.head(), one.sum(part)), (two.head(), two.sum(part)), "{log:?}");
}

#[test]
fn another_region_is_told_of_the_vehicles_it_is_home_of_and_of_no_others() {
    let (mut a, mut b, mut now) = (view("a", "west", 2), view("b", "east", 2), START);
    (0..2000).for_each(|n| publish(&mut a, START, n, LiveState::Connected));
    talk(&mut now, &mut a, &mut b);
    let interest = homes(2).interest(&region("east"));
    let expected: BTreeMap<_, _> =
        (0..2000).filter(|n| interest.has(Shard::of(&vehicle(*n)))).map(|n| (n, LiveState::Connected)).collect();
    assert_eq!(shown(&b, 2000), expected);
    assert!((600..1000).contains(&expected.len()), "two fifths of 2000, not {}", expected.len());
    assert!(b.log(&detail("a")).is_none(), "detail stays in its region");
    equal(&a, &b, &directory("a"), &Part::Shards(interest));
}

#[test]
fn the_same_region_has_all_detail_and_what_there_is_to_pass_on_beside_it() {
    let (mut a, mut b, mut now) = (view("a", "west", 2), view("b", "west", 2), START);
    (0..100).for_each(|n| publish(&mut a, START, n, LiveState::Connected));
    talk(&mut now, &mut a, &mut b);
    equal(&a, &b, &detail("a"), &Part::Whole);
    equal(&a, &b, &directory("a"), &Part::Whole);
    assert_eq!(shown(&b, 100).len(), 100);
    b.set_liveness(&NodeId::new("a").unwrap(), Liveness::Alive { heard: now });
    assert_eq!(b.tally(&NodeId::new("a").unwrap()).online, 100, "what is passed on is not counted again");
}

#[test]
fn the_directory_hears_of_states_and_of_long_ways_and_not_of_every_tracking_area() {
    let mut a = view("a", "west", 5);
    let at = |lon: f64| Cell::of(Position::from_degrees(49.6, lon)).unwrap();
    let say = |view: &mut View, state, cell, contact| {
        let (session, sleep, wake) = (SessionId(1), Millis(0), WakeChannels::NONE);
        let entry = Entry {
            epoch: Epoch(1),
            session,
            state,
            cause: None,
            cell: Some(cell),
            contact,
            sleep,
            wake,
            cloned: false,
        };
        view.publish(contact, vehicle(1), entry);
        view.log(&directory("a")).unwrap().head()
    };
    let (here, near) = (at(6.10), at(6.25));
    assert!(here != near && here.coarse() == near.coarse());
    assert_eq!(say(&mut a, LiveState::Connected, here, START), 1);
    assert_eq!(say(&mut a, LiveState::Connected, near, START + Millis::secs(9)), 1);
    assert_eq!(say(&mut a, LiveState::Idle, near, START + Millis::secs(19)), 2);
    assert_eq!(say(&mut a, LiveState::Connected, at(9.0), START + Millis::secs(29)), 4 - 1);
    assert_eq!(a.log(&detail("a")).unwrap().head(), 4);
    let said = a.log(&directory("a")).unwrap().slot(&vehicle(1)).unwrap().entry.cell;
    assert_eq!(said, Some(at(9.0).coarse()));
    assert_eq!(say(&mut a, LiveState::Removed, at(9.0), START + Millis::secs(39)), 4);
}

#[test]
fn of_what_a_peer_does_not_keep_it_learns_with_the_cursors_that_nothing_was_said() {
    let (mut a, mut b, mut now) = (view("a", "west", 1), view("b", "east", 1), START);
    let mut stream = talk(&mut now, &mut a, &mut b);
    let interest = homes(1).interest(&region("east"));
    let others: Vec<u64> = (0..500).filter(|n| !interest.has(Shard::of(&vehicle(*n)))).collect();
    for n in &others {
        publish(&mut a, now, *n, LiveState::Connected);
    }
    let batches = stream.run(&mut now, Millis::secs(3), &mut a, &mut b).1;
    assert_eq!(batches, 0, "nothing of it is for that region");
    equal(&a, &b, &directory("a"), &Part::Shards(interest));
    assert_eq!((stream.a.lag(&a), stream.b.behind(&b)), (0, 0));
    assert_eq!(stream.b.level().map(|level| now.since(level) <= Millis::secs(2)), Some(true));
    assert!(stream.a.audited().is_some_and(|at| now.since(at) <= Millis::secs(2)));
}

#[test]
fn who_keeps_less_passes_on_nothing_that_it_cannot_pass_on_whole() {
    let (mut a, mut b, mut c) = (view("a", "west", 2), view("b", "east", 2), view("c", "mid", 2));
    let mut now = START;
    (0..1000).for_each(|n| publish(&mut a, START, n, LiveState::Connected));
    talk(&mut now, &mut a, &mut b);
    talk(&mut now, &mut b, &mut c);
    assert!(shown(&c, 1000).is_empty() && c.log(&directory("a")).is_none());
    // Where everyone keeps everything, anyone passes on everything.
    let (mut a, mut b, mut c) = (view("a", "west", 5), view("b", "east", 5), view("c", "mid", 5));
    (0..1000).for_each(|n| publish(&mut a, START, n, LiveState::Connected));
    talk(&mut now, &mut a, &mut b);
    talk(&mut now, &mut b, &mut c);
    equal(&a, &c, &directory("a"), &Part::Whole);
}

#[test]
fn a_neighbour_of_the_owner_passes_on_the_directory_to_any_region() {
    let (mut a, mut b, mut c) = (view("a", "west", 2), view("b", "west", 2), view("c", "mid", 2));
    let mut now = START;
    (0..1000).for_each(|n| publish(&mut a, START, n, LiveState::Connected));
    talk(&mut now, &mut a, &mut b);
    talk(&mut now, &mut b, &mut c);
    equal(&a, &c, &directory("a"), &Part::Shards(homes(2).interest(&region("mid"))));
}

#[test]
fn gateways_with_and_without_home_regions_tell_each_other_what_they_can() {
    let (mut a, mut b, mut now) = (plain("a", "west"), view("b", "east", 2), START);
    (0..50).for_each(|n| publish(&mut a, START, n, LiveState::Connected));
    (50..100).for_each(|n| publish(&mut b, START, n, LiveState::Idle));
    let stream = talk(&mut now, &mut a, &mut b);
    assert_eq!(stream.a.homes_of_peer(), Some(homes(2).fingerprint()), "so that whoever has another list can say so");
    assert_eq!(stream.b.homes_of_peer(), None);
    assert_eq!((shown(&a, 100).len(), shown(&b, 100).len()), (100, 100));
    equal(&a, &b, &detail("a"), &Part::Whole);
    equal(&a, &b, &detail("b"), &Part::Whole);
    assert!(a.log(&directory("b")).is_none(), "an older version would take it for something else");
}

#[test]
fn a_part_that_differs_is_mended() {
    let (mut a, mut b, mut now) = (view("a", "west", 2), view("b", "east", 2), START);
    (0..2000).for_each(|n| publish(&mut a, START, n, LiveState::Connected));
    let interest = homes(2).interest(&region("east"));
    let wrong = (0..2000).find(|n| interest.has(Shard::of(&vehicle(*n)))).map(vehicle).unwrap();
    let mut stream = Stream::open(now);
    for _ in 0..100 {
        now = now + Millis(100);
        let (mut said, mut answers) = (Vec::new(), Vec::new());
        stream.a.pump(now, Room::empty(8), &a, &mut said);
        for mut frame in said {
            if let Frame::Batch(batch) = &mut frame {
                let entries = batch.entries.iter_mut().filter(|entry| entry.vehicle == wrong);
                entries.for_each(|entry| entry.session = SessionId(77_777));
            }
            stream.b.receive(now, frame, &mut b).unwrap();
        }
        b.set_liveness(&NodeId::new("a").unwrap(), Liveness::Alive { heard: now });
        stream.b.pump(now, Room::empty(8), &b, &mut answers);
        answers.into_iter().for_each(|frame| drop(stream.a.receive(now, frame, &mut a).unwrap()));
    }
    assert_eq!(stream.b.counters().digest_mismatches, 1);
    assert_eq!(stream.b.counters().entries_mended, 1);
    equal(&a, &b, &directory("a"), &Part::Shards(interest));
    assert_ne!(b.winner(&wrong).unwrap().1.entry.session, SessionId(77_777));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_happens_a_cursor_says_that_all_that_is_kept_is_held(
        kept in 1usize..=5,
        steps in prop::collection::vec((0u64..40, 0u8..6, any::<bool>(), 0u8..4), 20..80)
    ) {
        let mut views = [view("a", "west", kept), view("b", "east", kept), view("c", "mid", kept), view("d", "east", kept)];
        let mut streams: BTreeMap<(usize, usize), Stream> = BTreeMap::new();
        let mut now = START;
        for (n, state, cut, pair) in steps {
            publish(&mut views[0], now, n, LiveState::ALL[usize::from(state)]);
            let ends = [(0, 1), (0, 2), (1, 3), (2, 3)][usize::from(pair)];
            if cut {
                streams.remove(&ends);
            }
            now = now + Millis(600);
            let stream = streams.entry(ends).or_insert_with(|| Stream::open(now));
            let [a, b] = views.get_disjoint_mut([ends.0, ends.1]).unwrap();
            stream.turn(now, a, b);
            let owner = views[0].log(&directory("a")).unwrap().clone();
            for view in &views[1..] {
                let interest = view.interest().unwrap().clone();
                if let Some(copy) = view.log(&directory("a")) {
                    // What it claims: every entry of its part up to there, or one that replaced it.
                    let due = owner.suffix(0, usize::MAX, &Part::Shards(interest)).entries;
                    for (vehicle, slot) in due.iter().filter(|(_, slot)| slot.seq <= copy.head()) {
                        prop_assert_eq!(copy.slot(vehicle), Some(slot), "{:?} at {}", vehicle, copy.head());
                    }
                }
            }
        }
    }
}
