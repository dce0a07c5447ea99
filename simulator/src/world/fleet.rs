//! The vehicles of the world: what drives their units, and what the judge sees of them.

use super::gateway::{Conn, EPOCH_MS};
use super::network::{Payload, Place, SocketId};
use super::plant::Plant;
use super::run::{Event, World};
use super::vehicle::{Input, Keeps, Moment, Output, Unit};
use waygate_core::cause::{DetachCause, RejectCause};
use waygate_core::epoch::Epoch;
use waygate_core::id::{ConnId, SpoolId, VehicleId};
use waygate_core::message::{Downlink, TelemetryAck, Uplink};
use waygate_core::ranges::SeqRanges;
use waygate_core::record::{Fix, Position, Record, SignalPath, SignalValue};
use waygate_core::time::{Mono, Wall};

/// Places where a vehicle may be: each in a tracking area of its own.
pub const PLACES: [(f64, f64); 4] = [(49.61, 6.13), (49.96, 5.98), (49.36, 6.32), (50.42, 6.87)];

/// A dial into nothing is given up after this.
const DIAL_TIMEOUT_MS: u64 = 5000;

/// A unit and its surroundings.
#[derive(Debug)]
pub struct Vehicle {
    /// Its name; a clone has that of another.
    pub id: VehicleId,
    /// The machine.
    pub unit: Box<dyn Unit>,
    /// Whether it uses the name of another.
    pub clone: bool,
    /// Whether it is switched on.
    pub on: bool,
    /// Its socket, and the gateway at the other end.
    pub socket: Option<(SocketId, usize)>,
    /// The attach it was told of on this socket.
    pub attached: Option<Epoch>,
    /// How far its clock is off.
    pub skew_ms: i64,
    /// Where it is.
    pub place: usize,
    spool: SpoolId,
    /// Counts the times it lost what it knew of commands.
    memory: u64,
    dials: u64,
    boots: u64,
    deadline: Option<u64>,
}

impl Vehicle {
    /// A vehicle that is off.
    pub fn new(id: VehicleId, unit: Box<dyn Unit>, clone: bool, skew_ms: i64, place: usize) -> Self {
        Self {
            id,
            unit,
            clone,
            on: false,
            socket: None,
            attached: None,
            skew_ms,
            place,
            spool: SpoolId(0),
            memory: 0,
            dials: 0,
            boots: 0,
            deadline: None,
        }
    }

    /// Counts its starts.
    pub fn boots(&self) -> u64 {
        self.boots
    }

    fn wall(&self, now: u64) -> Wall {
        Wall(EPOCH_MS + self.skew_ms + now as i64)
    }
}

fn position(place: usize) -> Position {
    let (lat, lon) = PLACES[place % PLACES.len()];
    Position::from_degrees(lat, lon)
}

impl World {
    /// Switches a unit on.
    pub fn power_on(&mut self, u: usize, keeps: Keeps) {
        if self.vehicles[u].on {
            return;
        }
        // It may still have been saying goodbye.
        self.drop_socket(u);
        let spool = SpoolId(self.dice.number());
        let vehicle = &mut self.vehicles[u];
        vehicle.on = true;
        vehicle.boots += 1;
        if keeps != Keeps::All || vehicle.boots == 1 {
            vehicle.memory += 1;
            vehicle.spool = spool;
        }
        let (boots, at) = (vehicle.boots, position(vehicle.place));
        if keeps == Keeps::Nothing {
            self.oracle.promises.forgot_token(u);
        }
        self.trace.note(self.now, format_args!("unit {u} starts, keeps {keeps:?}"));
        self.network.set_down(Place::Vehicle(u), false);
        self.input(u, Input::PoweredOn { keeps, spool });
        self.input(u, Input::Moved(at));
        let first = self.now + self.dice.below(self.settings.sample_ms);
        self.schedule(first, Event::Sample(u, boots));
    }

    /// Switches a unit off, with a goodbye if there is a cause.
    pub fn power_off(&mut self, u: usize, cause: Option<DetachCause>) {
        if !self.vehicles[u].on {
            return;
        }
        self.trace.note(self.now, format_args!("unit {u} stops, {cause:?}"));
        self.vehicles[u].on = false;
        if cause.is_none() {
            self.drop_socket(u);
            self.network.set_down(Place::Vehicle(u), true);
        }
        if cause.is_none() || self.plant != Some(Plant::StayWhenOff) {
            self.input(u, Input::PoweredOff(cause));
        }
    }

