use waygate_wire::operator::VehicleList;

use super::*;

fn layout() -> Layout {
    Layout::new(false, "http://127.0.0.1:7801")
}

fn model(now: Instant) -> Model {
    let list: VehicleList = serde_json::from_str(include_str!("../../../tests/answers/vehicles.json")).unwrap();
    let regions = serde_json::from_str(include_str!("../../../tests/answers/regions.json")).unwrap();
    let mut model = Model::default();
    model.take(now, News::Listed { vehicles: list.vehicles, regions: Box::new(regions) });
    model
}

#[test]
fn the_screen_shows_regions_vehicles_and_changes_within_its_size() {
    let now = Instant::now();
    let lines = layout().lines(&model(now), now, 100, 24);
    insta::assert_snapshot!(lines.join("\n"));
    for (width, height) in [(100, 24), (60, 12), (30, 4), (1, 1)] {
        let lines = layout().lines(&model(now), now, width, height);
        assert!(lines.len() <= height, "{} lines in {height}", lines.len());
    }
}

#[test]
fn scrolling_ends_at_the_last_vehicle() {
    let now = Instant::now();
    let (mut layout, model) = (layout(), model(now));
    layout.lines(&model, now, 100, 11);
    assert_eq!(layout.shown, 1);
    for (key, skipped) in [(Key::Lines(1), 1), (Key::Pages(9), 2), (Key::Lines(1), 2), (Key::First, 0), (Key::Last, 2)]
    {
        layout.scroll(key, model.len());
        assert_eq!(layout.skipped, skipped, "{key:?}");
    }
}

#[test]
fn a_broken_stream_is_said_at_the_top() {
    let now = Instant::now();
    let mut model = model(now);
    model.take(now, News::Broken("connection refused".to_owned()));
    let lines = layout().lines(&model, now, 120, 24);
    assert!(lines[0].starts_with("NOT CONNECTED to http://127.0.0.1:7801: connection refused"), "{}", lines[0]);
}
