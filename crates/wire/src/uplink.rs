//! Messages from a vehicle: protobuf ⇄ core.

use crate::command::{wake_from_proto, wake_to_proto};
use crate::convert::{ranges_from_proto, ranges_to_proto};
use crate::error::{FieldFault, WireError, at_most, text_at_most};
use crate::proto::{self, uplink::Message};
use crate::telemetry::{telemetry_from_proto, telemetry_to_proto};
use waygate_core::cause::DetachCause;
use waygate_core::id::{SpoolId, VehicleId};
use waygate_core::limits::{SHORT_TEXT_BYTES_MAX, SIGNALS_MAX, TOKEN_BYTES_MAX};
use waygate_core::message::{AttachKind, AttachRequest, TrackingCause, TrackingUpdate, Uplink};
use waygate_core::record::{SignalPath, SpoolReport};
use waygate_core::time::Wall;

/// The names of the messages, as `refers_to` and the JSON form give them.
pub(crate) mod name {
    pub(crate) const ATTACH_REQUEST: &str = "attach_request";
    pub(crate) const TELEMETRY: &str = "telemetry";
    pub(crate) const TRACKING_UPDATE: &str = "tracking_update";
    pub(crate) const DETACH: &str = "detach";
    pub(crate) const TIME_REQUEST: &str = "time_request";
    pub(crate) const SUSPEND: &str = "suspend";
    pub(crate) const COMMAND_STATUS: &str = "command_status";
}

/// The name of the message with this field number in `Uplink`.
pub(crate) fn name_of(number: u64) -> String {
    match number {
        1 => name::ATTACH_REQUEST.to_owned(),
        2 => name::TELEMETRY.to_owned(),
        3 => name::TRACKING_UPDATE.to_owned(),
        4 => name::DETACH.to_owned(),
        5 => name::TIME_REQUEST.to_owned(),
        6 => name::SUSPEND.to_owned(),
        7 => name::COMMAND_STATUS.to_owned(),
        other => format!("message {other}"),
    }
}

pub(crate) fn from_proto(message: Message, catalogue: &[SignalPath]) -> Result<Uplink, WireError> {
    let under = |name: &'static str| move |fault| WireError::malformed(name, fault);
    match message {
        Message::AttachRequest(m) => {
            let attach = AttachRequest::try_from(m).map_err(under(name::ATTACH_REQUEST))?;
            Ok(Uplink::Attach(Box::new(attach)))
        }
        Message::Telemetry(m) => telemetry_from_proto(m, catalogue).map(Uplink::Telemetry),
        Message::TrackingUpdate(m) => {
            let cause = tracking_cause(m.cause).map_err(under(name::TRACKING_UPDATE))?;
            Ok(Uplink::TrackingUpdate(TrackingUpdate { cause, position: m.position.map(Into::into) }))
        }
        Message::Detach(m) => Ok(Uplink::Detach(detach_cause(m.cause))),
        Message::TimeRequest(m) => Ok(Uplink::TimeRequest(Wall(m.sent_ms))),
        Message::Suspend(m) => (&m).try_into().map(Uplink::Suspend).map_err(under(name::SUSPEND)),
        Message::CommandStatus(m) => m.try_into().map(Uplink::CommandStatus).map_err(under(name::COMMAND_STATUS)),
    }
}

pub(crate) fn to_proto(uplink: &Uplink, catalogue: &[SignalPath]) -> Message {
    match uplink {
        Uplink::Attach(m) => Message::AttachRequest(m.as_ref().into()),
        Uplink::Telemetry(m) => Message::Telemetry(telemetry_to_proto(m, catalogue)),
        Uplink::TrackingUpdate(m) => Message::TrackingUpdate(proto::TrackingUpdate {
            cause: match m.cause {
                TrackingCause::Moved => proto::TrackingCause::Moved.into(),
                TrackingCause::Periodic => proto::TrackingCause::Periodic.into(),
                TrackingCause::Access => proto::TrackingCause::Access.into(),
            },
            position: m.position.map(Into::into),
            access: None,
        }),
        Uplink::Detach(cause) => Message::Detach(proto::Detach { cause: detach_cause_to_proto(*cause).into() }),
        Uplink::TimeRequest(sent) => Message::TimeRequest(proto::TimeRequest { sent_ms: sent.0 }),
        Uplink::Suspend(m) => Message::Suspend(m.into()),
        Uplink::CommandStatus(m) => Message::CommandStatus(m.into()),
    }
}

fn tracking_cause(cause: i32) -> Result<TrackingCause, FieldFault> {
    match proto::TrackingCause::try_from(cause) {
        Ok(proto::TrackingCause::Moved) => Ok(TrackingCause::Moved),
        Ok(proto::TrackingCause::Periodic) => Ok(TrackingCause::Periodic),
        Ok(proto::TrackingCause::Access) => Ok(TrackingCause::Access),
        Err(_) => Err(FieldFault::at("cause", format!("{cause} is none"))),
    }
}

