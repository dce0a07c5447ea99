//! Messages to a vehicle: JSON ⇄ core.

use super::command::{CommandCancelJson, CommandJson, RedirectJson, SnapshotRequestJson, id_from_json};
use super::scalar::{Base64, Bounded, CellText, I64Text, U64Text};
use super::uplink::{RangeJson, ranges_from_json, ranges_to_json};
use super::{echo, message, type_of, write};
use crate::convert::{LIST_MAX, areas_from_indexes, millis, seconds, told};
use crate::downlink::{ACK_LEVEL, checked_wake_key, error_report, name, record_fault, reject};
use crate::error::{FieldFault, WireError};
use serde::{Deserialize, Serialize};
use waygate_core::cause::{OrderCause, RetryClass};
use waygate_core::epoch::Epoch;
use waygate_core::id::{SessionId, SpoolId};
use waygate_core::limits::{BATCH_RECORDS_MAX, SPOOL_RANGES_MAX};
use waygate_core::message::{AttachAccept, AttachReject, Downlink, GatewayAddress, TelemetryAck, TrackingAccept};
use waygate_core::time::{Millis, Wall};
use waygate_core::timers::Timers;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum DownlinkJson {
    AttachAccept(AttachAcceptJson),
    AttachReject(AttachRejectJson),
    TelemetryAck(TelemetryAckJson),
    TrackingAccept(TrackingAcceptJson),
    DetachOrder(DetachOrderJson),
    TimeReply(TimeReplyJson),
    Error(ErrorJson),
    FlowControl(FlowControlJson),
    Command(CommandJson),
    CommandCancel(CommandCancelJson),
    SnapshotRequest(SnapshotRequestJson),
    Redirect(RedirectJson),
}

/// Reads a message from a gateway.
pub(crate) fn decode(frame: &[u8]) -> Result<Downlink, WireError> {
    let kind = type_of(frame)?;
    let malformed = |fault: FieldFault| WireError::malformed(&kind, fault);
    match kind.as_ref() {
        name::ATTACH_ACCEPT => {
            let accept = AttachAccept::try_from(message::<AttachAcceptJson>(&kind, frame)?).map_err(malformed)?;
            Ok(Downlink::AttachAccept(Box::new(accept)))
        }
        name::ATTACH_REJECT => Ok(Downlink::AttachReject(message::<AttachRejectJson>(&kind, frame)?.into())),
        name::TELEMETRY_ACK => {
            let ack = TelemetryAck::try_from(message::<TelemetryAckJson>(&kind, frame)?).map_err(malformed)?;
            Ok(Downlink::TelemetryAck(ack))
        }
        name::TRACKING_ACCEPT => {
            let m: TrackingAcceptJson = message(&kind, frame)?;
            Ok(Downlink::TrackingAccept(TrackingAccept {
                areas: areas_from_json(&m.areas).map_err(malformed)?,
                timers: m.timers.into(),
                gateways: m.gateways.0.into_iter().map(Into::into).collect(),
            }))
        }
        name::DETACH_ORDER => {
            let m: DetachOrderJson = message(&kind, frame)?;
            let cause = match m.cause {
                OrderCauseJson::Superseded => OrderCause::Superseded,
                OrderCauseJson::Draining => OrderCause::Draining,
                OrderCauseJson::Revoked => OrderCause::Revoked,
                OrderCauseJson::Policy => OrderCause::Policy,
            };
            Ok(Downlink::DetachOrder { cause, reattach: m.reattach })
        }
        name::TIME_REPLY => {
            let m: TimeReplyJson = message(&kind, frame)?;
            Ok(Downlink::TimeReply { sent: Wall(m.sent.0), server_time: Wall(m.server_time.0) })
        }
        name::ERROR => {
            let m: ErrorJson = message(&kind, frame)?;
            Ok(Downlink::Error(error_report(&m.code, m.fatal, m.text, m.refers_to)))
        }
        name::FLOW_CONTROL => {
            let m: FlowControlJson = message(&kind, frame)?;
            Ok(Downlink::FlowControl { pause: Millis(m.pause_ms.into()), reason: m.reason })
        }
        name::COMMAND => {
            let command = message::<CommandJson>(&kind, frame)?.try_into().map_err(malformed)?;
            Ok(Downlink::Command(Box::new(command)))
        }
        name::COMMAND_CANCEL => {
            let m: CommandCancelJson = message(&kind, frame)?;
            id_from_json(&m.id).map(Downlink::CommandCancel).map_err(malformed)
        }
        name::SNAPSHOT_REQUEST => {
            let m: SnapshotRequestJson = message(&kind, frame)?;
            m.try_into().map(Downlink::SnapshotRequest).map_err(malformed)
        }
        name::REDIRECT => Ok(Downlink::Redirect(message::<RedirectJson>(&kind, frame)?.into())),
        other => Err(WireError::unknown(echo(other))),
    }
}

