//! Several gateways, their network, and what a test does to them.

use super::disk::Disk;
use super::gateway::{Host, LOOK, Order, Tokens};
use super::net::url;
use super::seen::Seen;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::oneshot;
use turmoil::{Builder, Sim};
use waygate_core::membership::Standing;

/// Time goes on by so much at once. No link is quicker.
const STEP: Duration = Duration::from_millis(10);

/// Messages take between these.
const LATENCY: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(80)];

/// When every simulation begins: some moment of 2026.
const BEGIN_S: u64 = 1_780_000_000;

/// How long a gateway may take to end.
const LEAVE: Duration = Duration::from_secs(5);

pub struct Cluster {
    pub sim: Sim<'static>,
    hosts: BTreeMap<String, Host>,
    tokens: Tokens,
    trace: Arc<Mutex<Vec<String>>>,
    seed: u64,
}

impl Cluster {
    /// Gateways by name and region, all given the address of the first alone. Each has a vehicle that is named after it.
    pub fn new(seed: u64, gateways: &[(&str, &str)]) -> Self {
        let sim = Builder::new()
            .rng_seed(seed)
            .epoch(UNIX_EPOCH + Duration::from_secs(BEGIN_S))
            .simulation_duration(Duration::from_secs(24 * 3600))
            .tick_duration(STEP)
            .min_message_latency(LATENCY[0])
            .max_message_latency(LATENCY[1])
            .tcp_capacity(1024)
            .build();
        let (tokens, trace) = (Tokens::default(), Arc::default());
        let mut cluster = Self { sim, hosts: BTreeMap::new(), tokens, trace, seed };
        let mut regions: Vec<String> = gateways.iter().map(|(_, region)| (*region).to_owned()).collect();
        regions.dedup();
        for (name, region) in gateways {
            cluster.add(name, region, &regions, gateways[0].0);
        }
        for (name, _) in gateways {
            cluster.attach(&vehicle_of(name), name);
        }
        cluster
    }

    fn add(&mut self, name: &str, region: &str, regions: &[String], seed_at: &str) {
        let seeds = if name == seed_at { Vec::new() } else { vec![url(seed_at)] };
        let host = Host {
            name: name.to_owned(),
            region: region.to_owned(),
            regions: regions.to_vec(),
            seeds,
            disk: Disk::default(),
            chance: self.seed.wrapping_mul(1000).wrapping_add(100 * self.hosts.len() as u64),
            seen: Arc::default(),
            orders: Arc::default(),
            tokens: self.tokens.clone(),
            trace: self.trace.clone(),
        };
        self.hosts.insert(name.to_owned(), host.clone());
        self.sim.host(name, move || host.clone().live());
        // Its first life is ready to be ordered about.
        self.run(STEP);
    }

    /// A vehicle attaches at a gateway, with the token that it has.
    pub fn attach(&self, vehicle: &str, at: &str) {
        self.order(at, Order::Attach(vehicle.to_owned()));
    }

    /// A gateway stops on purpose. Returns when its process has ended.
    pub fn leave(&mut self, name: &str) {
        let (left, mut has_left) = oneshot::channel();
        self.order(name, Order::Leave(left));
        let until = self.sim.elapsed() + LEAVE;
        while has_left.try_recv().is_err() {
            assert!(self.sim.elapsed() < until, "{name} does not end\n{}", self.describe());
            self.run(STEP);
        }
        self.sim.crash(name);
    }

    /// It is gone from one moment to the next, and says nothing more: not even that its sockets are closed.
    pub fn kill(&mut self, name: &str) {
        let others: Vec<_> = self.hosts.keys().filter(|other| *other != name).cloned().collect();
        others.iter().for_each(|other| self.sim.partition(name, other.as_str()));
        self.sim.crash(name);
        others.iter().for_each(|other| self.sim.repair(name, other.as_str()));
        *self.hosts[name].seen.lock().unwrap() = Seen::default();
    }

    /// It begins its next life.
    pub fn start(&mut self, name: &str) {
        self.sim.bounce(name);
    }

    fn order(&self, name: &str, order: Order) {
        let orders = self.hosts[name].orders.lock().unwrap();
        assert!(orders.as_ref().unwrap().try_send(order).is_ok(), "{name} takes no orders");
    }

    /// Time goes on.
    pub fn run(&mut self, time: Duration) {
        let until = self.sim.elapsed() + time;
        while self.sim.elapsed() < until {
            self.sim.step().unwrap();
        }
    }

    /// Time goes on until it is so, at most so long. Returns how long it took.
    pub fn until(&mut self, within: Duration, what: &str, is: impl Fn(&Self) -> bool) -> Duration {
        let began = self.sim.elapsed();
        loop {
            let took = self.sim.elapsed() - began;
            if is(self) {
                return took;
            }
            assert!(took < within, "after {took:?} it is not so: {what}\n{}", self.describe());
            self.run(LOOK);
        }
    }

    /// It stays so for so long.
    pub fn throughout(&mut self, time: Duration, what: &str, is: impl Fn(&Self) -> bool) {
        let until = self.sim.elapsed() + time;
        while self.sim.elapsed() < until {
            assert!(is(self), "it is not so any more: {what}\n{}", self.describe());
            self.run(LOOK);
        }
    }

    /// What a gateway knows.
    pub fn seen(&self, name: &str) -> Seen {
        self.hosts[name].seen.lock().unwrap().clone()
    }

    /// What happened, a line each: when, where, what.
    pub fn trace(&self) -> Vec<String> {
        self.trace.lock().unwrap().clone()
    }

    /// Whether these hear each other, hold the same logs and show the same of all, nothing of each other as stale.
    pub fn agree(&self, names: &[&str]) -> bool {
        let first = self.seen(names[0]);
        let fresh = |seen: &Seen, owner: &str| {
            let shown = seen.vehicles_of(owner);
            seen.logs.keys().any(|(of, _)| of == owner) && shown.iter().all(|shown| ["Online", "Idle"].contains(shown))
        };
        self.same_logs(names)
            && names.iter().all(|name| {
                let seen = self.seen(name);
                let heard = names.iter().all(|other| other == name || seen.heard.contains_key(*other));
                heard && seen.vehicles == first.vehicles && names.iter().all(|owner| fresh(&seen, owner))
            })
    }

    /// Whether these hold the same logs: as much of each, with the same in it.
    pub fn same_logs(&self, names: &[&str]) -> bool {
        let first = self.seen(names[0]);
        let all = self.hosts.keys().all(|owner| first.logs.keys().any(|(of, _)| of == owner));
        all && names.iter().all(|name| self.seen(name).logs == first.logs)
    }

    /// Whether each of these holds all others for members that answer.
    pub fn all_alive(&self, names: &[&str]) -> bool {
        names.iter().all(|name| {
            let seen = self.seen(name);
            names.iter().all(|of| of == name || seen.standings.get(*of) == Some(&Standing::Alive))
        })
    }

    fn describe(&self) -> String {
        let line = |(name, host): (&String, &Host)| format!("{name}: {:#?}\n", host.seen.lock().unwrap());
        let mut text: String = self.hosts.iter().map(line).collect();
        let trace = self.trace.lock().unwrap();
        text.extend(trace.iter().rev().take(40).rev().map(|line| format!("{line}\n")));
        text
    }
}

/// The vehicle that begins at a gateway.
pub fn vehicle_of(gateway: &str) -> String {
    format!("V-{gateway}")
}
