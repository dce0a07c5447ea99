//! An owner's presence log: what one gateway, in one of its lives, says of the vehicles it serves.
//!
//! Only the owner publishes; everyone else holds a copy that is complete up to a cursor. Each vehicle has
//! exactly one live slot, and publishing again moves it to a new place in the sequence, so the log is as
//! long as its vehicles are many, however slow a reader is. The log never looks at a clock or a peer.

mod entry;
mod mend;
mod slots;

pub use entry::{Entry, LiveState, LogId, Rest, Scope, Slot};
pub use mend::Piece;

use crate::digest::{BUCKETS, Digest, Sum};
use crate::homes::Part;
use crate::id::VehicleId;
use crate::limits::{SYNC_AHEAD_ENTRIES_MAX, TOMBSTONES_MAX};
use crate::time::{Millis, Mono};
use slots::Slots;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A piece of a log: every entry with a sequence number in `(from, to]` that still stands. One that covers nothing,
/// `from` and `to` being equal, holds entries that were sent ahead of what lies before them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suffix {
    /// Not included.
    pub from: u64,
    /// Included; covered even if nothing stands there any more.
    pub to: u64,
    /// In the order of their sequence numbers.
    pub entries: Vec<(VehicleId, Slot)>,
    /// What cannot be read of some of them, by sequence number.
    pub rests: BTreeMap<u64, Rest>,
}

/// The batch does not join on to what is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the batch begins after {from}, the log is held up to {head}")]
pub struct Gap {
    /// Where the batch begins.
    pub from: u64,
    /// What is held.
    pub head: u64,
}

/// One owner's log in one life, as held by this node.
#[derive(Clone, Debug)]
pub struct Log {
    id: Arc<LogId>,
    head: u64,
    floor: u64,
    last_attach: u64,
    slots: Slots,
    tombstones: BTreeMap<u64, Mono>,
    /// What cannot be read of a slot, by its sequence number: of most there is nothing.
    rests: BTreeMap<u64, Rest>,
    /// What was sent ahead of the head, until the head has passed it: shown, never passed on, not in the digest.
    ahead: BTreeMap<VehicleId, Slot>,
    rebuilding: u64,
    digest: Digest,
}

impl Log {
    /// An empty log.
    pub fn new(id: LogId) -> Self {
        let digest = match id.scope {
            Scope::Detail => Digest::default(),
            Scope::Directory => Digest::by_shard(),
        };
        Self {
            id: Arc::new(id),
            head: 0,
            floor: 0,
            last_attach: 0,
            slots: Slots::new(),
            tombstones: BTreeMap::new(),
            rests: BTreeMap::new(),
            ahead: BTreeMap::new(),
            rebuilding: 0,
            digest,
        }
    }

    /// Whose log it is.
    pub fn id(&self) -> &LogId {
        &self.id
    }

    /// The same, for what names it once for every vehicle.
    pub fn shared_id(&self) -> Arc<LogId> {
        Arc::clone(&self.id)
    }

    /// Everything up to here is held.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// Tombstones up to here may be missing: a cursor below it needs a snapshot.
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// Where an attach was told last.
    pub fn last_attach(&self) -> u64 {
        self.last_attach
    }

    /// Tombstones up to here were not seen, as the log was read from a snapshot.
    pub fn raise_floor(&mut self, floor: u64) {
        self.floor = self.floor.max(floor);
    }

    /// How far the furthest copy is that is being read anew to take the place of this one; 0 if there is none.
    pub fn rebuilding(&self) -> u64 {
        self.rebuilding
    }

    /// One such copy came on from `was` to `is`; to 0 if it was given up.
    pub fn note_rebuilding(&mut self, was: u64, is: u64) {
        let furthest = self.rebuilding == was;
        self.rebuilding = if furthest { is } else { self.rebuilding.max(is) };
    }

    /// Slots up to the head, tombstones included.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Slots up to the head that are no tombstones.
    pub fn live(&self) -> usize {
        self.slots.len() - self.tombstones.len()
    }

    /// Whether nothing stands in it up to the head.
    pub fn is_empty(&self) -> bool {
        self.slots.len() == 0
    }

