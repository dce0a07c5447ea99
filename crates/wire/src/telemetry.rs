//! Records ⇄ columns: the form of telemetry on the wire in protobuf, between gateways and in the store.
//!
//! Within a session a signal is named by its place in the catalogue of the AttachRequest; a batch that must stand by
//! itself, as in the store, is encoded with an empty catalogue and names its signals by path.

use crate::column::{Order, Sparse, cells, differences, rows_of, rows_or_all, sums};
use crate::error::{FieldFault, WireError, at_most};
use crate::proto;
use proto::signal_column::Values;
use std::collections::BTreeMap;
use waygate_core::limits::{BATCH_RECORDS_MAX, RECORD_SIGNALS_MAX, SIGNALS_MAX};
use waygate_core::record::{Fix, Lane, Position, Record, SignalPath, SignalValue, Telemetry};
use waygate_core::time::Wall;

const NAME: &str = "telemetry";

/// Encodes a batch so that it can be read without a session: signals are named by path.
pub fn encode_columns(telemetry: &Telemetry) -> Vec<u8> {
    prost::Message::encode_to_vec(&telemetry_to_proto(telemetry, &[]))
}

/// Reads what [`encode_columns`] wrote.
pub fn decode_columns(bytes: &[u8]) -> Result<Telemetry, WireError> {
    crate::scan::check_telemetry(bytes).map_err(|e| e.into_wire_error(NAME))?;
    let message: proto::Telemetry = prost::Message::decode(bytes).map_err(|e| WireError::unreadable(NAME, e))?;
    telemetry_from_proto(message, &[])
}

/// Turns records into columns. Signals in `catalogue` are named by their place in it, others by path; within a
/// record they come out ordered by path.
pub fn telemetry_to_proto(telemetry: &Telemetry, catalogue: &[SignalPath]) -> proto::Telemetry {
    let records = &telemetry.records;
    let count = records.len();
    let times: Vec<i64> = records.iter().map(|r| r.t.0).collect();
    let fixes = || (0u32..).zip(records).filter_map(|(row, r)| r.fix.as_ref().map(|fix| (row, fix)));
    let column = |order: Order, value: &dyn Fn(&Fix) -> Option<i64>| {
        let mut cells = Sparse::default();
        for (row, fix) in fixes() {
            if let Some(value) = value(fix) {
                cells.push(row, value);
            }
        }
        cells.into_column(count, order)
    };
    proto::Telemetry {
        first_seq: telemetry.first_seq,
        // A batch has at most BATCH_RECORDS_MAX records.
        count: count as u32,
        lane: match telemetry.lane {
            Lane::Live => proto::Lane::Live.into(),
            Lane::Backfill => proto::Lane::Backfill.into(),
        },
        t_ms: Some(times_to_column(&times)),
        lat_e7: column(Order::Second, &|fix| Some(fix.position.lat_e7.into())),
        lon_e7: column(Order::Second, &|fix| Some(fix.position.lon_e7.into())),
        alt_cm: column(Order::First, &|fix| fix.alt_cm.map(i64::from)),
        speed_cms: column(Order::First, &|fix| fix.speed_cms.map(i64::from)),
        heading_cdeg: column(Order::First, &|fix| fix.heading_cdeg.map(i64::from)),
        hdop_centi: column(Order::First, &|fix| fix.hdop_centi.map(i64::from)),
        signals: signal_columns(records, catalogue),
    }
}

/// Every row has a time. Zeros at the end are left out: a steady rhythm costs nothing.
fn times_to_column(times: &[i64]) -> proto::Column {
    let mut values = differences(times, Order::Second);
    let used = values.iter().rposition(|v| *v != 0).map_or(1, |at| at + 1);
    values.truncate(used);
    proto::Column { rows: Vec::new(), values }
}

/// The time of every row.
fn times_from_column(column: proto::Column, count: usize) -> Result<Vec<i64>, FieldFault> {
    let mut values = column.values;
    if !column.rows.is_empty() {
        return Err(FieldFault::at("t_ms.rows", "must be empty: every row has a time"));
    }
    if values.is_empty() || values.len() > count {
        let what = format!("has {} values for {count} rows", values.len());
        return Err(FieldFault::at("t_ms.values", what));
    }
    values.resize(count, 0);
    Ok(sums(values, Order::Second))
}

