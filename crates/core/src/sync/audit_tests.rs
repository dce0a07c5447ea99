use super::{AUDIT_EVERY, AUDIT_TRIES};
use crate::id::SessionId;
use crate::log::LiveState;
use crate::sync::rig::{PUMP, ROOM, START, Stream, agree, info, log_of, publish, pumped, vehicle, view};
use crate::sync::{Audit, Frame, HEARTBEAT};
use crate::time::{Millis, Mono};
use crate::view::View;
use std::collections::BTreeSet;

/// Both ends speak every 100 ms for `span`; what `a` says is changed on its way. What went each way.
fn run_spoiled(
    stream: &mut Stream,
    now: &mut Mono,
    span: Millis,
    views: (&mut View, &mut View),
    mut spoil: impl FnMut(&mut Frame),
) -> (Vec<Frame>, Vec<Frame>) {
    let (mut said, mut answers) = (Vec::new(), Vec::new());
    for _ in 0..span.0 / PUMP.0 {
        *now = *now + PUMP;
        for mut frame in pumped(&mut stream.a, *now, stream.room, views.0) {
            spoil(&mut frame);
            said.push(frame.clone());
            stream.b.receive(*now, frame, views.1).unwrap();
        }
        for frame in pumped(&mut stream.b, *now, stream.room, views.1) {
            answers.push(frame.clone());
            stream.a.receive(*now, frame, views.0).unwrap();
        }
    }
    (said, answers)
}

fn audits(frames: &[Frame]) -> Vec<&Audit> {
    frames.iter().filter_map(|frame| if let Frame::Audit(audit) = frame { Some(&**audit) } else { None }).collect()
}

/// Changes what batches say of a vehicle, once.
fn once(n: u64) -> impl FnMut(&mut Frame) {
    let mut done = false;
    move |frame| {
        if let Frame::Batch(batch) = frame
            && let Some(entry) = batch.entries.iter_mut().find(|entry| entry.vehicle == vehicle(n) && !done)
        {
            (entry.session, done) = (SessionId(entry.session.0 ^ 1), true);
        }
    }
}

#[test]
fn a_copy_that_differs_is_mended_by_its_bucket_alone_and_counted_once() {
    let (mut a, mut b, mut now) = (view("a"), view("b"), START);
    (0..2000).for_each(|n| publish(&mut a, START, n, LiveState::Connected));
    let mut stream = Stream::open(now);
    let (said, answers) = run_spoiled(&mut stream, &mut now, Millis::secs(5), (&mut a, &mut b), once(77));
    agree(&a, &b, "a");
    assert_eq!(b.sight(now, &vehicle(77)).unwrap().session, SessionId(77));
    assert!(matches!(*audits(&answers), [Audit::Asked { .. }, Audit::Asked { .. }]));
    let [Audit::Hashes { hashes, .. }, Audit::Stretch { buckets, entries, .. }] = &*audits(&said) else {
        panic!("{:?}", audits(&said));
    };
    assert_eq!((hashes.len(), buckets.len()), (256, 1));
    assert!((1..40).contains(&entries.len()), "{} of 2000 entries", entries.len());
    let counters = stream.b.counters();
    assert_eq!((counters.digest_mismatches, counters.entries_mended), (1, 1));
    assert_eq!((stream.a.counters().digest_mismatches, stream.a.counters().snapshots_sent), (0, 0));
}

/// A log that changes all the time is never at rest for two equal cursors to meet by chance.
#[test]
fn a_copy_that_differs_is_mended_while_its_owner_goes_on_publishing() {
    let (mut a, mut b, mut now) = (view("a"), view("b"), START);
    (0..3000).for_each(|n| publish(&mut a, START, n, LiveState::Connected));
    let (mut stream, mut spoil) = (Stream::open(now), once(2999));
    for n in 0..100 {
        (0..7).for_each(|k| publish(&mut a, now, (n * 7 + k) % 2500, LiveState::Idle));
        run_spoiled(&mut stream, &mut now, PUMP, (&mut a, &mut b), &mut spoil);
    }
    assert_eq!(b.sight(now, &vehicle(2999)).unwrap().session, SessionId(2999));
    run_spoiled(&mut stream, &mut now, Millis::secs(2), (&mut a, &mut b), |_| {});
    agree(&a, &b, "a");
    assert_eq!(stream.b.counters().digest_mismatches, 1);
}

#[test]
fn what_was_lost_and_what_was_never_said_is_mended_too() {
    let (mut a, mut b, mut now) = (view("a"), view("b"), START);
    (0..50).for_each(|n| publish(&mut a, START, n, LiveState::Connected));
    let mut stream = Stream::open(now);
    let spoil = |frame: &mut Frame| {
        if let Frame::Batch(batch) = frame {
            batch.entries.retain(|entry| entry.vehicle != vehicle(7));
            batch.entries.iter_mut().filter(|entry| entry.vehicle == vehicle(9)).for_each(|entry| {
                entry.vehicle = vehicle(900);
            });
        }
    };
    run_spoiled(&mut stream, &mut now, Millis::secs(2), (&mut a, &mut b), spoil);
    assert!(b.sight(now, &vehicle(7)).is_some());
    // The place in the sequence that a forged entry stands at is free once that is gone.
    run_spoiled(&mut stream, &mut now, AUDIT_EVERY + AUDIT_EVERY, (&mut a, &mut b), |_| {});
    agree(&a, &b, "a");
    assert_eq!(b.sight(now, &vehicle(900)), None);
}

