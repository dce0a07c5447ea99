use crate::id::RegionId;
use crate::log::LiveState;
use crate::sync::rig::{PUMP, START, Stream, agree, info, log_of, publish, vehicle, view};
use crate::sync::{Frame, HEARTBEAT, Link, RELAY_AFTER};
use crate::time::{Millis, Mono};
use crate::timers::Timers;
use crate::view::{NodeInfo, View};
use std::collections::VecDeque;

/// Forty batches.
const LONG: u64 = 20_000;

/// `a` owns a long log, `b` holds all of it, `c` knows nothing and needs a snapshot, for a tombstone is gone.
struct Triangle {
    a: View,
    b: View,
    c: View,
    now: Mono,
    ac: Stream,
    bc: Stream,
    /// Whether `c` notes that the owner speaks.
    hears: bool,
}

impl Triangle {
    fn new() -> Self {
        let (mut a, mut b, mut now) = (view("a"), view("b"), START);
        publish(&mut a, now, 99_999, LiveState::Connected);
        publish(&mut a, now, 99_999, LiveState::Removed);
        (0..LONG).for_each(|n| publish(&mut a, now, n, LiveState::Connected));
        now = now + Millis::secs(100_000);
        a.expire_tombstones(now, Millis::secs(1000));
        Stream::open(now).run(&mut now, Millis::secs(10), &mut a, &mut b);
        agree(&a, &b, "a");
        let (ac, bc) = (Stream { room: 2, ..Stream::open(now) }, Stream { room: 2, ..Stream::open(now) });
        Self { a, b, c: view("c"), now, ac, bc, hears: false }
    }

    /// The relay's stream speaks every 100 ms, the owner's only every `pause`; 0 if it is cut.
    fn run(&mut self, span: Millis, pause: Millis) {
        for _ in 0..span.0 / PUMP.0 {
            self.now = self.now + PUMP;
            if pause.0 > 0 && self.now.since(START).0.is_multiple_of(pause.0) {
                self.ac.turn(self.now, &mut self.a, &mut self.c);
                if self.hears {
                    self.c.note_spoken(self.now, &info("a", 1));
                }
            }
            self.bc.turn(self.now, &mut self.b, &mut self.c);
        }
    }

    fn held(&self) -> u64 {
        self.c.log(&log_of("a")).map_or(0, |log| log.head())
    }

    fn relayed(&self) -> u64 {
        self.bc.a.counters().entries_sent
    }
}

#[test]
fn a_relay_sends_nothing_of_a_log_for_as_long_as_a_snapshot_of_it_comes_from_its_owner() {
    let mut nodes = Triangle::new();
    nodes.run(Millis::secs(12), Millis(400));
    assert_eq!(nodes.held(), 0, "the snapshot is still under way");
    nodes.run(Millis::secs(12), Millis(400));
    agree(&nodes.a, &nodes.c, "a");
    assert_eq!(nodes.relayed(), 0);
}

#[test]
fn a_relay_takes_over_once_the_owners_snapshot_stands_still() {
    let mut nodes = Triangle::new();
    nodes.run(Millis::secs(6), Millis(400));
    nodes.ac.a = Link::new(nodes.now);
    nodes.ac.b.abandon(&mut nodes.c);
    assert_eq!(nodes.relayed(), 0);
    nodes.run(RELAY_AFTER + HEARTBEAT + PUMP, Millis(0));
    assert!(nodes.relayed() > 0, "in time");
    nodes.run(Millis::secs(5), Millis(0));
    agree(&nodes.a, &nodes.c, "a");
    assert_eq!(nodes.c.log(&log_of("a")).unwrap().rebuilding(), 0);
}

#[test]
fn a_relays_snapshot_ends_once_the_peer_has_the_log_and_what_follows_joins_on() {
    let mut nodes = Triangle::new();
    // The owner is silent at first, and much quicker than the relay then.
    nodes.run(Millis::secs(3), Millis(0));
    let before = nodes.relayed();
    assert!((1..LONG / 2).contains(&before), "it has begun: {before}");
    while nodes.held() == 0 {
        nodes.now = nodes.now + Millis(10);
        nodes.ac.turn(nodes.now, &mut nodes.a, &mut nodes.c);
    }
    nodes.run(HEARTBEAT + PUMP, PUMP);
    let end = nodes.relayed();
    assert!(end < LONG * 3 / 4, "{end} entries were relayed");
    nodes.run(Millis::secs(10), PUMP);
    agree(&nodes.a, &nodes.c, "a");
    assert_eq!(nodes.relayed(), end, "it has ended");
    // The owner is cut off from c; b hears it.
    publish(&mut nodes.a, nodes.now, 7, LiveState::Idle);
    Stream::open(nodes.now).run(&mut nodes.now, Millis(500), &mut nodes.a, &mut nodes.b);
    nodes.run(RELAY_AFTER + HEARTBEAT + PUMP, Millis(0));
    agree(&nodes.a, &nodes.c, "a");
    assert_eq!((nodes.bc.b.counters().gaps, nodes.bc.a.counters().digest_mismatches), (0, 0));
}

