//! Telemetry in JSON: record by record, in degrees, metres and metres a second.

use super::scalar::{Bounded, I64Text, U64Text};
use crate::error::{FieldFault, WireError};
use crate::telemetry::checked_span;
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeSet;
use std::fmt;
use waygate_core::limits::{BATCH_RECORDS_MAX, RECORD_SIGNALS_MAX, SIGNALS_MAX};
use waygate_core::record::{Fix, Lane, Position, Record, SignalPath, SignalValue, Telemetry};
use waygate_core::time::Wall;

#[derive(Serialize, Deserialize)]
pub(super) struct TelemetryJson {
    /// May be left out if the first record has a `seq`.
    #[serde(default)]
    first_seq: Option<U64Text>,
    #[serde(default, skip_serializing_if = "LaneJson::is_live")]
    lane: LaneJson,
    records: Bounded<RecordJson, BATCH_RECORDS_MAX>,
}

#[derive(Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LaneJson {
    #[default]
    Live,
    Backfill,
}

impl LaneJson {
    // By reference, as serde asks for it.
    fn is_live(&self) -> bool {
        *self == Self::Live
    }
}

#[derive(Serialize, Deserialize)]
struct RecordJson {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seq: Option<U64Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    t: Option<I64Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lat: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lon: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alt: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    speed: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    heading: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hdop: Option<f64>,
    #[serde(default, skip_serializing_if = "SignalsJson::is_empty")]
    signals: SignalsJson,
}

impl TryFrom<TelemetryJson> for Telemetry {
    type Error = FieldFault;

    fn try_from(m: TelemetryJson) -> Result<Self, FieldFault> {
        let records = m.records.0;
        let first = m.first_seq.or_else(|| records.first().and_then(|r| r.seq));
        let first = first.ok_or_else(|| FieldFault::at("first_seq", "is missing"))?;
        let first_seq = checked_span(first.0, records.len()).map_err(|e| match e.path.as_str() {
            "count" => FieldFault::at("records", e.what),
            _ => e,
        })?;
        let mut checked = Vec::with_capacity(records.len());
        for (at, record) in records.into_iter().enumerate() {
            let here = format!("records[{at}]");
            let due = first_seq + at as u64;
            if let Some(seq) = record.seq.filter(|seq| seq.0 != due) {
                let what = format!("is {} where {due} follows: records of a message are consecutive", seq.0);
                return Err(FieldFault::at(format!("{here}.seq"), what));
            }
            checked.push(record.into_record(None).map_err(|e| e.under(&here))?);
        }
        check_columns(&checked)?;
        let lane = match m.lane {
            LaneJson::Live => Lane::Live,
            LaneJson::Backfill => Lane::Backfill,
        };
        Ok(Self { first_seq, lane, records: checked })
    }
}

impl From<&Telemetry> for TelemetryJson {
    fn from(m: &Telemetry) -> Self {
        Self {
            first_seq: Some(U64Text(m.first_seq)),
            lane: match m.lane {
                Lane::Live => LaneJson::Live,
                Lane::Backfill => LaneJson::Backfill,
            },
            records: Bounded(m.records.iter().map(Into::into).collect()),
        }
    }
}

/// Whatever is taken can be stored by column and read again: a message has no more columns than one in protobuf.
fn check_columns(records: &[Record]) -> Result<(), FieldFault> {
    let kind = |value: &SignalValue| match value {
        SignalValue::Number(_) => 0,
        SignalValue::Integer(_) => 1,
        SignalValue::Flag(_) => 2,
        SignalValue::Text(_) => 3,
    };
    let mut columns = BTreeSet::new();
    for (path, value) in records.iter().flat_map(|record| &record.signals) {
        columns.insert((path, kind(value)));
        if columns.len() > SIGNALS_MAX {
            let what = format!("have more than {SIGNALS_MAX} different signals; send fewer records a message");
            return Err(FieldFault::at("records", what));
        }
    }
    Ok(())
}

/// Reads one record by itself, as one of `records` in the JSON form of telemetry. Without `t` it is from `now`.
pub fn record_from_json(text: &[u8], now: Wall) -> Result<Record, WireError> {
    // Nothing was read of the line before: what is no JSON at all is found here.
    let unnamed = super::message("", text);
    let json: RecordJson = unnamed.map_err(|error| WireError { refers_to: "record".to_owned(), ..error })?;
    json.into_record(Some(now)).map_err(|fault| WireError::malformed("record", fault))
}

impl RecordJson {
    /// The record; one without a time is from `now`, if there is a now.
    fn into_record(self, now: Option<Wall>) -> Result<Record, FieldFault> {
        let t = self.t.map(|t| Wall(t.0)).or(now).ok_or_else(|| FieldFault::at("t", "is missing"))?;
        let fix = match (self.lat, self.lon) {
            (Some(lat), Some(lon)) => Some(Fix {
                position: Position::from_degrees(lat, lon),
                // `as` saturates.
                alt_cm: self.alt.map(|m| (m * 100.0).round() as i32),
                speed_cms: self.speed.map(|ms| hundredths(ms, u32::MAX.into()).map_or(u32::MAX, |v| v as u32)),
                heading_cdeg: self.heading.map(heading_cdeg),
                hdop_centi: self.hdop.map(|d| hundredths(d, u16::MAX.into()).map_or(u16::MAX, |v| v as u16)),
            }),
            (None, None) => {
                let beside = [self.alt, self.speed, self.heading, self.hdop];
                if beside.iter().any(Option::is_some) {
                    let what = "is missing: alt, speed, heading and hdop belong to a position";
                    return Err(FieldFault::at("lat", what));
                }
                None
            }
            (None, Some(_)) => return Err(FieldFault::at("lat", "is missing beside lon")),
            (Some(_), None) => return Err(FieldFault::at("lon", "is missing beside lat")),
        };
        Ok(Record { t, fix, signals: self.signals.0 })
    }
}

