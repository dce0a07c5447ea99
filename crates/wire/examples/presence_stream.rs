//! Measures what presence between gateways costs: bytes a change on the wire, entries applied a second on one core, from
//! bytes to the view, and memory an entry.
//!
//! `cargo run --release -p waygate-wire --example presence_stream -- [ENTRIES]`
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_types)]

use prost::Message;
use std::time::Instant;
use waygate_core::cell::Cell;
use waygate_core::epoch::Epoch;
use waygate_core::id::{Incarnation, NodeId, RegionId, SessionId, VehicleId};
use waygate_core::log::{Entry, LiveState};
use waygate_core::record::Position;
use waygate_core::sync::{Frame, Link, Room};
use waygate_core::time::{Millis, Mono};
use waygate_core::timers::Timers;
use waygate_core::view::{NodeInfo, View};
use waygate_core::wake::WakeChannels;
use waygate_wire::peer::{FrameReader, FrameWriter, halves};
use waygate_wire::proto::SyncFrame;

/// Some hours after the boot.
const START: Mono = Mono(1 << 24);

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

fn main() {
    let entries = std::env::args().nth(1).map_or(1_000_000, |entries| entries.parse().unwrap());
    let mut owner = View::new(info("west-1"), Timers::default());
    let before = resident_bytes();
    (0..entries).for_each(|n| publish(&mut owner, n, LiveState::Connected));
    let held = resident_bytes();
    println!("{entries} entries of the own log: {} bytes each in memory", (held - before) / entries);

    let mut peer = View::new(info("east-1"), Timers::default());
    let (mut here, mut there) = (End::new(), End::new());
    let frames = exchange(&mut here, &mut there, &mut owner, &mut peer);
    println!(
        "read by a peer: {:.2} bytes an entry on the wire, {:.0} entries a second and core from bytes to the view, {} bytes \
         each in memory",
        frames.bytes as f64 / entries as f64,
        entries as f64 / frames.applying,
        (resident_bytes() - held) / entries,
    );
    println!("and written for it: {:.0} entries a second and core", entries as f64 / frames.writing);

    for changes in [1, 32, 512] {
        (0..changes).for_each(|n| publish(&mut owner, n * 7 % entries, LiveState::Idle));
        let frames = exchange(&mut here, &mut there, &mut owner, &mut peer);
        println!("{changes} changes in one flush: {:.1} bytes a change", frames.bytes as f64 / changes as f64);
    }
}

#[derive(Default)]
struct Sent {
    bytes: usize,
    writing: f64,
    applying: f64,
}

/// One end of the stream: what decides, and what stands on the wire.
struct End {
    link: Link,
    writer: FrameWriter,
    reader: FrameReader,
}

impl End {
    fn new() -> Self {
        let (writer, reader) = halves();
        Self { link: Link::new(START), writer, reader }
    }

    fn says(&mut self, frame: Frame) -> Vec<u8> {
        self.writer.write(frame).encode_to_vec()
    }

    fn reads(&mut self, bytes: &[u8]) -> Frame {
        self.reader.read(SyncFrame::decode(bytes).unwrap()).unwrap().frame.unwrap()
    }
}

/// Both ends speak until the peer holds all; bytes and seconds of the owner's batches.
fn exchange(here: &mut End, there: &mut End, owner: &mut View, peer: &mut View) -> Sent {
    let mut sent = Sent::default();
    let log = owner.own_log_id();
    let mut now = START;
    while peer.log(&log).map_or(0, |log| log.head()) < owner.log(&log).unwrap().head() {
        now = now + Millis::secs(1);
        let (mut frames, started) = (Vec::new(), Instant::now());
        here.link.pump(now, Room::empty(16), owner, &mut frames);
        let batches = frames.iter().filter(|frame| matches!(frame, Frame::Batch(_))).count();
        let written: Vec<_> = frames.into_iter().map(|frame| here.says(frame)).collect();
        sent.writing += started.elapsed().as_secs_f64();
        for bytes in written {
            let started = Instant::now();
            let frame = there.reads(&bytes);
            let batch = matches!(frame, Frame::Batch(_)) && batches > 0;
            there.link.receive(now, frame, peer).unwrap();
            if batch {
                sent.bytes += bytes.len();
                sent.applying += started.elapsed().as_secs_f64();
            }
        }
        let mut answers = Vec::new();
        there.link.pump(now, Room::empty(16), peer, &mut answers);
        for frame in answers {
            let frame = here.reads(&there.says(frame));
            here.link.receive(now, frame, owner).unwrap();
        }
    }
    sent
}

fn publish(view: &mut View, n: u64, state: LiveState) {
    // Neighbours in the log have little in common but what all have.
    let drawn = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let degrees = |bits: u64| (bits % 2000) as f64 / 1000.0;
    let cell = Cell::of(Position::from_degrees(49.0 + degrees(drawn >> 20), 6.0 + degrees(drawn >> 40)));
    let entry = Entry {
        epoch: Epoch((1_795_219_200_000 + drawn % DAY_MS) << 16),
        session: SessionId(drawn.rotate_left(32) ^ drawn.wrapping_mul(drawn)),
        state,
        cause: None,
        cell,
        contact: START.before(Millis(drawn % HOUR_MS)),
        sleep: Millis(0),
        wake: WakeChannels::NONE,
        cloned: false,
    };
    view.publish(START, VehicleId::new(&format!("WVWZZZ1JZX{:07}", n * 7919 % 10_000_000)).unwrap(), entry);
}

fn info(id: &str) -> NodeInfo {
    NodeInfo {
        id: NodeId::new(id).unwrap(),
        region: RegionId::new(id.split('-').next().unwrap()).unwrap(),
        incarnation: Incarnation(1_795_219_200),
        vehicles_url: "ws://gateway.example:7800/v1/obu".to_owned(),
        operators_url: "http://gateway.example:7801".to_owned(),
        draining: false,
        rest: Box::default(),
    }
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
