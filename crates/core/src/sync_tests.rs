use super::{Batch, Cursor, Fault, Frame, HEARTBEAT, LOST_AFTER, Link, RELAY_AFTER, REWIND_AFTER, Received};
use crate::homes::Part;
use crate::id::{Incarnation, NodeId};
use crate::limits::{INCARNATION_MAX, SYNC_BATCH_ENTRIES_MAX, SYNC_UNACKED_ENTRIES_MAX};
use crate::log::{LiveState, LogId, Rest, Scope};
use crate::sync::rig::{PUMP, ROOM, START, Stream, agree, info, log_of, publish, pumped, vehicle, view};
use crate::time::{Millis, Mono};
use crate::timers::Timers;
use crate::view::{NodeInfo, View};
use proptest::prelude::*;

/// A log of `live` vehicles from 10 on, and vehicle 1, removed so long ago that its tombstone is gone. `until` gives
/// the others a chance to read before the removal.
fn with_removed(a: &mut View, live: u64, until: impl FnOnce(&mut View)) -> Mono {
    publish(a, START, 1, LiveState::Connected);
    until(a);
    publish(a, START, 1, LiveState::Removed);
    (10..10 + live).for_each(|n| publish(a, START, n, LiveState::Connected));
    let later = START + Millis::secs(100_000);
    a.expire_tombstones(later, Millis::secs(1000));
    later
}

#[test]
fn the_first_frame_must_be_a_hello_of_another_node() {
    let hello = |id, incarnation| Frame::Hello { node: info(id, incarnation), cursors: Vec::new(), kept: None };
    let mut a = view("a");
    a.mention(START, info("b", 5));
    let batch =
        Batch { owner: info("b", 5), scope: Scope::Detail, from: 0, to: 0, entries: Vec::new(), snapshot_end: None };
    for (frame, fault) in [
        (Frame::Cursors { cursors: Vec::new(), nodes: Vec::new() }, Fault::NoHello),
        (Frame::Batch(Box::new(batch)), Fault::NoHello),
        (hello("a", 9), Fault::SameId(NodeId::new("a").unwrap())),
    ] {
        assert_eq!(Link::new(START).receive(START, frame, &mut a), Err(fault));
    }
    let mut link = Link::new(START);
    assert!(link.receive(START, hello("b", 5), &mut a).is_ok());
    assert_eq!(link.receive(START, hello("c", 1), &mut a), Err(Fault::SecondHello), "a stream is one node's");
}

#[test]
fn nothing_but_a_hello_is_said_before_the_peers_hello() {
    let mut a = view("a");
    publish(&mut a, START, 1, LiveState::Connected);
    let mut link = Link::new(START);
    assert!(matches!(*pumped(&mut link, START, ROOM, &a), [Frame::Hello { .. }]));
    assert_eq!(pumped(&mut link, START + Millis::secs(9), ROOM, &a), []);
}

#[test]
fn while_nothing_changes_only_a_heartbeat_is_sent_however_many_vehicles_there_are() {
    let (mut a, mut b, mut now) = (view("a"), view("b"), START);
    (0..2000).for_each(|n| publish(&mut a, START, n, LiveState::Connected));
    let mut stream = Stream::open(now);
    stream.run(&mut now, Millis::secs(2), &mut a, &mut b);
    agree(&a, &b, "a");
    let beats = (60_000 / HEARTBEAT.0) as usize;
    assert_eq!(stream.run(&mut now, Millis::secs(60), &mut a, &mut b), (2 * beats, 0));
    publish(&mut a, now, 5, LiveState::Idle);
    let (_, batches) = stream.run(&mut now, Millis::secs(5), &mut a, &mut b);
    assert_eq!((batches, stream.a.counters().entries_sent), (1, 2001), "one transition, one entry");
}

#[test]
fn what_is_under_way_to_a_peer_that_does_not_answer_is_bounded() {
    let (mut a, mut b) = (view("a"), view("b"));
    (0..20_000).for_each(|n| publish(&mut a, START, n, LiveState::Connected));
    let mut stream = Stream::open(START);
    stream.turn(START, &mut a, &mut b);
    let silent: Vec<Frame> = (0..50).flat_map(|_| pumped(&mut stream.a, START, 1000, &a)).collect();
    let entries = |frame: &Frame| if let Frame::Batch(batch) = frame { batch.entries.len() } else { 0 };
    assert!(silent.iter().map(entries).sum::<usize>() as u64 <= SYNC_UNACKED_ENTRIES_MAX);
    assert!(silent.iter().all(|frame| entries(frame) <= SYNC_BATCH_ENTRIES_MAX));
    let mut now = START;
    for frame in silent {
        stream.b.receive(now, frame, &mut b).unwrap();
    }
    stream.run(&mut now, Millis::secs(5), &mut a, &mut b);
    agree(&a, &b, "a");
}

