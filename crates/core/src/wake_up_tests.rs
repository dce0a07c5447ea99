use super::{BadWakeUp, WAKE_UP_BYTES_MAX, key_for, open, seal};
use crate::id::VehicleId;
use proptest::prelude::*;

const KEY: &[u8] = b"sixteen bytes 16";

fn vehicle(id: &str) -> VehicleId {
    VehicleId::new(id).unwrap()
}

#[test]
fn a_wake_up_has_the_documented_form_and_fits_into_a_short_message() {
    let longest = vehicle(&"V".repeat(64));
    let text = seal(KEY, &longest, u64::MAX);
    assert!(text.len() <= WAKE_UP_BYTES_MAX, "{} bytes", text.len());
    assert_eq!(open(KEY, &longest, &text), Ok(u64::MAX));
    let text = seal(KEY, &vehicle("LUX-1"), 7);
    assert_eq!(text, "WG1.LUX-1.AAAAAAAAAAc.A1F7PrNTuEr9tDPYr2ejaQ");
}

#[test]
fn what_is_no_wake_up_for_this_vehicle_under_this_key_says_why() {
    let (one, text) = (vehicle("LUX-1"), seal(KEY, &vehicle("LUX-1"), 7));
    assert_eq!(open(b"another key", &one, &text), Err(BadWakeUp::BadMac));
    assert_eq!(open(b"", &one, &text), Err(BadWakeUp::NoKey));
    assert_eq!(open(KEY, &vehicle("LUX-2"), &text), Err(BadWakeUp::OtherVehicle));
    for malformed in
        ["", "WG1", "WG1.LUX-1", "WG2.LUX-1.AAAAAAAAAAc.x", "WG1.LUX-1.AAAAAAAAAAc.T5nB", "WG1.LUX-1..", "…"]
    {
        assert_eq!(open(KEY, &one, malformed), Err(BadWakeUp::Malformed), "{malformed}");
    }
}

#[test]
fn each_vehicle_and_each_cluster_has_another_key() {
    let one = key_for(b"a cluster", &vehicle("LUX-1"));
    assert_ne!(one, key_for(b"a cluster", &vehicle("LUX-2")));
    assert_ne!(one, key_for(b"another", &vehicle("LUX-1")));
}

proptest! {
    #[test]
    fn every_vehicle_id_opens_also_one_with_dots(id in "[A-Za-z0-9._-]{1,64}", nonce: u64) {
        let vehicle = vehicle(&id);
        prop_assert_eq!(open(KEY, &vehicle, &seal(KEY, &vehicle, nonce)), Ok(nonce));
    }

    #[test]
    fn no_changed_character_goes_unnoticed(at in 0usize..46, to in "[ -~]") {
        let vehicle = vehicle("LUX-1");
        let text = seal(KEY, &vehicle, 7);
        let changed = format!("{}{to}{}", &text[..at.min(text.len() - 1)], &text[at.min(text.len() - 1) + 1..]);
        prop_assume!(changed != text);
        prop_assert!(open(KEY, &vehicle, &changed).is_err());
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        prop_assert!(open(KEY, &vehicle("LUX-1"), &text).is_err());
    }
}
