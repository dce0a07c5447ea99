//! The sockets of vehicles at a gateway: what comes in on them, their keepalive and their end.

use super::check::Check;
use super::network::{Payload, Place, SocketId};
use super::plant::Plant;
use super::run::World;
use waygate_core::cause::DetachCause;
use waygate_core::cell::Cell;
use waygate_core::command::VehicleVerdict;
use waygate_core::commands::Event as CommandEvent;
use waygate_core::id::{ConnId, SessionId};
use waygate_core::message::{AttachRequest, Downlink, TrackingAccept, Uplink};
use waygate_core::node::Event as NodeEvent;
use waygate_core::registrar::Event as RegistrarEvent;
use waygate_core::session::Phase;
use waygate_core::time::Millis;
use waygate_core::wake::WakeChannels;

/// How long an attach may take after the socket opened.
const ATTACH_WITHIN_MS: u64 = 5000;

impl World {
    /// Closes a vehicle's socket; the node hears of its end as of any other.
    pub fn close(&mut self, g: usize, conn: ConnId, code: u16) {
        self.send(conn.0, Place::Gateway(g), Payload::End(code));
        if let Some(event) = self.end_of(g, conn) {
            self.follow_ups.push_back((g, event));
        }
    }

    /// The gateway has a socket no more. Returns what its node is to be told.
    fn end_of(&mut self, g: usize, conn: ConnId) -> Option<RegistrarEvent> {
        let now = self.now;
        let life = self.gateways[g].life.as_mut()?;
        let socket = life.conns.remove(&conn)?;
        let silent_ms = now - socket.heard;
        self.trace.note(now, format_args!("gateway {g} loses {}, heard {silent_ms} ms ago", conn.0));
        self.oracle.socket_lost(now, g, &life.node, conn);
        if let Some(vehicle) = socket.vehicle.filter(|_| socket.ingest.is_some()) {
            self.oracle.promises.overtaken(g, &life.node, &vehicle);
        }
        Some(RegistrarEvent::SocketLost { conn, contact: life.mono(socket.heard) })
    }

    /// Something came from a vehicle.
    pub fn on_uplink(&mut self, g: usize, unit: usize, socket: SocketId, payload: Payload) {
        let (now, conn) = (self.now, ConnId(socket));
        let Some(life) = self.gateways[g].life.as_mut() else { return };
        let Some(known) = life.conns.get_mut(&conn) else { return };
        if !matches!(payload, Payload::End(_)) {
            (known.heard, known.pinged) = (now, false);
            self.oracle.promises.heard(now, g, &self.vehicles[unit].id);
            self.oracle.promises.attended(now, g, &life.node, conn);
        }
        match payload {
            Payload::Uplink(message) => self.on_message(g, conn, *message),
            Payload::End(code) => {
                self.trace.note(now, format_args!("gateway {g} sees {socket} end with {code}"));
                self.lose_socket(g, conn);
            }
            Payload::Ping | Payload::Pong | Payload::Downlink(_) | Payload::Frame(..) => {}
        }
    }

    fn on_message(&mut self, g: usize, conn: ConnId, message: Uplink) {
        match message {
            Uplink::Attach(request) => self.on_attach(g, conn, request),
            Uplink::Telemetry(telemetry) => {
                let Some(life) = self.gateways[g].life.as_mut() else { return };
                if let Some(known) = life.conns.get_mut(&conn) {
                    known.inbox.push_back(telemetry);
                    self.read_records(g, conn);
                }
            }
            Uplink::TrackingUpdate(update) => {
                if let Some(cell) = update.position.and_then(Cell::of) {
                    self.drive(g, NodeEvent::Session(RegistrarEvent::Moved(conn, cell)));
                }
                let reply = TrackingAccept { areas: Vec::new(), timers: self.settings.timers, gateways: Vec::new() };
                self.send(conn.0, Place::Gateway(g), Payload::Downlink(Box::new(Downlink::TrackingAccept(reply))));
            }
            Uplink::Detach(cause) => self.on_goodbye(g, conn, RegistrarEvent::DetachRequested(conn, cause)),
            Uplink::Suspend(suspend) => {
                if let Some(life) = self.gateways[g].life.as_ref() {
                    self.oracle.suspending(g, &life.node, conn, suspend.sleep);
                }
                let event = RegistrarEvent::SuspendRequested(conn, suspend.sleep, suspend.wake);
                self.drive(g, NodeEvent::Session(event));
            }
            Uplink::CommandStatus(mut status) => {
                if self.plant == Some(Plant::DoneWhenAccepted) && !status.verdict.is_final() {
                    status.verdict = VehicleVerdict::Succeeded;
                }
                let life = self.gateways[g].life.as_ref();
                if let Some(vehicle) = life.and_then(|life| life.node.registrar().vehicle_of(conn)).cloned() {
                    self.command(g, CommandEvent::StatusHeard(vehicle, status));
                }
            }
            Uplink::TimeRequest(sent) => {
                let reply = Downlink::TimeReply { sent, server_time: self.gateways[g].wall(self.now) };
                self.send(conn.0, Place::Gateway(g), Payload::Downlink(Box::new(reply)));
            }
        }
    }

