use super::Latest;
use waygate_core::limits::{RECORD_SIGNALS_MAX, SIGNALS_MAX};
use waygate_core::record::{Fix, Position, Record, SignalPath, SignalValue};
use waygate_core::time::Wall;

fn path(n: usize) -> SignalPath {
    SignalPath::new(&format!("S{n:05}")).unwrap()
}

fn record(signals: impl IntoIterator<Item = (usize, i64)>) -> Record {
    let signals = signals.into_iter().map(|(n, value)| (path(n), SignalValue::Integer(value))).collect();
    Record { t: Wall(1), fix: None, signals }
}

#[test]
fn a_snapshot_has_the_latest_values_and_the_last_fix() {
    let mut latest = Latest::default();
    let position = Position { lat_e7: 1, lon_e7: 2 };
    let fix = Fix { position, alt_cm: None, speed_cms: None, heading_cdeg: None, hdop_centi: None };
    latest.note(&Record { fix: Some(fix), ..record([(1, 10), (2, 20)]) });
    latest.note(&record([(1, 11)]));
    let expected = Record { t: Wall(9), fix: Some(fix), ..record([(1, 11), (2, 20)]) };
    assert_eq!(latest.snapshot(Wall(9), &[]), [expected]);
    let expected = Record { t: Wall(9), fix: Some(fix), ..record([(2, 20)]) };
    assert_eq!(latest.snapshot(Wall(9), &[path(2), path(3)]), [expected], "one that was never seen has no value");
}

#[test]
fn more_signals_than_a_record_takes_make_more_records_and_their_number_is_bounded() {
    let mut latest = Latest::default();
    latest.note(&record((0..SIGNALS_MAX + 5).map(|n| (n, 1))));
    let records = latest.snapshot(Wall(9), &[]);
    assert!(records.iter().all(|record| record.signals.len() <= RECORD_SIGNALS_MAX));
    assert_eq!(records.iter().map(|record| record.signals.len()).sum::<usize>(), SIGNALS_MAX);
}

#[test]
fn a_unit_that_has_seen_nothing_says_so_with_an_empty_record() {
    assert_eq!(Latest::default().snapshot(Wall(9), &[]), [Record { t: Wall(9), ..record([]) }]);
}