    /// Entries that were sent ahead of the head.
    pub fn ahead(&self) -> usize {
        self.ahead.len()
    }

    /// The xor of the hashes of all slots but tombstones: equal for equal content.
    pub fn digest(&self) -> u64 {
        self.digest.total()
    }

    /// How many slots that are no tombstones stand in a part of it, and the xor of their hashes.
    pub fn sum(&self, part: &Part) -> Sum {
        let whole = Sum { count: self.live() as u64, xor: self.digest.total() };
        part.shards().and_then(|shards| self.digest.of_part(shards)).unwrap_or(whole)
    }

    /// The xor of the hashes for each bucket of vehicles of a part of it.
    pub fn buckets(&self, part: &Part) -> Box<[u64; BUCKETS]> {
        match part {
            Part::Whole => Box::new(*self.digest.buckets()),
            Part::Shards(shards) => self.digest.buckets_of_part(shards),
        }
    }

    /// What is said of a vehicle, be it sent ahead.
    pub fn slot(&self, vehicle: &VehicleId) -> Option<&Slot> {
        // Whatever was sent ahead is newer than what stands.
        self.ahead.get(vehicle).or_else(|| self.slots.get(vehicle))
    }

    /// Everything that is said: what stands by vehicle, then what was sent ahead.
    pub fn slots(&self) -> impl Iterator<Item = (&VehicleId, &Slot)> {
        self.slots.beyond(None).filter(|(vehicle, _)| !self.ahead.contains_key(*vehicle)).chain(&self.ahead)
    }

    /// Whether more than so many entries stand after `cursor`.
    pub fn is_longer_than(&self, cursor: u64, entries: usize) -> bool {
        self.slots.after(cursor).nth(entries).is_some()
    }

    /// Whether nothing of a part of it stands after `cursor`.
    pub fn is_blank(&self, cursor: u64, part: &Part) -> bool {
        !self.slots.after(cursor).any(|(vehicle, _)| part.has(vehicle))
    }

    /// Says something new of a vehicle. For the owner alone.
    pub fn publish(&mut self, now: Mono, vehicle: VehicleId, entry: Entry) -> u64 {
        self.head += 1;
        self.put(now, vehicle, Slot { seq: self.head, entry }, None);
        self.head
    }

    /// At most `max` entries of a part of it after `cursor`.
    pub fn suffix(&self, cursor: u64, max: usize, part: &Part) -> Suffix {
        let (mut entries, mut rests) = (Vec::new(), BTreeMap::new());
        let mut to = self.head.max(cursor);
        for (vehicle, slot) in self.slots.after(cursor) {
            if entries.len() == max {
                break;
            }
            if part.has(vehicle) {
                entries.push((vehicle.clone(), slot.clone()));
                rests.extend(self.rests.get(&slot.seq).map(|rest| (slot.seq, rest.clone())));
            }
            to = slot.seq;
        }
        if entries.len() < max {
            to = self.head.max(cursor);
        }
        Suffix { from: cursor, to, entries, rests }
    }

    /// Nothing of what is kept here stands in `(from, to]`. Returns whether that joins on to what is held.
    pub fn skip(&mut self, from: u64, to: u64) -> bool {
        let joins = from <= self.head;
        if joins {
            self.head = self.head.max(to);
        }
        joins
    }

    /// Takes over a piece of the owner's log. Returns the vehicles whose slot changed, with what was shown.
    pub fn apply(&mut self, now: Mono, mut suffix: Suffix) -> Result<Vec<(VehicleId, Option<Slot>)>, Gap> {
        if suffix.from > self.head {
            return Err(Gap { from: suffix.from, head: self.head });
        }
        if suffix.from == suffix.to {
            return Ok(self.look_ahead(suffix.entries));
        }
        let mut changed = Vec::new();
        for (vehicle, slot) in suffix.entries {
            // What stands at or below the head was replaced by something held already.
            let within = slot.seq > self.head && slot.seq <= suffix.to;
            let held = self.slots.get(&vehicle);
            if within && held.is_none_or(|held| held.seq < slot.seq) {
                changed.push((vehicle.clone(), self.ahead.get(&vehicle).or(held).cloned()));
                let rest = suffix.rests.remove(&slot.seq);
                self.put(now, vehicle, slot, rest);
            }
        }
        self.head = self.head.max(suffix.to);
        Ok(changed)
    }

