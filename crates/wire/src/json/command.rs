//! Commands and what else is asked of a vehicle: JSON ⇄ core.

use super::downlink::AddressJson;
use super::scalar::{Bounded, I64Text};
use crate::command::{command_json, command_name, command_text};
use crate::convert::{LIST_MAX, millis, seconds};
use crate::error::FieldFault;
use crate::uplink::checked_catalogue;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use waygate_core::command::{Command, CommandId, CommandStatus, Policy, VehicleVerdict};
use waygate_core::limits::SIGNALS_MAX;
use waygate_core::message::{Redirect, RedirectReason, Suspend};
use waygate_core::record::SignalPath;
use waygate_core::time::{Millis, Wall};
use waygate_core::wake::{WakeChannel, WakeChannels};

/// Names of channels; those of a later version are left out.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct WakeJson(Bounded<String, LIST_MAX>);

impl WakeJson {
    pub(super) fn is_empty(&self) -> bool {
        self.0.0.is_empty()
    }
}

impl From<&WakeJson> for WakeChannels {
    fn from(m: &WakeJson) -> Self {
        m.0.0.iter().filter_map(|name| WakeChannel::from_wire(name)).collect()
    }
}

impl From<WakeChannels> for WakeJson {
    fn from(wake: WakeChannels) -> Self {
        Self(Bounded(wake.iter().map(|channel| channel.wire().to_owned()).collect()))
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct SuspendJson {
    #[serde(default)]
    active_s: u32,
    #[serde(default)]
    sleep_s: u32,
    #[serde(default, skip_serializing_if = "WakeJson::is_empty")]
    wake: WakeJson,
}

impl From<SuspendJson> for Suspend {
    fn from(m: SuspendJson) -> Self {
        Self { active: Millis::secs(m.active_s.into()), sleep: Millis::secs(m.sleep_s.into()), wake: (&m.wake).into() }
    }
}

impl From<&Suspend> for SuspendJson {
    fn from(m: &Suspend) -> Self {
        Self { active_s: seconds(m.active), sleep_s: seconds(m.sleep), wake: m.wake.into() }
    }
}

/// A command's id as text.
pub(super) fn id_from_json(text: &str) -> Result<CommandId, FieldFault> {
    text.parse().map_err(|error: waygate_core::command::BadCommandId| FieldFault::at("id", error.to_string()))
}

fn json_text(path: &'static str, value: Option<Value>) -> Result<String, FieldFault> {
    command_json(path, value.map(|value| value.to_string()).unwrap_or_default())
}

/// Empty is none. Anything else is a value: what could not be read as one was refused when it came, in either form.
fn json_value(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PolicyJson {
    Queue,
    LatestWins,
    /// A policy of a later version concerns the gateway.
    #[default]
    #[serde(other)]
    Now,
}

#[derive(Serialize, Deserialize)]
pub(super) struct CommandJson {
    id: String,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    arguments: Option<Value>,
    #[serde(default)]
    issued: I64Text,
    ttl_ms: u32,
    #[serde(default)]
    sent: I64Text,
    #[serde(default)]
    policy: PolicyJson,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    key: String,
}

impl TryFrom<CommandJson> for Command {
    type Error = FieldFault;

    fn try_from(m: CommandJson) -> Result<Self, FieldFault> {
        Ok(Self {
            id: id_from_json(&m.id)?,
            name: command_name(&m.name)?,
            arguments: json_text("arguments", m.arguments)?,
            issued: Wall(m.issued.0),
            ttl: Millis(m.ttl_ms.into()),
            sent: Wall(m.sent.0),
            policy: match m.policy {
                PolicyJson::Now => Policy::Now,
                PolicyJson::Queue => Policy::Queue,
                PolicyJson::LatestWins => Policy::LatestWins(command_text("key", m.key)?),
            },
        })
    }
}

impl From<&Command> for CommandJson {
    fn from(m: &Command) -> Self {
        Self {
            id: m.id.to_string(),
            name: m.name.as_str().to_owned(),
            arguments: json_value(&m.arguments),
            issued: I64Text(m.issued.0),
            ttl_ms: millis(m.ttl),
            sent: I64Text(m.sent.0),
            policy: match m.policy {
                Policy::Now => PolicyJson::Now,
                Policy::Queue => PolicyJson::Queue,
                Policy::LatestWins(_) => PolicyJson::LatestWins,
            },
            key: m.policy.key().unwrap_or_default().to_owned(),
        }
    }
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum VerdictJson {
    Accepted,
    Rejected,
    Running,
    Succeeded,
    Failed,
    Duplicate,
    Expired,
    Cancelled,
}

#[derive(Serialize, Deserialize)]
pub(super) struct CommandStatusJson {
    id: String,
    state: VerdictJson,
    /// Above 100 it counts as 100.
    #[serde(default, skip_serializing_if = "is_zero")]
    percent: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    code: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
}

fn is_zero(percent: &u32) -> bool {
    *percent == 0
}

impl TryFrom<CommandStatusJson> for CommandStatus {
    type Error = FieldFault;

    fn try_from(m: CommandStatusJson) -> Result<Self, FieldFault> {
        Ok(Self {
            id: id_from_json(&m.id)?,
            verdict: match m.state {
                VerdictJson::Accepted => VehicleVerdict::Accepted,
                VerdictJson::Rejected => VehicleVerdict::Rejected,
                VerdictJson::Running => VehicleVerdict::Running(m.percent.min(100) as u8),
                VerdictJson::Succeeded => VehicleVerdict::Succeeded,
                VerdictJson::Failed => VehicleVerdict::Failed,
                VerdictJson::Duplicate => VehicleVerdict::Duplicate,
                VerdictJson::Expired => VehicleVerdict::Expired,
                VerdictJson::Cancelled => VehicleVerdict::Cancelled,
            },
            code: command_text("code", m.code)?,
            text: command_text("text", m.text)?,
            result: json_text("result", m.result)?,
        })
    }
}

impl From<&CommandStatus> for CommandStatusJson {
    fn from(m: &CommandStatus) -> Self {
        let mut percent = 0;
        let state = match m.verdict {
            VehicleVerdict::Accepted => VerdictJson::Accepted,
            VehicleVerdict::Rejected => VerdictJson::Rejected,
            VehicleVerdict::Running(so_far) => {
                percent = so_far.into();
                VerdictJson::Running
            }
            VehicleVerdict::Succeeded => VerdictJson::Succeeded,
            VehicleVerdict::Failed => VerdictJson::Failed,
            VehicleVerdict::Duplicate => VerdictJson::Duplicate,
            VehicleVerdict::Expired => VerdictJson::Expired,
            VehicleVerdict::Cancelled => VerdictJson::Cancelled,
        };
        let (code, text, result) = (m.code.clone(), m.text.clone(), json_value(&m.result));
        Self { id: m.id.to_string(), state, percent, code, text, result }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct CommandCancelJson {
    pub(super) id: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SnapshotRequestJson {
    #[serde(default)]
    signals: Bounded<String, SIGNALS_MAX>,
}

impl TryFrom<SnapshotRequestJson> for Vec<SignalPath> {
    type Error = FieldFault;

    fn try_from(m: SnapshotRequestJson) -> Result<Self, FieldFault> {
        checked_catalogue(&m.signals.0)
    }
}

impl From<&[SignalPath]> for SnapshotRequestJson {
    fn from(signals: &[SignalPath]) -> Self {
        Self { signals: Bounded(signals.iter().map(|path| path.as_str().to_owned()).collect()) }
    }
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RedirectReasonJson {
    Moved,
    Draining,
    /// A reason of a later version leads to the same.
    #[default]
    #[serde(other)]
    Balance,
}

#[derive(Serialize, Deserialize)]
pub(super) struct RedirectJson {
    targets: Bounded<AddressJson, LIST_MAX>,
    #[serde(default)]
    reason: RedirectReasonJson,
    #[serde(default)]
    deadline_ms: u32,
}

impl From<RedirectJson> for Redirect {
    fn from(m: RedirectJson) -> Self {
        Self {
            targets: m.targets.0.into_iter().map(Into::into).collect(),
            reason: match m.reason {
                RedirectReasonJson::Moved => RedirectReason::Moved,
                RedirectReasonJson::Draining => RedirectReason::Draining,
                RedirectReasonJson::Balance => RedirectReason::Balance,
            },
            deadline: Millis(m.deadline_ms.into()),
        }
    }
}

impl From<&Redirect> for RedirectJson {
    fn from(m: &Redirect) -> Self {
        Self {
            targets: super::downlink::addresses(&m.targets),
            reason: match m.reason {
                RedirectReason::Moved => RedirectReasonJson::Moved,
                RedirectReason::Draining => RedirectReasonJson::Draining,
                RedirectReason::Balance => RedirectReasonJson::Balance,
            },
            deadline_ms: millis(m.deadline),
        }
    }
}
