//! One gateway, kept whole, reads all that it must keep from the others, one after another.

use crate::carry::{Bytes, read, resident_bytes, write};
use crate::fleet::{Fleet, START};
use waygate_core::log::Scope;
use waygate_core::sync::{Link, Room};
use waygate_core::time::{Millis, Mono};
use waygate_core::view::View;
use waygate_wire::peer::halves;

/// Frames that a stream's queue takes.
const QUEUE: usize = 16;

const PUMP: Millis = Millis(100);

#[derive(Debug, Default)]
pub struct CatchUp {
    /// Shards that each region is home of.
    pub shards: Vec<usize>,
    /// Entries kept at the end.
    pub own: u64,
    pub own_directory: u64,
    pub of_others: u64,
    /// Bytes each in memory: of the own log, of what it says for other regions, of what others said.
    pub per_own: f64,
    pub per_own_directory: f64,
    pub per_other: f64,
    pub received: Bytes,
    pub snapshots: u64,
}

impl CatchUp {
    pub fn memory(&self) -> f64 {
        self.own as f64 * self.per_own
            + self.own_directory as f64 * self.per_own_directory
            + self.of_others as f64 * self.per_other
    }
}

pub fn run(fleet: &Fleet) -> CatchUp {
    let mut done = CatchUp::default();
    let (kept, each) = (fleet.typical(), fleet.vehicles_each());
    done.shards = fleet.shards();
    // What the own log takes, and what it says for others beside it.
    let begun = resident_bytes();
    let plain = Fleet { homes: None, ..Fleet { homes: fleet.homes.clone(), ..*fleet } };
    let mut detail = plain.gateway(kept);
    (0..each).for_each(|n| plain.vehicle(kept, n).go_on(START, &mut detail));
    let with_detail = resident_bytes();
    let mut home = fleet.gateway(kept);
    (0..each).for_each(|n| fleet.vehicle(kept, n).go_on(START, &mut home));
    let with_both = resident_bytes();
    done.per_own = (with_detail - begun) as f64 / each as f64;
    done.own = each;
    if fleet.homes.is_some() {
        done.own_directory = each;
        done.per_own_directory = (with_both - with_detail) as f64 / each as f64 - done.per_own;
    }
    drop(detail);

    let (mut first, mut last) = (None, None);
    for (at, n) in (0..fleet.regions).filter(|n| *n != kept).enumerate() {
        let mut owner = fleet.gateway(n);
        (0..each).for_each(|v| fleet.vehicle(n, v).go_on(START, &mut owner));
        read_all(fleet, n, &mut owner, &mut home, &mut done);
        // What was freed of the one before is used again, so from the second on only what is kept grows.
        let measured = (resident_bytes(), kept_of_others(&home));
        if at >= 1 {
            first = first.or(Some(measured));
            last = Some(measured);
        }
    }
    done.of_others = kept_of_others(&home);
    if let (Some((bytes, kept)), Some((more, all))) = (first, last) {
        done.per_other = more.saturating_sub(bytes) as f64 / (all - kept).max(1) as f64;
    }
    done
}

fn kept_of_others(view: &View) -> u64 {
    let others = view.logs().filter(|log| log.id().owner != view.me().id);
    others.map(|log| log.len() as u64).sum()
}

/// Both ends speak until all is held.
fn read_all(fleet: &Fleet, n: usize, owner: &mut View, home: &mut View, done: &mut CatchUp) {
    let id = fleet.shown(n);
    let (mut there, mut here) = (Link::new(START), Link::new(START));
    let ((mut says, mut hears), (mut writes, mut reads)) = (halves(), halves());
    let mut now: Mono = START;
    while home.log(&id).map_or(0, |log| log.head()) < owner.log(&id).unwrap().head() {
        now = now + PUMP;
        let mut frames = Vec::new();
        there.pump(now, Room::empty(QUEUE), owner, &mut frames);
        for frame in frames {
            let (bytes, counted) = write(&mut says, frame);
            done.received.add(counted);
            here.receive(now, read(&mut reads, &bytes), home).unwrap();
        }
        let mut answers = Vec::new();
        here.pump(now, Room::empty(QUEUE), home, &mut answers);
        for frame in answers {
            let (bytes, _) = write(&mut writes, frame);
            there.receive(now, read(&mut hears, &bytes), owner).unwrap();
        }
    }
    done.snapshots += there.counters().snapshots_sent;
    assert_eq!(home.log(&id).unwrap().id().scope == Scope::Directory, fleet.homes.is_some());
}
