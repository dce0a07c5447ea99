use super::{MOVED_EVERY, Mover, Territory, neighbours};
use crate::cell::Cell;
use crate::id::{Incarnation, NodeId, RegionId};
use crate::message::{GatewayAddress, RedirectReason};
use crate::record::Position;
use crate::region_map::RegionMap;
use crate::time::{Millis, Mono};
use crate::timers::Timers;
use crate::view::{Liveness, NodeInfo, View};

const NOW: Mono = Mono(1 << 40);

fn region(name: &str) -> RegionId {
    RegionId::new(name).unwrap()
}

fn cell(lon: f64) -> Cell {
    Cell::of(Position::from_degrees(49.6, lon)).unwrap()
}

fn gateway(region: &str, n: u32) -> GatewayAddress {
    GatewayAddress { region: region.to_owned(), url: format!("ws://{region}-{n}/v1/obu") }
}

/// West of 6°E and east of it; far enough apart that no list of tracking areas holds both 5 and 7.
fn territory() -> Territory {
    let cells = |from: i32, to: i32| (from..to).map(|n| cell(f64::from(n) / 20.0)).collect::<Vec<_>>();
    let (west, east) = (cells(80, 120), cells(120, 160));
    let west = west.into_iter().filter(|cell| !east.contains(cell)).collect();
    Territory::new(region("west"), RegionMap::new(vec![(region("west"), west), (region("east"), east)]).unwrap())
}

fn all() -> Vec<GatewayAddress> {
    vec![gateway("centre", 1), gateway("east", 1), gateway("east", 2), gateway("west", 2)]
}

fn urls(list: &[GatewayAddress]) -> Vec<&str> {
    list.iter().map(|gateway| gateway.url.as_str()).collect()
}

#[test]
fn a_vehicle_that_left_its_areas_into_another_region_is_sent_to_that_regions_gateways() {
    let redirect = Mover::default().seen(NOW, Some(cell(5.0)), cell(7.0), &territory(), &all()).unwrap();
    assert_eq!(urls(&redirect.targets), ["ws://east-1/v1/obu", "ws://east-2/v1/obu"]);
    assert_eq!((redirect.reason, redirect.deadline), (RedirectReason::Moved, Millis(0)));
}

#[test]
fn nobody_is_sent_away_over_a_border_within_the_tracking_areas() {
    let (territory, mut mover) = (territory(), Mover::default());
    let east = cell(6.02);
    let west =
        *east.tracking_areas().iter().find(|near| territory.areas.region_of(**near) == Some(&region("west"))).unwrap();
    assert_eq!(territory.areas.region_of(east), Some(&region("east")));
    assert_eq!(mover.seen(NOW, Some(west), east, &territory, &all()), None);
    assert!(mover.seen(NOW, None, east, &territory, &all()).is_some(), "without areas so far it is");
}

#[test]
fn a_vehicle_stays_in_its_own_region_in_nobodys_and_where_no_gateway_is_heard() {
    let (territory, mut mover) = (territory(), Mover::default());
    assert_eq!(mover.seen(NOW, Some(cell(4.0)), cell(5.5), &territory, &all()), None, "its own");
    assert_eq!(mover.seen(NOW, Some(cell(5.0)), cell(40.0), &territory, &all()), None, "nobody's");
    assert_eq!(mover.seen(NOW, Some(cell(5.0)), cell(7.0), &territory, &[gateway("centre", 1)]), None, "none heard");
    assert!(mover.seen(NOW, Some(cell(5.0)), cell(7.0), &territory, &all()).is_some(), "none of these counted");
}

#[test]
fn a_session_is_sent_elsewhere_once_a_minute_at_most() {
    let (territory, mut mover) = (territory(), Mover::default());
    let mut seen = |now| mover.seen(now, Some(cell(5.0)), cell(7.0), &territory, &all()).is_some();
    assert!(seen(NOW));
    assert!(!seen(NOW + Millis(MOVED_EVERY.0 - 1)));
    assert!(seen(NOW + MOVED_EVERY));
}

#[test]
fn gateways_are_named_own_region_first_then_that_of_the_place_then_the_rest() {
    let list = territory().in_order(&all(), Some(cell(7.0)));
    assert_eq!(urls(&list), ["ws://west-2/v1/obu", "ws://east-1/v1/obu", "ws://east-2/v1/obu", "ws://centre-1/v1/obu"]);
    let list = territory().in_order(&all(), None);
    assert_eq!(urls(&list)[0], "ws://west-2/v1/obu");
}

#[test]
fn a_gateway_that_drains_or_is_not_heard_is_no_neighbour() {
    let info = |id: &str, of: &str, draining| NodeInfo {
        id: NodeId::new(id).unwrap(),
        region: region(of),
        incarnation: Incarnation(1),
        vehicles_url: id.to_owned(),
        operators_url: String::new(),
        draining,
        rest: Box::default(),
    };
    let mut view = View::new(info("me", "west", false), Timers::default());
    for (id, of, draining, heard) in
        [("a", "east", false, true), ("b", "west", false, true), ("c", "west", true, true), ("d", "west", false, false)]
    {
        view.mention(NOW, info(id, of, draining));
        if heard {
            view.set_liveness(&NodeId::new(id).unwrap(), Liveness::Alive { heard: NOW });
        }
    }
    assert_eq!(urls(&neighbours(&view)), ["b", "a"]);
}
