//! A reader of `GET /v1/stream`.

use super::PATIENCE;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use serde_json::Value;
use std::net::SocketAddr;
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    pub name: String,
    pub id: Option<String>,
    pub data: Value,
}

pub struct Events {
    body: Incoming,
    text: String,
    driver: JoinHandle<()>,
}

impl Drop for Events {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Events {
    /// Opens a stream and reads its hello.
    pub async fn open(address: SocketAddr, query: &str, last_id: Option<&str>) -> Self {
        let mut events = Self::connect(address, query, last_id, None).await;
        let hello = events.next().await;
        assert_eq!(hello.name, "hello", "{hello:?}");
        events
    }

    /// Without reading; with a small buffer of its own if that is given.
    pub async fn connect(address: SocketAddr, query: &str, last_id: Option<&str>, buffer: Option<u32>) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = buffer {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        let io = hyper_util::rt::TokioIo::new(socket.connect(address).await.unwrap());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        let driver = tokio::spawn(async move {
            let _ = connection.await;
        });
        let mut request = http::Request::get(format!("/v1/stream{query}")).header("host", address.to_string());
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), text: String::new(), driver }
    }

    /// The next event.
    pub async fn next(&mut self) -> Event {
        tokio::time::timeout(PATIENCE, self.read()).await.expect("an event in time").expect("an event before the end")
    }

    /// The next event that fits, past all others.
    pub async fn until(&mut self, what: &str, fits: impl Fn(&Event) -> bool) -> Event {
        let mut passed = Vec::new();
        let search = async {
            loop {
                let event = self.read().await.unwrap_or_else(|| panic!("the stream ended before {what}: {passed:?}"));
                if fits(&event) {
                    return event;
                }
                passed.push(format!("{} {}", event.name, event.data));
            }
        };
        tokio::time::timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("no {what}"))
    }

    /// The next presence event.
    pub async fn presence(&mut self) -> Event {
        self.until("presence", |event| event.name == "presence").await
    }

    /// Waits for the end of the stream.
    pub async fn ended(&mut self) {
        let end = async { while self.read().await.is_some() {} };
        tokio::time::timeout(PATIENCE, end).await.expect("the stream ends");
    }

    async fn read(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let event = parse(event);
                self.text = rest.to_owned();
                match event {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let frame = self.body.frame().await?.ok()?;
            self.text += std::str::from_utf8(frame.data_ref()?).unwrap();
        }
    }
}

/// `None` for a comment.
fn parse(text: &str) -> Option<Event> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let data = serde_json::from_str(field("data")?).unwrap();
    Some(Event { name: field("event").unwrap().to_owned(), id: field("id").map(str::to_owned), data })
}
