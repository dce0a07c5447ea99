//! The way of a gateway's writes to its disk and of the disk's answers back: records, acks, attaches.

use super::check::Check;
use super::disk::{Answer, Request};
use super::network::{Payload, Place};
use super::plant::Plant;
use super::run::{Event, World};
use waygate_core::commands::Event as CommandEvent;
use waygate_core::id::{ConnId, VehicleId};
use waygate_core::ingest;
use waygate_core::limits;
use waygate_core::message::{Downlink, ErrorReport};
use waygate_core::node::Event as NodeEvent;
use waygate_core::registrar::Event as RegistrarEvent;
use waygate_core::session::Session;

/// About what a record takes on the wire.
const RECORD_BYTES: usize = 24;

impl World {
    /// Puts a write into the queue of a gateway's disk.
    pub fn to_disk(&mut self, g: usize, request: Request) {
        self.gateways[g].disk.write(request);
        self.kick_disk(g);
    }

    fn kick_disk(&mut self, g: usize) {
        let gateway = &mut self.gateways[g];
        let Some(number) = gateway.life.as_ref().map(|life| life.number) else { return };
        if let Some(span) = gateway.disk.begin_commit(&mut self.dice) {
            self.schedule(self.now + span, Event::Committed(g, number));
        }
    }

    /// A commit ends: its answers go to those who wait.
    pub fn on_committed(&mut self, g: usize) {
        let answers = self.gateways[g].disk.end_commit(&mut self.dice);
        self.trace.note(self.now, format_args!("gateway {g} commits {}", answers.len()));
        for answer in answers {
            match &answer {
                Answer::NotAttached(..) => self.trace.reach("attach not durable"),
                Answer::Overlapped(..) => self.trace.reach("batch overlaps"),
                Answer::NotStored(..) => self.trace.reach("batch not durable"),
                Answer::Attached(..) | Answer::Stored(..) | Answer::Command(..) => {}
            }
            match answer {
                Answer::Attached(vehicle, session, epoch, settled) => {
                    self.oracle.promises.undoubted(g, &vehicle);
                    let event = RegistrarEvent::Persisted { vehicle: vehicle.clone(), session, epoch, settled };
                    self.answer_attach(g, &vehicle, epoch, event);
                }
                Answer::NotAttached(vehicle, session, epoch) => {
                    self.oracle.promises.refused(g, &vehicle, epoch);
                    let event = RegistrarEvent::PersistFailed { vehicle: vehicle.clone(), session, epoch };
                    self.answer_attach(g, &vehicle, epoch, event);
                }
                Answer::Stored(conn, ticket) => self.ingest(g, conn, ingest::Event::Persisted(ticket)),
                Answer::Overlapped(conn, ticket, settled) => {
                    self.ingest(g, conn, ingest::Event::Overlapped(ticket, settled));
                }
                Answer::NotStored(conn, ticket) => self.ingest(g, conn, ingest::Event::PersistFailed(ticket)),
                Answer::Command(id, true) => self.command(g, CommandEvent::Persisted(id)),
                Answer::Command(id, false) => self.command(g, CommandEvent::PersistFailed(id)),
            }
        }
        self.kick_disk(g);
    }

    fn answer_attach(
        &mut self,
        g: usize,
        vehicle: &VehicleId,
        epoch: waygate_core::epoch::Epoch,
        event: RegistrarEvent,
    ) {
        let held = |world: &Self| -> Option<Session> {
            world.gateways[g].life.as_ref()?.node.registrar().session(vehicle).cloned()
        };
        let before = held(self);
        let late = before.as_ref().is_none_or(|session| session.epoch() != epoch);
        let waiting = before.as_ref().and_then(|session| session.conns()[1]).filter(|_| !late);
        let durable = matches!(event, RegistrarEvent::Persisted { .. });
        self.drive(g, NodeEvent::Session(event));
        let after = held(self);
        if late {
            self.trace.reach("late answer of the disk");
            self.oracle.expect(Check::LateIsIgnored, self.now, before == after, || {
                format!("the answer for {epoch:?} of {vehicle} changed {before:?} to {after:?}")
            });
        }
        if let (Some(conn), true) = (waiting, durable) {
            let life = self.gateways[g].life.as_ref();
            let open = life.and_then(|life| life.conns.get(&conn));
            let accepted = open.is_none_or(|conn| conn.ingest.is_some());
            self.oracle.expect(Check::AttachIsLocal, self.now, accepted, || {
                format!("{vehicle} is on disk at gateway {g} as {epoch:?} and not accepted on {}", conn.0)
            });
        }
    }

