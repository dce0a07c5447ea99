//! The world itself: its time, its events in order, and the run from the first start to the last check.
//!
//! Events happen one after the other; those of the same millisecond in the order they were scheduled. Nothing
//! here reads a clock, and nothing iterates in an order that is not its own.

use super::calls::{Body, Call};
use super::check::{Check, Violation};
use super::dice::Dice;
use super::disk::Disk;
use super::faults::Mend;
use super::fleet::Vehicle;
use super::gateway::Gateway;
use super::hands::Faults;
use super::homes::{Notice, region};
use super::network::{Arrival, Network, Payload, Place, SocketId};
use super::obu::ObuUnit;
use super::oracle::Oracle;
use super::orders::Waits;
use super::plant::Plant;
use super::settings::Settings;
use super::trace::Trace;
use super::vehicle::{Keeps, SmallUnit, Unit};
use std::collections::{BTreeMap, VecDeque};
use waygate_core::commands::{ANSWER_GRACE, Ask, Event as CommandEvent};
use waygate_core::id::{Incarnation, NodeId, VehicleId};
use waygate_core::membership::Packet;
use waygate_core::registrar::Event as RegistrarEvent;
use waygate_core::time::Millis;
use waygate_core::token::KeyRing;

/// What happens in the world. Gateways are named with the life that an event belongs to.
#[derive(Clone, Debug)]
pub enum Event {
    /// The next payload of a direction of a socket.
    Deliver(SocketId, usize),
    /// A gateway's second is over.
    Tick(usize, u64, u64),
    /// A gateway flushes its streams.
    Flush(usize, u64, u64),
    /// A register's deadline.
    Deadline(usize, u64),
    /// A commit ends.
    Committed(usize, u64),
    /// A dial to a peer comes through.
    PeerDialled(usize, u64, usize),
    /// A call that a session lost.
    Supersede(usize, Notice),
    /// A dial of a unit comes through.
    UnitDialled(usize, u64, usize),
    /// A dial of a unit runs into nothing.
    UnitDialTimedOut(usize, u64),
    /// A unit's deadline.
    UnitDeadline(usize),
    /// A unit makes a record.
    Sample(usize, u64),
    /// A fault.
    Strike,
    /// A fault ends.
    Mend(Mend),
    /// Everything is cut off and parked.
    Nightfall,
    /// The night is over.
    Dawn(Vec<(Place, Place)>),
    /// A gateway has learned of a life that it forgot.
    Outlived(usize, u64, Incarnation),
    /// Nothing strikes any more.
    Calm,
    /// The judge looks round.
    Audit(u64),
    /// An operator orders something; more follow if so.
    Ordered(bool),
    /// The commands of a gateway have a deadline.
    CommandDeadline(usize, u64),
    /// A call reaches a gateway; when it was made.
    Called(usize, u64, Box<Body>, u64),
    /// The answer to a call arrives.
    CallAnswered(usize, u64, Box<CommandEvent>),
    /// A gateway waits for the answer to a call no longer.
    CallFailed(usize, u64),
    /// Time has passed for a membership.
    MembersPolled(usize, u64, u64),
    /// A packet of the membership arrives, from a gateway at another.
    MemberPacket(usize, usize, Box<Packet>),
    /// Another gateway said who answers at its address.
    Introduced(usize, u64, usize),
    /// A wake-up reaches a unit.
    Woken(usize),
    /// A wake-up is given up.
    WakeEnded(usize, u64, VehicleId),
}

/// How a run went.
#[derive(Clone, Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// The hash over everything that happened.
    pub trace: u64,
    /// Events that happened.
    pub events: u64,
    /// How long the world lasted.
    pub world_ms: u64,
    /// How long after the last fault all views agreed.
    pub converged_ms: u64,
    /// How often each promise was looked at.
    pub looked: BTreeMap<Check, u64>,
    /// Which rare situations came up, and how often.
    pub reached: BTreeMap<&'static str, u64>,
    /// The lines of the trace, if asked for.
    pub lines: Vec<String>,
}

/// A run in which a promise was broken.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What was broken.
    pub violation: Violation,
    /// The lines of the trace, if asked for.
    pub lines: Vec<String>,
}