/// Hundredths of a number from 0 to what makes `max` of them.
fn hundredths(value: f64, max: f64) -> Option<f64> {
    Some((value * 100.0).round()).filter(|v| (0.0..=max).contains(v))
}

/// A course below 360° stays below it when rounded; any other is made one that ingest refuses.
fn heading_cdeg(degrees: f64) -> u16 {
    if (0.0..360.0).contains(&degrees) { (degrees * 100.0).round() as u16 % 36000 } else { u16::MAX }
}

impl From<&Record> for RecordJson {
    fn from(r: &Record) -> Self {
        let fix = r.fix.as_ref();
        Self {
            seq: None,
            t: Some(I64Text(r.t.0)),
            lat: fix.map(|f| f.position.lat()),
            lon: fix.map(|f| f.position.lon()),
            alt: fix.and_then(|f| f.alt_cm).map(|v| f64::from(v) / 100.0),
            speed: fix.and_then(|f| f.speed_cms).map(|v| f64::from(v) / 100.0),
            heading: fix.and_then(|f| f.heading_cdeg).map(|v| f64::from(v) / 100.0),
            hdop: fix.and_then(|f| f.hdop_centi).map(|v| f64::from(v) / 100.0),
            signals: SignalsJson(r.signals.clone()),
        }
    }
}

/// Signals by path. What is no signal becomes one that is not a number, so that ingest refuses this record alone.
#[derive(Default)]
struct SignalsJson(Vec<(SignalPath, SignalValue)>);

impl SignalsJson {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for SignalsJson {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for (path, value) in &self.0 {
            match value {
                SignalValue::Number(v) => map.serialize_entry(path.as_str(), v)?,
                SignalValue::Integer(v) => map.serialize_entry(path.as_str(), v)?,
                SignalValue::Flag(v) => map.serialize_entry(path.as_str(), v)?,
                SignalValue::Text(v) => map.serialize_entry(path.as_str(), v)?,
            }
        }
        map.end()
    }
}

struct SignalsVisitor;

impl<'de> Visitor<'de> for SignalsVisitor {
    type Value = SignalsJson;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of signal paths and values")
    }

    fn visit_unit<E: Error>(self) -> Result<SignalsJson, E> {
        Ok(SignalsJson::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SignalsJson, A::Error> {
        let mut signals: Vec<(SignalPath, SignalValue)> = Vec::new();
        let mut count = 0;
        while let Some((key, value)) = map.next_entry::<String, ValueJson>()? {
            count += 1;
            // One record with too many is refused like any other bad one; its message is sound.
            if count > RECORD_SIGNALS_MAX {
                signals.extend(unfit().filter(|_| count == RECORD_SIGNALS_MAX + 1));
                continue;
            }
            match (SignalPath::new(&key), value) {
                (_, ValueJson::Null) => {}
                (Some(path), ValueJson::Value(value)) => signals.push((path, value)),
                (None, _) | (_, ValueJson::Unfit) => signals.extend(unfit()),
            }
        }
        // Of a path given twice the last value counts, as JSON readers have it.
        signals.sort_by(|a, b| a.0.cmp(&b.0));
        signals.reverse();
        signals.dedup_by(|later, first| later.0 == first.0);
        signals.reverse();
        Ok(SignalsJson(signals))
    }
}

/// A signal that ingest refuses as bad.
fn unfit() -> Option<(SignalPath, SignalValue)> {
    SignalPath::new("_").map(|path| (path, SignalValue::Number(f64::NAN)))
}

impl<'de> Deserialize<'de> for SignalsJson {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(SignalsVisitor)
    }
}

/// What stands at a signal's path.
enum ValueJson {
    /// No value at this time.
    Null,
    Value(SignalValue),
    /// A list or an object.
    Unfit,
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = ValueJson;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, true, false or a text")
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<ValueJson, E> {
        Ok(ValueJson::Value(SignalValue::Flag(flag)))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<ValueJson, E> {
        Ok(ValueJson::Value(SignalValue::Integer(number)))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<ValueJson, E> {
        let value = i64::try_from(number).map_or(SignalValue::Number(number as f64), SignalValue::Integer);
        Ok(ValueJson::Value(value))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<ValueJson, E> {
        Ok(ValueJson::Value(SignalValue::Number(number)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ValueJson, E> {
        Ok(ValueJson::Value(SignalValue::Text(text.to_owned())))
    }

    fn visit_unit<E: Error>(self) -> Result<ValueJson, E> {
        Ok(ValueJson::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ValueJson, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(ValueJson::Unfit)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ValueJson, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(ValueJson::Unfit)
    }
}

impl<'de> Deserialize<'de> for ValueJson {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ValueVisitor)
    }
}
