use super::{Action, Event, Ingest, Refusal, Tally, Ticket, Write};
use crate::cause::RecordFault;
use crate::epoch::Epoch;
use crate::id::{SessionId, SpoolId, VehicleId};
use crate::limits;
use crate::message::TelemetryAck;
use crate::ranges::SeqRanges;
use crate::record::{Fix, Lane, Position, Record, SignalPath, SignalValue, SpoolReport, Telemetry};
use crate::session::Accepted;
use crate::time::Wall;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const WALL: Wall = Wall(1_795_219_200_000);
const FAULTY: Wall = Wall(0);

fn accepted(oldest: u64, acked: &[(u64, u64)], settled: &[(u64, u64)]) -> Accepted {
    let acked = acked.iter().copied().collect();
    Accepted {
        vehicle: VehicleId::new("LUX-1").unwrap(),
        epoch: Epoch(5),
        session: SessionId(6),
        spool: SpoolReport { id: SpoolId(7), oldest, last: 0, acked },
        settled: settled.iter().copied().collect(),
        cell: None,
        centre: None,
        gathers: false,
    }
}

fn fresh() -> Ingest {
    Ingest::new(&accepted(1, &[], &[]))
}

fn record(t: Wall) -> Record {
    Record { t, fix: None, signals: Vec::new() }
}

fn telemetry(first_seq: u64, len: usize) -> Telemetry {
    Telemetry { first_seq, lane: Lane::Live, records: vec![record(WALL); len] }
}

fn receive(ingest: &mut Ingest, telemetry: Telemetry) -> (Result<Tally, Refusal>, Vec<Action>) {
    let mut out = Vec::new();
    let wire_bytes = 10 * telemetry.records.len();
    let result = ingest.apply(Event::Received { telemetry, wire_bytes, wall: WALL }, &mut out);
    (result, out)
}

fn write(actions: &[Action]) -> (Ticket, Write) {
    match actions {
        [Action::Persist(ticket, write)] => (*ticket, write.clone()),
        other => panic!("not one write: {other:?}"),
    }
}

fn answer(ingest: &mut Ingest, event: Event) -> Vec<Action> {
    let mut out = Vec::new();
    ingest.apply(event, &mut out).unwrap();
    out
}

fn ranges(of: &[(u64, u64)]) -> SeqRanges {
    of.iter().copied().collect()
}

#[test]
fn nothing_is_acked_before_it_is_on_disk() {
    let mut ingest = fresh();
    let (taken, actions) = receive(&mut ingest, telemetry(1, 3));
    assert_eq!(taken, Ok(Tally { fresh: 3, repeated: 0, refused: 0 }));
    let (ticket, write) = write(&actions);
    assert_eq!((write.settled, write.epoch, write.spool), (ranges(&[(1, 3)]), Epoch(5), SpoolId(7)));
    assert_eq!(ingest.ack(), None);
    assert_eq!(answer(&mut ingest, Event::Persisted(ticket)), []);
    let ack = TelemetryAck { spool: SpoolId(7), through: 3, ranges: SeqRanges::new(), rejected: Vec::new() };
    assert_eq!(ingest.ack(), Some(ack));
    assert_eq!(ingest.ack(), None, "an ack is due once");
}

#[test]
fn a_failed_write_is_never_acked_and_ends_the_session_once() {
    let mut ingest = fresh();
    let (one, _) = write(&receive(&mut ingest, telemetry(1, 2)).1);
    let (two, _) = write(&receive(&mut ingest, telemetry(3, 2)).1);
    assert_eq!(answer(&mut ingest, Event::PersistFailed(one)), [Action::Abandon]);
    assert_eq!(ingest.ack(), None);
    assert_eq!(answer(&mut ingest, Event::PersistFailed(two)), []);
    assert_eq!(answer(&mut ingest, Event::Persisted(one)), [], "the ticket is spent");
    assert_eq!(ingest.ack(), None);
    assert!(!ingest.busy());
}

