use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

fn api(url: &str, timeout: Duration) -> Api {
    Api::new(&AskArgs { url: url.parse().unwrap(), ca: None, json: false, timeout })
}

/// Answers one request with these bytes, whatever it asks.
async fn answering(bytes: &'static [u8]) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let length = socket.read(&mut request).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    (url, task)
}

#[tokio::test]
async fn a_refused_connection_names_the_address_and_the_way_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let failure = Failure::from(api(&url, Duration::from_secs(5)).ask(&["regions"], &[]).await.unwrap_err());
    assert_eq!(failure.exit, Exit::Unreachable);
    for part in [&url, "connection refused", "waygate demo", "--url"] {
        assert!(failure.message.contains(part), "{part} is not in: {}", failure.message);
    }
}

#[tokio::test]
async fn a_gateway_that_says_nothing_is_given_up_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let error = api(&url, Duration::from_millis(200)).ask(&["regions"], &[]).await.unwrap_err();
    assert!(matches!(error, ApiError::TimedOut { .. }), "{error:?}");
    assert!(error.is_passing());
}

#[tokio::test]
async fn a_problem_is_told_in_the_gateways_words_with_its_parameter() {
    let (url, _task) = answering(
        b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\nconnection: close\r\n\r\n\
          {\"type\":\"about:blank\",\"title\":\"Bad parameter\",\"status\":400,\"detail\":\"must be 1 to 1000\",\"parameter\":\"limit\"}",
    )
    .await;
    let failure = Failure::from(api(&url, Duration::from_secs(5)).ask(&["vehicles"], &[]).await.unwrap_err());
    assert_eq!((failure.exit, failure.message.as_str()), (Exit::Usage, "limit: must be 1 to 1000"));
}

#[tokio::test]
async fn what_is_not_a_gateway_is_not_taken_for_one() {
    let (url, _task) = answering(b"HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnope").await;
    let failure = Failure::from(api(&url, Duration::from_secs(5)).ask(&["vehicles"], &[]).await.unwrap_err());
    assert_eq!(failure.exit, Exit::Server);
    assert!(failure.message.contains("not a gateway's operator address"), "{}", failure.message);
}

#[tokio::test]
async fn paths_and_parameters_are_escaped() {
    let (url, task) = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
    let api = api(&format!("{url}/behind/a/proxy/"), Duration::from_secs(5));
    api.ask(&["vehicles", "a b/c"], &[("q", "x&y=1".to_owned())]).await.unwrap();
    let request = task.await.unwrap();
    assert!(request.starts_with("GET /behind/a/proxy/v1/vehicles/a%20b%2Fc?q=x%26y%3D1 HTTP/1.1"), "{request}");
}

#[tokio::test]
async fn an_order_is_posted_as_json_with_its_header_and_an_answer_without_a_body_is_null() {
    let answers = vec![server::Answer::created(&serde_json::json!({"id": "1"})), server::Answer::empty(204)];
    let server = server::Server::start(answers).await;
    let body = serde_json::json!({"name": "x"});
    let answer = server.api().post(&["vehicles", "A", "commands"], Some(&body), Some(("idempotency-key", "k"))).await;
    assert_eq!(answer.unwrap()["id"], "1");
    assert_eq!(server.api().delete(&["commands", "1"]).await.unwrap(), Value::Null);
    let requests = server.requests();
    assert!(requests[0].starts_with("POST /v1/vehicles/A/commands HTTP/1.1"), "{requests:?}");
    assert!(
        requests[0].contains("idempotency-key: k\r\n") && requests[0].ends_with("{\"name\":\"x\"}"),
        "{requests:?}"
    );
    assert!(requests[1].starts_with("DELETE /v1/commands/1 HTTP/1.1"), "{requests:?}");
}

#[tokio::test]
async fn a_patient_question_has_so_much_longer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let api = api(&url, Duration::from_millis(100)).patient(Duration::from_millis(150));
    let error = api.post::<Value>(&["vehicles", "A", "page"], None, None).await.unwrap_err();
    assert!(matches!(error, ApiError::TimedOut { after, .. } if after == Duration::from_millis(250)), "{error:?}");
}

#[tokio::test]
async fn a_vehicle_without_a_socket_is_not_a_wrong_command_line_and_a_full_gateway_is_not_either() {
    for (status, exit) in [(400, 2), (404, 1), (409, 1), (422, 2), (429, 4), (500, 4), (503, 4)] {
        let server = server::Server::start(vec![server::Answer::problem(status, "so it is")]).await;
        let error = server.api().ask(&["vehicles", "A", "snapshot"], &[]).await.unwrap_err();
        assert_eq!(Failure::from(error).exit.code(), exit, "{status}");
    }
}

#[tokio::test]
async fn a_header_that_cannot_be_written_is_told_and_nothing_is_asked() {
    let server = server::Server::start(vec![server::Answer::empty(204)]).await;
    let header = Some(("idempotency-key", "two\nlines"));
    let error = server.api().post::<Value>(&["vehicles", "A", "commands"], None, header).await.unwrap_err();
    assert!(!error.is_unsure() && !error.is_passing(), "{error:?}");
    assert!(error.to_string().starts_with("the header idempotency-key cannot be sent: "), "{error}");
    assert!(server.requests().is_empty(), "{:?}", server.requests());
}
