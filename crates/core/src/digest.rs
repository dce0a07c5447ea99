//! What two copies of a log are compared by: the xor of the hashes of what stands in them, in 256 buckets by vehicle.
//!
//! The same on every node and in every version: it covers what version 1 of the stream names, so a field that is added
//! later changes no digest of a node that does not know it.

use crate::cause::DetachCause;
use crate::cell::Cell;
use crate::homes::{Interest, SHARDS};
use crate::id::VehicleId;
use crate::log::{LiveState, Rest, Slot};
use crate::time::Millis;
use crate::wake::WakeChannels;

/// Buckets of a log: two kilobytes of hashes tell where two copies of a million entries differ.
pub const BUCKETS: usize = 256;

/// The hashes of a log's slots, kept up as they change. Tombstones are left out: every holder expires them on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    total: u64,
    buckets: Box<[u64; BUCKETS]>,
    /// Where others hold a part of the log: what stands in each shard.
    shards: Option<Box<[Sum; SHARDS]>>,
}

/// How many slots that are no tombstones, and the xor of their hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Slots.
    pub count: u64,
    /// The xor of their hashes.
    pub xor: u64,
}

impl Default for Digest {
    fn default() -> Self {
        Self { total: 0, buckets: Box::new([0; BUCKETS]), shards: None }
    }
}

impl Digest {
    /// One that can tell the sum of any part, for 16 KiB more.
    pub fn by_shard() -> Self {
        Self { shards: Some(Box::new([Sum::default(); SHARDS])), ..Self::default() }
    }

    /// What stands in a part of the log; `None` if only the whole can be told.
    pub fn of_part(&self, part: &Interest) -> Option<Sum> {
        let shards = self.shards.as_ref()?;
        let add = |a: Sum, b: Sum| Sum { count: a.count + b.count, xor: a.xor ^ b.xor };
        Some(part.iter().map(|shard| shards[shard.index()]).fold(Sum::default(), add))
    }

    /// The hashes of each bucket of a part of the log; of the whole if no part can be told.
    pub fn buckets_of_part(&self, part: &Interest) -> Box<[u64; BUCKETS]> {
        let Some(shards) = self.shards.as_ref() else { return self.buckets.clone() };
        let mut buckets = Box::new([0; BUCKETS]);
        for shard in part.iter() {
            buckets[shard.index() % BUCKETS] ^= shards[shard.index()].xor;
        }
        buckets
    }

    /// The xor of all hashes.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The xor of the hashes of each bucket.
    pub fn buckets(&self) -> &[u64; BUCKETS] {
        &self.buckets
    }

    /// Counts a slot in.
    pub fn add(&mut self, vehicle: &VehicleId, slot: &Slot, rest: Option<&Rest>) {
        self.count(vehicle, slot, rest, 1);
    }

    /// Counts a slot out again.
    pub fn remove(&mut self, vehicle: &VehicleId, slot: &Slot, rest: Option<&Rest>) {
        self.count(vehicle, slot, rest, -1);
    }

    fn count(&mut self, vehicle: &VehicleId, slot: &Slot, rest: Option<&Rest>, by: i64) {
        if slot.entry.state == LiveState::Removed {
            return;
        }
        let name = fnv(vehicle.as_str().as_bytes());
        let hash = of_slot(name, slot, rest);
        self.total ^= hash;
        self.buckets[usize::from(mix(name) as u8)] ^= hash;
        if let Some(shards) = &mut self.shards {
            let sum = &mut shards[mix(name) as usize % SHARDS];
            sum.xor ^= hash;
            sum.count = sum.count.saturating_add_signed(by);
        }
    }
}

/// The bucket that a vehicle is in.
pub fn bucket(vehicle: &VehicleId) -> u8 {
    hash_of(vehicle) as u8
}

/// Where a vehicle falls, whatever is said of it.
pub fn hash_of(vehicle: &VehicleId) -> u64 {
    mix(fnv(vehicle.as_str().as_bytes()))
}

/// The hash of one slot, in whatever log it stands.
pub fn hash(vehicle: &VehicleId, slot: &Slot, rest: Option<&Rest>) -> u64 {
    of_slot(fnv(vehicle.as_str().as_bytes()), slot, rest)
}

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a of some bytes.
pub(crate) fn fnv(bytes: &[u8]) -> u64 {
    eat(OFFSET, bytes)
}

/// The same, gone on with.
fn eat(state: u64, bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    bytes.iter().fold(state, |h, &b| (h ^ u64::from(b)).wrapping_mul(PRIME))
}

fn mix(state: u64) -> u64 {
    (state ^ (state >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_right(32)
}

/// FNV-1a over what makes a slot, with a final mix; `contact` is left out because it is on the holder's clock.
fn of_slot(name: u64, slot: &Slot, rest: Option<&Rest>) -> u64 {
    let mut state = name;
    let entry = &slot.entry;
    // A cause or a cell that only the owner's version can read counts as what the owner wrote.
    let cell = entry.cell.map(Cell::index).or(rest.map(|rest| rest.cell)).unwrap_or(0);
    let cause = entry.cause.map(DetachCause::number).or(rest.map(|rest| rest.cause)).unwrap_or(0);
    for number in [slot.seq, entry.epoch.0, entry.session.0, cell] {
        state = eat(state, &number.to_le_bytes());
    }
    state = eat(state, &[entry.state.number(), cause as u8]);
    // What an earlier version does not know of is left out where it says nothing. A sleep is told in whole seconds.
    if (entry.sleep, entry.wake, entry.cloned) != (Millis(0), WakeChannels::NONE, false) {
        state = eat(state, &[entry.wake.bits(), entry.cloned.into()]);
        state = eat(state, &entry.sleep.as_secs_ceil().to_le_bytes());
    }
    state ^= state >> 32;
    state.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
#[path = "digest_tests.rs"]
mod tests;
