//! Identities: vehicles, fleets, spools, sessions, nodes, regions.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::fmt;

/// The characters and length an identifier may have were not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be 1 to {max} characters out of A-Z a-z 0-9 . _ -")]
pub struct InvalidId {
    /// Which identifier it was meant to be.
    pub what: &'static str,
    /// The longest one allowed, in characters.
    pub max: usize,
}

fn checked(what: &'static str, max: usize, text: &str) -> Result<SmolStr, InvalidId> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if (1..=max).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(SmolStr::new(text))
    } else {
        Err(InvalidId { what, max })
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(SmolStr);

        impl $name {
            /// Checks the characters and the length.
            pub fn new(text: &str) -> Result<Self, InvalidId> {
                checked($what, $max, text).map(Self)
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// A vehicle: its VIN, or a pseudonym for it. Cheap to clone; up to 23 characters stand in it, longer ones are shared.
    VehicleId, "a vehicle id", 64
);
text_id!(
    /// A gateway node, unique in the cluster.
    NodeId, "a node id", 64
);
text_id!(
    /// A region, the unit that is cut off and comes back.
    RegionId, "a region", 64
);
text_id!(
    /// A fleet: the vehicles of one owner.
    FleetId, "a fleet", 64
);

/// One life of a vehicle's spool; sequence numbers are counted within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SpoolId(pub u64);

/// One session of a vehicle at a gateway; random, so that a late message cannot name it by accident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId(pub u64);

/// One accepted socket of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// One life of a gateway node; strictly rises over restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Incarnation(pub u64);

#[cfg(test)]
#[path = "id_tests.rs"]
mod tests;
