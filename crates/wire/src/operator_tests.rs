use super::{Instant, Missed, State, StreamEvent, U64Text, Vehicle, VehicleDetail};
use proptest::prelude::*;
use waygate_core::time::Wall;

const VEHICLE: &str = r#"{"id":"LUX-0042","fleet":null,"state":"stale","last_known":"online","stale_why":"owner_lost","cause":null,"region":"lux-west","gateway":"lux-west","epoch":"114098000000000000","session":"7","age_s":1.2,"age_kind":"measured","view_age_s":0.3,"cell":"851fa443fffffff","position":{"lat":49.61,"lon":6.13,"t":"2026-11-21T02:00:00.000Z","speed":13.9,"heading":null}}"#;

#[test]
fn a_vehicle_reads_and_writes_as_documented() {
    let vehicle: Vehicle = serde_json::from_str(VEHICLE).unwrap();
    assert_eq!(vehicle.epoch, U64Text(114_098_000_000_000_000));
    assert_eq!(vehicle.position.unwrap().t, Instant(Wall(1_795_226_400_000)));
    assert_eq!(serde_json::to_string(&vehicle).unwrap(), VEHICLE);
}

#[test]
fn a_single_vehicle_is_the_same_object_with_more_in_it() {
    let more = r#","signals":{"Vehicle.Speed":{"value":13.9,"t":"2026-11-21T02:00:00.000Z"}},"waiting_commands":0,"view":{"complete":true,"missing_regions":[]}}"#;
    let text = VEHICLE.strip_suffix('}').unwrap().to_owned() + more;
    let detail: VehicleDetail = serde_json::from_str(&text).unwrap();
    assert_eq!(detail.vehicle.state, State::Stale);
    assert_eq!(serde_json::to_string(&detail).unwrap(), text);
}

#[test]
fn an_event_of_an_unknown_name_is_passed_over() {
    assert_eq!(StreamEvent::read("weather", "{}").unwrap(), None);
    let missed = StreamEvent::Missed(Missed { events: 3 });
    assert_eq!(StreamEvent::read(missed.name(), &missed.data().unwrap()).unwrap(), Some(missed));
    assert!(StreamEvent::read("missed", "[]").is_err());
}

#[test]
fn times_are_read_with_any_offset_and_written_in_utc() {
    for (text, ms) in [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T01:00:00.5+01:00", 500),
        ("1969-12-31T23:59:59.999Z", -1),
        ("2026-11-21T02:00:00.000Z", 1_795_226_400_000),
    ] {
        assert_eq!(text.parse::<Instant>().unwrap(), Instant(Wall(ms)), "{text}");
    }
    assert_eq!(Instant(Wall(-1)).to_string(), "1969-12-31T23:59:59.999Z");
    assert_eq!(Instant(Wall(i64::MAX)).to_string(), "9999-12-31T23:59:59.999Z");
    assert_eq!(Instant(Wall(i64::MIN)).to_string(), "0000-01-01T00:00:00.000Z");
    assert!("yesterday".parse::<Instant>().is_err());
}

#[test]
fn every_state_is_found_by_its_name() {
    for state in State::ALL {
        assert_eq!(State::from_name(state.name()), Some(*state));
        assert_eq!(serde_json::to_value(state).unwrap(), state.name());
    }
}

proptest! {
    #[test]
    fn a_written_time_reads_as_itself(ms in -62_167_219_200_000i64..=253_402_300_799_999) {
        let instant = Instant(Wall(ms));
        prop_assert_eq!(instant.to_string().parse::<Instant>().unwrap(), instant);
    }
}
