//! A vehicle that speaks JSON by hand over a real socket.

use super::PATIENCE;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

pub struct Vehicle {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Vehicle {
    /// Connects and asks; the answer, an accept or a reject.
    pub async fn ask(url: &str, id: &str, changes: Value) -> (Self, Value) {
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "waygate.v1.json".parse().unwrap());
        let (socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        let mut vehicle = Self { socket };
        let mut attach = json!({
            "type": "attach_request", "vehicle": id, "kind": "initial", "boot_id": "b1",
            "spool": {"id": "42", "oldest": "1", "last": "0"}, "position": {"lat": 49.61, "lon": 6.13},
        });
        for (key, value) in changes.as_object().into_iter().flatten() {
            attach[key] = value.clone();
        }
        vehicle.send(attach).await;
        let answer = vehicle.receive().await;
        (vehicle, answer)
    }

    /// Connects and attaches; the accept.
    pub async fn attach(url: &str, id: &str, changes: Value) -> (Self, Value) {
        let (vehicle, answer) = Self::ask(url, id, changes).await;
        assert_eq!(answer["type"], "attach_accept", "{answer}");
        (vehicle, answer)
    }

    pub async fn send(&mut self, message: Value) {
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    /// The next message, past pings.
    pub async fn receive(&mut self) -> Value {
        let next = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                    Some(Ok(_)) => {}
                    other => panic!("the socket ended: {other:?}"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("a message in time")
    }

    /// The code with which the gateway closes the socket, past all messages.
    pub async fn closed(&mut self) -> u16 {
        let next = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Close(Some(frame)))) => return u16::from(frame.code),
                    Some(Ok(_)) => {}
                    other => panic!("no close frame: {other:?}"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("a close in time")
    }

    /// Answers pings until the socket ends; a vehicle that is well.
    pub async fn live(mut self) {
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}
