//! Commands to vehicles: their names, policies, states, and what a vehicle says of one.
//!
//! A command is sent at least once and done at most once: the vehicle remembers its id. It is never begun after
//! its time to live, which is counted in ages, so that no two clocks have to agree.

use crate::time::{Millis, Mono, Wall};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A command's id: a UUID, version 7. The same one is never done twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u128);

/// A text is no UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a command id must be a UUID, such as 0191e0c8-3f5a-7c1e-b2a4-5d0f6a7b8c9d")]
pub struct BadCommandId;

impl CommandId {
    /// A version 7 UUID (RFC 9562, 5.7) of a clock reading and random bits.
    pub fn new(wall: Wall, random: u128) -> Self {
        let mut bits = [0; 10];
        bits.copy_from_slice(&random.to_be_bytes()[6..]);
        let ms = u64::try_from(wall.0).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(ms, &bits).into_uuid().as_u128())
    }

    /// The bytes, as they are sent.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The id of these bytes; `None` unless there are 16.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(u128::from_be_bytes(bytes)))
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(uuid::Uuid::from_u128(self.0).as_hyphenated(), f)
    }
}

impl fmt::Debug for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for CommandId {
    type Err = BadCommandId;

    fn from_str(text: &str) -> Result<Self, BadCommandId> {
        // The library takes other ways to write one, too: each id has one name here.
        let id = uuid::Uuid::try_parse(text).ok().filter(|_| text.len() == uuid::fmt::Hyphenated::LENGTH);
        id.map(|id| Self(id.as_u128())).ok_or(BadCommandId)
    }
}

/// What a vehicle is asked to do: 1 to 64 characters out of `A-Z a-z 0-9 . _ -`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandName(Arc<str>);

impl CommandName {
    /// Checks characters and length.
    pub fn new(text: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        ((1..=64).contains(&text.len()) && text.bytes().all(allowed)).then(|| Self(Arc::from(text)))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CommandName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is done while the vehicle cannot be given the command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// It fails unless the vehicle is connected or can be woken now.
    #[default]
    Now,
    /// It waits for the next attach.
    Queue,
    /// It waits; a later one with the same key for the same vehicle takes its place.
    LatestWins(String),
}

impl Policy {
    /// The name in APIs and on the wire.
    pub const fn wire(&self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Queue => "queue",
            Self::LatestWins(_) => "latest_wins",
        }
    }

    /// The key of [`Self::LatestWins`].
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::LatestWins(key) => Some(key),
            Self::Now | Self::Queue => None,
        }
    }
}

/// A command as the vehicle is given it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its id.
    pub id: CommandId,
    /// What to do.
    pub name: CommandName,
    /// With what: JSON.
    pub arguments: String,
    /// When it was taken, by the clock of the gateway that took it; for people.
    pub issued: Wall,
    /// How long it may still be begun, from the moment it was sent.
    pub ttl: Millis,
    /// When it was sent, on the clock that the accept told, counted on; zero if that is not told.
    pub sent: Wall,
    /// What was asked for.
    pub policy: Policy,
}

/// What ties a vehicle's clock to that of its gateway: the accept of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockTie {
    /// When the attach was asked for, on the vehicle's clock.
    pub asked: Mono,
    /// The gateway's clock when it was accepted, as told.
    pub server_time: Wall,
}

impl Command {
    /// How long it may still be begun when it arrives. What it spent on its way is over: at most the time since the
    /// attach was asked for by the vehicle's clock, less the time since the accept by the gateway's. So it is never begun
    /// late, however long a link holds it back, and whatever either clock shows.
    pub fn ttl_left(&self, arrived: Mono, tie: ClockTie) -> Millis {
        if self.sent == Wall(0) {
            return self.ttl;
        }
        let here = arrived.since(tie.asked).0;
        let there = u64::try_from(self.sent.0.saturating_sub(tie.server_time.0)).unwrap_or(0);
        Millis(self.ttl.0.saturating_sub(here.saturating_sub(there)))
    }
}

/// What a vehicle says of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VehicleVerdict {
    /// It will do it.
    Accepted,
    /// It will not.
    Rejected,
    /// It is at it, so far, in percent.
    Running(u8),
    /// It is done.
    Succeeded,
    /// It was tried and did not work.
    Failed,
    /// It was seen before, and what became of it is not remembered.
    Duplicate,
    /// It arrived too late to be begun.
    Expired,
    /// It was cancelled before it was begun.
    Cancelled,
}

impl VehicleVerdict {
    /// Whether nothing more will be said.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Accepted | Self::Running(_) => false,
            Self::Rejected | Self::Succeeded | Self::Failed | Self::Duplicate | Self::Expired | Self::Cancelled => true,
        }
    }
}

/// What became of a command, in the vehicle's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandStatus {
    /// Which command.
    pub id: CommandId,
    /// The verdict.
    pub verdict: VehicleVerdict,
    /// A short name of a reason.
    pub code: String,
    /// For a person.
    pub text: String,
    /// JSON, or empty.
    pub result: String,
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
