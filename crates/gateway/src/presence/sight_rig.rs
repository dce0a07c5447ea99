//! What a gateway shows of a vehicle, for tests.

use waygate_core::epoch::Epoch;
use waygate_core::id::{NodeId, SessionId, VehicleId};
use waygate_core::time::Millis;
use waygate_core::view::{AgeKind, Known, Sight, StaleWhy};
use waygate_core::wake::WakeChannels;

/// Of an attach at a gateway; heard 100 ms ago, and the gateway 10 ms ago.
pub fn sight(vehicle: &str, owner: &str, epoch: u64, known: Known, stale: bool) -> Sight {
    Sight {
        vehicle: VehicleId::new(vehicle).unwrap(),
        known,
        stale: stale.then_some(StaleWhy::OwnerLost),
        cause: None,
        owner: NodeId::new(owner).unwrap(),
        region: None,
        epoch: Epoch(epoch),
        session: SessionId(1),
        cell: None,
        age: Millis(100),
        age_kind: AgeKind::Measured,
        view_age: Millis(10),
        update_expected: None,
        wake: WakeChannels::NONE,
        cloned: false,
    }
}
