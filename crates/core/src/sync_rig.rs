//! Two ends of a stream, and what they say to each other.

use super::{Frame, Link, Room};
use crate::epoch::Epoch;
use crate::id::{Incarnation, NodeId, RegionId, SessionId, VehicleId};
use crate::log::{Entry, LiveState, LogId};
use crate::time::{Millis, Mono};
use crate::timers::Timers;
use crate::view::{NodeInfo, View};
use crate::wake::WakeChannels;
use std::collections::VecDeque;

pub const START: Mono = Mono(1 << 40);
pub const PUMP: Millis = Millis(100);
pub const ROOM: usize = 8;
/// Frames that the queue of a slow stream takes, as that of a gateway.
pub const QUEUE: usize = 16;

pub fn info(id: &str, incarnation: u64) -> NodeInfo {
    NodeInfo {
        id: NodeId::new(id).unwrap(),
        region: RegionId::new("lux").unwrap(),
        incarnation: Incarnation(incarnation),
        vehicles_url: String::new(),
        operators_url: String::new(),
        draining: false,
        rest: Box::default(),
    }
}

pub fn view(id: &str) -> View {
    View::new(info(id, 1), Timers::default())
}

pub fn log_of(id: &str) -> LogId {
    LogId::detail(NodeId::new(id).unwrap(), Incarnation(1))
}

pub fn vehicle(n: u64) -> VehicleId {
    VehicleId::new(&format!("V{n:05}")).unwrap()
}

pub fn publish(view: &mut View, now: Mono, n: u64, state: LiveState) {
    let entry = Entry {
        epoch: Epoch(n + 1),
        session: SessionId(n),
        state,
        cause: None,
        cell: None,
        contact: now,
        sleep: Millis(0),
        wake: WakeChannels::NONE,
        cloned: false,
    };
    view.publish(now, vehicle(n), entry);
}

pub fn pumped(link: &mut Link, now: Mono, room: usize, view: &View) -> Vec<Frame> {
    let mut out = Vec::new();
    link.pump(now, Room::empty(room), view, &mut out);
    assert!(out.len() <= room, "{} frames into room for {room}", out.len());
    out
}

/// Two ends of one stream that carries frames at once.
pub struct Stream {
    pub a: Link,
    pub b: Link,
    pub room: usize,
}

impl Stream {
    pub fn open(now: Mono) -> Self {
        Self { a: Link::new(now), b: Link::new(now), room: ROOM }
    }

    /// Both ends speak once; what they said.
    pub fn turn(&mut self, now: Mono, a: &mut View, b: &mut View) -> Vec<Frame> {
        let mut said = pumped(&mut self.a, now, self.room, a);
        for frame in said.clone() {
            self.b.receive(now, frame, b).unwrap();
        }
        let answers = pumped(&mut self.b, now, self.room, b);
        for frame in answers.clone() {
            self.a.receive(now, frame, a).unwrap();
        }
        said.extend(answers);
        said
    }

    /// Speaks every 100 ms for `span`; how many frames, and how many batches among them.
    pub fn run(&mut self, now: &mut Mono, span: Millis, a: &mut View, b: &mut View) -> (usize, usize) {
        let (mut frames, mut batches) = (0, 0);
        for _ in 0..span.0 / PUMP.0 {
            *now = *now + PUMP;
            let said = self.turn(*now, a, b);
            frames += said.len();
            batches += said.iter().filter(|frame| matches!(frame, Frame::Batch(_))).count();
        }
        (frames, batches)
    }
}

/// A stream whose way from `a` to `b` is a queue that gives out so many frames a turn.
pub struct SlowStream {
    pub ends: Stream,
    pub queue: VecDeque<Frame>,
    pub drained: usize,
}

impl SlowStream {
    pub fn open(now: Mono, drained: usize) -> Self {
        Self { ends: Stream::open(now), queue: VecDeque::new(), drained }
    }

    /// What `a` has to say goes into the queue; what comes out of it is answered at once.
    pub fn turn(&mut self, now: Mono, a: &mut View, b: &mut View) {
        for frame in self.queue.drain(..self.drained.min(self.queue.len())) {
            self.ends.b.receive(now, frame, b).unwrap();
        }
        for frame in pumped(&mut self.ends.b, now, ROOM, b) {
            self.ends.a.receive(now, frame, a).unwrap();
        }
        let mut out = Vec::new();
        let free = QUEUE - self.queue.len();
        self.ends.a.pump(now, Room { free, capacity: QUEUE }, a, &mut out);
        assert!(out.len() <= free, "{} frames into room for {free}", out.len());
        self.queue.extend(out);
    }
}

pub fn agree(a: &View, b: &View, owner: &str) {
    let (one, two) = (a.log(&log_of(owner)).unwrap(), b.log(&log_of(owner)).unwrap());
    assert_eq!((one.head(), one.digest(), one.live()), (two.head(), two.digest(), two.live()));
}
