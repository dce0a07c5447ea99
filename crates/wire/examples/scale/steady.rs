//! All gateways at once, a stream between any two, while vehicles live their day.

use crate::carry::{Bytes, read, write};
use crate::fleet::{Fleet, START, Vehicle};
use std::collections::VecDeque;
use std::time::Instant;
use waygate_core::homes::Shard;
use waygate_core::id::VehicleId;
use waygate_core::sync::{Link, Room};
use waygate_core::time::{Millis, Mono};
use waygate_core::view::{Liveness, View};
use waygate_wire::peer::{FrameReader, FrameWriter, halves};

/// The grain of time.
const TICK: Millis = Millis(20);

/// How often a gateway looks at its streams.
const PUMP: Millis = Millis(100);

/// Frames that a stream's queue takes.
const QUEUE: usize = 16;

/// Every so manieth change is watched until all its homes know.
const WATCHED: u64 = 20;

/// What a gateway sent a second, on average, and how long it took until homes knew.
#[derive(Debug)]
pub struct Steady {
    pub factor: u64,
    pub changes: u64,
    pub told: u64,
    pub seconds: f64,
    pub gateways: usize,
    /// Of all gateways, as sent.
    pub sent: Bytes,
    /// Milliseconds from a change to each of its homes, in order.
    pub took: Vec<u64>,
    pub never: usize,
    pub mismatches: u64,
    pub gaps: u64,
    /// Of one core, all gateways together.
    pub processor_seconds: f64,
}

impl Steady {
    pub fn a_second(&self, bytes: u64) -> f64 {
        bytes as f64 / self.seconds / self.gateways as f64
    }

    pub fn quantile(&self, q: f64) -> u64 {
        let last = self.took.len().saturating_sub(1);
        self.took.get((last as f64 * q).round() as usize).copied().unwrap_or_default()
    }
}

/// A change that not all have seen.
struct Watched {
    owner: usize,
    vehicle: VehicleId,
    seq: u64,
    since: Mono,
    waits_for: Vec<usize>,
}

struct Wire {
    ends: [usize; 2],
    links: [Link; 2],
    halves: [(FrameWriter, FrameReader); 2],
    /// What each end has sent and the other has not read.
    way: [VecDeque<(Mono, Vec<u8>)>; 2],
}

struct Mesh<'a> {
    fleet: &'a Fleet,
    views: Vec<View>,
    vehicles: Vec<Vec<Vehicle>>,
    wires: Vec<Wire>,
    now: Mono,
    sent: Bytes,
    dice: u64,
    due: f64,
    changes: u64,
    told: u64,
    watched: Vec<Watched>,
    took: Vec<u64>,
}

pub fn run(fleet: &Fleet, factor: u64) -> Steady {
    let mut mesh = Mesh::new(fleet);
    // Everyone reads what there is, then it goes on for a while.
    mesh.run(Millis::secs(5), 0.0);
    mesh.run(Millis::secs(5), factor as f64);
    let settled = (mesh.sent, mesh.changes, mesh.told);
    (mesh.watched, mesh.took) = (Vec::new(), Vec::new());
    let started = Instant::now();
    mesh.run(Millis::secs(fleet.seconds), factor as f64);
    let took = started.elapsed().as_secs_f64();
    let (mut sent, changes, told) = (mesh.sent, mesh.changes - settled.1, mesh.told - settled.2);
    sent.take(settled.0);
    mesh.run(Millis::secs(5), 0.0);
    mesh.took.sort_unstable();
    let counters: Vec<_> = mesh.wires.iter().flat_map(|wire| &wire.links).map(Link::counters).collect();
    Steady {
        factor,
        changes,
        told,
        seconds: fleet.seconds as f64,
        gateways: fleet.regions,
        sent,
        never: mesh.watched.len(),
        took: mesh.took,
        mismatches: counters.iter().map(|counters| counters.digest_mismatches).sum(),
        gaps: counters.iter().map(|counters| counters.gaps).sum(),
        processor_seconds: took,
    }
}

