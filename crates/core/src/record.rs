//! What a vehicle reports: records, each a fix and signals at one device time.

use crate::id::SpoolId;
use crate::ranges::SeqRanges;
use crate::time::Wall;
use std::fmt;
use std::sync::Arc;

/// A place on the globe in units of 1e-7 degrees (WGS 84).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Degrees north, 1e-7.
    pub lat_e7: i32,
    /// Degrees east, 1e-7.
    pub lon_e7: i32,
}

impl Position {
    /// Rounds degrees to 1e-7; what lies beyond the type saturates and is not [`on_globe`](Self::on_globe).
    pub fn from_degrees(lat: f64, lon: f64) -> Self {
        // `as` saturates, and takes NaN to 0: NaN is turned into a place off the globe instead.
        let e7 = |deg: f64| {
            if deg.is_nan() { i32::MAX } else { (deg * 1e7).round() as i32 }
        };
        Self { lat_e7: e7(lat), lon_e7: e7(lon) }
    }

    /// Degrees north.
    pub fn lat(self) -> f64 {
        f64::from(self.lat_e7) / 1e7
    }

    /// Degrees east.
    pub fn lon(self) -> f64 {
        f64::from(self.lon_e7) / 1e7
    }

    /// Whether latitude is within ±90° and longitude within ±180°.
    pub const fn on_globe(self) -> bool {
        self.lat_e7.unsigned_abs() <= 900_000_000 && self.lon_e7.unsigned_abs() <= 1_800_000_000
    }
}

/// A position with what a receiver reports beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fix {
    /// Where.
    pub position: Position,
    /// Height above the ellipsoid, centimetres.
    pub alt_cm: Option<i32>,
    /// Speed over ground, centimetres a second.
    pub speed_cms: Option<u32>,
    /// Course, hundredths of a degree clockwise from north, below 36000.
    pub heading_cdeg: Option<u16>,
    /// Horizontal dilution of precision, hundredths.
    pub hdop_centi: Option<u16>,
}

/// The path of a signal in the Vehicle Signal Specification, such as `Vehicle.Speed`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignalPath(Arc<str>);

impl SignalPath {
    /// Accepts 1 to [`limits::SIGNAL_PATH_BYTES_MAX`](crate::limits::SIGNAL_PATH_BYTES_MAX) characters out of `A-Z a-z 0-9 _ .`
    pub fn new(path: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_');
        let fits = (1..=crate::limits::SIGNAL_PATH_BYTES_MAX).contains(&path.len());
        (fits && path.bytes().all(allowed)).then(|| Self(Arc::from(path)))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SignalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The value of a signal.
#[derive(Clone, Debug, PartialEq)]
pub enum SignalValue {
    /// A real number; finite.
    Number(f64),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Flag(bool),
    /// Text, such as an allowed value of an enumeration.
    Text(String),
}

/// One record. Its sequence number is its place in the batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The vehicle's clock.
    pub t: Wall,
    /// Where it was, if it knew.
    pub fix: Option<Fix>,
    /// Signals with a value at this time.
    pub signals: Vec<(SignalPath, SignalValue)>,
}

/// Which queue of the vehicle a batch comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lane {
    /// As it happens.
    #[default]
    Live,
    /// From the spool, after an outage.
    Backfill,
}

/// Records with the sequence numbers `first_seq`, `first_seq + 1`, …
#[derive(Clone, Debug, PartialEq)]
pub struct Telemetry {
    /// Sequence number of the first record; from 1.
    pub first_seq: u64,
    /// Which queue it comes from.
    pub lane: Lane,
    /// The records in sequence.
    pub records: Vec<Record>,
}

impl Telemetry {
    /// Sequence number of the last record; `first_seq - 1` if there is none.
    pub fn last_seq(&self) -> u64 {
        self.first_seq.saturating_add(self.records.len() as u64).saturating_sub(1)
    }
}

/// What a vehicle says of its spool when it attaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolReport {
    /// Which life of the spool.
    pub id: SpoolId,
    /// Lowest sequence number still kept.
    pub oldest: u64,
    /// Highest sequence number given out, 0 for none.
    pub last: u64,
    /// What was acked above `oldest`.
    pub acked: SeqRanges,
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
