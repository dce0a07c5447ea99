//! An owner's presence log: what one gateway, in one of its lives, says of the vehicles it serves.
//!
//! Only the owner publishes; everyone else holds a copy that is complete up to a cursor. Each vehicle has
//! exactly one live slot, and publishing again moves it to a new place in the sequence, so the log is as
//! long as its vehicles are many, however slow a reader is. The log never looks at a clock or a peer.

use crate::cause::DetachCause;
use crate::cell::Cell;
use crate::epoch::Epoch;
use crate::id::{Incarnation, NodeId, SessionId, VehicleId};
use crate::time::{Millis, Mono};
use crate::wake::WakeChannels;
use std::collections::BTreeMap;
use std::ops::Bound;

/// Whose log, in which life.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    /// The only writer.
    pub owner: NodeId,
    /// Its life.
    pub incarnation: Incarnation,
}

/// What the owner last said of a vehicle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LiveState {
    /// It has a socket, or lost it within the hold.
    Connected,
    /// No socket, but expected to report.
    Idle,
    /// It said that it sleeps, and for how long.
    Asleep,
    /// It did not report in time.
    Unreachable,
    /// It left, or was given up.
    Detached,
    /// The owner no longer speaks for it: superseded elsewhere, or purged. A tombstone.
    Removed,
}

impl LiveState {
    /// Every state.
    pub const ALL: &[Self] =
        &[Self::Connected, Self::Idle, Self::Asleep, Self::Unreachable, Self::Detached, Self::Removed];

    /// The number in the store.
    pub const fn number(self) -> u8 {
        match self {
            Self::Connected => 1,
            Self::Idle => 2,
            Self::Asleep => 3,
            Self::Unreachable => 4,
            Self::Detached => 5,
            Self::Removed => 6,
        }
    }

    /// The state with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|s| s.number() == number)
    }
}

/// One vehicle in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The attach that it belongs to.
    pub epoch: Epoch,
    /// The session that it belongs to.
    pub session: SessionId,
    /// The state.
    pub state: LiveState,
    /// Why, for a detached one.
    pub cause: Option<DetachCause>,
    /// The last known tracking area.
    pub cell: Option<Cell>,
    /// The last contact known when this was published, on the holder's own clock.
    pub contact: Mono,
    /// How long a sleeping vehicle said it will sleep; zero for any other.
    pub sleep: Millis,
    /// How it can be woken when it has no socket.
    pub wake: WakeChannels,
    /// Whether two units seem to use its identity.
    pub cloned: bool,
}

/// An entry and its place in the sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// From 1, strictly rising within the log.
    pub seq: u64,
    /// What stands there.
    pub entry: Entry,
}

/// A piece of a log: every entry with a sequence number in `(from, to]` that still stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suffix {
    /// Not included.
    pub from: u64,
    /// Included; covered even if nothing stands there any more.
    pub to: u64,
    /// In the order of their sequence numbers.
    pub entries: Vec<(VehicleId, Slot)>,
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
    id: LogId,
    head: u64,
    floor: u64,
    slots: BTreeMap<VehicleId, Slot>,
    order: BTreeMap<u64, VehicleId>,
    tombstones: BTreeMap<u64, Mono>,
    digest: u64,
}

impl Log {
    /// An empty log.
    pub fn new(id: LogId) -> Self {
        Self {
            id,
            head: 0,
            floor: 0,
            slots: BTreeMap::new(),
            order: BTreeMap::new(),
            tombstones: BTreeMap::new(),
            digest: 0,
        }
    }

    /// Whose log it is.
    pub fn id(&self) -> &LogId {
        &self.id
    }

    /// Everything up to here is held.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// Tombstones up to here may be missing: a cursor below it needs a snapshot.
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// Tombstones up to here were not seen, as the log was read from a snapshot.
    pub fn raise_floor(&mut self, floor: u64) {
        self.floor = self.floor.max(floor);
    }

    /// Slots, tombstones included.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Slots that are no tombstones.
    pub fn live(&self) -> usize {
        self.slots.len() - self.tombstones.len()
    }

    /// Whether nothing stands in it.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The xor of the hashes of all slots but tombstones: equal for equal content.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// What is said of a vehicle.
    pub fn slot(&self, vehicle: &VehicleId) -> Option<&Slot> {
        self.slots.get(vehicle)
    }

    /// Everything that is said, by vehicle.
    pub fn slots(&self) -> impl Iterator<Item = (&VehicleId, &Slot)> {
        self.slots.iter()
    }

