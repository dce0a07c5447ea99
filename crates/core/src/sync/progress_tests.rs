use super::TOLD_WITHIN;
use crate::homes::Part;
use crate::id::RegionId;
use crate::limits::{SYNC_AHEAD_ENTRIES_MAX, SYNC_BATCH_ENTRIES_MAX};
use crate::log::{LiveState, Scope};
use crate::sync::rig::{PUMP, QUEUE, START, SlowStream, Stream, agree, info, log_of, publish, pumped, vehicle, view};
use crate::sync::{Audit, Batch, FLUSH_BETWEEN_REGIONS, Frame, Link};
use crate::time::{Millis, Mono};
use crate::timers::Timers;
use crate::view::View;

const LONG: u64 = 20_000;

fn batches(frames: Vec<Frame>) -> Vec<Batch> {
    frames.into_iter().filter_map(|frame| if let Frame::Batch(batch) = frame { Some(*batch) } else { None }).collect()
}

fn told(batches: &[Batch], n: u64) -> bool {
    batches.iter().flat_map(|batch| &batch.entries).any(|entry| entry.vehicle == vehicle(n))
}

/// `b` has read one vehicle of `a`; then `a` gains so many that it takes long to catch up, below the floor if so asked.
fn far_behind(below_floor: bool) -> (View, View, Mono) {
    let (mut a, mut b, mut now) = (view("a"), view("b"), START);
    publish(&mut a, now, 99_999, LiveState::Connected);
    Stream::open(now).run(&mut now, Millis::secs(1), &mut a, &mut b);
    publish(&mut a, now, 99_999, LiveState::Removed);
    (0..LONG).for_each(|n| publish(&mut a, now, n, LiveState::Connected));
    if below_floor {
        now = now + Millis::secs(100_000);
        a.expire_tombstones(now, Millis::secs(1000));
    }
    (a, b, now)
}

#[test]
fn what_is_fresh_arrives_with_the_next_flush_while_much_more_of_the_same_log_is_under_way() {
    for below_floor in [false, true] {
        for room in [1, 2, 4] {
            let (mut a, mut b, mut now) = far_behind(below_floor);
            let mut stream = Stream { room, ..Stream::open(now) };
            // One frame a flush is shared by what is fresh, what is long and the sign of life.
            let soon = if room == 1 { PUMP + PUMP + PUMP } else { PUMP };
            stream.run(&mut now, Millis(400), &mut a, &mut b);
            let behind = b.log(&log_of("a")).unwrap().head();
            for n in 0..5 {
                publish(&mut a, now, 30_000 + n, LiveState::Connected);
                // One of those that are still on their way moves on, too.
                publish(&mut a, now, LONG - 1 - n, LiveState::Idle);
                stream.run(&mut now, soon, &mut a, &mut b);
                assert!(b.sight(now, &vehicle(30_000 + n)).is_some(), "room for {room}, vehicle {n}");
                let moved = b.log(&log_of("a")).unwrap().slot(&vehicle(LONG - 1 - n)).unwrap();
                assert_eq!(moved.entry.state, LiveState::Idle);
            }
            assert!(b.log(&log_of("a")).unwrap().head() < LONG, "it has not caught up meanwhile: {behind}");
            stream.run(&mut now, Millis::secs(30), &mut a, &mut b);
            agree(&a, &b, "a");
            assert_eq!(b.log(&log_of("a")).unwrap().ahead(), 0, "what has come in its turn is not kept twice");
            assert!(b.sight(now, &vehicle(99_999)).is_none_or(|_| !below_floor));
            assert_eq!(stream.b.counters().digest_mismatches, 0);
        }
    }
}

#[test]
fn what_is_fresh_in_one_log_does_not_wait_for_all_of_another() {
    let (mut a, mut c, mut now) = (view("a"), view("c"), START);
    // `a` relays the long log of `z`; its own is short. And the other way round: in order, `a` comes before `z`.
    let mut z = view("z");
    (0..LONG).for_each(|n| publish(&mut z, START, n, LiveState::Connected));
    Stream::open(now).run(&mut now, Millis::secs(10), &mut z, &mut a);
    let mut stream = Stream { room: 2, ..Stream::open(now) };
    stream.run(&mut now, Millis::secs(3), &mut a, &mut c);
    for n in 0..5 {
        publish(&mut a, now, 50_000 + n, LiveState::Connected);
        stream.run(&mut now, PUMP, &mut a, &mut c);
        assert!(c.sight(now, &vehicle(50_000 + n)).is_some());
    }
    let held = c.log(&log_of("z")).unwrap().head();
    assert!((1..LONG).contains(&held), "the long one goes on beside it: {held}");
    stream.run(&mut now, Millis::secs(20), &mut a, &mut c);
    agree(&a, &c, "z");
}

