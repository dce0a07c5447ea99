use super::*;

fn event(kind: &str, data: &str) -> Vec<String> {
    words_of(StreamEvent::read(kind, data).unwrap().unwrap())
}

#[test]
fn every_kind_of_event_has_a_line() {
    let hello = event("hello", r#"{"gateway":"lux-west","region":"lux-west","time":"2026-11-21T02:00:00.000Z"}"#);
    assert_eq!(hello, ["2026-11-21T02:00:00.000Z hello     from lux-west in lux-west"]);
    let positions = event(
        "positions",
        r#"{"positions":[{"id":"A","lat":49.61,"lon":6.13,"t":1795219200500,"speed":13.9,"heading":90.0},{"id":"B","lat":1.0,"lon":2.0,"t":1795219200000,"speed":null,"heading":null}]}"#,
    );
    assert_eq!(
        positions,
        [
            "2026-11-21T00:00:00.500Z position  A 49.61000, 6.13000  50 km/h  → 90°",
            "2026-11-21T00:00:00.000Z position  B 1.00000, 2.00000"
        ]
    );
    let regions = event("regions", include_str!("../../../tests/answers/regions.json"));
    assert_eq!(
        regions,
        [
            "2026-11-21T02:00:00.000Z regions   lux-west alive, 1042 online; lux-centre alive, 400 online; lux-east lost, 0 online"
        ]
    );
    assert!(event("missed", r#"{"events":12}"#)[0].ends_with(" missed    12 events"));
}

#[test]
fn a_presence_event_says_who_is_how_since_when_and_where() {
    let list: waygate_wire::operator::VehicleList =
        serde_json::from_str(include_str!("../../../tests/answers/vehicles.json")).unwrap();
    let words: Vec<_> = list.vehicles.iter().map(presence_words).collect();
    assert_eq!(
        words,
        [
            "LUX-0001 online; heard 1.2 s ago by lux-west in lux-west",
            "LUX-0002 stale, was online; heard ≤ 45 s ago by lux-east in lux-east",
            "LUX-0003 offline, ignition off; heard 68 min ago by lux-centre in lux-centre",
        ]
    );
}

#[test]
fn a_json_line_carries_the_event_as_it_came() {
    let raw = Event { kind: "later_kind".into(), id: "7".into(), data: r#"{"x":"114098000000000001"}"#.into() };
    assert_eq!(json_event(&raw), r#"{"data":{"x":"114098000000000001"},"event":"later_kind","id":"7"}"#);
}
