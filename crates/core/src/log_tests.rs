use super::{Entry, Gap, LiveState, Log, LogId, Rest, Suffix};
use crate::epoch::Epoch;
use crate::homes::Part;
use crate::id::{Incarnation, NodeId, SessionId, VehicleId};
use crate::limits::TOMBSTONES_MAX;
use crate::time::{Millis, Mono};
use crate::wake::WakeChannels;
use proptest::prelude::*;
use std::collections::BTreeMap;

const NOW: Mono = Mono(1_000_000);

fn log() -> Log {
    Log::new(LogId::detail(NodeId::new("west-1").unwrap(), Incarnation(1)))
}

fn vehicle(n: u8) -> VehicleId {
    VehicleId::new(&format!("V{n}")).unwrap()
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

fn written(ops: &[(u8, bool)]) -> Log {
    let mut log = log();
    for (i, &(v, removed)) in ops.iter().enumerate() {
        let state = if removed { LiveState::Removed } else { LiveState::Connected };
        log.publish(NOW, vehicle(v), entry(i as u64 + 1, state));
    }
    log
}

#[test]
fn a_batch_that_leaves_a_hole_is_refused_and_changes_nothing() {
    let mut copy = log();
    let hole = Suffix { from: 3, to: 5, entries: Vec::new(), rests: Default::default() };
    assert_eq!(copy.apply(NOW, hole), Err(Gap { from: 3, head: 0 }));
    assert_eq!(copy.head(), 0);
}

#[test]
fn a_log_is_as_long_as_its_vehicles_however_often_they_change() {
    let mut log = log();
    for epoch in 0..1000 {
        log.publish(NOW, vehicle(1), entry(epoch, LiveState::Connected));
    }
    assert_eq!((log.len(), log.head()), (1, 1000));
    let all = log.suffix(0, 10, &Part::Whole);
    assert_eq!((all.entries.len(), all.to), (1, 1000));
}

#[test]
fn an_expired_tombstone_raises_the_floor() {
    let mut log = written(&[(1, false), (2, false), (1, true)]);
    log.expire_tombstones(NOW + Millis(9), Millis(10));
    assert_eq!((log.len(), log.floor()), (2, 0));
    log.expire_tombstones(NOW + Millis(10), Millis(10));
    assert_eq!((log.len(), log.floor()), (1, 3));
    assert!(log.slot(&vehicle(1)).is_none());
}

#[test]
fn the_number_of_tombstones_is_bounded_and_the_floor_rises_with_the_oldest_that_goes() {
    let name = |n: u64| VehicleId::new(&format!("V{n:06}")).unwrap();
    let mut log = log();
    let mut copy = self::log();
    let most = TOMBSTONES_MAX as u64;
    log.publish(NOW, name(most + 9), entry(1, LiveState::Connected));
    (0..most).for_each(|n| assert_eq!(log.publish(NOW, name(n), entry(1, LiveState::Removed)), n + 2));
    assert_eq!((log.len(), log.live(), log.floor()), (TOMBSTONES_MAX + 1, 1, 0));
    log.publish(NOW, name(most), entry(1, LiveState::Removed));
    log.publish(NOW, name(most + 1), entry(1, LiveState::Removed));
    assert_eq!((log.len(), log.live(), log.floor()), (TOMBSTONES_MAX + 1, 1, 3));
    assert!(log.slot(&name(1)).is_none() && log.slot(&name(2)).is_some());
    // Whoever holds a copy has the same bound.
    copy.apply(NOW, log.suffix(0, usize::MAX, &Part::Whole)).unwrap();
    let entries = vec![(name(most + 2), crate::log::Slot { seq: most + 4, entry: entry(1, LiveState::Removed) })];
    copy.apply(NOW, Suffix { from: most + 3, to: most + 4, entries, rests: Default::default() }).unwrap();
    assert_eq!((copy.len(), copy.live(), copy.floor()), (TOMBSTONES_MAX + 1, 1, 4));
}

#[test]
fn what_cannot_be_read_of_an_entry_goes_where_it_goes_and_ends_with_it() {
    let rest = |fields: &[u8]| Rest { cause: 0, cell: 0, fields: fields.into() };
    let slot = |seq, epoch| crate::log::Slot { seq, entry: entry(epoch, LiveState::Connected) };
    let entries = vec![(vehicle(1), slot(1, 1)), (vehicle(2), slot(2, 1))];
    let rests = BTreeMap::from([(1, rest(b"one"))]);
    let mut copy = log();
    copy.apply(NOW, Suffix { from: 0, to: 2, entries, rests }).unwrap();
    assert_eq!(copy.suffix(0, 9, &Part::Whole).rests, BTreeMap::from([(1, rest(b"one"))]));
    assert_eq!(copy.suffix(1, 9, &Part::Whole).rests, BTreeMap::new());
    copy.apply(NOW, Suffix { from: 2, to: 3, entries: vec![(vehicle(1), slot(3, 2))], rests: BTreeMap::new() })
        .unwrap();
    assert_eq!(copy.suffix(0, 9, &Part::Whole).rests, BTreeMap::new(), "what stands there now says nothing more");
}

proptest! {
    /// Exact coverage: at every cursor the copy holds what the owner held then, or what replaced it.
    #[test]
    fn a_copy_read_in_pieces_equals_the_log(
        ops in prop::collection::vec((0u8..6, any::<bool>()), 1..40), max in 1usize..5, twice in any::<bool>()
    ) {
        let log = written(&ops);
        let mut copy = self::log();
        while copy.head() < log.head() {
            let piece = log.suffix(copy.head(), max, &Part::Whole);
            prop_assert!(piece.to > copy.head(), "every piece moves the cursor");
            copy.apply(NOW, piece.clone()).unwrap();
            if twice {
                prop_assert_eq!(copy.apply(NOW, piece).unwrap(), Vec::new(), "a repeat changes nothing");
            }
        }
        prop_assert_eq!(copy.digest(), log.digest());
        prop_assert!(copy.slots().eq(log.slots()));
    }

    #[test]
    fn a_reader_that_lags_still_converges_while_the_owner_writes(
        ops in prop::collection::vec((0u8..6, any::<bool>()), 1..60), reads in prop::collection::vec(any::<bool>(), 60)
    ) {
        let mut log = self::log();
        let mut copy = self::log();
        for (i, (&(v, removed), read)) in ops.iter().zip(reads).enumerate() {
            let state = if removed { LiveState::Removed } else { LiveState::Idle };
            log.publish(NOW, vehicle(v), entry(i as u64, state));
            if read {
                copy.apply(NOW, log.suffix(copy.head(), 2, &Part::Whole)).unwrap();
            }
        }
        while copy.head() < log.head() {
            copy.apply(NOW, log.suffix(copy.head(), 2, &Part::Whole)).unwrap();
        }
        prop_assert_eq!(copy.digest(), log.digest());
        prop_assert_eq!(copy.len(), log.len());
    }

    #[test]
    fn the_sequence_strictly_rises(ops in prop::collection::vec((0u8..4, any::<bool>()), 1..30)) {
        let mut log = self::log();
        let mut last = 0;
        for (v, _) in ops {
            let seq = log.publish(NOW, vehicle(v), entry(1, LiveState::Idle));
            prop_assert!(seq > last);
            last = seq;
        }
    }

    /// Exact coverage with entries sent ahead at any moment: at every cursor the copy passes on what it claims to hold,
    /// it never shows something older than before, and in the end nothing is left over.
    #[test]
    fn entries_sent_ahead_change_nothing_of_what_is_covered(
        ops in prop::collection::vec((0u8..6, any::<bool>()), 1..60),
        reads in prop::collection::vec((any::<bool>(), any::<bool>()), 60)
    ) {
        let (mut log, mut copy, mut plain) = (self::log(), self::log(), self::log());
        let mut shown = BTreeMap::new();
        for (i, (&(v, removed), (read, early))) in ops.iter().zip(reads).enumerate() {
            let state = if removed { LiveState::Removed } else { LiveState::Idle };
            let seq = log.publish(NOW, vehicle(v), entry(i as u64, state));
            if early {
                let fresh = log.suffix(seq - 1, 1, &Part::Whole);
                copy.apply(NOW, Suffix { from: 0, to: 0, ..fresh }).unwrap();
            }
            if read {
                copy.apply(NOW, log.suffix(copy.head(), 2, &Part::Whole)).unwrap();
                plain.apply(NOW, log.suffix(plain.head(), 2, &Part::Whole)).unwrap();
            }
            prop_assert_eq!((copy.head(), copy.digest(), copy.len()), (plain.head(), plain.digest(), plain.len()));
            prop_assert_eq!(copy.suffix(0, usize::MAX, &Part::Whole), plain.suffix(0, usize::MAX, &Part::Whole));
            for v in 0..6 {
                let seq = copy.slot(&vehicle(v)).map_or(0, |slot| slot.seq);
                prop_assert!(shown.insert(v, seq) <= Some(seq), "what is shown goes back");
            }
            if early {
                prop_assert_eq!(copy.slot(&vehicle(v)), log.slot(&vehicle(v)), "it is shown at once");
            }
        }
        while copy.head() < log.head() {
            copy.apply(NOW, log.suffix(copy.head(), 2, &Part::Whole)).unwrap();
        }
        prop_assert_eq!((copy.digest(), copy.ahead()), (log.digest(), 0));
        prop_assert!(copy.slots().eq(log.slots()));
    }
}