/// An entry that cannot be read is not in the copy: they differ for as long as it stands.
#[test]
fn an_entry_that_never_gets_through_delays_no_other_and_is_not_asked_for_again_and_again() {
    let (mut a, mut b, mut now) = (view("a"), view("b"), START);
    (0..4).for_each(|n| publish(&mut a, START, n, LiveState::Connected));
    let mut stream = Stream::open(now);
    let poison = |frame: &mut Frame| match frame {
        Frame::Batch(batch) => batch.entries.retain(|entry| entry.vehicle != vehicle(2)),
        Frame::Audit(audit) => {
            if let Audit::Stretch { entries, .. } = &mut **audit {
                entries.retain(|entry| entry.vehicle != vehicle(2));
            }
        }
        Frame::Hello { .. } | Frame::Cursors { .. } => {}
    };
    run_spoiled(&mut stream, &mut now, Millis::secs(2), (&mut a, &mut b), poison);
    let held = [0, 1, 2, 3].map(|n| b.sight(now, &vehicle(n)).is_some());
    assert_eq!(held, [true, true, false, true]);
    let mut asked = 0;
    for n in 0..10 {
        // What else is published gets through and makes no new difference of the old one.
        publish(&mut a, now, 100 + n, LiveState::Connected);
        let (_, answers) = run_spoiled(&mut stream, &mut now, AUDIT_EVERY, (&mut a, &mut b), poison);
        asked += audits(&answers).len();
        assert!(b.sight(now, &vehicle(100 + n)).is_some());
    }
    assert!(asked <= 2 * AUDIT_TRIES as usize, "asked {asked} times");
    assert_eq!(stream.b.counters().digest_mismatches, 1);
    // Once the owner says something else of it, both are equal again, and another difference is found.
    publish(&mut a, now, 2, LiveState::Idle);
    run_spoiled(&mut stream, &mut now, AUDIT_EVERY + AUDIT_EVERY, (&mut a, &mut b), once(2));
    agree(&a, &b, "a");
    assert_eq!(stream.b.counters().digest_mismatches, 2);
}

#[test]
fn where_the_owner_is_not_heard_one_that_hears_it_says_what_is_right() {
    let (mut a, mut b, mut c, mut now) = (view("a"), view("b"), view("c"), START);
    (0..20).for_each(|n| publish(&mut a, START, n, LiveState::Connected));
    let (mut ab, mut bc) = (Stream::open(now), Stream::open(now));
    let mut spoil = once(5);
    let mut turns = |now: &mut Mono, span: Millis, b: &mut View, c: &mut View| {
        for _ in 0..span.0 / PUMP.0 {
            *now = *now + PUMP;
            ab.turn(*now, &mut a, b);
            let heard = ab.b.heard();
            b.set_liveness(&info("a", 1).id, crate::view::Liveness::Alive { heard });
            run_spoiled(&mut bc, now, PUMP, (b, c), &mut spoil);
        }
    };
    turns(&mut now, Millis::secs(8), &mut b, &mut c);
    assert_eq!(c.sight(now, &vehicle(5)).unwrap().session, SessionId(4), "spoiled on its way from b");
    turns(&mut now, AUDIT_EVERY, &mut b, &mut c);
    agree(&b, &c, "a");
    assert_eq!(c.sight(now, &vehicle(5)).unwrap().session, SessionId(5));
    assert_eq!((bc.b.counters().digest_mismatches, bc.a.counters().digest_mismatches), (1, 0));
}

#[test]
fn nothing_is_asked_while_copies_are_equal_and_no_answer_is_taken_that_was_not_asked_for() {
    let (mut a, mut b, mut now) = (view("a"), view("b"), START);
    (0..50).for_each(|n| publish(&mut a, START, n, LiveState::Connected));
    let mut stream = Stream::open(now);
    let (said, answers) = run_spoiled(&mut stream, &mut now, AUDIT_EVERY + AUDIT_EVERY, (&mut a, &mut b), |_| {});
    assert!(audits(&said).is_empty() && audits(&answers).is_empty());
    let unasked = Audit::Stretch {
        log: log_of("a"),
        seq: 50,
        buckets: (0..=255).collect::<BTreeSet<u8>>(),
        after: None,
        through: None,
        entries: Vec::new(),
    };
    let received = stream.b.receive(now, Frame::Audit(Box::new(unasked)), &mut b).unwrap();
    assert!(received.changed.is_empty());
    agree(&a, &b, "a");
    assert!(stream.b.heard() == now && now.since(START) > HEARTBEAT && ROOM > 1);
}

#[test]
fn what_others_ask_of_a_log_that_this_node_cannot_answer_for_costs_nothing() {
    let (mut a, mut b, mut now) = (view("a"), view("b"), START);
    let mut stream = Stream::open(now);
    stream.run(&mut now, Millis::secs(1), &mut a, &mut b);
    for owner in ["x", "b"] {
        let asked = Audit::Asked { log: log_of(owner), buckets: BTreeSet::from([1]) };
        stream.a.receive(now, Frame::Audit(Box::new(asked)), &mut a).unwrap();
    }
    let said = pumped(&mut stream.a, now + HEARTBEAT, ROOM, &a);
    assert!(audits(&said).is_empty(), "{said:?}");
}
