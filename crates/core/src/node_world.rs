//! A small world of gateways around the machine under test: a network that delays, cuts and heals, disks that break,
//! clocks that differ, and vehicles that carry their token from one gateway to the next.

use super::super::{Action, Event, HangUp, LinkId, Node};
use crate::cause::{DetachCause, RejectCause};
use crate::digest::Sum;
use crate::epoch::Epoch;
use crate::homes::{HomeRegions, Part, Shard};
use crate::id::{ConnId, Incarnation, NodeId, RegionId, SessionId, SpoolId, VehicleId};
use crate::log::{Entry, Scope};
use crate::message::{AttachKind, AttachRequest, Downlink};
use crate::ranges::SeqRanges;
use crate::record::SpoolReport;
use crate::registrar::Event as RegistrarEvent;
use crate::session::{Action as SessionAction, Phase};
use crate::sync::{Frame, LOST_AFTER, Room};
use crate::time::{Millis, Mono, Wall};
use crate::timers::Timers;
use crate::token::KeyRing;
use crate::view::{Known, NodeInfo, StaleWhy};
use crate::wake::WakeChannels;
use std::collections::{BTreeMap, VecDeque};

pub const NODES: [&str; 3] = ["a", "b", "c"];
pub const VEHICLES: usize = 4;
const TURN: Millis = Millis(250);
const ROOM: usize = 4;
const NOON: i64 = 1_795_219_200_000;

/// State, whether it is stale, owner and epoch.
pub type Shown = (Known, Option<StaleWhy>, NodeId, Epoch);

pub fn vehicle(n: usize) -> VehicleId {
    VehicleId::new(&format!("V{n}")).unwrap()
}

pub fn info(at: usize, life: u64) -> NodeInfo {
    NodeInfo {
        id: NodeId::new(NODES[at]).unwrap(),
        region: RegionId::new("lux").unwrap(),
        incarnation: Incarnation(life),
        vehicles_url: String::new(),
        operators_url: String::new(),
        draining: false,
        rest: Box::default(),
    }
}

/// Where each gateway has a region of its own: how many there are, and how many of them keep each vehicle.
#[derive(Clone, Copy, Debug)]
pub struct Regions {
    pub count: usize,
    pub kept: usize,
}

impl Regions {
    pub fn homes(self) -> HomeRegions {
        let list = NODES[..self.count].iter().map(|name| RegionId::new(name).unwrap()).collect();
        HomeRegions::new(list, Some(self.kept.min(self.count))).unwrap()
    }
}

fn born(at: usize, life: u64, regions: Option<Regions>) -> Node {
    let mut info = info(at, life);
    if regions.is_some() {
        info.region = RegionId::new(NODES[at]).unwrap();
    }
    let mut keys = KeyRing::default();
    for region in NODES.iter().chain(&["lux"]) {
        keys.insert(RegionId::new(region).unwrap(), b"a key of the region".to_vec());
    }
    Node::new(info, Timers::default(), keys).with_homes(regions.map(Regions::homes))
}

/// A gateway with its disk, its clocks and its sockets.
pub struct Gateway {
    pub node: Node,
    life: u64,
    /// Where its monotonic clock stands when the world begins, and how far its wall clock is off.
    origin: Mono,
    skew_ms: i64,
    /// Whether every write fails.
    pub broken: bool,
    disk: BTreeMap<VehicleId, Entry>,
    to_disk: VecDeque<(VehicleId, Entry)>,
    pub sockets: BTreeMap<ConnId, usize>,
    /// The vehicles of which operators were told that there seem to be several.
    pub reported: Vec<VehicleId>,
    /// What a live feed made of `VehicleChanged` and `NodeChanged` shows.
    feed: BTreeMap<VehicleId, Shown>,
}

/// A stream between two gateways: what is on its way in each direction, with the time of arrival.
struct Wire {
    ends: [(usize, LinkId); 2],
    open: [bool; 2],
    on_the_way: [VecDeque<(Millis, Frame)>; 2],
}

