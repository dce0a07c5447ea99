//! The slots of a log, by vehicle and by sequence number.

use super::Slot;
use crate::by_vehicle::{ByVehicle, Sorted};
use crate::id::VehicleId;

/// One slot a vehicle. Each stands once; the two orders name it by its row.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    rows: ByVehicle<Slot>,
    order: Sorted<u64>,
}

impl Slots {
    /// None.
    pub fn new() -> Self {
        Self { rows: ByVehicle::new(), order: Sorted::new() }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// That of a vehicle.
    pub fn get(&self, vehicle: &VehicleId) -> Option<&Slot> {
        self.rows.get(vehicle)
    }

    /// Whose slot stands at a place of the sequence.
    pub fn at(&self, seq: u64) -> Option<&VehicleId> {
        self.order.get(&seq, |row| &self.rows.value(row).seq).map(|row| self.rows.vehicle(row))
    }

    /// Those of vehicles after this one, from the first on if it is none, by vehicle.
    pub fn beyond(&self, vehicle: Option<&VehicleId>) -> impl Iterator<Item = (&VehicleId, &Slot)> {
        self.rows.after(vehicle)
    }

    /// Those that stand after a place of the sequence, in its order.
    pub fn after(&self, seq: u64) -> impl Iterator<Item = (&VehicleId, &Slot)> {
        let rows = self.order.after(Some(&seq), |row| &self.rows.value(row).seq);
        rows.map(|row| (self.rows.vehicle(row), self.rows.value(row)))
    }

    /// The last vehicle.
    pub fn last(&self) -> Option<&VehicleId> {
        self.rows.last()
    }

    /// Puts a slot in the place of what was held of the vehicle, which is returned.
    pub fn put(&mut self, vehicle: VehicleId, slot: Slot) -> Option<Slot> {
        let seq = slot.seq;
        let (row, before) = match self.rows.row_of(&vehicle) {
            Some(row) => {
                self.order.remove(&self.rows.value(row).seq, |row| &self.rows.value(row).seq);
                (row, Some(std::mem::replace(self.rows.value_mut(row), slot)))
            }
            None => (self.rows.push(vehicle, slot), None),
        };
        self.order.put(&seq, row, |row| &self.rows.value(row).seq);
        before
    }

    /// Takes a vehicle's out.
    pub fn remove(&mut self, vehicle: &VehicleId) -> Option<Slot> {
        let row = self.rows.row_of(vehicle)?;
        let last = self.rows.len() as u32 - 1;
        let seq_of = |row| &self.rows.value(row).seq;
        self.order.remove(seq_of(row), seq_of);
        self.order.renumber(seq_of(last), (last, row), seq_of);
        Some(self.rows.remove_row(row))
    }
}

#[cfg(test)]
#[path = "slots_tests.rs"]
mod tests;
