use super::OTHERS_TOLD_EVERY;
use crate::homes::HomeRegions;
use crate::id::{Incarnation, NodeId, RegionId};
use crate::log::{LiveState, LogId};
use crate::sync::rig::{PUMP, START, Stream, info, publish};
use crate::sync::{AUDIT_EVERY, Frame, HEARTBEAT, RELAY_AFTER};
use crate::time::{Millis, Mono};
use crate::timers::Timers;
use crate::view::{NodeInfo, View};

const REGIONS: [&str; 4] = ["east", "mid", "north", "west"];

/// A gateway of a region, in a cluster where every vehicle is kept in so many of four.
fn view(id: &str, at: &str, homes: usize) -> View {
    let region = |name: &str| RegionId::new(name).unwrap();
    let mut view = View::new(NodeInfo { region: region(at), ..info(id, 1) }, Timers::default());
    view.set_homes(HomeRegions::new(REGIONS.map(region).to_vec(), Some(homes)).unwrap());
    view
}

fn directory(id: &str) -> LogId {
    LogId::directory(NodeId::new(id).unwrap(), Incarnation(1))
}

fn head(view: &View, id: &str) -> u64 {
    view.log(&directory(id)).map_or(0, |log| log.head())
}

fn talk(now: &mut Mono, a: &mut View, b: &mut View) {
    Stream::open(*now).run(now, Millis::secs(8), a, b);
}

/// How often frames of cursors named a log, and how many such frames there were.
fn named(frames: &[Frame], id: &str) -> (usize, usize) {
    let cursors =
        frames.iter().filter_map(|frame| if let Frame::Cursors { cursors, .. } = frame { Some(cursors) } else { None });
    let has = |cursors: &&Vec<_>| cursors.iter().any(|cursor: &crate::sync::Cursor| cursor.log == directory(id));
    (cursors.clone().filter(has).count(), cursors.count())
}

/// All that `a` and `b` say in so long; `each` second something happens.
fn said(
    stream: &mut Stream,
    now: &mut Mono,
    span: Millis,
    ends: (&mut View, &mut View),
    mut each: impl FnMut(Mono, &mut View),
) -> Vec<Frame> {
    let mut frames = Vec::new();
    for turn in 0..span.0 / PUMP.0 {
        *now = *now + PUMP;
        if turn % 10 == 0 {
            each(*now, ends.0);
        }
        frames.extend(stream.turn(*now, ends.0, ends.1));
    }
    frames
}

/// What is passed on of `o` to `a` and `b`, which hear each other.
fn three(homes: usize) -> (View, View, View, Mono, Stream) {
    let (mut o, mut a, mut b) = (view("o", "mid", homes), view("a", "west", homes), view("b", "east", homes));
    let mut now = START;
    (0..200).for_each(|n| publish(&mut o, START, n, LiveState::Connected));
    (200..300).for_each(|n| publish(&mut a, START, n, LiveState::Connected));
    talk(&mut now, &mut o, &mut a);
    talk(&mut now, &mut o, &mut b);
    let mut stream = Stream::open(now);
    stream.run(&mut now, Millis::secs(10), &mut a, &mut b);
    (o, a, b, now, stream)
}

#[test]
fn of_the_logs_of_others_that_neither_end_can_pass_on_a_frame_says_nothing_until_all_are_named() {
    let (mut o, mut a, mut b, mut now, mut stream) = three(2);
    let mut oa = Stream::open(now);
    let frames = said(&mut stream, &mut now, AUDIT_EVERY, (&mut a, &mut b), |now, a| {
        publish(&mut o, now, now.0 / 1000 % 200, LiveState::Idle);
        oa.turn(now, &mut o, a);
    });
    assert!(head(&a, "o") > 230, "it went on: {}", head(&a, "o"));
    let (of_other, frames_said) = named(&frames, "o");
    assert!(frames_said >= 100, "{frames_said} signs of life");
    assert_eq!(of_other, 2, "once by each end");
    assert_eq!(named(&frames, "a").0, frames_said, "its own is in every frame");
    assert_eq!(stream.b.counters().digest_mismatches + stream.a.counters().digest_mismatches, 0);
}

#[test]
fn a_log_that_can_be_passed_on_is_named_once_in_a_while_if_it_changed_and_once_a_minute_if_not() {
    let (mut o, mut a, mut b, mut now, mut stream) = three(4);
    let quiet = said(&mut stream, &mut now, AUDIT_EVERY, (&mut a, &mut b), |_, _| ());
    assert_eq!(named(&quiet, "o").0, 2);
    let mut oa = Stream::open(now);
    oa.turn(now, &mut o, &mut a);
    let busy = said(&mut stream, &mut now, AUDIT_EVERY, (&mut a, &mut b), |now, a| {
        publish(&mut o, now, now.0 / 1000 % 200, LiveState::Idle);
        oa.turn(now, &mut o, a);
    });
    let by_turns = usize::try_from(AUDIT_EVERY.0 / OTHERS_TOLD_EVERY.0).unwrap();
    // What `a` passes on, a change a second, is acked as it comes, beside that.
    let acked = usize::try_from(AUDIT_EVERY.0 / 1000).unwrap();
    let range = by_turns..=acked + 2 * by_turns;
    assert!(range.contains(&named(&busy, "o").0), "{:?}", named(&busy, "o"));
}

#[test]
fn a_relay_does_not_take_the_silence_on_a_log_for_its_standing_still() {
    let (mut o, mut a, mut b, mut now, mut stream) = three(4);
    let (mut oa, mut ob) = (Stream::open(now), Stream::open(now));
    let before = stream.a.counters().entries_sent + stream.b.counters().entries_sent;
    let mut cut_at = None;
    for turn in 0..1800 {
        now = now + PUMP;
        if turn % 5 == 0 {
            publish(&mut o, now, turn % 200, if turn % 2 == 0 { LiveState::Idle } else { LiveState::Connected });
        }
        oa.turn(now, &mut o, &mut a);
        ob.turn(now, &mut o, &mut b);
        stream.turn(now, &mut a, &mut b);
    }
    let relayed = stream.a.counters().entries_sent + stream.b.counters().entries_sent - before;
    assert_eq!(relayed, 0, "both hear the owner");
    // One is cut off from the owner: the other passes on what it lacks.
    publish(&mut o, now, 3, LiveState::Asleep);
    let limit = RELAY_AFTER + OTHERS_TOLD_EVERY + OTHERS_TOLD_EVERY + HEARTBEAT;
    for _ in 0..limit.0 / PUMP.0 {
        now = now + PUMP;
        oa.turn(now, &mut o, &mut a);
        stream.turn(now, &mut a, &mut b);
        if head(&b, "o") == head(&o, "o") {
            cut_at.get_or_insert(now);
        }
    }
    assert!(cut_at.is_some(), "within {limit:?}: {} of {}", head(&b, "o"), head(&o, "o"));
}

#[test]
fn what_a_relay_brings_is_acked_as_it_comes() {
    let (mut o, mut a, mut b, mut now) = (view("o", "mid", 4), view("a", "west", 4), view("b", "east", 4), START);
    (0..40_000).for_each(|n| publish(&mut o, START, n, LiveState::Connected));
    Stream::open(now).run(&mut now, Millis::secs(20), &mut o, &mut a);
    assert_eq!(head(&a, "o"), 40_000);
    let mut stream = Stream::open(now);
    stream.run(&mut now, RELAY_AFTER + OTHERS_TOLD_EVERY + Millis::secs(8), &mut a, &mut b);
    assert_eq!(head(&b, "o"), 40_000, "five times what may be unacked");
}