/// One column a path and kind of value, ordered by both.
fn signal_columns(records: &[Record], catalogue: &[SignalPath]) -> Vec<proto::SignalColumn> {
    let mut columns: BTreeMap<(&SignalPath, u8), (Vec<u32>, Values)> = BTreeMap::new();
    for (row, record) in (0u32..).zip(records) {
        for (path, value) in &record.signals {
            let (kind, empty) = match value {
                SignalValue::Number(_) => (0, Values::Numbers(proto::Numbers::default())),
                SignalValue::Integer(_) => (1, Values::Integers(proto::Integers::default())),
                SignalValue::Flag(_) => (2, Values::Flags(proto::Flags::default())),
                SignalValue::Text(_) => (3, Values::Texts(proto::Texts::default())),
            };
            let (rows, values) = columns.entry((path, kind)).or_insert_with(|| (Vec::new(), empty));
            rows.push(row);
            push_value(values, value);
        }
    }
    let finished = columns.into_iter().map(|((path, _), (rows, mut values))| {
        if let Values::Integers(integers) = &mut values {
            integers.values = differences(&integers.values, Order::First);
        }
        let place = catalogue.iter().position(|p| p == path).and_then(|at| u32::try_from(at + 1).ok());
        let name = if place.is_some() { String::new() } else { path.as_str().to_owned() };
        let rows = rows_or_all(rows, records.len());
        proto::SignalColumn { id: place.unwrap_or(0), path: name, rows, values: Some(values) }
    });
    finished.collect()
}

/// A column holds one kind of value, by its key.
fn push_value(values: &mut Values, value: &SignalValue) {
    match (values, value) {
        (Values::Numbers(to), SignalValue::Number(v)) => to.values.push(*v),
        (Values::Integers(to), SignalValue::Integer(v)) => to.values.push(*v),
        (Values::Flags(to), SignalValue::Flag(v)) => to.values.push(*v),
        (Values::Texts(to), SignalValue::Text(v)) => to.values.push(v.clone()),
        (Values::Numbers(_) | Values::Integers(_) | Values::Flags(_) | Values::Texts(_), _) => {}
    }
}

/// Turns columns into records.
///
/// What makes a single record unusable (a place off the globe, a heading of 360° or more, a number that is not
/// finite) is carried over, so that ingest refuses that record alone; what breaks the columns fails the message.
pub fn telemetry_from_proto(message: proto::Telemetry, catalogue: &[SignalPath]) -> Result<Telemetry, WireError> {
    records_from_columns(message, catalogue).map_err(|e| WireError::malformed(NAME, e))
}

fn records_from_columns(message: proto::Telemetry, catalogue: &[SignalPath]) -> Result<Telemetry, FieldFault> {
    let count = message.count;
    let first_seq = checked_span(message.first_seq, count as usize)?;
    let lane = match proto::Lane::try_from(message.lane) {
        Ok(proto::Lane::Live) => Lane::Live,
        Ok(proto::Lane::Backfill) => Lane::Backfill,
        Err(_) => return Err(FieldFault::at("lane", format!("{} is none", message.lane))),
    };
    let times = times_from_column(message.t_ms.unwrap_or_default(), count as usize)?;
    let mut records: Vec<Record> =
        times.into_iter().map(|t| Record { t: Wall(t), fix: None, signals: Vec::new() }).collect();

    let (lat_rows, lats) = cells("lat_e7", message.lat_e7, count, Order::Second)?;
    let (lon_rows, lons) = cells("lon_e7", message.lon_e7, count, Order::Second)?;
    if lat_rows != lon_rows {
        return Err(FieldFault::at("lon_e7.rows", "must be those of lat_e7"));
    }
    for (row, (lat, lon)) in lat_rows.into_iter().zip(lats.into_iter().zip(lons)) {
        let position = Position { lat_e7: saturated(lat), lon_e7: saturated(lon) };
        let fix = Fix { position, alt_cm: None, speed_cms: None, heading_cdeg: None, hdop_centi: None };
        records[row as usize].fix = Some(fix);
    }
    fill(&mut records, "alt_cm", message.alt_cm, |fix, v| fix.alt_cm = Some(saturated(v)))?;
    fill(&mut records, "speed_cms", message.speed_cms, |fix, v| {
        fix.speed_cms = Some(u32::try_from(v).unwrap_or(u32::MAX));
    })?;
    fill(&mut records, "heading_cdeg", message.heading_cdeg, |fix, v| {
        fix.heading_cdeg = Some(u16::try_from(v).unwrap_or(u16::MAX));
    })?;
    fill(&mut records, "hdop_centi", message.hdop_centi, |fix, v| {
        fix.hdop_centi = Some(u16::try_from(v).unwrap_or(u16::MAX));
    })?;
    fill_signals(&mut records, message.signals, catalogue)?;
    Ok(Telemetry { first_seq, lane, records })
}