    /// Takes what was sent ahead. The head stays where it is, so nothing is claimed to be held that is not.
    fn look_ahead(&mut self, entries: Vec<(VehicleId, Slot)>) -> Vec<(VehicleId, Option<Slot>)> {
        let mut changed = Vec::new();
        for (vehicle, slot) in entries {
            let held = self.slot(&vehicle);
            let newer = slot.seq > self.head && held.is_none_or(|held| held.seq < slot.seq);
            // Beyond the bound it comes in its turn.
            if newer && (self.ahead.len() < SYNC_AHEAD_ENTRIES_MAX || self.ahead.contains_key(&vehicle)) {
                changed.push((vehicle.clone(), held.cloned()));
                self.ahead.insert(vehicle, slot);
            }
        }
        changed
    }

    /// As far, and nothing in it.
    #[must_use]
    pub fn emptied(self) -> Self {
        Self { head: self.head, floor: self.head, ..Self::new(self.id.as_ref().clone()) }
    }

    /// Keeps what was sent ahead of this log to the copy that it takes the place of.
    pub fn keep_ahead_of(&mut self, old: &Self) {
        let ahead = old.ahead.iter().filter(|(_, slot)| slot.seq > self.head);
        self.ahead = ahead.map(|(vehicle, slot)| (vehicle.clone(), slot.clone())).collect();
    }

    /// Forgets a vehicle without a tombstone: a later life of the owner has spoken for it.
    pub fn forget(&mut self, vehicle: &VehicleId) -> bool {
        let ahead = self.ahead.remove(vehicle).is_some();
        self.drop_slot(vehicle) || ahead
    }

    /// Drops tombstones older than `life` and raises the floor.
    pub fn expire_tombstones(&mut self, now: Mono, life: Millis) {
        while let Some((&seq, &since)) = self.tombstones.first_key_value() {
            if now.since(since) < life {
                return;
            }
            self.drop_tombstone(seq);
        }
    }

    fn drop_tombstone(&mut self, seq: u64) {
        if let Some(vehicle) = self.slots.at(seq).cloned() {
            self.drop_slot(&vehicle);
        }
        self.tombstones.remove(&seq);
    }

    fn drop_slot(&mut self, vehicle: &VehicleId) -> bool {
        let Some(slot) = self.take(vehicle) else { return false };
        self.floor = self.floor.max(slot.seq);
        true
    }

    fn take(&mut self, vehicle: &VehicleId) -> Option<Slot> {
        let slot = self.slots.remove(vehicle)?;
        self.unlist(vehicle, &slot);
        Some(slot)
    }

    /// What was said of a slot beside it is gone with it.
    fn unlist(&mut self, vehicle: &VehicleId, slot: &Slot) {
        let rest = self.rests.remove(&slot.seq);
        self.digest.remove(vehicle, slot, rest.as_ref());
        self.tombstones.remove(&slot.seq);
    }

    fn put(&mut self, now: Mono, vehicle: VehicleId, slot: Slot, rest: Option<Rest>) {
        let before = self.slots.put(vehicle.clone(), slot.clone());
        if let Some(before) = &before {
            self.unlist(&vehicle, before);
        }
        let before = before.map(|before| before.entry.epoch);
        if slot.entry.state == LiveState::Connected && before < Some(slot.entry.epoch) {
            self.last_attach = self.last_attach.max(slot.seq);
        }
        if self.ahead.get(&vehicle).is_some_and(|ahead| ahead.seq <= slot.seq) {
            self.ahead.remove(&vehicle);
        }
        if slot.entry.state == LiveState::Removed {
            self.tombstones.insert(slot.seq, now);
        }
        self.digest.add(&vehicle, &slot, rest.as_ref());
        self.rests.extend(rest.map(|rest| (slot.seq, rest)));
        if self.tombstones.len() > TOMBSTONES_MAX
            && let Some((&oldest, _)) = self.tombstones.first_key_value()
        {
            self.drop_tombstone(oldest);
        }
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