/// Gateways, the network between them, and vehicles that attach wherever they like with the token they were given.
pub struct World {
    pub at: Millis,
    pub gateways: Vec<Gateway>,
    /// If they are told apart; else there is one.
    regions: Option<Regions>,
    wires: Vec<Wire>,
    /// Who does not reach whom.
    pub cut: [[bool; 3]; 3],
    pub tokens: Vec<Option<Vec<u8>>>,
    /// The last attach of each vehicle, as it was told.
    pub told: Vec<Option<(SessionId, Epoch)>>,
    /// The newest socket of each vehicle, until it is closed or lost.
    pub rides: Vec<Option<(usize, ConnId)>>,
    /// When a vehicle without a socket was last heard.
    left: Vec<Option<Millis>>,
    /// Sockets the vehicle left without a word, and when their gateway notices.
    ghosts: Vec<(Millis, usize, ConnId)>,
    ids: u64,
    delays_ms: Vec<u64>,
    /// How many batches were sent.
    pub batches: usize,
    /// Attaches that were rejected, and where.
    pub rejects: Vec<(usize, RejectCause)>,
}

impl World {
    pub fn new(count: usize, delays_ms: Vec<u64>, skews_ms: &[i64]) -> Self {
        Self::spread(count, None, delays_ms, skews_ms)
    }

    /// With regions that keep what they are home of.
    pub fn spread(count: usize, regions: Option<Regions>, delays_ms: Vec<u64>, skews_ms: &[i64]) -> Self {
        let gateway = |at: usize| Gateway {
            node: born(at, 1, regions),
            life: 1,
            origin: Mono((1 << 40) + 77_777 * at as u64),
            skew_ms: skews_ms[at],
            broken: false,
            disk: BTreeMap::new(),
            to_disk: VecDeque::new(),
            sockets: BTreeMap::new(),
            reported: Vec::new(),
            feed: BTreeMap::new(),
        };
        Self {
            at: Millis(0),
            gateways: (0..count).map(gateway).collect(),
            regions,
            wires: Vec::new(),
            cut: [[false; 3]; 3],
            tokens: vec![None; VEHICLES],
            told: vec![None; VEHICLES],
            rides: vec![None; VEHICLES],
            left: vec![None; VEHICLES],
            ghosts: Vec::new(),
            ids: 0,
            delays_ms,
            batches: 0,
            rejects: Vec::new(),
        }
    }

    pub fn id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    pub fn now(&self, g: usize) -> Mono {
        self.gateways[g].origin + self.at
    }

    pub fn does(&mut self, g: usize, event: Event) {
        let mut out = Vec::new();
        let now = self.now(g);
        self.gateways[g].node.apply(now, event, &mut out);
        for action in out {
            self.perform(g, action);
        }
    }

    fn perform(&mut self, g: usize, action: Action) {
        match action {
            Action::Session(action) => self.perform_session(g, action),
            Action::SendFrame(link, frame) => {
                self.batches += usize::from(matches!(frame, Frame::Batch(_)));
                let delay = Millis(self.delays_ms[self.ids as usize % self.delays_ms.len()]);
                self.ids += 1;
                let due = self.at + delay;
                if let Some((wire, end)) = self.wire(g, link) {
                    // In order: nothing arrives before what was sent earlier.
                    let due = wire.on_the_way[end].back().map_or(due, |(last, _)| due.max(*last));
                    wire.on_the_way[end].push_back((due, frame));
                }
            }
            Action::HangUp(link, why) => {
                assert!(matches!(why, HangUp::Twin | HangUp::Silent), "{why:?}");
                if let Some((wire, end)) = self.wire(g, link) {
                    wire.open[end] = false;
                }
            }
            Action::TellOutranked { node, vehicle, lost, by, detached } => {
                let to = NODES.iter().position(|id| *id == node.as_str()).unwrap();
                if !self.cut[g][to] {
                    self.does(to, Event::ToldOutranked { vehicle, lost, by, detached });
                }
            }
            Action::Outlived(life) => panic!("gateway {g} is told of a life {life:?} that it does not know"),
            Action::VehicleChanged(vehicle) => {
                self.show(g, &vehicle);
            }
            Action::NodeChanged(owner) => {
                let of_owner = |shown: &Shown| shown.2 == owner;
                let feed = &self.gateways[g].feed;
                let shown: Vec<_> = feed.iter().filter(|(_, s)| of_owner(s)).map(|(v, _)| v.clone()).collect();
                shown.iter().for_each(|vehicle| self.show(g, vehicle));
            }
        }
    }

