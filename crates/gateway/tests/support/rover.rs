//! A vehicle that moves between gateways, make before break: it attaches at the new one, sends again what was not acked,
//! and leaves the old socket then.

use super::{PATIENCE, Vehicle, record};
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

/// How often one that drives by itself makes a record.
const RECORD_EVERY: Duration = Duration::from_millis(50);

pub struct Rover {
    pub id: String,
    pub socket: Vehicle,
    token: Value,
    records: Vec<Value>,
    through: u64,
}

impl Rover {
    pub async fn start(address: SocketAddr, id: &str) -> Self {
        let (socket, accept) = Vehicle::attach(address, id, json!({})).await;
        assert_eq!(accept["type"], "attach_accept", "{accept}");
        Self { id: id.to_owned(), socket, token: accept["token"].clone(), records: Vec::new(), through: 0 }
    }

    /// How many records it made.
    pub fn made(&self) -> u64 {
        self.records.len() as u64
    }

    /// Makes a record and sends it, without waiting for anything.
    pub async fn record(&mut self) {
        self.records.push(record(0, 49.61, 6.13));
        self.send_from(self.made()).await;
    }

    async fn send_from(&mut self, first: u64) {
        let records = &self.records[first as usize - 1..];
        if !records.is_empty() {
            let message = json!({"type": "telemetry", "first_seq": first.to_string(), "records": records});
            self.socket.send(message).await;
        }
    }

    /// Attaches there, then leaves the old socket with whatever it still had to say.
    pub async fn hand_over(&mut self, to: SocketAddr) {
        let spool = json!({"id": "42", "oldest": (self.through + 1).to_string(), "last": self.made().to_string()});
        let changes = json!({"kind": "handover", "token": self.token, "spool": spool});
        let (socket, accept) = Vehicle::attach(to, &self.id, changes).await;
        assert_eq!(accept["type"], "attach_accept", "{accept}");
        self.token = accept["token"].clone();
        let resume: u64 = accept["resume_from"].as_str().unwrap().parse().unwrap();
        drop(std::mem::replace(&mut self.socket, socket));
        self.send_from(resume.max(self.through + 1)).await;
    }

    /// Takes a message; the addresses of a redirect.
    fn take(&mut self, message: &Value) -> Option<Vec<SocketAddr>> {
        match message["type"].as_str().unwrap() {
            "telemetry_ack" => {
                assert_eq!(message["rejected"], json!([]), "{message}");
                let through = message["through"].as_str().unwrap().parse().unwrap();
                self.through = self.through.max(through);
                None
            }
            "redirect" => Some(message["targets"].as_array().unwrap().iter().map(address).collect()),
            "tracking_accept" | "snapshot_request" => None,
            other => panic!("{} did not expect {other}: {message}", self.id),
        }
    }

    /// Waits until everything is acked.
    pub async fn settle(&mut self) {
        while self.through < self.made() {
            let message = self.socket.receive().await;
            let _ = self.take(&message);
        }
    }

    /// Drives by itself and goes where it is sent, until it is told to stop.
    pub fn roam(mut self) -> Roaming {
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut due = tokio::time::interval(RECORD_EVERY);
            loop {
                tokio::select! {
                    _ = &mut stopped => break,
                    _ = due.tick() => self.record().await,
                    next = self.socket.socket.next() => match next {
                        Some(Ok(Message::Text(text))) => {
                            let message: Value = serde_json::from_str(&text).unwrap();
                            if let Some(targets) = self.take(&message) {
                                self.hand_over(targets[0]).await;
                            }
                        }
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                        other => panic!("{} was to be sent elsewhere before its socket ends: {other:?}", self.id),
                    },
                }
            }
            tokio::time::timeout(PATIENCE, self.settle()).await.unwrap();
            self
        });
        Roaming { stop, task }
    }
}

pub struct Roaming {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Rover>,
}

impl Roaming {
    /// Parked, with every record acked.
    pub async fn stop(self) -> Rover {
        let _ = self.stop.send(());
        self.task.await.unwrap()
    }
}

/// Where a target of a redirect listens.
pub fn address(target: &Value) -> SocketAddr {
    let url = target["url"].as_str().unwrap();
    url.strip_prefix("ws://").unwrap().split('/').next().unwrap().parse().unwrap()
}
