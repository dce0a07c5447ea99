//! Messages from a vehicle: JSON ⇄ core.

use super::command::{CommandStatusJson, SuspendJson, WakeJson};
use super::record::TelemetryJson;
use super::scalar::{Base64, Bounded, I64Text, U64Text};
use super::{echo, message, type_of, write};
use crate::convert::ranges_from_pairs;
use crate::error::{FieldFault, WireError};
use crate::uplink::{checked_boot_id, checked_catalogue, checked_token, name, vehicle_id};
use serde::{Deserialize, Serialize};
use waygate_core::cause::DetachCause;
use waygate_core::id::SpoolId;
use waygate_core::limits::{SIGNALS_MAX, SPOOL_RANGES_MAX};
use waygate_core::message::{AttachKind, AttachRequest, TrackingCause, TrackingUpdate, Uplink};
use waygate_core::ranges::SeqRanges;
use waygate_core::record::{Position, SpoolReport, Telemetry};
use waygate_core::time::Wall;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum UplinkJson {
    AttachRequest(AttachRequestJson),
    Telemetry(TelemetryJson),
    TrackingUpdate(TrackingUpdateJson),
    Detach(DetachJson),
    TimeRequest(TimeRequestJson),
    Suspend(SuspendJson),
    CommandStatus(CommandStatusJson),
}

/// Reads a message from a vehicle.
pub(crate) fn decode(frame: &[u8]) -> Result<Uplink, WireError> {
    let kind = type_of(frame)?;
    let malformed = |fault: FieldFault| WireError::malformed(&kind, fault);
    match kind.as_ref() {
        name::ATTACH_REQUEST => {
            let attach = AttachRequest::try_from(message::<AttachRequestJson>(&kind, frame)?).map_err(malformed)?;
            Ok(Uplink::Attach(Box::new(attach)))
        }
        name::TELEMETRY => {
            Telemetry::try_from(message::<TelemetryJson>(&kind, frame)?).map(Uplink::Telemetry).map_err(malformed)
        }
        name::TRACKING_UPDATE => {
            let m: TrackingUpdateJson = message(&kind, frame)?;
            let position = m.position.map(Into::into);
            Ok(Uplink::TrackingUpdate(TrackingUpdate { cause: m.cause.into(), position }))
        }
        name::DETACH => {
            let m: DetachJson = message(&kind, frame)?;
            // A cause of a later version is a goodbye all the same.
            let cause = DetachCause::ALL.iter().copied().find(|c| c.wire() == m.cause);
            Ok(Uplink::Detach(cause.map_or(DetachCause::Unspecified, DetachCause::of_vehicle)))
        }
        name::TIME_REQUEST => Ok(Uplink::TimeRequest(Wall(message::<TimeRequestJson>(&kind, frame)?.sent.0))),
        name::SUSPEND => Ok(Uplink::Suspend(message::<SuspendJson>(&kind, frame)?.into())),
        name::COMMAND_STATUS => {
            let m: CommandStatusJson = message(&kind, frame)?;
            m.try_into().map(Uplink::CommandStatus).map_err(malformed)
        }
        other => Err(WireError::unknown(echo(other))),
    }
}

/// Writes a message of a vehicle.
pub(crate) fn encode(uplink: &Uplink) -> Vec<u8> {
    let json = match uplink {
        Uplink::Attach(m) => UplinkJson::AttachRequest(m.as_ref().into()),
        Uplink::Telemetry(m) => UplinkJson::Telemetry(m.into()),
        Uplink::TrackingUpdate(m) => UplinkJson::TrackingUpdate(TrackingUpdateJson {
            cause: m.cause.into(),
            position: m.position.map(Into::into),
        }),
        Uplink::Detach(cause) => UplinkJson::Detach(DetachJson { cause: cause.of_vehicle().wire().to_owned() }),
        Uplink::TimeRequest(sent) => UplinkJson::TimeRequest(TimeRequestJson { sent: I64Text(sent.0) }),
        Uplink::Suspend(m) => UplinkJson::Suspend(m.into()),
        Uplink::CommandStatus(m) => UplinkJson::CommandStatus(m.into()),
    };
    write(&json)
}

#[derive(Serialize, Deserialize)]
struct AttachRequestJson {
    vehicle: String,
    #[serde(default)]
    kind: KindJson,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<Base64>,
    #[serde(default)]
    boot_id: String,
    spool: SpoolJson,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    position: Option<PositionJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clock: Option<ClockJson>,
    #[serde(default, skip_serializing_if = "no_signals")]
    signals: Bounded<String, SIGNALS_MAX>,
    #[serde(default, skip_serializing_if = "WakeJson::is_empty")]
    wake: WakeJson,
}

