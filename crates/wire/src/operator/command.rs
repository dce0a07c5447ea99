//! Commands and pages, as operators ask for them and are told of them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where a command stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandState {
    /// It waits for the vehicle.
    Queued,
    /// It waits, and a wake-up is under way.
    Paging,
    /// It was handed to the vehicle's socket.
    Sent,
    /// The vehicle will do it.
    Accepted,
    /// The vehicle is at it.
    Running,
    /// It is done.
    Succeeded,
    /// It was tried and did not work, or policy `now` found the vehicle out of reach.
    Failed,
    /// The vehicle will not do it.
    Rejected,
    /// Its time to live ended before it was begun.
    Expired,
    /// It was cancelled before it was begun, or a later one took its place.
    Cancelled,
    /// It may have been done: the vehicle was given it, and no answer came.
    Unknown,
}

impl CommandState {
    /// Every state, in the order in which they come.
    pub const ALL: &[Self] = &[
        Self::Queued,
        Self::Paging,
        Self::Sent,
        Self::Accepted,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Rejected,
        Self::Expired,
        Self::Cancelled,
        Self::Unknown,
    ];

    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Paging => "paging",
            Self::Sent => "sent",
            Self::Accepted => "accepted",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
        }
    }

    /// Whether nothing more will become of it.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Queued | Self::Paging | Self::Sent | Self::Accepted | Self::Running => false,
            Self::Succeeded | Self::Failed | Self::Rejected | Self::Expired | Self::Cancelled | Self::Unknown => true,
        }
    }
}

impl From<waygate_core::commands::State> for CommandState {
    fn from(state: waygate_core::commands::State) -> Self {
        use waygate_core::commands::State;
        match state {
            State::Queued => Self::Queued,
            State::Paging => Self::Paging,
            State::Sent => Self::Sent,
            State::Accepted => Self::Accepted,
            State::Running => Self::Running,
            State::Succeeded => Self::Succeeded,
            State::Failed => Self::Failed,
            State::Rejected => Self::Rejected,
            State::Expired => Self::Expired,
            State::Cancelled => Self::Cancelled,
            State::Unknown => Self::Unknown,
        }
    }
}

/// What is done while the vehicle cannot be given the command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandPolicy {
    /// It fails unless the vehicle is connected or can be woken now.
    #[default]
    Now,
    /// It waits for the next attach.
    Queue,
    /// It waits; a later one with the same key takes its place.
    LatestWins,
}

/// `POST /v1/vehicles/{id}/commands`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewCommand {
    /// What to do: 1 to 64 characters out of `A-Z a-z 0-9 . _ -`.
    pub name: String,
    /// With what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Value>,
    /// Seconds after which it must not be begun any more.
    pub ttl_s: f64,
    /// What is done while the vehicle cannot be given it.
    #[serde(default)]
    pub policy: CommandPolicy,
    /// Of `latest_wins`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whether a vehicle without a socket is woken for it.
    #[serde(default = "yes")]
    pub wake: bool,
}

const fn yes() -> bool {
    true
}

/// Where a command is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// On the disks of two gateways of two regions.
    Safe,
    /// On the disk of one gateway: no other region could be reached.
    Local,
}

/// `GET /v1/commands/{id}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommandInfo {
    /// A UUID, version 7.
    pub id: String,
    /// For whom.
    pub vehicle: String,
    /// What to do.
    pub name: String,
    /// With what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Value>,
    /// What is done while the vehicle cannot be given it.
    pub policy: CommandPolicy,
    /// Of `latest_wins`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Where it stands.
    pub state: CommandState,
    /// Whether nothing more will become of it.
    pub ended: bool,
    /// Where it is kept, if the answering gateway took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durability: Option<Durability>,
    /// Since it was taken.
    pub age_s: f64,
    /// As asked for.
    pub ttl_s: f64,
    /// Until it must not be begun any more; zero once that has passed.
    pub expires_in_s: f64,
    /// How far the vehicle is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// A short name of the reason.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// For a person.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What the vehicle answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// The gateway that took it.
    pub origin: String,
    /// How it came to where it stands, oldest first.
    pub steps: Vec<CommandStepInfo>,
    /// Regions that were not heard when it was looked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_regions: Vec<String>,
}

/// One step of a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommandStepInfo {
    /// Where it stood from then on.
    pub state: CommandState,
    /// How long ago.
    pub age_s: f64,
    /// The gateway at which it happened.
    pub gateway: String,
    /// For a person.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// `GET /v1/vehicles/{id}/commands`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommandList {
    /// Newest first.
    pub commands: Vec<CommandInfo>,
    /// Regions that did not answer.
    pub missing_regions: Vec<String>,
}

/// `POST /v1/vehicles/{id}/page`; an empty body asks with the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NewPage {
    /// Seconds that the answer may take, at most 240.
    pub wait_s: f64,
    /// Whether a vehicle without a socket is woken.
    pub wake: bool,
}

impl Default for NewPage {
    fn default() -> Self {
        Self { wait_s: 30.0, wake: true }
    }
}

/// How a page went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageOutcome {
    /// It answered on its socket.
    Reachable,
    /// It attached after a wake-up.
    Woken,
    /// It was not reached.
    Unreachable,
}

/// The answer to a page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// The vehicle.
    pub vehicle: String,
    /// How it went.
    pub outcome: PageOutcome,
    /// How long it took.
    pub took_s: f64,
    /// The gateway that serves the vehicle, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// For a person: why, and what was tried.
    pub detail: String,
}

/// `POST /v1/vehicles/{id}/snapshot`; an empty body asks for all signals.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NewSnapshot {
    /// Paths; all if none is named.
    pub signals: Vec<String>,
}

/// The vehicle was asked for its signals; they come as telemetry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Always true: a vehicle that could not be asked is a problem.
    pub requested: bool,
    /// The gateway that asked it.
    pub gateway: String,
}
