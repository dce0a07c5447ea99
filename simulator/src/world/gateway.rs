//! A gateway in the seeded world: the driver around the very core that the real one runs.
//!
//! It does what the real driver does, in the same order: it hands events to the node and performs the actions;
//! it owns the sockets' ends, the keepalive, one ingest a connection, and the way to the disk. Where a fault is
//! planted, an event or action is changed here on its way.

use super::disk::{Disk, Request};
use super::faults::Mend;
use super::homes::{self, Notice};
use super::members::Members;
use super::network::{Payload, Place};
use super::oracle::shown;
use super::plant::Plant;
use super::run::{Event, World};
use super::settings::SKEW_HOURS_MAX;
use std::collections::{BTreeMap, VecDeque};
use waygate_core::commands::{Commands, Event as CommandEvent};
use waygate_core::id::{ConnId, Incarnation, NodeId, RegionId, SpoolId, VehicleId};
use waygate_core::ingest::{Ingest, Ticket};
use waygate_core::limits;
use waygate_core::log::LogId;
use waygate_core::membership::Event as MemberEvent;
use waygate_core::message::{AttachAccept, Downlink, TelemetryAck};
use waygate_core::node::{Action, Event as NodeEvent, HangUp, LinkId, Node};
use waygate_core::ranges::SeqRanges;
use waygate_core::record::Telemetry;
use waygate_core::registrar::Event as RegistrarEvent;
use waygate_core::session::{Accepted, Action as SessionAction};
use waygate_core::sync::Frame;
use waygate_core::time::{Millis, Mono, Wall};
use waygate_core::view::NodeInfo;
use waygate_wire::membership::{Membership, SwimCodec};

/// The virtual beginning, on a clock that is right.
pub const EPOCH_MS: i64 = 1_795_219_200_000;

/// A socket of a vehicle, as the gateway has it.
#[derive(Debug)]
pub struct Conn {
    /// Which unit is at the other end.
    pub unit: usize,
    /// When its last frame came.
    pub heard: u64,
    pub(super) pinged: bool,
    /// Once the session stands.
    pub ingest: Option<Ingest>,
    pub(super) inbox: VecDeque<Telemetry>,
    pub(super) vehicle: Option<VehicleId>,
    pub(super) spool: SpoolId,
    pub(super) oldest: u64,
    pub(super) claimed: SeqRanges,
    /// When its session was accepted, and the clock that it was told.
    pub accepted: Option<(u64, Wall)>,
    /// Records on their way to disk.
    pub records_under_way: BTreeMap<Ticket, usize>,
}

/// What a gateway has in memory between its start and its end.
#[derive(Debug)]
pub struct Life {
    /// Names this life in events.
    pub number: u64,
    /// The core.
    pub node: Node,
    /// Sockets of vehicles.
    pub conns: BTreeMap<ConnId, Conn>,
    /// Streams to peers.
    pub links: BTreeMap<LinkId, Stream>,
    /// Its commands.
    pub commands: Commands,
    pub(super) command_deadline: Option<u64>,
    /// Who it thinks belongs to the cluster.
    pub members: Members,
    origin: u64,
    deadline: Option<u64>,
}

impl Conn {
    /// A socket that was just opened by a unit.
    pub fn new(unit: usize, now: u64) -> Self {
        Self {
            unit,
            heard: now,
            pinged: false,
            ingest: None,
            inbox: VecDeque::new(),
            vehicle: None,
            spool: SpoolId(0),
            oldest: 1,
            claimed: SeqRanges::new(),
            accepted: None,
            records_under_way: BTreeMap::new(),
        }
    }
}

/// A stream to a peer, as the harness knows it.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    /// The peer.
    pub peer: usize,
    /// The life in which the peer opened or took it.
    pub life: Incarnation,
    /// Whether this end dialled.
    pub dialled: bool,
}

impl Life {
    /// The monotonic clock of this life.
    pub fn mono(&self, now: u64) -> Mono {
        Mono(self.origin + now)
    }

    /// When that is, in the world.
    pub fn world_time(&self, at: Mono) -> u64 {
        at.0.saturating_sub(self.origin)
    }
}

/// A gateway: what outlives it and, while it runs, its life.
#[derive(Debug)]
pub struct Gateway {
    /// Its name.
    pub id: NodeId,
    /// Its region.
    pub region: RegionId,
    /// How far its clock is off.
    pub skew_ms: i64,
    /// Its disk.
    pub disk: Disk,
    /// Its memory.
    pub life: Option<Life>,
    /// When it dials each peer again.
    pub dial_at: BTreeMap<usize, u64>,
    /// Until when it is not given a processor.
    pub stalled_until: u64,
    /// When it died last.
    pub died_at: u64,
}

