//! A vehicle in the seeded world: the onboard unit behind a trait, and a small unit that keeps the protocol.
//!
//! The small unit spools, attaches, resumes, sends windows of records, takes acks, backs off and fails over.
//! It owns no socket: it asks for one and is told what became of it. It never drops a record that was not acked.

use super::dice::Dice;
use super::hands::{Faults, Hands};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use waygate_core::cause::{DetachCause, RejectCause, RetryClass};
use waygate_core::command::{ClockTie, CommandId, VehicleVerdict};
use waygate_core::id::{SpoolId, VehicleId};
use waygate_core::message::{
    AttachAccept, AttachKind, AttachRequest, Downlink, Suspend, TrackingCause, TrackingUpdate, Uplink,
};
use waygate_core::ranges::SeqRanges;
use waygate_core::record::{Lane, Position, Record, SpoolReport, Telemetry};
use waygate_core::time::{Millis, Mono, Wall};
use waygate_core::wake::{WakeChannel, WakeChannels};

/// When something happens to a unit: its clocks and a random number.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Its monotonic clock.
    pub now: Mono,
    /// Its wall clock, as wrong as it is.
    pub wall: Wall,
    /// Chance.
    pub chance: u64,
}

/// What a unit keeps over a reboot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// Spool and token.
    All,
    /// The token; the spool is lost.
    Token,
    /// Nothing.
    Nothing,
}

/// What happens to a unit.
#[derive(Clone, Debug)]
pub enum Input {
    /// It starts.
    PoweredOn {
        /// What it still has.
        keeps: Keeps,
        /// The id of a new spool, if it needs one.
        spool: SpoolId,
    },
    /// It is switched off; with a cause it says goodbye first.
    PoweredOff(Option<DetachCause>),
    /// A record was made.
    Sampled(Record),
    /// It is elsewhere now.
    Moved(Position),
    /// Another gateway serves this place; with a cause it says goodbye to the present one.
    Redirected(usize, Option<DetachCause>),
    /// The socket it asked for is open.
    Opened,
    /// The socket it asked for is not to be had.
    DialFailed,
    /// A message came.
    Received(Downlink),
    /// A ping came.
    Pinged,
    /// The socket is closed, with this code.
    Lost(u16),
    /// It parks, and sleeps for so long.
    Parked(Millis),
    /// A wake-up reached it.
    Woken,
    /// Its deadline has come.
    DeadlineReached,
}

/// What a unit asks for.
#[derive(Clone, Debug)]
pub enum Output {
    /// A socket to a gateway.
    Dial(usize),
    /// Send a message.
    Send(Uplink),
    /// Close the socket.
    HangUp,
    /// It begins a command.
    Begin(CommandId),
    /// It is done with one.
    End(CommandId, VehicleVerdict),
}

/// An onboard unit.
pub trait Unit: Debug {
    /// The machine.
    fn apply(&mut self, at: Moment, input: Input, out: &mut Vec<Output>);
    /// When [`Input::DeadlineReached`] is due.
    fn next_deadline(&self) -> Option<Mono>;
    /// Records made and not acked yet.
    fn backlog(&self) -> usize;
    /// Whether it says its last word on a command until it must have been heard.
    fn repeats_last_words(&self) -> bool;
}

/// Records sent and not acked.
const WINDOW_RECORDS: usize = 48;
/// Records in one message.
const BATCH_RECORDS: usize = 8;
/// How long an accept may take.
const ATTACH_GUARD: Millis = Millis::secs(15);
/// How long an attempt to open a socket may take.
const DIAL_GUARD: Millis = Millis::secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Off,
    Waiting(Mono),
    Dialling(Mono),
    Attaching(Mono),
    /// Until the socket counts as dead.
    Attached(Mono),
}

/// A unit of its own, small enough to be read at once.
#[derive(Clone, Debug)]
pub struct SmallUnit {
    vehicle: VehicleId,
    gateways: usize,
    target: usize,
    served_by: Option<usize>,
    state: State,
    token: Option<Vec<u8>>,
    spool: SpoolId,
    last_seq: u64,
    kept: BTreeMap<u64, Record>,
    unsent: BTreeSet<u64>,
    acked: SeqRanges,
    position: Option<Position>,
    boots: u32,
    failures: u32,
    tells_clock: bool,
    asked: Mono,
    tie: Option<ClockTie>,
    patience: Millis,
    wake: WakeChannels,
    hands: Hands,
}

impl SmallUnit {
    /// A unit that is off. `patience` is how long a silent socket is believed in.
    pub fn new(vehicle: VehicleId, gateways: usize, home: usize, patience: Millis) -> Self {
        Self {
            vehicle,
            gateways,
            target: home,
            served_by: None,
            state: State::Off,
            token: None,
            spool: SpoolId(0),
            last_seq: 0,
            kept: BTreeMap::new(),
            unsent: BTreeSet::new(),
            acked: SeqRanges::new(),
            position: None,
            boots: 0,
            failures: 0,
            tells_clock: true,
            asked: Mono(0),
            tie: None,
            patience,
            wake: WakeChannels::NONE,
            hands: Hands::default(),
        }
    }

