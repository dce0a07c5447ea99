use super::{BadToken, Claims, KeyRing};
use crate::epoch::Epoch;
use crate::id::{Incarnation, NodeId, RegionId, SessionId, VehicleId};
use proptest::prelude::*;

fn ring() -> KeyRing {
    let mut ring = KeyRing::default();
    ring.insert(RegionId::new("west").unwrap(), b"a key of the west".to_vec());
    ring.insert(RegionId::new("east").unwrap(), b"a key of the east".to_vec());
    ring
}

fn claims(vehicle: &str) -> Claims {
    Claims {
        vehicle: VehicleId::new(vehicle).unwrap(),
        region: RegionId::new("west").unwrap(),
        node: NodeId::new("west-1").unwrap(),
        incarnation: Incarnation(7),
        session: SessionId(8),
        epoch: Epoch(9),
    }
}

#[test]
fn a_token_opens_to_what_was_sealed() {
    let claims = claims("LUX-1");
    assert_eq!(ring().open(&claims.vehicle, &ring().seal(&claims)), Ok(claims));
}

#[test]
fn a_token_of_another_vehicle_does_not_open() {
    let token = ring().seal(&claims("LUX-1"));
    assert_eq!(ring().open(&VehicleId::new("LUX-2").unwrap(), &token), Err(BadToken));
}

#[test]
fn a_region_without_a_key_seals_nothing() {
    assert!(KeyRing::default().seal(&claims("LUX-1")).is_empty());
}

proptest! {
    #[test]
    fn no_changed_bit_goes_unnoticed(at in 0usize..64, bit in 0u8..8) {
        let claims = claims("LUX-1");
        let mut token = ring().seal(&claims);
        let at = at % token.len();
        token[at] ^= 1 << bit;
        prop_assert_eq!(ring().open(&claims.vehicle, &token), Err(BadToken));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..128)) {
        prop_assert_eq!(ring().open(&VehicleId::new("LUX-1").unwrap(), &bytes), Err(BadToken));
    }
}
