use super::*;
use crate::api::server::{Answer, Server};
use serde_json::json;

fn answer(standing: &str) -> Answer {
    Answer::json(&json!({
        "id": "LUX-0042", "fleet": "vans", "standing": standing, "first_seen": "2026-11-26T09:00:00Z",
        "last_seen": "2026-11-26T10:00:00Z", "means": "token", "decided_at": "lux-west",
    }))
}

async fn decided(admits: bool, fleet: Option<&str>) -> (String, String) {
    let server = Server::start(vec![answer(if admits { "admitted" } else { "refused" })]).await;
    let (mut output, written) = Output::in_memory(false, 100);
    let args = DecideArgs { id: "LUX-0042".to_owned(), fleet: fleet.map(str::to_owned), ask: server.ask() };
    let exit = if admits { admit(args, &mut output).await } else { refuse(args, &mut output).await };
    assert_eq!(exit.unwrap(), Exit::Ok);
    drop(output);
    (server.requests().remove(0), written.text())
}

#[tokio::test]
async fn a_vehicle_is_admitted_in_the_fleet_that_it_showed() {
    let (request, text) = decided(true, None).await;
    assert!(request.starts_with("POST /v1/vehicles/LUX-0042/admit HTTP/1.1"), "{request}");
    assert!(request.ends_with("\r\n\r\n"), "{request}");
    assert!(text.starts_with("LUX-0042  admitted in fleet vans"), "{text}");
}

#[tokio::test]
async fn a_vehicle_is_refused_in_the_fleet_that_is_named() {
    let (request, text) = decided(false, Some("vans")).await;
    assert!(request.starts_with("POST /v1/vehicles/LUX-0042/refuse HTTP/1.1"), "{request}");
    assert!(request.ends_with("{\"fleet\":\"vans\"}"), "{request}");
    assert!(text.starts_with("LUX-0042  refused in fleet vans"), "{text}");
}
