use super::Piece;
use crate::digest::bucket;
use crate::epoch::Epoch;
use crate::homes::Part;
use crate::id::{Incarnation, NodeId, SessionId, VehicleId};
use crate::log::{Entry, LiveState, Log, LogId, Suffix};
use crate::time::{Millis, Mono};
use crate::wake::WakeChannels;
use proptest::prelude::*;
use std::collections::BTreeSet;

const NOW: Mono = Mono(1_000_000);

fn log() -> Log {
    Log::new(LogId::detail(NodeId::new("west-1").unwrap(), Incarnation(1)))
}

fn vehicle(n: u64) -> VehicleId {
    VehicleId::new(&format!("V{n:05}")).unwrap()
}

fn entry(epoch: u64, state: LiveState) -> Entry {
    Entry {
        epoch: Epoch(epoch),
        session: SessionId(epoch),
        state,
        cause: None,
        cell: None,
        contact: NOW,
        sleep: Millis(0),
        wake: WakeChannels::NONE,
        cloned: false,
    }
}

fn owned(count: u64) -> Log {
    let mut log = log();
    for n in 0..count {
        log.publish(NOW, vehicle(n), entry(n + 1, LiveState::Connected));
    }
    log
}

/// A copy in which the entries of some vehicles were changed on their way, or dropped from it.
fn spoiled(log: &Log, changed: &[u64], dropped: &[u64]) -> Log {
    let mut suffix = log.suffix(0, usize::MAX, &Part::Whole);
    suffix.entries.retain(|(at, _)| !dropped.iter().any(|n| vehicle(*n) == *at));
    for (at, slot) in &mut suffix.entries {
        if changed.iter().any(|n| vehicle(*n) == *at) {
            slot.entry.session = SessionId(slot.entry.session.0 ^ 1);
        }
    }
    let mut copy = self::log();
    copy.apply(NOW, suffix).unwrap();
    copy
}

fn unlike(a: &Log, b: &Log) -> BTreeSet<u8> {
    let differs = |n: &usize| a.buckets(&Part::Whole)[*n] != b.buckets(&Part::Whole)[*n];
    (0..a.buckets(&Part::Whole).len()).filter(differs).map(|n| n as u8).collect()
}

/// Every stretch of the buckets in which the copy differs, taken over; how many, and how many entries they held.
fn mended(log: &Log, copy: &mut Log, max: usize, scan_max: usize) -> (usize, usize) {
    let (buckets, mut after) = (unlike(log, copy), None);
    let (mut pieces, mut entries) = (0, 0);
    loop {
        let piece = log.piece(&buckets, after.as_ref(), &Part::Whole, (max, scan_max));
        assert!(piece.entries.len() <= max);
        (pieces, entries) = (pieces + 1, entries + piece.entries.len());
        after = piece.through.clone();
        copy.mend(NOW, piece);
        if after.is_none() {
            return (pieces, entries);
        }
    }
}

#[test]
fn only_the_buckets_that_differ_are_sent_and_the_copy_is_right_again() {
    let log = owned(5000);
    let mut copy = spoiled(&log, &[17, 3000], &[4999]);
    assert_ne!(copy.digest(), log.digest());
    let (_, entries) = mended(&log, &mut copy, 512, 4096);
    assert!((3..150).contains(&entries), "{entries} entries for three buckets of 256");
    assert_eq!((copy.digest(), copy.live()), (log.digest(), log.live()));
    assert!(copy.slots().eq(log.slots()));
}

#[test]
fn what_the_owner_does_not_hold_goes_and_the_copy_is_not_passed_on_as_whole() {
    let mut log = owned(10);
    let mut copy = spoiled(&log, &[], &[]);
    log.publish(NOW, vehicle(3), entry(99, LiveState::Removed));
    copy.apply(NOW, Suffix { from: 10, to: 11, entries: Vec::new(), rests: Default::default() }).unwrap();
    assert_eq!(copy.floor(), 0);
    mended(&log, &mut copy, 512, 4096);
    assert!(copy.slot(&vehicle(3)).is_none());
    assert_eq!((copy.digest(), copy.floor()), (log.digest(), 11));
}

#[test]
fn a_stretch_of_another_moment_changes_nothing() {
    let mut log = owned(10);
    let mut copy = spoiled(&log, &[5], &[]);
    let before = copy.digest();
    let piece = log.piece(&BTreeSet::from([bucket(&vehicle(5))]), None, &Part::Whole, (512, 4096));
    log.publish(NOW, vehicle(5), entry(50, LiveState::Idle));
    copy.apply(NOW, log.suffix(10, 9, &Part::Whole)).unwrap();
    let later = copy.digest();
    assert_ne!(before, later);
    assert!(copy.mend(NOW, piece).is_empty());
    assert_eq!(copy.digest(), later);
}

#[test]
fn a_forged_stretch_takes_no_place_of_another_vehicle_and_none_beyond_the_head() {
    let mut copy = owned(4);
    let digest = copy.digest();
    let forged = |n: u64, seq: u64| {
        let slot = crate::log::Slot { seq, entry: entry(9, LiveState::Connected) };
        let at = vehicle(n);
        Piece {
            seq: 4,
            buckets: BTreeSet::from([bucket(&at)]),
            after: Some(at.clone()),
            through: Some(at.clone()),
            entries: vec![(at, slot)],
            rests: Default::default(),
        }
    };
    for piece in [forged(7, 2), forged(7, 5)] {
        assert!(copy.mend(NOW, piece).is_empty());
    }
    assert_eq!(copy.digest(), digest);
}

proptest! {
    /// Whatever a copy lost or has wrong, tombstones among it, and however small the stretches: it is right afterwards.
    #[test]
    fn any_copy_that_is_as_far_becomes_right(
        ops in prop::collection::vec((0u64..30, any::<bool>()), 1..80),
        changed in prop::collection::vec(0u64..30, 0..6), dropped in prop::collection::vec(0u64..30, 0..6),
        max in 1usize..6, scan_max in 1usize..9
    ) {
        let mut log = self::log();
        for (epoch, (n, removed)) in (1..).zip(ops) {
            let state = if removed { LiveState::Removed } else { LiveState::Connected };
            log.publish(NOW, vehicle(n), entry(epoch, state));
        }
        let mut copy = spoiled(&log, &changed, &dropped);
        mended(&log, &mut copy, max, scan_max);
        prop_assert_eq!((copy.digest(), copy.live()), (log.digest(), log.live()));
    }
}
