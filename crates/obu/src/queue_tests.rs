use super::{Batching, Queue, Span, Window, gaps};
use proptest::prelude::*;
use std::collections::BTreeSet;
use waygate_core::ranges::SeqRanges;
use waygate_core::record::Lane;
use waygate_core::time::{Millis, Mono};

const WIDE: Window = Window { records: 4096, bytes: 1 << 20 };
const BATCHING: Batching = Batching { delay: Millis(1000), records: 30, backlog_records: 256 };

fn queue(last: u64) -> Queue {
    Queue::new(last, SeqRanges::new())
}

fn span(first: u64, last: u64, lane: Lane) -> Option<Span> {
    Some(Span { first, last, lane })
}

#[test]
fn live_records_wait_for_company_but_not_for_long() {
    let mut queue = queue(0);
    queue.add(Mono(5000), 1);
    assert_eq!(queue.next(Mono(5999), WIDE, &BATCHING, false), None);
    assert_eq!(queue.live_due(&BATCHING), Some(Mono(6000)));
    queue.add(Mono(5500), 2);
    assert_eq!(queue.next(Mono(6000), WIDE, &BATCHING, false), span(1, 2, Lane::Live));
}

#[test]
fn a_full_batch_does_not_wait() {
    let mut queue = queue(0);
    for seq in 1..=31 {
        queue.add(Mono(0), seq);
    }
    assert_eq!(queue.next(Mono(0), WIDE, &BATCHING, false), span(1, 30, Lane::Live));
}

#[test]
fn live_goes_before_the_backlog() {
    let mut queue = queue(1000);
    assert_eq!(queue.next(Mono(0), WIDE, &BATCHING, false), span(1, 256, Lane::Backfill));
    queue.sent(Mono(0), 1, 256, 5000);
    queue.add(Mono(0), 1001);
    assert_eq!(queue.next(Mono(0), WIDE, &BATCHING, true), span(1001, 1001, Lane::Live));
    queue.sent(Mono(0), 1001, 1001, 50);
    assert_eq!(queue.next(Mono(0), WIDE, &BATCHING, false), span(257, 512, Lane::Backfill));
}

#[test]
fn the_window_bounds_records_and_bytes_under_way() {
    let mut queue = queue(1000);
    let small = Window { records: 100, bytes: 1000 };
    assert_eq!(queue.next(Mono(0), small, &BATCHING, false), span(1, 100, Lane::Backfill));
    queue.sent(Mono(0), 1, 60, 500);
    assert_eq!(queue.next(Mono(0), small, &BATCHING, false), span(61, 100, Lane::Backfill));
    queue.sent(Mono(0), 61, 70, 500);
    assert_eq!(queue.next(Mono(0), small, &BATCHING, false), None, "bytes are used up");
    assert_eq!(queue.settle([(1, 60)]).1, Some(Mono(0)));
    assert_eq!(queue.next(Mono(0), small, &BATCHING, false), span(71, 160, Lane::Backfill));
}

#[test]
fn what_was_under_way_when_a_session_ended_is_sent_again_and_counted() {
    let mut queue = queue(0);
    queue.add(Mono(0), 1);
    queue.add(Mono(0), 2);
    assert_eq!(queue.next(Mono(0), WIDE, &BATCHING, true), span(1, 2, Lane::Live));
    assert_eq!(queue.sent(Mono(0), 1, 2, 100), 0);
    queue.restart();
    let _ = queue.settle([(1, 1)]);
    assert_eq!(queue.next(Mono(0), WIDE, &BATCHING, false), span(2, 2, Lane::Backfill));
    assert_eq!(queue.sent(Mono(0), 2, 2, 100), 1);
}

#[test]
fn a_number_never_given_out_cannot_be_settled() {
    let mut queue = queue(5);
    let (news, _) = queue.settle([(3, 900)]);
    assert_eq!(news, [(3, 5)].into_iter().collect());
    assert_eq!((queue.oldest(), queue.unsettled()), (1, 2));
    queue.add(Mono(0), 6);
    assert_eq!(queue.unsettled(), 3);
}

#[test]
fn gaps_are_what_a_set_does_not_hold() {
    let set: SeqRanges = [(3, 4), (8, 9)].into_iter().collect();
    assert_eq!(gaps(&set, 1, 12).collect::<Vec<_>>(), [(1, 2), (5, 7), (10, 12)]);
    assert_eq!(gaps(&set, 3, 9).collect::<Vec<_>>(), [(5, 7)]);
    assert_eq!(gaps(&set, 8, 9).count(), 0);
    assert_eq!(gaps(&set, 5, 4).count(), 0);
}

#[derive(Clone, Debug)]
enum Step {
    Add,
    Send { part: u64 },
    Ack { which: usize },
    Lose,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Add),
        3 => (1u64..40).prop_map(|part| Step::Send { part }),
        2 => (0usize..4).prop_map(|which| Step::Ack { which }),
        1 => Just(Step::Lose),
        1 => (0u64..2000).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn nothing_is_sent_twice_in_a_session_or_beyond_the_window_and_all_is_settled_in_the_end(
        backlog in 0u64..50,
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let window = Window { records: 20, bytes: 2000 };
        let batching = Batching { delay: Millis(100), records: 5, backlog_records: 8 };
        let mut queue = queue(backlog);
        let mut last = backlog;
        let (mut settled, mut sent) = (BTreeSet::new(), BTreeSet::new());
        let mut flights: Vec<(u64, u64)> = Vec::new();
        let mut now = 0;
        // In the end everything is flushed and acked.
        let end = std::iter::repeat_n([Step::Send { part: 40 }, Step::Ack { which: 0 }], 100).flatten();
        let steps: Vec<_> = steps.into_iter().map(|s| (s, false)).chain(end.map(|s| (s, true))).collect();
        for (step, flush) in steps {
            match step {
                Step::Add => {
                    last += 1;
                    queue.add(Mono(now), last);
                }
                Step::Send { part } => {
                    if let Some(span) = queue.next(Mono(now), window, &batching, flush) {
                        prop_assert!(queue.next(Mono(now), window, &batching, true).is_none(), "one at a time");
                        let end = span.last.min(span.first + part - 1);
                        for seq in span.first..=end {
                            prop_assert!(seq <= last && !settled.contains(&seq));
                            prop_assert!(sent.insert(seq), "{} was under way", seq);
                        }
                        queue.sent(Mono(now), span.first, end, 10 * (end - span.first + 1) as u32);
                        flights.push((span.first, end));
                        let under_way: u64 = flights.iter().map(|(a, b)| b - a + 1).sum();
                        prop_assert!(under_way <= window.records);
                    }
                }
                Step::Ack { which } => {
                    if !flights.is_empty() {
                        let (a, b) = flights.remove(which % flights.len());
                        let (news, since) = queue.settle([(a, b)]);
                        prop_assert_eq!(news, [(a, b)].into_iter().collect());
                        prop_assert!(since.is_some());
                        settled.extend(a..=b);
                    }
                }
                Step::Lose => {
                    queue.restart();
                    flights.clear();
                    sent = settled.clone();
                }
                Step::Wait(ms) => now += ms,
            }
            prop_assert_eq!(queue.unsettled(), last - settled.len() as u64);
        }
        prop_assert_eq!(settled.len() as u64, last);
        prop_assert_eq!(queue.oldest_flight(), None);
    }
}
