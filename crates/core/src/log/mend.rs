//! Mending a copy that differs from its owner's log although both are as far: bucket by bucket, a stretch at a time.

use super::{LiveState, Log, Rest, Slot};
use crate::digest::{bucket, hash};
use crate::homes::Part;
use crate::id::VehicleId;
use crate::time::Mono;
use std::collections::{BTreeMap, BTreeSet};

/// A stretch of some buckets of a log, whole as it stood at `seq` but for tombstones. It needs no other to be taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where the log stood.
    pub seq: u64,
    /// Which buckets.
    pub buckets: BTreeSet<u8>,
    /// Vehicles after this one; `None` from the first on.
    pub after: Option<VehicleId>,
    /// Up to this one; `None` to the last.
    pub through: Option<VehicleId>,
    /// By vehicle.
    pub entries: Vec<(VehicleId, Slot)>,
    /// What cannot be read of some of them, by sequence number.
    pub rests: BTreeMap<u64, Rest>,
}

impl Log {
    /// The next stretch of these buckets of a part of it: at most `max` entries, with at most `scan_max` slots looked at.
    pub fn piece(
        &self,
        buckets: &BTreeSet<u8>,
        after: Option<&VehicleId>,
        part: &Part,
        (max, scan_max): (usize, usize),
    ) -> Piece {
        let (mut entries, mut rests, mut through) = (Vec::new(), BTreeMap::new(), None);
        for (seen, (vehicle, slot)) in self.slots.beyond(after).enumerate() {
            if seen == scan_max || entries.len() == max {
                break;
            }
            through = Some(vehicle);
            let asked = buckets.contains(&bucket(vehicle)) && part.has(vehicle);
            if asked && slot.entry.state != LiveState::Removed {
                rests.extend(self.rests.get(&slot.seq).map(|rest| (slot.seq, rest.clone())));
                entries.push((vehicle.clone(), slot.clone()));
            }
        }
        let last = through == self.slots.last();
        let through = through.filter(|_| !last).cloned();
        Piece { seq: self.head, buckets: buckets.clone(), after: after.cloned(), through, entries, rests }
    }

    /// Takes over a stretch if this copy is exactly as far. Returns the vehicles whose slot changed, with what was shown.
    pub fn mend(&mut self, now: Mono, mut piece: Piece) -> Vec<(VehicleId, Option<Slot>)> {
        if piece.seq != self.head {
            return Vec::new();
        }
        let genuine: BTreeSet<_> = piece.entries.iter().map(|(vehicle, _)| vehicle.clone()).collect();
        let held = self.slots.beyond(piece.after.as_ref());
        let within = |vehicle: &VehicleId| piece.through.as_ref().is_none_or(|through| vehicle <= through);
        let surplus = held.take_while(|(vehicle, _)| within(vehicle)).filter(|(vehicle, slot)| {
            let asked = piece.buckets.contains(&bucket(vehicle)) && slot.entry.state != LiveState::Removed;
            asked && !genuine.contains(*vehicle)
        });
        let mut changed: Vec<_> = surplus.map(|(vehicle, _)| (vehicle.clone(), self.slot(vehicle).cloned())).collect();
        for (vehicle, _) in &changed {
            self.forget(vehicle);
            // The owner may have a tombstone for it, which is not told: this copy is not to be passed on as whole.
            self.floor = self.head;
        }
        for (vehicle, slot) in piece.entries {
            let rest = piece.rests.remove(&slot.seq);
            if self.lacks(&vehicle, &slot, rest.as_ref()) {
                changed.push((vehicle.clone(), self.slot(&vehicle).cloned()));
                self.put(now, vehicle, slot, rest);
            }
        }
        changed
    }

    fn lacks(&self, vehicle: &VehicleId, slot: &Slot, rest: Option<&Rest>) -> bool {
        let standing = self.slots.get(vehicle).filter(|held| held.entry.state != LiveState::Removed);
        let same =
            standing.is_some_and(|held| hash(vehicle, held, self.rests.get(&held.seq)) == hash(vehicle, slot, rest));
        // A place in the sequence is one vehicle's: what another is said to have there is no repair.
        let free = self.slots.at(slot.seq).is_none_or(|at| at == vehicle);
        !same && free && slot.seq <= self.head
    }
}

#[cfg(test)]
#[path = "mend_tests.rs"]
mod tests;
