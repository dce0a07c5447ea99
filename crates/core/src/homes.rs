//! Home regions: which regions keep the directory entry of a vehicle, whichever gateway serves it.
//!
//! Vehicles fall into 1024 shards by the hash of their ids. A shard's homes are the regions that score highest for it
//! (rendezvous hashing), out of a list that is configured and never out of who is heard at the moment: a partition moves
//! no shard. Adding a region moves only what the new one becomes home of.

use crate::digest::{fnv, hash_of};
use crate::id::{RegionId, VehicleId};
use crate::limits::HOME_REGIONS_MAX;
use std::collections::BTreeSet;
use std::fmt;

/// Parts that vehicles fall into.
pub const SHARDS: usize = 1024;

const WORDS: usize = SHARDS / 64;

/// The part that a vehicle falls into. Its low eight bits are the bucket of a log that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(u16);

impl Shard {
    /// Of a vehicle.
    pub fn of(vehicle: &VehicleId) -> Self {
        Self((hash_of(vehicle) % SHARDS as u64) as u16)
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..SHARDS as u16).map(Self)
    }

    /// From 0 on.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A set of shards: what a gateway wants to be told of other regions' vehicles.
#[derive(Clone, PartialEq, Eq)]
pub struct Interest([u64; WORDS]);

impl Interest {
    /// No shard.
    pub const NONE: Self = Self([0; WORDS]);

    /// Every shard.
    pub const ALL: Self = Self([u64::MAX; WORDS]);

    /// Whether a shard is in it.
    pub const fn has(&self, shard: Shard) -> bool {
        self.0[shard.index() / 64] >> (shard.index() % 64) & 1 == 1
    }

    /// Takes a shard in.
    pub const fn insert(&mut self, shard: Shard) {
        self.0[shard.index() / 64] |= 1 << (shard.index() % 64);
    }

    /// Whether all of `other` is in it.
    pub fn covers(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).all(|(mine, theirs)| theirs & !mine == 0)
    }

    /// What is in both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & other.0[word]))
    }

    /// How many shards are in it.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    /// Each shard in it.
    pub fn iter(&self) -> impl Iterator<Item = Shard> {
        Shard::all().filter(|shard| self.has(*shard))
    }

    /// 128 bytes, the lowest shard in the lowest bit of the first.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Reads what [`Self::to_bytes`] wrote; `None` if it is not as long.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<8>();
        let words: [[u8; 8]; WORDS] = words.try_into().ok()?;
        rest.is_empty().then(|| Self(words.map(u64::from_le_bytes)))
    }
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {SHARDS} shards", self.len())
    }
}

/// How much of a log is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// What it says of the vehicles in these shards.
    Shards(Interest),
}

impl Part {
    /// Whether a vehicle is in it.
    pub fn has(&self, vehicle: &VehicleId) -> bool {
        self.shards().is_none_or(|shards| shards.has(Shard::of(vehicle)))
    }

    /// The shards, if it is not the whole.
    pub fn shards(&self) -> Option<&Interest> {
        match self {
            Self::Whole => None,
            Self::Shards(shards) => Some(shards),
        }
    }

    /// What is in both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        match (self.shards(), other.shards()) {
            (Some(mine), Some(theirs)) => Self::Shards(mine.and(theirs)),
            (Some(part), None) | (None, Some(part)) => Self::Shards(part.clone()),
            (None, None) => Self::Whole,
        }
    }

    /// Whether all of `other` is in it.
    pub fn covers(&self, other: &Self) -> bool {
        match (self.shards(), other.shards()) {
            (None, _) => true,
            (Some(mine), theirs) => mine.covers(theirs.unwrap_or(&Interest::ALL)),
        }
    }
}

/// Why a list of home regions is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHomes {
    /// Nothing in it.
    #[error("the list of regions is empty")]
    Empty,
    /// A region twice.
    #[error("the region {0} is listed twice")]
    Twice(RegionId),
    /// Too long.
    #[error("{0} regions are listed, at most {HOME_REGIONS_MAX} can be")]
    TooMany(usize),
    /// No region would keep anything, or more than there are.
    #[error("homes = {homes} is no number from 1 to the {regions} regions of the list")]
    Homes {
        /// What was asked for.
        homes: usize,
        /// How many regions there are.
        regions: usize,
    },
}

/// The configured regions, and in how many of them the directory keeps each vehicle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomeRegions {
    regions: BTreeSet<RegionId>,
    homes: usize,
}

impl HomeRegions {
    /// Each vehicle in `homes` of these regions; in all of them if none is given.
    pub fn new(list: Vec<RegionId>, homes: Option<usize>) -> Result<Self, InvalidHomes> {
        if list.len() > HOME_REGIONS_MAX {
            return Err(InvalidHomes::TooMany(list.len()));
        }
        let mut regions = BTreeSet::new();
        for region in list {
            if !regions.insert(region.clone()) {
                return Err(InvalidHomes::Twice(region));
            }
        }
        let homes = homes.unwrap_or(regions.len());
        match (regions.len(), homes) {
            (0, _) => Err(InvalidHomes::Empty),
            (all, homes) if homes == 0 || homes > all => Err(InvalidHomes::Homes { homes, regions: all }),
            _ => Ok(Self { regions, homes }),
        }
    }

    /// The list, in order.
    pub fn regions(&self) -> impl Iterator<Item = &RegionId> {
        self.regions.iter()
    }

    /// Whether a region is in the list.
    pub fn lists(&self, region: &RegionId) -> bool {
        self.regions.contains(region)
    }

    /// In how many regions each vehicle is kept.
    pub fn homes(&self) -> usize {
        self.homes
    }

    /// The regions that keep a shard, that of the highest score first.
    pub fn of(&self, shard: Shard) -> Vec<&RegionId> {
        let mut scored: Vec<_> = self.regions.iter().map(|region| (score(region, shard), region)).collect();
        scored.sort_unstable_by(|a, b| b.cmp(a));
        scored.into_iter().take(self.homes).map(|(_, region)| region).collect()
    }

    /// What a region keeps of the vehicles of others.
    pub fn interest(&self, region: &RegionId) -> Interest {
        let mut interest = Interest::NONE;
        for shard in Shard::all().filter(|shard| self.of(*shard).contains(&region)) {
            interest.insert(shard);
        }
        interest
    }

    /// A number for the list and its homes: gateways that differ in it look for vehicles in different places.
    pub fn fingerprint(&self) -> u64 {
        let names = self.regions.iter().map(RegionId::as_str);
        let text: Vec<&str> = std::iter::once("homes").chain(names).collect();
        scramble(fnv(text.join("\n").as_bytes()) ^ self.homes as u64)
    }
}

fn score(region: &RegionId, shard: Shard) -> u64 {
    scramble(scramble(fnv(region.as_str().as_bytes())) ^ shard.index() as u64)
}

/// SplitMix64's finish: near inputs end far apart.
fn scramble(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
#[path = "homes_tests.rs"]
mod tests;
