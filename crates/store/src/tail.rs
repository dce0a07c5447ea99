//! What is committed and not folded yet, in memory, by vehicle.
//!
//! The writer adds to it after a commit returned and takes away what it folded, also after a commit
//! returned; readers look here first and in the tables second. So a reader may find a batch in both places,
//! which it can tell, and never in neither. The lock is held for a few lookups, never across IO.

use crate::journal::{BatchEntry, Entry, SealedAt};
use crate::write::{CommandRecord, Latest, PresenceRecord, TransitionRecord};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use waygate_core::id::{Incarnation, NodeId, SpoolId, VehicleId};
use waygate_core::record::{SignalPath, SignalValue};
use waygate_core::time::Wall;

/// The unfolded writes: those that are being folded and those that came since.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    pub(crate) active: Generation,
    pub(crate) frozen: Generation,
    /// Batches kept, folded ones included.
    pub(crate) batches: u64,
    /// Records kept, folded ones included.
    pub(crate) records: u64,
    /// Entries of journal rows that were damaged when they were read at open.
    pub(crate) damaged_entries: u64,
}

/// Consecutive journal rows, by vehicle.
#[derive(Debug, Default)]
pub(crate) struct Generation {
    pub(crate) vehicles: HashMap<VehicleId, VehicleTail>,
    /// Whose the commands among them are, by id.
    pub(crate) commands: HashMap<u128, VehicleId>,
    /// Ids and sizes of the rows.
    pub(crate) rows: Vec<(i64, usize)>,
    /// Of the rows, on disk.
    bytes: usize,
    /// What it takes in memory, about.
    held_bytes: usize,
}

/// The unfolded writes of one vehicle. There is one for every vehicle that anything was written of, so what most do not
/// have is somewhere else.
#[derive(Clone, Debug, Default)]
pub(crate) struct VehicleTail {
    pub(crate) number: i64,
    /// The last one; `Some(None)` if it was forgotten.
    presence: Option<Option<Box<PresenceRecord>>>,
    /// Each as it is now.
    pub(crate) commands: BTreeMap<u128, CommandRecord>,
    /// In the order of their identities. Most vehicles have one: a node of a tree would hold eleven.
    pub(crate) transitions: Vec<TransitionRecord>,
    reported: Option<Box<Reported>>,
}

/// The unfolded telemetry of one vehicle.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reported {
    pub(crate) spools: HashSet<SpoolId>,
    pub(crate) latest: Option<Latest>,
    pub(crate) signals: BTreeMap<SignalPath, (Wall, SignalValue)>,
    pub(crate) batches: Vec<TailBatch>,
}

/// What the table by vehicle takes for each: it is between half full and full.
const SLOT_BYTES: usize = size_of::<(VehicleId, VehicleTail)>() * 3 / 2;

/// What tells the transitions of one vehicle apart.
pub(crate) type TransitionId = (NodeId, Incarnation, u64);

/// A sealed batch within the journal row it came in.
#[derive(Clone, Debug)]
pub(crate) struct TailBatch {
    pub(crate) vehicle: i64,
    pub(crate) spool: SpoolId,
    pub(crate) at: SealedAt,
    pub(crate) row: Arc<Vec<u8>>,
}

impl TailBatch {
    pub(crate) fn sealed(&self) -> &[u8] {
        self.row.get(self.at.range.clone()).unwrap_or_default()
    }
}

impl Generation {
    /// Whether it is time to fold it: its rows take much on the disk, or what they say in memory.
    pub(crate) fn is_full(&self, fold_bytes: usize) -> bool {
        self.bytes.max(self.held_bytes) >= fold_bytes
    }

    fn add_row(&mut self, id: i64, row: &Arc<Vec<u8>>, entries: Vec<(VehicleId, Entry)>) {
        self.rows.push((id, row.len()));
        self.bytes += row.len();
        let mut held = size_of::<(i64, usize)>();
        let mut row_held = false;
        for (vehicle, entry) in entries {
            if let Entry::Command { record, .. } = &entry {
                self.commands.insert(record.id, vehicle.clone());
            }
            let tail = self.vehicles.entry(vehicle).or_insert_with(|| {
                held += SLOT_BYTES;
                VehicleTail::default()
            });
            tail.number = entry.vehicle();
            match entry {
                Entry::Presence { record, .. } => {
                    let known = matches!(tail.presence, Some(Some(_)));
                    held += if known { 0 } else { size_of::<PresenceRecord>() };
                    tail.presence = Some(Some(Box::new(record)));
                }
                Entry::Forget { .. } => tail.presence = Some(None),
                Entry::Batch(batch) => {
                    row_held |= batch.sealed.is_some();
                    held += size_of::<TailBatch>() + if tail.reported.is_none() { size_of::<Reported>() } else { 0 };
                    tail.reported.get_or_insert_default().add_batch(batch, row);
                }
                Entry::Command { record, .. } => {
                    held += size_of::<CommandRecord>() + record.body.len();
                    tail.commands.insert(record.id, record);
                }
                Entry::Transition { record, .. } => {
                    held += size_of::<TransitionRecord>();
                    tail.add_transition(record);
                }
            }
        }
        self.held_bytes += held + if row_held { row.len() } else { 0 };
    }

