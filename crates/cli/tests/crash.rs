//! The real binary, killed at random moments again and again while vehicles send over real sockets: what was acked
//! is served exactly once, epochs rise, nothing is made up.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use support::{Serving, waygate};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

const ROUNDS: u64 = 24;
const VEHICLES: u64 = 6;
const PATIENCE: Duration = Duration::from_secs(30);

/// A gateway process, killed with this value.
struct Gateway {
    child: Child,
    operators: SocketAddr,
    vehicles: SocketAddr,
}

impl Drop for Gateway {
    /// SIGKILL: nothing of the process runs after it.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(config: &Path) -> Child {
    waygate(&["gateway", "--exit-with-stdin", "--config"])
        .arg(config)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

impl Gateway {
    fn start(config: &Path) -> Self {
        let mut child = spawn(config);
        let Serving { operators, vehicles } = Serving::read(&mut child);
        Self { child, operators, vehicles }
    }

    async fn get(&self, path: &str) -> Value {
        use http_body_util::{BodyExt, Empty};
        let stream = TcpStream::connect(self.operators).await.unwrap();
        let io = hyper_util::rt::TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        let driver = tokio::spawn(connection);
        let request = hyper::Request::get(path).header("host", self.operators.to_string());
        let response = sender.send_request(request.body(Empty::<hyper::body::Bytes>::new()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        driver.abort();
        serde_json::from_slice(&body).unwrap()
    }

    async fn incarnation(&self) -> u64 {
        let regions = self.get("/v1/regions").await;
        regions["regions"][0]["gateways"][0]["incarnation"].as_str().unwrap().parse().unwrap()
    }

    /// Every sequence number served of a vehicle, checked against what it sends under that number.
    async fn served(&self, vehicle: &Vehicle) -> BTreeSet<u64> {
        let (mut seqs, mut cursor) = (BTreeSet::new(), String::new());
        loop {
            let path = format!("/v1/vehicles/{}/telemetry?limit=10000{cursor}", vehicle.id);
            let page = self.get(&path).await;
            for record in page["records"].as_array().unwrap() {
                assert_eq!(record["spool"], vehicle.spool.to_string());
                let seq: u64 = record["seq"].as_str().unwrap().parse().unwrap();
                assert_eq!(record["signals"], json!({"Vehicle.Number": seq}), "another record under this number");
                assert!(seqs.insert(seq), "{} has {seq} twice", vehicle.id);
            }
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return seqs,
            }
        }
    }
}

/// Numbers that need not be good, only different each round.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What a vehicle keeps over the gateway's lives.
struct Vehicle {
    id: String,
    spool: u64,
    born_ms: u64,
    token: Option<String>,
    epoch: u64,
    session: String,
    sent: u64,
    acked: BTreeSet<u64>,
    through: u64,
    attaches: u64,
    dice: Dice,
}

impl Vehicle {
    fn new(number: u64, now_ms: u64) -> Self {
        Self {
            id: format!("LUX-{number}"),
            spool: 1000 + number,
            born_ms: now_ms - 3_600_000,
            token: None,
            epoch: 0,
            session: String::new(),
            sent: 0,
            acked: BTreeSet::new(),
            through: 0,
            attaches: 0,
            dice: Dice(0x9e37_79b9 + number),
        }
    }

    /// Attaches wherever the gateway is now, until there is none any more.
    async fn drive(mut self, mut gateway: watch::Receiver<Option<SocketAddr>>) -> Self {
        loop {
            let address = *gateway.borrow_and_update();
            let ended = match address {
                Some(address) => self.session(address).await,
                None => Ok(()),
            };
            match (address, ended) {
                // Killed, or about to be: the next address comes, or the end.
                (_, Ok(())) | (None, Err(_)) => {
                    if gateway.changed().await.is_err() {
                        return self;
                    }
                }
                (Some(_), Err(Ended)) => tokio::select! {
                    changed = gateway.changed() => if changed.is_err() { return self },
                    () = tokio::time::sleep(Duration::from_millis(5)) => {}
                },
            }
        }
    }

    async fn session(&mut self, address: SocketAddr) -> Result<(), Ended> {
        let mut request = format!("ws://{address}/v1/obu").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "waygate.v1.json".parse().unwrap());
        let (mut socket, _) = tokio_tungstenite::connect_async(request).await.map_err(|_| Ended)?;
        let resume = self.dice.below(2) == 0;
        let mut attach = json!({
            "type": "attach_request", "vehicle": self.id, "kind": if resume { "resume" } else { "initial" },
            "spool": {"id": self.spool.to_string(), "oldest": "1", "last": self.sent.to_string()},
        });
        if let Some(token) = &self.token {
            attach["token"] = json!(token);
        }
        say(&mut socket, &attach).await?;
        let accept = hear(&mut socket).await?;
        assert_eq!(accept["type"], "attach_accept", "{accept}");
        let mut next = self.accepted(&accept, resume);
        loop {
            for _ in 0..=self.dice.below(3) {
                next = self.send_batch(&mut socket, next).await?;
            }
            self.acks(&mut socket, next).await?;
        }
    }