    /// The unit's socket is gone without a word to the gateway: another address, an expired mapping.
    pub fn drop_socket(&mut self, u: usize) -> bool {
        let Some((socket, _)) = self.vehicles[u].socket.take() else { return false };
        self.vehicles[u].attached = None;
        self.network.abandon(socket, Place::Vehicle(u));
        true
    }

    /// Gives a unit an event and does what it asks for.
    pub fn input(&mut self, u: usize, input: Input) {
        let (now, chance) = (self.now, self.dice.number());
        let vehicle = &mut self.vehicles[u];
        let at = Moment { now: Mono(now), wall: vehicle.wall(now), chance };
        let mut out = Vec::new();
        vehicle.unit.apply(at, input, &mut out);
        for output in out {
            match output {
                Output::Dial(_) if self.plant == Some(Plant::StopDialling) && self.now > self.storm_ends / 2 => {}
                Output::Dial(g) => {
                    let vehicle = &mut self.vehicles[u];
                    vehicle.dials += 1;
                    let dial = vehicle.dials;
                    let trip = self.dice.between(30, 300);
                    self.schedule(now + trip, Event::UnitDialled(u, dial, g));
                }
                Output::Send(message) => {
                    if let Uplink::CommandStatus(status) = &message {
                        let life = (self.vehicles[u].memory, self.vehicles[u].boots);
                        self.oracle.command_said(now, u, life, status.id, status.verdict);
                    }
                    self.send_uplink(u, message);
                }
                Output::Begin(id) => {
                    let memory = self.vehicles[u].memory;
                    self.oracle.command_begun(now, u, memory, id);
                }
                Output::End(id, verdict) => {
                    let life = (self.vehicles[u].memory, self.vehicles[u].boots);
                    self.oracle.command_said(now, u, life, id, verdict);
                }
                Output::HangUp => {
                    let vehicle = &mut self.vehicles[u];
                    vehicle.dials += 1;
                    vehicle.attached = None;
                    if let Some((socket, _)) = vehicle.socket.take() {
                        self.send(socket, Place::Vehicle(u), Payload::End(1000));
                    }
                }
            }
        }
        let due = self.vehicles[u].unit.next_deadline().map(|at| at.0);
        if let Some(at) = due.filter(|at| self.vehicles[u].deadline.is_none_or(|set| set > *at)) {
            self.vehicles[u].deadline = Some(at);
            self.schedule(at.max(now), Event::UnitDeadline(u));
        }
    }

    fn send_uplink(&mut self, u: usize, message: Uplink) {
        if let Uplink::Telemetry(telemetry) = &message {
            self.oracle.sent(self.now, self.vehicles[u].spool, telemetry);
        }
        if let Some((socket, _)) = self.vehicles[u].socket {
            self.send(socket, Place::Vehicle(u), Payload::Uplink(Box::new(message)));
        }
    }

    /// The unit's deadline has come.
    pub fn on_unit_deadline(&mut self, u: usize) {
        self.vehicles[u].deadline = None;
        self.input(u, Input::DeadlineReached);
    }

    /// A dial comes through, is refused, or runs into nothing.
    pub fn on_unit_dialled(&mut self, u: usize, dial: u64, g: usize) {
        let vehicle = &self.vehicles[u];
        if vehicle.dials != dial {
            return;
        }
        let (here, there) = (Place::Vehicle(u), Place::Gateway(g));
        let stalled = self.gateways[g].stalled_until > self.now;
        if stalled || !self.network.reaches(here, there) {
            return self.schedule(self.now + DIAL_TIMEOUT_MS, Event::UnitDialTimedOut(u, dial));
        }
        if self.gateways[g].life.is_none() {
            return self.input(u, Input::DialFailed);
        }
        let socket = self.network.open(here, there);
        if let Some(life) = self.gateways[g].life.as_mut() {
            life.conns.insert(ConnId(socket), Conn::new(u, self.now));
        }
        self.vehicles[u].socket = Some((socket, g));
        self.trace.note(self.now, format_args!("unit {u} opens {socket} to gateway {g}"));
        self.input(u, Input::Opened);
    }

    /// A dial is given up.
    pub fn on_unit_dial_timed_out(&mut self, u: usize, dial: u64) {
        if self.vehicles[u].dials == dial {
            self.input(u, Input::DialFailed);
        }
    }

