//! How long a source may keep an answer waiting.

use std::time::Duration;

/// So many bytes buy back a second: who sends as much each second never runs out of time. Half of what a link of
/// 256 kbit/s carries.
const BYTES_A_SECOND: u32 = 16 * 1024;

/// What is left of the time that a source may take, over the whole answer.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    left: Duration,
    most: Duration,
    earns: bool,
}

impl Patience {
    /// For an answer of one page: so long in all.
    pub fn strict(most: Duration) -> Self {
        Self { left: most, most, earns: false }
    }

    /// For an answer without end: so long at a time, and time comes back with what is sent.
    pub fn earning(most: Duration) -> Self {
        Self { left: most, most, earns: true }
    }

    /// How long it may take now.
    pub fn left(&self) -> Duration {
        self.left
    }

    /// The longest that it may take.
    pub fn most(&self) -> Duration {
        self.most
    }

    /// It took so long, and sent so much.
    pub fn spend(&mut self, waited: Duration, bytes: usize) {
        self.left = self.left.saturating_sub(waited);
        if self.earns {
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            self.left = (self.left + Duration::from_secs(1) * bytes / BYTES_A_SECOND).min(self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BYTES_A_SECOND, Patience};
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn who_sends_enough_never_runs_out_and_who_dribbles_does() {
        let (mut steady, mut dribbling) = (Patience::earning(3 * SECOND), Patience::earning(3 * SECOND));
        for _ in 0..1000 {
            steady.spend(SECOND, BYTES_A_SECOND as usize);
            dribbling.spend(SECOND, 100);
        }
        assert_eq!(steady.left(), 3 * SECOND);
        assert!(dribbling.left() < SECOND / 100, "{:?}", dribbling.left());
    }

    #[test]
    fn time_is_not_saved_up_beyond_the_most() {
        let mut patience = Patience::earning(3 * SECOND);
        patience.spend(Duration::ZERO, usize::MAX);
        assert_eq!(patience.left(), 3 * SECOND);
    }

    #[test]
    fn a_page_waits_so_long_in_all() {
        let mut patience = Patience::strict(3 * SECOND);
        patience.spend(2 * SECOND, 1 << 20);
        assert_eq!(patience.left(), SECOND);
    }
}