#[test]
fn a_relay_that_has_begun_lets_a_quicker_owner_go_on_alone() {
    let mut nodes = Triangle::new();
    nodes.run(Millis::secs(3), Millis(0));
    // The owner's pieces overtake what the relay sent; then both have time to go on.
    for _ in 0..20 {
        nodes.ac.turn(nodes.now, &mut nodes.a, &mut nodes.c);
    }
    let begun = nodes.relayed();
    nodes.run(Millis::secs(4), Millis(400));
    assert_eq!(nodes.held(), 0, "the snapshot is still under way");
    let more = nodes.relayed() - begun;
    assert!(more <= 12 * 512, "{more} entries until it was known that the owner is ahead");
    nodes.run(Millis::secs(10), Millis(400));
    agree(&nodes.a, &nodes.c, "a");
}

#[test]
fn a_relay_that_has_begun_gives_way_to_an_owner_that_is_heard_and_takes_over_again_when_it_is_not() {
    let mut nodes = Triangle::new();
    nodes.run(Millis::secs(3), Millis(0));
    assert!((1..LONG / 2).contains(&nodes.relayed()), "it has begun: {}", nodes.relayed());
    // The owner is slow, and behind what the relay has sent.
    nodes.hears = true;
    nodes.run(HEARTBEAT + PUMP, Millis(800));
    let begun = nodes.relayed();
    nodes.run(Millis::secs(5), Millis(800));
    assert_eq!((nodes.held(), nodes.relayed()), (0, begun), "it waits");
    nodes.run(RELAY_AFTER + HEARTBEAT + HEARTBEAT + PUMP, Millis(0));
    assert!(nodes.relayed() > begun, "in time");
    nodes.run(Millis::secs(10), Millis(0));
    agree(&nodes.a, &nodes.c, "a");
}

/// What is held of a log in order needs no snapshot; a cursor that moves shows it.
#[test]
fn a_relay_that_caught_a_peer_up_has_its_grace_again_once_the_owner_is_ahead() {
    let mut nodes = Triangle::new();
    let (mut z, mut now) = (view("z"), nodes.now);
    (0..LONG).for_each(|n| publish(&mut z, now, 200_000 + n, LiveState::Connected));
    Stream::open(now).run(&mut now, Millis::secs(10), &mut z, &mut nodes.b);
    let (mut zd, mut bd, mut d) = (Stream::open(now), Stream { room: 2, ..Stream::open(now) }, view("d"));
    bd.run(&mut now, Millis::secs(3), &mut nodes.b, &mut d);
    let held = |d: &View| d.log(&log_of("z")).map_or(0, |log| log.head());
    while held(&d) < LONG / 2 {
        now = now + Millis(10);
        zd.turn(now, &mut z, &mut d);
    }
    zd.room = 2;
    bd.run(&mut now, PUMP, &mut nodes.b, &mut d);
    let pieces = |frames: Vec<Frame>| {
        let piece = |frame: &Frame| matches!(frame, Frame::Batch(batch) if batch.owner.id == log_of("z").owner);
        frames.iter().filter(|frame| piece(frame)).count()
    };
    let mut relayed = 0;
    while held(&d) < LONG {
        now = now + PUMP;
        zd.turn(now, &mut z, &mut d);
        relayed += pieces(bd.turn(now, &mut nodes.b, &mut d));
    }
    assert!(relayed <= 2, "{relayed} pieces");
    assert!(d.sight(now, &vehicle(200_000)).is_some());
}

#[test]
fn what_is_relayed_to_another_region_does_not_wait_for_a_pause_between_the_relays_own_attaches() {
    let far = NodeInfo { region: RegionId::new("far").unwrap(), ..info("c", 1) };
    let (mut a, mut b, mut c) = (view("a"), view("b"), View::new(far, Timers::default()));
    let (mut ab, mut bc, mut now) = (Stream::open(START), Stream::open(START), START);
    publish(&mut a, now, 7, LiveState::Connected);
    ab.run(&mut now, Millis::secs(5), &mut a, &mut b);
    bc.run(&mut now, Millis::secs(5), &mut b, &mut c);
    agree(&a, &c, "a");
    publish(&mut a, now, 7, LiveState::Idle);
    for n in 100..150 {
        now = now + PUMP;
        publish(&mut b, now, n, LiveState::Connected);
        ab.turn(now, &mut a, &mut b);
        bc.turn(now, &mut b, &mut c);
    }
    agree(&a, &c, "a");
}

#[test]
fn once_its_grace_is_over_a_relay_passes_on_at_once_what_a_busy_owner_says() {
    let (mut a, mut b, mut c) = (view("a"), view("b"), view("c"));
    let (mut ab, mut bc, mut now) = (Stream::open(START), Stream::open(START), START);
    let mut missing = VecDeque::new();
    let mut longest = Millis(0);
    for turn in 0..300 {
        now = now + PUMP;
        if turn % 2 == 0 {
            publish(&mut a, now, turn % 10, LiveState::Idle);
            missing.push_back((a.own_head(), now));
        }
        ab.turn(now, &mut a, &mut b);
        bc.turn(now, &mut b, &mut c);
        let held = c.log(&log_of("a")).map_or(0, |log| log.head());
        missing.retain(|(seq, _)| *seq > held);
        if turn > 50 {
            longest = longest.max(missing.front().map_or(Millis(0), |(_, since)| now.since(*since)));
        }
    }
    assert!(longest <= Millis(500), "something was missing for {longest:?}");
}