#[test]
fn a_live_record_before_the_backlog_is_acked_as_a_range() {
    let mut ingest = fresh();
    let (ticket, _) = write(&receive(&mut ingest, telemetry(100, 1)).1);
    answer(&mut ingest, Event::Persisted(ticket));
    let ack = ingest.ack().unwrap();
    assert_eq!((ack.through, ack.ranges), (0, ranges(&[(100, 100)])));
    assert_eq!(ingest.resume_from(), 1);
}

#[test]
fn what_the_vehicle_says_was_acked_elsewhere_counts_but_is_taken_again_if_it_is_sent() {
    let mut ingest = Ingest::new(&accepted(10, &[(10, 19)], &[(25, 29)]));
    assert_eq!(ingest.resume_from(), 20);
    let (taken, actions) = receive(&mut ingest, telemetry(15, 1));
    assert_eq!(taken.unwrap().fresh, 1);
    let (ticket, _) = write(&actions);
    answer(&mut ingest, Event::Persisted(ticket));
    let ack = ingest.ack().unwrap();
    assert_eq!((ack.through, ack.ranges), (19, ranges(&[(25, 29)])));
}

#[test]
fn a_repeat_is_acked_at_once_if_it_is_on_disk_and_not_written_twice_if_it_is_under_way() {
    let mut ingest = fresh();
    let (ticket, _) = write(&receive(&mut ingest, telemetry(1, 3)).1);
    let (taken, actions) = receive(&mut ingest, telemetry(1, 3));
    assert_eq!((taken.unwrap().repeated, actions), (3, Vec::new()));
    assert_eq!(ingest.ack(), None);
    answer(&mut ingest, Event::Persisted(ticket));
    assert_eq!(ingest.ack().unwrap().through, 3);
    let (taken, actions) = receive(&mut ingest, telemetry(2, 1));
    assert_eq!((taken.unwrap().repeated, actions), (1, Vec::new()));
    assert_eq!(ingest.ack().unwrap().through, 3, "the vehicle missed the first ack");
}

#[test]
fn what_an_older_socket_still_wrote_is_left_out_of_the_second_try() {
    let mut ingest = fresh();
    let (ticket, _) = write(&receive(&mut ingest, telemetry(1, 6)).1);
    let actions = answer(&mut ingest, Event::Overlapped(ticket, ranges(&[(3, 4)])));
    let (ticket, write) = write(&actions);
    assert_eq!(write.settled, ranges(&[(1, 2), (5, 6)]));
    let runs: Vec<_> = write.runs.iter().map(|run| (run.first_seq, run.last_seq())).collect();
    assert_eq!(runs, [(1, 2), (5, 6)]);
    let ack = ingest.ack().unwrap();
    assert_eq!((ack.through, ack.ranges), (0, ranges(&[(3, 4)])), "the rest is not on disk yet");
    answer(&mut ingest, Event::Persisted(ticket));
    assert_eq!(ingest.ack().unwrap().through, 6);
}