    fn perform_session(&mut self, g: usize, action: SessionAction) {
        match action {
            SessionAction::Persist { vehicle, entry, answer: true, .. } => {
                self.gateways[g].to_disk.push_back((vehicle, entry));
            }
            SessionAction::Persist { vehicle, entry, .. } => self.write(g, vehicle, entry),
            SessionAction::Accept(conn, it) => {
                let token = self.gateways[g].node.registrar().token(&it.vehicle, it.session, it.epoch);
                let v = self.gateways[g].sockets[&conn];
                if self.rides[v] == Some((g, conn)) {
                    self.tokens[v] = Some(token);
                    let last = self.told[v].replace((it.session, it.epoch));
                    let higher = last.is_none_or(|last| it.epoch > last.1 || (it.session, it.epoch) == last);
                    assert!(higher, "{last:?} then {:?} {:?}", it.session, it.epoch);
                }
            }
            SessionAction::Close(conn, _) => {
                // A socket that the vehicle left without a word was last heard then.
                let ghost = self.ghosts.iter().find(|(_, at, ghost)| (*at, *ghost) == (g, conn));
                self.loses(g, conn, ghost.map_or(self.at, |(since, ..)| *since));
            }
            SessionAction::Supersede { node, vehicle, session, epoch, by, .. } => {
                let to = NODES.iter().position(|id| *id == node.as_str()).unwrap();
                if !self.cut[g][to] {
                    self.does(to, Event::Session(RegistrarEvent::Superseded { vehicle, session, epoch, by }));
                }
            }
            SessionAction::ReportClone(vehicle) => self.gateways[g].reported.push(vehicle),
            SessionAction::Send(_, Downlink::AttachReject(reject)) => self.rejects.push((g, reject.cause)),
            SessionAction::Send(..) => {}
            SessionAction::Publish(..) => panic!("a publication ends at the node"),
        }
    }

    /// The disk refuses what belongs to an older attach, as the store does.
    fn write(&mut self, g: usize, vehicle: VehicleId, entry: Entry) {
        let disk = &mut self.gateways[g].disk;
        if disk.get(&vehicle).is_none_or(|kept| kept.epoch <= entry.epoch) {
            disk.insert(vehicle, entry);
        }
    }

    /// A socket ends; its last frame came at `heard`.
    pub fn loses(&mut self, g: usize, conn: ConnId, heard: Millis) {
        if let Some(v) = self.gateways[g].sockets.remove(&conn) {
            if self.rides[v] == Some((g, conn)) {
                (self.rides[v], self.left[v]) = (None, Some(self.at));
            }
            let contact = self.gateways[g].origin + heard;
            self.does(g, Event::Session(RegistrarEvent::SocketLost { conn, contact }));
        }
    }

    pub fn shown(&self, g: usize, vehicle: &VehicleId) -> Option<Shown> {
        let sight = self.gateways[g].node.view().sight(self.now(g), vehicle)?;
        Some((sight.known, sight.stale, sight.owner, sight.epoch))
    }

    fn show(&mut self, g: usize, vehicle: &VehicleId) {
        match self.shown(g, vehicle) {
            Some(shown) => drop(self.gateways[g].feed.insert(vehicle.clone(), shown)),
            None => drop(self.gateways[g].feed.remove(vehicle)),
        }
    }

    fn wire(&mut self, g: usize, link: LinkId) -> Option<(&mut Wire, usize)> {
        let end = |wire: &Wire| wire.ends.iter().position(|it| *it == (g, link));
        self.wires.iter_mut().find_map(|wire| end(wire).map(|end| (wire, end)))
    }