    /// What it gets wrong with commands, as planted faults.
    pub fn errs(&mut self, faults: Faults) {
        self.hands.faults = faults;
    }

    /// One that can be woken.
    pub fn wakeable(self) -> Self {
        Self { wake: [WakeChannel::Sms].into_iter().collect(), ..self }
    }

    fn power_on(&mut self, at: Moment, keeps: Keeps, spool: SpoolId) {
        self.boots += 1;
        if keeps == Keeps::Nothing {
            self.token = None;
        }
        if keeps != Keeps::All || self.boots == 1 {
            self.spool = spool;
            self.last_seq = 0;
            self.kept.clear();
            self.acked = SeqRanges::new();
            self.hands.forget();
        }
        self.hands.drop_work();
        self.state = State::Waiting(at.now + Millis(at.chance % 2000));
    }

    fn attach_request(&self, at: Moment) -> AttachRequest {
        let kind = match (&self.token, self.served_by) {
            (None, _) => AttachKind::Initial,
            (Some(_), Some(by)) if by == self.target => AttachKind::Resume,
            (Some(_), _) => AttachKind::Handover,
        };
        let oldest = self.kept.keys().next().copied().unwrap_or(self.last_seq + 1);
        let above = self.acked.iter().filter(|r| *r.end() >= oldest);
        let spool = SpoolReport {
            id: self.spool,
            oldest,
            last: self.last_seq,
            acked: above.map(|r| ((*r.start()).max(oldest), *r.end())).collect(),
        };
        AttachRequest {
            vehicle: self.vehicle.clone(),
            kind,
            token: self.token.clone(),
            boot_id: format!("boot-{}", self.boots),
            spool,
            position: self.position,
            clock: self.tells_clock.then_some(at.wall),
            signals: Vec::new(),
            wake: self.wake,
        }
    }

    fn accept(&mut self, at: Moment, accept: AttachAccept, out: &mut Vec<Output>) {
        self.token = Some(accept.token);
        self.served_by = Some(self.target);
        self.failures = 0;
        self.state = State::Attached(at.now + self.patience);
        self.tie = Some(ClockTie { asked: self.asked, server_time: accept.server_time });
        self.unsent = self.kept.keys().copied().collect();
        self.send_records(at, out);
    }

    /// Sends runs of records until the window is full: the newest first if chance says so.
    fn send_records(&mut self, at: Moment, out: &mut Vec<Output>) {
        if !matches!(self.state, State::Attached(_)) {
            return;
        }
        let mut dice = Dice::new(at.chance);
        while self.kept.len() - self.unsent.len() < WINDOW_RECORDS && !self.unsent.is_empty() {
            let newest = dice.chance(30);
            let run: Vec<u64> =
                if newest { run(self.unsent.iter().rev(), true) } else { run(self.unsent.iter(), false) };
            let Some(first_seq) = run.first().copied() else { return };
            let records = run.iter().filter_map(|seq| self.kept.get(seq).cloned()).collect();
            self.unsent.retain(|seq| !run.contains(seq));
            let lane = if newest { Lane::Live } else { Lane::Backfill };
            out.push(Output::Send(Uplink::Telemetry(Telemetry { first_seq, lane, records })));
        }
    }

    fn settle(&mut self, through: u64, ranges: &SeqRanges, rejected: &[(u64, waygate_core::cause::RecordFault)]) {
        self.acked.insert(1, through);
        self.acked.extend(ranges);
        for (seq, _) in rejected {
            self.acked.insert(*seq, *seq);
        }
        let acked = &self.acked;
        self.kept.retain(|seq, _| !acked.contains(*seq));
        self.unsent.retain(|seq| !acked.contains(*seq));
    }

    /// Full jitter, doubling up to 16 s; after the second failure the next gateway.
    fn back_off(&mut self, at: Moment) {
        self.failures += 1;
        if self.failures >= 2 {
            self.target = (self.target + 1) % self.gateways;
        }
        let cap_ms = 1000_u64 << self.failures.min(4);
        self.state = State::Waiting(at.now + Millis(1000 + at.chance % cap_ms));
    }

    fn reject(&mut self, at: Moment, cause: RejectCause, backoff: Millis) {
        match cause.class() {
            RetryClass::RetrySame => {
                self.state = State::Waiting(at.now + Millis(backoff.0 + at.chance % (backoff.0 + 1)));
            }
            RetryClass::RetryOther | RetryClass::Stop => self.back_off(at),
            RetryClass::FixThenRetry => {
                if cause == RejectCause::ClockOff {
                    self.tells_clock = false;
                } else {
                    self.token = None;
                }
                self.state = State::Waiting(at.now + Millis(500));
            }
        }
    }

    fn leave(&mut self, cause: Option<DetachCause>, out: &mut Vec<Output>) {
        if let (State::Attached(_), Some(cause)) = (self.state, cause) {
            out.push(Output::Send(Uplink::Detach(cause)));
        }
        out.push(Output::HangUp);
    }