/// A seeded world.
#[derive(Debug)]
pub struct World {
    pub(super) now: u64,
    queue: BTreeMap<(u64, u64), Event>,
    scheduled: u64,
    pub(super) dice: Dice,
    pub(super) settings: Settings,
    pub(super) network: Network,
    pub(super) gateways: Vec<Gateway>,
    pub(super) vehicles: Vec<Vehicle>,
    pub(super) oracle: Oracle,
    pub(super) trace: Trace,
    pub(super) plant: Option<Plant>,
    pub(super) keys: KeyRing,
    pub(super) follow_ups: VecDeque<(usize, RegistrarEvent)>,
    pub(super) night: bool,
    /// Ticks, flushes and audits of an earlier chain are not heeded.
    pub(super) chain: u64,
    pub(super) storm_ends: u64,
    /// Until when a unit that was taken for a clone may wait.
    pub(super) turned_away_until: u64,
    pub(super) samples_stopped: bool,
    /// Since when ticks come every second.
    pub(super) awake_since: u64,
    /// When a gateway died last.
    pub(super) last_death: u64,
    pub(super) asks: BTreeMap<Ask, Waits>,
    pub(super) asked: u64,
    pub(super) calls: BTreeMap<u64, Call>,
    pub(super) called: u64,
    /// How often a gateway that lived was held for dead.
    pub(super) downed: u64,
    /// Nothing strikes any more, and all agree.
    pub(super) quiet: bool,
}

/// The time between two ticks at night.
const NIGHT_PACE_MS: u64 = 60_000;
/// Every gateway has ticked once after dawn.
const FIRST_TICKS_MS: u64 = 2000;
/// A silent socket is given up by a vehicle a little later than by the gateway.
const VEHICLE_PATIENCE_MS: u64 = 5000;
/// What was under way in the storm arrives within this.
const UNDER_WAY_MS: u64 = 10_000;
/// How long the last words before the quiet may go round.
const LAST_WORDS_MS: u64 = 15_000;
/// How long nothing may be said once all agree.
const QUIET_MS: u64 = 20_000;
/// How long the last commands may take: the longest time to live, and the time in which they may be answered.
const COMMANDS_MS: u64 = 60_000 + ANSWER_GRACE.0 + 20_000;
/// How long the last records may take.
const DRAIN_MS: u64 = 20_000;
/// How long news may take that comes by a timer just before the last look.
const TOLD_MS: u64 = 10_000;

impl World {
    /// A world before anything happened.
    pub fn new(seed: u64, plant: Option<Plant>, keep_lines: bool) -> Self {
        let mut dice = Dice::new(seed);
        let settings = Settings::draw(seed, &mut dice);
        let mut keys = KeyRing::default();
        let mut gateways = Vec::new();
        for (g, &skew_ms) in settings.gateway_skews_ms.iter().enumerate() {
            let (Ok(id), Some(region)) = (NodeId::new(&format!("g{g}")), region(g, settings.regions)) else {
                continue;
            };
            keys.insert(region.clone(), vec![(g % settings.regions) as u8; 32]);
            let disk = Disk::new(plant == Some(Plant::StoreTwice));
            gateways.push(Gateway {
                id,
                region,
                skew_ms,
                disk,
                life: None,
                dial_at: BTreeMap::new(),
                stalled_until: 0,
                died_at: 0,
            });
        }
        let vehicles = fleet(&settings, plant, &mut dice);
        let oracle = Oracle::new(&settings);
        Self {
            now: 0,
            queue: BTreeMap::new(),
            scheduled: 0,
            network: Network::default(),
            trace: Trace::new(keep_lines),
            follow_ups: VecDeque::new(),
            night: false,
            chain: 0,
            storm_ends: settings.stormy_ms,
            turned_away_until: 0,
            samples_stopped: false,
            awake_since: 0,
            last_death: 0,
            asks: BTreeMap::new(),
            asked: 0,
            calls: BTreeMap::new(),
            called: 0,
            downed: 0,
            quiet: false,
            dice,
            settings,
            gateways,
            vehicles,
            oracle,
            plant,
            keys,
        }
    }

