use std::time::Duration;

use super::*;

fn shown(logs: bool, width: u16) -> String {
    let api = Api::new(&AskArgs {
        url: "http://127.0.0.1:1".parse().unwrap(),
        json: false,
        ca: None,
        timeout: Duration::from_secs(1),
    });
    let answer: Value = serde_json::from_str(include_str!("../../tests/answers/views.json")).unwrap();
    let (mut output, written) = Output::in_memory(false, width);
    show(&api, answer, logs, &mut output).unwrap();
    written.text()
}

#[test]
fn who_sees_whom_is_a_table_and_links_and_logs_follow() {
    insta::assert_snapshot!("gateways_wide", shown(false, 140));
    insta::assert_snapshot!("gateways_at_60_columns", shown(false, 60));
    insta::assert_snapshot!("gateways_with_logs", shown(true, 140));
}

#[test]
fn of_many_gateways_only_the_pairs_in_trouble_are_listed() {
    let mut views: Views = serde_json::from_str(include_str!("../../tests/answers/views.json")).unwrap();
    for view in &mut views.views {
        let heard = view.gateways.iter().find(|seen| seen.gateway.status == GatewayStatus::Alive).cloned().unwrap();
        for n in 0..MATRIX_MAX {
            let mut more = heard.clone();
            more.gateway = Gateway { id: format!("more-{n}"), is_self: false, lag_entries: 0, ..more.gateway };
            view.gateways.push(more);
        }
    }
    let lines = sight(&views).lines(100, false);
    assert!(lines.iter().any(|line| line.contains("lost for")), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("more-")), "{lines:#?}");
}
