use super::{merged, page};
use crate::operators::vehicles::Found;
use crate::presence::sight_rig::sight;
use waygate_core::id::VehicleId;
use waygate_core::view::{Known, Sight};

fn online(n: u64) -> Sight {
    sight(&format!("CAR-{n}"), "w-1", n, Known::Online, false)
}

fn ids(sights: &[Sight]) -> Vec<u64> {
    sights.iter().map(|sight| sight.epoch.0).collect()
}

fn own(n: &[u64], next: Option<u64>) -> Found {
    let next = next.map(|next| VehicleId::new(&format!("CAR-{next}")).unwrap());
    Found { sights: n.iter().copied().map(online).collect(), next, total: None }
}

fn shown(own: Found, elsewhere: &[u64], limit: usize) -> (Vec<u64>, Option<String>) {
    let found = page(own, elsewhere.iter().copied().map(online).collect(), limit);
    (ids(&found.sights), found.next.map(String::from))
}

#[test]
fn a_page_of_two_parts_ends_where_one_of_them_may_go_on() {
    assert_eq!(shown(own(&[1, 4], None), &[2, 3, 5], 9), (vec![1, 2, 3, 4, 5], None));
    assert_eq!(shown(own(&[1, 4], None), &[2, 3, 5], 3), (vec![1, 2, 3], Some("CAR-3".to_owned())));
    // The own part was cut off at 4: of what lies behind it nothing is known yet.
    assert_eq!(shown(own(&[1, 4], Some(4)), &[2, 5, 6], 2), (vec![1, 2], Some("CAR-2".to_owned())));
    assert_eq!(shown(own(&[1], Some(4)), &[5, 6], 2), (vec![1], Some("CAR-4".to_owned())));
}

#[test]
fn of_a_vehicle_that_two_show_the_later_attach_counts_then_what_is_not_stale() {
    let (old, new) = (sight("CAR-1", "w-1", 5, Known::Online, true), sight("CAR-1", "e-1", 9, Known::Idle, false));
    let stale = Sight { stale: old.stale, ..new.clone() };
    for (a, b) in [(&old, &new), (&new, &old), (&stale, &new), (&new, &stale)] {
        assert_eq!(merged(vec![a.clone()], vec![b.clone()]), vec![new.clone()]);
    }
}
