use super::*;
use crate::api::server::{Answer, Server};

#[tokio::test]
async fn a_snapshot_is_asked_for_without_a_body_and_an_answer_without_one_is_taken() {
    let server = Server::start(vec![Answer::empty(202)]).await;
    let (mut output, written) = Output::in_memory(false, 100);
    let exit = run(SnapshotArgs { id: "LUX-0042".to_owned(), ask: server.ask() }, &mut output).await.unwrap();
    drop(output);
    assert_eq!(exit, Exit::Ok);
    insta::assert_snapshot!(written.text(), @"LUX-0042 was asked for all its signals; `waygate vehicle LUX-0042` shows them");
    let request = server.requests().remove(0);
    assert!(request.starts_with("POST /v1/vehicles/LUX-0042/snapshot HTTP/1.1"), "{request}");
    assert!(request.ends_with("\r\n\r\n"), "{request}");
}
