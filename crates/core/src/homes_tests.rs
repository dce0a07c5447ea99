use super::{HomeRegions, Interest, InvalidHomes, SHARDS, Shard};
use crate::digest::bucket;
use crate::id::{RegionId, VehicleId};
use std::collections::BTreeMap;

fn region(n: usize) -> RegionId {
    RegionId::new(&format!("region-{n}")).unwrap()
}

fn homes(regions: usize, homes: usize) -> HomeRegions {
    HomeRegions::new((0..regions).map(region).collect(), Some(homes)).unwrap()
}

#[test]
fn every_shard_has_as_many_homes_as_asked_for_and_no_region_has_much_more_than_its_share() {
    let plan = homes(50, 3);
    let mut kept: BTreeMap<RegionId, usize> = BTreeMap::new();
    for shard in Shard::all() {
        let of = plan.of(shard);
        assert_eq!(of.iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
        for home in of {
            *kept.entry(home.clone()).or_default() += 1;
        }
    }
    let share = SHARDS * 3 / 50;
    let (least, most) = (kept.values().min().unwrap(), kept.values().max().unwrap());
    assert_eq!(kept.len(), 50);
    assert!(*least > share / 2 && *most < share * 3 / 2, "{least} to {most} shards, a fair share is {share}");
}

#[test]
fn a_region_that_is_added_takes_its_share_and_moves_nothing_else() {
    let (before, after) = (homes(9, 3), homes(10, 3));
    let mut moved = 0;
    for shard in Shard::all() {
        let (old, new) = (before.of(shard), after.of(shard));
        let came: Vec<_> = new.iter().filter(|home| !old.contains(*home)).collect();
        assert!(came.iter().all(|home| ***home == region(9)), "{came:?} became a home without need");
        moved += came.len();
    }
    assert!(moved > SHARDS / 5 && moved < SHARDS * 2 / 5, "{moved} of {SHARDS} shards moved, 3 in 10 should");
}

#[test]
fn who_keeps_a_shard_depends_on_the_list_and_not_on_its_order() {
    let back = HomeRegions::new((0..5).rev().map(region).collect(), Some(2)).unwrap();
    assert_eq!(back, homes(5, 2));
    assert_eq!(back.fingerprint(), homes(5, 2).fingerprint());
    assert_ne!(back.fingerprint(), homes(5, 3).fingerprint());
    assert_ne!(back.fingerprint(), homes(6, 2).fingerprint());
}

#[test]
fn without_a_number_every_region_keeps_everything() {
    let plan = HomeRegions::new((0..4).map(region).collect(), None).unwrap();
    assert_eq!(plan.homes(), 4);
    assert_eq!(plan.interest(&region(2)), Interest::ALL);
    assert!(plan.interest(&region(7)).is_empty(), "a region that is not listed keeps nothing of others");
}

#[test]
fn lists_that_cannot_be_meant_are_refused() {
    let list = |n: &[usize]| n.iter().copied().map(region).collect::<Vec<_>>();
    assert_eq!(HomeRegions::new(list(&[]), None), Err(InvalidHomes::Empty));
    assert_eq!(HomeRegions::new(list(&[1, 2, 1]), None), Err(InvalidHomes::Twice(region(1))));
    assert_eq!(HomeRegions::new(list(&[1, 2]), Some(0)), Err(InvalidHomes::Homes { homes: 0, regions: 2 }));
    assert_eq!(HomeRegions::new(list(&[1, 2]), Some(3)), Err(InvalidHomes::Homes { homes: 3, regions: 2 }));
    let many = (0..2000).map(region).collect();
    assert_eq!(HomeRegions::new(many, None), Err(InvalidHomes::TooMany(2000)));
}

#[test]
fn an_interest_crosses_as_128_bytes() {
    let interest = homes(7, 2).interest(&region(3));
    let bytes = interest.to_bytes();
    assert_eq!(bytes.len(), 128);
    assert_eq!(Interest::from_bytes(&bytes), Some(interest.clone()));
    assert_eq!(Interest::from_bytes(&bytes[1..]), None);
    assert_eq!(Interest::from_bytes(&[&bytes[..], &[0]].concat()), None);
    assert_eq!(interest.iter().count(), interest.len());
    assert!(Interest::ALL.covers(&interest) && !interest.covers(&Interest::ALL));
    assert_eq!(Interest::ALL.and(&interest), interest);
}

#[test]
fn the_shards_of_a_bucket_lie_in_it() {
    for n in 0..500 {
        let vehicle = VehicleId::new(&format!("CAR-{n}")).unwrap();
        assert_eq!(Shard::of(&vehicle).index() % 256, usize::from(bucket(&vehicle)));
    }
}
