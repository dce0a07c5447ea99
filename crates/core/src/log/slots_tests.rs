use super::Slots;
use crate::epoch::Epoch;
use crate::id::{SessionId, VehicleId};
use crate::log::{Entry, LiveState, Slot};
use crate::time::{Millis, Mono};
use crate::wake::WakeChannels;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn vehicle(n: u64) -> VehicleId {
    VehicleId::new(&format!("CAR{n}")).unwrap()
}

fn slot(seq: u64, epoch: u64) -> Slot {
    let entry = Entry {
        epoch: Epoch(epoch),
        session: SessionId(1),
        state: LiveState::Connected,
        cause: None,
        cell: None,
        contact: Mono(0),
        sleep: Millis(0),
        wake: WakeChannels::NONE,
        cloned: false,
    };
    Slot { seq, entry }
}

#[test]
fn a_slot_and_the_id_of_its_vehicle_take_no_more_than_72_bytes() {
    assert_eq!(size_of::<(VehicleId, Slot)>(), 72);
}

#[test]
fn a_place_that_two_vehicles_are_said_to_have_is_that_of_the_later_one() {
    let mut slots = Slots::new();
    (1..=3).for_each(|n| assert_eq!(slots.put(vehicle(n), slot(n, n)), None));
    slots.put(vehicle(4), slot(1, 4));
    assert_eq!((slots.at(1), slots.len()), (Some(&vehicle(4)), 4));
    assert_eq!(slots.remove(&vehicle(1)), Some(slot(1, 1)));
    let seqs: Vec<_> = slots.after(0).map(|(_, slot)| slot.seq).collect();
    assert_eq!(seqs, [2, 3], "the place is gone with either of the two");
    assert_eq!(slots.put(vehicle(4), slot(5, 5)), Some(slot(1, 4)));
    assert_eq!(slots.at(5), Some(&vehicle(4)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn both_orders_name_the_same_slots_whatever_comes_and_goes(
        changes in prop::collection::vec((0u64..1500, 0u8..4), 0..5000), from in 0u64..5000
    ) {
        let (mut slots, mut by_vehicle, mut by_seq) = (Slots::new(), BTreeMap::new(), BTreeMap::new());
        for (seq, (n, kind)) in (1..).zip(changes) {
            let before = if kind == 0 {
                let before = by_vehicle.remove(&vehicle(n));
                prop_assert_eq!(slots.remove(&vehicle(n)), before.clone());
                before
            } else {
                let before = by_vehicle.insert(vehicle(n), slot(seq, n));
                prop_assert_eq!(slots.put(vehicle(n), slot(seq, n)), before.clone());
                by_seq.insert(seq, vehicle(n));
                before
            };
            by_seq.remove(&before.map_or(0, |before| before.seq));
        }
        prop_assert!(slots.beyond(None).eq(&by_vehicle));
        prop_assert!(slots.after(from).map(|(vehicle, slot)| (&slot.seq, vehicle)).eq(by_seq.range(from + 1..)));
        prop_assert!(by_seq.iter().all(|(seq, vehicle)| slots.at(*seq) == Some(vehicle)));
    }
}
