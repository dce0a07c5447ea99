use super::*;
use crate::api::server::{Answer, Server};

fn vehicle(id: &str) -> Value {
    let (first, last) = ("2026-11-26T09:00:00Z", "2026-11-26T10:00:00Z");
    json!({"id": id, "fleet": "vans", "standing": "pending", "first_seen": first, "last_seen": last, "means": "token", "decided_at": null})
}

#[tokio::test]
async fn those_that_wait_are_read_page_by_page() {
    let pages = [json!({"vehicles": [vehicle("A")], "next": "A"}), json!({"vehicles": [vehicle("B")], "next": null})];
    let server = Server::start(pages.iter().map(Answer::json).collect()).await;
    let (mut output, written) = Output::in_memory(false, 100);
    assert_eq!(run(&server.api(), 100, &mut output).await.unwrap(), Exit::Ok);
    drop(output);
    let text = written.text();
    assert!(text.contains("A        vans   token") && text.contains("\nB "), "{text}");
    assert!(server.requests()[1].starts_with("GET /v1/vehicles/pending?limit=99&cursor=A "));
}

#[tokio::test]
async fn nobody_waiting_is_said_and_is_an_exit_code() {
    let server = Server::start(vec![Answer::json(&json!({"vehicles": [], "next": null}))]).await;
    let (mut output, _) = Output::in_memory(false, 100);
    assert_eq!(run(&server.api(), 100, &mut output).await.unwrap(), Exit::Nothing);
}
