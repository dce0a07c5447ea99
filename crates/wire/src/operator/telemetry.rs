//! A vehicle's stored records: as pages, and as lines.

use super::{Instant, U64Text};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// `GET /v1/vehicles/{id}/telemetry`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TelemetryPage {
    /// One page, by time.
    pub records: Vec<TelemetryRecord>,
    /// The cursor of the next page.
    pub next: Option<String>,
    /// Regions that did not answer.
    pub missing_regions: Vec<String>,
}

/// One stored record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TelemetryRecord {
    /// Which life of the vehicle's spool.
    pub spool: U64Text,
    /// Its number in that spool.
    pub seq: U64Text,
    /// By the vehicle's clock.
    pub t: Instant,
    /// By the gateway's clock.
    pub received: Instant,
    /// Degrees north.
    pub lat: Option<f64>,
    /// Degrees east.
    pub lon: Option<f64>,
    /// Metres.
    pub alt: Option<f64>,
    /// Metres a second.
    pub speed: Option<f64>,
    /// Degrees clockwise from north.
    pub heading: Option<f64>,
    /// Horizontal dilution of precision.
    #[serde(default)]
    pub hdop: Option<f64>,
    /// Values by path.
    pub signals: BTreeMap<String, Value>,
}

/// Someone who did not answer to the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingSource {
    /// Its name, if it was asked.
    pub gateway: Option<String>,
    /// Its region; its address, if it was never heard.
    pub region: String,
    /// What happened.
    pub why: String,
}

/// The last line of records given as lines: without it the answer broke off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TelemetryEnd {
    /// Lines before this one.
    pub records: u64,
    /// Whether these are all that there are, up to `next`.
    pub complete: bool,
    /// Where the rest begins, if `limit` was reached.
    pub next: Option<String>,
    /// Regions that did not answer to the end.
    pub missing_regions: Vec<String>,
    /// Who did not, and why.
    pub missing: Vec<MissingSource>,
    /// The most bytes of records that the answering gateway held at once, as they lie in memory.
    pub held_bytes_peak: u64,
}

/// One line of `application/x-ndjson`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TelemetryLine {
    /// The last one.
    End {
        /// How it ended.
        end: TelemetryEnd,
    },
    /// Any other.
    Record(Box<TelemetryRecord>),
}
