use super::{BUCKETS, Digest, bucket, hash};
use crate::cause::DetachCause;
use crate::cell::Cell;
use crate::epoch::Epoch;
use crate::id::{SessionId, VehicleId};
use crate::log::{Entry, LiveState, Rest, Slot};
use crate::record::Position;
use crate::time::{Millis, Mono};
use crate::wake::WakeChannels;

fn vehicle(n: u64) -> VehicleId {
    VehicleId::new(&format!("V{n:05}")).unwrap()
}

fn slot(seq: u64) -> Slot {
    let entry = Entry {
        epoch: Epoch(7),
        session: SessionId(8),
        state: LiveState::Connected,
        cause: None,
        cell: None,
        contact: Mono(5),
        sleep: Millis(0),
        wake: WakeChannels::NONE,
        cloned: false,
    };
    Slot { seq, entry }
}

#[test]
fn vehicles_spread_over_all_buckets_and_a_bucket_is_told_by_the_vehicle_alone() {
    let mut counts = [0; BUCKETS];
    let mut digest = Digest::default();
    for n in 0..20_000 {
        counts[usize::from(bucket(&vehicle(n)))] += 1;
        let before = digest.buckets()[usize::from(bucket(&vehicle(n)))];
        digest.add(&vehicle(n), &slot(n), None);
        let after = digest.buckets()[usize::from(bucket(&vehicle(n)))];
        assert_eq!(before ^ after, hash(&vehicle(n), &slot(n), None));
    }
    assert!(counts.iter().all(|count| (30..150).contains(count)), "{counts:?}");
    assert_eq!(digest.buckets().iter().fold(0, |xor, bucket| xor ^ bucket), digest.total());
    (0..20_000).for_each(|n| digest.remove(&vehicle(n), &slot(n), None));
    assert_eq!(digest, Digest::default());
}

#[test]
fn whatever_a_peer_can_read_of_an_entry_changes_its_hash_and_the_contact_does_not() {
    let plain = slot(5);
    let of = |change: &dyn Fn(&mut Entry)| {
        let mut other = plain.clone();
        change(&mut other.entry);
        hash(&vehicle(1), &other, None)
    };
    let cell = Cell::of(Position::from_degrees(52.5, 13.4));
    let hashes = [
        hash(&vehicle(1), &plain, None),
        hash(&vehicle(2), &plain, None),
        hash(&vehicle(1), &slot(6), None),
        of(&|entry| entry.epoch = Epoch(9)),
        of(&|entry| entry.session = SessionId(9)),
        of(&|entry| entry.state = LiveState::Idle),
        of(&|entry| entry.cause = Some(DetachCause::Implicit)),
        of(&|entry| entry.cell = cell),
        of(&|entry| entry.sleep = Millis(1000)),
        of(&|entry| entry.wake = WakeChannels::from_bits(1)),
        of(&|entry| entry.cloned = true),
    ];
    let mut unlike = hashes.to_vec();
    unlike.sort_unstable();
    unlike.dedup();
    assert_eq!(unlike.len(), hashes.len());
    assert_eq!(of(&|entry| entry.contact = Mono(99)), hashes[0]);
}

#[test]
fn a_cause_and_a_cell_that_only_the_owner_can_read_count_as_what_it_wrote() {
    let cell = Cell::of(Position::from_degrees(52.5, 13.4));
    let mut owners = slot(5);
    (owners.entry.cause, owners.entry.cell) = (Some(DetachCause::Implicit), cell);
    let rest = |fields: &[u8]| Rest {
        cause: DetachCause::Implicit.number(),
        cell: cell.map_or(0, Cell::index),
        fields: fields.into(),
    };
    let owners = hash(&vehicle(1), &owners, None);
    assert_eq!(hash(&vehicle(1), &slot(5), Some(&rest(&[]))), owners);
    assert_eq!(hash(&vehicle(1), &slot(5), Some(&rest(&[1, 2]))), owners, "later fields are not of version 1");
    assert_ne!(hash(&vehicle(1), &slot(5), None), owners);
}
