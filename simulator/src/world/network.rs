//! The modelled network: sockets as TCP has them, and the ways they fail.
//!
//! Each direction of a socket is in order and complete as long as it lasts; two sockets are not in order
//! with each other. A cut direction delivers nothing and tells nobody: what was sent waits and arrives after
//! the cut is mended, unless an end has given up by then. An end that is gone without a word leaves the
//! other half open; whoever sends to it later is told so by a reset. The network never looks into what it
//! carries and owns no end of a socket.

use super::dice::Dice;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use waygate_core::message::{Downlink, Uplink};
use waygate_core::sync::Frame;

/// A machine in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A vehicle, by index.
    Vehicle(usize),
    /// A gateway, by index.
    Gateway(usize),
}

/// Names a socket; never used again.
pub type SocketId = u64;

/// What a socket carries.
#[derive(Clone, Debug)]
pub enum Payload {
    /// From a vehicle.
    Uplink(Box<Uplink>),
    /// To a vehicle.
    Downlink(Box<Downlink>),
    /// Between gateways, and when it was sent.
    Frame(Box<Frame>, u64),
    /// WebSocket ping.
    Ping,
    /// WebSocket pong.
    Pong,
    /// The socket is closed with this code; 0 for a reset.
    End(u16),
}

/// A delivery to be scheduled: when, on which socket, in which of its two directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// When.
    pub at: u64,
    /// Which socket.
    pub socket: SocketId,
    /// 0 from the dialling end, 1 to it.
    pub way: usize,
}

/// What became of a delivery.
#[derive(Debug)]
pub enum Arrival {
    /// It waits for the cut to be mended, or there was nobody to tell.
    Nothing,
    /// It reached the open end `to`.
    Reached {
        /// Who sent it.
        from: Place,
        /// Where it is.
        to: Place,
        /// What it is.
        payload: Payload,
    },
    /// The end is gone and says so: a reset is on its way back.
    Reset(Due),
}

#[derive(Clone, Debug, Default)]
struct Way {
    queue: VecDeque<Payload>,
    stalled: usize,
    last_at: u64,
}

#[derive(Clone, Debug)]
struct Socket {
    ends: [Place; 2],
    open: [bool; 2],
    ways: [Way; 2],
}

impl Socket {
    fn end_of(&self, place: Place) -> Option<usize> {
        self.ends.iter().position(|end| *end == place)
    }
}

/// Every socket and every cut.
#[derive(Clone, Debug, Default)]
pub struct Network {
    sockets: BTreeMap<SocketId, Socket>,
    cuts: BTreeMap<(Place, Place), u32>,
    down: BTreeSet<Place>,
    held: BTreeSet<SocketId>,
    opened: u64,
}

impl Network {
    /// Opens a socket between two machines.
    pub fn open(&mut self, from: Place, to: Place) -> SocketId {
        self.opened += 1;
        let socket = Socket { ends: [from, to], open: [true; 2], ways: [Way::default(), Way::default()] };
        self.sockets.insert(self.opened, socket);
        self.opened
    }

    /// Whether a socket can be opened: both directions are whole and the machine is up.
    pub fn reaches(&self, from: Place, to: Place) -> bool {
        !self.is_cut(from, to) && !self.is_cut(to, from) && !self.down.contains(&to)
    }

    /// Whether a direction is cut.
    pub fn is_cut(&self, from: Place, to: Place) -> bool {
        self.cuts.contains_key(&(from, to))
    }

    /// Sends on a socket; nothing is due if this end of it is closed.
    pub fn send(&mut self, now: u64, id: SocketId, from: Place, payload: Payload, dice: &mut Dice) -> Option<Due> {
        let socket = self.sockets.get_mut(&id)?;
        let way = socket.end_of(from).filter(|end| socket.open[*end])?;
        if matches!(payload, Payload::End(_)) {
            socket.open[way] = false;
        }
        let due = now + latency_ms(socket.ends, dice);
        let line = &mut socket.ways[way];
        line.last_at = line.last_at.max(due);
        line.queue.push_back(payload);
        Some(Due { at: line.last_at, socket: id, way })
    }

    /// How much was sent by `from` and has not arrived.
    pub fn in_flight(&self, id: SocketId, from: Place) -> usize {
        let socket = self.sockets.get(&id);
        socket.and_then(|s| s.end_of(from).map(|end| s.ways[end].queue.len())).unwrap_or(0)
    }

    /// Where a direction of a socket leads.
    pub fn destination(&self, id: SocketId, way: usize) -> Option<Place> {
        self.sockets.get(&id).and_then(|socket| socket.ends.get(1 - way)).copied()
    }

