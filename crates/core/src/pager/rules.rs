//! When vehicles are woken, and how often.

use crate::time::Millis;

/// When wake-ups are sent, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WakeRules {
    /// The spans between one wake-up and the next; there is one wake-up more than spans.
    pub apart: Vec<Millis>,
    /// How long the last wake-up may take to bring the vehicle here.
    pub last: Millis,
    /// Wake-ups a vehicle in an hour, at least 1: so many at once, and one more each such part of an hour.
    pub per_hour: u32,
}

impl Default for WakeRules {
    fn default() -> Self {
        let apart = [30, 60, 120].map(Millis::secs).to_vec();
        Self { apart, last: Millis::secs(30), per_hour: 6 }
    }
}

impl WakeRules {
    /// What one wake-up costs: the hour, divided.
    pub(super) fn cost(&self) -> Millis {
        Millis(Millis::secs(3600).0 / u64::from(self.per_hour.max(1)))
    }

    /// How long after wake-up `number`, from 1, the next is due or the page has failed.
    pub(super) fn after(&self, number: u32) -> Millis {
        let span = self.apart.get(number.saturating_sub(1) as usize).copied().unwrap_or(self.last);
        span.max(Millis(1))
    }

    /// How long a page lasts whose wake-ups bring nobody.
    pub fn total(&self) -> Millis {
        self.apart.iter().fold(self.last, |sum, span| sum + *span)
    }

    pub(super) fn tries(&self) -> u32 {
        self.apart.len() as u32 + 1
    }
}