#[test]
fn two_long_logs_share_a_stream_and_neither_starves_beside_a_busy_one() {
    let (mut a, mut c, mut now) = (view("a"), view("c"), START);
    for owner in ["y", "z"] {
        let mut other = view(owner);
        let of = if owner == "y" { 0 } else { 100_000 };
        (of..of + LONG).for_each(|n| publish(&mut other, START, n, LiveState::Connected));
        Stream::open(now).run(&mut now, Millis::secs(10), &mut other, &mut a);
    }
    let mut stream = Stream { room: 1, ..Stream::open(now) };
    stream.run(&mut now, Millis::secs(3), &mut a, &mut c);
    for n in 0..60 {
        publish(&mut a, now, 300_000 + n, LiveState::Connected);
        stream.run(&mut now, PUMP, &mut a, &mut c);
    }
    let held = ["y", "z"].map(|owner| c.log(&log_of(owner)).map_or(0, |log| log.head()));
    assert!(held.iter().all(|held| *held >= 2 * SYNC_BATCH_ENTRIES_MAX as u64), "{held:?}");
}

#[test]
fn a_snapshot_begins_with_little_and_takes_half_of_the_room_where_nothing_is_told_of_the_copy() {
    let (a, mut b, now) = far_behind(true);
    let mut stream = Stream::open(now);
    let hello = pumped(&mut stream.b, now, 1, &b).remove(0);
    let mut a = a;
    for frame in pumped(&mut stream.a, now, 1, &a) {
        stream.b.receive(now, frame, &mut b).unwrap();
    }
    stream.a.receive(now, hello, &mut a).unwrap();
    let said = batches(pumped(&mut stream.a, now, 16, &a));
    assert_eq!(said.len(), 2);
    let later = batches(pumped(&mut stream.a, now + TOLD_WITHIN, 16, &a));
    assert_eq!(later.len(), 8);
    let said = [said, later].concat();
    assert!(said[0].snapshot_end.is_some() && said[1..].iter().all(|batch| batch.snapshot_end.is_none()));
}

#[test]
fn on_a_slow_stream_what_is_fresh_goes_behind_at_most_half_a_queue() {
    for below_floor in [false, true] {
        for drained in [1, 2, 4] {
            let (mut a, mut b, mut now) = far_behind(below_floor);
            let mut stream = SlowStream::open(now, drained);
            let mut turn = |stream: &mut SlowStream, a: &mut View, b: &mut View| {
                now = now + PUMP;
                stream.turn(now, a, b);
                let long = |frame: &&Frame| matches!(frame, Frame::Batch(batch) if batch.to > batch.from);
                assert!(stream.queue.iter().filter(long).count() <= QUEUE / 2);
                now
            };
            for _ in 0..5 {
                turn(&mut stream, &mut a, &mut b);
            }
            for n in 0..4 {
                let now = turn(&mut stream, &mut a, &mut b);
                publish(&mut a, now, 30_000 + n, LiveState::Connected);
                turn(&mut stream, &mut a, &mut b);
                let place = stream.queue.iter().position(|frame| told(&batches(vec![frame.clone()]), 30_000 + n));
                assert!(place.is_some_and(|place| place <= QUEUE / 2), "{drained} a turn, vehicle {n}: {place:?}");
                let (mut now, mut turns) = (now, 0);
                while b.sight(now, &vehicle(30_000 + n)).is_none() {
                    (now, turns) = (turn(&mut stream, &mut a, &mut b), turns + 1);
                }
                assert!(turns <= QUEUE / 2 / drained + 1, "{drained} a turn, vehicle {n}: {turns} turns");
                let held = b.log(&log_of("a")).unwrap().head();
                assert!(n > 0 || drained > 2 || held < LONG, "it overtook what is long");
            }
            for _ in 0..60 {
                turn(&mut stream, &mut a, &mut b);
            }
            agree(&a, &b, "a");
        }
    }
}

#[test]
fn on_a_slow_stream_full_of_what_is_fresh_what_is_long_goes_on() {
    let (mut a, mut b, mut now) = far_behind(false);
    let mut stream = SlowStream::open(now, 1);
    for n in 0..100 {
        now = now + PUMP;
        publish(&mut a, now, 30_000 + n, LiveState::Connected);
        stream.turn(now, &mut a, &mut b);
    }
    let held = b.log(&log_of("a")).unwrap().head();
    assert!(held > 20 * SYNC_BATCH_ENTRIES_MAX as u64, "{held}");
}

#[test]
fn a_copy_that_is_mended_takes_at_most_half_of_a_queue() {
    let (mut a, mut b, mut now) = far_behind(false);
    Stream::open(now).run(&mut now, Millis::secs(10), &mut a, &mut b);
    let mut stream = SlowStream::open(now, QUEUE);
    (0..3).for_each(|_| stream.turn(now, &mut a, &mut b));
    stream.queue.clear();
    let asked = Audit::Asked { log: log_of("a"), buckets: (0..=255).collect() };
    stream.ends.a.receive(now, Frame::Audit(Box::new(asked)), &mut a).unwrap();
    stream.drained = 0;
    for _ in 0..3 {
        stream.turn(now, &mut a, &mut b);
        let stretches = stream.queue.iter().filter(|frame| matches!(frame, Frame::Audit(_))).count();
        assert_eq!(stretches, QUEUE / 2);
    }
}

