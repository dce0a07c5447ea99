use std::time::Duration;

use super::*;

#[test]
fn all_about_one_vehicle_reads_from_top_to_bottom() {
    let (mut output, written) = Output::in_memory(false, 100);
    let url = "http://127.0.0.1:1".parse().unwrap();
    let api = Api::new(&AskArgs { url, ca: None, json: false, timeout: Duration::from_secs(1) });
    let answer = serde_json::from_str(include_str!("../../tests/answers/vehicle.json")).unwrap();
    show(&api, answer, &mut output).unwrap();
    insta::assert_snapshot!(written.text());
}

#[test]
fn one_that_sleeps_says_when_it_is_back_and_a_cloned_one_is_told_in_red() {
    let mut answer: Value = serde_json::from_str(include_str!("../../tests/answers/vehicle.json")).unwrap();
    answer["state"] = "asleep".into();
    answer["update_expected_in_s"] = 10_800.0.into();
    answer["wake"] = serde_json::json!(["mqtt", "webhook"]);
    answer["cloned"] = true.into();
    answer["waiting_commands"] = 2.into();
    answer["signals"] = serde_json::json!({});
    let (mut output, written) = Output::in_memory(false, 100);
    output.colour = true;
    let url = "http://127.0.0.1:1".parse().unwrap();
    let api = Api::new(&AskArgs { url, ca: None, json: false, timeout: Duration::from_secs(1) });
    show(&api, answer, &mut output).unwrap();
    let text = written.text();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "LUX-0042  asleep, back in 3 h, wake: mqtt, webhook");
    assert_eq!(lines[1], "\u{1b}[1;31m  cloned          two units seem to use this identity\u{1b}[0m");
    assert!(!text.contains("reports in"), "{text}");
    assert_eq!(lines.last(), Some(&"  commands wait   2 for it: `waygate commands LUX-0042`"));
}

#[test]
fn an_id_no_vehicle_can_have_is_refused_before_anything_is_asked() {
    assert!(vehicle_id("WVWZZZ1JZXW000001").is_ok());
    for wrong in ["", "a b", "../regions", "é", &"x".repeat(65)] {
        assert!(vehicle_id(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn one_that_is_late_is_overdue() {
    let mut answer: Value = serde_json::from_str(include_str!("../../tests/answers/vehicle.json")).unwrap();
    answer["update_expected_in_s"] = 0.0.into();
    let mut vehicle: Vehicle = serde_json::from_value(answer).unwrap();
    vehicle.state = State::Asleep;
    assert_eq!(headline(&vehicle), "asleep, overdue");
    vehicle.state = State::Idle;
    assert!(facts(&vehicle).contains(&("report", "overdue".to_owned())), "{:?}", facts(&vehicle));
    vehicle.update_expected_in_s = Some(61.0);
    assert!(facts(&vehicle).contains(&("reports in", "61 s".to_owned())), "{:?}", facts(&vehicle));
}
