//! A set of sequence numbers as disjoint ranges.

use std::fmt;
use std::ops::RangeInclusive;

/// A set of `u64` kept as sorted, disjoint, non-adjacent inclusive ranges.
///
/// A spool without holes is one range, whatever its length.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SeqRanges(Vec<(u64, u64)>);

impl SeqRanges {
    /// The empty set.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds every number from `first` to `last`, both included; nothing if `first > last`.
    pub fn insert(&mut self, first: u64, last: u64) {
        if first > last {
            return;
        }
        // Everything that overlaps or touches [first, last] is merged into it.
        let from = self.0.partition_point(|&(_, b)| b.saturating_add(1) < first);
        let to = self.0.partition_point(|&(a, _)| a <= last.saturating_add(1));
        if from >= to {
            self.0.insert(from, (first, last));
        } else {
            let merged = (first.min(self.0[from].0), last.max(self.0[to - 1].1));
            self.0.drain(from + 1..to);
            self.0[from] = merged;
        }
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: &Self) {
        for &(a, b) in &other.0 {
            self.insert(a, b);
        }
    }

    /// What of the set is not in `other`.
    pub fn without(&self, other: &Self) -> Self {
        let mut left = Self::new();
        let mut holes = other.0.iter().copied().peekable();
        for &(first, last) in &self.0 {
            let mut from = Some(first);
            while holes.next_if(|&(_, end)| end < first).is_some() {}
            // A hole may reach into the next range: it is looked at again there.
            while let Some((start, end)) = holes.peek().copied().filter(|&(start, _)| start <= last) {
                if let Some(at) = from.filter(|at| *at < start) {
                    left.insert(at, start - 1);
                }
                from = end.checked_add(1).filter(|next| *next <= last);
                if from.is_none() {
                    break;
                }
                holes.next();
            }
            if let Some(at) = from {
                left.insert(at, last);
            }
        }
        left
    }

    /// Whether `seq` is in the set.
    pub fn contains(&self, seq: u64) -> bool {
        let at = self.0.partition_point(|&(_, b)| b < seq);
        self.0.get(at).is_some_and(|&(a, _)| a <= seq)
    }

    /// Whether any number from `first` to `last` is in the set.
    pub fn overlaps(&self, first: u64, last: u64) -> bool {
        let at = self.0.partition_point(|&(_, b)| b < first);
        self.0.get(at).is_some_and(|&(a, _)| a <= last)
    }

    /// The highest number `n ≥ from - 1` such that everything from `from` to `n` is in the set.
    pub fn through(&self, from: u64) -> u64 {
        let at = self.0.partition_point(|&(_, b)| b < from);
        match self.0.get(at) {
            Some(&(a, b)) if a <= from => b,
            _ => from.saturating_sub(1),
        }
    }

    /// The ranges in ascending order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = RangeInclusive<u64>> + '_ {
        self.0.iter().map(|&(a, b)| a..=b)
    }

    /// How many ranges there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many numbers are in the set.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|&(a, b)| (b - a).saturating_add(1)).fold(0, u64::saturating_add)
    }
}

impl FromIterator<(u64, u64)> for SeqRanges {
    fn from_iter<I: IntoIterator<Item = (u64, u64)>>(ranges: I) -> Self {
        let mut set = Self::new();
        for (a, b) in ranges {
            set.insert(a, b);
        }
        set
    }
}

impl fmt::Debug for SeqRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
#[path = "ranges_tests.rs"]
mod tests;
