//! The operator API: the bodies of its answers and the events of its stream, as the gateway writes and clients read them.
//!
//! 64-bit integers are strings, times are RFC 3339 in UTC with milliseconds, speeds metres a second, headings degrees
//! clockwise from north, ages seconds. A reader ignores fields it does not know.

pub use crate::json::scalar::U64Text;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

mod cluster;
mod command;
mod enrolment;
mod event;
mod instant;
mod telemetry;
mod timeline;

pub use cluster::{
    Agreement, Audit, GatewayLoad, GatewayView, HeldLog, LogAgreement, LogScope, PeerLink, Said, SeenGateway,
    SilentGateway, Views,
};
pub use command::{
    CommandInfo, CommandList, CommandPolicy, CommandState, CommandStepInfo, Durability, NewCommand, NewPage,
    NewSnapshot, Page, PageOutcome, Snapshot,
};
pub use enrolment::{EnrolledList, EnrolledVehicle, NewDecision};
pub use event::{Hello, LivePosition, Missed, Positions, StreamEvent, UnreadableEvent};
pub use instant::{BadInstant, Instant};
pub use telemetry::{MissingSource, TelemetryEnd, TelemetryLine, TelemetryPage, TelemetryRecord};
pub use timeline::{Timeline, Transition};

/// What is shown of a vehicle's reachability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its socket is open, its gateway alive.
    Online,
    /// Reachable though without a socket.
    Idle,
    /// Reachable by a page.
    Asleep,
    /// It did not report in time.
    Unreachable,
    /// Detached.
    Offline,
    /// Last known, from a gateway that is not heard now.
    Stale,
    /// Nothing is known of it.
    Unknown,
}

impl State {
    /// Every state.
    pub const ALL: &[Self] =
        &[Self::Online, Self::Idle, Self::Asleep, Self::Unreachable, Self::Offline, Self::Stale, Self::Unknown];

    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Idle => "idle",
            Self::Asleep => "asleep",
            Self::Unreachable => "unreachable",
            Self::Offline => "offline",
            Self::Stale => "stale",
            Self::Unknown => "unknown",
        }
    }

    /// The state with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|s| s.name() == name)
    }
}

/// Why a vehicle is shown as stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StaleWhy {
    /// The gateway that serves it is not heard.
    OwnerLost,
    /// The gateway that served it has stopped, and said so.
    OwnerLeft,
    /// That gateway restarted and has not heard the vehicle since.
    OwnerRestarted,
    /// The gateway that answers is cut off from it.
    ViewCutOff,
}

/// How an age was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgeKind {
    /// Time since the last frame.
    Measured,
    /// The vehicle was heard at most this long ago.
    Bound,
}

/// A vehicle in a list, and as a presence event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vehicle {
    /// Its id.
    pub id: String,
    /// Its fleet, if it has one.
    pub fleet: Option<String>,
    /// What is shown.
    pub state: State,
    /// What was shown before it became stale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_known: Option<State>,
    /// Why it is stale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_why: Option<StaleWhy>,
    /// Why it is offline.
    pub cause: Option<String>,
    /// The region that serves it.
    pub region: String,
    /// The gateway that serves it.
    pub gateway: String,
    /// The epoch of its attach.
    pub epoch: U64Text,
    /// Its session.
    pub session: U64Text,
    /// Since it was last heard.
    pub age_s: f64,
    /// How that age was found.
    pub age_kind: AgeKind,
    /// How old the answering gateway's knowledge of the serving one is.
    pub view_age_s: f64,
    /// Its tracking area, an H3 cell of resolution 5 in hexadecimal.
    pub cell: Option<String>,
    /// Its latest position, if the answering gateway has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// Until an idle vehicle reports, or one that sleeps is back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_expected_in_s: Option<f64>,
    /// How it can be woken when it has no socket.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wake: Vec<String>,
    /// Whether two units seem to use its identity.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cloned: bool,
}

/// The latest position of a vehicle.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Degrees north.
    pub lat: f64,
    /// Degrees east.
    pub lon: f64,
    /// By the vehicle's clock.
    pub t: Instant,
    /// Metres a second.
    pub speed: Option<f64>,
    /// Degrees clockwise from north.
    pub heading: Option<f64>,
}