    pub fn attaches(&mut self, v: usize, g: usize) {
        let conn = ConnId(self.id());
        self.gateways[g].sockets.insert(conn, v);
        if let Some((old, conn)) = self.rides[v].replace((g, conn)) {
            self.ghosts.push((self.at, old, conn));
        }
        self.left[v] = None;
        let request = AttachRequest {
            vehicle: vehicle(v),
            kind: AttachKind::Resume,
            token: self.tokens[v].clone(),
            boot_id: String::new(),
            spool: SpoolReport { id: SpoolId(1), oldest: 1, last: 0, acked: SeqRanges::new() },
            position: None,
            clock: None,
            signals: Vec::new(),
            wake: WakeChannels::NONE,
        };
        let wall = Wall(NOON + self.gateways[g].skew_ms + self.at.0 as i64);
        let (request, fresh) = (Box::new(request), SessionId(self.id()));
        let (known, connected_elsewhere) = (None, false);
        let event = RegistrarEvent::AttachRequested { conn, request, known, connected_elsewhere, wall, fresh };
        self.does(g, Event::Session(event));
    }

    /// The vehicle says goodbye.
    pub fn leaves(&mut self, v: usize) {
        if let Some((g, conn)) = self.rides[v] {
            self.does(g, Event::Session(RegistrarEvent::DetachRequested(conn, DetachCause::Service)));
            self.loses(g, conn, self.at);
        }
    }

    /// The process is killed and starts again from its disk; what was on its way there is lost.
    pub fn restarts(&mut self, g: usize) {
        self.wires.iter_mut().for_each(|wire| (0..2).for_each(|end| wire.open[end] &= wire.ends[end].0 != g));
        for v in std::mem::take(&mut self.gateways[g].sockets).into_values() {
            if self.rides[v].is_some_and(|ride| ride.0 == g) {
                (self.rides[v], self.left[v]) = (None, Some(self.at));
            }
        }
        let gateway = &mut self.gateways[g];
        gateway.life += 1;
        (gateway.node, gateway.feed) = (born(g, gateway.life, self.regions), BTreeMap::new());
        gateway.to_disk.clear();
        for (vehicle, entry) in gateway.disk.clone() {
            self.does(g, Event::Session(RegistrarEvent::Restored { vehicle, entry }));
        }
    }

    /// A quarter of a second passes.
    fn turn(&mut self) {
        self.at = self.at + TURN;
        let Timers { ping, pong, .. } = Timers::default();
        let (noticed, ghosts) = self.ghosts.drain(..).partition(|(since, ..)| *since + ping + pong <= self.at);
        self.ghosts = ghosts;
        for (since, g, conn) in Vec::from_iter(noticed) {
            self.loses(g, conn, since);
        }
        for g in 0..self.gateways.len() {
            while let Some((vehicle, entry)) = self.gateways[g].to_disk.pop_front() {
                let (session, epoch, settled) = (entry.session, entry.epoch, SeqRanges::new());
                let answer = if self.gateways[g].broken {
                    RegistrarEvent::PersistFailed { vehicle, session, epoch }
                } else {
                    self.write(g, vehicle.clone(), entry);
                    RegistrarEvent::Persisted { vehicle, session, epoch, settled }
                };
                self.does(g, Event::Session(answer));
            }
            if self.gateways[g].node.next_deadline().is_some_and(|at| at <= self.now(g)) {
                self.does(g, Event::Session(RegistrarEvent::DeadlineReached));
            }
            self.does(g, Event::Ticked);
        }
        self.dial();
        self.deliver();
        let free = |wire: &Wire, end: usize| ROOM.saturating_sub(wire.on_the_way[end].len());
        let room = |wire: &Wire, end: usize| Room { free: free(wire, end), capacity: ROOM };
        let flush = |wire: &Wire| [0, 1].map(|end| (wire.open[end], wire.ends[end], room(wire, end)));
        let flushes: Vec<_> = self.wires.iter().flat_map(flush).collect();
        for (_, (g, link), room) in flushes.into_iter().filter(|(open, ..)| *open) {
            self.does(g, Event::FlushDue { link, room });
        }
    }