#[test]
fn every_fault_of_a_record_has_its_reason_and_the_limits_themselves_pass() {
    let at = |lat, lon, heading| {
        let position = Position { lat_e7: lat, lon_e7: lon };
        let heading_cdeg = Some(heading);
        let fix = Some(Fix { position, alt_cm: None, speed_cms: None, heading_cdeg, hdop_centi: None });
        Record { fix, ..record(WALL) }
    };
    let speaks = |value| Record { signals: vec![(SignalPath::new("Vehicle.Speed").unwrap(), value)], ..record(WALL) };
    let many = |n| Record {
        signals: vec![(SignalPath::new("Vehicle.Speed").unwrap(), SignalValue::Flag(true)); n],
        ..record(WALL)
    };
    let text = |n| speaks(SignalValue::Text("x".repeat(n)));
    let (ahead, back) = (limits::RECORD_AHEAD_MS_MAX as i64, limits::RECORD_AGE_MS_MAX as i64);
    use RecordFault::{BadHeading, BadSignal, PositionOutsideGlobe, TimeBeforeRetention, TimeInFuture};
    let table = [
        (record(Wall(WALL.0 + ahead)), None),
        (record(Wall(WALL.0 + ahead + 1)), Some(TimeInFuture)),
        (record(Wall(i64::MAX)), Some(TimeInFuture)),
        (record(Wall(WALL.0 - back)), None),
        (record(Wall(WALL.0 - back - 1)), Some(TimeBeforeRetention)),
        (record(Wall(i64::MIN)), Some(TimeBeforeRetention)),
        (at(900_000_000, -1_800_000_000, 35_999), None),
        (at(900_000_001, 0, 0), Some(PositionOutsideGlobe)),
        (at(0, 1_800_000_001, 0), Some(PositionOutsideGlobe)),
        (at(i32::MIN, i32::MIN, 0), Some(PositionOutsideGlobe)),
        (at(0, 0, 36_000), Some(BadHeading)),
        (speaks(SignalValue::Number(-1.5)), None),
        (speaks(SignalValue::Number(f64::NAN)), Some(BadSignal)),
        (speaks(SignalValue::Number(f64::INFINITY)), Some(BadSignal)),
        (text(limits::SIGNAL_TEXT_BYTES_MAX), None),
        (text(limits::SIGNAL_TEXT_BYTES_MAX + 1), Some(BadSignal)),
        (many(limits::RECORD_SIGNALS_MAX), None),
        (many(limits::RECORD_SIGNALS_MAX + 1), Some(BadSignal)),
    ];
    for (record, fault) in table {
        let mut ingest = fresh();
        let sent = Telemetry { records: vec![record.clone()], ..telemetry(1, 0) };
        let (ticket, write) = write(&receive(&mut ingest, sent).1);
        assert_eq!(write.runs.is_empty(), fault.is_some(), "a refused record is never stored: {record:?}");
        answer(&mut ingest, Event::Persisted(ticket));
        let ack = ingest.ack().unwrap();
        assert_eq!(ack.through, 1, "a refusal settles its number");
        assert_eq!(ack.rejected, fault.map(|fault| (1, fault)).into_iter().collect::<Vec<_>>(), "{record:?}");
    }
}

#[test]
fn a_refusal_is_told_once_however_often_the_write_is_tried() {
    let mut ingest = fresh();
    let sent = Telemetry { records: vec![record(WALL), record(FAULTY)], ..telemetry(1, 0) };
    let (ticket, _) = write(&receive(&mut ingest, sent).1);
    let actions = answer(&mut ingest, Event::Overlapped(ticket, ranges(&[(1, 1)])));
    assert_eq!(ingest.ack().unwrap().rejected, [], "not durable yet");
    answer(&mut ingest, Event::Persisted(write(&actions).0));
    assert_eq!(ingest.ack().unwrap().rejected, [(2, RecordFault::TimeBeforeRetention)]);
}

#[test]
fn what_was_stored_before_is_not_told_as_refused() {
    let mut ingest = fresh();
    let sent = Telemetry { records: vec![record(FAULTY), record(WALL)], ..telemetry(1, 0) };
    let (ticket, _) = write(&receive(&mut ingest, sent).1);
    // An older socket had stored number 1, when the gateway's clock stood otherwise.
    answer(&mut ingest, Event::Overlapped(ticket, ranges(&[(1, 1)])));
    assert_eq!(ingest.ack().unwrap().rejected, []);
}

#[test]
fn sequence_numbers_at_the_ends_of_the_line_are_refused_not_wrapped() {
    let table = [
        (0, 1, Err(Refusal::SeqZero)),
        (u64::MAX, 1, Err(Refusal::SeqTooHigh)),
        (u64::MAX - 1, 2, Err(Refusal::SeqTooHigh)),
        (u64::MAX, 0, Ok(Tally::default())),
        (u64::MAX - 1, 1, Ok(Tally { fresh: 1, repeated: 0, refused: 0 })),
    ];
    for (first, len, expected) in table {
        let mut ingest = fresh();
        let (taken, actions) = receive(&mut ingest, telemetry(first, len));
        assert_eq!(taken, expected, "{first} + {len}");
        assert_eq!(actions.len(), expected.map_or(0, |tally| tally.fresh as usize));
    }
}

#[test]
fn an_empty_message_asks_for_nothing() {
    let mut ingest = fresh();
    assert_eq!(receive(&mut ingest, telemetry(5, 0)), (Ok(Tally::default()), Vec::new()));
    assert_eq!(ingest.ack(), None);
}