impl Gateway {
    /// Its clock.
    pub fn wall(&self, now: u64) -> Wall {
        Wall(EPOCH_MS + self.skew_ms + now as i64)
    }
}

impl World {
    /// Starts a gateway: a new incarnation on disk, then the sessions of the life before.
    pub fn start_gateway(&mut self, g: usize) {
        let (now, number, plant) = (self.now, self.dice.number(), self.plant);
        let seeds = self.seeds_of(g);
        // A clock of the process alone, long begun: contacts may lie far before the start.
        let origin = self.dice.between(1 << 41, 1 << 42);
        let set_back = self.settings.clocks_set_back && !self.settings.lying_disks && self.dice.chance(40);
        let back_ms = self.dice.between(1000, 4 * 3_600_000) as i64;
        let gateway = &mut self.gateways[g];
        if gateway.life.is_some() {
            return;
        }
        // A machine whose disk was replaced may have lost its clock, too.
        let forgot = self.oracle.forgetful.contains(&g) && gateway.disk.image().incarnation.is_none();
        if (set_back && gateway.disk.image().incarnation.is_some()) || (forgot && back_ms % 2 == 0) {
            let earliest = -(SKEW_HOURS_MAX as i64) * 3_600_000;
            gateway.skew_ms = (gateway.skew_ms - back_ms).max(earliest);
            self.oracle.ages_are_known = false;
            self.trace.reach("clock set back");
        }
        if plant == Some(Plant::DropKeptCommands) {
            gateway.disk.drop_commands();
        }
        let stored = gateway.disk.image().incarnation;
        let by_clock = Incarnation(u64::try_from(gateway.wall(now).0 / 1000).unwrap_or(0));
        let incarnation = match stored {
            Some(stored) if plant == Some(Plant::ReuseIncarnation) => stored,
            Some(stored) => by_clock.max(Incarnation(stored.0 + 1)),
            None => by_clock,
        };
        // The judge knows logs by their names. That one is given out again is shown by the core's own tests.
        let taken = |life| self.oracle.logs.contains_key(&LogId::detail(gateway.id.clone(), life));
        let reused = plant == Some(Plant::ReuseIncarnation);
        let incarnation =
            (incarnation.0..).map(Incarnation).find(|life| reused || !taken(*life)).unwrap_or(incarnation);
        gateway.disk.begin_life(incarnation);
        let me = NodeInfo {
            id: gateway.id.clone(),
            region: gateway.region.clone(),
            incarnation,
            vehicles_url: format!("ws://{}/v1/obu", gateway.id),
            operators_url: format!("http://{}", gateway.id),
            draining: false,
            rest: Box::default(),
        };
        self.oracle.begun(now, g, &me);
        let mut timers = self.settings.timers;
        if plant == Some(Plant::HurryTimers) {
            timers.reachable = Millis(timers.reachable.0 / 2);
        }
        let chance = self.dice.number();
        let machine = Membership::new(me.clone(), seeds, SwimCodec, chance);
        let mut node = Node::new(me, timers, self.keys.clone()).with_homes(homes::given(&self.settings, plant, g));
        let (mono, wall) = (Mono(origin + now), gateway.wall(now));
        let mut out = Vec::new();
        for (vehicle, (entry, contact)) in gateway.disk.image().sessions.clone() {
            let age = Millis(wall.0.saturating_sub(contact.0).max(0) as u64);
            let entry = waygate_core::log::Entry { contact: mono.before(age), ..entry };
            node.apply(mono, NodeEvent::Session(RegistrarEvent::Restored { vehicle, entry }), &mut out);
        }
        self.oracle.after(now, g, mono, &node, &shown(mono, node.view()), &out);
        let commands = Commands::new(gateway.id.clone(), gateway.region.clone());
        let (conns, links) = (BTreeMap::new(), BTreeMap::new());
        let members = Members::new(machine, now);
        let life =
            Life { number, node, conns, links, commands, command_deadline: None, members, origin, deadline: None };
        gateway.life = Some(life);
        gateway.dial_at.clear();
        self.network.set_down(Place::Gateway(g), false);
        self.trace.note(now, format_args!("gateway {g} begins life {}", incarnation.0));
        self.start_chain_of(g);
        let kept = self.kept_commands(g, mono, wall);
        self.perform(g, out);
        self.command(g, CommandEvent::Restored(kept));
        self.member(g, MemberEvent::Polled);
        self.settle_deadline(g);
    }