    /// Both sides dial, once a second, one call at a time, as long as they have no stream to the other.
    fn dial(&mut self) {
        let count = self.gateways.len();
        for (g, to) in (0..count * count).map(|pair| (pair / count, pair % count)) {
            let linked = self.gateways[g].node.link_to(&NodeId::new(NODES[to]).unwrap()).is_some();
            let calls = self.wires.iter().any(|wire| wire.open[0] && [wire.ends[0].0, wire.ends[1].0] == [g, to]);
            if g == to || self.cut[g][to] || linked || calls || !self.at.0.is_multiple_of(1000) {
                continue;
            }
            self.dials(g, to);
        }
    }

    /// A gateway dials another, whether there is a stream already or not.
    pub fn dials(&mut self, g: usize, to: usize) {
        let ends = [(g, LinkId(self.id())), (to, LinkId(self.id()))];
        self.wires.push(Wire { ends, open: [true; 2], on_the_way: Default::default() });
        for (end, (g, link)) in ends.into_iter().enumerate() {
            self.does(g, Event::LinkOpened { link, dialled: end == 0 });
        }
    }

    /// Streams that are not closed on both sides.
    pub fn wires(&self) -> usize {
        self.wires.len()
    }

    /// Frames arrive. During a cut they wait, as the network tries again, and both ends have to notice by themselves.
    fn deliver(&mut self) {
        let mut arrived = Vec::new();
        for wire in &mut self.wires {
            if self.cut[wire.ends[0].0][wire.ends[1].0] {
                continue;
            }
            for end in 0..2 {
                while let Some((_, frame)) = wire.on_the_way[end].pop_front_if(|(due, _)| *due <= self.at) {
                    arrived.push((wire.ends[1 - end], Some(frame)));
                }
                if !wire.open[end] && wire.open[1 - end] {
                    wire.open[1 - end] = false;
                    arrived.push((wire.ends[1 - end], None));
                }
            }
        }
        self.wires.retain(|wire| wire.open.contains(&true));
        for ((g, link), frame) in arrived {
            self.does(g, frame.map_or(Event::LinkLost(link), |frame| Event::FrameReceived(link, frame)));
        }
    }

    pub fn run(&mut self, span: Millis) {
        for _ in 0..span.0 / TURN.0 {
            self.turn();
            self.check_the_feeds();
            self.check_the_ages();
        }
    }

    /// Much time passes at once; every stream has ended meanwhile.
    pub fn sleeps(&mut self, span: Millis) {
        // Before it, every disk has answered and every lost socket was noticed.
        self.run(Millis::secs(80));
        for wire in std::mem::take(&mut self.wires) {
            (0..2).for_each(|end| self.does(wire.ends[end].0, Event::LinkLost(wire.ends[end].1)));
        }
        self.at = self.at + span;
        self.turn();
    }

    /// Whoever follows the changes alone sees what a reader sees; only that an idle vehicle is overdue shows by itself.
    fn check_the_feeds(&self) {
        let reads = |shown: Shown| {
            (if shown.0 == Known::Unreachable { Known::Idle } else { shown.0 }, shown.1, shown.2, shown.3)
        };
        for (g, gateway) in self.gateways.iter().enumerate() {
            for vehicle in (0..VEHICLES).map(vehicle) {
                let (told, read) = (gateway.feed.get(&vehicle).cloned(), self.shown(g, &vehicle));
                assert_eq!(told.map(reads), read.map(reads), "{vehicle} at {}", NODES[g]);
            }
        }
    }

