//! Vehicles that this region does not keep and that were looked for lately, as other gateways showed them.

use std::collections::{BTreeMap, VecDeque};
use waygate_core::id::VehicleId;
use waygate_core::time::{Millis, Mono};
use waygate_core::view::Sight;

/// How long an answer stands: a page or a command that follows finds the same gateway.
const STANDS: Millis = Millis::secs(15);

/// Vehicles that are remembered; with one more the first is forgotten, and looked for again when it is asked for.
const FOUND_MAX: usize = 4096;

/// What was found, by vehicle.
#[derive(Debug, Default)]
pub(super) struct Found {
    sights: BTreeMap<VehicleId, (Sight, Mono)>,
    order: VecDeque<(Mono, VehicleId)>,
}

impl Found {
    /// Remembers an answer.
    pub fn note(&mut self, now: Mono, sight: Sight) {
        self.order.push_back((now, sight.vehicle.clone()));
        self.sights.insert(sight.vehicle.clone(), (sight, now));
        let over = |(at, _): &(Mono, VehicleId)| now.since(*at) >= STANDS;
        while self.order.len() > FOUND_MAX || self.order.front().is_some_and(over) {
            let Some((at, vehicle)) = self.order.pop_front() else { return };
            // Noted again since, it stands from then on.
            if self.sights.get(&vehicle).is_some_and(|(_, noted)| *noted == at) {
                self.sights.remove(&vehicle);
            }
        }
    }

    /// What was found, as old as it is now.
    pub fn sight(&self, now: Mono, vehicle: &VehicleId) -> Option<Sight> {
        let (sight, noted) = self.sights.get(vehicle)?;
        let past = now.since(*noted);
        let due = |due: Millis| Millis(due.0.saturating_sub(past.0));
        let aged = Sight {
            age: sight.age + past,
            view_age: sight.view_age + past,
            update_expected: sight.update_expected.map(due),
            ..sight.clone()
        };
        (past < STANDS).then_some(aged)
    }
}

#[cfg(test)]
#[path = "found_tests.rs"]
mod tests;
