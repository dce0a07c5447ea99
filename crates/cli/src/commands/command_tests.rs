use serde_json::json;

use super::*;
use crate::api::server::{Answer, Server};
use crate::commands::follow::tests::command;

async fn run_with(server: &Server, cancel: bool, follow: bool) -> (Exit, String) {
    let (mut output, written) = Output::in_memory(false, 100);
    let exit = run(CommandArgs { id: "0193-77".to_owned(), cancel, follow, ask: server.ask() }, &mut output).await;
    drop(output);
    (exit.unwrap(), written.text())
}

#[tokio::test]
async fn a_command_is_shown_with_every_step_and_its_end_as_the_exit_code() {
    let mut info = command(&["queued", "paging", "expired"]);
    (info["expires_in_s"], info["arguments"]) = (json!(0.0), json!({"side": "left"}));
    let server = Server::start(vec![Answer::json(&info)]).await;
    let (exit, written) = run_with(&server, false, false).await;
    assert_eq!(exit, Exit::NotBegun);
    insta::assert_snapshot!(written, @r#"
    doors.lock for LUX-0042 {"side":"left"}
    taken by lux-west 3.0 s ago, policy queue
        +0.0 s  queued     lux-west
        +1.0 s  paging     lux-west
        +2.0 s  expired    lux-west
    expired
    "#);
}

#[tokio::test]
async fn one_that_is_cancelled_in_time_ends_well_and_one_that_was_done_does_not() {
    let server = Server::start(vec![
        Answer::json(&command(&["queued", "cancelled"])),
        Answer::json(&command(&["queued", "sent", "succeeded"])),
        Answer::json(&command(&["queued", "sent"])),
    ])
    .await;
    assert_eq!(run_with(&server, true, false).await.0, Exit::Ok);
    assert_eq!(run_with(&server, true, false).await.0, Exit::NotDone);
    assert_eq!(run_with(&server, true, false).await.0, Exit::UnderWay);
    assert!(server.requests()[0].starts_with("DELETE /v1/commands/0193-77 HTTP/1.1"), "{:?}", server.requests());
}

#[tokio::test]
async fn one_that_is_followed_is_shown_to_its_end() {
    let answers = vec![Answer::json(&command(&["queued"])), Answer::json(&command(&["queued", "sent", "unknown"]))];
    let server = Server::start(answers).await;
    let (exit, written) = run_with(&server, false, true).await;
    assert_eq!(exit, Exit::Unknown);
    insta::assert_snapshot!(written, @r"
    doors.lock for LUX-0042
    taken by lux-west 1.0 s ago, policy queue, 29 s of 30 s left to begin
        +0.0 s  queued     lux-west
        +1.0 s  sent       lux-west
        +2.0 s  unknown    lux-west
    unknown
    ");
}

#[test]
fn an_id_no_command_can_have_is_refused_before_anything_is_asked() {
    assert!(command_id("0193f7c0-1b7e-7000-8000-000000000001").is_ok());
    for wrong in ["", "../regions", "LUX 1", &"0".repeat(65)] {
        assert!(command_id(wrong).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn one_that_was_begun_has_no_time_left_to_begin() {
    for state in ["accepted", "running"] {
        let server = Server::start(vec![Answer::json(&command(&["queued", "sent", state]))]).await;
        let (exit, written) = run_with(&server, false, false).await;
        assert_eq!(exit, Exit::UnderWay);
        assert_eq!(written.lines().nth(1), Some("taken by lux-west 3.0 s ago, policy queue"));
    }
}