    fn hear(&mut self, at: Moment) {
        if let State::Attached(_) = self.state {
            self.state = State::Attached(at.now + self.patience);
        }
    }

    fn receive(&mut self, at: Moment, message: Downlink, out: &mut Vec<Output>) {
        self.hear(at);
        match message {
            Downlink::AttachAccept(accept) => {
                if let State::Attaching(_) = self.state {
                    self.accept(at, *accept, out);
                }
            }
            Downlink::AttachReject(reject) => {
                out.push(Output::HangUp);
                self.reject(at, reject.cause, reject.backoff);
            }
            Downlink::TelemetryAck(ack) => {
                if ack.spool == self.spool {
                    self.settle(ack.through, &ack.ranges, &ack.rejected);
                    self.send_records(at, out);
                }
            }
            Downlink::DetachOrder { .. } => {
                out.push(Output::HangUp);
                self.state = State::Waiting(at.now + Millis(1000 + at.chance % 4000));
            }
            Downlink::TrackingAccept(_) | Downlink::TimeReply { .. } | Downlink::FlowControl { .. } => {}
            Downlink::Command(command) => self.hands.take(at, &command, self.tie, out),
            Downlink::CommandCancel(id) => self.hands.recall(id, out),
            Downlink::Error(_) | Downlink::SnapshotRequest(_) | Downlink::Redirect(_) => {}
        }
    }

    fn expire(&mut self, at: Moment, out: &mut Vec<Output>) {
        match self.state {
            State::Off => {}
            State::Waiting(until) if until <= at.now => {
                self.state = State::Dialling(at.now + DIAL_GUARD);
                out.push(Output::Dial(self.target));
            }
            State::Dialling(until) | State::Attaching(until) | State::Attached(until) if until <= at.now => {
                out.push(Output::HangUp);
                self.back_off(at);
            }
            State::Waiting(_) | State::Dialling(_) | State::Attaching(_) | State::Attached(_) => {}
        }
    }
}

impl Unit for SmallUnit {
    fn apply(&mut self, at: Moment, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::PoweredOn { keeps, spool } => self.power_on(at, keeps, spool),
            Input::PoweredOff(cause) => {
                self.leave(cause, out);
                self.state = State::Off;
            }
            Input::Sampled(record) => {
                self.last_seq += 1;
                self.kept.insert(self.last_seq, record);
                self.unsent.insert(self.last_seq);
                self.send_records(at, out);
            }
            Input::Moved(position) => {
                self.position = Some(position);
                if let State::Attached(_) = self.state {
                    let update = TrackingUpdate { cause: TrackingCause::Moved, position: Some(position) };
                    out.push(Output::Send(Uplink::TrackingUpdate(update)));
                }
            }
            Input::Redirected(target, cause) => {
                self.target = target;
                if self.state != State::Off {
                    self.leave(cause, out);
                    self.state = State::Waiting(at.now + Millis(at.chance % 300));
                }
            }
            Input::Woken => {
                if let State::Waiting(_) = self.state {
                    self.state = State::Waiting(at.now);
                }
            }
            Input::Parked(sleep) => {
                if let State::Attached(_) = self.state {
                    let suspend = Suspend { active: Millis(0), sleep, wake: WakeChannels::NONE };
                    out.push(Output::Send(Uplink::Suspend(suspend)));
                    out.push(Output::HangUp);
                    self.state = State::Waiting(at.now + sleep);
                }
            }
            Input::Opened => {
                self.state = State::Attaching(at.now + ATTACH_GUARD);
                self.asked = at.now;
                out.push(Output::Send(Uplink::Attach(Box::new(self.attach_request(at)))));
            }
            Input::DialFailed | Input::Lost(_) => {
                if !matches!(self.state, State::Off | State::Waiting(_)) {
                    self.back_off(at);
                }
            }
            Input::Received(message) => self.receive(at, message, out),
            Input::Pinged => self.hear(at),
            Input::DeadlineReached => {
                self.hands.finish(at, out);
                self.expire(at, out);
            }
        }
    }

    fn next_deadline(&self) -> Option<Mono> {
        match self.state {
            State::Off => None,
            State::Waiting(at) | State::Dialling(at) | State::Attaching(at) | State::Attached(at) => {
                Some(self.hands.next_deadline().map_or(at, |done| done.min(at)))
            }
        }
    }

    fn backlog(&self) -> usize {
        self.kept.len()
    }

    fn repeats_last_words(&self) -> bool {
        false
    }
}

/// Unbroken sequence numbers from one end, in ascending order.
fn run<'a>(seqs: impl Iterator<Item = &'a u64>, descending: bool) -> Vec<u64> {
    let mut run: Vec<u64> = Vec::new();
    for &seq in seqs.take(BATCH_RECORDS) {
        if run.last().is_some_and(|last| last.abs_diff(seq) != 1) {
            break;
        }
        run.push(seq);
    }
    if descending {
        run.reverse();
    }
    run
}
