use super::{sight_from_proto, sight_to_proto};
use waygate_core::cause::DetachCause;
use waygate_core::cell::Cell;
use waygate_core::epoch::Epoch;
use waygate_core::id::{NodeId, RegionId, SessionId, VehicleId};
use waygate_core::record::Position;
use waygate_core::time::Millis;
use waygate_core::view::{AgeKind, Known, Sight, StaleWhy};
use waygate_core::wake::WakeChannels;

fn sight(known: Known, stale: Option<StaleWhy>) -> Sight {
    Sight {
        vehicle: VehicleId::new("LUX-1").unwrap(),
        known,
        stale,
        cause: Some(DetachCause::Implicit),
        owner: NodeId::new("west-1").unwrap(),
        region: RegionId::new("west").ok(),
        epoch: Epoch(u64::MAX),
        session: SessionId(7),
        cell: Cell::of(Position::from_degrees(49.6, 6.1)).map(Cell::coarse),
        age: Millis(1500),
        age_kind: AgeKind::Bound,
        view_age: Millis(20),
        update_expected: Some(Millis(90_000)),
        wake: WakeChannels::from_bits(3),
        cloned: true,
    }
}

#[test]
fn a_sight_survives_the_wire_in_every_state() {
    let why = [None, Some(StaleWhy::OwnerLost), Some(StaleWhy::OwnerLeft), Some(StaleWhy::OwnerRestarted)];
    for stale in why.into_iter().chain([Some(StaleWhy::ViewCutOff)]) {
        for known in [Known::Online, Known::Idle, Known::Asleep, Known::Unreachable, Known::Offline] {
            let sight = sight(known, stale);
            assert_eq!(sight_from_proto(&sight_to_proto(&sight), Millis(0)), Ok(sight));
        }
    }
}

#[test]
fn what_was_on_its_way_is_older_by_as_much() {
    let read = sight_from_proto(&sight_to_proto(&sight(Known::Idle, None)), Millis(250)).unwrap();
    assert_eq!((read.age, read.view_age, read.update_expected), (Millis(1750), Millis(270), Some(Millis(89_750))));
}

#[test]
fn a_sight_that_cannot_be_read_says_where() {
    let mut wire = sight_to_proto(&sight(Known::Idle, None));
    wire.known = 77;
    assert!(sight_from_proto(&wire, Millis(0)).unwrap_err().to_string().contains("seen.known"));
    wire.known = 1;
    wire.owner = "no such/node".to_owned();
    assert!(sight_from_proto(&wire, Millis(0)).unwrap_err().to_string().contains("seen.owner"));
}