    /// Says something new of a vehicle. For the owner alone.
    pub fn publish(&mut self, now: Mono, vehicle: VehicleId, entry: Entry) -> u64 {
        self.head += 1;
        self.put(now, vehicle, Slot { seq: self.head, entry });
        self.head
    }

    /// At most `max` entries after `cursor`.
    pub fn suffix(&self, cursor: u64, max: usize) -> Suffix {
        let mut entries = Vec::new();
        let mut to = self.head.max(cursor);
        for (&seq, vehicle) in self.order.range((Bound::Excluded(cursor), Bound::Unbounded)) {
            if entries.len() == max {
                break;
            }
            if let Some(slot) = self.slots.get(vehicle) {
                entries.push((vehicle.clone(), slot.clone()));
            }
            to = seq;
        }
        if entries.len() < max {
            to = self.head.max(cursor);
        }
        Suffix { from: cursor, to, entries }
    }

    /// Takes over a piece of the owner's log. Returns the vehicles whose slot changed.
    pub fn apply(&mut self, now: Mono, suffix: Suffix) -> Result<Vec<VehicleId>, Gap> {
        if suffix.from > self.head {
            return Err(Gap { from: suffix.from, head: self.head });
        }
        let mut changed = Vec::new();
        for (vehicle, slot) in suffix.entries {
            // What stands at or below the head was replaced by something held already.
            let newer = slot.seq > self.head
                && slot.seq <= suffix.to
                && self.slots.get(&vehicle).is_none_or(|held| held.seq < slot.seq);
            if newer {
                changed.push(vehicle.clone());
                self.put(now, vehicle, slot);
            }
        }
        self.head = self.head.max(suffix.to);
        Ok(changed)
    }

    /// Forgets a vehicle without a tombstone: a later life of the owner has spoken for it.
    pub fn forget(&mut self, vehicle: &VehicleId) -> bool {
        match self.slots.remove(vehicle) {
            Some(slot) => {
                self.toggle(vehicle, &slot);
                self.order.remove(&slot.seq);
                self.tombstones.remove(&slot.seq);
                self.floor = self.floor.max(slot.seq);
                true
            }
            None => false,
        }
    }

    /// Drops tombstones older than `life` and raises the floor.
    pub fn expire_tombstones(&mut self, now: Mono, life: Millis) {
        while let Some((&seq, &since)) = self.tombstones.first_key_value() {
            if now.since(since) < life {
                return;
            }
            if let Some(vehicle) = self.order.get(&seq).cloned() {
                self.forget(&vehicle);
            }
            self.tombstones.remove(&seq);
        }
    }

    fn put(&mut self, now: Mono, vehicle: VehicleId, slot: Slot) {
        if let Some(old) = self.slots.remove(&vehicle) {
            self.toggle(&vehicle, &old);
            self.order.remove(&old.seq);
            self.tombstones.remove(&old.seq);
        }
        if slot.entry.state == LiveState::Removed {
            self.tombstones.insert(slot.seq, now);
        }
        self.toggle(&vehicle, &slot);
        self.order.insert(slot.seq, vehicle.clone());
        self.slots.insert(vehicle, slot);
    }

    /// Counts a slot into the digest or out of it. Tombstones are left out: every holder expires them on its own.
    fn toggle(&mut self, vehicle: &VehicleId, slot: &Slot) {
        if slot.entry.state != LiveState::Removed {
            self.digest ^= hash(vehicle, slot);
        }
    }
}

/// FNV-1a over what makes a slot, with a final mix; the same on every node, `contact` left out because it
/// is on the holder's clock.
fn hash(vehicle: &VehicleId, slot: &Slot) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let eat = |state: u64, bytes: &[u8]| bytes.iter().fold(state, |h, &b| (h ^ u64::from(b)).wrapping_mul(PRIME));
    let mut state = eat(OFFSET, vehicle.as_str().as_bytes());
    for number in [slot.seq, slot.entry.epoch.0, slot.entry.session.0, slot.entry.cell.map_or(0, Cell::index)] {
        state = eat(state, &number.to_le_bytes());
    }
    let entry = &slot.entry;
    let cause = entry.cause.map_or(0, DetachCause::number) as u8;
    state = eat(state, &[entry.state.number(), cause]);
    // What an earlier version does not know of is left out where it says nothing. A sleep is told in whole seconds.
    if (entry.sleep, entry.wake, entry.cloned) != (Millis(0), WakeChannels::NONE, false) {
        state = eat(state, &[entry.wake.bits(), entry.cloned.into()]);
        state = eat(state, &entry.sleep.as_secs_ceil().to_le_bytes());
    }
    state ^= state >> 32;
    state.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
