//! Measures what a gateway pays for idle sessions: memory a session, processor time an attach, and the
//! processor time of keeping them.
//!
//! `cargo run --release -p waygate-gateway --example idle_sessions -- [SESSIONS] [IDLE_SECONDS] [tls]`
//!
//! The gateway runs in a process of its own; this one holds the vehicles' ends. One vehicle attaches first, so
//! that what is paid once is not counted. With `tls` each vehicle has a certificate of its own.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../tests/support/pki.rs"]
mod pki;

use pki::{Ca, Pair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;
use waygate_gateway::{Config, Gateway};

/// Vehicles that attach at the same time.
const AT_ONCE: usize = 64;

trait Both: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Both for T {}

/// A vehicle's end, with or without TLS.
type Stream = Box<dyn Both>;

fn main() {
    let mut args = std::env::args().skip(1);
    let first = args.next().unwrap_or_else(|| "10000".to_owned());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    if first == "serve" {
        return runtime.block_on(serve(args.next()));
    }
    let idle = args.next().map_or(60, |seconds| seconds.parse().unwrap());
    let tls = args.next().is_some_and(|word| word == "tls");
    runtime.block_on(measure(first.parse().unwrap(), Duration::from_secs(idle), tls));
}

/// The gateway, until standard input ends.
async fn serve(certificates: Option<String>) {
    let tls = certificates.map_or_else(String::new, |folder| {
        let at = |name: &str| Path::new(&folder).join(name);
        format!("[vehicles.tls]\ncert = {:?}\nkey = {:?}\nca = {:?}\n", at("own.pem"), at("own.key"), at("ca.pem"))
    });
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "[node]\nid = \"bench\"\nregion = \"bench\"\ndata_dir = {:?}\n[vehicles]\nlisten = \"127.0.0.1:0\"\n\
         sockets_max = 20000\nunattached_per_address_max = 20000\n[operators]\nlisten = \"127.0.0.1:0\"\n{tls}",
        dir.path()
    );
    let gateway = Gateway::bind(Config::parse(&text).unwrap()).await.unwrap();
    println!("{}", gateway.addresses().vehicles);
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await.unwrap().unwrap();
    std::process::exit(0);
}

struct Server {
    child: Child,
    address: std::net::SocketAddr,
}

impl Server {
    fn start(certificates: Option<&Path>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("serve").args(certificates).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, address: line.trim().parse().unwrap() }
    }

    fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// User and system time. The kernel counts in hundredths of a second.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

async fn measure(sessions: usize, idle: Duration, tls: bool) {
    let (ca, folder) = (Arc::new(Ca::new("bench")), tempfile::tempdir().unwrap());
    let Pair { cert, key, .. } = ca.issue("urn:bench:gateway");
    for (name, text) in [("own.pem", cert), ("own.key", key), ("ca.pem", ca.pem())] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let issuer = tls.then_some(ca);
    let server = Server::start(tls.then_some(folder.path()));
    let mut held = vec![attach(server.address, 0, issuer.clone()).await];
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (memory, cpu, started) = (server.resident_bytes(), server.cpu(), Instant::now());
    let mut next = 1;
    while next <= sessions {
        let batch = next..(next + AT_ONCE).min(sessions + 1);
        next = batch.end;
        let attaching: Vec<_> = batch.map(|n| tokio::spawn(attach(server.address, n, issuer.clone()))).collect();
        for one in attaching {
            held.push(one.await.unwrap());
        }
    }
    let (took, spent) = (started.elapsed(), server.cpu() - cpu);
    println!("{sessions} sessions attached in {:.1} s", took.as_secs_f64());
    println!("  processor time an attach: {:.0} µs", spent.as_micros() as f64 / sessions as f64);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let grown = server.resident_bytes() - memory;
    println!(
        "  resident memory a session: {} bytes ({:.2} KiB)",
        grown / sessions as u64,
        grown as f64 / sessions as f64 / 1024.0
    );
    let before = server.cpu();
    let answering: Vec<_> = held.into_iter().map(|stream| tokio::spawn(answer_pings(stream))).collect();
    tokio::time::sleep(idle).await;
    let share = (server.cpu() - before).as_secs_f64() / idle.as_secs_f64();
    println!("  processor share while idle for {} s, pings answered: {:.2} %", idle.as_secs(), share * 100.0);
    let grown = server.resident_bytes() - memory;
    println!("  resident memory a session afterwards: {} bytes", grown / sessions as u64);
    let alive = answering.iter().filter(|task| !task.is_finished()).count();
    println!("  still connected: {alive}");
    std::io::stdout().flush().unwrap();
}

/// Upgrades and attaches; the socket.
async fn attach(address: std::net::SocketAddr, number: usize, issuer: Option<Arc<Ca>>) -> Stream {
    let socket = TcpSocket::new_v4().unwrap();
    let stream = socket.connect(address).await.unwrap();
    let mut stream: Stream = match issuer {
        None => Box::new(stream),
        Some(ca) => {
            let name = ServerName::try_from("localhost").unwrap();
            let connector = TlsConnector::from(Arc::new(client(&ca, number)));
            Box::new(connector.connect(name, stream).await.unwrap())
        }
    };
    let request = "GET /v1/obu HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Protocol: waygate.v1.json\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    let attach = json!({
        "type": "attach_request", "vehicle": format!("BENCH-{number:06}"), "kind": "initial", "boot_id": "b1",
        "spool": {"id": number.to_string(), "oldest": "1", "last": "0"}, "position": {"lat": 49.61, "lon": 6.13},
    });
    stream.write_all(&masked(0x81, attach.to_string().as_bytes())).await.unwrap();
    let (opcode, answer) = frame(&mut stream).await.unwrap();
    assert_eq!(opcode, 1);
    assert!(answer.windows(13).any(|part| part == b"attach_accept"), "{}", String::from_utf8_lossy(&answer));
    stream
}

/// TLS as a vehicle speaks it, with a certificate of its own.
fn client(ca: &Ca, number: usize) -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap()).unwrap();
    let Pair { cert, key, .. } = ca.issue(&pki::vehicle("bench", &format!("BENCH-{number:06}")));
    let chain = vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    config.with_root_certificates(roots).with_client_auth_cert(chain, key).unwrap()
}

async fn answer_pings(mut stream: Stream) {
    while let Ok((opcode, payload)) = frame(&mut stream).await {
        if opcode == 9 && stream.write_all(&masked(0x8a, &payload)).await.is_err() {
            return;
        }
    }
}

async fn frame(stream: &mut Stream) -> std::io::Result<(u8, Vec<u8>)> {
    let opcode = stream.read_u8().await? & 0x0f;
    let length = match stream.read_u8().await? {
        126 => usize::from(stream.read_u16().await?),
        length => usize::from(length),
    };
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await?;
    Ok((opcode, payload))
}

/// A client's frame, masked with zeros.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        long => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(long as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}
