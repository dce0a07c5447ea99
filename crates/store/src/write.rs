//! What is written and what became of it: the vocabulary between the gateway's journal task and the store.

use waygate_core::cell::Cell;
use waygate_core::epoch::Epoch;
use waygate_core::id::{Incarnation, NodeId, RegionId, SessionId, SpoolId, VehicleId};
use waygate_core::ranges::SeqRanges;
use waygate_core::record::{Fix, SignalPath, SignalValue};
use waygate_core::time::{Millis, Wall};

/// Bytes of a command's body: one is read whole by every question after it, and kept in memory until it is folded.
pub const COMMAND_BODY_BYTES_MAX: usize = 64 * 1024;

/// One thing to be made durable. All writes of one commit are on disk together or not at all.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// A vehicle attached here: fences what lower epochs still send, and asks what of its spool is settled.
    Attach {
        /// Its presence from now on.
        presence: PresenceRecord,
        /// The spool it reported.
        spool: SpoolId,
    },
    /// Records of a vehicle.
    Batch(Batch),
    /// A later transition of a vehicle at this gateway.
    Presence(PresenceRecord),
    /// The vehicle's presence leaves the store; its telemetry and what is settled of it stay.
    Forget {
        /// Whose.
        vehicle: VehicleId,
    },
    /// A session of the vehicle went on at another gateway: attaches and batches of lower epochs are fenced from
    /// here on, for as long as this process lives, and what is settled of the spool is final. Nothing is written.
    ///
    /// Neither forgetting the vehicle nor reopening the writer lifts it; an attach here of at least this epoch
    /// takes its place. Presence of a lower epoch is still taken: it lets no batch in.
    Fence {
        /// Whose session moved.
        vehicle: VehicleId,
        /// The epoch it has now.
        epoch: Epoch,
        /// The spool that is asked about.
        spool: SpoolId,
    },
    /// Another gateway has stored these: they are settled here too, and not stored again. A session of any epoch may
    /// have asked for it; what is known already, and holes beyond the bound, change nothing. Answered with all that is
    /// settled of the spool.
    Settle {
        /// Whose.
        vehicle: VehicleId,
        /// The spool their numbers are counted in.
        spool: SpoolId,
        /// What is settled there.
        settled: SeqRanges,
    },
    /// A command as it is from now on: the first of its id is kept, a later one takes its place.
    Command(CommandRecord),
    /// A presence transition of a vehicle, at whatever gateway; one that is kept already changes nothing.
    Transition(TransitionRecord),
}

impl Write {
    /// The vehicle it is about.
    pub fn vehicle(&self) -> &VehicleId {
        match self {
            Self::Attach { presence, .. } | Self::Presence(presence) => &presence.vehicle,
            Self::Batch(batch) => &batch.vehicle,
            Self::Forget { vehicle } | Self::Fence { vehicle, .. } | Self::Settle { vehicle, .. } => vehicle,
            Self::Command(command) => &command.vehicle,
            Self::Transition(transition) => &transition.vehicle,
        }
    }
}

/// Records of one spool of one vehicle, encoded by the caller.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Whose.
    pub vehicle: VehicleId,
    /// The epoch of the session they came over.
    pub epoch: Epoch,
    /// The spool their numbers are counted in.
    pub spool: SpoolId,
    /// Lowest sequence number.
    pub first_seq: u64,
    /// Highest sequence number.
    pub last_seq: u64,
    /// The numbers this batch settles, stored and refused for good; all within `first_seq ..= last_seq`.
    pub settled: SeqRanges,
    /// The gateway's clock at arrival.
    pub received: Wall,
    /// Earliest device time.
    pub t_min: Wall,
    /// Latest device time.
    pub t_max: Wall,
    /// Records in `columns`; 0 if every one was refused, then `columns` is not stored.
    pub count: u32,
    /// The records as the caller encodes them; the store never looks inside.
    pub columns: Vec<u8>,
    /// The record with the latest position, if any has one.
    pub latest: Option<Latest>,
    /// The latest value of each signal in the batch.
    pub latest_signals: Vec<(SignalPath, Wall, SignalValue)>,
}

impl Batch {
    /// Of numbers of which nothing is stored.
    pub fn of_nothing(vehicle: VehicleId, epoch: Epoch, spool: SpoolId, settled: SeqRanges, received: Wall) -> Self {
        let (first, last) = (settled.iter().next(), settled.iter().last());
        Self {
            vehicle,
            epoch,
            spool,
            first_seq: first.map_or(0, |range| *range.start()),
            last_seq: last.map_or(0, |range| *range.end()),
            settled,
            received,
            t_min: received,
            t_max: received,
            count: 0,
            columns: Vec::new(),
            latest: None,
            latest_signals: Vec::new(),
        }
    }
}

