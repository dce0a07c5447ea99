//! Three gateways of one cluster in this process.

use super::{Running, eventually};
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;
use waygate_gateway::{Config, Gateway};

pub const REGIONS: [&str; 3] = ["west", "centre", "east"];

/// Below the ports that the system gives to whoever asks for any: a port from there could be given away before its gateway
/// listens, or while it is being restarted.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// Ports that nobody listens at, and that nobody is given unasked.
pub fn free_ports() -> Vec<u16> {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let span = u32::from(PORTS.end - PORTS.start);
    // Processes beside this one begin elsewhere.
    let first = std::process::id().wrapping_mul(97) % span;
    let next = || {
        let port = (first + NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) % span;
        PORTS.start + u16::try_from(port).unwrap()
    };
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(next).filter(free).take(REGIONS.len()).collect()
}

fn toml(at: usize, ports: &[u16], dir: &Path) -> String {
    let own = ports[at];
    let seeds: Vec<_> =
        ports.iter().filter(|port| **port != own).map(|port| format!("\"http://127.0.0.1:{port}\"")).collect();
    let keys: Vec<_> = REGIONS
        .iter()
        .enumerate()
        .map(|(i, region)| format!("{region} = \"{}\"", format!("0{i}").repeat(32)))
        .collect();
    format!(
        "[node]\nid = \"{region}-1\"\nregion = \"{region}\"\ndata_dir = {dir:?}\n[vehicles]\nlisten = \"127.0.0.1:0\"\n\
         [operators]\nlisten = \"127.0.0.1:{own}\"\n[peers]\nseeds = [{seeds}]\n[cluster.token_keys]\n{keys}\n",
        region = REGIONS[at],
        seeds = seeds.join(", "),
        keys = keys.join("\n")
    )
}

pub async fn start_one(at: usize, ports: &[u16], dir: TempDir) -> Running {
    start_one_with(at, ports, dir, |toml| toml).await
}

/// With its configuration changed.
pub async fn start_one_with(at: usize, ports: &[u16], dir: TempDir, change: impl Fn(String) -> String) -> Running {
    let gateway = Gateway::bind(Config::parse(&change(toml(at, ports, dir.path()))).unwrap()).await.unwrap();
    Running { gateway, dir }
}

/// Started over these folders, and all heard by all.
pub async fn start_over(dirs: [TempDir; 3]) -> (Vec<u16>, Vec<Running>) {
    start_over_with(dirs, |toml| toml).await
}

async fn start_over_with(dirs: [TempDir; 3], change: impl Fn(String) -> String) -> (Vec<u16>, Vec<Running>) {
    let ports = free_ports();
    let mut running = Vec::new();
    for (at, dir) in dirs.into_iter().enumerate() {
        running.push(start_one_with(at, &ports, dir, &change).await);
    }
    for gateway in &running {
        eventually(gateway.operators(), "/v1/regions", |answer| alive(answer) == REGIONS.len()).await;
    }
    (ports, running)
}

/// Each with its configuration changed.
pub async fn start_with(change: impl Fn(String) -> String) -> (Vec<u16>, Vec<Running>) {
    start_over_with([(); 3].map(|()| tempfile::tempdir().unwrap()), change).await
}

pub async fn start() -> (Vec<u16>, Vec<Running>) {
    start_over([(); 3].map(|()| tempfile::tempdir().unwrap())).await
}

pub fn alive(answer: &Value) -> usize {
    let gateways = answer["regions"].as_array().into_iter().flatten().flat_map(|r| r["gateways"].as_array()).flatten();
    gateways.filter(|gateway| gateway["status"] == "alive").count()
}

/// What all gateways together have on disk.
pub async fn stored(running: &[Running]) -> u64 {
    let mut sum = 0;
    for gateway in running {
        sum += gateway.get("/v1/regions").await.1["acked_records_total"].as_u64().unwrap();
    }
    sum
}

pub async fn shutdown(running: Vec<Running>) {
    for one in running {
        one.gateway.shutdown().await;
    }
}
