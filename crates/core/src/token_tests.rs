use super::{BadToken, Claims, KeyId, KeyRing, MAC_BYTES, mac};
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
    assert_eq!(ring().open(&VehicleId::new("LUX-2").unwrap(), &token), Err(BadToken::Forged));
}

#[test]
fn a_region_without_a_key_seals_nothing() {
    assert!(KeyRing::default().seal(&claims("LUX-1")).is_empty());
}

/// A ring with these keys of the west, the first of which seals.
fn west(ids: &[u8]) -> KeyRing {
    let mut ring = KeyRing::default();
    for id in ids {
        ring.add(RegionId::new("west").unwrap(), KeyId(*id), format!("key {id} of the west").into_bytes());
    }
    ring
}

#[test]
fn a_rotation_step_by_step_cuts_no_vehicle_off() {
    let claims = claims("LUX-1");
    let steps: [&[u8]; 4] = [&[0], &[0, 7], &[7, 0], &[7]];
    for (before, after) in steps.iter().zip(&steps[1..]) {
        // Some gateways have taken the step and some have not: each opens what the other seals.
        for (seals, opens) in [(before, after), (after, before)] {
            let token = west(seals).seal(&claims);
            assert_eq!(token[1], seals[0], "the first of {seals:?} seals");
            assert_eq!(west(opens).open(&claims.vehicle, &token), Ok(claims.clone()), "{seals:?} then {opens:?}");
        }
    }
}

#[test]
fn a_key_that_is_not_here_is_told_from_a_seal_that_is_wrong() {
    let claims = claims("LUX-1");
    let token = west(&[3]).seal(&claims);
    let mut other = KeyRing::default();
    other.add(claims.region.clone(), KeyId(3), b"another key".to_vec());
    for (ring, expected) in
        [(west(&[0, 4]), BadToken::UnknownKey), (KeyRing::default(), BadToken::UnknownKey), (other, BadToken::Forged)]
    {
        assert_eq!(ring.open(&claims.vehicle, &token), Err(expected), "{ring:?}");
    }
}

#[test]
fn a_token_from_before_keys_had_ids_opens_with_key_0_only() {
    let claims = claims("LUX-1");
    let sealed = west(&[0]).seal(&claims);
    let mut old = vec![1];
    old.extend_from_slice(&sealed[2..sealed.len() - MAC_BYTES]);
    let tag = mac(b"key 0 of the west", &claims.vehicle, &old).unwrap();
    old.extend_from_slice(&hmac::Mac::finalize(tag).into_bytes()[..MAC_BYTES]);
    assert_eq!(west(&[5, 0]).open(&claims.vehicle, &old), Ok(claims.clone()));
    assert_eq!(west(&[5]).open(&claims.vehicle, &old), Err(BadToken::UnknownKey));
}

proptest! {
    #[test]
    fn no_changed_bit_goes_unnoticed(at in 0usize..128, bit in 0u8..8) {
        let claims = claims("LUX-1");
        let mut token = ring().seal(&claims);
        let at = at % token.len();
        token[at] ^= 1 << bit;
        // The region's name or the key's id may be what has changed.
        prop_assert!(ring().open(&claims.vehicle, &token).is_err());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..128)) {
        prop_assert!(ring().open(&VehicleId::new("LUX-1").unwrap(), &bytes).is_err());
    }
}