fn no_signals(signals: &Bounded<String, SIGNALS_MAX>) -> bool {
    signals.0.is_empty()
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindJson {
    #[default]
    Initial,
    Resume,
    Handover,
    Paged,
}

#[derive(Serialize, Deserialize)]
struct SpoolJson {
    id: U64Text,
    #[serde(default = "first_seq")]
    oldest: U64Text,
    #[serde(default)]
    last: U64Text,
    #[serde(default, skip_serializing_if = "no_ranges")]
    acked: Bounded<RangeJson, SPOOL_RANGES_MAX>,
}

const fn first_seq() -> U64Text {
    U64Text(1)
}

fn no_ranges(ranges: &Bounded<RangeJson, SPOOL_RANGES_MAX>) -> bool {
    ranges.0.is_empty()
}

/// A range of sequence numbers, both ends included.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct RangeJson {
    first: U64Text,
    last: U64Text,
}

pub(super) fn ranges_to_json<const MAX: usize>(ranges: &SeqRanges) -> Bounded<RangeJson, MAX> {
    Bounded(ranges.iter().map(|r| RangeJson { first: U64Text(*r.start()), last: U64Text(*r.end()) }).collect())
}

pub(super) fn ranges_from_json<const MAX: usize>(
    path: &str,
    ranges: &Bounded<RangeJson, MAX>,
) -> Result<SeqRanges, FieldFault> {
    ranges_from_pairs(path, ranges.0.iter().map(|r| (r.first.0, r.last.0)))
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct PositionJson {
    lat: f64,
    lon: f64,
}

impl From<PositionJson> for Position {
    fn from(p: PositionJson) -> Self {
        Self::from_degrees(p.lat, p.lon)
    }
}

impl From<Position> for PositionJson {
    fn from(p: Position) -> Self {
        Self { lat: p.lat(), lon: p.lon() }
    }
}

#[derive(Serialize, Deserialize)]
struct ClockJson {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    now: Option<I64Text>,
}

impl TryFrom<AttachRequestJson> for AttachRequest {
    type Error = FieldFault;

    fn try_from(m: AttachRequestJson) -> Result<Self, FieldFault> {
        Ok(Self {
            vehicle: vehicle_id(&m.vehicle)?,
            kind: match m.kind {
                KindJson::Initial => AttachKind::Initial,
                KindJson::Resume => AttachKind::Resume,
                KindJson::Handover => AttachKind::Handover,
                KindJson::Paged => AttachKind::Paged,
            },
            token: checked_token(m.token.unwrap_or_default().0)?,
            boot_id: checked_boot_id(m.boot_id)?,
            spool: SpoolReport {
                id: SpoolId(m.spool.id.0),
                oldest: m.spool.oldest.0,
                last: m.spool.last.0,
                acked: ranges_from_json("spool.acked", &m.spool.acked)?,
            },
            position: m.position.map(Into::into),
            clock: m.clock.and_then(|c| c.now).filter(|now| now.0 != 0).map(|now| Wall(now.0)),
            signals: checked_catalogue(&m.signals.0)?,
            wake: (&m.wake).into(),
        })
    }
}

impl From<&AttachRequest> for AttachRequestJson {
    fn from(m: &AttachRequest) -> Self {
        Self {
            vehicle: m.vehicle.as_str().to_owned(),
            kind: match m.kind {
                AttachKind::Initial => KindJson::Initial,
                AttachKind::Resume => KindJson::Resume,
                AttachKind::Handover => KindJson::Handover,
                AttachKind::Paged => KindJson::Paged,
            },
            token: m.token.clone().map(Base64),
            boot_id: m.boot_id.clone(),
            spool: SpoolJson {
                id: U64Text(m.spool.id.0),
                oldest: U64Text(m.spool.oldest),
                last: U64Text(m.spool.last),
                acked: ranges_to_json(&m.spool.acked),
            },
            position: m.position.map(Into::into),
            clock: m.clock.map(|now| ClockJson { now: Some(I64Text(now.0)) }),
            signals: Bounded(m.signals.iter().map(|path| path.as_str().to_owned()).collect()),
            wake: m.wake.into(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct TrackingUpdateJson {
    #[serde(default)]
    cause: TrackingCauseJson,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    position: Option<PositionJson>,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TrackingCauseJson {
    #[default]
    Moved,
    Periodic,
    Access,
}

impl From<TrackingCauseJson> for TrackingCause {
    fn from(cause: TrackingCauseJson) -> Self {
        match cause {
            TrackingCauseJson::Moved => Self::Moved,
            TrackingCauseJson::Periodic => Self::Periodic,
            TrackingCauseJson::Access => Self::Access,
        }
    }
}

impl From<TrackingCause> for TrackingCauseJson {
    fn from(cause: TrackingCause) -> Self {
        match cause {
            TrackingCause::Moved => Self::Moved,
            TrackingCause::Periodic => Self::Periodic,
            TrackingCause::Access => Self::Access,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct DetachJson {
    #[serde(default)]
    cause: String,
}

#[derive(Serialize, Deserialize)]
struct TimeRequestJson {
    sent: I64Text,
}
