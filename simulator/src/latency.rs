//! How long things take, counted in buckets that are never more than an eighth wide.
//!
//! Many writers, no lock; a reader takes a [`Latencies`] and subtracts an earlier one to see a window.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets within each doubling.
const STEPS: u64 = 8;

/// Up to 2^36 µs, 19 hours; what takes longer is counted there.
const BUCKETS: usize = 36 * STEPS as usize;

/// Counts durations as they are observed.
#[derive(Debug)]
pub struct LatencyMeter {
    buckets: Vec<AtomicU64>,
    max_us: AtomicU64,
}

impl Default for LatencyMeter {
    fn default() -> Self {
        let buckets = std::iter::repeat_with(AtomicU64::default).take(BUCKETS).collect();
        Self { buckets, max_us: AtomicU64::new(0) }
    }
}

impl LatencyMeter {
    /// Counts one.
    pub fn observe(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(us)].fetch_add(1, Ordering::Relaxed);
        self.max_us.fetch_max(us, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn read(&self) -> Latencies {
        Latencies { counts: self.buckets.iter().map(|b| b.load(Ordering::Relaxed)).collect() }
    }

    /// The longest so far; none if nothing was counted.
    pub fn max(&self) -> Option<Duration> {
        let max_us = self.max_us.load(Ordering::Relaxed);
        (max_us > 0).then(|| Duration::from_micros(max_us))
    }
}

/// Counted durations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    counts: Vec<u64>,
}

impl Latencies {
    /// How many.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// What was counted after `earlier` was read.
    pub fn since(&self, earlier: &Self) -> Self {
        let before = earlier.counts.iter().chain(std::iter::repeat(&0));
        Self { counts: self.counts.iter().zip(before).map(|(now, before)| now.saturating_sub(*before)).collect() }
    }

    /// The duration that a share of `quantile` does not exceed, rounded up to its bucket; none of nothing.
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        let rank = (self.count() as f64 * quantile).ceil().max(1.0) as u64;
        let mut below = 0;
        for (index, &count) in self.counts.iter().enumerate() {
            below += count;
            if below >= rank {
                return Some(Duration::from_micros(upper_us(index)));
            }
        }
        None
    }
}

fn bucket(us: u64) -> usize {
    if us < STEPS {
        return us as usize;
    }
    let doubling = u64::from(us.ilog2()) - u64::from(STEPS.ilog2());
    let step = (us >> doubling) - STEPS;
    (((doubling + 1) * STEPS + step) as usize).min(BUCKETS - 1)
}

/// The highest value that falls into a bucket.
fn upper_us(index: usize) -> u64 {
    let (doubling, step) = (index as u64 / STEPS, index as u64 % STEPS);
    if doubling == 0 { step } else { ((STEPS + step + 1) << (doubling - 1)) - 1 }
}

#[cfg(test)]
#[path = "latency_tests.rs"]
mod tests;
