use serde_json::json;

use super::*;
use crate::api::server::{Answer, Server};
use crate::args::{Arguments, Command};
use crate::commands::follow::tests::command;
use clap::Parser;

fn args(line: &str) -> SendArgs {
    let line = format!("waygate send LUX-0042 doors.lock {line}");
    let Command::Send(args) = Arguments::try_parse_from(line.split_whitespace()).unwrap().command else {
        unreachable!("it was send")
    };
    args
}

/// With `interrupt`, as soon as it was said that the command is taken.
async fn sent(line: &str, answers: Vec<Answer>, interrupt: bool) -> (Result<Exit, Failure>, String, Vec<String>) {
    let server = Server::start(answers).await;
    let args = args(line);
    let (mut output, written) = Output::in_memory(args.ask.json, 100);
    let seen = written.clone();
    let interrupt = async move {
        while !interrupt || seen.text().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let exit = send(&server.api(), args, interrupt, &mut output).await;
    drop(output);
    (exit, written.text(), server.requests())
}

#[tokio::test]
async fn a_command_is_posted_as_asked_for_and_followed_to_its_end() {
    let mut end = command(&["queued", "sent", "rejected"]);
    (end["code"], end["text"]) = (json!("not_parked"), json!("the car is moving"));
    let answers = vec![Answer::created(&command(&["queued"])), Answer::json(&end)];
    let line = r#"{"side":"left"} --ttl 2m --policy latest-wins --key doors --no-wake --idempotency-key k1"#;
    let (exit, written, requests) = sent(line, answers, false).await;
    assert_eq!(exit.unwrap(), Exit::NotDone);
    insta::assert_snapshot!(written, @r"
    0193-77  doors.lock for LUX-0042, taken by lux-west, kept in two regions; to begin within 30 s
        +0.0 s  queued     lux-west
        +1.0 s  sent       lux-west
        +2.0 s  rejected   lux-west
    rejected: the car is moving (not_parked)
    ");
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /v1/vehicles/LUX-0042/commands HTTP/1.1"), "{head}");
    assert!(head.contains("idempotency-key: k1") && head.contains("content-type: application/json"), "{head}");
    let asked: Value = serde_json::from_str(body).unwrap();
    let wanted = json!({
        "name": "doors.lock", "arguments": {"side": "left"}, "ttl_s": 120.0, "policy": "latest_wins", "key": "doors",
        "wake": false,
    });
    assert_eq!(asked, wanted);
}

#[tokio::test]
async fn without_waiting_it_ends_once_the_command_is_taken() {
    let taken = command(&["queued"]);
    let (exit, written, requests) = sent("--ttl 30 --no-wait --json", vec![Answer::created(&taken)], false).await;
    assert_eq!((exit.unwrap(), requests.len()), (Exit::Ok, 1));
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), taken);
    let (head, _) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(head.contains("idempotency-key: "), "one is made up: {head}");
}

#[tokio::test]
async fn ctrl_c_stops_following_and_leaves_the_command_alone() {
    let (exit, _, requests) = sent("--ttl 30s", vec![Answer::created(&command(&["queued"]))], true).await;
    assert_eq!((exit.unwrap(), requests.len()), (Exit::UnderWay, 1));
}

#[tokio::test]
async fn a_gateway_that_fails_leaves_the_key_with_which_to_send_it_again() {
    let (exit, ..) = sent("--ttl 30s --idempotency-key k1", vec![Answer::problem(503, "stops")], false).await;
    let failure = exit.unwrap_err();
    assert_eq!(failure.exit, Exit::Server);
    assert!(failure.message.contains("--idempotency-key k1"), "{}", failure.message);
    let (exit, ..) = sent("--ttl 30s", vec![Answer::problem(404, "no gateway knows a vehicle")], false).await;
    let failure = exit.unwrap_err();
    assert_eq!((failure.exit, failure.message.as_str()), (Exit::Nothing, "no gateway knows a vehicle"));
}

#[tokio::test]
async fn a_key_belongs_to_latest_wins() {
    let (mut output, _) = Output::in_memory(false, 80);
    let failure = run(args("--ttl 30s --policy queue --key doors"), &mut output).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
}

#[tokio::test]
async fn waiting_is_what_is_done_and_the_last_word_counts() {
    for (line, requests) in [
        ("--ttl 30s", 2),
        ("--ttl 30s --wait", 2),
        ("--ttl 30s --no-wait --wait", 2),
        ("--ttl 30s --no-wait", 1),
        ("--ttl 30s --wait --no-wait", 1),
    ] {
        let end = Answer::json(&command(&["queued", "sent", "succeeded"]));
        let (exit, _, asked) = sent(line, vec![Answer::created(&command(&["queued"])), end], false).await;
        assert_eq!((exit.unwrap(), asked.len()), (Exit::Ok, requests), "{line}");
    }
}

#[tokio::test]
async fn ctrl_c_before_an_answer_leaves_the_key_with_which_to_send_it_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut args = args("--ttl 30s --idempotency-key k1");
    args.ask.url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let (mut output, _) = Output::in_memory(false, 100);
    // The connection stands; an answer never comes.
    let interrupt = async { drop(listener.accept().await.unwrap()) };
    let failure = send(&Api::new(&args.ask.clone()), args, interrupt, &mut output).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Unknown);
    assert!(failure.message.contains("may have been taken"), "{}", failure.message);
    assert!(failure.message.contains("--idempotency-key k1"), "{}", failure.message);
}