/// A position and the vehicle's time of it.
///
/// The latest is the one with the greatest device time, whatever arrived last; of equal times the first stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latest {
    /// The vehicle's clock.
    pub t: Wall,
    /// Where it was.
    pub fix: Fix,
}

/// What a gateway knows of a vehicle it serves or served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceRecord {
    /// Who.
    pub vehicle: VehicleId,
    /// The epoch of its attach.
    pub epoch: Epoch,
    /// Its session.
    pub session: SessionId,
    /// Its state, as the core numbers it.
    pub state: u8,
    /// Why it is in that state, as the core numbers causes; 0 for none.
    pub cause: u32,
    /// Where it was last.
    pub cell: Option<Cell>,
    /// The gateway's clock when it was last heard.
    pub contact: Wall,
    /// The spool it last reported.
    pub spool: Option<SpoolId>,
    /// How long it said it will sleep; 0 unless it sleeps.
    pub sleep: Millis,
    /// The channels it can be woken by, a bit each, as the gateway numbers them.
    pub wake: u8,
    /// Flags, as the gateway numbers them.
    pub flags: u8,
}

/// A command to a vehicle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandRecord {
    /// Unique over all vehicles.
    pub id: u128,
    /// Whose it is; the same for as long as the command is kept.
    pub vehicle: VehicleId,
    /// Whether nothing will happen to it any more. An open one is never deleted.
    pub ended: bool,
    /// When it ends by itself; the store only keeps it.
    pub expires: Wall,
    /// The gateway's clock at this change.
    pub updated: Wall,
    /// The command as the caller encodes it, at most [`COMMAND_BODY_BYTES_MAX`] bytes; the store never looks inside.
    pub body: Vec<u8>,
}

/// One step of a vehicle from one presence state to the next.
///
/// Told apart by vehicle, owner, incarnation and number: of two with all these equal the first is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransitionRecord {
    /// Who.
    pub vehicle: VehicleId,
    /// The owner's clock when it happened.
    pub at: Wall,
    /// The gateway it happened at.
    pub owner: NodeId,
    /// The region of that gateway.
    pub region: RegionId,
    /// The life of that gateway.
    pub incarnation: Incarnation,
    /// The number that gateway gave it in this life.
    pub seq: u64,
    /// The epoch of the vehicle's session.
    pub epoch: Epoch,
    /// The session.
    pub session: SessionId,
    /// The state from here on, as the core numbers it.
    pub state: u8,
    /// Why, as the core numbers causes; 0 for none.
    pub cause: u32,
    /// Where it was.
    pub cell: Option<Cell>,
    /// Flags, as the gateway numbers them.
    pub flags: u8,
}

/// Where a transition stands in the timeline of its vehicle: time, owner, life of the owner, number.
pub type TimelineKey = (Wall, NodeId, Incarnation, u64);

impl TransitionRecord {
    /// Where it stands in the timeline of its vehicle.
    pub fn key(&self) -> TimelineKey {
        (self.at, self.owner.clone(), self.incarnation, self.seq)
    }
}

/// What became of one write of a commit that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The attach is durable, or the fence stands; these numbers of the spool are settled.
    Attached {
        /// Stored or refused for good, by any earlier commit or one before it in this commit.
        settled: SeqRanges,
    },
    /// The batch is durable.
    Stored,
    /// Every number of the batch was settled before. It may be acked.
    Duplicate,
    /// Some numbers of the batch are settled already: nothing of it was stored. Cut it and write the rest.
    Overlap {
        /// Those of the spool's settled numbers that lie within the batch.
        settled: SeqRanges,
    },
    /// A newer attach of the vehicle is known: nothing was stored.
    Fenced {
        /// Its epoch.
        by: Epoch,
    },
    /// The presence is durable, or gone; the command or the transition is durable.
    Done,
    /// Nothing was stored, and the same write will never be.
    Refused(Refusal),
}

/// Why a write can never be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The spool's settled numbers would be in more pieces than one spool may have.
    #[error("the spool would be settled in more than {max} ranges; its holes must be filled first", max = waygate_core::limits::SPOOL_RANGES_MAX)]
    TooManyRanges,
    /// The batch contradicts itself.
    #[error("the batch contradicts itself: {0}")]
    Contradiction(&'static str),
    /// The body of the command is too large.
    #[error("the command's body is {bytes} bytes, at most {max} are kept", max = COMMAND_BODY_BYTES_MAX)]
    CommandTooLarge {
        /// What it is.
        bytes: usize,
    },
    /// A command of another vehicle has this id.
    #[error("a command of another vehicle has this id; give the new one an id of its own")]
    CommandOfAnother,
}
