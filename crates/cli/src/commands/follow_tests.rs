use serde_json::json;

use super::*;
use crate::api::server::{self, Answer};

/// A command with these steps, each a second after the one before.
pub fn command(steps: &[&str]) -> Value {
    let last = steps.len();
    let steps: Vec<_> = steps
        .iter()
        .enumerate()
        .map(|(at, state)| json!({"state": state, "age_s": (last - at) as f64, "gateway": "lux-west"}))
        .collect();
    let state = steps.last().unwrap()["state"].clone();
    let ended: CommandState = serde_json::from_value(state.clone()).unwrap();
    json!({
        "id": "0193-77", "vehicle": "LUX-0042", "name": "doors.lock", "policy": "queue", "state": state,
        "ended": ended.is_final(), "durability": "safe", "age_s": last as f64, "ttl_s": 30.0,
        "expires_in_s": 30.0 - last as f64, "origin": "lux-west", "steps": steps,
    })
}

async fn followed(answers: Vec<Answer>) -> (Result<Followed, Failure>, String, Vec<String>) {
    let server = server::Server::start(answers).await;
    let (mut output, written) = Output::in_memory(false, 100);
    let api = server.api();
    let followed = follow(&api, command(&["queued"]), std::future::pending(), &mut output).await;
    drop(output);
    (followed, written.text(), server.requests())
}

#[tokio::test]
async fn each_step_is_told_once_and_the_end_ends_it() {
    let mut last = command(&["queued", "sent", "running", "succeeded"]);
    last["result"] = json!({"locked": true});
    let answers =
        vec![Answer::json(&command(&["queued"])), Answer::json(&command(&["queued", "sent"])), Answer::json(&last)];
    let (outcome, written, requests) = followed(answers).await;
    assert!(matches!(&outcome, Ok(Followed::Ended(answer)) if *answer == last), "{outcome:?}");
    insta::assert_snapshot!(written, @r"
       +0.0 s  queued     lux-west
       +1.0 s  sent       lux-west
       +2.0 s  running    lux-west
       +3.0 s  succeeded  lux-west
    ");
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|request| request.starts_with("GET /v1/commands/0193-77 HTTP/1.1")), "{requests:?}");
}

#[tokio::test]
async fn a_gateway_that_has_no_answer_for_a_moment_is_asked_again() {
    let busy = Answer::problem(503, "this gateway stops; ask another");
    let (outcome, ..) = followed(vec![busy, Answer::json(&command(&["queued", "expired"]))]).await;
    assert!(matches!(outcome, Ok(Followed::Ended(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_gateway_that_does_not_know_the_command_ends_it_with_how_to_look_again() {
    let (outcome, ..) = followed(vec![Answer::problem(404, "no gateway knows this command")]).await;
    let failure = outcome.unwrap_err();
    assert_eq!(failure.exit, Exit::Nothing);
    assert!(failure.message.contains("waygate command 0193-77 --follow"), "{}", failure.message);
    assert!(!failure.message.contains("goes on"), "nobody knows that: {}", failure.message);
}

#[tokio::test]
async fn an_interrupt_stops_following_at_once() {
    let server = server::Server::start(vec![]).await;
    let (mut output, _) = Output::in_memory(false, 100);
    let outcome = follow(&server.api(), command(&["queued"]), std::future::ready(()), &mut output).await;
    assert!(matches!(outcome, Ok(Followed::Interrupted)), "{outcome:?}");
}

#[test]
fn every_end_has_an_exit_code_of_its_own_kind() {
    let codes: Vec<_> = CommandState::ALL.iter().map(|state| (state.name(), exit(*state).code())).collect();
    assert_eq!(
        codes,
        [
            ("queued", 8),
            ("paging", 8),
            ("sent", 8),
            ("accepted", 8),
            ("running", 8),
            ("succeeded", 0),
            ("failed", 5),
            ("rejected", 5),
            ("expired", 6),
            ("cancelled", 6),
            ("unknown", 7)
        ]
    );
}

#[test]
fn progress_says_how_far_it_is_and_how_long_is_left() {
    let mut info: CommandInfo = serde_json::from_value(command(&["queued"])).unwrap();
    assert_eq!(progress_words(&info), "queued, 1.0 s since it was taken, 29 s left to begin");
    info.expires_in_s = 0.0;
    assert_eq!(progress_words(&info), "queued, 1.0 s since it was taken, its time to begin is over");
    (info.state, info.percent) = (CommandState::Running, Some(40));
    assert_eq!(progress_words(&info), "running 40 %, 1.0 s since it was taken");
    (info.state, info.ended, info.code, info.text) =
        (CommandState::Failed, true, "door_ajar".to_owned(), "a door is open".to_owned());
    assert_eq!(state_words(&info), "failed: a door is open (door_ajar)");
}

#[test]
fn a_reason_that_is_called_like_its_state_is_not_said_twice() {
    let mut info: CommandInfo = serde_json::from_value(command(&["queued", "expired"])).unwrap();
    info.code = "expired".to_owned();
    assert_eq!(state_words(&info), "expired");
    info.text = "its time to live ended before it could be sent".to_owned();
    assert_eq!(state_words(&info), "expired: its time to live ended before it could be sent");
}
