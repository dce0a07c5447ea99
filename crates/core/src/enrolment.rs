//! Which vehicles operators admitted and refuse, and which wait to be decided on: the same at every gateway in the end.
//!
//! Each vehicle has one entry. A decision raises its version, so of two the later one wins wherever they meet; of two of
//! equal version, made at gateways that did not hear each other, the refusal. What waits has version 0: any decision is
//! above it. Joining two enrolments gives the same in any order, however often, so gateways just tell each other what is new.
//!
//! Changes are numbered here, in this life, so that whoever copies the enrolment can say how far it is.

use crate::credential::VehicleName;
use crate::id::{FleetId, VehicleId};
use crate::time::Wall;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// Vehicles that may wait to be decided on. Whoever was not seen for longest gives way: it is noted again when it is back.
pub const PENDING_MAX: usize = 4096;

/// Vehicles that were decided on: about 200 bytes each.
pub const DECIDED_MAX: usize = 1_000_000;

/// What was last seen of a vehicle that waits is told on only after it moved by this much, milliseconds.
const SEEN_AGAIN_MS: i64 = 60_000;

/// Where a vehicle stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It waits for a decision.
    Pending,
    /// It may attach.
    Admitted,
    /// It may not.
    Refused,
}

impl Standing {
    /// Every one.
    pub const ALL: &[Self] = &[Self::Pending, Self::Admitted, Self::Refused];

    /// The word for it.
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Admitted => "admitted",
            Self::Refused => "refused",
        }
    }

    /// What the word means.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|standing| standing.wire() == word)
    }
}

/// What is known of a vehicle. Of two, one is the greater or they are the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Counts the decisions; 0 for none.
    pub version: u64,
    /// Where it stands.
    pub standing: Standing,
    /// The fleet that it showed, or that it was admitted to.
    pub fleet: FleetId,
    /// When it asked first; of one decided on unseen, when that was.
    pub first: Wall,
    /// When it asked last, before it was decided on.
    pub last: Wall,
    /// What it showed itself with; empty if it was decided on unseen.
    pub means: String,
    /// Where it was decided on; empty for none.
    pub by: String,
}

impl Entry {
    /// What two gateways know together.
    fn join(self, other: Self) -> Self {
        if self.standing != Standing::Pending || other.standing != Standing::Pending || self.version != other.version {
            return self.max(other);
        }
        let last = self.last.max(other.last);
        // Whoever came first under this name is the one that waits.
        let key = |entry: &Self| (entry.first, entry.fleet.clone(), entry.means.clone(), entry.by.clone());
        let first = if key(&self) <= key(&other) { self } else { other };
        Self { last, ..first }
    }
}

/// Whether a vehicle may attach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Admitted,
    /// It waits, and is noted.
    Pending,
    /// It may not.
    Refused,
    /// A vehicle of this name is known in another fleet.
    OtherFleet,
}

/// What cannot be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    /// It never asked, and nobody said which fleet it belongs to.
    #[error("no vehicle of this name has asked to be admitted: name its fleet to decide on it beforehand")]
    NoFleet,
    /// There are too many.
    #[error("{DECIDED_MAX} vehicles are decided on already, which is as many as are kept")]
    Full,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    entry: Entry,
    change: u64,
}

/// The enrolment of one gateway.
#[derive(Clone, Debug, Default)]
pub struct Enrolment {
    kept: BTreeMap<VehicleId, Kept>,
    /// Those that wait, by when they were last seen.
    waiting: BTreeSet<(Wall, VehicleId)>,
    /// What changed, in order.
    changes: BTreeMap<u64, VehicleId>,
    change: u64,
}

impl Enrolment {
    /// What is known of a vehicle.
    pub fn entry(&self, vehicle: &VehicleId) -> Option<&Entry> {
        self.kept.get(vehicle).map(|kept| &kept.entry)
    }

