//! Messages to a vehicle: protobuf ⇄ core.

use crate::command::{command_id, snapshot_from_proto, snapshot_to_proto};
use crate::convert::{
    addresses_from_proto, addresses_to_proto, areas_from_indexes, millis, ranges_from_proto, ranges_to_proto,
};
use crate::error::{FieldFault, WireError, at_most, code};
use crate::proto::{self, downlink::Message};
use waygate_core::cause::{OrderCause, RecordFault, RejectCause, RetryClass};
use waygate_core::epoch::Epoch;
use waygate_core::id::{SessionId, SpoolId};
use waygate_core::limits::{BATCH_RECORDS_MAX, WAKE_KEY_BYTES};
use waygate_core::message::{AttachAccept, AttachReject, Downlink, ErrorReport, TelemetryAck, TrackingAccept};
use waygate_core::time::{Millis, Wall};

/// The names of the messages, as `refers_to` and the JSON form give them.
pub(crate) mod name {
    pub(crate) const ATTACH_ACCEPT: &str = "attach_accept";
    pub(crate) const ATTACH_REJECT: &str = "attach_reject";
    pub(crate) const TELEMETRY_ACK: &str = "telemetry_ack";
    pub(crate) const TRACKING_ACCEPT: &str = "tracking_accept";
    pub(crate) const DETACH_ORDER: &str = "detach_order";
    pub(crate) const TIME_REPLY: &str = "time_reply";
    pub(crate) const ERROR: &str = "error";
    pub(crate) const FLOW_CONTROL: &str = "flow_control";
    pub(crate) const COMMAND: &str = "command";
    pub(crate) const COMMAND_CANCEL: &str = "command_cancel";
    pub(crate) const SNAPSHOT_REQUEST: &str = "snapshot_request";
    pub(crate) const REDIRECT: &str = "redirect";
}

/// The one level of durability that acks promise.
pub(crate) const ACK_LEVEL: &str = "committed";

pub(crate) fn to_proto(downlink: &Downlink) -> Message {
    match downlink {
        Downlink::AttachAccept(m) => Message::AttachAccept(m.as_ref().into()),
        Downlink::AttachReject(m) => Message::AttachReject(proto::AttachReject {
            cause: m.cause.wire().to_owned(),
            class: class_to_proto(m.cause.class()).into(),
            backoff_ms: millis(m.backoff),
            redirect: addresses_to_proto(&m.redirect),
            text: m.text.clone(),
        }),
        Downlink::TelemetryAck(m) => Message::TelemetryAck(proto::TelemetryAck {
            spool: m.spool.0,
            through: m.through,
            ranges: ranges_to_proto(&m.ranges),
            level: ACK_LEVEL.to_owned(),
            rejected: m
                .rejected
                .iter()
                .map(|(seq, fault)| proto::Rejected { seq: *seq, reason: fault.wire().to_owned() })
                .collect(),
        }),
        Downlink::TrackingAccept(m) => Message::TrackingAccept(proto::TrackingAccept {
            areas: m.areas.iter().map(|c| c.index()).collect(),
            timers: Some((&m.timers).into()),
            gateways: addresses_to_proto(&m.gateways),
        }),
        Downlink::DetachOrder { cause, reattach } => Message::DetachOrder(proto::DetachOrder {
            cause: match cause {
                OrderCause::Superseded => proto::DetachOrderCause::Superseded.into(),
                OrderCause::Draining => proto::DetachOrderCause::Draining.into(),
                OrderCause::Revoked => proto::DetachOrderCause::Revoked.into(),
                OrderCause::Policy => proto::DetachOrderCause::Policy.into(),
            },
            reattach: *reattach,
        }),
        Downlink::TimeReply { sent, server_time } => {
            Message::TimeReply(proto::TimeReply { sent_ms: sent.0, server_time_ms: server_time.0 })
        }
        Downlink::Error(m) => Message::Error(proto::Error {
            code: m.code.to_owned(),
            fatal: m.fatal,
            text: m.text.clone(),
            refers_to: m.refers_to.clone(),
        }),
        Downlink::FlowControl { pause, reason } => {
            Message::FlowControl(proto::FlowControl { pause_ms: millis(*pause), reason: reason.clone() })
        }
        Downlink::Command(m) => Message::Command(m.as_ref().into()),
        Downlink::CommandCancel(id) => Message::CommandCancel(proto::CommandCancel { id: id.to_bytes().to_vec() }),
        Downlink::SnapshotRequest(signals) => Message::SnapshotRequest(snapshot_to_proto(signals)),
        Downlink::Redirect(m) => Message::Redirect(m.into()),
    }
}

