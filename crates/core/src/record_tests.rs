use super::{Lane, Position, Record, SignalPath, Telemetry};
use crate::limits::SIGNAL_PATH_BYTES_MAX;
use crate::time::Wall;
use proptest::prelude::*;

#[test]
fn no_number_that_is_not_a_place_becomes_one() {
    for (lat, lon) in [(f64::NAN, 0.0), (0.0, f64::NAN), (f64::INFINITY, 0.0), (0.0, f64::NEG_INFINITY), (90.1, 0.0)] {
        assert!(!Position::from_degrees(lat, lon).on_globe(), "{lat} {lon}");
    }
    for (lat, lon) in [(90.0, 180.0), (-90.0, -180.0), (0.0, 0.0)] {
        assert!(Position::from_degrees(lat, lon).on_globe(), "{lat} {lon}");
    }
}

#[test]
fn a_signal_path_has_the_characters_of_the_specification_and_a_limit() {
    let longest = "S".repeat(SIGNAL_PATH_BYTES_MAX);
    for good in ["Vehicle.Speed", "Vehicle.Cabin.Door.Row1.DriverSide.IsOpen", longest.as_str()] {
        assert_eq!(SignalPath::new(good).unwrap().as_str(), good);
    }
    let too_long = "S".repeat(SIGNAL_PATH_BYTES_MAX + 1);
    for bad in ["", "Vehicle Speed", "Vehicle/Speed", "Vehicle.Späed", too_long.as_str()] {
        assert_eq!(SignalPath::new(bad), None, "{bad:?}");
    }
}

#[test]
fn the_last_number_of_a_message_follows_from_the_first_and_the_count() {
    let record = Record { t: Wall(0), fix: None, signals: Vec::new() };
    for (first_seq, count, last) in [(1, 1, 1), (5, 3, 7), (5, 0, 4)] {
        let telemetry = Telemetry { first_seq, lane: Lane::Live, records: vec![record.clone(); count] };
        assert_eq!(telemetry.last_seq(), last);
    }
}

proptest! {
    #[test]
    fn a_position_survives_the_way_through_degrees(
        lat_e7 in -900_000_000i32..=900_000_000, lon_e7 in -1_800_000_000i32..=1_800_000_000
    ) {
        let position = Position { lat_e7, lon_e7 };
        prop_assert_eq!(Position::from_degrees(position.lat(), position.lon()), position);
    }
}
