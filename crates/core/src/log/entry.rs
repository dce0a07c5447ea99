//! What stands in a presence log.

use crate::cause::DetachCause;
use crate::cell::Cell;
use crate::epoch::Epoch;
use crate::id::{Incarnation, NodeId, SessionId};
use crate::time::{Millis, Mono};
use crate::wake::WakeChannels;

/// How much a log says of its vehicles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Every change, with the tracking area: for the region, and for everyone where no home regions are configured.
    #[default]
    Detail,
    /// Changes of state alone, with where it is in the large: the directory, for other regions.
    Directory,
}

/// Whose log, in which life, of what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    /// The only writer.
    pub owner: NodeId,
    /// Its life.
    pub incarnation: Incarnation,
    /// How much it says.
    pub scope: Scope,
}

impl LogId {
    /// All that an owner says in this life.
    pub const fn detail(owner: NodeId, incarnation: Incarnation) -> Self {
        Self { owner, incarnation, scope: Scope::Detail }
    }

    /// What it says in it for other regions.
    pub const fn directory(owner: NodeId, incarnation: Incarnation) -> Self {
        Self { owner, incarnation, scope: Scope::Directory }
    }
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

impl Entry {
    /// What the directory says of it.
    #[must_use]
    pub fn for_directory(mut self) -> Self {
        self.cell = self.cell.map(Cell::coarse);
        self
    }

    /// Whether it says the same of the vehicle, whenever that was heard.
    pub fn says_the_same(&self, other: &Self) -> bool {
        Self { contact: other.contact, ..self.clone() } == *other
    }
}

/// An entry and its place in the sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// From 1, strictly rising within the log.
    pub seq: u64,
    /// What stands there.
    pub entry: Entry,
}

/// What the owner's later version said in an entry that this one cannot read: kept as it came, to be passed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rest {
    /// The number of a cause that is not known here; 0 if there is none.
    pub cause: u32,
    /// The index of a cell that is none here; 0 if there is none.
    pub cell: u64,
    /// Fields that are not known here, as they stood on the wire.
    pub fields: Box<[u8]>,
}
