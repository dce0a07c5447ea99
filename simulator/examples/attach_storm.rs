//! Measures attaches a second and their latency, and a storm: every vehicle of a region comes to another gateway at
//! once, because its own was killed.
//!
//! `cargo run --release -p waygate-simulator --example attach_storm -- [VEHICLES]`
//!
//! Two gateways run in processes of their own; this one holds the vehicles, each the real onboard unit with its waits.
//! First they attach to the first gateway in a ramp, then that gateway gets SIGKILL.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use waygate_core::id::{SpoolId, VehicleId};
use waygate_gateway::{Config as GatewayConfig, Gateway};
use waygate_obu::client::{Config, Obu};
use waygate_obu::{MemorySpool, Notice};

/// Dials begun at once while the vehicles attach for the first time: so few that a gateway that has not measured its disk
/// yet refuses none.
const RAMP_AT_ONCE: usize = 128;
/// The storm is given up after this.
const STORM_MAX: Duration = Duration::from_secs(600);

fn main() {
    let mut args = std::env::args().skip(1);
    let first = args.next().unwrap_or_else(|| "10000".to_owned());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    if first == "serve" {
        return runtime.block_on(serve(&args.next().unwrap(), args.next().as_deref()));
    }
    runtime.block_on(measure(first.parse().unwrap()));
}

/// A gateway, until standard input ends.
async fn serve(id: &str, seed: Option<&str>) {
    let dir = tempfile::tempdir().unwrap();
    let seeds = seed.map(|seed| format!("\"{seed}\"")).unwrap_or_default();
    let keys: Vec<_> = ["first", "second"].iter().map(|region| format!("{region} = \"{}\"", "5a".repeat(32))).collect();
    let text = format!(
        "[node]\nid = \"{id}\"\nregion = \"{id}\"\ndata_dir = {:?}\n[vehicles]\nlisten = \"127.0.0.1:0\"\n\
         sockets_max = 40000\nunattached_per_address_max = 40000\n[operators]\nlisten = \"127.0.0.1:0\"\n\
         [peers]\nseeds = [{seeds}]\n[cluster.token_keys]\n{}\n",
        dir.path(),
        keys.join("\n")
    );
    let gateway = Gateway::bind(GatewayConfig::parse(&text).unwrap()).await.unwrap();
    let addresses = gateway.addresses();
    println!("ws://{}/v1/obu http://{}", addresses.vehicles, addresses.operators);
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await.unwrap().unwrap();
    std::process::exit(0);
}

struct Server {
    child: Child,
    vehicles_url: String,
    operators_url: String,
}

impl Server {
    fn start(id: &str, seed: Option<&str>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["serve", id]).args(seed).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (vehicles, operators) = line.trim().split_once(' ').unwrap();
        let (vehicles_url, operators_url) = (vehicles.to_owned(), operators.to_owned());
        Self { child, vehicles_url, operators_url }
    }

    /// User and system time. The kernel counts in hundredths of a second.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        Duration::from_millis((fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the vehicles go through, told by their listeners.
#[derive(Default)]
struct Seen {
    attempts: Vec<u32>,
    /// When each attached last, and how long its last dial took.
    attached: Vec<Option<(Instant, Duration)>>,
    /// Attempts that came to nothing, by why.
    turned_away: BTreeMap<String, u64>,
}

impl Seen {
    fn attached_since(&self, since: Instant) -> usize {
        self.attached.iter().flatten().filter(|(at, _)| *at >= since).count()
    }
}

