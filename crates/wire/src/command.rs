//! Commands and what else is asked of a vehicle: protobuf ⇄ core.

use crate::convert::{LIST_MAX, addresses_from_proto, addresses_to_proto, millis, seconds};
use crate::error::{FieldFault, at_most, text_at_most};
use crate::proto;
use crate::uplink::checked_catalogue;
use serde_json::Value;
use waygate_core::command::{Command, CommandId, CommandName, CommandStatus, Policy, VehicleVerdict};
use waygate_core::limits::{COMMAND_JSON_BYTES_MAX, COMMAND_TEXT_BYTES_MAX};
use waygate_core::message::{Redirect, RedirectReason, Suspend};
use waygate_core::record::SignalPath;
use waygate_core::time::{Millis, Wall};
use waygate_core::wake::{WakeChannel, WakeChannels};

/// Channels of a later version are left out: they cannot be used from here.
pub(crate) fn wake_from_proto(channels: &[i32]) -> Result<WakeChannels, FieldFault> {
    at_most("wake", channels.len(), LIST_MAX)?;
    let known = channels.iter().filter_map(|channel| match proto::WakeChannel::try_from(*channel) {
        Ok(proto::WakeChannel::Sms) => Some(WakeChannel::Sms),
        Ok(proto::WakeChannel::Mqtt) => Some(WakeChannel::Mqtt),
        Ok(proto::WakeChannel::Unspecified) | Err(_) => None,
    });
    Ok(known.collect())
}

pub(crate) fn wake_to_proto(wake: WakeChannels) -> Vec<i32> {
    let number = |channel| match channel {
        WakeChannel::Sms => proto::WakeChannel::Sms.into(),
        WakeChannel::Mqtt => proto::WakeChannel::Mqtt.into(),
    };
    wake.iter().map(number).collect()
}

impl TryFrom<&proto::Suspend> for Suspend {
    type Error = FieldFault;

    fn try_from(m: &proto::Suspend) -> Result<Self, FieldFault> {
        Ok(Self {
            active: Millis::secs(m.active_s.into()),
            sleep: Millis::secs(m.sleep_s.into()),
            wake: wake_from_proto(&m.wake)?,
        })
    }
}

impl From<&Suspend> for proto::Suspend {
    fn from(m: &Suspend) -> Self {
        Self { active_s: seconds(m.active), sleep_s: seconds(m.sleep), wake: wake_to_proto(m.wake) }
    }
}

pub(crate) fn command_id(bytes: &[u8]) -> Result<CommandId, FieldFault> {
    CommandId::from_bytes(bytes).ok_or_else(|| FieldFault::at("id", "must have 16 bytes, a UUID"))
}

pub(crate) fn command_name(text: &str) -> Result<CommandName, FieldFault> {
    let what = "must be 1 to 64 characters out of A-Z a-z 0-9 . _ -";
    CommandName::new(text).ok_or_else(|| FieldFault::at("name", what))
}

/// How deep the arguments or the result of a command are nested at most, in lists and objects. Readers give up at 128, and
/// the messages and answers that hold it are a few deep themselves.
pub const COMMAND_JSON_DEPTH_MAX: usize = 120;

/// Whether this can be the arguments or the result of a command: JSON, or empty.
///
/// It is read as a value, because that is what the JSON form makes of it: a number beyond an f64 would be lost there.
pub fn is_command_json(text: &str) -> bool {
    let fits = |value: Value| depth(&value) <= COMMAND_JSON_DEPTH_MAX;
    text.is_empty() || serde_json::from_str(text).is_ok_and(fits)
}

/// Recurses no deeper than the reader that made the value.
fn depth(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Object(values) => 1 + values.values().map(depth).max().unwrap_or(0),
    }
}

/// Text that is JSON, or empty, within the limit.
pub(crate) fn command_json(path: &'static str, text: String) -> Result<String, FieldFault> {
    text_at_most(path, &text, COMMAND_JSON_BYTES_MAX)?;
    match is_command_json(&text) {
        true => Ok(text),
        false => Err(FieldFault::at(path, "is not JSON, has a number beyond a double, or is nested too deep")),
    }
}

pub(crate) fn command_text(path: &'static str, text: String) -> Result<String, FieldFault> {
    text_at_most(path, &text, COMMAND_TEXT_BYTES_MAX)?;
    Ok(text)
}

impl TryFrom<proto::Command> for Command {
    type Error = FieldFault;

    fn try_from(m: proto::Command) -> Result<Self, FieldFault> {
        Ok(Self {
            id: command_id(&m.id)?,
            name: command_name(&m.name)?,
            arguments: command_json("arguments", m.arguments)?,
            issued: Wall(m.issued_ms),
            ttl: Millis(m.ttl_ms.into()),
            sent: Wall(m.sent_ms),
            policy: match proto::CommandPolicy::try_from(m.policy) {
                // A policy of a later version concerns the gateway.
                Ok(proto::CommandPolicy::Now) | Err(_) => Policy::Now,
                Ok(proto::CommandPolicy::Queue) => Policy::Queue,
                Ok(proto::CommandPolicy::LatestWins) => Policy::LatestWins(command_text("key", m.key)?),
            },
        })
    }
}