    /// Takes away a vehicle that is folded.
    pub(crate) fn remove(&mut self, vehicle: &VehicleId) {
        for id in self.vehicles.remove(vehicle).iter().flat_map(|tail| tail.commands.keys()) {
            self.commands.remove(id);
        }
    }

    /// A command and the number of its vehicle.
    pub(crate) fn command(&self, id: u128) -> Option<(i64, &CommandRecord)> {
        let tail = self.vehicles.get(self.commands.get(&id)?)?;
        Some((tail.number, tail.commands.get(&id)?))
    }
}

impl VehicleTail {
    /// Of two with one identity the first stands.
    fn add_transition(&mut self, record: TransitionRecord) {
        let id = |record: &TransitionRecord| (record.owner.clone(), record.incarnation, record.seq);
        if let Err(at) = self.transitions.binary_search_by_key(&id(&record), id) {
            self.transitions.reserve_exact(usize::from(self.transitions.is_empty()));
            self.transitions.insert(at, record);
        }
    }

    /// The presence that was written last; `Some(None)` if it was forgotten.
    pub(crate) fn presence(&self) -> Option<Option<&PresenceRecord>> {
        self.presence.as_ref().map(Option::as_deref)
    }

    /// What it reported, if anything.
    pub(crate) fn reported(&self) -> Option<&Reported> {
        self.reported.as_deref()
    }

    /// Its batches.
    pub(crate) fn batches(&self) -> &[TailBatch] {
        self.reported().map_or(&[], |reported| &reported.batches)
    }

    /// The position with the greatest device time.
    pub(crate) fn latest(&self) -> Option<Latest> {
        self.reported().and_then(|reported| reported.latest)
    }

    /// Whether it reported anything of a spool.
    pub(crate) fn has_spool(&self, spool: SpoolId) -> bool {
        self.reported().is_some_and(|reported| reported.spools.contains(&spool))
    }

    /// What there is one of a vehicle, for those that ask for nothing else.
    pub(crate) fn state(&self) -> Self {
        let reported = self.reported().map(|reported| {
            let (latest, signals) = (reported.latest, reported.signals.clone());
            Box::new(Reported { latest, signals, ..Reported::default() })
        });
        Self { number: self.number, presence: self.presence.clone(), reported, ..Self::default() }
    }
}

impl Reported {
    fn add_batch(&mut self, batch: BatchEntry, row: &Arc<Vec<u8>>) {
        self.spools.insert(batch.spool);
        keep_latest(&mut self.latest, batch.latest);
        for (path, t, value) in batch.signals {
            keep_signal(&mut self.signals, path, t, value);
        }
        if let Some(at) = batch.sealed {
            self.batches.push(TailBatch { vehicle: batch.vehicle, spool: batch.spool, at, row: Arc::clone(row) });
        }
    }
}

/// Keeps the one with the greater device time; of equal ones the first.
pub(crate) fn keep_latest(kept: &mut Option<Latest>, other: Option<Latest>) {
    if let Some(other) = other
        && kept.is_none_or(|kept| other.t > kept.t)
    {
        *kept = Some(other);
    }
}

/// Keeps the value with the greater device time; of equal ones the first.
pub(crate) fn keep_signal(
    kept: &mut BTreeMap<SignalPath, (Wall, SignalValue)>,
    path: SignalPath,
    t: Wall,
    value: SignalValue,
) {
    if kept.get(&path).is_none_or(|(kept_t, _)| t > *kept_t) {
        kept.insert(path, (t, value));
    }
}

/// The tail as the writer and the readers share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedTail(Arc<RwLock<Tail>>);

impl SharedTail {
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Tail> {
        // A panic elsewhere leaves whole entries behind; nothing here is half-changed.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Tail> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tail {
    /// Adds a row of the active generation, or at recovery of the frozen one.
    pub(crate) fn add_row(&mut self, frozen: bool, id: i64, row: &Arc<Vec<u8>>, entries: Vec<(VehicleId, Entry)>) {
        for (_, entry) in &entries {
            if let Entry::Batch(BatchEntry { sealed: Some(at), .. }) = entry {
                self.batches += 1;
                self.records += u64::from(at.count);
            }
        }
        let generation = if frozen { &mut self.frozen } else { &mut self.active };
        generation.add_row(id, row, entries);
    }

    /// The unfolded writes of a vehicle, older ones first.
    pub(crate) fn of<'a>(&'a self, vehicle: &VehicleId) -> impl Iterator<Item = &'a VehicleTail> {
        [self.frozen.vehicles.get(vehicle), self.active.vehicles.get(vehicle)].into_iter().flatten()
    }
}

#[cfg(test)]
#[path = "tail_tests.rs"]
mod tests;
