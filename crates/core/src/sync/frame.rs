//! What two nodes send each other on a presence stream.

use crate::cause::DetachCause;
use crate::cell::Cell;
use crate::epoch::Epoch;
use crate::homes::Interest;
use crate::id::{SessionId, VehicleId};
use crate::log::{Entry, LiveState, LogId, Rest, Scope, Slot};
use crate::time::{Millis, Mono};
use crate::view::NodeInfo;
use crate::wake::WakeChannels;
use std::collections::{BTreeMap, BTreeSet};

/// What two nodes send each other.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// The first frame of both sides.
    Hello {
        /// Who speaks.
        node: NodeInfo,
        /// What it holds.
        cursors: Vec<Cursor>,
        /// What it keeps of other regions' vehicles; `None` for all that there is, in detail.
        kept: Option<Box<Kept>>,
    },
    /// A piece of a log.
    Batch(Box<Batch>),
    /// A sign of life, and what is held by now.
    Cursors {
        /// What it holds.
        cursors: Vec<Cursor>,
        /// Who speaks, if there is something to say of itself that the Hello did not.
        nodes: Vec<NodeInfo>,
    },
    /// Two copies of a log are compared.
    Audit(Box<Audit>),
}

/// What a gateway keeps where home regions are configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Of the vehicles of other regions.
    pub interest: Interest,
    /// Which home regions are configured there: [`HomeRegions::fingerprint`](crate::homes::HomeRegions::fingerprint).
    pub homes: u64,
}

/// What is said to find out where two copies that are as far differ, and to mend one of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Audit {
    /// The copy here differs: what are the hashes of the buckets, or what stands in these?
    Asked {
        /// Of which log.
        log: LogId,
        /// Which buckets; none to ask for the hashes of all.
        buckets: BTreeSet<u8>,
    },
    /// The hashes of all buckets.
    Hashes {
        /// Of which log.
        log: LogId,
        /// Where it stood.
        seq: u64,
        /// One a bucket.
        hashes: Vec<u64>,
    },
    /// A stretch of some buckets.
    Stretch {
        /// Of which log.
        log: LogId,
        /// Where it stood.
        seq: u64,
        /// Which buckets.
        buckets: BTreeSet<u8>,
        /// Vehicles after this one; `None` from the first on.
        after: Option<VehicleId>,
        /// Up to this one; `None` to the last.
        through: Option<VehicleId>,
        /// All that stand in it, by vehicle.
        entries: Vec<AgedEntry>,
    },
}

/// Everything that the sender keeps of a log up to `seq` is held. What the receiver does not keep is left out of the sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Which log.
    pub log: LogId,
    /// Up to where.
    pub seq: u64,
    /// How many slots stand in it, without tombstones.
    pub count: u64,
    /// The xor of their hashes.
    pub digest: u64,
    /// How far the furthest copy is that is being read anew to take the place of this one; 0 if there is none.
    pub rebuilding: u64,
    /// Nothing that the receiver keeps stands in `(blank_from, seq]`: whoever holds it up to there holds it up to `seq`.
    pub blank_from: Option<u64>,
    /// The owner's own stream is heard, in this life of it: nobody else has to pass the log on.
    pub heard: bool,
    /// How long ago the sender knew all that the owner had said, if it hears the owner itself and the receiver does not:
    /// whoever holds the log up to `seq` knows as much.
    pub level: Option<Millis>,
}

/// A piece of an owner's log. One that covers nothing, `from` and `to` being equal, sends fresh entries ahead.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The owner, in the life whose log it is.
    pub owner: NodeInfo,
    /// Which of its logs.
    pub scope: Scope,
    /// Not included.
    pub from: u64,
    /// Included.
    pub to: u64,
    /// In sequence.
    pub entries: Vec<AgedEntry>,
    /// Set on the first piece of a snapshot: the sequence number at which it is whole.
    pub snapshot_end: Option<u64>,
}

/// An entry on its way: the contact as an age, for clocks differ.
#[derive(Clone, Debug, PartialEq)]
pub struct AgedEntry {
    /// Which vehicle.
    pub vehicle: VehicleId,
    /// Its place in the log.
    pub seq: u64,
    /// The attach.
    pub epoch: Epoch,
    /// The session.
    pub session: SessionId,
    /// The state.
    pub state: LiveState,
    /// Why, for a detached one.
    pub cause: Option<DetachCause>,
    /// The last known tracking area.
    pub cell: Option<Cell>,
    /// Since the last contact, when the batch was sent.
    pub age: Millis,
    /// How long a sleeping vehicle said it will sleep, in whole seconds.
    pub sleep: Millis,
    /// How it can be woken.
    pub wake: WakeChannels,
    /// Whether two units seem to use its identity.
    pub cloned: bool,
    /// What its owner's later version said that cannot be read here.
    pub rest: Option<Box<Rest>>,
}

/// What crosses for these slots.
pub(super) fn aged(now: Mono, slots: Vec<(VehicleId, Slot)>, mut rests: BTreeMap<u64, Rest>) -> Vec<AgedEntry> {
    let age = |(vehicle, slot): (VehicleId, Slot)| {
        let Entry { epoch, session, state, cause, cell, contact, sleep, wake, cloned } = slot.entry;
        let (age, rest) = (now.since(contact), rests.remove(&slot.seq).map(Box::new));
        AgedEntry { vehicle, seq: slot.seq, epoch, session, state, cause, cell, age, sleep, wake, cloned, rest }
    };
    slots.into_iter().map(age).collect()
}

/// What these entries are here.
pub(super) fn unaged(now: Mono, entries: Vec<AgedEntry>) -> (Vec<(VehicleId, Slot)>, BTreeMap<u64, Rest>) {
    let mut rests = BTreeMap::new();
    let unage = |entry: AgedEntry| {
        let AgedEntry { vehicle, seq, epoch, session, state, cause, cell, age, sleep, wake, cloned, rest } = entry;
        rests.extend(rest.map(|rest| (seq, *rest)));
        let contact = now.before(age);
        (vehicle, Slot { seq, entry: Entry { epoch, session, state, cause, cell, contact, sleep, wake, cloned } })
    };
    (entries.into_iter().map(unage).collect(), rests)
}
