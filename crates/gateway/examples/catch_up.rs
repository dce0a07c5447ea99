//! Measures how long a gateway takes to learn of all vehicles of another one, over a real stream on loopback.
//!
//! `cargo run --release -p waygate-gateway --example catch_up -- [VEHICLES]`
//!
//! The first gateway has them in its store, from an earlier life. The second one is empty; its time runs from its start to
//! the moment at which it counts them all. Both are in this process.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use waygate_core::epoch::Epoch;
use waygate_core::id::{SessionId, VehicleId};
use waygate_core::log::LiveState;
use waygate_core::time::{Millis, Wall};
use waygate_gateway::{Config, Gateway};
use waygate_store::{OpenOptions, PresenceRecord, Store, Write};

/// Vehicles of one commit.
const COMMIT: u64 = 4000;

#[tokio::main]
async fn main() {
    let vehicles = std::env::args().nth(1).map_or(200_000, |vehicles| vehicles.parse().unwrap());
    for (regions, second) in [("within a region", "west"), ("between regions", "east")] {
        let (full, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fill(full.path(), vehicles).await;
        let first = start("west-1", "west", full.path(), "").await;
        let seeds = format!("[peers]\nseeds = [\"http://{}\"]\n", first.addresses().operators);
        let started = Instant::now();
        let second = start("new-1", second, empty.path(), &seeds).await;
        let mut known = 0;
        while known < vehicles {
            tokio::time::sleep(Duration::from_millis(10)).await;
            known = count(second.addresses().operators).await;
        }
        println!("{vehicles} vehicles {regions}: known after {:.2} s", started.elapsed().as_secs_f64());
        second.shutdown().await;
        first.shutdown().await;
    }
}

async fn start(id: &str, region: &str, dir: &Path, extra: &str) -> Gateway {
    let text = format!(
        "[node]\nid = \"{id}\"\nregion = \"{region}\"\ndata_dir = {dir:?}\n[vehicles]\nlisten = \"127.0.0.1:0\"\n\
         [operators]\nlisten = \"127.0.0.1:0\"\n{extra}"
    );
    Gateway::bind(Config::parse(&text).unwrap()).await.unwrap()
}

async fn fill(dir: &Path, vehicles: u64) {
    let (mut writer, reader) = Store::open(&dir.join("waygate.db"), OpenOptions::default()).await.unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let presence = |n: u64| PresenceRecord {
        vehicle: VehicleId::new(&format!("WVWZZZ1JZXW{n:06}")).unwrap(),
        epoch: Epoch(((now as u64) << 16) + n),
        session: SessionId(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        state: LiveState::Idle.number(),
        cause: 0,
        cell: None,
        contact: Wall(now),
        spool: None,
        sleep: Millis(0),
        wake: 0,
        flags: 0,
    };
    for first in (0..vehicles).step_by(COMMIT as usize) {
        let commit = first..(first + COMMIT).min(vehicles);
        writer.commit(commit.map(|n| Write::Presence(presence(n))).collect()).await.unwrap();
    }
    reader.close().await;
    writer.close().await.unwrap();
}

/// Vehicles that a gateway counts, in whatever state.
async fn count(address: SocketAddr) -> u64 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /v1/regions HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let body: serde_json::Value = serde_json::from_str(&answer[answer.find('{').unwrap()..]).unwrap();
    let totals = body["totals"].as_object().unwrap();
    totals.values().filter_map(serde_json::Value::as_u64).sum()
}
