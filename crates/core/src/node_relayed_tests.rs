//! Gateways that cannot hear each other, and hear others that hear both.

use super::tests::world::{NODES, Regions, World, vehicle};
use super::*;
use crate::view::StaleWhy;

/// Two of three do not reach each other, and the third reaches both.
fn cut_in_two(world: &mut World, cut: bool) {
    (world.cut[0][2], world.cut[2][0]) = (cut, cut);
}

fn liveness(world: &World, g: usize, of: usize) -> Liveness {
    world.gateways[g].node.view().node(&NodeId::new(NODES[of]).unwrap()).unwrap().liveness
}

#[test]
fn what_a_gateway_says_that_is_not_heard_is_believed_as_long_as_another_hears_it() {
    let mut world = World::new(3, vec![20], &[0; 3]);
    world.attaches(0, 0);
    world.run(Millis::secs(5));
    let online = |world: &World, v| world.shown(2, &vehicle(v)).map(|shown| (shown.0, shown.1));
    assert_eq!(online(&world, 0), Some((Known::Online, None)));
    cut_in_two(&mut world, true);
    world.run(Millis::secs(12));
    assert!(matches!(liveness(&world, 2, 0), Liveness::Relayed { .. }), "{:?}", liveness(&world, 2, 0));
    assert_eq!(online(&world, 0), Some((Known::Online, None)));
    // What happens now is told as well, and goes on to be.
    world.attaches(1, 0);
    for _ in 0..20 {
        world.run(Millis::secs(3));
        assert_eq!((online(&world, 0), online(&world, 1)), (Some((Known::Online, None)), Some((Known::Online, None))));
        let age = world.gateways[2].node.view().sight(world.now(2), &vehicle(0)).unwrap().view_age;
        assert!(age < RELAYED_LOST_AFTER, "{age:?}");
    }
    // And nobody hears it any more.
    (world.cut[0][1], world.cut[1][0]) = (true, true);
    world.run(Millis::secs(15));
    assert_eq!(online(&world, 0), Some((Known::Online, Some(StaleWhy::OwnerLost))));
    cut_in_two(&mut world, false);
    (world.cut[0][1], world.cut[1][0]) = (false, false);
    world.run(Millis::secs(20));
    assert!(matches!(liveness(&world, 2, 0), Liveness::Alive { .. }));
    world.check_agreement();
}

#[test]
fn who_has_left_is_not_believed_through_others() {
    let mut world = World::new(3, vec![20], &[0; 3]);
    world.attaches(0, 0);
    cut_in_two(&mut world, true);
    world.run(Millis::secs(12));
    let left = world.gateways[0].node.view().me().clone();
    world.does(2, Event::MemberChanged(left, Standing::Left));
    for _ in 0..5 {
        assert_eq!(world.shown(2, &vehicle(0)).map(|shown| shown.1), Some(Some(StaleWhy::OwnerLeft)));
        world.run(Millis::secs(2));
    }
}

#[test]
fn no_one_passes_on_what_it_does_not_hear_itself() {
    let mut world = World::new(3, vec![20], &[0; 3]);
    world.attaches(0, 0);
    world.run(Millis::secs(5));
    // The first is heard by nobody; the other two tell each other what they hold of it.
    for other in [1, 2] {
        (world.cut[0][other], world.cut[other][0]) = (true, true);
    }
    for _ in 0..10 {
        world.run(Millis::secs(15));
        for g in [1, 2] {
            assert!(matches!(liveness(&world, g, 0), Liveness::Lost { .. }), "{:?}", liveness(&world, g, 0));
        }
    }
}

#[test]
fn a_restart_behind_a_cut_is_known_through_others() {
    let mut world = World::new(3, vec![20], &[0; 3]);
    world.attaches(0, 0);
    cut_in_two(&mut world, true);
    world.run(Millis::secs(12));
    world.restarts(0);
    world.attaches(1, 0);
    world.run(Millis::secs(12));
    assert!(matches!(liveness(&world, 2, 0), Liveness::Relayed { .. }), "{:?}", liveness(&world, 2, 0));
    assert_eq!(world.shown(2, &vehicle(1)), world.shown(1, &vehicle(1)));
    assert_eq!(world.shown(2, &vehicle(0)), world.shown(1, &vehicle(0)));
}

#[test]
fn between_home_regions_who_keeps_as_much_passes_on_that_a_gateway_is_heard() {
    let mut world = World::spread(3, Some(Regions { count: 3, kept: 3 }), vec![20], &[0; 3]);
    world.run(Millis::secs(5));
    world.attaches(0, 0);
    cut_in_two(&mut world, true);
    world.run(Millis::secs(25));
    for _ in 0..20 {
        world.run(Millis::secs(3));
        assert!(matches!(liveness(&world, 2, 0), Liveness::Relayed { .. }), "{:?}", liveness(&world, 2, 0));
        assert_eq!(world.shown(2, &vehicle(0)), world.shown(1, &vehicle(0)));
    }
}