/// The first sequence number, once the numbers of all `count` records are known to exist.
pub(crate) fn checked_span(first_seq: u64, count: usize) -> Result<u64, FieldFault> {
    if count == 0 {
        return Err(FieldFault::at("count", "there must be at least one record"));
    }
    at_most("count", count, BATCH_RECORDS_MAX)?;
    if first_seq == 0 || first_seq.checked_add(count as u64).is_none() {
        return Err(FieldFault::at("first_seq", "sequence numbers start at 1 and end below 2^64"));
    }
    Ok(first_seq)
}

fn saturated(value: i64) -> i32 {
    i32::try_from(value).unwrap_or(if value < 0 { i32::MIN } else { i32::MAX })
}

fn fill(
    records: &mut [Record],
    path: &str,
    column: Option<proto::Column>,
    set: impl Fn(&mut Fix, i64),
) -> Result<(), FieldFault> {
    // The caller made one record a row.
    let (rows, values) = cells(path, column, records.len() as u32, Order::First)?;
    for (row, value) in rows.into_iter().zip(values) {
        match &mut records[row as usize].fix {
            Some(fix) => set(fix, value),
            None => return Err(FieldFault::at(format!("{path}.rows"), format!("row {row} has no position"))),
        }
    }
    Ok(())
}

fn fill_signals(
    records: &mut [Record],
    columns: Vec<proto::SignalColumn>,
    catalogue: &[SignalPath],
) -> Result<(), FieldFault> {
    at_most("signals", columns.len(), SIGNALS_MAX)?;
    // The rows of each signal that have a value, ascending: as large as what was sent, whatever `count` says.
    let mut seen: BTreeMap<SignalPath, Vec<u32>> = BTreeMap::new();
    for (at, column) in columns.into_iter().enumerate() {
        let place = format!("signals[{at}]");
        let path = signal_path(&column, catalogue).map_err(|e| e.under(&place))?;
        let (rows, values) = signal_values(column, records.len()).map_err(|e| e.under(&place))?;
        let taken = seen.entry(path.clone()).or_default();
        for (row, value) in rows.into_iter().zip(values) {
            match taken.binary_search(&row) {
                Ok(_) => {
                    return Err(FieldFault::at(
                        format!("{place}.rows"),
                        format!("row {row} has a value of {path:?} already"),
                    ));
                }
                Err(place) => taken.insert(place, row),
            }
            let row = row as usize;
            // One too many is kept, so that this record alone is refused; the message is sound.
            let signals = &mut records[row].signals;
            if signals.len() <= RECORD_SIGNALS_MAX {
                signals.push((path.clone(), value));
            }
        }
    }
    Ok(())
}

fn signal_path(column: &proto::SignalColumn, catalogue: &[SignalPath]) -> Result<SignalPath, FieldFault> {
    if column.id == 0 {
        return SignalPath::new(&column.path).ok_or_else(|| FieldFault::at("path", "is not a signal's path"));
    }
    let known = catalogue.get(column.id as usize - 1);
    known.cloned().ok_or_else(|| {
        let what = format!("{} is not in the catalogue of this session ({} signals)", column.id, catalogue.len());
        FieldFault::at("id", what)
    })
}

fn signal_values(column: proto::SignalColumn, count: usize) -> Result<(Vec<u32>, Vec<SignalValue>), FieldFault> {
    let values: Vec<SignalValue> = match column.values {
        None => Vec::new(),
        Some(Values::Numbers(v)) => v.values.into_iter().map(SignalValue::Number).collect(),
        Some(Values::Integers(v)) => sums(v.values, Order::First).into_iter().map(SignalValue::Integer).collect(),
        Some(Values::Flags(v)) => v.values.into_iter().map(SignalValue::Flag).collect(),
        Some(Values::Texts(v)) => v.values.into_iter().map(SignalValue::Text).collect(),
    };
    let rows = rows_of("values", column.rows, values.len(), count as u32)?;
    Ok((rows, values))
}