    /// The next payload of a direction arrives.
    pub fn arrive(&mut self, now: u64, id: SocketId, way: usize, dice: &mut Dice) -> Arrival {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return Arrival::Nothing;
        };
        let (from, to) = (socket.ends[way], socket.ends[1 - way]);
        if self.cuts.contains_key(&(from, to)) || self.held.contains(&id) {
            socket.ways[way].stalled += 1;
            return Arrival::Nothing;
        }
        let Some(payload) = socket.ways[way].queue.pop_front() else {
            return Arrival::Nothing;
        };
        if socket.open[1 - way] {
            if matches!(payload, Payload::End(_)) {
                socket.open[1 - way] = false;
            }
            self.forget_if_over(id);
            return Arrival::Reached { from, to, payload };
        }
        if self.down.contains(&to) || !socket.open[way] {
            self.forget_if_over(id);
            return Arrival::Nothing;
        }
        // The end that is gone answers with a reset; it may not be sent through `send`, which is for open ends.
        let line = &mut socket.ways[1 - way];
        line.last_at = line.last_at.max(now + latency_ms([to, from], dice));
        line.queue.push_back(Payload::End(0));
        Arrival::Reset(Due { at: line.last_at, socket: id, way: 1 - way })
    }

    /// An end is gone without a word.
    pub fn abandon(&mut self, id: SocketId, place: Place) {
        if let Some(socket) = self.sockets.get_mut(&id)
            && let Some(end) = socket.end_of(place)
        {
            socket.open[end] = false;
            self.forget_if_over(id);
        }
    }

    /// The open sockets of a machine.
    pub fn sockets_of(&self, place: Place) -> Vec<SocketId> {
        let open = |s: &Socket| s.end_of(place).is_some_and(|end| s.open[end]);
        self.sockets.iter().filter(|(_, s)| open(s)).map(|(id, _)| *id).collect()
    }

    /// A machine lost its power, or has it again.
    pub fn set_down(&mut self, place: Place, down: bool) {
        if down {
            self.down.insert(place);
        } else {
            self.down.remove(&place);
        }
    }

    /// Cuts one direction. Cuts lie on each other: each is mended by itself.
    pub fn cut(&mut self, from: Place, to: Place) {
        *self.cuts.entry((from, to)).or_default() += 1;
    }

    /// Mends one cut of a direction; what waited for it is due.
    pub fn mend(&mut self, now: u64, from: Place, to: Place, dice: &mut Dice) -> Vec<Due> {
        match self.cuts.get_mut(&(from, to)) {
            Some(cuts) if *cuts > 1 => {
                *cuts -= 1;
                return Vec::new();
            }
            Some(_) => self.cuts.remove(&(from, to)),
            None => return Vec::new(),
        };
        let mut due = Vec::new();
        for (id, socket) in &mut self.sockets {
            for way in 0..2 {
                if socket.ends[way] == from && socket.ends[1 - way] == to {
                    let line = &mut socket.ways[way];
                    let at = line.last_at.max(now + latency_ms(socket.ends, dice));
                    let stalled = std::mem::take(&mut line.stalled);
                    line.last_at = at;
                    due.extend((0..stalled).map(|_| Due { at, socket: *id, way }));
                }
            }
        }
        due
    }

    /// A socket delivers nothing for a while, as if its data were stuck in a buffer on the way.
    pub fn hold(&mut self, id: SocketId) {
        self.held.insert(id);
    }

    /// What was stuck in a socket goes on.
    pub fn release(&mut self, now: u64, id: SocketId) -> Vec<Due> {
        self.held.remove(&id);
        let Some(socket) = self.sockets.get_mut(&id) else { return Vec::new() };
        let mut due = Vec::new();
        for (way, line) in socket.ways.iter_mut().enumerate() {
            line.last_at = line.last_at.max(now);
            due.extend((0..std::mem::take(&mut line.stalled)).map(|_| Due { at: line.last_at, socket: id, way }));
        }
        due
    }

    /// Every direction that is cut.
    pub fn cuts(&self) -> Vec<(Place, Place)> {
        self.cuts.iter().flat_map(|(way, count)| std::iter::repeat_n(*way, *count as usize)).collect()
    }

    /// How many sockets are kept, for the bounds.
    pub fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Whether there is no socket.
    pub fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    fn forget_if_over(&mut self, id: SocketId) {
        let over = |s: &Socket| s.open == [false; 2] && s.ways.iter().all(|way| way.queue.is_empty());
        if self.sockets.get(&id).is_some_and(over) {
            self.sockets.remove(&id);
        }
    }
}

/// A cellular link is slow and now and then much slower; one between gateways is quick.
fn latency_ms(ends: [Place; 2], dice: &mut Dice) -> u64 {
    let cellular = ends.iter().any(|end| matches!(end, Place::Vehicle(_)));
    match (cellular, dice.chance(2)) {
        (true, false) => dice.between(20, 250),
        (true, true) => dice.between(500, 4000),
        (false, false) => dice.between(1, 60),
        (false, true) => dice.between(200, 2500),
    }
}