    /// Runs to the end or to the first promise that is broken.
    pub fn run(mut self, seed: u64) -> Result<Report, Box<Failure>> {
        self.begin();
        let calm_at = self.storm_ends + 1;
        self.run_until(calm_at + UNDER_WAY_MS);
        let settling_ms = self.settings.settling_ms();
        let mut why = self.disagreement();
        // A unit that shared its identity until it was calm may have been told to wait for longer.
        while why.is_some()
            && self.now < (calm_at + settling_ms).max(self.turned_away_until + self.settings.timers.silence_max().0)
            && self.oracle.violation.is_none()
        {
            self.run_until(self.now + 1000);
            why = self.disagreement();
        }
        let converged_ms = self.now - calm_at;
        if let Some(violation) = why {
            self.oracle.expect(violation.check, self.now, false, || violation.text);
        }
        self.judge_quiet();
        self.samples_stopped = true;
        self.run_until(self.now + DRAIN_MS + COMMANDS_MS);
        // What a timer brings about in the last moment is not known everywhere yet.
        let told_by = self.now + TOLD_MS;
        while self.now < told_by && self.disagreement().is_some() {
            self.run_until(self.now + 1000);
        }
        self.judge_commands();
        self.judge_end();
        let lines = self.trace.lines().to_vec();
        match self.oracle.violation.take() {
            Some(violation) => Err(Box::new(Failure { seed, violation, lines })),
            None => Ok(Report {
                seed,
                trace: self.trace.hash(),
                events: self.trace.len(),
                world_ms: self.now,
                converged_ms,
                looked: self.oracle.looked,
                reached: self.trace.reached().clone(),
                lines,
            }),
        }
    }

    fn begin(&mut self) {
        for g in 0..self.gateways.len() {
            self.start_gateway(g);
        }
        for u in 0..self.vehicles.len() {
            if !self.vehicles[u].clone {
                self.power_on(u, Keeps::All);
            }
        }
        if self.settings.long_night {
            let falls = self.storm_ends / 2;
            self.storm_ends += 25 * 3_600_000 + 60_000;
            self.schedule(falls, Event::Nightfall);
        }
        self.schedule(2000, Event::Strike);
        self.schedule(1500, Event::Ordered(true));
        self.schedule(self.storm_ends, Event::Calm);
        self.start_chains();
    }

    /// Begins ticks, flushes and audits at their pace.
    pub fn start_chains(&mut self) {
        for g in 0..self.gateways.len() {
            self.start_chain_of(g);
        }
        self.schedule(self.now + 500, Event::Audit(self.chain));
    }

    /// Begins the ticks and flushes of one gateway.
    pub fn start_chain_of(&mut self, g: usize) {
        let Some(number) = self.gateways[g].life.as_ref().map(|life| life.number) else { return };
        let phase = self.dice.below(1000);
        self.schedule(self.now + phase, Event::Tick(g, number, self.chain));
        self.schedule(self.now + phase % self.settings.flush_ms, Event::Flush(g, number, self.chain));
    }

    /// No entry is sent while nothing changes.
    fn judge_quiet(&mut self) {
        let sent = |world: &Self| -> u64 {
            let lives = world.gateways.iter().filter_map(|gateway| gateway.life.as_ref());
            lives.map(|life| life.node.counters().entries_sent).sum()
        };
        self.quiet = true;
        let downed = self.downed;
        // What was said last may still be passed on.
        let published = self.oracle.published;
        self.run_until(self.now + LAST_WORDS_MS);
        let entries = sent(self);
        self.run_until(self.now + QUIET_MS);
        let (entries, published) = (sent(self) - entries, self.oracle.published - published);
        let downed = self.downed - downed;
        self.oracle.expect(Check::QuietAccusesNobody, self.now, downed == 0, || {
            format!("{downed} times a gateway that lived was held for dead in {} ms of quiet", LAST_WORDS_MS + QUIET_MS)
        });
        // A transition goes to every peer once, and once more if a relay was quicker.
        let most = published * 2 * (self.gateways.len() as u64 - 1);
        self.oracle.expect(Check::QuietSendsNothing, self.now, entries <= most, || {
            format!("{entries} entries were sent in {QUIET_MS} ms of quiet, for {published} transitions")
        });
    }

