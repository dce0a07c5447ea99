//! Commands that have ended: known for late words and repeated requests, a bounded number of them.

use super::Commands;
use crate::command::CommandId;
use crate::id::VehicleId;
use crate::limits::COMMANDS_ENDED_MAX;
use crate::time::Mono;

impl Commands {
    /// It has ended, and is known for a while.
    pub(super) fn close(&mut self, now: Mono, id: CommandId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.ended = Some(now);
        self.ended.insert((now, id));
        let vehicle = entry.record.vehicle.clone();
        self.count_out(&vehicle, id);
        self.bound_ended();
    }

    fn count_out(&mut self, vehicle: &VehicleId, id: CommandId) {
        self.open = self.open.saturating_sub(1);
        if let Some(target) = self.targets.get_mut(vehicle) {
            target.open.remove(&id);
            if target.open.is_empty() {
                self.targets.remove(vehicle);
            }
        }
    }

    pub(super) fn bound_ended(&mut self) {
        while self.ended.len() > COMMANDS_ENDED_MAX
            && let Some((_, id)) = self.ended.first().copied()
        {
            self.forget(id);
        }
    }

    /// Nothing is known of it any more.
    pub(super) fn forget(&mut self, id: CommandId) {
        let Some(entry) = self.entries.remove(&id) else { return };
        match entry.ended {
            Some(at) => drop(self.ended.remove(&(at, id))),
            None => self.count_out(&entry.record.vehicle, id),
        }
        self.due.remove(&(entry.due.unwrap_or_default(), id));
        if let Some(request) = &entry.record.request
            && self.requests.get(&request.key).is_some_and(|(_, of)| *of == id)
        {
            self.requests.remove(&request.key);
        }
        if let Some(ids) = self.of_vehicle.get_mut(&entry.record.vehicle) {
            ids.remove(&id);
            if ids.is_empty() {
                self.of_vehicle.remove(&entry.record.vehicle);
            }
        }
    }
}