/// Invariant 3: what was sent ahead is shown, and neither counts as covered nor is passed on as if it were.
#[test]
fn a_copy_with_entries_sent_ahead_claims_no_more_than_it_holds() {
    let (mut a, mut b, mut now) = far_behind(false);
    let mut stream = Stream { room: 2, ..Stream::open(now) };
    stream.run(&mut now, Millis(600), &mut a, &mut b);
    // A vehicle that b holds by now, one that it does not hold yet, and one that goes.
    for (n, state) in [(3, LiveState::Idle), (LONG - 3, LiveState::Idle), (4, LiveState::Removed)] {
        publish(&mut a, now, n, state);
    }
    stream.run(&mut now, PUMP, &mut a, &mut b);
    let copy = b.log(&log_of("a")).unwrap();
    assert_eq!(copy.ahead(), 3);
    assert!(copy.head() > 10 && copy.head() < LONG - 10, "{}", copy.head());
    assert_eq!(b.sight(now, &vehicle(4)), None, "it is gone for whoever looks");
    let known = |view: &View, n: u64| view.log(&log_of("a")).unwrap().slot(&vehicle(n)).map(|slot| slot.entry.state);
    assert_eq!((known(&b, 3), known(&b, LONG - 3)), (Some(LiveState::Idle), Some(LiveState::Idle)));
    let whole = copy.suffix(0, usize::MAX, &Part::Whole);
    assert_eq!(whole.to, copy.head());
    assert!(whole.entries.iter().all(|(_, slot)| slot.seq <= copy.head()));
    let passed_on = whole.entries.iter().find(|(at, _)| *at == vehicle(3)).unwrap();
    assert_eq!(passed_on.1.entry.state, LiveState::Connected, "as it stood there");
    // The stream ends; the next one goes on from the cursor.
    let mut again = Stream::open(now);
    again.run(&mut now, Millis::secs(10), &mut a, &mut b);
    agree(&a, &b, "a");
    assert_eq!(b.log(&log_of("a")).unwrap().ahead(), 0);
}

#[test]
fn what_is_kept_of_entries_sent_ahead_is_bounded() {
    let mut b = view("b");
    let mut link = Link::new(START);
    link.receive(START, Frame::Hello { node: info("a", 1), cursors: Vec::new(), kept: None }, &mut b).unwrap();
    let (mut a, mut seq) = (view("a"), 0);
    (0..SYNC_AHEAD_ENTRIES_MAX as u64 + 600).for_each(|n| publish(&mut a, START, n, LiveState::Connected));
    while seq < SYNC_AHEAD_ENTRIES_MAX as u64 + 600 {
        let suffix = a.log(&log_of("a")).unwrap().suffix(seq, SYNC_BATCH_ENTRIES_MAX, &Part::Whole);
        seq = suffix.to;
        let entries = crate::sync::frame::aged(START, suffix.entries, suffix.rests);
        let batch = Batch { owner: info("a", 1), scope: Scope::Detail, from: 0, to: 0, entries, snapshot_end: None };
        link.receive(START, Frame::Batch(Box::new(batch)), &mut b).unwrap();
    }
    let copy = b.log(&log_of("a")).unwrap();
    assert_eq!((copy.head(), copy.len(), copy.ahead()), (0, 0, SYNC_AHEAD_ENTRIES_MAX));
}

#[test]
fn between_regions_what_is_fresh_waits_for_more_to_go_with_it_and_what_is_long_does_not() {
    let mut a = view("a");
    let far = crate::view::NodeInfo { region: RegionId::new("far").unwrap(), ..info("b", 1) };
    let mut b = View::new(far, Timers::default());
    let (mut stream, mut now) = (Stream::open(START), START);
    stream.run(&mut now, Millis::secs(5), &mut a, &mut b);
    let mut times = Vec::new();
    for n in 0..40 {
        now = now + PUMP;
        publish(&mut a, now, n, LiveState::Idle);
        if !batches(stream.turn(now, &mut a, &mut b)).is_empty() {
            times.push(now);
        }
    }
    let gaps: Vec<_> = times.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    assert!(gaps.len() >= 6 && gaps.iter().all(|gap| *gap == FLUSH_BETWEEN_REGIONS), "{gaps:?}");
    // After a pause the first one does not wait.
    stream.run(&mut now, Millis::secs(2), &mut a, &mut b);
    publish(&mut a, now, 900, LiveState::Idle);
    assert!(told(&batches(stream.turn(now, &mut a, &mut b)), 900));
    // Nor does an attach, at any time; where it is now is no attach.
    for n in 901..920 {
        publish(&mut a, now, n, LiveState::Connected);
        assert!(told(&batches(stream.turn(now, &mut a, &mut b)), n), "attach {n}");
        publish(&mut a, now, n, LiveState::Connected);
        assert!(!told(&batches(stream.turn(now + PUMP, &mut a, &mut b)), n), "moved {n}");
        now = now + PUMP + PUMP;
    }
    (1000..1000 + LONG).for_each(|n| publish(&mut a, now, n, LiveState::Connected));
    let (_, sent) = stream.run(&mut now, Millis::secs(3), &mut a, &mut b);
    assert!(sent > 30, "{sent} batches in 3 s");
    agree(&a, &b, "a");
}
