use super::ByVehicle;
use crate::id::VehicleId;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn vehicle(n: u32) -> VehicleId {
    VehicleId::new(&format!("CAR{n:04}")).unwrap()
}

#[test]
fn a_vehicle_that_is_put_again_keeps_its_row_and_one_taken_out_gives_it_to_the_last() {
    let mut map = ByVehicle::new();
    (0..3).for_each(|n| map.insert(&vehicle(n), n));
    map.insert(&vehicle(0), 9);
    assert_eq!((map.len(), map.row_of(&vehicle(0)), map.get(&vehicle(0))), (3, Some(0), Some(&9)));
    assert_eq!((map.remove(&vehicle(0)), map.remove(&vehicle(0))), (Some(9), None));
    assert_eq!((map.row_of(&vehicle(2)), map.get(&vehicle(2))), (Some(0), Some(&2)));
    assert_eq!((map.last(), map.len()), (Some(&vehicle(2)), 2));
}

#[test]
fn room_for_vehicles_that_are_gone_is_given_back() {
    let mut map = ByVehicle::new();
    (0..5000).for_each(|n| map.insert(&vehicle(n), n));
    (0..4990).for_each(|n| assert_eq!(map.remove(&vehicle(n)), Some(n)));
    assert!(map.rows.capacity() < 100, "{}", map.rows.capacity());
    assert!(map.after(None).map(|(_, value)| *value).eq(4990..5000));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn it_holds_what_a_tree_holds_in_the_same_order(
        changes in prop::collection::vec((0u32..2500, 0u8..5), 0..8000), after in 0u32..2500
    ) {
        let (mut map, mut tree) = (ByVehicle::new(), BTreeMap::new());
        for (at, (n, kind)) in changes.into_iter().enumerate() {
            if kind < 3 {
                map.insert(&vehicle(n), at);
                tree.insert(vehicle(n), at);
            } else {
                prop_assert_eq!(map.remove(&vehicle(n)), tree.remove(&vehicle(n)));
            }
        }
        prop_assert!(map.after(None).eq(&tree));
        let after = vehicle(after);
        prop_assert!(map.after(Some(&after)).eq(tree.iter().filter(|(vehicle, _)| **vehicle > after)));
        prop_assert_eq!((map.len(), map.last()), (tree.len(), tree.keys().last()));
        prop_assert!((0..2500).all(|n| map.get(&vehicle(n)) == tree.get(&vehicle(n))));
    }
}