#[test]
fn a_peer_below_the_floor_gets_a_snapshot_and_forgets_what_was_removed() {
    for live in [3, SYNC_UNACKED_ENTRIES_MAX + 2000] {
        let (mut a, mut b, mut now) = (view("a"), view("b"), START);
        let read = |a: &mut View| {
            Stream::open(START).run(&mut now, Millis::secs(1), a, &mut b);
        };
        now = with_removed(&mut a, live, read);
        assert!(b.sight(now, &vehicle(1)).is_some());
        let mut stream = Stream::open(now);
        stream.run(&mut now, Millis::secs(8), &mut a, &mut b);
        agree(&a, &b, "a");
        assert_eq!(b.sight(now, &vehicle(1)), None);
        assert_eq!(stream.a.counters().snapshots_sent, 1);
        assert_eq!(stream.a.counters().digest_mismatches, 0);
    }
}

#[test]
fn no_vehicle_vanishes_while_a_snapshot_is_under_way() {
    let (mut a, mut b, mut now) = (view("a"), view("b"), START);
    let read = |a: &mut View| {
        Stream::open(START).run(&mut now, Millis::secs(1), a, &mut b);
    };
    now = with_removed(&mut a, 2000, read);
    let mut stream = Stream { room: 1, ..Stream::open(now) };
    let mut shown = 1;
    while shown < 2000 {
        stream.turn(now, &mut a, &mut b);
        let still = b.log(&log_of("a")).unwrap().live();
        assert!(still == 1 || still == 2000, "{still} vehicles");
        (shown, now) = (still, now + PUMP);
    }
}

#[test]
fn a_copy_that_never_saw_a_tombstone_does_not_pass_the_log_on_without_it() {
    let (mut a, mut b, mut c, mut now) = (view("a"), view("b"), view("c"), START);
    let read = |a: &mut View| {
        Stream::open(START).run(&mut now, Millis::secs(1), a, &mut c);
    };
    now = with_removed(&mut a, 3, read);
    // b is new and reads a's log from its beginning; c cannot reach a any more and hears of it through b.
    Stream::open(now).run(&mut now, Millis::secs(1), &mut a, &mut b);
    agree(&a, &b, "a");
    Stream::open(now).run(&mut now, Millis::secs(5), &mut b, &mut c);
    agree(&a, &c, "a");
    assert_eq!(c.sight(now, &vehicle(1)), None, "vehicle 1 was removed");
}

#[test]
fn a_tombstone_that_expires_while_the_peer_lags_is_not_skipped() {
    let (mut a, mut b, mut now) = (view("a"), view("b"), START);
    publish(&mut a, START, 1, LiveState::Connected);
    (10..1500).for_each(|n| publish(&mut a, START, n, LiveState::Connected));
    let mut stream = Stream { room: 2, ..Stream::open(now) };
    stream.turn(now, &mut a, &mut b);
    let under_way = pumped(&mut stream.a, now, 1, &a);
    publish(&mut a, START, 1, LiveState::Removed);
    a.expire_tombstones(now + Millis(10), Millis(10));
    for frame in under_way {
        stream.b.receive(now, frame, &mut b).unwrap();
    }
    stream.run(&mut now, Millis::secs(5), &mut a, &mut b);
    agree(&a, &b, "a");
    assert_eq!(stream.a.counters().digest_mismatches, 0);
}

#[test]
fn another_nodes_log_is_passed_on_only_if_it_does_not_come_by_itself() {
    let (mut a, mut b, mut c, mut now) = (view("a"), view("b"), view("c"), START);
    let (mut ab, mut ac, mut bc) = (Stream::open(now), Stream::open(now), Stream::open(now));
    for n in 0..100 {
        publish(&mut a, now, n % 7, LiveState::Connected);
        ab.run(&mut now, PUMP, &mut a, &mut b);
        ac.turn(now, &mut a, &mut c);
        bc.turn(now, &mut b, &mut c);
    }
    assert_eq!((bc.a.counters().entries_sent, bc.b.counters().entries_sent), (0, 0));
    publish(&mut a, now, 8, LiveState::Connected);
    ab.run(&mut now, PUMP, &mut a, &mut b);
    let cut = now;
    while c.sight(now, &vehicle(8)).is_none() {
        bc.run(&mut now, PUMP, &mut b, &mut c);
        assert!(now.since(cut) <= RELAY_AFTER + HEARTBEAT + PUMP, "told by b although a is cut off from c");
    }
    agree(&a, &c, "a");
}