#[test]
fn too_many_holes_are_refused_but_one_may_always_be_closed() {
    let holes: Vec<_> = (1..=limits::SPOOL_RANGES_MAX as u64).map(|n| (n * 2, n * 2)).collect();
    let mut ingest = Ingest::new(&accepted(1, &[], &holes));
    let beyond = 2 * limits::SPOOL_RANGES_MAX as u64 + 10;
    assert_eq!(receive(&mut ingest, telemetry(beyond, 1)), (Err(Refusal::TooManyGaps), Vec::new()));
    let (ticket, _) = write(&receive(&mut ingest, telemetry(3, 1)).1);
    assert_eq!(receive(&mut ingest, telemetry(beyond, 1)).0, Err(Refusal::TooManyGaps));
    answer(&mut ingest, Event::Persisted(ticket));
    assert_eq!(receive(&mut ingest, telemetry(beyond, 1)).0.unwrap().fresh, 1);
}

#[test]
fn the_window_closes_by_records_and_by_bytes_and_opens_as_they_are_settled() {
    let mut ingest = fresh();
    let window = limits::WINDOW_RECORDS_MAX as usize;
    let (ticket, _) = write(&receive(&mut ingest, telemetry(1, window - 1)).1);
    assert!(ingest.ready());
    let (last, _) = write(&receive(&mut ingest, telemetry(window as u64, 1)).1);
    assert!(!ingest.ready());
    answer(&mut ingest, Event::Persisted(last));
    assert!(ingest.ready());
    answer(&mut ingest, Event::PersistFailed(ticket));
    let event =
        Event::Received { telemetry: telemetry(9000, 1), wire_bytes: limits::WINDOW_BYTES_MAX as usize, wall: WALL };
    let actions = answer(&mut ingest, event);
    assert!(!ingest.ready());
    answer(&mut ingest, Event::Persisted(write(&actions).0));
    assert!(ingest.ready());
}

/// A disk that other sockets of the vehicle may have written to, and what it answered.
#[derive(Default)]
struct Disk {
    stored: BTreeMap<u64, Record>,
    refused: BTreeSet<u64>,
    under_way: BTreeMap<Ticket, Write>,
    told: BTreeSet<u64>,
}

impl Disk {
    fn holds(&self, seq: u64) -> bool {
        self.stored.contains_key(&seq) || self.refused.contains(&seq)
    }

    fn take(&mut self, actions: Vec<Action>) -> usize {
        let mut abandoned = 0;
        for action in actions {
            match action {
                Action::Persist(ticket, write) => {
                    self.under_way.insert(ticket, write);
                }
                Action::Abandon => abandoned += 1,
            }
        }
        abandoned
    }

    /// Decides on a write as the store does.
    fn answer(&mut self, ticket: Ticket) -> Event {
        let write = self.under_way.remove(&ticket).unwrap();
        let settled: Vec<u64> = write.settled.iter().flatten().collect();
        let (first, last) = (settled[0], settled[settled.len() - 1]);
        if settled.iter().any(|seq| self.holds(*seq)) {
            let known: Vec<u64> = (first..=last).filter(|seq| self.holds(*seq)).collect();
            self.told.extend(&known);
            return Event::Overlapped(ticket, known.into_iter().map(|seq| (seq, seq)).collect());
        }
        for run in write.runs {
            self.stored.extend((run.first_seq..).zip(run.records));
        }
        self.refused.extend(settled.iter().filter(|seq| !self.stored.contains_key(seq)));
        self.told.extend(&settled);
        Event::Persisted(ticket)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Send(u64, Vec<bool>),
    Answer(prop::sample::Index),
    Fail(prop::sample::Index),
    OtherSocketWrites(u64),
    Ack,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1u64..30, prop::collection::vec(prop::bool::weighted(0.8), 0..7)).prop_map(|(f, ok)| Step::Send(f, ok)),
        6 => any::<prop::sample::Index>().prop_map(Step::Answer),
        1 => any::<prop::sample::Index>().prop_map(Step::Fail),
        2 => (1u64..35).prop_map(Step::OtherSocketWrites),
        4 => Just(Step::Ack),
    ]
}