impl From<&Command> for proto::Command {
    fn from(m: &Command) -> Self {
        Self {
            id: m.id.to_bytes().to_vec(),
            name: m.name.as_str().to_owned(),
            arguments: m.arguments.clone(),
            issued_ms: m.issued.0,
            ttl_ms: millis(m.ttl),
            policy: match m.policy {
                Policy::Now => proto::CommandPolicy::Now.into(),
                Policy::Queue => proto::CommandPolicy::Queue.into(),
                Policy::LatestWins(_) => proto::CommandPolicy::LatestWins.into(),
            },
            key: m.policy.key().unwrap_or_default().to_owned(),
            sent_ms: m.sent.0,
        }
    }
}

impl TryFrom<proto::CommandStatus> for CommandStatus {
    type Error = FieldFault;

    fn try_from(m: proto::CommandStatus) -> Result<Self, FieldFault> {
        let unknown = || FieldFault::at("state", format!("{} is not known here", m.state));
        let verdict = match proto::CommandState::try_from(m.state).map_err(|_| unknown())? {
            proto::CommandState::Unspecified => return Err(unknown()),
            proto::CommandState::Accepted => VehicleVerdict::Accepted,
            proto::CommandState::Rejected => VehicleVerdict::Rejected,
            proto::CommandState::Running => VehicleVerdict::Running(m.percent.min(100) as u8),
            proto::CommandState::Succeeded => VehicleVerdict::Succeeded,
            proto::CommandState::Failed => VehicleVerdict::Failed,
            proto::CommandState::Duplicate => VehicleVerdict::Duplicate,
            proto::CommandState::Expired => VehicleVerdict::Expired,
            proto::CommandState::Cancelled => VehicleVerdict::Cancelled,
        };
        Ok(Self {
            id: command_id(&m.id)?,
            verdict,
            code: command_text("code", m.code)?,
            text: command_text("text", m.text)?,
            result: command_json("result", m.result)?,
        })
    }
}

impl From<&CommandStatus> for proto::CommandStatus {
    fn from(m: &CommandStatus) -> Self {
        let mut percent = 0;
        let state = match m.verdict {
            VehicleVerdict::Accepted => proto::CommandState::Accepted,
            VehicleVerdict::Rejected => proto::CommandState::Rejected,
            VehicleVerdict::Running(so_far) => {
                percent = so_far;
                proto::CommandState::Running
            }
            VehicleVerdict::Succeeded => proto::CommandState::Succeeded,
            VehicleVerdict::Failed => proto::CommandState::Failed,
            VehicleVerdict::Duplicate => proto::CommandState::Duplicate,
            VehicleVerdict::Expired => proto::CommandState::Expired,
            VehicleVerdict::Cancelled => proto::CommandState::Cancelled,
        };
        Self {
            id: m.id.to_bytes().to_vec(),
            state: state.into(),
            percent: percent.into(),
            code: m.code.clone(),
            text: m.text.clone(),
            result: m.result.clone(),
        }
    }
}

pub(crate) fn snapshot_from_proto(m: &proto::SnapshotRequest) -> Result<Vec<SignalPath>, FieldFault> {
    checked_catalogue(&m.signals)
}

pub(crate) fn snapshot_to_proto(signals: &[SignalPath]) -> proto::SnapshotRequest {
    proto::SnapshotRequest { signals: signals.iter().map(|path| path.as_str().to_owned()).collect() }
}

impl TryFrom<proto::Redirect> for Redirect {
    type Error = FieldFault;

    fn try_from(m: proto::Redirect) -> Result<Self, FieldFault> {
        at_most("targets", m.targets.len(), LIST_MAX)?;
        Ok(Self {
            targets: addresses_from_proto("targets", m.targets)?,
            reason: match proto::RedirectReason::try_from(m.reason) {
                Ok(proto::RedirectReason::Moved) => RedirectReason::Moved,
                Ok(proto::RedirectReason::Draining) => RedirectReason::Draining,
                // A reason of a later version leads to the same.
                Ok(proto::RedirectReason::Balance | proto::RedirectReason::Unspecified) | Err(_) => {
                    RedirectReason::Balance
                }
            },
            deadline: Millis(m.deadline_ms.into()),
        })
    }
}

impl From<&Redirect> for proto::Redirect {
    fn from(m: &Redirect) -> Self {
        Self {
            targets: addresses_to_proto(&m.targets),
            reason: match m.reason {
                RedirectReason::Moved => proto::RedirectReason::Moved.into(),
                RedirectReason::Draining => proto::RedirectReason::Draining.into(),
                RedirectReason::Balance => proto::RedirectReason::Balance.into(),
            },
            deadline_ms: millis(m.deadline),
        }
    }
}