    /// Ends a gateway: its memory is gone. A killed process's sockets are closed by its kernel; without power
    /// nobody is told.
    pub fn crash_gateway(&mut self, g: usize, power_lost: bool) {
        let now = self.now;
        if self.gateways[g].life.take().is_none() {
            return;
        }
        self.last_death = now;
        (self.gateways[g].stalled_until, self.gateways[g].died_at) = (0, now);
        let rollback = power_lost && self.settings.lying_disks && self.dice.chance(50);
        let lost = self.gateways[g].disk.crash(rollback, &mut self.dice);
        if !lost.is_empty() {
            self.trace.reach("disk lied");
        }
        self.oracle.promises.died(g, &lost);
        if power_lost && self.settings.wiped_disks && self.dice.chance(30) {
            let lost = self.gateways[g].disk.wipe();
            self.oracle.promises.wiped(g, &lost);
            self.oracle.forgetful.insert(g);
            self.trace.reach("disk wiped");
        }
        self.trace.note(now, format_args!("gateway {g} dies, power {power_lost}, {} lied", lost.len()));
        for socket in self.network.sockets_of(Place::Gateway(g)) {
            if power_lost {
                self.network.abandon(socket, Place::Gateway(g));
            } else {
                self.send(socket, Place::Gateway(g), Payload::End(0));
            }
        }
        self.network.set_down(Place::Gateway(g), power_lost);
    }

    /// Gives the node an event, lets the judge look, performs what the node asks for.
    pub fn drive(&mut self, g: usize, event: NodeEvent) {
        let now = self.now;
        let Some(life) = self.gateways[g].life.as_mut() else { return };
        let mono = life.mono(now);
        let mut out = Vec::new();
        if let NodeEvent::FlushDue { .. } = event {
            // A flush reads only: there is nothing to judge.
            life.node.apply(mono, event, &mut out);
        } else {
            let before = shown(mono, life.node.view());
            life.node.apply(mono, event, &mut out);
            if self.plant == Some(Plant::ChangeUnannounced) {
                out.retain(|action| !matches!(action, Action::VehicleChanged(_)));
            }
            self.oracle.after(now, g, mono, &life.node, &before, &out);
        }
        let seen: Vec<Action> =
            out.iter().filter(|a| matches!(a, Action::VehicleChanged(_) | Action::NodeChanged(_))).cloned().collect();
        self.perform(g, out);
        self.look_at_vehicles(g, &seen);
        self.follow_up();
        self.settle_deadline(g);
    }

    fn settle_deadline(&mut self, g: usize) {
        let Some(life) = self.gateways[g].life.as_mut() else { return };
        let due = life.node.next_deadline().map(|at| at.0.saturating_sub(life.origin));
        if let Some(at) = due.filter(|at| life.deadline.is_none_or(|set| set > *at)) {
            life.deadline = Some(at);
            let number = life.number;
            self.schedule(at.max(self.now), Event::Deadline(g, number));
        }
    }

    /// The register's deadline has come.
    pub fn on_deadline(&mut self, g: usize) {
        if let Some(life) = self.gateways[g].life.as_mut() {
            life.deadline = None;
        }
        if self.plant == Some(Plant::TimersRestAtNight) && self.night {
            return;
        }
        self.drive(g, NodeEvent::Session(RegistrarEvent::DeadlineReached));
    }