proptest! {
    /// Whatever the interleaving: an ack says what the disk answered, all of it and nothing else.
    #[test]
    fn an_ack_says_exactly_what_is_on_disk(
        oldest in 1u64..6, acked in prop::collection::vec((1u64..30, 0u64..3), 0..3),
        steps in prop::collection::vec(step(), 1..60)
    ) {
        let acked: Vec<_> = acked.into_iter().map(|(first, len)| (first, first + len)).collect();
        let elsewhere = ranges(&acked);
        let mut ingest = Ingest::new(&accepted(oldest, &acked, &[]));
        let mut disk = Disk::default();
        let mut rejected = BTreeSet::new();
        let (mut failures, mut abandoned) = (0, 0);
        for step in steps {
            match step {
                Step::Send(first_seq, ok) => {
                    let record = |(at, ok)| Record { t: if ok { Wall(WALL.0 - at as i64) } else { FAULTY }, ..record(WALL) };
                    let records = ok.into_iter().zip(first_seq..).map(|(ok, seq)| record((seq, ok))).collect();
                    let (taken, actions) = receive(&mut ingest, Telemetry { records, ..telemetry(first_seq, 0) });
                    prop_assert!(taken.is_ok());
                    abandoned += disk.take(actions);
                }
                Step::Answer(_) | Step::Fail(_) if disk.under_way.is_empty() => prop_assert!(!ingest.busy()),
                Step::Answer(which) => {
                    let ticket = *which.get(&disk.under_way.keys().copied().collect::<Vec<_>>());
                    let event = disk.answer(ticket);
                    abandoned += disk.take(answer(&mut ingest, event));
                }
                Step::Fail(which) => {
                    let ticket = *which.get(&disk.under_way.keys().copied().collect::<Vec<_>>());
                    disk.under_way.remove(&ticket);
                    failures += 1;
                    abandoned += disk.take(answer(&mut ingest, Event::PersistFailed(ticket)));
                }
                Step::OtherSocketWrites(seq) => {
                    if !disk.holds(seq) {
                        disk.stored.insert(seq, record(Wall(WALL.0 - seq as i64)));
                    }
                }
                Step::Ack => if let Some(ack) = ingest.ack() {
                    let covered = |seq: &u64| disk.told.contains(seq) || elsewhere.contains(*seq);
                    let through = (oldest..).take_while(covered).last().unwrap_or(oldest - 1);
                    prop_assert_eq!(ack.through, through);
                    let beyond: Vec<u64> = disk.told.range(through + 1..).copied().collect();
                    prop_assert_eq!(ack.ranges.iter().flatten().collect::<Vec<_>>(), beyond);
                    for (seq, fault) in ack.rejected {
                        prop_assert_eq!(fault, RecordFault::TimeBeforeRetention);
                        prop_assert!(disk.refused.contains(&seq), "{seq} is told as refused");
                        prop_assert!(rejected.insert(seq), "{seq} is told twice");
                    }
                }
            }
            prop_assert_eq!(abandoned, usize::from(failures > 0));
        }
        for (seq, record) in &disk.stored {
            prop_assert_eq!(record.t, Wall(WALL.0 - *seq as i64), "each record is stored under its own number");
        }
    }
}

#[test]
fn what_another_gateway_has_stored_is_acked_and_not_stored_again() {
    let mut ingest = Ingest::new(&accepted(6, &[(6, 6)], &[]));
    assert_eq!(answer(&mut ingest, Event::SettledElsewhere(ranges(&[(1, 6)]))), []);
    assert_eq!(ingest.ack(), None, "the vehicle knows, and sends nothing of it");
    assert_eq!(answer(&mut ingest, Event::SettledElsewhere(ranges(&[(1, 8), (11, 12)]))), [], "it is noted already");
    let ack = ingest.ack().unwrap();
    assert_eq!((ack.through, ack.ranges), (8, ranges(&[(11, 12)])));
    let (taken, out) = receive(&mut ingest, telemetry(7, 3));
    assert_eq!(taken, Ok(Tally { fresh: 1, repeated: 2, ..Tally::default() }));
    assert_eq!(write(&out).1.settled, ranges(&[(9, 9)]));
}