/// A cause of a later version is a goodbye all the same.
fn detach_cause(cause: i32) -> DetachCause {
    match proto::DetachCause::try_from(cause) {
        Ok(proto::DetachCause::IgnitionOff) => DetachCause::IgnitionOff,
        Ok(proto::DetachCause::Service) => DetachCause::Service,
        Ok(proto::DetachCause::Shutdown) => DetachCause::Shutdown,
        Ok(proto::DetachCause::Handover) => DetachCause::Handover,
        Ok(proto::DetachCause::Unspecified) | Err(_) => DetachCause::Unspecified,
    }
}

fn detach_cause_to_proto(cause: DetachCause) -> proto::DetachCause {
    match cause {
        DetachCause::IgnitionOff => proto::DetachCause::IgnitionOff,
        DetachCause::Service => proto::DetachCause::Service,
        DetachCause::Shutdown => proto::DetachCause::Shutdown,
        DetachCause::Handover => proto::DetachCause::Handover,
        // The others are the gateway's own findings; a vehicle cannot send them.
        DetachCause::Unspecified | DetachCause::Implicit | DetachCause::Revoked | DetachCause::Refused => {
            proto::DetachCause::Unspecified
        }
    }
}

impl TryFrom<proto::AttachRequest> for AttachRequest {
    type Error = FieldFault;

    fn try_from(m: proto::AttachRequest) -> Result<Self, FieldFault> {
        let kind = match proto::AttachKind::try_from(m.kind) {
            Ok(proto::AttachKind::Initial) => AttachKind::Initial,
            Ok(proto::AttachKind::Resume) => AttachKind::Resume,
            Ok(proto::AttachKind::Handover) => AttachKind::Handover,
            Ok(proto::AttachKind::Paged) => AttachKind::Paged,
            Err(_) => return Err(FieldFault::at("kind", format!("{} is none", m.kind))),
        };
        let spool = m.spool.ok_or_else(|| FieldFault::at("spool", "is missing"))?;
        Ok(Self {
            vehicle: vehicle_id(&m.vehicle)?,
            kind,
            token: checked_token(m.token)?,
            boot_id: checked_boot_id(m.boot_id)?,
            spool: SpoolReport::try_from(spool).map_err(|e| e.under("spool"))?,
            position: m.position.map(Into::into),
            clock: m.clock.filter(|c| c.now_ms != 0).map(|c| Wall(c.now_ms)),
            signals: checked_catalogue(&m.signals)?,
            wake: wake_from_proto(&m.wake)?,
        })
    }
}

impl From<&AttachRequest> for proto::AttachRequest {
    fn from(m: &AttachRequest) -> Self {
        Self {
            vehicle: m.vehicle.as_str().to_owned(),
            kind: match m.kind {
                AttachKind::Initial => proto::AttachKind::Initial.into(),
                AttachKind::Resume => proto::AttachKind::Resume.into(),
                AttachKind::Handover => proto::AttachKind::Handover.into(),
                AttachKind::Paged => proto::AttachKind::Paged.into(),
            },
            token: m.token.clone().unwrap_or_default(),
            boot_id: m.boot_id.clone(),
            spool: Some(proto::Spool {
                id: m.spool.id.0,
                oldest: m.spool.oldest,
                last: m.spool.last,
                acked: ranges_to_proto(&m.spool.acked),
            }),
            position: m.position.map(Into::into),
            access: None,
            clock: m.clock.map(|now| proto::Clock { source: String::new(), error_ms: 0, now_ms: now.0 }),
            signals: m.signals.iter().map(|path| path.as_str().to_owned()).collect(),
            wake: wake_to_proto(m.wake),
        }
    }
}

impl TryFrom<proto::Spool> for SpoolReport {
    type Error = FieldFault;

    fn try_from(m: proto::Spool) -> Result<Self, FieldFault> {
        Ok(Self { id: SpoolId(m.id), oldest: m.oldest, last: m.last, acked: ranges_from_proto("acked", &m.acked)? })
    }
}

pub(crate) fn vehicle_id(text: &str) -> Result<VehicleId, FieldFault> {
    VehicleId::new(text).map_err(|e| FieldFault::at("vehicle", e.to_string()))
}

/// An empty token is none.
pub(crate) fn checked_token(token: Vec<u8>) -> Result<Option<Vec<u8>>, FieldFault> {
    at_most("token", token.len(), TOKEN_BYTES_MAX)?;
    Ok(Some(token).filter(|t| !t.is_empty()))
}

pub(crate) fn checked_boot_id(boot_id: String) -> Result<String, FieldFault> {
    text_at_most("boot_id", &boot_id, SHORT_TEXT_BYTES_MAX)?;
    Ok(boot_id)
}

pub(crate) fn checked_catalogue(paths: &[String]) -> Result<Vec<SignalPath>, FieldFault> {
    at_most("signals", paths.len(), SIGNALS_MAX)?;
    let path = |(at, text): (usize, &String)| {
        SignalPath::new(text).ok_or_else(|| FieldFault::at(format!("signals[{at}]"), "is not a signal's path"))
    };
    paths.iter().enumerate().map(path).collect()
}