/// Writes a message of a gateway.
pub(crate) fn encode(downlink: &Downlink) -> Vec<u8> {
    let json = match downlink {
        Downlink::AttachAccept(m) => DownlinkJson::AttachAccept(m.as_ref().into()),
        Downlink::AttachReject(m) => DownlinkJson::AttachReject(m.into()),
        Downlink::TelemetryAck(m) => DownlinkJson::TelemetryAck(m.into()),
        Downlink::TrackingAccept(m) => DownlinkJson::TrackingAccept(TrackingAcceptJson {
            areas: Bounded(m.areas.iter().map(|c| CellText(c.index())).collect()),
            timers: (&m.timers).into(),
            gateways: addresses(&m.gateways),
        }),
        Downlink::DetachOrder { cause, reattach } => DownlinkJson::DetachOrder(DetachOrderJson {
            cause: match cause {
                OrderCause::Superseded => OrderCauseJson::Superseded,
                OrderCause::Draining => OrderCauseJson::Draining,
                OrderCause::Revoked => OrderCauseJson::Revoked,
                OrderCause::Policy => OrderCauseJson::Policy,
            },
            reattach: *reattach,
        }),
        Downlink::TimeReply { sent, server_time } => {
            DownlinkJson::TimeReply(TimeReplyJson { sent: I64Text(sent.0), server_time: I64Text(server_time.0) })
        }
        Downlink::Error(m) => DownlinkJson::Error(ErrorJson {
            code: m.code.to_owned(),
            fatal: m.fatal,
            text: m.text.clone(),
            refers_to: m.refers_to.clone(),
        }),
        Downlink::FlowControl { pause, reason } => {
            DownlinkJson::FlowControl(FlowControlJson { pause_ms: millis(*pause), reason: reason.clone() })
        }
        Downlink::Command(m) => DownlinkJson::Command(m.as_ref().into()),
        Downlink::CommandCancel(id) => DownlinkJson::CommandCancel(CommandCancelJson { id: id.to_string() }),
        Downlink::SnapshotRequest(signals) => DownlinkJson::SnapshotRequest(signals.as_slice().into()),
        Downlink::Redirect(m) => DownlinkJson::Redirect(m.into()),
    };
    write(&json)
}

#[derive(Serialize, Deserialize)]
struct AttachAcceptJson {
    token: Base64,
    epoch: U64Text,
    session: U64Text,
    server_time: I64Text,
    #[serde(default)]
    areas: Bounded<CellText, LIST_MAX>,
    timers: TimersJson,
    window: WindowJson,
    max_frame_bytes: u32,
    #[serde(default)]
    ack_level: String,
    resume_from: U64Text,
    #[serde(default)]
    pending_commands: u32,
    #[serde(default)]
    gateways: Bounded<AddressJson, LIST_MAX>,
    #[serde(default, skip_serializing_if = "no_bytes")]
    wake_key: Base64,
}

fn no_bytes(bytes: &Base64) -> bool {
    bytes.0.is_empty()
}

