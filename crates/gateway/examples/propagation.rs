//! Measures how long a change at one gateway takes until another one answers with it, over real sockets on loopback.
//!
//! `cargo run --release -p waygate-gateway --example propagation -- [ROUNDS] [BACKGROUND_VEHICLES] [tls]`
//!
//! Three gateways in processes of their own: two of a region, one of another. A vehicle attaches to the first, falls
//! asleep, comes back and detaches, once a round; all three are asked for it every millisecond until they show it. The time
//! of an attach, or of a return, runs from the accept; of what the vehicle says itself, from then. The vehicles in the
//! background attach to the first gateway and detach, all the time. With `tls` the gateways speak mutual TLS.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../tests/support/mod.rs"]
mod support;

use futures_util::SinkExt;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::pki::{Ca, Folder};
use support::{Vehicle, cluster, pki, trusted};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::Message;
use waygate_gateway::{Config, Gateway};

/// The first serves the vehicles.
const GATEWAYS: [(&str, &str); 3] = [("west", "west-1"), ("west", "west-2"), ("east", "east-1")];

/// How each stands to the first.
const PLACES: [&str; 3] = ["the gateway itself", "its region", "another region"];

/// A gateway that was shown something is asked again after this.
const ASK_EVERY: Duration = Duration::from_millis(1);

/// The longest pause before a change, longer than what a stream waits for more: changes come at any point of it.
const PAUSE_MAX: Duration = Duration::from_millis(600);

/// The longest pause of a vehicle in the background before it attaches, or detaches.
const BACKGROUND_PAUSE_MAX: Duration = Duration::from_secs(2);

fn main() {
    let mut args = std::env::args().skip(1);
    let first = args.next().unwrap_or_else(|| "60".to_owned());
    let threads = if first == "serve" { 1 } else { 2 };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap();
    if first == "serve" {
        return runtime.block_on(serve(&args.next().unwrap()));
    }
    let background = args.next().map_or(0, |vehicles| vehicles.parse().unwrap());
    let tls = args.next().is_some_and(|word| word == "tls");
    runtime.block_on(measure(first.parse().unwrap(), background, tls));
}

/// A gateway, until standard input ends.
async fn serve(config: &str) {
    let gateway = Gateway::bind(Config::parse(config).unwrap()).await.unwrap();
    println!("{}", gateway.addresses().vehicles);
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await.unwrap().unwrap();
    std::process::exit(0);
}

/// A gateway in a process of its own.
struct Server {
    child: Child,
    vehicles: SocketAddr,
    operators: SocketAddr,
    _dir: TempDir,
}