async fn measure(vehicles: usize) {
    let first = Server::start("first", None);
    let second = Server::start("second", Some(&first.operators_url));
    let seen =
        Arc::new(Mutex::new(Seen { attempts: vec![0; vehicles], attached: vec![None; vehicles], ..Seen::default() }));
    let gateways = vec![first.vehicles_url.clone(), second.vehicles_url.clone()];
    let (started, cpu) = (Instant::now(), first.cpu());
    let mut units = Vec::with_capacity(vehicles);
    for number in 0..vehicles {
        units.push(start(number, &gateways, &seen));
        while number + 1 - seen.lock().unwrap().attached_since(started) >= RAMP_AT_ONCE {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    until(&seen, vehicles, started, Duration::from_secs(120)).await;
    let spent = first.cpu() - cpu;
    let took = seen.lock().unwrap().attached.iter().flatten().map(|(at, _)| *at - started).max().unwrap();
    println!("{vehicles} vehicles attached in {:.1} s, {RAMP_AT_ONCE} at a time", took.as_secs_f64());
    println!("  {:.0} attaches a second", vehicles as f64 / took.as_secs_f64());
    println!("  processor time an attach: {:.0} µs", spent.as_micros() as f64 / vehicles as f64);
    {
        let seen = seen.lock().unwrap();
        tell_turned_away(&seen);
        tell_latencies(&seen);
    }
    storm(first, &second, vehicles, &seen).await;
    drop(units);
}

async fn storm(first: Server, second: &Server, vehicles: usize, seen: &Arc<Mutex<Seen>>) {
    {
        let mut seen = seen.lock().unwrap();
        seen.attempts.fill(0);
        seen.turned_away.clear();
    }
    let (began, cpu) = (Instant::now(), second.cpu());
    drop(first);
    println!("the gateway of all {vehicles} was killed");
    until(seen, vehicles, began, STORM_MAX).await;
    let seen = seen.lock().unwrap();
    let mut back: Vec<Duration> =
        seen.attached.iter().flatten().filter_map(|(at, _)| at.checked_duration_since(began)).collect();
    back.sort_unstable();
    println!("  back at the other gateway: {} of {vehicles}", seen.attached_since(began));
    for (name, share) in [("half", 0.5), ("99 %", 0.99), ("all", 1.0)] {
        // A share of all vehicles, not of those that are back.
        match back.get(((vehicles as f64 * share).ceil() as usize).max(1) - 1) {
            Some(after) => println!("  {name} after {:.1} s", after.as_secs_f64()),
            None => println!("  {name}: not within {} s", STORM_MAX.as_secs()),
        }
    }
    let mut attempts = seen.attempts.clone();
    attempts.sort_unstable();
    let most = |share: f64| attempts[((vehicles as f64 * share) as usize).min(vehicles - 1)];
    println!(
        "  attempts a vehicle: median {}, 99 % {}, 99.9 % {}, most {}",
        most(0.5),
        most(0.99),
        most(0.999),
        most(1.0)
    );
    tell_turned_away(&seen);
    let spent = second.cpu() - cpu;
    println!("  processor time of the other gateway: {:.1} s", spent.as_secs_f64());
    tell_latencies(&seen);
}

async fn until(seen: &Arc<Mutex<Seen>>, vehicles: usize, since: Instant, most: Duration) {
    let mut told = Instant::now();
    loop {
        let there = seen.lock().unwrap().attached_since(since);
        if there == vehicles || since.elapsed() > most {
            return;
        }
        if told.elapsed() > Duration::from_secs(5) {
            told = Instant::now();
            println!("  … {there} of {vehicles} after {:.0} s", since.elapsed().as_secs_f64());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn tell_turned_away(seen: &Seen) {
    for (why, attempts) in &seen.turned_away {
        println!("  attempts that came to nothing: {attempts}, {why}");
    }
}

fn tell_latencies(seen: &Seen) {
    let mut took: Vec<Duration> = seen.attached.iter().flatten().map(|(_, took)| *took).collect();
    took.sort_unstable();
    let at = |share: f64| took[((took.len() as f64 * share) as usize).min(took.len() - 1)].as_secs_f64() * 1000.0;
    println!(
        "  from the dial to the accept: median {:.1} ms, 99 % {:.1} ms, longest {:.1} ms",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

fn start(number: usize, gateways: &[String], seen: &Arc<Mutex<Seen>>) -> Obu {
    let mut config = Config::new(VehicleId::new(&format!("STORM-{number:06}")).unwrap(), gateways.to_vec());
    let seen = seen.clone();
    config.listener = Some(Arc::new(move |notice: &Notice| {
        let mut seen = seen.lock().unwrap();
        if let Notice::Dialled { .. } = notice {
            seen.attempts[number] += 1;
        } else if let Notice::Attached { took, .. } = notice {
            seen.attached[number] = Some((Instant::now(), Duration::from_millis(took.0)));
        } else if let Notice::AttachRejected { reject, .. } = notice {
            *seen.turned_away.entry(format!("rejected, {}", reject.cause.wire())).or_default() += 1;
        } else if let Notice::DialFailed { why, .. } = notice {
            *seen.turned_away.entry(why.clone()).or_default() += 1;
        }
    }));
    Obu::start(config, MemorySpool::new(SpoolId(number as u64 + 1), 16))
}
