use waygate_wire::operator::{State, VehicleList};

use super::*;

fn listed(now: Instant) -> Model {
    let list: VehicleList = serde_json::from_str(include_str!("../../../tests/answers/vehicles.json")).unwrap();
    let regions = serde_json::from_str(include_str!("../../../tests/answers/regions.json")).unwrap();
    let mut model = Model::default();
    model.take(now, News::Listed { vehicles: list.vehicles, regions: Box::new(regions) });
    model
}

fn tell(model: &mut Model, now: Instant, kind: &str, data: &str) {
    let raw = crate::events::Event { kind: kind.into(), id: String::new(), data: data.into() };
    model.take(now, News::Event { event: StreamEvent::read(kind, data).unwrap(), raw });
}

#[test]
fn ages_grow_while_nothing_is_heard_and_a_position_ends_that() {
    let start = Instant::now();
    let mut model = listed(start);
    let later = start + Duration::from_secs(10);
    assert_eq!(model.window(later, 0, 1)[0].age_s, 11.24);
    tell(
        &mut model,
        later,
        "positions",
        r#"{"positions":[{"id":"LUX-0001","lat":49.7,"lon":6.2,"t":1795219200500,"speed":1.0,"heading":null},{"id":"ELSEWHERE","lat":0.0,"lon":0.0,"t":0,"speed":null,"heading":null}]}"#,
    );
    let vehicle = &model.window(later, 0, 1)[0];
    assert_eq!((vehicle.age_s, vehicle.position.unwrap().lat), (0.0, 49.7));
    assert_eq!(model.len(), 3, "a position alone makes no vehicle");
}

#[test]
fn a_presence_event_without_a_position_keeps_the_one_known() {
    let start = Instant::now();
    let mut model = listed(start);
    let mut vehicle = model.window(start, 0, 1).remove(0);
    vehicle.state = State::Offline;
    vehicle.position = None;
    let data = serde_json::to_string(&vehicle).unwrap();
    tell(&mut model, start, "presence", &data);
    let vehicle = &model.window(start, 0, 1)[0];
    assert_eq!((vehicle.state, vehicle.position.is_some()), (State::Offline, true));
    assert_eq!(model.changes.len(), 1);
}

#[test]
fn a_new_list_replaces_what_was_known_and_ends_a_break() {
    let start = Instant::now();
    let mut model = listed(start);
    model.take(start, News::Broken("gone".to_owned()));
    assert!(model.broken.is_some());
    let regions = Box::new(model.regions.clone().unwrap());
    model.take(start, News::Listed { vehicles: Vec::new(), regions });
    assert_eq!((model.len(), model.broken.is_none()), (0, true));
}

#[test]
fn no_more_changes_are_kept_than_a_screen_can_show() {
    let start = Instant::now();
    let mut model = Model::default();
    for _ in 0..CHANGES_MAX + 50 {
        tell(&mut model, start, "missed", r#"{"events":1}"#);
    }
    assert_eq!(model.changes.len(), CHANGES_MAX);
}
