//! What a gateway shows of a vehicle, as it tells another: `directory.proto` ⇄ the core's sight.

use crate::error::FieldFault;
use crate::proto;
use waygate_core::cause::DetachCause;
use waygate_core::cell::Cell;
use waygate_core::epoch::Epoch;
use waygate_core::id::{NodeId, RegionId, SessionId, VehicleId};
use waygate_core::time::Millis;
use waygate_core::view::{AgeKind, Known, Sight, StaleWhy};
use waygate_core::wake::WakeChannels;

/// Bit 0 of the flags: two units seem to use its identity.
const FLAG_CLONED: u32 = 1;

/// Writes a sight.
pub fn sight_to_proto(sight: &Sight) -> proto::SeenVehicle {
    proto::SeenVehicle {
        vehicle: sight.vehicle.as_str().to_owned(),
        known: known_to_proto(sight.known).into(),
        stale: sight.stale.map_or(proto::SeenStale::Unspecified, stale_to_proto).into(),
        cause: sight.cause.map_or(0, DetachCause::number),
        owner: sight.owner.as_str().to_owned(),
        region: sight.region.as_ref().map(|region| region.as_str().to_owned()).unwrap_or_default(),
        epoch: sight.epoch.0,
        session: sight.session.0,
        cell: sight.cell.map_or(0, Cell::index),
        age_ms: sight.age.0,
        age_is_bound: sight.age_kind == AgeKind::Bound,
        view_age_ms: sight.view_age.0,
        update_expected_ms: sight.update_expected.map(|due| due.0),
        wake: sight.wake.bits().into(),
        flags: if sight.cloned { FLAG_CLONED } else { 0 },
    }
}

/// Reads a sight that was on its way for so long: its ages are never too young.
pub fn sight_from_proto(seen: &proto::SeenVehicle, on_the_way: Millis) -> Result<Sight, FieldFault> {
    let fault = |at: &str, what: &dyn std::fmt::Display| FieldFault::at(at, what.to_string());
    let known = match seen.known() {
        proto::KnownState::Online => Known::Online,
        proto::KnownState::Idle => Known::Idle,
        proto::KnownState::Asleep => Known::Asleep,
        proto::KnownState::Unreachable => Known::Unreachable,
        proto::KnownState::Offline => Known::Offline,
        proto::KnownState::Unspecified => return Err(fault("seen.known", &"is no state that is known here")),
    };
    let stale = match seen.stale() {
        proto::SeenStale::Unspecified => None,
        proto::SeenStale::OwnerLost => Some(StaleWhy::OwnerLost),
        proto::SeenStale::OwnerLeft => Some(StaleWhy::OwnerLeft),
        proto::SeenStale::OwnerRestarted => Some(StaleWhy::OwnerRestarted),
        proto::SeenStale::ViewCutOff => Some(StaleWhy::ViewCutOff),
    };
    Ok(Sight {
        vehicle: VehicleId::new(&seen.vehicle).map_err(|error| fault("seen.vehicle", &error))?,
        known,
        stale,
        cause: DetachCause::from_number(seen.cause),
        owner: NodeId::new(&seen.owner).map_err(|error| fault("seen.owner", &error))?,
        region: RegionId::new(&seen.region).ok(),
        epoch: Epoch(seen.epoch),
        session: SessionId(seen.session),
        cell: Cell::from_told(seen.cell),
        age: Millis(seen.age_ms) + on_the_way,
        age_kind: if seen.age_is_bound { AgeKind::Bound } else { AgeKind::Measured },
        view_age: Millis(seen.view_age_ms) + on_the_way,
        update_expected: seen.update_expected_ms.map(|due| Millis(due.saturating_sub(on_the_way.0))),
        wake: WakeChannels::from_bits((seen.wake & 0xff) as u8),
        cloned: seen.flags & FLAG_CLONED != 0,
    })
}

/// Writes a state as it is shown.
pub const fn known_to_proto(known: Known) -> proto::KnownState {
    match known {
        Known::Online => proto::KnownState::Online,
        Known::Idle => proto::KnownState::Idle,
        Known::Asleep => proto::KnownState::Asleep,
        Known::Unreachable => proto::KnownState::Unreachable,
        Known::Offline => proto::KnownState::Offline,
    }
}

const fn stale_to_proto(why: StaleWhy) -> proto::SeenStale {
    match why {
        StaleWhy::OwnerLost => proto::SeenStale::OwnerLost,
        StaleWhy::OwnerLeft => proto::SeenStale::OwnerLeft,
        StaleWhy::OwnerRestarted => proto::SeenStale::OwnerRestarted,
        StaleWhy::ViewCutOff => proto::SeenStale::ViewCutOff,
    }
}

#[cfg(test)]
#[path = "sight_tests.rs"]
mod tests;
