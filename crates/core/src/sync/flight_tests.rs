use super::*;

const NOW: Mono = Mono(1 << 20);

/// Sends batches until it is full; how many there were.
fn fill(flight: &mut Flight, now: Mono, from: u64) -> u64 {
    (1..)
        .take_while(|n| {
            let open = !flight.is_full();
            if open {
                flight.sent(now, from + n * LEAST, SYNC_BATCH_ENTRIES_MAX);
            }
            open
        })
        .count() as u64
}

#[test]
fn two_batches_may_be_under_way_at_first() {
    assert_eq!(fill(&mut Flight::new(), NOW, 0), 2);
}

#[test]
fn acks_that_come_soon_open_it_up_to_the_limit() {
    let (mut flight, mut now, mut sent, mut filled) = (Flight::new(), NOW, 0, Vec::new());
    for _ in 0..6 {
        let batches = fill(&mut flight, now, sent);
        (sent, now) = (sent + batches * LEAST, now + SOON);
        flight.acked(now, sent);
        filled.push(batches);
    }
    assert_eq!(filled, [2, 4, 8, 16, 16, 16]);
}

#[test]
fn acks_that_come_late_close_it_down_to_one_batch() {
    let (mut flight, mut now, mut sent, mut filled) = (Flight::new(), NOW, 0, Vec::new());
    for took in [SOON, SOON, LATE + Millis(1), LATE, LATE + Millis(1), LATE + LATE, LATE + LATE, LATE + LATE] {
        let batches = fill(&mut flight, now, sent);
        (sent, now) = (sent + batches * LEAST, now + took);
        flight.acked(now, sent);
        filled.push(batches);
    }
    assert_eq!(filled, [2, 4, 8, 4, 4, 2, 1, 1]);
}

#[test]
fn an_ack_of_a_part_makes_room_for_as_much() {
    let mut flight = Flight::new();
    fill(&mut flight, NOW, 0);
    flight.acked(NOW + LATE, LEAST - 1);
    assert!(flight.is_full(), "the first batch is not there yet");
    flight.acked(NOW + LATE, LEAST);
    assert_eq!(flight.since(), Some(NOW));
    assert_eq!(fill(&mut flight, NOW + LATE, 2 * LEAST), 1);
}

#[test]
fn what_is_sent_again_counts_anew() {
    let mut flight = Flight::new();
    fill(&mut flight, NOW, 0);
    flight.forget();
    assert_eq!((flight.since(), fill(&mut flight, NOW, 0)), (None, 2));
}
