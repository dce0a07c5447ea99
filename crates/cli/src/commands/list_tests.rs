use serde_json::json;

use super::*;
use crate::api::server::{Answer, Server};
use crate::commands::follow::tests::command;

async fn listed(commands: Value) -> (Exit, String) {
    let answer = json!({"commands": commands, "missing_regions": []});
    let server = Server::start(vec![Answer::json(&answer)]).await;
    let (mut output, written) = Output::in_memory(false, 100);
    let exit = run(CommandsArgs { vehicle: "LUX-0042".to_owned(), ask: server.ask() }, &mut output).await.unwrap();
    drop(output);
    assert!(server.requests()[0].starts_with("GET /v1/vehicles/LUX-0042/commands HTTP/1.1"));
    (exit, written.text())
}

#[tokio::test]
async fn commands_are_a_table_with_what_is_left_of_those_that_wait() {
    let mut failed = command(&["queued", "sent", "failed"]);
    (failed["id"], failed["text"]) = (json!("0193-76"), json!("a door is open"));
    let (exit, written) = listed(json!([command(&["queued"]), failed])).await;
    assert_eq!(exit, Exit::Ok);
    insta::assert_snapshot!(written, @r"
    COMMAND  NAME        STATE                       TAKEN  LEFT  TAKEN BY
    0193-77  doors.lock  queued                  1.0 s ago  29 s  lux-west
    0193-76  doors.lock  failed: a door is open  3.0 s ago     -  lux-west
    ");
}

#[tokio::test]
async fn a_vehicle_without_commands_ends_with_nothing() {
    assert_eq!(listed(json!([])).await, (Exit::Nothing, String::new()));
}

#[tokio::test]
async fn one_that_was_begun_has_nothing_left_to_begin() {
    let (_, written) = listed(json!([command(&["queued", "sent"]), command(&["queued", "sent", "running"])])).await;
    insta::assert_snapshot!(written, @r"
    COMMAND  NAME        STATE        TAKEN  LEFT  TAKEN BY
    0193-77  doors.lock  sent     2.0 s ago  28 s  lux-west
    0193-77  doors.lock  running  3.0 s ago     -  lux-west
    ");
}
