//! Attaches whose write failed and that may be on disk all the same.
//!
//! The disk refuses a lower epoch than the highest it has of a vehicle. So the next attach after a failed write goes above the
//! failed one, whether it was written or not, and whether its session is still known or not.

use crate::epoch::Epoch;
use crate::id::VehicleId;
use crate::limits::ATTACH_DOUBTS_MAX;
use std::collections::BTreeMap;

/// The highest epoch of each vehicle whose last write failed.
#[derive(Clone, Debug, Default)]
pub struct Doubts {
    of: BTreeMap<VehicleId, Doubt>,
    /// In the order in which they came.
    turns: BTreeMap<u64, VehicleId>,
    /// How many came so far.
    turn: u64,
}

#[derive(Clone, Copy, Debug)]
struct Doubt {
    epoch: Epoch,
    turn: u64,
}

impl Doubts {
    /// A write failed. With one vehicle too many the one whose write failed longest ago is forgotten: epochs follow the clock,
    /// so the next one of that vehicle is above the failed one most surely by itself.
    pub fn raise(&mut self, vehicle: VehicleId, epoch: Epoch) {
        let before = self.settle(&vehicle);
        self.turn += 1;
        let doubt = Doubt { epoch: before.map_or(epoch, |before| before.max(epoch)), turn: self.turn };
        self.turns.insert(doubt.turn, vehicle.clone());
        self.of.insert(vehicle, doubt);
        if self.of.len() > ATTACH_DOUBTS_MAX
            && let Some((_, oldest)) = self.turns.pop_first()
        {
            self.of.remove(&oldest);
        }
    }

    /// A write of the vehicle is on disk, or it does not matter any more. Returns what was in doubt.
    pub fn settle(&mut self, vehicle: &VehicleId) -> Option<Epoch> {
        let doubt = self.of.remove(vehicle)?;
        self.turns.remove(&doubt.turn);
        Some(doubt.epoch)
    }

    /// What may be on disk of a vehicle.
    pub fn of(&self, vehicle: &VehicleId) -> Option<Epoch> {
        self.of.get(vehicle).map(|doubt| doubt.epoch)
    }
}

#[cfg(test)]
#[path = "doubts_tests.rs"]
mod tests;