    fn on_attach(&mut self, g: usize, conn: ConnId, mut request: Box<AttachRequest>) {
        let (now, fresh) = (self.now, SessionId(self.dice.number()));
        let wall = self.gateways[g].wall(now);
        let Some(life) = self.gateways[g].life.as_mut() else { return };
        if let Some(known) = life.conns.get_mut(&conn) {
            known.vehicle = Some(request.vehicle.clone());
        }
        self.oracle.attaching(now, g, &life.node, conn, &request);
        self.trace
            .note(now, format_args!("gateway {g} is asked by {} {:?} on {}", request.vehicle, request.kind, conn.0));
        if self.plant == Some(Plant::EpochFromClock) {
            request.token = None;
        }
        let (known, connected_elsewhere) = (None, false);
        let event = RegistrarEvent::AttachRequested { conn, request, known, connected_elsewhere, wall, fresh };
        self.drive(g, NodeEvent::Session(event));
    }

    /// A socket ends without a goodbye.
    pub fn lose_socket(&mut self, g: usize, conn: ConnId) {
        let Some(lost) = self.end_of(g, conn) else { return };
        if self.plant == Some(Plant::SleepUnasked) {
            let event = RegistrarEvent::SuspendRequested(conn, Millis(0), WakeChannels::NONE);
            self.drive(g, NodeEvent::Session(event));
        }
        if self.plant == Some(Plant::PublishWithoutHold) {
            let event = RegistrarEvent::DetachRequested(conn, DetachCause::Unspecified);
            self.drive(g, NodeEvent::Session(event));
        }
        self.on_goodbye(g, conn, lost);
    }

    /// The end of a connection must not touch a session that has another.
    fn on_goodbye(&mut self, g: usize, conn: ConnId, event: RegistrarEvent) {
        let present = |world: &Self| {
            let life = world.gateways[g].life.as_ref()?;
            let vehicle = life.node.registrar().vehicle_of(conn)?.clone();
            let phase = life.node.registrar().session(&vehicle)?.phase();
            matches!(phase, Phase::Connected(other) if other != conn).then_some((vehicle, phase))
        };
        let before = present(self);
        if let (Some((_, Phase::Connected(other))), Some(Plant::HonourLateGoodbye)) = (&before, self.plant) {
            let event = RegistrarEvent::DetachRequested(*other, DetachCause::Unspecified);
            self.drive(g, NodeEvent::Session(event));
        }
        self.drive(g, NodeEvent::Session(event));
        if let Some((vehicle, phase)) = before {
            self.trace.reach("late goodbye");
            let life = self.gateways[g].life.as_ref();
            let after = life.and_then(|life| life.node.registrar().session(&vehicle)).map(|session| session.phase());
            self.oracle.expect(Check::LateIsIgnored, self.now, after == Some(phase), || {
                format!("the goodbye of socket {} moved {vehicle} from {phase:?} to {after:?}", conn.0)
            });
        }
    }

    /// What followed from closing sockets happens now.
    pub fn follow_up(&mut self) {
        while let Some((g, event)) = self.follow_ups.pop_front() {
            if let RegistrarEvent::SocketLost { conn, .. } = event {
                self.on_goodbye(g, conn, event);
            } else {
                self.drive(g, NodeEvent::Session(event));
            }
        }
    }

    /// Pings who is silent, gives up who stays silent.
    pub fn keep_alive(&mut self, g: usize) {
        let (now, timers) = (self.now, self.settings.timers);
        let Some(life) = self.gateways[g].life.as_mut() else { return };
        let (mut pings, mut lost) = (Vec::new(), Vec::new());
        for (conn, socket) in &mut life.conns {
            let silent_ms = now - socket.heard;
            let unasked = socket.vehicle.is_none() && silent_ms >= ATTACH_WITHIN_MS;
            if unasked || silent_ms >= (timers.ping + timers.pong).0 {
                lost.push(*conn);
            } else if silent_ms >= timers.ping.0 && !socket.pinged {
                socket.pinged = true;
                pings.push(*conn);
            }
        }
        for conn in pings {
            self.send(conn.0, Place::Gateway(g), Payload::Ping);
        }
        for conn in lost {
            self.trace.note(now, format_args!("gateway {g} gives up {}", conn.0));
            self.send(conn.0, Place::Gateway(g), Payload::End(1006));
            self.lose_socket(g, conn);
        }
    }
}
