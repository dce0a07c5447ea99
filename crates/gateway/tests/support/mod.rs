//! A gateway in this process on ports of the system's choosing, and a vehicle that speaks JSON by hand.
#![allow(dead_code, clippy::unwrap_used)]

pub mod cluster;
pub mod events;
pub mod hooks;
pub mod issuer;
pub mod nginx;
pub mod pki;
pub mod prefill;
pub mod raw;
pub mod rover;
pub mod sentry;
pub mod trusted;
pub mod wss;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use waygate_gateway::{Config, Gateway};

/// Every wait of a test ends after this.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Running {
    pub gateway: Gateway,
    pub dir: tempfile::TempDir,
}

pub fn config(id: &str, dir: &std::path::Path, extra: &str) -> String {
    format!(
        "[node]\nid = \"{id}\"\nregion = \"{id}\"\ndata_dir = {dir:?}\n[operators]\nlisten = \"127.0.0.1:0\"\n{extra}\n\
         [vehicles]\nlisten = \"127.0.0.1:0\"\n"
    )
}

/// With limits of the vehicles' edge.
pub async fn start_limited(limits: &str) -> Running {
    let dir = tempfile::tempdir().unwrap();
    let config = config("west", dir.path(), "") + limits;
    let gateway = Gateway::bind(Config::parse(&config).unwrap()).await.unwrap();
    Running { gateway, dir }
}

pub async fn start(id: &str, extra: &str) -> Running {
    let dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::bind(Config::parse(&config(id, dir.path(), extra)).unwrap()).await.unwrap();
    Running { gateway, dir }
}

impl Running {
    pub fn operators(&self) -> SocketAddr {
        self.gateway.addresses().operators
    }

    pub fn vehicles(&self) -> SocketAddr {
        self.gateway.addresses().vehicles
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        get(self.operators(), path).await
    }
}

/// One GET over a connection of its own.
pub async fn get(address: SocketAddr, path: &str) -> (u16, Value) {
    let (status, body) = get_text(address, path).await;
    (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
}

/// What a request was answered.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: String,
}

impl Response {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// One request over a connection of its own.
pub async fn request(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
    request_with(address, method, path, headers, String::new()).await
}

/// One POST over a connection of its own.
pub async fn post(address: SocketAddr, path: &str, body: Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let response = request_with(address, "POST", path, &[], body).await;
    (response.status, serde_json::from_str(&response.body).unwrap_or(Value::String(response.body)))
}

/// One request with a body.
pub async fn request_with(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: String,
) -> Response {
    use http_body_util::{BodyExt, Full};
    let stream = TcpStream::connect(address).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    let driver = tokio::spawn(connection);
    let mut request = http::Request::builder().method(method).uri(path).header("host", address.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::<hyper::body::Bytes>::from(body)).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    drop(sender);
    driver.abort();
    let body = String::from_utf8(body.to_vec()).unwrap();
    Response { status: parts.status.as_u16(), headers: parts.headers, body }
}

pub async fn get_text(address: SocketAddr, path: &str) -> (u16, String) {
    let response = request(address, "GET", path, &[]).await;
    (response.status, response.body)
}

/// Asks again until the answer fits; fails with the last answer.
pub async fn eventually(address: SocketAddr, path: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    loop {
        let (_, answer) = get(address, path).await;
        if fits(&answer) {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "{path} still answers {answer:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A vehicle that speaks JSON.
pub struct Vehicle {
    pub socket: Socket,
    pub id: String,
}

impl Vehicle {
    pub async fn connect(address: SocketAddr, id: &str) -> Self {
        let mut request = format!("ws://{address}/v1/obu").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "waygate.v1.json".parse().unwrap());
        let (socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        Self { socket, id: id.to_owned() }
    }

    /// Connects with these headers; the refusal is the HTTP status and its text.
    pub async fn connect_with(address: SocketAddr, id: &str, headers: &[(&str, &str)]) -> Result<Self, (u16, String)> {
        let mut request = format!("ws://{address}/v1/obu").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "waygate.v1.json".parse().unwrap());
        for (name, value) in headers {
            let name: http::HeaderName = name.parse().unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        match tokio_tungstenite::connect_async(request).await {
            Ok((socket, _)) => Ok(Self { socket, id: id.to_owned() }),
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => {
                let body = response.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
                Err((response.status().as_u16(), body.into_owned()))
            }
            Err(other) => panic!("{other}"),
        }
    }

    /// Attaches on a socket that stands already; the answer.
    pub async fn ask(&mut self, changes: Value) -> Value {
        self.send(attach_request(&self.id.clone(), changes)).await;
        self.receive().await
    }

    /// Connects and attaches; the accept.
    pub async fn attach(address: SocketAddr, id: &str, changes: Value) -> (Self, Value) {
        let mut vehicle = Self::connect(address, id).await;
        vehicle.send(attach_request(id, changes)).await;
        let answer = vehicle.receive().await;
        (vehicle, answer)
    }

    pub async fn send(&mut self, message: Value) {
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    /// The next message of the gateway, past its question for all signals.
    pub async fn receive(&mut self) -> Value {
        loop {
            let message = self.receive_any().await;
            if message["type"] != "snapshot_request" {
                return message;
            }
        }
    }

    /// The next message of the gateway.
    pub async fn receive_any(&mut self) -> Value {
        loop {
            match self.next().await {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other @ (Message::Binary(_) | Message::Close(_) | Message::Frame(_)) => {
                    panic!("expected a message, got {other:?}")
                }
            }
        }
    }

    /// The code of the Close frame, past whatever comes before it.
    pub async fn closed(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.next().await {
                return frame.map_or(1005, |frame| frame.code.into());
            }
        }
    }

    pub async fn next(&mut self) -> Message {
        tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("in time").expect("a frame").unwrap()
    }

    pub async fn telemetry(&mut self, first_seq: u64, records: Vec<Value>) -> Value {
        self.send(json!({"type": "telemetry", "first_seq": first_seq.to_string(), "records": records})).await;
        loop {
            let answer = self.receive().await;
            if answer["type"] != "tracking_accept" {
                return answer;
            }
        }
    }
}

pub fn attach_request(id: &str, changes: Value) -> Value {
    let mut request = json!({
        "type": "attach_request", "vehicle": id, "kind": "initial", "boot_id": "b1",
        "spool": {"id": "42", "oldest": "1", "last": "0"}, "position": {"lat": 49.61, "lon": 6.13},
    });
    for (name, value) in changes.as_object().unwrap() {
        request[name] = value.clone();
    }
    request
}

pub fn now_ms() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64
}

/// A record `ago_s` seconds back.
pub fn record(ago_s: i64, lat: f64, lon: f64) -> Value {
    json!({"t": (now_ms() - ago_s * 1000).to_string(), "lat": lat, "lon": lon, "speed": 13.9, "heading": 90.0})
}
