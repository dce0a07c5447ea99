//! The real onboard unit in the seeded world: its machine and its spool, without its sockets and its clock.
//!
//! The world gives it one socket: where the machine dials a second one beside its session, the first one is lost to it.
//! The spool stands for one on a disk that survives a reboot, unless the world takes it away.

use super::hands::Work;
use super::vehicle::{Input, Keeps, Moment, Output, Unit};
use waygate_core::id::{SpoolId, VehicleId};
use waygate_core::message::Uplink;
use waygate_core::record::Telemetry;
use waygate_core::time::{Millis, Mono};
use waygate_core::wake::{WakeChannel, WakeChannels};
use waygate_obu::machine::{Action, Batching, Event, LinkId, Machine, Nap, Settings, Span, SpoolState};
use waygate_obu::{MemorySpool, Notice, Spool};

/// More than a vehicle makes in a run.
const RECORDS_MAX: usize = 100_000;
/// About what a record takes on the wire.
const RECORD_BYTES: u32 = 24;

/// A real unit.
#[derive(Debug)]
pub struct ObuUnit {
    vehicle: VehicleId,
    gateways: usize,
    home: usize,
    spool: MemorySpool,
    machine: Option<Machine>,
    /// The socket, or the dial.
    link: Option<LinkId>,
    wakeable: bool,
    work: Work,
    boots: u32,
}

impl ObuUnit {
    /// A unit that is off.
    pub fn new(vehicle: VehicleId, gateways: usize, home: usize, wakeable: bool) -> Self {
        let spool = MemorySpool::new(SpoolId(0), RECORDS_MAX);
        Self { vehicle, gateways, home, spool, machine: None, link: None, wakeable, work: Work::default(), boots: 0 }
    }

    /// The addresses of the gateways, the one at home first.
    fn addresses(&self) -> Vec<String> {
        (0..self.gateways).map(|n| ((self.home + n) % self.gateways).to_string()).collect()
    }

    fn power_on(&mut self, at: Moment, keeps: Keeps, id: SpoolId, out: &mut Vec<Output>) {
        self.boots += 1;
        if keeps != Keeps::All || self.boots == 1 {
            let token = self.spool.token().cloned().filter(|_| keeps == Keeps::Token);
            self.spool = MemorySpool::new(id, RECORDS_MAX);
            // A spool in memory takes everything.
            let _ = self.spool.keep_token(token);
        }
        let settings = Settings {
            vehicle: self.vehicle.clone(),
            boot_id: format!("boot-{}", self.boots),
            gateways: self.addresses(),
            batching: Batching::default(),
            ignition_on: true,
            wake: if self.wakeable { [WakeChannel::Sms].into_iter().collect() } else { WakeChannels::NONE },
            // Now and then its owner takes none, until it starts anew.
            takes_commands: !(self.home as u32 + self.boots).is_multiple_of(5),
        };
        let state = SpoolState {
            id: self.spool.id(),
            last: self.spool.last(),
            settled: self.spool.settled().clone(),
            token: self.spool.token().cloned(),
            commands: self.spool.commands(),
        };
        self.work = Work::default();
        (self.machine, self.link) = (Some(Machine::new(settings, state)), None);
        self.give(at, Event::AttachRequested, out);
    }

