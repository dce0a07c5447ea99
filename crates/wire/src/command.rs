//! Commands and what else is asked of a vehicle: protobuf ⇄ core.

use crate::convert::{addresses_from_proto, addresses_to_proto, millis, seconds};
use crate::error::{FieldFault, at_most, text_at_most};
use crate::proto;
use crate::uplink::checked_catalogue;
use waygate_core::command::{Command, CommandId, CommandName, CommandStatus, Policy, VehicleVerdict};
use waygate_core::limits::{COMMAND_JSON_BYTES_MAX, COMMAND_TEXT_BYTES_MAX};
use waygate_core::message::{Redirect, RedirectReason, Suspend};
use waygate_core::record::SignalPath;
use waygate_core::time::{Millis, Wall};
use waygate_core::wake::{WakeChannel, WakeChannels};

/// Channels of a later version are left out: they cannot be used from here.
pub(crate) fn wake_from_proto(channels: &[i32]) -> WakeChannels {
    let known = channels.iter().filter_map(|channel| match proto::WakeChannel::try_from(*channel) {
        Ok(proto::WakeChannel::Sms) => Some(WakeChannel::Sms),
        Ok(proto::WakeChannel::Mqtt) => Some(WakeChannel::Mqtt),
        Ok(proto::WakeChannel::Unspecified) | Err(_) => None,
    });
    known.collect()
}

pub(crate) fn wake_to_proto(wake: WakeChannels) -> Vec<i32> {
    let number = |channel| match channel {
        WakeChannel::Sms => proto::WakeChannel::Sms.into(),
        WakeChannel::Mqtt => proto::WakeChannel::Mqtt.into(),
    };
    wake.iter().map(number).collect()
}

impl From<&proto::Suspend> for Suspend {
    fn from(m: &proto::Suspend) -> Self {
        Self {
            active: Millis::secs(m.active_s.into()),
            sleep: Millis::secs(m.sleep_s.into()),
            wake: wake_from_proto(&m.wake),
        }
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

/// Text that is JSON, or empty, within the limit.
pub(crate) fn command_json(path: &'static str, text: String) -> Result<String, FieldFault> {
    text_at_most(path, &text, COMMAND_JSON_BYTES_MAX)?;
    match text.is_empty() || serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok() {
        true => Ok(text),
        false => Err(FieldFault::at(path, "is not JSON")),
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
        at_most("targets", m.targets.len(), crate::convert::LIST_MAX)?;
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