#[test]
fn after_a_lost_frame_the_rest_is_refused_and_sent_again() {
    let (mut a, mut b, mut now) = (view("a"), view("b"), START);
    let mut stream = Stream { room: 1, ..Stream::open(now) };
    stream.run(&mut now, Millis::secs(1), &mut a, &mut b);
    publish(&mut a, now, 1, LiveState::Connected);
    stream.room = ROOM;
    let lost = pumped(&mut stream.a, now, ROOM, &a);
    assert!(lost.iter().any(|frame| matches!(frame, Frame::Batch(_))));
    publish(&mut a, now, 2, LiveState::Connected);
    stream.run(&mut now, Millis::secs(1), &mut a, &mut b);
    assert_eq!((stream.b.counters().gaps, b.sight(now, &vehicle(2))), (1, None));
    stream.run(&mut now, REWIND_AFTER, &mut a, &mut b);
    agree(&a, &b, "a");
    assert_eq!(stream.a.counters().digest_mismatches, 0);
}

#[test]
fn it_is_known_since_when_a_peer_lacks_something_and_when_its_copy_was_last_equal() {
    let (mut a, mut b, mut now) = (view("a"), view("b"), START);
    publish(&mut a, START, 1, LiveState::Connected);
    let mut stream = Stream::open(now);
    assert_eq!((stream.a.abreast(), stream.a.audited()), (None, None), "nothing was said yet");
    stream.run(&mut now, Millis::secs(3), &mut a, &mut b);
    assert_eq!((stream.a.lag(&a), stream.a.abreast()), (0, Some(now)));
    assert!(stream.a.audited().is_some_and(|at| now.since(at) <= HEARTBEAT));
    assert!(stream.b.audited().is_some_and(|at| now.since(at) <= HEARTBEAT), "of nothing there is no copy");
    let cut = now;
    publish(&mut a, now, 2, LiveState::Connected);
    for _ in 0..50 {
        now = now + PUMP;
        pumped(&mut stream.a, now, ROOM, &a);
    }
    assert_eq!((stream.a.lag(&a), stream.a.abreast()), (1, Some(cut)), "it lacks what was said since");
    assert!(stream.a.audited() <= Some(cut), "what the peer has not told of is not compared");
}

#[test]
fn no_one_writes_the_log_of_this_node() {
    let (mut a, mut b) = (view("a"), view("b"));
    publish(&mut a, START, 1, LiveState::Connected);
    let mut forger = view("a");
    publish(&mut forger, START, 1, LiveState::Detached);
    publish(&mut forger, START, 2, LiveState::Connected);
    let mut link = Link::new(START);
    link.receive(START, Frame::Hello { node: info("b", 1), cursors: Vec::new(), kept: None }, &mut a).unwrap();
    let digest = a.log(&log_of("a")).unwrap().digest();
    for (incarnation, head) in [(1, 2), (2, 2)] {
        let owner = info("a", incarnation);
        let batch =
            Batch { owner, scope: Scope::Detail, from: 0, to: head, entries: Vec::new(), snapshot_end: Some(head) };
        link.receive(START, Frame::Batch(Box::new(batch)), &mut a).unwrap();
    }
    assert_eq!(a.own_log_id(), log_of("a"));
    assert_eq!((a.logs().count(), a.log(&log_of("a")).unwrap().digest()), (1, digest));
    let mut now = START;
    Stream::open(now).run(&mut now, Millis::secs(1), &mut a, &mut b);
    agree(&a, &b, "a");
}

#[test]
fn a_contact_crosses_as_an_age_whatever_the_clocks_say() {
    let (mut a, mut b) = (view("a"), view("b"));
    let (here, there) = (START + Millis::secs(5000), Mono(1 << 41));
    publish(&mut a, START, 1, LiveState::Detached);
    let (mut one, mut two) = (Link::new(here), Link::new(there));
    two.receive(there, pumped(&mut one, here, ROOM, &a).remove(0), &mut b).unwrap();
    one.receive(here, pumped(&mut two, there, ROOM, &b).remove(0), &mut a).unwrap();
    for frame in pumped(&mut one, here, ROOM, &a) {
        two.receive(there, frame, &mut b).unwrap();
    }
    assert_eq!(b.sight(there, &vehicle(1)).unwrap().age, Millis::secs(5000));
}

