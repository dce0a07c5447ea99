//! A server for tests: gives prepared answers in their order, one a connection, and keeps what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::Api;
use crate::args::AskArgs;

/// One prepared answer.
#[derive(Clone, Debug)]
pub struct Answer(String);

impl Answer {
    pub fn json(body: &Value) -> Self {
        Self::of("200 OK", "application/json", &body.to_string())
    }

    pub fn lines(lines: &[Value]) -> Self {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        Self::of("200 OK", "application/x-ndjson", &text)
    }

    pub fn created(body: &Value) -> Self {
        Self::of("201 Created", "application/json", &body.to_string())
    }

    pub fn problem(status: u16, detail: &str) -> Self {
        let body = json!({"type": "about:blank", "title": "Problem", "status": status, "detail": detail});
        Self::of(&format!("{status} Problem"), "application/problem+json", &body.to_string())
    }

    pub fn empty(status: u16) -> Self {
        Self::of(&format!("{status} Fine"), "text/plain", "")
    }

    fn of(status: &str, kind: &str, body: &str) -> Self {
        let length = body.len();
        Self(format!(
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        ))
    }
}

/// Listens until it is dropped.
pub struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub async fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        let task = tokio::spawn(async move {
            for answer in answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                let request = read(&mut socket).await;
                seen.lock().unwrap().push(request);
                socket.write_all(answer.0.as_bytes()).await.unwrap();
            }
        });
        Self { url, requests, task }
    }

    pub fn ask(&self) -> AskArgs {
        AskArgs { url: self.url.parse().unwrap(), ca: None, json: false, timeout: Duration::from_secs(10) }
    }

    pub fn api(&self) -> Api {
        Api::new(&self.ask())
    }

    /// What it was asked so far: heads and bodies.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A request with its whole body.
async fn read(socket: &mut TcpStream) -> String {
    let mut text = String::new();
    loop {
        let mut bytes = vec![0; 4096];
        let length = socket.read(&mut bytes).await.unwrap();
        text += std::str::from_utf8(&bytes[..length]).unwrap();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let told = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if length == 0 || body.len() >= told.map_or(0, |told| told.parse().unwrap()) {
                return text;
            }
        }
        assert!(length > 0, "the request ended within its head: {text}");
    }
}