    /// Gives the machine an event and does what it asks for.
    fn give(&mut self, at: Moment, event: Event, out: &mut Vec<Output>) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let Some(machine) = &mut self.machine else { return };
            let mut actions = Vec::new();
            machine.apply(at.now, event, &mut actions);
            for action in actions {
                match action {
                    Action::Connect { link, gateway } => {
                        if let Some(link) = self.link.replace(link) {
                            out.push(Output::HangUp);
                            let random = at.chance;
                            events.push(Event::SocketLost { link, code: None, why: "one socket".to_owned(), random });
                        }
                        out.extend(gateway.parse().map(Output::Dial));
                    }
                    Action::Send { link, message } if self.link == Some(link) => out.push(Output::Send(message)),
                    Action::SendRecords { link, span, bytes_max } if self.link == Some(link) => {
                        events.push(self.send_records(span, bytes_max, out));
                    }
                    Action::Close { link, .. } if self.link == Some(link) => {
                        self.link = None;
                        out.push(Output::HangUp);
                    }
                    Action::SendRecords { .. } => events.push(Event::RecordsUnread),
                    Action::Send { .. } | Action::Close { .. } => {}
                    Action::Settle { seqs, rejected } => {
                        let _ = self.spool.settle(&seqs, &rejected);
                    }
                    Action::KeepToken(token) => {
                        let _ = self.spool.keep_token(token);
                    }
                    Action::RememberCommand(id) => {
                        let _ = self.spool.remember_command(id);
                    }
                    Action::Notify(Notice::CommandArrived(command)) => events.push(Event::BeginAsked(command.id)),
                    Action::AnswerBegin { id, granted: true } => {
                        out.push(Output::Begin(id));
                        self.work.begin(at, id);
                    }
                    // The world asks for no snapshots of this unit.
                    Action::AnswerBegin { .. } | Action::Snapshot(_) | Action::Notify(_) => {}
                }
            }
        }
    }

    fn send_records(&mut self, span: Span, bytes_max: usize, out: &mut Vec<Output>) -> Event {
        let records = self.spool.read(span.first, span.last, bytes_max).map(|read| read.records).unwrap_or_default();
        if records.is_empty() {
            return Event::RecordsUnread;
        }
        let count = records.len() as u64;
        out.push(Output::Send(Uplink::Telemetry(Telemetry { first_seq: span.first, lane: span.lane, records })));
        Event::RecordsSent { first: span.first, last: span.first + count - 1, bytes: count as u32 * RECORD_BYTES }
    }
}

impl Unit for ObuUnit {
    fn apply(&mut self, at: Moment, input: Input, out: &mut Vec<Output>) {
        let random = at.chance;
        let link = self.link.unwrap_or_default();
        let event = match input {
            Input::PoweredOn { keeps, spool } => return self.power_on(at, keeps, spool, out),
            Input::PoweredOff(None) => {
                (self.machine, self.link) = (None, None);
                return out.push(Output::HangUp);
            }
            Input::PoweredOff(Some(cause)) => Event::DetachRequested(cause),
            Input::Sampled(record) => match self.spool.append(at.wall, &record) {
                Ok(appended) => Event::RecordAdded { seq: appended.seq, position: record.fix.map(|fix| fix.position) },
                Err(_) => return,
            },
            Input::Moved(position) => Event::PositionChanged(position),
            Input::Redirected(target, _) => {
                self.home = target;
                Event::GatewaysPreferred(self.addresses())
            }
            Input::Opened => Event::Connected { link, wall: at.wall, signals: Vec::new() },
            Input::DialFailed => {
                self.link = None;
                Event::ConnectFailed { link, why: "refused".to_owned(), retry_after: None, random }
            }
            Input::Received(message) => {
                self.give(at, Event::FrameReceived { link }, out);
                Event::MessageReceived { link, message, random }
            }
            Input::Parked(sleep) => Event::SuspendRequested(Nap { active: Millis(1), sleep }),
            // A wake-up that is known for one.
            Input::Woken => Event::AttachRequested,
            Input::Pinged => Event::FrameReceived { link },
            Input::Lost(code) => {
                self.link = None;
                let code = Some(code).filter(|code| *code != 0);
                Event::SocketLost { link, code, why: "closed".to_owned(), random }
            }
            Input::DeadlineReached => {
                for status in self.work.finish(at) {
                    out.push(Output::End(status.id, status.verdict));
                    self.give(at, Event::CommandSaid(status), out);
                }
                Event::DeadlineReached { random }
            }
        };
        self.give(at, event, out);
    }

    fn next_deadline(&self) -> Option<Mono> {
        let machine = self.machine.as_ref();
        machine.and_then(|m| [m.next_deadline(), self.work.next_deadline()].into_iter().flatten().min())
    }

    fn backlog(&self) -> usize {
        self.machine.as_ref().map_or(0, |machine| machine.unsettled() as usize)
    }

    fn repeats_last_words(&self) -> bool {
        true
    }
}