    /// Something came from a gateway.
    pub fn on_downlink(&mut self, u: usize, socket: SocketId, payload: Payload) {
        if self.vehicles[u].socket.is_none_or(|(current, _)| current != socket) {
            return;
        }
        match payload {
            Payload::Downlink(message) => {
                self.observe(u, &message);
                self.input(u, Input::Received(*message));
            }
            Payload::Ping => {
                self.send(socket, Place::Vehicle(u), Payload::Pong);
                self.input(u, Input::Pinged);
            }
            Payload::End(code) => {
                self.trace.note(self.now, format_args!("unit {u} sees {socket} end with {code}"));
                self.vehicles[u].socket = None;
                self.vehicles[u].attached = None;
                self.input(u, Input::Lost(code));
            }
            Payload::Uplink(_) | Payload::Frame(..) | Payload::Pong => {}
        }
    }

    fn observe(&mut self, u: usize, message: &Downlink) {
        match message {
            Downlink::AttachAccept(accept) => {
                self.vehicles[u].attached = Some(accept.epoch);
                self.oracle.accepted(self.now, u, accept);
                // Nothing below this is asked for: it counts as acked.
                let settled = TelemetryAck {
                    spool: self.vehicles[u].spool,
                    through: accept.resume_from.saturating_sub(1),
                    ranges: SeqRanges::new(),
                    rejected: Vec::new(),
                };
                let id = self.vehicles[u].id.clone();
                self.oracle.acked(&id, &settled);
            }
            Downlink::AttachReject(reject) => {
                self.trace.reach(reject.cause.wire());
                self.trace.note(self.now, format_args!("unit {u} is rejected: {}", reject.cause.wire()));
                if reject.cause == RejectCause::Cloned {
                    // It waits between once and twice what it was told.
                    self.turned_away_until = self.turned_away_until.max(self.now + 2 * reject.backoff.0);
                }
                if matches!(reject.cause, RejectCause::EpochSync | RejectCause::ContextUnknown) {
                    self.oracle.promises.forgot_token(u);
                }
            }
            Downlink::TelemetryAck(ack) => {
                let id = self.vehicles[u].id.clone();
                self.oracle.acked(&id, ack);
            }
            Downlink::TrackingAccept(_)
            | Downlink::DetachOrder { .. }
            | Downlink::TimeReply { .. }
            | Downlink::Error(_)
            | Downlink::FlowControl { .. }
            | Downlink::Command(_)
            | Downlink::CommandCancel(_)
            | Downlink::SnapshotRequest(_)
            | Downlink::Redirect(_) => {}
        }
    }

    /// A unit makes a record.
    pub fn on_sample(&mut self, u: usize, boots: u64) {
        if !self.vehicles[u].on || self.vehicles[u].boots != boots || self.samples_stopped {
            return;
        }
        self.sample(u);
        let next = self.now + self.dice.between(200, self.settings.sample_ms);
        self.schedule(next, Event::Sample(u, boots));
    }

    /// A unit makes a record, now.
    pub fn sample(&mut self, u: usize) {
        let record = self.record(u);
        self.input(u, Input::Sampled(record));
    }

    fn record(&mut self, u: usize) -> Record {
        let vehicle = &self.vehicles[u];
        let mut position = position(vehicle.place);
        position.lat_e7 += self.dice.below(1000) as i32;
        // Now and then one that is to be refused.
        let heading = if self.dice.chance(4) { 36_500 } else { self.dice.below(36_000) as u16 };
        let fix = Fix { position, alt_cm: None, speed_cms: Some(1400), heading_cdeg: Some(heading), hdop_centi: None };
        let signals =
            SignalPath::new("Vehicle.Speed").map(|path| (path, SignalValue::Integer(self.dice.below(200) as i64)));
        Record { t: vehicle.wall(self.now), fix: Some(fix), signals: signals.into_iter().collect() }
    }

    /// A vehicle drives into another tracking area, and perhaps into another region.
    pub fn move_vehicle(&mut self, u: usize) {
        let place = self.dice.index(PLACES.len());
        self.vehicles[u].place = place;
        self.trace.note(self.now, format_args!("unit {u} is at {place}"));
        self.input(u, Input::Moved(position(place)));
        if self.dice.chance(60) {
            let target = self.dice.index(self.gateways.len());
            let cause = self.dice.chance(50).then_some(DetachCause::Handover);
            self.input(u, Input::Redirected(target, cause));
        }
    }
}
