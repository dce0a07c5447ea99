//! A map by vehicle, in the order of the ids, for what there is one of for every vehicle: a tree of the standard library
//! leaves up to half of its nodes empty.

mod sorted;

pub(crate) use sorted::Sorted;

use crate::id::VehicleId;

/// What it holds lies row by row in one piece without a gap; the order of the ids is a list of row numbers.
#[derive(Clone, Debug)]
pub struct ByVehicle<V> {
    rows: Vec<(VehicleId, V)>,
    order: Sorted<VehicleId>,
}

impl<V> Default for ByVehicle<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> ByVehicle<V> {
    /// An empty one.
    pub fn new() -> Self {
        Self { rows: Vec::new(), order: Sorted::new() }
    }

    /// How many vehicles.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// What it holds of a vehicle.
    pub fn get(&self, vehicle: &VehicleId) -> Option<&V> {
        self.row_of(vehicle).map(|row| self.value(row))
    }

    /// Puts a value in the place of the one held, if any.
    pub fn insert(&mut self, vehicle: &VehicleId, value: V) {
        match self.row_of(vehicle) {
            Some(row) => *self.value_mut(row) = value,
            None => {
                self.push(vehicle.clone(), value);
            }
        }
    }

    /// What it holds of a vehicle, to be changed; what `new` gives if it holds nothing.
    pub fn or_insert(&mut self, vehicle: &VehicleId, new: impl FnOnce() -> V) -> &mut V {
        let row = self.row_of(vehicle).unwrap_or_else(|| self.push(vehicle.clone(), new()));
        self.value_mut(row)
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Takes a vehicle out.
    pub fn remove(&mut self, vehicle: &VehicleId) -> Option<V> {
        self.row_of(vehicle).map(|row| self.remove_row(row))
    }

    /// Vehicles after this one, from the first on if it is none, in the order of their ids.
    pub fn after(&self, vehicle: Option<&VehicleId>) -> impl Iterator<Item = (&VehicleId, &V)> {
        self.order.after(vehicle, |row| self.vehicle(row)).map(|row| (self.vehicle(row), self.value(row)))
    }

    /// The last in the order of the ids.
    pub fn last(&self) -> Option<&VehicleId> {
        self.order.last().map(|row| self.vehicle(row))
    }

    /// The row of a vehicle, until the next removal.
    pub(crate) fn row_of(&self, vehicle: &VehicleId) -> Option<u32> {
        self.order.get(vehicle, |row| self.vehicle(row))
    }

    /// The vehicle of a row.
    pub(crate) fn vehicle(&self, row: u32) -> &VehicleId {
        &self.rows[row as usize].0
    }

    /// What a row holds.
    pub(crate) fn value(&self, row: u32) -> &V {
        &self.rows[row as usize].1
    }

    /// What a row holds, to be changed.
    pub(crate) fn value_mut(&mut self, row: u32) -> &mut V {
        &mut self.rows[row as usize].1
    }

    /// Takes in a vehicle that it does not hold. Returns its row.
    pub(crate) fn push(&mut self, vehicle: VehicleId, value: V) -> u32 {
        // Memory ends long before the numbers do.
        let row = self.rows.len() as u32;
        self.rows.push((vehicle, value));
        let rows = &self.rows;
        self.order.put(&rows[row as usize].0, row, |row| &rows[row as usize].0);
        row
    }

    /// Takes a row out. What stood in the last one stands in its place from here on.
    pub(crate) fn remove_row(&mut self, row: u32) -> V {
        let rows = &self.rows;
        let vehicle_of = |row| &rows[row as usize].0;
        let last = rows.len() as u32 - 1;
        self.order.remove(vehicle_of(row), vehicle_of);
        self.order.renumber(vehicle_of(last), (last, row), vehicle_of);
        let (_, value) = self.rows.swap_remove(row as usize);
        if self.rows.len() < self.rows.capacity() / 4 {
            self.rows.shrink_to(self.rows.len() * 2);
        }
        value
    }
}

#[cfg(test)]
#[path = "by_vehicle_tests.rs"]
mod tests;
