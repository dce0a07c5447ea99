use super::{BACKOFF_MAX, BACKOFF_STEP, CONTESTED_MAX, Clones, Presented, REFUSED_MAX, SUSPECT, VEHICLES_MAX, Verdict};
use super::{Millis, Mono, VehicleId, WINDOW};
use crate::epoch::Epoch;
use crate::id::{SessionId, SpoolId};
use proptest::prelude::*;

const START: Mono = Mono(1 << 40);
const SECOND: Millis = Millis::secs(1);

fn vehicle(n: usize) -> VehicleId {
    VehicleId::new(&format!("LUX-{n}")).unwrap()
}

/// A bench with one vehicle, whose units present something else each time.
struct Bench {
    clones: Clones,
    now: Mono,
    asked: u64,
}

impl Bench {
    fn new() -> Self {
        Self { clones: Clones::default(), now: START, asked: 0 }
    }

    fn contests(&mut self) -> Verdict {
        self.asked += 1;
        let presented = (Some(Epoch(self.asked)), SpoolId(1));
        self.clones.contest(self.now, &vehicle(1), presented, true)
    }

    /// Contested so often that it is suspect.
    fn suspect() -> Self {
        let mut bench = Self::new();
        for _ in 0..CONTESTED_MAX {
            assert_eq!(bench.contests(), Verdict::Wins { news: false });
        }
        assert_eq!(bench.contests(), Verdict::Wins { news: true }, "the newest still wins, and it is told");
        bench
    }

    fn is_suspect(&self) -> bool {
        self.clones.suspects(&vehicle(1), self.now)
    }
}

#[test]
fn three_contested_attaches_a_minute_are_no_reason_and_a_fourth_is() {
    let mut slow = Bench::new();
    for _ in 0..50 {
        slow.now = slow.now + Millis(WINDOW.0 / 3 + 1);
        assert_eq!(slow.contests(), Verdict::Wins { news: false });
    }
    let bench = Bench::suspect();
    assert!(bench.is_suspect());
    assert!(!bench.clones.suspects(&vehicle(2), bench.now));
}

#[test]
fn a_suspect_is_refused_for_longer_and_longer_until_it_is_quiet() {
    let mut bench = Bench::suspect();
    for n in 1..8 {
        bench.now = bench.now + SECOND;
        let backoff = Millis(BACKOFF_STEP.0 * n).min(BACKOFF_MAX);
        assert_eq!(bench.contests(), Verdict::Refused { backoff });
    }
    bench.now = bench.now + Millis(SUSPECT.0 - 1);
    assert!(bench.is_suspect(), "each contested attach renews it");
    bench.now = bench.now + Millis(1);
    assert!(!bench.is_suspect());
    assert_eq!(bench.contests(), Verdict::Wins { news: false });
}

#[test]
fn what_was_pushed_out_from_elsewhere_counts_too_and_is_told_once() {
    let mut bench = Bench::new();
    let ousted = |bench: &mut Bench, n| bench.clones.ousted(bench.now, &vehicle(1), SessionId(n), Epoch(n));
    assert_eq!([ousted(&mut bench, 1), ousted(&mut bench, 2)], [false; 2]);
    assert_eq!(bench.contests(), Verdict::Wins { news: false });
    assert!(ousted(&mut bench, 3));
    assert!(!ousted(&mut bench, 4), "told already");
    assert_eq!(bench.contests(), Verdict::Refused { backoff: BACKOFF_STEP });
}

#[test]
fn a_handover_of_which_gossip_told_first_is_taken_back() {
    let mut bench = Bench::new();
    for n in 0..20 {
        bench.now = bench.now + SECOND;
        assert!(!bench.clones.ousted(bench.now, &vehicle(1), SessionId(n), Epoch(n)));
        bench.clones.vouch(&vehicle(1), SessionId(n), Epoch(n));
    }
    for n in 0..4 {
        bench.clones.ousted(bench.now, &vehicle(1), SessionId(n), Epoch(n));
    }
    assert!(bench.is_suspect());
    bench.clones.vouch(&vehicle(1), SessionId(3), Epoch(4));
    assert!(bench.is_suspect(), "that was another session");
    bench.clones.vouch(&vehicle(1), SessionId(3), Epoch(3));
    assert!(!bench.is_suspect());
}

#[test]
fn a_unit_whose_accepts_are_lost_on_the_way_is_one_unit() {
    let with_token: Presented = (Some(Epoch(5)), SpoolId(1));
    let without: Presented = (None, SpoolId(1));
    for (presented, open, suspect) in
        [(with_token, true, false), (with_token, false, false), (without, false, false), (without, true, true)]
    {
        let mut bench = Bench::new();
        for _ in 0..20 {
            bench.now = bench.now + SECOND;
            bench.clones.contest(bench.now, &vehicle(1), presented, open);
        }
        assert_eq!(bench.is_suspect(), suspect, "{presented:?} {open}");
    }
}

#[test]
fn the_memory_is_bounded_and_what_is_over_is_forgotten() {
    let mut clones = Clones::default();
    for n in 0..VEHICLES_MAX + 100 {
        clones.contest(START + Millis(n as u64), &vehicle(n), (None, SpoolId(1)), true);
    }
    assert_eq!((clones.trails.len(), clones.oldest.len()), (VEHICLES_MAX, VEHICLES_MAX));
    assert!(!clones.trails.contains_key(&vehicle(0)), "what was quiet for the longest is forgotten first");
    clones.contest(START + Millis(VEHICLES_MAX as u64 + 100) + REFUSED_MAX, &vehicle(0), (None, SpoolId(1)), true);
    assert_eq!((clones.trails.len(), clones.oldest.len()), (1, 1));
}

proptest! {
    /// However many units come, and however often: none is refused for ever.
    #[test]
    fn of_those_that_come_one_is_let_through_after_at_most_a_quarter_of_an_hour(
        gaps_s in prop::collection::vec(0u64..600, 1..200)
    ) {
        let mut bench = Bench::suspect();
        let mut won = bench.now;
        for gap in gaps_s {
            bench.now = bench.now + Millis::secs(gap);
            match bench.contests() {
                Verdict::Wins { .. } => won = bench.now,
                Verdict::Refused { backoff } => {
                    prop_assert!(backoff >= BACKOFF_STEP && backoff <= BACKOFF_MAX);
                    prop_assert!(bench.now.since(won) < REFUSED_MAX);
                }
            }
            let trail = &bench.clones.trails[&vehicle(1)];
            prop_assert!(trail.contested.len() <= CONTESTED_MAX + 1);
        }
    }
}
