use std::time::Duration;

use super::*;

fn shown(json: bool, width: u16) -> (String, Exit) {
    let (mut output, written) = Output::in_memory(json, width);
    let answer = serde_json::from_str(include_str!("../../tests/answers/vehicles.json")).unwrap();
    let exit = show(&api(), answer, false, &mut output).unwrap();
    drop(output);
    (written.text(), exit)
}

fn api() -> Api {
    let url = "http://127.0.0.1:1".parse().unwrap();
    Api::new(&AskArgs { url, ca: None, json: false, timeout: Duration::from_secs(1) })
}

#[test]
fn a_list_is_a_table_that_fits_the_terminal() {
    insta::assert_snapshot!("vehicles_wide", shown(false, 140).0);
    insta::assert_snapshot!("vehicles_at_72_columns", shown(false, 72).0);
    assert!(shown(false, 72).0.lines().all(|line| line.chars().count() <= 72));
}

#[test]
fn a_cloned_identity_is_marked_in_red() {
    let answer: Value = serde_json::from_str(include_str!("../../tests/answers/vehicles.json")).unwrap();
    let mut list: VehicleList = serde_json::from_value(answer).unwrap();
    list.vehicles.truncate(1);
    list.vehicles[0].cloned = true;
    let lines = grid(&list.vehicles).lines(140, false);
    assert!(lines[1].starts_with("LUX-0001  online, cloned "), "{lines:?}");
    assert!(grid(&list.vehicles).lines(140, true)[1].contains("\u{1b}[38;5;9m"), "red");
}

#[test]
fn json_keeps_every_field_also_those_of_a_later_gateway() {
    let (text, exit) = shown(true, 80);
    let given: Value = serde_json::from_str(&text).unwrap();
    let sent: Value = serde_json::from_str(include_str!("../../tests/answers/vehicles.json")).unwrap();
    assert_eq!(given, sent);
    assert_eq!(exit, Exit::Ok);
}

#[test]
fn an_empty_list_ends_with_nothing() {
    let (mut output, _) = Output::in_memory(false, 80);
    let answer = json!({"vehicles": [], "next": null, "view": {"complete": true, "missing_regions": []}, "total": 0});
    assert_eq!(show(&api(), answer, false, &mut output).unwrap(), Exit::Nothing);
}

#[test]
fn a_region_that_one_page_lacked_is_missing_from_the_whole() {
    let mut view = json!({"complete": true, "missing_regions": ["b"]});
    merge_view(&json!({"complete": false, "missing_regions": ["a", "b"]}), &mut view);
    assert_eq!(view, json!({"complete": false, "missing_regions": ["b", "a"]}));
}

#[test]
fn boxes_and_circles_are_refused_before_anything_is_asked() {
    assert_eq!(bounding_box("6.05,49.55, 6.2,49.68").unwrap(), "6.05,49.55,6.2,49.68");
    for wrong in ["", "1,2,3", "a,b,c,d", "6,50,7,49", "6,49,181,50", "NaN,49,7,50"] {
        assert!(bounding_box(wrong).is_err(), "{wrong}");
    }
    assert_eq!(near("-33.9,151.2,500").unwrap(), "-33.9,151.2,500");
    for wrong in ["49,6", "91,6,10", "49,6,0", "49,6,inf"] {
        assert!(near(wrong).is_err(), "{wrong}");
    }
}