#[derive(Serialize, Deserialize)]
struct WindowJson {
    records: u32,
    bytes: u32,
}

#[derive(Serialize, Deserialize)]
struct TimersJson {
    ping_s: u32,
    pong_s: u32,
    hold_s: u32,
    periodic_update_s: u32,
    #[serde(default)]
    active_s: u32,
    #[serde(default)]
    sleep_s: u32,
}

impl From<&Timers> for TimersJson {
    fn from(t: &Timers) -> Self {
        Self {
            ping_s: seconds(t.ping),
            pong_s: seconds(t.pong),
            hold_s: seconds(t.hold),
            periodic_update_s: seconds(t.periodic_update),
            active_s: seconds(t.active),
            sleep_s: seconds(t.sleep),
        }
    }
}

/// The timers a vehicle was told; those it is not told keep their defaults.
impl From<TimersJson> for Timers {
    fn from(t: TimersJson) -> Self {
        Self {
            ping: Millis::secs(t.ping_s.into()),
            pong: Millis::secs(t.pong_s.into()),
            hold: Millis::secs(t.hold_s.into()),
            periodic_update: Millis::secs(t.periodic_update_s.into()),
            active: told(t.active_s, Self::default().active),
            sleep: told(t.sleep_s, Self::default().sleep),
            ..Self::default()
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct AddressJson {
    region: String,
    url: String,
}

impl From<AddressJson> for GatewayAddress {
    fn from(a: AddressJson) -> Self {
        Self { region: a.region, url: a.url }
    }
}

pub(super) fn addresses(gateways: &[GatewayAddress]) -> Bounded<AddressJson, LIST_MAX> {
    Bounded(gateways.iter().map(|g| AddressJson { region: g.region.clone(), url: g.url.clone() }).collect())
}

fn areas_from_json(areas: &Bounded<CellText, LIST_MAX>) -> Result<Vec<waygate_core::cell::Cell>, FieldFault> {
    areas_from_indexes(areas.0.iter().map(|cell| cell.0))
}

impl From<&AttachAccept> for AttachAcceptJson {
    fn from(m: &AttachAccept) -> Self {
        Self {
            token: Base64(m.token.clone()),
            epoch: U64Text(m.epoch.0),
            session: U64Text(m.session.0),
            server_time: I64Text(m.server_time.0),
            areas: Bounded(m.areas.iter().map(|c| CellText(c.index())).collect()),
            timers: (&m.timers).into(),
            window: WindowJson { records: m.window_records, bytes: m.window_bytes },
            max_frame_bytes: m.max_frame_bytes,
            ack_level: ACK_LEVEL.to_owned(),
            resume_from: U64Text(m.resume_from),
            pending_commands: m.pending_commands,
            gateways: addresses(&m.gateways),
            wake_key: Base64(m.wake_key.clone()),
        }
    }
}

impl TryFrom<AttachAcceptJson> for AttachAccept {
    type Error = FieldFault;

    fn try_from(m: AttachAcceptJson) -> Result<Self, FieldFault> {
        Ok(Self {
            token: m.token.0,
            epoch: Epoch(m.epoch.0),
            session: SessionId(m.session.0),
            server_time: Wall(m.server_time.0),
            areas: areas_from_json(&m.areas)?,
            timers: m.timers.into(),
            window_records: m.window.records,
            window_bytes: m.window.bytes,
            max_frame_bytes: m.max_frame_bytes,
            resume_from: m.resume_from.0,
            pending_commands: m.pending_commands,
            gateways: m.gateways.0.into_iter().map(Into::into).collect(),
            wake_key: checked_wake_key(m.wake_key.0)?,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct AttachRejectJson {
    cause: String,
    #[serde(default)]
    class: Option<ClassJson>,
    #[serde(default)]
    backoff_ms: u32,
    #[serde(default)]
    redirect: Bounded<AddressJson, LIST_MAX>,
    #[serde(default)]
    text: String,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ClassJson {
    RetrySame,
    RetryOther,
    FixThenRetry,
    Stop,
}

impl From<&AttachReject> for AttachRejectJson {
    fn from(m: &AttachReject) -> Self {
        Self {
            cause: m.cause.wire().to_owned(),
            class: Some(match m.cause.class() {
                RetryClass::RetrySame => ClassJson::RetrySame,
                RetryClass::RetryOther => ClassJson::RetryOther,
                RetryClass::FixThenRetry => ClassJson::FixThenRetry,
                RetryClass::Stop => ClassJson::Stop,
            }),
            backoff_ms: millis(m.backoff),
            redirect: addresses(&m.redirect),
            text: m.text.clone(),
        }
    }
}

impl From<AttachRejectJson> for AttachReject {
    fn from(m: AttachRejectJson) -> Self {
        let class = m.class.map(|class| match class {
            ClassJson::RetrySame => RetryClass::RetrySame,
            ClassJson::RetryOther => RetryClass::RetryOther,
            ClassJson::FixThenRetry => RetryClass::FixThenRetry,
            ClassJson::Stop => RetryClass::Stop,
        });
        reject(&m.cause, class, m.backoff_ms, m.redirect.0.into_iter().map(Into::into).collect(), m.text)
    }
}

#[derive(Serialize, Deserialize)]
struct TelemetryAckJson {
    spool: U64Text,
    through: U64Text,
    #[serde(default)]
    ranges: Bounded<RangeJson, SPOOL_RANGES_MAX>,
    #[serde(default)]
    level: String,
    #[serde(default)]
    rejected: Bounded<RejectedJson, BATCH_RECORDS_MAX>,
}

#[derive(Serialize, Deserialize)]
struct RejectedJson {
    seq: U64Text,
    reason: String,
}

impl From<&TelemetryAck> for TelemetryAckJson {
    fn from(m: &TelemetryAck) -> Self {
        let rejected = |(seq, fault): &(u64, waygate_core::cause::RecordFault)| RejectedJson {
            seq: U64Text(*seq),
            reason: fault.wire().to_owned(),
        };
        Self {
            spool: U64Text(m.spool.0),
            through: U64Text(m.through),
            ranges: ranges_to_json(&m.ranges),
            level: ACK_LEVEL.to_owned(),
            rejected: Bounded(m.rejected.iter().map(rejected).collect()),
        }
    }
}

impl TryFrom<TelemetryAckJson> for TelemetryAck {
    type Error = FieldFault;

    fn try_from(m: TelemetryAckJson) -> Result<Self, FieldFault> {
        Ok(Self {
            spool: SpoolId(m.spool.0),
            through: m.through.0,
            ranges: ranges_from_json("ranges", &m.ranges)?,
            rejected: m.rejected.0.into_iter().map(|r| (r.seq.0, record_fault(&r.reason))).collect(),
        })
    }
}

#[derive(Serialize, Deserialize)]
struct TrackingAcceptJson {
    #[serde(default)]
    areas: Bounded<CellText, LIST_MAX>,
    timers: TimersJson,
    #[serde(default)]
    gateways: Bounded<AddressJson, LIST_MAX>,
}

#[derive(Serialize, Deserialize)]
struct DetachOrderJson {
    cause: OrderCauseJson,
    #[serde(default)]
    reattach: bool,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OrderCauseJson {
    Superseded,
    Draining,
    Revoked,
    Policy,
}

#[derive(Serialize, Deserialize)]
struct TimeReplyJson {
    sent: I64Text,
    server_time: I64Text,
}

#[derive(Serialize, Deserialize)]
struct ErrorJson {
    code: String,
    #[serde(default)]
    fatal: bool,
    #[serde(default)]
    text: String,
    #[serde(default)]
    refers_to: String,
}

#[derive(Serialize, Deserialize)]
struct FlowControlJson {
    pause_ms: u32,
    #[serde(default)]
    reason: String,
}