#[test]
fn a_peer_is_level_only_once_its_log_is_read_up_to_where_it_stood() {
    let (mut a, mut b) = (view("a"), view("b"));
    (0..3000).for_each(|n| publish(&mut a, START, n, LiveState::Connected));
    let mut stream = Stream { room: 1, ..Stream::open(START) };
    let mut now = START;
    while b.log(&log_of("a")).is_none_or(|log| log.head() < 3000) {
        assert_eq!(stream.b.level(), None);
        stream.turn(now, &mut a, &mut b);
        now = now + PUMP;
    }
    assert!(stream.b.level().is_some());
    assert!(stream.a.level().is_some(), "the log of b is empty");
    stream.run(&mut now, HEARTBEAT, &mut a, &mut b);
    assert!(now.since(stream.b.level().unwrap()) < HEARTBEAT + PUMP);
    assert_eq!((stream.a.lag(&a), stream.b.lag(&b)), (0, 0));
}

#[test]
fn a_peer_is_silent_after_five_heartbeats_without_a_frame() {
    let (mut a, mut b, mut now) = (view("a"), view("b"), START);
    let mut stream = Stream::open(now);
    stream.run(&mut now, Millis::secs(20), &mut a, &mut b);
    let heard = stream.a.heard();
    assert!(!stream.a.silent(heard + Millis(LOST_AFTER.0 - 1)));
    assert!(stream.a.silent(heard + LOST_AFTER));
}

proptest! {
    /// Cursors a peer invents, and rooms of any size, never make more frames than there is room for, nor a panic.
    #[test]
    fn whatever_a_peer_claims_to_hold_the_frames_are_bounded(
        claims in prop::collection::vec((prop::sample::select(vec!["a", "b", "x"]), 0u64..3, any::<u64>()), 0..12),
        rooms in prop::collection::vec(0usize..4, 1..20), live in 0u64..600
    ) {
        let mut a = view("a");
        (0..live).for_each(|n| publish(&mut a, START, n, LiveState::Connected));
        let mut link = Link::new(START);
        link.receive(START, Frame::Hello { node: info("b", 1), cursors: Vec::new(), kept: None }, &mut a).unwrap();
        let mut now = START;
        for (n, room) in rooms.into_iter().enumerate() {
            let cursors = claims.iter().skip(n).map(|(owner, incarnation, seq)| Cursor {
                log: LogId { incarnation: Incarnation(*incarnation), ..log_of(owner) }, seq: *seq, count: 1, digest: 2,
                rebuilding: *seq, blank_from: None, heard: false, level: None,
            });
            link.receive(now, Frame::Cursors { cursors: cursors.collect(), nodes: Vec::new() }, &mut a).unwrap();
            pumped(&mut link, now, room, &a);
            prop_assert!(link.progress.len() <= 2, "what is not held here is not kept either");
            now = now + Millis::secs(3);
        }
    }
}

#[test]
fn a_node_that_drains_says_so_on_its_streams_and_only_of_itself() {
    let (mut a, mut b, mut now) = (view("a"), view("b"), START);
    let mut stream = Stream::open(now);
    stream.run(&mut now, Millis::secs(2), &mut a, &mut b);
    let drains = |at: &View, id: &str| at.node(&NodeId::new(id).unwrap()).unwrap().info.draining;
    assert!(!drains(&b, "a"));
    a.drain();
    stream.run(&mut now, PUMP, &mut a, &mut b);
    assert!(drains(&b, "a"), "with the next frames, not with the next heartbeat");
    // Said by another, or of another life, it does nothing.
    for info in [NodeInfo { draining: true, ..info("b", 1) }, NodeInfo { draining: true, ..info("b", 2) }] {
        let frame = Frame::Cursors { cursors: Vec::new(), nodes: vec![info] };
        stream.b.receive(now, frame, &mut b).unwrap();
    }
    assert!(!drains(&b, "b"));
    // A later stream of the same life says it in its hello.
    let (mut c, mut second) = (view("c"), Stream::open(now));
    second.run(&mut now, PUMP, &mut a, &mut c);
    assert!(drains(&c, "a"));
}

