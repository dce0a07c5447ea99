use super::{Entry, Gap, LiveState, Log, LogId, Suffix};
use crate::epoch::Epoch;
use crate::id::{Incarnation, NodeId, SessionId, VehicleId};
use crate::time::{Millis, Mono};
use crate::wake::WakeChannels;
use proptest::prelude::*;

const NOW: Mono = Mono(1_000_000);

fn log() -> Log {
    Log::new(LogId { owner: NodeId::new("west-1").unwrap(), incarnation: Incarnation(1) })
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
    let hole = Suffix { from: 3, to: 5, entries: Vec::new() };
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
    let all = log.suffix(0, 10);
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

proptest! {
    /// Exact coverage: at every cursor the copy holds what the owner held then, or what replaced it.
    #[test]
    fn a_copy_read_in_pieces_equals_the_log(
        ops in prop::collection::vec((0u8..6, any::<bool>()), 1..40), max in 1usize..5, twice in any::<bool>()
    ) {
        let log = written(&ops);
        let mut copy = self::log();
        while copy.head() < log.head() {
            let piece = log.suffix(copy.head(), max);
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
                copy.apply(NOW, log.suffix(copy.head(), 2)).unwrap();
            }
        }
        while copy.head() < log.head() {
            copy.apply(NOW, log.suffix(copy.head(), 2)).unwrap();
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
}
