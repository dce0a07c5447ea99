use super::*;
use crate::api::server::{Answer, Server};

fn transition(state: &str, minute: u32, more: Value) -> Value {
    let mut transition = json!({
        "at": format!("2026-11-21T02:{minute:02}:00.000Z"), "state": state, "region": "west", "gateway": "lux-west",
        "incarnation": "7", "epoch": "114098000000000001", "session": "71",
    });
    for (name, value) in more.as_object().unwrap() {
        transition[name] = value.clone();
    }
    transition
}

fn page(transitions: &[Value], next: Value, missing: Value) -> Answer {
    Answer::json(&json!({"transitions": transitions, "next": next, "missing_regions": missing}))
}

async fn told(answers: Vec<Answer>, limit: u64, json: bool) -> (Exit, String, Vec<String>) {
    let server = Server::start(answers).await;
    let (mut output, written) = Output::in_memory(json, 100);
    let exit = run(TimelineArgs { id: "LUX-0042".to_owned(), limit, ask: server.ask() }, &mut output).await.unwrap();
    drop(output);
    (exit, written.text(), server.requests())
}

#[tokio::test]
async fn transitions_are_a_table_newest_first() {
    let transitions = [
        transition(
            "offline",
            3,
            json!({"cause": "ignition_off", "gateway": "lux-east", "epoch": "114098000000000002"}),
        ),
        transition("online", 2, json!({"gateway": "lux-east", "epoch": "114098000000000002", "cloned": true})),
        transition("unknown", 2, json!({})),
        transition("online", 1, json!({})),
    ];
    let (exit, written, _) = told(vec![page(&transitions, json!(null), json!([]))], 100, false).await;
    assert_eq!(exit, Exit::Ok);
    insta::assert_snapshot!(written, @r"
    WHEN                      STATE           CAUSE         GATEWAY   EPOCH
    2026-11-21T02:03:00.000Z  offline         ignition off  lux-east  …00000002
    2026-11-21T02:02:00.000Z  online, cloned  -             lux-east  …00000002
    2026-11-21T02:02:00.000Z  let go          -             lux-west  …00000001
    2026-11-21T02:01:00.000Z  online          -             lux-west  …00000001
    ");
}

#[tokio::test]
async fn pages_are_one_answer_and_a_region_that_one_lacked_is_missing_from_it() {
    let (newer, older) = (transition("idle", 2, json!({})), transition("online", 1, json!({})));
    let answers = vec![
        page(std::slice::from_ref(&newer), json!("c1"), json!(["east"])),
        page(&[], json!("c2"), json!([])),
        page(std::slice::from_ref(&older), json!(null), json!([])),
    ];
    let (exit, written, requests) = told(answers, 50, true).await;
    assert_eq!(exit, Exit::Ok);
    let whole: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(whole, json!({"transitions": [newer, older], "next": null, "missing_regions": ["east"]}));
    let asked: Vec<_> = requests.iter().map(|request| request.split(' ').nth(1).unwrap()).collect();
    let path = "/v1/vehicles/LUX-0042/timeline?limit=";
    assert_eq!(asked, [format!("{path}50"), format!("{path}49&cursor=c1"), format!("{path}49&cursor=c2")]);
}

#[tokio::test]
async fn an_empty_timeline_ends_with_nothing() {
    let (exit, written, _) = told(vec![page(&[], json!(null), json!([]))], 10, false).await;
    assert_eq!((exit, written.as_str()), (Exit::Nothing, ""));
}

#[tokio::test]
async fn what_is_said_again_in_a_row_is_one_line_of_the_table_and_all_of_the_json() {
    let transitions = [
        transition("online", 7, json!({"cloned": true})),
        transition("online", 6, json!({"cell": "851fa353fffffff"})),
        transition("online", 5, json!({})),
        transition("online", 4, json!({"gateway": "lux-east"})),
        transition("online", 3, json!({"gateway": "lux-east", "epoch": "114098000000000000"})),
        transition("offline", 2, json!({"cause": "ignition_off"})),
        transition("offline", 1, json!({"cause": "implicit"})),
    ];
    let answers = vec![page(&transitions, json!(null), json!([])); 2];
    let (_, written, _) = told(answers.clone(), 100, false).await;
    let minutes: Vec<_> = written.lines().skip(1).map(|line| &line[14..16]).collect();
    assert_eq!(minutes, ["07", "05", "04", "03", "02", "01"], "{written}");
    let (_, written, _) = told(answers, 100, true).await;
    let whole: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(whole["transitions"], json!(transitions));
}