    /// Checks what the gateway says it knows; the number to go on with.
    fn accepted(&mut self, accept: &Value, resume: bool) -> u64 {
        let epoch: u64 = accept["epoch"].as_str().unwrap().parse().unwrap();
        let resumed = accept["session"] == self.session.as_str();
        assert!(resume || !resumed, "a new attach is a new session");
        assert!(epoch > self.epoch || (resumed && epoch == self.epoch), "epoch {epoch} after {}: {accept}", self.epoch);
        let resume_from: u64 = accept["resume_from"].as_str().unwrap().parse().unwrap();
        assert!(resume_from > self.through, "{} had acks up to {}: {accept}", self.id, self.through);
        self.epoch = epoch;
        self.session = accept["session"].as_str().unwrap().to_owned();
        self.token = Some(accept["token"].as_str().unwrap().to_owned());
        self.attaches += 1;
        resume_from
    }

    /// New records, sometimes with a hole before them or with some that were sent already.
    async fn send_batch(&mut self, socket: &mut Socket, next: u64) -> Result<u64, Ended> {
        let first = match self.dice.below(10) {
            0 => next + self.dice.below(5),
            1 | 2 => next.saturating_sub(self.dice.below(40)).max(1),
            _ => next,
        };
        let count = 1 + self.dice.below(50);
        let record = |seq: u64| json!({"t": (self.born_ms + seq * 10).to_string(), "lat": 49.6, "lon": 6.1, "signals": {"Vehicle.Number": seq}});
        let records: Vec<Value> = (first..first + count).map(record).collect();
        self.sent = self.sent.max(first + count - 1);
        say(socket, &json!({"type": "telemetry", "first_seq": first.to_string(), "records": records})).await?;
        Ok(next.max(first + count))
    }

    /// Reads acks until not too much is under way.
    async fn acks(&mut self, socket: &mut Socket, next: u64) -> Result<(), Ended> {
        loop {
            let ack = hear(socket).await?;
            match ack["type"].as_str() {
                Some("telemetry_ack") => {}
                Some("tracking_accept" | "snapshot_request") => continue,
                _ => panic!("{ack}"),
            }
            assert_eq!((&ack["spool"], &ack["rejected"]), (&json!(self.spool.to_string()), &json!([])));
            let number = |text: &Value| text.as_str().unwrap().parse::<u64>().unwrap();
            let through = number(&ack["through"]);
            self.acked.extend(self.through + 1..=through);
            self.through = self.through.max(through);
            for range in ack["ranges"].as_array().unwrap() {
                self.acked.extend(number(&range["first"])..=number(&range["last"]));
            }
            let highest = self.acked.last().copied().unwrap_or_default();
            if highest + 100 > next {
                return Ok(());
            }
        }
    }
}

/// The socket is gone.
struct Ended;

async fn say(socket: &mut Socket, message: &Value) -> Result<(), Ended> {
    socket.send(Message::text(message.to_string())).await.map_err(|_| Ended)
}

async fn hear(socket: &mut Socket) -> Result<Value, Ended> {
    loop {
        let next = tokio::time::timeout(PATIENCE, socket.next()).await.expect("an answer in time");
        match next.ok_or(Ended)?.map_err(|_| Ended)? {
            Message::Text(text) => return Ok(serde_json::from_str(&text).unwrap()),
            Message::Ping(_) | Message::Pong(_) => {}
            end @ (Message::Close(_) | Message::Binary(_) | Message::Frame(_)) => panic!("{end:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acked_is_served_exactly_once_however_often_the_gateway_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("gateway.toml");
    let text = format!(
        "[node]\nid = \"one\"\nregion = \"here\"\ndata_dir = {:?}\n\
         [vehicles]\nlisten = \"127.0.0.1:0\"\n[operators]\nlisten = \"127.0.0.1:0\"\n",
        folder.path().join("data")
    );
    std::fs::write(&config, text).unwrap();
    let now_ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    let (at, gateway_at) = watch::channel(None);
    let driving: Vec<_> =
        (0..VEHICLES).map(|number| tokio::spawn(Vehicle::new(number, now_ms).drive(gateway_at.clone()))).collect();
    drop(gateway_at);

    let started = Instant::now();
    let mut dice = Dice(now_ms | 1);
    let mut incarnation = 0;
    for round in 0..ROUNDS {
        if round % 4 == 3 {
            // Killed while it starts: between opening the store and serving.
            let mut child = spawn(&config);
            tokio::time::sleep(Duration::from_millis(dice.below(120))).await;
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let gateway = tokio::task::block_in_place(|| Gateway::start(&config));
        let next = gateway.incarnation().await;
        assert!(next > incarnation, "incarnation {next} after {incarnation}");
        incarnation = next;
        at.send(Some(gateway.vehicles)).unwrap();
        tokio::time::sleep(Duration::from_millis(50 + dice.below(500))).await;
        drop(gateway);
        at.send(None).unwrap();
    }
    drop(at);
    let gateway = tokio::task::block_in_place(|| Gateway::start(&config));
    let (mut acked, mut attaches) = (0, 0);
    for vehicle in driving {
        let vehicle = tokio::time::timeout(PATIENCE, vehicle).await.unwrap().unwrap();
        let served = gateway.served(&vehicle).await;
        let lost: Vec<_> = vehicle.acked.difference(&served).collect();
        assert!(lost.is_empty(), "{} was acked and is not served: {lost:?}", vehicle.id);
        assert!(served.last().copied().unwrap_or_default() <= vehicle.sent, "records that were never sent");
        acked += vehicle.acked.len() as u64;
        attaches += vehicle.attaches;
    }
    println!("{acked} records acked over {attaches} attaches and {} kills", ROUNDS + ROUNDS / 4);
    assert!(attaches > ROUNDS && acked > ROUNDS * VEHICLES, "{attaches} attaches, {acked} acked: too little was tried");
    assert!(started.elapsed() < Duration::from_secs(120), "{:?}", started.elapsed());
}