pub(crate) fn from_proto(message: Message) -> Result<Downlink, WireError> {
    let under = |name: &'static str| move |fault| WireError::malformed(name, fault);
    match message {
        Message::AttachAccept(m) => {
            let accept = AttachAccept::try_from(m).map_err(under(name::ATTACH_ACCEPT))?;
            Ok(Downlink::AttachAccept(Box::new(accept)))
        }
        Message::AttachReject(m) => {
            AttachReject::try_from(m).map(Downlink::AttachReject).map_err(under(name::ATTACH_REJECT))
        }
        Message::TelemetryAck(m) => {
            TelemetryAck::try_from(m).map(Downlink::TelemetryAck).map_err(under(name::TELEMETRY_ACK))
        }
        Message::TrackingAccept(m) => {
            TrackingAccept::try_from(m).map(Downlink::TrackingAccept).map_err(under(name::TRACKING_ACCEPT))
        }
        Message::DetachOrder(m) => {
            let cause = match proto::DetachOrderCause::try_from(m.cause) {
                Ok(proto::DetachOrderCause::Superseded) => OrderCause::Superseded,
                Ok(proto::DetachOrderCause::Draining) => OrderCause::Draining,
                Ok(proto::DetachOrderCause::Revoked) => OrderCause::Revoked,
                Ok(proto::DetachOrderCause::Policy) => OrderCause::Policy,
                Ok(proto::DetachOrderCause::Unspecified) | Err(_) => {
                    let fault = FieldFault::at("cause", format!("{} is not known here", m.cause));
                    return Err(WireError::malformed(name::DETACH_ORDER, fault));
                }
            };
            Ok(Downlink::DetachOrder { cause, reattach: m.reattach })
        }
        Message::TimeReply(m) => Ok(Downlink::TimeReply { sent: Wall(m.sent_ms), server_time: Wall(m.server_time_ms) }),
        Message::Error(m) => Ok(Downlink::Error(error_report(&m.code, m.fatal, m.text, m.refers_to))),
        Message::FlowControl(m) => Ok(Downlink::FlowControl { pause: Millis(m.pause_ms.into()), reason: m.reason }),
        Message::Command(m) => {
            m.try_into().map(|command| Downlink::Command(Box::new(command))).map_err(under(name::COMMAND))
        }
        Message::CommandCancel(m) => {
            command_id(&m.id).map(Downlink::CommandCancel).map_err(under(name::COMMAND_CANCEL))
        }
        Message::SnapshotRequest(m) => {
            snapshot_from_proto(&m).map(Downlink::SnapshotRequest).map_err(under(name::SNAPSHOT_REQUEST))
        }
        Message::Redirect(m) => m.try_into().map(Downlink::Redirect).map_err(under(name::REDIRECT)),
    }
}

impl From<&AttachAccept> for proto::AttachAccept {
    fn from(m: &AttachAccept) -> Self {
        Self {
            token: m.token.clone(),
            epoch: m.epoch.0,
            session: m.session.0,
            server_time_ms: m.server_time.0,
            areas: m.areas.iter().map(|c| c.index()).collect(),
            timers: Some((&m.timers).into()),
            window: Some(proto::Window { records: m.window_records, bytes: m.window_bytes }),
            max_frame_bytes: m.max_frame_bytes,
            ack_level: ACK_LEVEL.to_owned(),
            resume_from: m.resume_from,
            pending_commands: m.pending_commands,
            gateways: addresses_to_proto(&m.gateways),
            wake_key: m.wake_key.clone(),
        }
    }
}

impl TryFrom<proto::AttachAccept> for AttachAccept {
    type Error = FieldFault;

    fn try_from(m: proto::AttachAccept) -> Result<Self, FieldFault> {
        let missing = |path: &str| FieldFault::at(path, "is missing");
        let window = m.window.ok_or_else(|| missing("window"))?;
        Ok(Self {
            token: m.token,
            epoch: Epoch(m.epoch),
            session: SessionId(m.session),
            server_time: Wall(m.server_time_ms),
            areas: areas_from_indexes(m.areas.into_iter())?,
            timers: m.timers.ok_or_else(|| missing("timers"))?.into(),
            window_records: window.records,
            window_bytes: window.bytes,
            max_frame_bytes: m.max_frame_bytes,
            resume_from: m.resume_from,
            pending_commands: m.pending_commands,
            gateways: addresses_from_proto("gateways", m.gateways)?,
            wake_key: checked_wake_key(m.wake_key)?,
        })
    }
}