    fn perform(&mut self, g: usize, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Session(action) => self.perform_session(g, action),
                Action::SendFrame(link, frame) => {
                    let peer = self.gateways[g].life.as_ref().and_then(|life| life.links.get(&link)).map(|at| at.peer);
                    if self.plant == Some(Plant::NoAudits) && matches!(frame, Frame::Audit(_)) {
                        continue;
                    }
                    if self.plant == Some(Plant::LeaveOneOut) && peer == Some(0) && matches!(frame, Frame::Batch(_)) {
                        continue;
                    }
                    let frame = self.tampered(g, frame);
                    let mut more = self.passed_on_with_less(g, link, &frame);
                    let frame = self.corrupted(frame);
                    more.extend(self.in_pieces(frame));
                    for frame in more {
                        self.send(link.0, Place::Gateway(g), Payload::Frame(Box::new(frame), self.now));
                    }
                }
                Action::HangUp(link, why) => {
                    self.trace.reach(match &why {
                        HangUp::Fault(_) => "stream at fault",
                        HangUp::Twin => "twin streams",
                        HangUp::Silent => "silent peer",
                    });
                    self.trace.note(self.now, format_args!("gateway {g} hangs up {} {why:?}", link.0));
                    if let Some(life) = self.gateways[g].life.as_mut() {
                        life.links.remove(&link);
                    }
                    self.send(link.0, Place::Gateway(g), Payload::End(1000));
                }
                Action::Outlived(life) => {
                    self.trace.reach("outlived");
                    if self.plant != Some(Plant::StayOutlived)
                        && let Some(number) = self.gateways[g].life.as_ref().map(|life| life.number)
                    {
                        self.schedule(self.now, Event::Outlived(g, number, life));
                    }
                }
                Action::TellOutranked { node, vehicle, lost, by, detached } => {
                    self.tell_loser(g, &node, Notice { vehicle, lost, by, recorded: true, detached });
                }
                Action::VehicleChanged(_) | Action::NodeChanged(_) => {}
            }
        }
    }

    /// A gateway has learned of a life that it forgot: it writes that down and starts again.
    pub fn on_outlived(&mut self, g: usize, life: Incarnation) {
        self.trace.note(self.now, format_args!("gateway {g} has learned of its life {}", life.0));
        self.gateways[g].disk.begin_life(life);
        self.crash_gateway(g, false);
        self.schedule(self.now + 1000, Event::Mend(Mend::Gateway(g)));
    }

    fn perform_session(&mut self, g: usize, action: SessionAction) {
        let now = self.now;
        match action {
            SessionAction::Persist { vehicle, entry, spool, answer } => {
                self.trace.note(
                    now,
                    format_args!(
                        "gateway {g} persists {vehicle} {:?} {} {}",
                        entry.state, entry.epoch.0, entry.session.0
                    ),
                );
                if answer && self.plant == Some(Plant::SkipPersistOnAttach) {
                    let (session, epoch, settled) = (entry.session, entry.epoch, SeqRanges::new());
                    let event = RegistrarEvent::Persisted { vehicle, session, epoch, settled };
                    self.follow_ups.push_back((g, event));
                    return;
                }
                let Some(life) = &self.gateways[g].life else { return };
                let age = life.mono(now).since(entry.contact);
                let contact = self.gateways[g].wall(now) - age;
                self.to_disk(g, Request::Session { vehicle, entry, contact, spool, answer });
            }
            SessionAction::Send(conn, message) => {
                self.send(conn.0, Place::Gateway(g), Payload::Downlink(Box::new(message)));
            }
            SessionAction::Accept(conn, accepted) => {
                let alone = self.gateways[g].life.as_ref().is_none_or(|life| life.links.is_empty());
                if !(alone && self.plant == Some(Plant::AskPeersFirst)) {
                    self.accept(g, conn, *accepted);
                }
            }
            SessionAction::Publish(..) => {}
            SessionAction::ReportClone(vehicle) => {
                self.trace.reach("suspected clone");
                self.trace.note(now, format_args!("gateway {g} suspects several of {vehicle}"));
            }
            SessionAction::Close(conn, code) => self.close(g, conn, code),
            SessionAction::Supersede { node, vehicle, session, epoch, by, .. } => {
                self.tell_loser(
                    g,
                    &node,
                    Notice { vehicle, lost: (session, epoch), by, recorded: false, detached: false },
                );
            }
        }
    }

    fn accept(&mut self, g: usize, conn: ConnId, accepted: Accepted) {
        let now = self.now;
        let gateway = &mut self.gateways[g];
        let wall = gateway.wall(now);
        let Some(life) = gateway.life.as_mut() else { return };
        if self.oracle.resumes(conn) {
            self.trace.reach("resume within the hold");
        }
        self.oracle.accepting(now, g, &life.node, conn, &accepted, gateway.disk.image());
        let token = life.node.registrar().token(&accepted.vehicle, accepted.session, accepted.epoch);
        let Some(socket) = life.conns.get_mut(&conn) else { return };
        let ingest = Ingest::new(&accepted);
        let accept = AttachAccept {
            token,
            epoch: accepted.epoch,
            session: accepted.session,
            server_time: wall,
            areas: accepted.cell.into_iter().collect(),
            timers: self.settings.timers,
            window_records: limits::WINDOW_RECORDS_MAX,
            window_bytes: limits::WINDOW_BYTES_MAX,
            max_frame_bytes: limits::FRAME_BYTES_MAX as u32,
            resume_from: ingest.resume_from(),
            pending_commands: 0,
            gateways: Vec::new(),
            wake_key: Vec::new(),
        };
        let settled = TelemetryAck {
            spool: accepted.spool.id,
            through: accept.resume_from.saturating_sub(1),
            ranges: SeqRanges::new(),
            rejected: Vec::new(),
        };
        let claimed = (accepted.spool.oldest, &accepted.spool.acked);
        self.oracle.acking(now, &accepted.vehicle, &settled, claimed, gateway.disk.image());
        socket.spool = accepted.spool.id;
        socket.oldest = accepted.spool.oldest;
        socket.claimed = accepted.spool.acked;
        socket.ingest = Some(ingest);
        socket.accepted = Some((now, wall));
        self.trace
            .note(now, format_args!("gateway {g} accepts {} on {} as {}", accepted.vehicle, conn.0, accepted.epoch.0));
        self.send(conn.0, Place::Gateway(g), Payload::Downlink(Box::new(Downlink::AttachAccept(Box::new(accept)))));
    }
}