    /// Everyone, by name.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (&VehicleId, &Entry)> {
        self.kept.iter().map(|(vehicle, kept)| (vehicle, &kept.entry))
    }

    /// Everyone from a name on.
    pub fn range(&self, from: Bound<VehicleId>) -> impl Iterator<Item = (&VehicleId, &Entry)> {
        self.kept.range((from, Bound::Unbounded)).map(|(vehicle, kept)| (vehicle, &kept.entry))
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Everyone in this standing, by name.
    pub fn standing(&self, standing: Standing) -> impl Iterator<Item = (&VehicleId, &Entry)> {
        self.entries().filter(move |(_, entry)| entry.standing == standing)
    }

    /// The number of the last change.
    pub fn change(&self) -> u64 {
        self.change
    }

    /// What changed after a number, at most so much, and the number it leads to.
    pub fn after(&self, change: u64, max: usize) -> (Vec<(VehicleId, Entry)>, u64) {
        let mut upto = change;
        let mut entries = Vec::new();
        for (number, vehicle) in self.changes.range(change + 1..).take(max) {
            upto = *number;
            entries.extend(self.entry(vehicle).map(|entry| (vehicle.clone(), entry.clone())));
        }
        (entries, upto)
    }

    /// A vehicle that showed who it is asks for a session.
    pub fn ask(&mut self, name: &VehicleName, means: &str, now: Wall) -> Verdict {
        if let Some(entry) = self.entry(&name.vehicle) {
            if entry.fleet != name.fleet {
                return Verdict::OtherFleet;
            }
            match entry.standing {
                Standing::Admitted => return Verdict::Admitted,
                Standing::Refused => return Verdict::Refused,
                Standing::Pending if entry.means == means && now.0 < entry.last.0 + SEEN_AGAIN_MS => {
                    return Verdict::Pending;
                }
                Standing::Pending => {}
            }
        }
        let (fleet, means) = (name.fleet.clone(), means.to_owned());
        let entry =
            Entry { version: 0, standing: Standing::Pending, fleet, first: now, last: now, means, by: String::new() };
        self.learn(name.vehicle.clone(), entry);
        Verdict::Pending
    }

    /// An operator decides on a vehicle, at the gateway `by`; in the fleet it showed, or in the one that is named.
    pub fn decide(
        &mut self,
        vehicle: &VehicleId,
        admit: bool,
        fleet: Option<FleetId>,
        by: &str,
        now: Wall,
    ) -> Result<Entry, Undecided> {
        let known = self.entry(vehicle);
        let fleet = fleet.or_else(|| known.map(|entry| entry.fleet.clone())).ok_or(Undecided::NoFleet)?;
        let version = known.map_or(0, |entry| entry.version);
        // Of decisions made apart the later one counts, as far as the gateways' clocks agree.
        let next = version.saturating_add(1).max(u64::try_from(now.0).unwrap_or(0));
        if version == 0 && self.kept.len() - self.waiting.len() >= DECIDED_MAX {
            return Err(Undecided::Full);
        }
        let (first, last, means) =
            known.map_or((now, now, String::new()), |entry| (entry.first, entry.last, entry.means.clone()));
        let standing = if admit { Standing::Admitted } else { Standing::Refused };
        let entry = Entry { version: next, standing, fleet, first, last, means, by: by.to_owned() };
        self.put(vehicle.clone(), entry.clone());
        Ok(entry)
    }

    /// Joins what another gateway or an earlier life knew. Returns whether it was news.
    pub fn learn(&mut self, vehicle: VehicleId, entry: Entry) -> bool {
        let before = self.entry(&vehicle).cloned();
        let after = match &before {
            Some(before) => before.clone().join(entry),
            None => entry,
        };
        if before.as_ref() == Some(&after) {
            return false;
        }
        let decided = after.standing != Standing::Pending;
        if decided && before.is_none() && self.kept.len() - self.waiting.len() >= DECIDED_MAX {
            return false;
        }
        self.put(vehicle, after);
        if self.waiting.len() > PENDING_MAX
            && let Some((_, longest)) = self.waiting.pop_first()
            && let Some(kept) = self.kept.remove(&longest)
        {
            self.changes.remove(&kept.change);
        }
        true
    }

    fn put(&mut self, vehicle: VehicleId, entry: Entry) {
        self.change += 1;
        if entry.standing == Standing::Pending {
            self.waiting.insert((entry.last, vehicle.clone()));
        }
        let kept = Kept { entry, change: self.change };
        self.changes.insert(self.change, vehicle.clone());
        let waits = (kept.entry.standing == Standing::Pending).then_some(kept.entry.last);
        if let Some(before) = self.kept.insert(vehicle.clone(), kept) {
            self.changes.remove(&before.change);
            if before.entry.standing == Standing::Pending && Some(before.entry.last) != waits {
                self.waiting.remove(&(before.entry.last, vehicle));
            }
        }
    }
}

#[cfg(test)]
#[path = "enrolment_tests.rs"]
mod tests;
