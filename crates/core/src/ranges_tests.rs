use super::SeqRanges;
use proptest::prelude::*;
use std::collections::BTreeSet;

proptest! {
    #[test]
    fn ranges_agree_with_a_plain_set(ops in prop::collection::vec((0u64..60, 0u64..9), 0..40), probe in 0u64..80) {
        let mut ranges = SeqRanges::new();
        let mut plain = BTreeSet::new();
        for (first, len) in ops {
            ranges.insert(first, first + len);
            plain.extend(first..=first + len);
        }
        prop_assert_eq!(ranges.count(), plain.len() as u64);
        prop_assert_eq!(ranges.contains(probe), plain.contains(&probe));
        prop_assert_eq!(ranges.overlaps(probe, probe + 3), plain.range(probe..=probe + 3).next().is_some());
        let through = (probe..).take_while(|n| plain.contains(n)).last().unwrap_or(probe.saturating_sub(1));
        prop_assert_eq!(ranges.through(probe), through);
        let flat: Vec<u64> = ranges.iter().flatten().collect();
        prop_assert_eq!(flat, plain.into_iter().collect::<Vec<_>>());
        let pairs: Vec<_> = ranges.iter().collect();
        prop_assert!(pairs.windows(2).all(|w| *w[0].end() + 1 < *w[1].start()), "disjoint, not adjacent, ascending");
    }
}

proptest! {
    #[test]
    fn what_is_left_agrees_with_a_plain_set(
        set in prop::collection::vec((0u64..60, 0u64..9), 0..12), holes in prop::collection::vec((0u64..60, 0u64..9), 0..12),
    ) {
        let ranges = |of: &[(u64, u64)]| of.iter().map(|(first, len)| (*first, first + len)).collect::<SeqRanges>();
        let (set, holes) = (ranges(&set), ranges(&holes));
        let left: Vec<u64> = set.without(&holes).iter().flatten().collect();
        prop_assert_eq!(left, set.iter().flatten().filter(|n| !holes.contains(*n)).collect::<Vec<_>>());
    }
}

#[test]
fn the_ends_of_the_number_line_do_not_overflow() {
    let mut ranges = SeqRanges::new();
    ranges.insert(u64::MAX - 1, u64::MAX);
    ranges.insert(0, 0);
    assert!(ranges.contains(u64::MAX));
    assert_eq!(ranges.through(0), 0);
    assert_eq!(ranges.through(u64::MAX), u64::MAX);
    ranges.insert(0, u64::MAX);
    assert_eq!(ranges.len(), 1);
    assert_eq!(ranges.without(&ranges), SeqRanges::new());
    assert_eq!(
        ranges.without(&[(1, u64::MAX - 1)].into_iter().collect()),
        [(0, 0), (u64::MAX, u64::MAX)].into_iter().collect()
    );
}