#[test]
fn a_peer_in_an_ended_life_is_answered_so_that_it_learns_of_it_and_then_hung_up_on() {
    // b lived as 5, as a knows, and a holds nothing of it. Its disk was lost and its clock set back.
    let (mut a, mut b) = (view("a"), View::new(info("b", 4), Timers::default()));
    a.mention(START, info("b", 5));
    publish(&mut b, START, 1, LiveState::Connected);
    let mut stream = Stream::open(START);
    let said = pumped(&mut stream.b, START, ROOM, &b);
    for frame in said {
        assert_eq!(stream.a.receive(START, frame, &mut a), Ok(Received::default()));
    }
    let mut learned = Vec::new();
    for frame in pumped(&mut stream.a, START, ROOM, &a) {
        learned.extend(stream.b.receive(START, frame, &mut b).unwrap().outlived);
    }
    assert_eq!(learned, [Incarnation(5)]);
    for frame in pumped(&mut stream.b, START + HEARTBEAT, ROOM, &b) {
        assert_eq!(stream.a.receive(START + HEARTBEAT, frame, &mut a), Ok(Received::default()), "not heeded");
    }
    assert!(pumped(&mut stream.a, START + HEARTBEAT, ROOM, &a).is_empty());
    assert_eq!((a.logs().count(), stream.a.peer()), (1, None));
    assert!(!stream.a.is_outdated(START + Millis(HEARTBEAT.0 - 1)));
    assert!(stream.a.is_outdated(START + HEARTBEAT));
}

#[test]
fn a_node_learns_of_a_life_that_it_forgot_whoever_knows_of_it_and_believes_no_impossible_one() {
    let mut me = view("a");
    publish(&mut me, START, 1, LiveState::Connected);
    let cursor = |owner, life, seq| {
        let log = LogId { incarnation: Incarnation(life), ..log_of(owner) };
        Cursor { log, seq, count: 0, digest: 0, rebuilding: 0, blank_from: None, heard: false, level: None }
    };
    for (known, learned) in [
        (vec![cursor("a", 1, 0), cursor("a", 1, 1), cursor("a", 0, 99), cursor("x", 7, 1)], None),
        // More than was ever said in this life: another one of the same second.
        (vec![cursor("a", 1, 2)], Some(1)),
        (vec![cursor("a", 3, 0), cursor("a", 9, 5), cursor("a", 2, 1)], Some(9)),
        (vec![cursor("a", INCARNATION_MAX, 0), cursor("a", u64::MAX, 0)], Some(INCARNATION_MAX)),
        (vec![cursor("a", u64::MAX, 4)], None),
    ] {
        let learned = learned.map(Incarnation);
        let mut link = Link::new(START);
        let hello = Frame::Hello { node: info("b", 1), cursors: known.clone(), kept: None };
        assert_eq!(link.receive(START, hello, &mut me).unwrap().outlived, learned, "{known:?}");
        let later = Frame::Cursors { cursors: known, nodes: Vec::new() };
        assert_eq!(link.receive(START, later, &mut me).unwrap().outlived, learned);
    }
}

#[test]
fn what_a_later_version_says_of_an_entry_is_passed_on_as_it_came() {
    let (mut b, mut c, mut now) = (view("b"), view("c"), START);
    let mut a = view("a");
    publish(&mut a, START, 1, LiveState::Connected);
    let mut entries = crate::sync::frame::aged(
        START,
        a.log(&log_of("a")).unwrap().suffix(0, 9, &Part::Whole).entries,
        Default::default(),
    );
    let rest = Rest { cause: 900, cell: 7, fields: Box::from([0x62, 1, 5]) };
    entries[0].rest = Some(Box::new(rest.clone()));
    let owner = NodeInfo { rest: Box::from([0x3a, 1, 2]), ..info("a", 1) };
    let batch = Batch { owner: owner.clone(), scope: Scope::Detail, from: 0, to: 1, entries, snapshot_end: None };
    let mut from_a = Link::new(START);
    from_a.receive(START, Frame::Hello { node: owner.clone(), cursors: Vec::new(), kept: None }, &mut b).unwrap();
    from_a.receive(START, Frame::Batch(Box::new(batch)), &mut b).unwrap();
    let mut stream = Stream::open(now);
    let mut relayed = Vec::new();
    while relayed.is_empty() {
        now = now + PUMP;
        relayed.extend(stream.turn(now, &mut b, &mut c).into_iter().filter_map(|frame| match frame {
            Frame::Batch(batch) => Some(batch),
            Frame::Hello { .. } | Frame::Cursors { .. } | Frame::Audit(_) => None,
        }));
    }
    assert_eq!(relayed[0].owner, owner);
    assert_eq!(relayed[0].entries[0].rest.as_deref(), Some(&rest));
    agree(&b, &c, "a");
}