    fn run_until(&mut self, end: u64) {
        while let Some((&(at, order), _)) = self.queue.first_key_value() {
            if at > end || self.oracle.violation.is_some() {
                break;
            }
            if let Some(event) = self.queue.remove(&(at, order)) {
                self.now = at;
                self.happen(event);
            }
        }
        self.now = self.now.max(end);
    }

    /// Puts an event into its place.
    pub fn schedule(&mut self, at: u64, event: Event) {
        self.scheduled += 1;
        self.queue.insert((at, self.scheduled), event);
    }

    /// Sends on a socket.
    pub fn send(&mut self, socket: SocketId, from: Place, payload: Payload) {
        let payload = self.crossed(payload);
        if let Some(due) = self.network.send(self.now, socket, from, payload, &mut self.dice) {
            self.schedule(due.at, Event::Deliver(due.socket, due.way));
        }
    }

    /// Breaks a socket so that both ends are told.
    pub fn reset(&mut self, socket: SocketId, place: Place) {
        match place {
            Place::Gateway(g) => self.on_peer_payload(g, socket, Payload::End(0)),
            Place::Vehicle(u) => self.on_downlink(u, socket, Payload::End(0)),
        }
        self.send(socket, place, Payload::End(0));
    }

    fn lives(&self, g: usize, number: u64) -> bool {
        self.gateways[g].life.as_ref().is_some_and(|life| life.number == number)
    }

    fn pace(&self, usual_ms: u64) -> u64 {
        if self.night { NIGHT_PACE_MS } else { usual_ms }
    }

    /// How much later than by day something may be noticed: at night ticks come once a minute, and what happened since the
    /// last of them is found out with the first one after dawn.
    pub fn drowsy_ms(&self) -> u64 {
        let awake_ms = self.now.saturating_sub(self.awake_since);
        if self.night || (self.awake_since > 0 && awake_ms <= FIRST_TICKS_MS) { NIGHT_PACE_MS } else { 0 }
    }

    /// The gateway whose process has to run for an event to happen.
    fn runs_at(&self, event: &Event) -> Option<usize> {
        match event {
            Event::Deliver(socket, way) => match self.network.destination(*socket, *way) {
                Some(Place::Gateway(g)) => Some(g),
                Some(Place::Vehicle(_)) | None => None,
            },
            Event::Tick(g, ..)
            | Event::Flush(g, ..)
            | Event::Deadline(g, _)
            | Event::Committed(g, _)
            | Event::PeerDialled(g, ..)
            | Event::CommandDeadline(g, _)
            | Event::Called(g, ..)
            | Event::CallAnswered(g, ..)
            | Event::CallFailed(g, _)
            | Event::MembersPolled(g, ..)
            | Event::MemberPacket(_, g, _)
            | Event::Introduced(g, ..)
            | Event::WakeEnded(g, ..)
            | Event::Outlived(g, ..)
            | Event::Supersede(g, _) => Some(*g),
            Event::UnitDialled(..)
            | Event::UnitDialTimedOut(..)
            | Event::UnitDeadline(_)
            | Event::Sample(..)
            | Event::Strike
            | Event::Mend(_)
            | Event::Nightfall
            | Event::Dawn(_)
            | Event::Calm
            | Event::Ordered(_)
            | Event::Woken(_)
            | Event::Audit(_) => None,
        }
    }