    /// No age is too young; an entry that was told may be as old as a frame can be on its way, over two hops.
    fn check_the_ages(&self) {
        for (g, v) in (0..self.gateways.len()).flat_map(|g| (0..VEHICLES).map(move |v| (g, v))) {
            let (view, now) = (self.gateways[g].node.view(), self.now(g));
            let Some(left) = self.left[v] else { continue };
            if let Some((sight, (log, _))) = view.sight(now, &vehicle(v)).zip(view.winner(&vehicle(v))) {
                let own = *log == view.own_log_id();
                let told = if own { Millis(0) } else { Millis(2 * (LOST_AFTER.0 + 1000)) };
                let silent_ms = self.at.0 - left.0;
                assert!((sight.age + told).0 >= silent_ms, "silent for {silent_ms} ms: {sight:?}");
            }
        }
    }

    /// Whether a gateway's region is home of a shard, or every gateway is.
    fn keeps(&self, g: usize, shard: Shard) -> bool {
        self.gateways[g].node.view().interest().is_none_or(|interest| interest.has(shard))
    }

    /// Everything that must hold once the network is whole and quiet.
    pub fn check_agreement(&self) {
        for v in 0..VEHICLES {
            let id = vehicle(v);
            let shown: Vec<_> = (0..self.gateways.len()).map(|g| self.shown(g, &id)).collect();
            // Whoever serves it and its home regions know of it, and no one else does.
            let serves = |g: &usize| self.gateways[*g].node.registrar().session(&id).is_some();
            let keeps = |g: &usize| self.keeps(*g, Shard::of(&id)) || serves(g);
            let (who, others): (Vec<_>, Vec<_>) = (0..shown.len()).partition(keeps);
            let shown: Vec<_> =
                if who.is_empty() { vec![None] } else { who.iter().map(|g| &shown[*g]).cloned().collect() };
            assert!(shown.iter().all(|it| *it == shown[0]), "{id}: {shown:?}");
            for g in others {
                assert_eq!(self.shown(g, &id), None, "{id} at {}", NODES[g]);
            }
            let connected: Vec<usize> = (0..self.gateways.len())
                .filter(|g| {
                    let session = self.gateways[*g].node.registrar().session(&id);
                    session.is_some_and(|s| matches!(s.phase(), Phase::Connected(_)))
                })
                .collect();
            assert!(connected.len() <= 1, "{id} is connected at {connected:?}");
            let sockets: Vec<usize> = (0..self.gateways.len())
                .flat_map(|g| self.gateways[g].sockets.values().filter(move |it| **it == v).map(move |_| g))
                .collect();
            assert_eq!(sockets, connected, "the losers' sockets of {id} are closed");
            let online = shown[0].as_ref().is_some_and(|(known, ..)| *known == Known::Online);
            assert_eq!(online, !connected.is_empty(), "{id}: {shown:?}");
            assert!(shown[0].as_ref().is_none_or(|(_, stale, ..)| stale.is_none()), "{id}: {shown:?}");
        }
        for (g, gateway) in self.gateways.iter().enumerate() {
            let counters = gateway.node.counters();
            assert_eq!((counters.gaps, counters.digest_mismatches), (0, 0), "{}", NODES[g]);
            let mut own = gateway.node.view().own_log_id();
            if self.regions.is_some() {
                own.scope = Scope::Directory;
            }
            for other in self.gateways.iter().filter(|other| other.node.view().me().id != own.owner) {
                let part = other.node.view().interest().map_or(Part::Whole, |interest| Part::Shards(interest.clone()));
                let heads = [&gateway.node, &other.node]
                    .map(|node| node.view().log(&own).map_or((0, Sum::default()), |log| (log.head(), log.sum(&part))));
                assert_eq!(heads[0], heads[1], "the log of {}", NODES[g]);
            }
            for to in (0..self.gateways.len()).filter(|to| *to != g) {
                let pair = |wire: &&Wire| wire.ends.iter().all(|(end, _)| *end == g || *end == to);
                assert_eq!(self.wires.iter().filter(pair).count(), 1, "streams between {} and {}", NODES[g], NODES[to]);
                assert!(gateway.node.link_to(&NodeId::new(NODES[to]).unwrap()).is_some());
            }
        }
    }
}
