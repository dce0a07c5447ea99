use super::{InvalidId, NodeId, RegionId, VehicleId};
use proptest::prelude::*;

#[test]
fn an_id_keeps_its_length_and_its_characters() {
    let longest = "x".repeat(64);
    for good in ["a", "LUX-0042", "WVWZZZ1JZXW000001", "a.b_c-d", longest.as_str()] {
        assert_eq!(VehicleId::new(good).unwrap().as_str(), good);
    }
    let too_long = "x".repeat(65);
    for bad in ["", too_long.as_str(), "a b", "a/b", "a\0b", "ü", "a+b", "a#", "a\nb"] {
        assert_eq!(VehicleId::new(bad), Err(InvalidId { what: "a vehicle id", max: 64 }), "{bad:?}");
    }
}

#[test]
fn what_is_wrong_is_said_with_the_name_of_the_id() {
    let text = RegionId::new("lux west").unwrap_err().to_string();
    assert_eq!(text, "a region must be 1 to 64 characters out of A-Z a-z 0-9 . _ -");
}

proptest! {
    #[test]
    fn whatever_is_taken_prints_as_it_came(text in ".{0,80}") {
        if let Ok(id) = NodeId::new(&text) {
            prop_assert_eq!(id.to_string(), text);
            prop_assert_eq!(NodeId::try_from(String::from(id.clone())), Ok(id));
        }
    }
}