/// Whether the answer covers every region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewStatus {
    /// Whether it does.
    pub complete: bool,
    /// Regions it may lack or be old for.
    pub missing_regions: Vec<String>,
}

/// `GET /v1/vehicles`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VehicleList {
    /// One page.
    pub vehicles: Vec<Vehicle>,
    /// The cursor of the next page.
    pub next: Option<String>,
    /// What the answer covers.
    pub view: ViewStatus,
    /// Matches in all, where they can be counted.
    pub total: Option<u64>,
}

/// `GET /v1/vehicles/{id}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VehicleDetail {
    /// As in a list.
    #[serde(flatten)]
    pub vehicle: Vehicle,
    /// The latest value of each signal, by path.
    pub signals: BTreeMap<String, SignalReading>,
    /// Commands that wait for it, as far as the answering gateway knows.
    #[serde(default)]
    pub waiting_commands: u64,
    /// What the answer covers.
    pub view: ViewStatus,
}

/// The latest value of a signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalReading {
    /// A number, true, false or a text.
    pub value: Value,
    /// By the vehicle's clock.
    pub t: Instant,
}

/// `GET /v1/regions`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Regions {
    /// The answering gateway.
    pub gateway: String,
    /// Its region.
    pub region: String,
    /// Its clock.
    pub time: Instant,
    /// Every region it knows of.
    pub regions: Vec<Region>,
    /// Vehicles by state, over all regions.
    pub totals: StateCounts,
    /// Records acked and kept by the answering gateway, of all its lives.
    pub acked_records_total: u64,
}

/// One region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// Its name.
    pub region: String,
    /// Its gateways.
    pub gateways: Vec<Gateway>,
}

/// What the answering gateway thinks of a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GatewayStatus {
    /// It is heard.
    Alive,
    /// It is not heard any more.
    Lost,
    /// It was never heard.
    Unknown,
    /// It is not heard, and others that hear it pass on what it says: its vehicles are shown, and it cannot be asked.
    Relayed,
}

/// What the cluster thinks of a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It answers.
    Alive,
    /// It answered nobody lately, and may refute that.
    Suspect,
    /// It did not refute it.
    Down,
    /// It said that it stops.
    Left,
}

/// One gateway, as the answering one sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gateway {
    /// Its name.
    pub id: String,
    /// Whether it is the one that answers.
    #[serde(rename = "self")]
    pub is_self: bool,
    /// Whether it is heard.
    pub status: GatewayStatus,
    /// What the cluster thinks of it; none of the answering one, and while nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
    /// Whether it is about to stop and sends its vehicles elsewhere.
    #[serde(default)]
    pub draining: bool,
    /// Which of its lives.
    pub incarnation: U64Text,
    /// Where operators and peers ask it.
    pub operators_url: String,
    /// Where vehicles attach.
    pub vehicles_url: String,
    /// Since it was last heard.
    pub heard_ago_s: Option<f64>,
    /// Entries of its log that are known to be missing here.
    pub lag_entries: u64,
    /// How old the oldest of those is.
    pub lag_s: Option<f64>,
    /// How long its vehicles have been shown as stale.
    pub stale_for_s: Option<f64>,
    /// Its vehicles by state.
    pub vehicles: StateCounts,
    /// What passes between it and the answering gateway; none of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<PeerLink>,
    /// What it said last of itself; none if it has said nothing in its present life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Said>,
}

/// Vehicles by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateCounts {
    /// Online.
    pub online: u64,
    /// Idle.
    pub idle: u64,
    /// Asleep.
    pub asleep: u64,
    /// Unreachable.
    pub unreachable: u64,
    /// Offline.
    pub offline: u64,
    /// Stale.
    pub stale: u64,
}

/// `GET /readyz`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// Whether the gateway can do its work.
    pub ready: bool,
    /// Each check and `ok`, or what is wrong.
    pub checks: BTreeMap<String, String>,
}

/// `application/problem+json` (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Names the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong here, and what to do.
    pub detail: String,
    /// The parameter at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// Regions that did not answer, where that matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_regions: Option<Vec<String>>,
}

#[cfg(test)]
#[path = "operator_tests.rs"]
mod tests;