    /// Reads the messages of a connection for which the window has room.
    pub fn read_records(&mut self, g: usize, conn: ConnId) {
        loop {
            let wall = self.gateways[g].wall(self.now);
            let Some(life) = self.gateways[g].life.as_mut() else { return };
            let Some(known) = life.conns.get_mut(&conn) else { return };
            let Some(ingest) = known.ingest.as_ref() else {
                known.inbox.clear();
                return self.refuse(g, conn, "telemetry before the attach was accepted".to_owned());
            };
            if !ingest.ready() {
                return;
            }
            let Some(telemetry) = known.inbox.pop_front() else { return };
            self.oracle.promises.received(known.spool, wall, &telemetry);
            let wire_bytes = telemetry.records.len() * RECORD_BYTES;
            self.ingest(g, conn, ingest::Event::Received { telemetry, wire_bytes, wall });
        }
    }

    fn refuse(&mut self, g: usize, conn: ConnId, text: String) {
        self.trace.reach("telemetry refused");
        self.trace.note(self.now, format_args!("gateway {g} refuses {}: {text}", conn.0));
        let report = ErrorReport { code: "telemetry", fatal: true, text, refers_to: "telemetry".to_owned() };
        self.send(conn.0, Place::Gateway(g), Payload::Downlink(Box::new(Downlink::Error(report))));
        self.close(g, conn, 1008);
        self.follow_up();
    }

    /// Gives the ingest of a connection an event, performs what it asks for, sends the ack that is due.
    fn ingest(&mut self, g: usize, conn: ConnId, event: ingest::Event) {
        let settles = !matches!(event, ingest::Event::Received { .. });
        let gateway = &mut self.gateways[g];
        let Some(life) = gateway.life.as_mut() else { return };
        let Some(known) = life.conns.get_mut(&conn) else { return };
        let Some(ingest) = known.ingest.as_mut() else { return };
        if let ingest::Event::Persisted(ticket) | ingest::Event::PersistFailed(ticket) = &event {
            known.records_under_way.remove(ticket);
        }
        if let ingest::Event::Overlapped(ticket, _) = &event {
            known.records_under_way.remove(ticket);
        }
        let mut out = Vec::new();
        let taken = ingest.apply(event, &mut out);
        let mut requests = Vec::new();
        let mut abandoned = false;
        for action in out {
            match action {
                ingest::Action::Persist(ticket, write) => {
                    known.records_under_way.insert(ticket, write.settled.count() as usize);
                    if self.plant == Some(Plant::AckBeforeCommit) {
                        // Nothing is refused and nothing asked for by an event that settles.
                        let _ = ingest.apply(ingest::Event::Persisted(ticket), &mut Vec::new());
                    }
                    let mut write = write;
                    if self.plant == Some(Plant::SettleUnwritten) {
                        write.runs.pop();
                    }
                    requests.push(Request::Batch(conn, ticket, write));
                }
                ingest::Action::Abandon => abandoned = true,
            }
        }
        let under_way: usize = known.records_under_way.values().sum();
        let max = limits::WINDOW_RECORDS_MAX as usize + limits::BATCH_RECORDS_MAX;
        self.oracle.expect(Check::BuffersAreBounded, self.now, under_way <= max, || {
            format!("{under_way} records of one connection are on their way to disk")
        });
        let ack = ingest.ack();
        if let (Some(ack), Some(vehicle)) = (ack, known.vehicle.clone()) {
            let claimed = (known.oldest, &known.claimed);
            self.oracle.acking(self.now, &vehicle, &ack, claimed, gateway.disk.image());
            self.trace.note(self.now, format_args!("gateway {g} acks {vehicle} {} {:?}", ack.through, ack.ranges));
            if self.plant != Some(Plant::LoseAcks) {
                self.send(conn.0, Place::Gateway(g), Payload::Downlink(Box::new(Downlink::TelemetryAck(ack))));
            }
        }
        for request in requests {
            self.to_disk(g, request);
        }
        if let Err(refusal) = taken {
            self.refuse(g, conn, refusal.to_string());
        } else if abandoned {
            self.close(g, conn, 1011);
            self.follow_up();
        } else if settles {
            self.read_records(g, conn);
        }
    }
}