    fn happen(&mut self, event: Event) {
        if let Some(until) = self.runs_at(&event).map(|g| self.gateways[g].stalled_until).filter(|at| *at > self.now) {
            return self.schedule(until, event);
        }
        match event {
            Event::Deliver(socket, way) => self.deliver(socket, way),
            Event::Tick(g, number, chain) => {
                if self.lives(g, number) && chain == self.chain {
                    self.on_tick(g);
                    self.schedule(self.now + self.pace(1000), Event::Tick(g, number, chain));
                }
            }
            Event::Flush(g, number, chain) => {
                if self.lives(g, number) && chain == self.chain {
                    self.on_flush(g);
                    self.schedule(self.now + self.pace(self.settings.flush_ms), Event::Flush(g, number, chain));
                }
            }
            Event::Deadline(g, number) if self.lives(g, number) => self.on_deadline(g),
            Event::Committed(g, number) if self.lives(g, number) => self.on_committed(g),
            Event::PeerDialled(g, number, peer) if self.lives(g, number) => self.on_peer_dialled(g, peer),
            Event::Outlived(g, number, life) if self.lives(g, number) => self.on_outlived(g, life),
            Event::MembersPolled(g, number, at) if self.lives(g, number) => self.on_members_polled(g, at),
            Event::Introduced(g, number, peer) if self.lives(g, number) => self.on_introduced(g, peer),
            Event::Deadline(..)
            | Event::Committed(..)
            | Event::PeerDialled(..)
            | Event::MembersPolled(..)
            | Event::Outlived(..)
            | Event::Introduced(..) => {}
            Event::MemberPacket(from, g, packet) => self.on_member_packet(from, g, *packet),
            Event::Supersede(g, notice) => self.on_supersede(g, notice),
            Event::Ordered(again) => self.on_order(again),
            Event::CommandDeadline(g, number) if self.lives(g, number) => self.on_command_deadline(g),
            Event::CommandDeadline(..) => {}
            Event::Called(g, id, body, sent) => self.on_called(g, id, *body, sent),
            Event::CallAnswered(_, id, event) => self.on_call_answered(id, *event),
            Event::CallFailed(_, id) => self.on_call_failed(id),
            Event::Woken(u) => self.on_woken(u),
            Event::WakeEnded(g, number, vehicle) => {
                if self.lives(g, number) {
                    self.command(g, CommandEvent::WakeFailed(vehicle, "nobody answered".to_owned()));
                }
            }
            Event::UnitDialled(u, dial, g) => self.on_unit_dialled(u, dial, g),
            Event::UnitDialTimedOut(u, dial) => self.on_unit_dial_timed_out(u, dial),
            Event::UnitDeadline(u) => self.on_unit_deadline(u),
            Event::Sample(u, boots) => self.on_sample(u, boots),
            Event::Strike => self.on_strike(),
            Event::Mend(mend) => self.on_mend(mend),
            Event::Nightfall => self.on_nightfall(),
            Event::Dawn(ways) => self.on_dawn(ways),
            Event::Calm => self.on_calm(),
            Event::Audit(chain) => {
                if chain == self.chain {
                    self.audit();
                    self.schedule(self.now + self.pace(1000), Event::Audit(chain));
                }
            }
        }
    }

    fn deliver(&mut self, socket: SocketId, way: usize) {
        match self.network.arrive(self.now, socket, way, &mut self.dice) {
            Arrival::Nothing => {}
            Arrival::Reset(due) => self.schedule(due.at, Event::Deliver(due.socket, due.way)),
            Arrival::Reached { from: Place::Vehicle(u), to: Place::Gateway(g), payload } => {
                self.on_uplink(g, u, socket, payload);
            }
            Arrival::Reached { to: Place::Gateway(g), payload, .. } => self.on_peer_payload(g, socket, payload),
            Arrival::Reached { to: Place::Vehicle(u), payload, .. } => self.on_downlink(u, socket, payload),
        }
    }
}

fn fleet(settings: &Settings, plant: Option<Plant>, dice: &mut Dice) -> Vec<Vehicle> {
    let patience = Millis((settings.timers.ping + settings.timers.pong).0 + VEHICLE_PATIENCE_MS);
    let mut fleet = Vec::new();
    for u in 0..settings.vehicles + settings.clones {
        let clone = u >= settings.vehicles;
        let name = format!("V{}", if clone { dice.index(settings.vehicles) } else { u });
        let Ok(id) = VehicleId::new(&name) else { continue };
        let home = dice.index(settings.gateways);
        let unit: Box<dyn Unit> = if dice.chance(60) {
            Box::new(ObuUnit::new(id.clone(), settings.gateways, home, dice.chance(50)))
        } else {
            let mut unit = SmallUnit::new(id.clone(), settings.gateways, home, patience);
            let (forgetful, denies) = (plant == Some(Plant::ForgetIds), plant == Some(Plant::CancelTheBegun));
            unit.errs(Faults { forgetful, denies });
            Box::new(if dice.chance(50) { unit.wakeable() } else { unit })
        };
        let (skew, place) = (settings.vehicle_skews_ms[u], dice.index(4));
        fleet.push(Vehicle::new(id, unit, clone, skew, place));
    }
    fleet
}
