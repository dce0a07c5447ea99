use std::time::Duration;

use super::*;

#[test]
fn all_about_one_vehicle_reads_from_top_to_bottom() {
    let (mut output, written) = Output::in_memory(false, 100);
    let url = "http://127.0.0.1:1".parse().unwrap();
    let api = Api::new(&AskArgs { url, json: false, timeout: Duration::from_secs(1) });
    let answer = serde_json::from_str(include_str!("../../tests/answers/vehicle.json")).unwrap();
    show(&api, answer, &mut output).unwrap();
    insta::assert_snapshot!(written.text());
}

#[test]
fn an_id_no_vehicle_can_have_is_refused_before_anything_is_asked() {
    assert!(vehicle_id("WVWZZZ1JZXW000001").is_ok());
    for wrong in ["", "a b", "../regions", "é", &"x".repeat(65)] {
        assert!(vehicle_id(wrong).is_err(), "{wrong}");
    }
}
