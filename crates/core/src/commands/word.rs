//! How far a command has come, and how it ended: two halves that only ever rise, so that copies can be joined.

use crate::command::{CommandStatus, VehicleVerdict};

/// What was said with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Said {
    /// A short name of a reason.
    pub code: String,
    /// For a person.
    pub text: String,
    /// JSON, or empty.
    pub result: String,
}

impl Said {
    /// A reason, by its short name and for a person.
    pub fn of(code: &str, text: &str) -> Self {
        Self { code: code.to_owned(), text: text.to_owned(), result: String::new() }
    }
}

/// How far a command has come. A later one is greater.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// It was not given to anyone.
    Queued,
    /// It was offered to the serving gateway, which did not answer: perhaps the vehicle has it.
    Tried,
    /// It was handed to the vehicle's socket.
    Sent,
    /// The vehicle will do it.
    Accepted(Said),
    /// The vehicle is at it, so far, in percent.
    Running(u8, Said),
}

impl Progress {
    /// The number between gateways and in the store.
    pub const fn number(&self) -> u32 {
        match self {
            Self::Queued => 1,
            Self::Tried => 2,
            Self::Sent => 3,
            Self::Accepted(_) => 4,
            Self::Running(..) => 5,
        }
    }

    /// The inverse of [`number`](Self::number); `None` for one of a later version.
    pub fn from_number(number: u32, percent: u8, said: Said) -> Option<Self> {
        match number {
            1 => Some(Self::Queued),
            2 => Some(Self::Tried),
            3 => Some(Self::Sent),
            4 => Some(Self::Accepted(said)),
            5 => Some(Self::Running(percent, said)),
            _ => None,
        }
    }

    /// Whether the vehicle has said that it will do it.
    pub const fn is_begun(&self) -> bool {
        match self {
            Self::Queued | Self::Tried | Self::Sent => false,
            Self::Accepted(_) | Self::Running(..) => true,
        }
    }
}

/// How a command ended, the weakest first: the vehicle's own word is above what gateways conclude.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EndKind {
    /// It was given to the vehicle and no answer came, or the vehicle does not remember.
    Unknown,
    /// Its time to live ended before it was sent.
    Expired,
    /// Policy `now` found the vehicle out of reach.
    NotReachable,
    /// It was cancelled before it was sent, or a later one took its place.
    Cancelled,
    /// The vehicle: it came too late.
    VehicleExpired,
    /// The vehicle: it was cancelled before it was begun.
    VehicleCancelled,
    /// The vehicle: it will not do it.
    Rejected,
    /// The vehicle: it was tried and did not work.
    Failed,
    /// The vehicle: it is done.
    Succeeded,
}

impl EndKind {
    const ALL: [Self; 9] = [
        Self::Unknown,
        Self::Expired,
        Self::NotReachable,
        Self::Cancelled,
        Self::VehicleExpired,
        Self::VehicleCancelled,
        Self::Rejected,
        Self::Failed,
        Self::Succeeded,
    ];

    /// The number between gateways and in the store, from 1.
    pub const fn number(self) -> u32 {
        self as u32 + 1
    }

    /// The inverse of [`number`](Self::number); `None` for one of a later version.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The state that is shown.
    pub const fn state(self) -> State {
        match self {
            Self::Unknown => State::Unknown,
            Self::Expired | Self::VehicleExpired => State::Expired,
            Self::NotReachable | Self::Failed => State::Failed,
            Self::Cancelled | Self::VehicleCancelled => State::Cancelled,
            Self::Rejected => State::Rejected,
            Self::Succeeded => State::Succeeded,
        }
    }
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct End {
    /// In what way.
    pub kind: EndKind,
    /// And what was said of it.
    pub said: Said,
}

/// Where a command stands, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// It waits for the vehicle.
    Queued,
    /// It waits, and a wake-up is under way.
    Paging,
    /// It was handed to the vehicle's socket.
    Sent,
    /// The vehicle will do it.
    Accepted,
    /// The vehicle is at it.
    Running,
    /// It is done.
    Succeeded,
    /// It was tried and did not work, or policy `now` found the vehicle out of reach.
    Failed,
    /// The vehicle will not do it.
    Rejected,
    /// Its time to live ended before it was begun.
    Expired,
    /// It was cancelled before it was begun, or a later one took its place.
    Cancelled,
    /// It may have been done: no answer came.
    Unknown,
}

impl State {
    /// Every state, in the order in which they come.
    pub const ALL: [Self; 11] = [
        Self::Queued,
        Self::Paging,
        Self::Sent,
        Self::Accepted,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Rejected,
        Self::Expired,
        Self::Cancelled,
        Self::Unknown,
    ];

    /// The number between gateways and in the store, from 1.
    pub const fn number(self) -> u32 {
        self as u32 + 1
    }

    /// The inverse of [`number`](Self::number); `None` for one of a later version.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.number() == number)
    }
}

/// The vehicle's word, as progress or as an end.
pub(super) fn heard(status: &CommandStatus) -> (Progress, Option<End>) {
    let said = Said { code: status.code.clone(), text: status.text.clone(), result: status.result.clone() };
    let end = |kind, said| (Progress::Sent, Some(End { kind, said }));
    match status.verdict {
        VehicleVerdict::Accepted => (Progress::Accepted(said), None),
        VehicleVerdict::Running(percent) => (Progress::Running(percent.min(100), said), None),
        VehicleVerdict::Rejected => end(EndKind::Rejected, said),
        VehicleVerdict::Succeeded => end(EndKind::Succeeded, said),
        VehicleVerdict::Failed => end(EndKind::Failed, said),
        VehicleVerdict::Expired => end(EndKind::VehicleExpired, said),
        VehicleVerdict::Cancelled => end(EndKind::VehicleCancelled, said),
        VehicleVerdict::Duplicate => {
            end(EndKind::Unknown, Said::of("duplicate", "the vehicle had it before and does not remember the outcome"))
        }
    }
}