impl Server {
    fn start(at: usize, ports: &[u16], ca: Option<&Ca>) -> Self {
        let (region, id) = GATEWAYS[at];
        let dir = tempfile::tempdir().unwrap();
        let scheme = if ca.is_some() { "https" } else { "http" };
        let seeds: Vec<_> = ports.iter().map(|port| format!("\"{scheme}://127.0.0.1:{port}\"")).collect();
        let tls = ca.map_or_else(String::new, |ca| {
            let Folder { cert, key, ca, .. } = Folder::write(dir.path(), &ca.issue(&pki::node(region, id)), &ca.pem());
            format!("[tls]\ncert = {cert:?}\nkey = {key:?}\nca = {ca:?}\n")
        });
        let config = format!(
            "[node]\nid = \"{id}\"\nregion = \"{region}\"\ndata_dir = {:?}\n[vehicles]\nlisten = \"127.0.0.1:0\"\n\
             [operators]\nlisten = \"127.0.0.1:{port}\"\n[peers]\nseeds = [{seeds}]\n{tls}",
            dir.path(),
            port = ports[at],
            seeds = seeds.join(", "),
        );
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["serve", &config]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let vehicles = line.trim().parse().unwrap();
        Self { child, vehicles, operators: SocketAddr::from(([127, 0, 0, 1], ports[at])), _dir: dir }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An operator's connection, kept open.
struct Operator {
    sender: SendRequest<Empty<Bytes>>,
    host: String,
}

impl Operator {
    async fn connect(address: SocketAddr, ca: Option<&Ca>) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let Some(ca) = ca else { return Self::over(TokioIo::new(stream), address).await };
        let mut client = (*trusted::client(&ca.pem(), None)).clone();
        client.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await.unwrap();
        Self::over(TokioIo::new(stream), address).await
    }

    async fn over<T>(io: T, address: SocketAddr) -> Self
    where
        T: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
    {
        let (sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        Self { sender, host: address.to_string() }
    }

    async fn get(&mut self, path: &str) -> Value {
        let request = http::Request::get(path).header("host", &self.host).body(Empty::new()).unwrap();
        self.sender.ready().await.unwrap();
        let answer = self.sender.send_request(request).await.unwrap();
        serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap_or_default()
    }

    /// Asks until the answer fits; when it came.
    async fn until(&mut self, path: &str, fits: impl Fn(&Value) -> bool) -> Instant {
        let started = Instant::now();
        loop {
            let answer = self.get(path).await;
            let now = Instant::now();
            if fits(&answer) {
                return now;
            }
            assert!(now - started < Duration::from_secs(20), "{} still answers {path} with {answer:#}", self.host);
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
}

/// How long what took, by what it was.
type Times = BTreeMap<&'static str, [Vec<Duration>; 3]>;

struct Bench {
    operators: [Operator; 3],
    times: Times,
}

impl Bench {
    /// Notes when each shows the vehicle in this state.
    async fn seen(&mut self, what: &'static str, since: Instant, id: &str, state: &str) {
        let path = format!("/v1/vehicles/{id}");
        let fits = |answer: &Value| answer["state"] == state;
        let [own, near, far] = &mut self.operators;
        let at = tokio::join!(own.until(&path, fits), near.until(&path, fits), far.until(&path, fits));
        let times = self.times.entry(what).or_default();
        for (times, at) in times.iter_mut().zip([at.0, at.1, at.2]) {
            times.push(at.saturating_duration_since(since));
        }
        pause(PAUSE_MAX).await;
    }

    /// Attaches, falls asleep, comes back, detaches.
    async fn round(&mut self, address: SocketAddr, id: &str) {
        let (mut vehicle, accept, since) = attach(address, id, json!({})).await;
        self.seen("attach", since, id, "online").await;
        let suspend = json!({"type": "suspend", "active_s": 1, "sleep_s": 600});
        // Written together with the close: a second small write would wait for the first one to be confirmed.
        vehicle.socket.feed(Message::text(suspend.to_string())).await.unwrap();
        let since = Instant::now();
        vehicle.socket.close(None).await.unwrap();
        self.seen("falls asleep", since, id, "asleep").await;
        let resume = json!({"kind": "resume", "token": accept["token"]});
        let (mut vehicle, _, since) = attach(address, id, resume).await;
        self.seen("comes back", since, id, "online").await;
        let since = Instant::now();
        vehicle.send(json!({"type": "detach", "cause": "ignition_off"})).await;
        self.seen("detach", since, id, "offline").await;
    }

    fn print(&mut self) {
        for (place, name) in PLACES.iter().enumerate() {
            for (what, times) in &mut self.times {
                let times = &mut times[place];
                times.sort_unstable();
                let at = |share: f64| times[((times.len() as f64 * share).ceil() as usize).max(1) - 1].as_micros();
                let [half, most, nearly, all] = [0.5, 0.9, 0.99, 1.0].map(|share| at(share) as f64 / 1000.0);
                println!("  {name}, {what}: p50 {half:.1} p90 {most:.1} p99 {nearly:.1} max {all:.1} ms");
            }
        }
    }
}

/// The socket, the accept, and when it came. One that is told of congestion comes again.
async fn attach(address: SocketAddr, id: &str, changes: Value) -> (Vehicle, Value, Instant) {
    loop {
        let (vehicle, answer) = Vehicle::attach(address, id, changes.clone()).await;
        let now = Instant::now();
        if answer["type"] == "attach_accept" {
            return (vehicle, answer, now);
        }
        assert_eq!(answer["cause"], "congestion", "{answer}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Up to so long, evenly.
async fn pause(most: Duration) {
    let mut random = [0; 4];
    getrandom::fill(&mut random).unwrap();
    tokio::time::sleep(most.mul_f64(f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX))).await;
}

/// Attaches and detaches, all the time.
async fn come_and_go(address: SocketAddr, id: String, attaches: Arc<AtomicU64>) {
    loop {
        pause(BACKGROUND_PAUSE_MAX).await;
        let (mut vehicle, _, _) = attach(address, &id, json!({})).await;
        attaches.fetch_add(1, Ordering::Relaxed);
        pause(BACKGROUND_PAUSE_MAX).await;
        vehicle.send(json!({"type": "detach", "cause": "ignition_off"})).await;
    }
}

async fn measure(rounds: usize, background: usize, tls: bool) {
    let ca = tls.then(|| Ca::new("bench"));
    let ports = cluster::free_ports();
    let servers = [0, 1, 2].map(|at| Server::start(at, &ports, ca.as_ref()));
    let [first, second, third] = servers.each_ref().map(|server| Operator::connect(server.operators, ca.as_ref()));
    let mut operators = [first.await, second.await, third.await];
    for operator in &mut operators {
        operator.until("/v1/regions", |answer| cluster::alive(answer) == GATEWAYS.len()).await;
    }
    let address = servers[0].vehicles;
    let attaches = Arc::new(AtomicU64::new(0));
    let mut coming_and_going = JoinSet::new();
    for number in 0..background {
        coming_and_going.spawn(come_and_go(address, format!("BACK-{number:05}"), Arc::clone(&attaches)));
    }
    tokio::time::sleep(BACKGROUND_PAUSE_MAX * 2).await;
    let mut bench = Bench { operators, times: Times::new() };
    let (started, before) = (Instant::now(), attaches.load(Ordering::Relaxed));
    for round in 0..rounds {
        bench.round(address, &format!("BENCH-{}", round % 10)).await;
    }
    let rate = (attaches.load(Ordering::Relaxed) - before) as f64 / started.elapsed().as_secs_f64();
    let between = if tls { "TLS" } else { "no TLS" };
    println!("{rounds} rounds, {between} between gateways, {rate:.0} attaches a second in the background");
    bench.print();
    coming_and_going.shutdown().await;
}
