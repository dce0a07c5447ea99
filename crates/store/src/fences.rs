//! Vehicles whose session went on at another gateway: what their old sessions still send is not stored here.
//!
//! Nothing of it is durable: a batch on its way dies with the process, and so may its fence. But within the process a
//! fence outlives what the ledger knows: forgetting the vehicle, an eviction, and reopening the writer after an error.

use std::collections::{BTreeMap, HashMap};
use waygate_core::epoch::Epoch;
use waygate_core::id::VehicleId;

/// Vehicles that are fenced at a time; of more, those fenced longest ago are let go. A late batch comes within
/// minutes of the move, and no gateway loses this many vehicles in that time. About 200 bytes each.
const FENCES_MAX: usize = 65_536;

/// The fences of this process.
#[derive(Debug, Default)]
pub(crate) struct Fences {
    by_vehicle: HashMap<VehicleId, Fence>,
    /// Who was fenced in which turn, the one fenced longest ago first.
    turns: BTreeMap<u64, VehicleId>,
    next_turn: u64,
    /// Replaced by attaches that may not be durable yet.
    replaced: Vec<(VehicleId, Epoch)>,
}

#[derive(Clone, Copy, Debug)]
struct Fence {
    epoch: Epoch,
    turn: u64,
}

impl Fences {
    /// The epoch below which nothing of the vehicle is taken.
    pub(crate) fn of(&self, vehicle: &VehicleId) -> Option<Epoch> {
        // Most gateways have none most of the time, and this is asked for every batch.
        if self.by_vehicle.is_empty() { None } else { self.by_vehicle.get(vehicle).map(|fence| fence.epoch) }
    }

    /// Fences the vehicle, never lower than it is already.
    pub(crate) fn raise(&mut self, vehicle: &VehicleId, epoch: Epoch) {
        let turn = self.next_turn;
        self.next_turn += 1;
        let fence = self.by_vehicle.entry(vehicle.clone()).or_insert(Fence { epoch, turn });
        self.turns.remove(&fence.turn);
        *fence = Fence { epoch: epoch.max(fence.epoch), turn };
        self.turns.insert(turn, vehicle.clone());
        if self.by_vehicle.len() > FENCES_MAX
            && let Some((_, longest_ago)) = self.turns.pop_first()
        {
            self.by_vehicle.remove(&longest_ago);
        }
    }

    /// Lets an attach that was admitted take the place of the fence, for good once the commit succeeded.
    pub(crate) fn replace(&mut self, vehicle: &VehicleId) {
        if let Some(fence) = self.by_vehicle.remove(vehicle) {
            self.turns.remove(&fence.turn);
            self.replaced.push((vehicle.clone(), fence.epoch));
        }
    }

    /// Begins a commit: whatever one that failed or was abandoned took away stands again.
    pub(crate) fn begin(&mut self) {
        for (vehicle, epoch) in std::mem::take(&mut self.replaced) {
            self.raise(&vehicle, epoch);
        }
    }

    /// Ends a commit that is durable.
    pub(crate) fn committed(&mut self) {
        self.replaced.clear();
    }
}

#[cfg(test)]
#[path = "fences_tests.rs"]
mod tests;
