//! What gateways see of each other: links, logs, and whether their copies agree.

use super::{Gateway, Instant, U64Text, ViewStatus};
use serde::{Deserialize, Serialize};

/// What passes between the answering gateway and another, counted in the answering one's present life.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PeerLink {
    /// Whether a stream stands.
    pub up: bool,
    /// Entries of the answering gateway's log that the other is not known to hold; none without a stream.
    pub ahead_entries: Option<u64>,
    /// For how long at most it has lacked some; 0 if it lacks none.
    pub ahead_s: Option<f64>,
    /// Bytes of encoded frames, with their lengths.
    pub bytes_sent: u64,
    /// The same, from there.
    pub bytes_received: u64,
    /// Presence entries.
    pub entries_sent: u64,
    /// The same, from there.
    pub entries_received: u64,
    /// Logs that were sent whole.
    pub snapshots_sent: u64,
    /// Batches refused as they left a hole.
    pub gaps: u64,
    /// Whether copies are what they should be.
    pub audit: Audit,
}

/// What came of comparing copies of logs on the stream with the other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// Times that a copy held by the answering gateway differed from what the other holds, where both should be equal; must stay 0.
    pub mismatches: u64,
    /// Since the other's copy of the answering gateway's log was last found equal; none if it was not yet, on the stream that stands.
    pub equal_ago_s: Option<f64>,
}

/// What a gateway said last of itself, as it travels with the membership: as old as its silence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// Vehicles with a socket.
    pub sessions: u64,
    /// How full it is: 0 to 1, of the sockets that it takes.
    pub load: f64,
    /// Where its own log ends.
    pub log_head: U64Text,
}

/// A gateway and its region, as another sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeenGateway {
    /// Its region.
    pub region: String,
    /// The rest.
    #[serde(flatten)]
    pub gateway: Gateway,
}

/// A presence log that a gateway holds, its own included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldLog {
    /// The only gateway that writes it.
    pub owner: String,
    /// In which of its lives.
    pub incarnation: U64Text,
    /// Everything up to here is held.
    pub head: U64Text,
    /// Tombstones up to here may be gone.
    pub floor: U64Text,
    /// Vehicles that it speaks of.
    pub live: u64,
    /// Vehicles that it has let go of.
    pub tombstones: u64,
    /// Over the content without tombstones, 16 hexadecimal digits: equal for equal content.
    pub digest: String,
    /// How much it says of them.
    #[serde(default)]
    pub scope: LogScope,
}

/// How much a log says of its vehicles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogScope {
    /// Every change.
    #[default]
    Detail,
    /// For other regions, where home regions are configured: changes of state. Each region holds the part that it keeps.
    Directory,
}

/// How much a gateway has to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GatewayLoad {
    /// Open sockets of vehicles.
    pub sockets: u64,
    /// Attaches that wait for its disk.
    pub attach_queue: u64,
    /// Attaches that it can take a second, as measured.
    pub attach_rate: f64,
}

/// `GET /v1/gateways`: what one gateway sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GatewayView {
    /// Whose view it is.
    pub seen_by: String,
    /// Its region.
    pub region: String,
    /// Its clock.
    pub time: Instant,
    /// What it has to do.
    pub load: GatewayLoad,
    /// Records acked and kept by it, of all its lives.
    pub acked_records_total: u64,
    /// What its view may lack.
    pub view: ViewStatus,
    /// Every gateway it knows of, itself included.
    pub gateways: Vec<SeenGateway>,
    /// Every log it holds.
    pub logs: Vec<HeldLog>,
}

/// A gateway that did not tell its view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilentGateway {
    /// Its name; none of one that was never heard.
    pub gateway: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// Where it was asked.
    pub operators_url: String,
    /// Why there is no answer.
    pub why: String,
}

/// Whether all that answered hold the same of one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// They do.
    Equal,
    /// Some have not read as far as others: also while vehicles come and go, as they are not asked at one moment.
    Behind,
    /// Some have read equally far and hold different things.
    Differs,
}

/// One log, as all that answered hold it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogAgreement {
    /// The only gateway that writes it.
    pub owner: String,
    /// In which of its lives.
    pub incarnation: U64Text,
    /// How much it says.
    #[serde(default)]
    pub scope: LogScope,
    /// Whether they agree.
    pub agreement: Agreement,
    /// How far it goes where it is held furthest.
    pub head: U64Text,
    /// Who does not hold all of it.
    pub behind: Vec<String>,
}

/// `GET /v1/views`: what every gateway sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Views {
    /// The gateway that asked the others.
    pub gateway: String,
    /// Its clock.
    pub time: Instant,
    /// Its own view, and those of the others that answered.
    pub views: Vec<GatewayView>,
    /// Who did not.
    pub silent: Vec<SilentGateway>,
    /// Whether their copies agree.
    pub logs: Vec<LogAgreement>,
}
