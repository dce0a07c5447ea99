use std::time::Duration;

use super::*;

#[test]
fn regions_are_a_table_with_their_sum() {
    let api = Api::new(&AskArgs {
        url: "http://127.0.0.1:1".parse().unwrap(),
        ca: None,
        json: false,
        timeout: Duration::from_secs(1),
    });
    let answer: Value = serde_json::from_str(include_str!("../../tests/answers/regions.json")).unwrap();
    for (name, width) in [("regions_wide", 140), ("regions_at_60_columns", 60)] {
        let (mut output, written) = Output::in_memory(false, width);
        show(&api, answer.clone(), &mut output).unwrap();
        insta::assert_snapshot!(name, written.text());
    }
}