impl<'a> Mesh<'a> {
    fn new(fleet: &'a Fleet) -> Self {
        let mut views: Vec<_> = (0..fleet.regions).map(|n| fleet.gateway_that_hears_all(n)).collect();
        let vehicles = views.iter_mut().enumerate().map(|(n, view)| fleet.fill(view, n, fleet.sample)).collect();
        let pairs = (0..fleet.regions).flat_map(|a| (a + 1..fleet.regions).map(move |b| [a, b]));
        let wire = |ends| Wire {
            ends,
            links: [Link::new(START), Link::new(START)],
            halves: [halves(), halves()],
            way: Default::default(),
        };
        Self {
            fleet,
            views,
            vehicles,
            wires: pairs.map(wire).collect(),
            now: START,
            sent: Bytes::default(),
            dice: 1,
            due: 0.0,
            changes: 0,
            told: 0,
            watched: Vec::new(),
            took: Vec::new(),
        }
    }

    /// `factor` times the average rate of changes, for so long.
    fn run(&mut self, span: Millis, factor: f64) {
        for _ in 0..span.0 / TICK.0 {
            self.now = self.now + TICK;
            self.due += factor * self.fleet.changes_each() * self.fleet.regions as f64 * TICK.0 as f64 / 1000.0;
            while self.due >= 1.0 {
                self.due -= 1.0;
                self.change();
            }
            for wire in &mut self.wires {
                wire.turn(self.now, &mut self.views, self.fleet.delay, &mut self.sent);
            }
            self.watch();
        }
    }

    fn dice(&mut self, sides: u64) -> u64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % sides
    }

    fn change(&mut self) {
        let owner = self.dice(self.fleet.regions as u64) as usize;
        let n = self.dice(self.fleet.sample) as usize;
        let shown = self.fleet.shown(owner);
        let before = self.views[owner].log(&shown).unwrap().head();
        let vehicle = &mut self.vehicles[owner][n];
        vehicle.go_on(self.now, &mut self.views[owner]);
        self.changes += 1;
        let seq = self.views[owner].log(&shown).unwrap().head();
        if seq == before {
            return;
        }
        self.told += 1;
        if self.told.is_multiple_of(WATCHED) {
            let vehicle = vehicle.id.clone();
            let keeps = |n: &usize| self.views[*n].interest().is_none_or(|kept| kept.has(Shard::of(&vehicle)));
            let waits_for = (0..self.fleet.regions).filter(|n| *n != owner).filter(keeps).collect();
            self.watched.push(Watched { owner, vehicle, seq, since: self.now, waits_for });
        }
    }

    fn watch(&mut self) {
        let Self { watched, views, took, now, fleet, .. } = self;
        watched.retain_mut(|watched| {
            let id = fleet.shown(watched.owner);
            watched.waits_for.retain(|n| {
                let slot = views[*n].log(&id).and_then(|log| log.slot(&watched.vehicle));
                let knows = slot.is_some_and(|slot| slot.seq >= watched.seq);
                if knows {
                    took.push(now.since(watched.since).0);
                }
                !knows
            });
            !watched.waits_for.is_empty()
        });
    }
}

impl Wire {
    fn turn(&mut self, now: Mono, views: &mut [View], delay: Millis, sent: &mut Bytes) {
        for end in [0, 1] {
            let view = &mut views[self.ends[end]];
            while let Some((_, bytes)) = self.way[1 - end].pop_front_if(|(at, _)| *at <= now) {
                let link = &mut self.links[end];
                link.receive(now, read(&mut self.halves[end].1, &bytes), view).unwrap();
                let peer = link.peer().cloned().unwrap();
                view.note_spoken(now, &peer);
                if let Some(heard) = link.level() {
                    view.set_liveness(&peer.id, Liveness::Alive { heard });
                }
            }
            // Gateways do not look at the same moment.
            let phase = self.ends[end] as u64 * 7 * TICK.0 % PUMP.0;
            if (now.since(START).0 + phase).is_multiple_of(PUMP.0) {
                let mut frames = Vec::new();
                self.links[end].pump(now, Room::empty(QUEUE), view, &mut frames);
                for frame in frames {
                    let (bytes, counted) = write(&mut self.halves[end].0, frame);
                    sent.add(counted);
                    self.way[end].push_back((now + delay, bytes));
                }
            }
        }
    }
}

impl Bytes {
    fn take(&mut self, less: Self) {
        self.entries -= less.entries;
        self.around -= less.around;
        self.cursors -= less.cursors;
        self.other -= less.other;
        self.frames -= less.frames;
        self.entry_count -= less.entry_count;
    }
}
