use serde_json::json;

use super::*;
use crate::api::server::{Answer, Server};

async fn paged(outcome: &str) -> (Exit, String, String) {
    let answer = json!({
        "vehicle": "LUX-0042", "outcome": outcome, "took_s": 4.2, "gateway": "lux-west",
        "detail": "it attached after a wake-up by mqtt",
    });
    let server = Server::start(vec![Answer::json(&answer)]).await;
    let (mut output, written) = Output::in_memory(false, 100);
    let args = PageArgs { id: "LUX-0042".to_owned(), wait: Duration::from_secs(5), no_wake: false, ask: server.ask() };
    let exit = run(args, &mut output).await.unwrap();
    drop(output);
    (exit, written.text(), server.requests().remove(0))
}

#[tokio::test]
async fn a_page_says_how_it_went_and_a_script_knows_by_the_exit_code() {
    let (exit, written, request) = paged("woken").await;
    assert_eq!(exit, Exit::Ok);
    insta::assert_snapshot!(written, @"LUX-0042  woken after 4.2 s, at lux-west: it attached after a wake-up by mqtt");
    assert!(request.starts_with("POST /v1/vehicles/LUX-0042/page HTTP/1.1"), "{request}");
    assert!(request.ends_with(r#"{"wait_s":5.0,"wake":true}"#), "{request}");
    assert_eq!(paged("reachable").await.0, Exit::Ok);
    assert_eq!(paged("unreachable").await.0, Exit::Nothing);
}

#[test]
fn a_page_waits_as_long_as_a_gateway_does() {
    assert_eq!(wait("4m"), Ok(Duration::from_secs(240)));
    assert!(wait("241s").is_err());
}