/// An empty key is none.
pub(crate) fn checked_wake_key(key: Vec<u8>) -> Result<Vec<u8>, FieldFault> {
    match key.is_empty() || key.len() == WAKE_KEY_BYTES {
        true => Ok(key),
        false => Err(FieldFault::at("wake_key", format!("has {} bytes, must have {WAKE_KEY_BYTES}", key.len()))),
    }
}

impl TryFrom<proto::AttachReject> for AttachReject {
    type Error = FieldFault;

    fn try_from(m: proto::AttachReject) -> Result<Self, FieldFault> {
        let class = match proto::RejectClass::try_from(m.class) {
            Ok(proto::RejectClass::RetrySame) => Some(RetryClass::RetrySame),
            Ok(proto::RejectClass::RetryOther) => Some(RetryClass::RetryOther),
            Ok(proto::RejectClass::FixThenRetry) => Some(RetryClass::FixThenRetry),
            Ok(proto::RejectClass::Stop) => Some(RetryClass::Stop),
            Ok(proto::RejectClass::Unspecified) | Err(_) => None,
        };
        Ok(reject(&m.cause, class, m.backoff_ms, addresses_from_proto("redirect", m.redirect)?, m.text))
    }
}

fn class_to_proto(class: RetryClass) -> proto::RejectClass {
    match class {
        RetryClass::RetrySame => proto::RejectClass::RetrySame,
        RetryClass::RetryOther => proto::RejectClass::RetryOther,
        RetryClass::FixThenRetry => proto::RejectClass::FixThenRetry,
        RetryClass::Stop => proto::RejectClass::Stop,
    }
}

/// A cause of a later version reads as a known one of the same class, because the class decides what is done.
pub(crate) fn reject(
    cause: &str,
    class: Option<RetryClass>,
    backoff_ms: u32,
    redirect: Vec<waygate_core::message::GatewayAddress>,
    text: String,
) -> AttachReject {
    let known = RejectCause::ALL.iter().copied().find(|c| c.wire() == cause);
    let (cause, text) = match known {
        Some(cause) => (cause, text),
        None => {
            let stand_in = match class {
                Some(RetryClass::RetrySame) | None => RejectCause::Congestion,
                Some(RetryClass::RetryOther) => RejectCause::Draining,
                Some(RetryClass::FixThenRetry) => RejectCause::BadMessage,
                Some(RetryClass::Stop) => RejectCause::Forbidden,
            };
            (stand_in, format!("{cause}: {text}"))
        }
    };
    AttachReject { cause, backoff: Millis(backoff_ms.into()), redirect, text }
}

/// A code of a later version is kept in the text.
pub(crate) fn error_report(name: &str, fatal: bool, text: String, refers_to: String) -> ErrorReport {
    let code = code::known(name);
    let text = if code == code::OTHER && name != code::OTHER { format!("{name}: {text}") } else { text };
    ErrorReport { code, fatal, text, refers_to }
}

impl TryFrom<proto::TelemetryAck> for TelemetryAck {
    type Error = FieldFault;

    fn try_from(m: proto::TelemetryAck) -> Result<Self, FieldFault> {
        at_most("rejected", m.rejected.len(), BATCH_RECORDS_MAX)?;
        Ok(Self {
            spool: SpoolId(m.spool),
            through: m.through,
            ranges: ranges_from_proto("ranges", &m.ranges)?,
            rejected: m.rejected.into_iter().map(|r| (r.seq, record_fault(&r.reason))).collect(),
        })
    }
}

/// A reason of a later version reads as the most general one; the record is settled either way.
pub(crate) fn record_fault(reason: &str) -> RecordFault {
    let all = [
        RecordFault::PositionOutsideGlobe,
        RecordFault::TimeInFuture,
        RecordFault::TimeBeforeRetention,
        RecordFault::BadSignal,
        RecordFault::BadHeading,
        RecordFault::BadSpeed,
    ];
    all.into_iter().find(|f| f.wire() == reason).unwrap_or(RecordFault::BadSignal)
}

impl TryFrom<proto::TrackingAccept> for TrackingAccept {
    type Error = FieldFault;

    fn try_from(m: proto::TrackingAccept) -> Result<Self, FieldFault> {
        Ok(Self {
            areas: areas_from_indexes(m.areas.into_iter())?,
            timers: m.timers.ok_or_else(|| FieldFault::at("timers", "is missing"))?.into(),
            gateways: addresses_from_proto("gateways", m.gateways)?,
        })
    }
}
