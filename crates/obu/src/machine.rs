//! The onboard unit's decisions: when to dial whom, what to say, what to send next.
//!
//! ```text
//!            deadline                 connected                   accept
//!  Waiting ───────────▶ Connecting ───────────▶ Attaching ───────────────▶ Attached
//!     ▲                     │ failed, guard          │ reject, lost, guard      │ lost, silent,
//!     └─────────────────────┴────────────────────────┴──────────────────────────┘ superseded, drained
//!
//!  any ── detach ──▶ Stopped ── attach ──▶ Connecting
//! ```
//!
//! By the Machine convention of `waygate-core`: no IO, no clock, no randomness. The shell keeps one socket at most and
//! forwards nothing of a socket once [`Action::Close`] was asked for or its loss was reported.

mod event;
mod route;
mod session;

use crate::notice::Notice;
use crate::queue::Queue;
use crate::spool::Token;
use route::{Next, Route};
use session::Session;
use waygate_core::cause::{DetachCause, OrderCause, RecordFault, RejectCause, RetryClass};
use waygate_core::id::{SpoolId, VehicleId};
use waygate_core::message::{AttachAccept, AttachKind, AttachReject, AttachRequest, Downlink, TelemetryAck, Uplink};
use waygate_core::ranges::SeqRanges;
use waygate_core::record::{Position, SignalPath, SpoolReport};
use waygate_core::time::{Millis, Mono, Wall};
use waygate_core::wake::WakeChannels;

pub use crate::queue::{Batching, Span};
pub use event::{Action, Event, Settings, SpoolState};

/// How long the dial may take, and how long the answer to AttachRequest.
pub const ATTACH_GUARD: Millis = Millis::secs(15);

/// How long acks of what is under way are waited for before a unit moves or says goodbye.
pub const DRAIN_WAIT: Millis = Millis::secs(2);

/// How long a goodbye is put off for records that are not acked.
pub const GOODBYE_WAIT: Millis = Millis::secs(5);

/// A gateway that acks nothing for so long has lost its way.
pub const ACK_WAIT: Millis = Millis::secs(60);

/// A unit that may not attach tries again after this.
pub const STOP_WAIT: Millis = Millis::secs(12 * 3600);

/// Where the unit stands.
#[derive(Clone, Debug)]
enum Phase {
    /// For the deadline, then the next gateway is dialled.
    Waiting(Mono),
    /// A gateway is dialled, until the guard.
    Connecting { since: Mono },
    /// AttachRequest was sent, until the guard.
    Attaching { dialled: Mono, since: Mono },
    /// A session stands.
    Attached(Box<Session>),
    /// It has said goodbye.
    Stopped,
}

/// Where the unit stands, as its owner sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Waits before it dials again.
    #[default]
    Waiting,
    /// Dials a gateway.
    Connecting,
    /// Asks for a session.
    Attaching,
    /// Has a session.
    Attached,
    /// Said goodbye.
    Stopped,
}

/// The onboard unit.
#[derive(Debug)]
pub struct Machine {
    vehicle: VehicleId,
    boot_id: String,
    batching: Batching,
    spool: SpoolId,
    queue: Queue,
    token: Option<Token>,
    /// The session of the token was ended with a goodbye.
    session_over: bool,
    route: Route,
    phase: Phase,
    position: Option<Position>,
    /// A goodbye that waits for the session it belongs to.
    goodbye: Option<DetachCause>,
    /// A fault was mended since the last accept; a second one waits its turn.
    mended: bool,
    /// A gateway found the clock to be off: it is not told any more until one accepts.
    clock_off: bool,
}

impl Machine {
    /// A unit that dials at its first [`Event::AttachRequested`].
    pub fn new(settings: Settings, spool: SpoolState) -> Self {
        Self {
            vehicle: settings.vehicle,
            boot_id: settings.boot_id,
            batching: settings.batching,
            spool: spool.id,
            queue: Queue::new(spool.last, spool.settled),
            token: spool.token,
            session_over: false,
            route: Route::new(settings.gateways, settings.ignition_on),
            phase: Phase::Stopped,
            position: None,
            goodbye: None,
            mended: false,
            clock_off: false,
        }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Waiting(_) => State::Waiting,
            Phase::Connecting { .. } => State::Connecting,
            Phase::Attaching { .. } => State::Attaching,
            Phase::Attached(_) => State::Attached,
            Phase::Stopped => State::Stopped,
        }
    }

    /// The gateway it has a session with, dials, or will dial.
    pub fn gateway(&self) -> &str {
        match &self.phase {
            Phase::Attached(session) => session.gateway(),
            Phase::Waiting(_) | Phase::Connecting { .. } | Phase::Attaching { .. } | Phase::Stopped => {
                self.route.current()
            }
        }
    }

    /// Where to go after a failure at the present gateway: onward, unless the unit is on its way elsewhere.
    fn onward(&self) -> Next {
        if self.gateway() == self.route.current() { Next::Other } else { Next::Same }
    }

    /// Records that are not settled.
    pub fn unsettled(&self) -> u64 {
        self.queue.unsettled()
    }

    /// When [`Event::DeadlineReached`] is due.
    pub fn next_deadline(&self) -> Option<Mono> {
        match &self.phase {
            Phase::Waiting(until) => Some(*until),
            Phase::Connecting { since } | Phase::Attaching { since, .. } => Some(*since + ATTACH_GUARD),
            Phase::Attached(session) => Some(session.next_deadline(&self.queue)),
            Phase::Stopped => None,
        }
    }

    /// The machine.
    pub fn apply(&mut self, now: Mono, event: Event, out: &mut Vec<Action>) {
        match event {
            Event::AttachRequested => {
                self.goodbye = None;
                match &mut self.phase {
                    Phase::Stopped => self.dial(now, out),
                    Phase::Attached(session) => session.stay(),
                    Phase::Waiting(_) | Phase::Connecting { .. } | Phase::Attaching { .. } => {}
                }
            }
            Event::Connected { wall, signals } => self.request(now, wall, signals, out),
            Event::ConnectFailed { why, random } => {
                if matches!(self.phase, Phase::Connecting { .. }) {
                    out.push(Action::Notify(Notice::DialFailed { gateway: self.route.current().to_owned(), why }));
                    self.retreat(now, Next::Other, random, out);
                }
            }
            Event::SocketLost { code, why, random } => self.lose(now, code, why, random, out),
            Event::FrameReceived => {
                if let Phase::Attached(session) = &mut self.phase {
                    session.heard(now);
                }
            }
            Event::MessageReceived { message, random } => self.receive(now, message, random, out),
            Event::RecordAdded { seq, position } => {
                self.queue.add(now, seq);
                if let Some(position) = position {
                    self.place(now, position, out);
                }
            }
            Event::RecordsDropped(seqs) => {
                let _ = self.queue.settle(seqs.iter().map(|r| (*r.start(), *r.end())));
            }
            Event::RecordsSent { first, last, bytes } => {
                let again = self.queue.sent(now, first, last, bytes);
                out.push(Action::Notify(Notice::RecordsSent { records: last - first + 1, again, bytes }));
            }
            Event::RecordsUnread => self.queue.unread(),
            Event::PositionChanged(position) => self.place(now, position, out),
            Event::GatewaysPreferred(gateways) => self.prefer(now, gateways, out),
            Event::DetachRequested(cause) => self.leave(now, cause, out),
            Event::IgnitionSwitched(on) => self.route.set_ignition(on),
            Event::DeadlineReached { random } => self.expire(now, random, out),
        }
        self.go_on(now, out);
    }

    /// What an attached unit does next, whatever happened: move on, say goodbye, or send.
    fn go_on(&mut self, now: Mono, out: &mut Vec<Action>) {
        let Phase::Attached(session) = &mut self.phase else {
            return;
        };
        if session.moves(now, &self.queue) {
            self.goodbye = session.parting();
            let from = session.gateway().to_owned();
            out.push(Action::Close { code: CLOSE_NORMAL });
            out.push(Action::Notify(Notice::Moved { from, to: self.route.current().to_owned() }));
            self.dial(now, out);
        } else if let Some(cause) = session.leaves(now, &self.queue) {
            out.push(Action::Send(Uplink::Detach(cause)));
            out.push(Action::Close { code: CLOSE_NORMAL });
            self.session_over = true;
            self.stop(out);
        } else {
            out.extend(session.send_next(now, &mut self.queue, &self.batching));
            session.plan(now, &self.queue, &self.batching);
        }
    }

    /// Dials the current gateway.
    fn dial(&mut self, now: Mono, out: &mut Vec<Action>) {
        self.queue.restart();
        let gateway = self.route.current().to_owned();
        self.phase = Phase::Connecting { since: now };
        out.push(Action::Notify(Notice::Dialled { gateway: gateway.clone() }));
        out.push(Action::Connect { gateway });
    }

    /// Waits before the next dial.
    fn retreat(&mut self, now: Mono, next: Next, random: u64, out: &mut Vec<Action>) {
        self.queue.restart();
        let parting = match &self.phase {
            Phase::Attached(session) => session.parting(),
            Phase::Waiting(_) | Phase::Connecting { .. } | Phase::Attaching { .. } | Phase::Stopped => self.goodbye,
        };
        if parting.is_some() {
            // There is no one to say it to.
            self.stop(out);
            return;
        }
        let (wait, long) = self.route.after_failure(next, random);
        if long {
            out.push(Action::Notify(Notice::WaitBegun { wait }));
        }
        self.phase = Phase::Waiting(now + wait);
    }

    fn stop(&mut self, out: &mut Vec<Action>) {
        self.queue.restart();
        self.goodbye = None;
        self.phase = Phase::Stopped;
        out.push(Action::Notify(Notice::Detached));
    }

    fn request(&mut self, now: Mono, wall: Wall, signals: Vec<SignalPath>, out: &mut Vec<Action>) {
        let Phase::Connecting { since } = self.phase else {
            return;
        };
        let kind = match &self.token {
            Some(_) if self.session_over => AttachKind::Initial,
            None => AttachKind::Initial,
            Some(token) if token.gateway == self.route.current() => AttachKind::Resume,
            Some(_) => AttachKind::Handover,
        };
        self.phase = Phase::Attaching { dialled: since, since: now };
        out.push(Action::Send(Uplink::Attach(Box::new(AttachRequest {
            vehicle: self.vehicle.clone(),
            kind,
            token: self.token.as_ref().map(|token| token.bytes.clone()),
            boot_id: self.boot_id.clone(),
            spool: SpoolReport {
                id: self.spool,
                oldest: self.queue.oldest(),
                last: self.queue.last(),
                acked: self.queue.settled_beyond(),
            },
            position: self.position,
            clock: Some(wall).filter(|_| !self.clock_off),
            signals,
            wake: WakeChannels::NONE,
        }))));
    }

    fn lose(&mut self, now: Mono, code: Option<u16>, why: String, random: u64, out: &mut Vec<Action>) {
        let gateway = self.gateway().to_owned();
        let next = match &self.phase {
            Phase::Attached(_) => {
                out.push(Action::Notify(Notice::SocketLost { gateway, why }));
                match code {
                    Some(code) if code == OrderCause::Superseded.close_code() => Next::Long,
                    Some(code) if code == OrderCause::Draining.close_code() => self.onward(),
                    // The way may be back in a moment, and the session with it.
                    Some(_) | None => Next::Same,
                }
            }
            Phase::Connecting { .. } | Phase::Attaching { .. } => {
                out.push(Action::Notify(Notice::DialFailed { gateway, why }));
                match code.and_then(class_of) {
                    Some(RetryClass::RetrySame) => Next::After(Millis(0)),
                    Some(RetryClass::Stop) => Next::Stop,
                    Some(RetryClass::RetryOther | RetryClass::FixThenRetry) | None => Next::Other,
                }
            }
            Phase::Waiting(_) | Phase::Stopped => return,
        };
        self.retreat(now, next, random, out);
    }

    fn receive(&mut self, now: Mono, message: Downlink, random: u64, out: &mut Vec<Action>) {
        match (&mut self.phase, message) {
            (Phase::Attaching { dialled, .. }, Downlink::AttachAccept(accept)) => {
                let took = now.since(*dialled);
                self.accept(now, &accept, took, out);
            }
            (Phase::Attaching { .. }, Downlink::AttachReject(reject)) => self.reject(now, reject, random, out),
            (Phase::Attached(_) | Phase::Attaching { .. }, Downlink::DetachOrder { cause, reattach }) => {
                self.obey(now, cause, reattach, random, out);
            }
            (Phase::Attached(_), Downlink::TelemetryAck(ack)) => self.settle(now, ack, out),
            (Phase::Attached(session), Downlink::TrackingAccept(accept)) => {
                self.route.learn(&accept.gateways);
                session.track(now, accept.areas, &accept.timers);
            }
            (Phase::Attached(session), Downlink::FlowControl { pause, .. }) => session.pause(now, pause),
            (_, Downlink::Error(report)) => out.push(Action::Notify(Notice::ErrorReported(report))),
            // A clock is not asked for by this unit, and what belongs to no session of it has no meaning.
            (
                Phase::Waiting(_)
                | Phase::Connecting { .. }
                | Phase::Attaching { .. }
                | Phase::Attached(_)
                | Phase::Stopped,
                Downlink::TimeReply { .. }
                | Downlink::AttachAccept(_)
                | Downlink::AttachReject(_)
                | Downlink::DetachOrder { .. }
                | Downlink::TelemetryAck(_)
                | Downlink::TrackingAccept(_)
                | Downlink::FlowControl { .. }
                | Downlink::Command(_)
                | Downlink::CommandCancel(_)
                | Downlink::SnapshotRequest(_)
                | Downlink::Redirect(_),
            ) => {}
        }
    }

    fn accept(&mut self, now: Mono, accept: &AttachAccept, took: Millis, out: &mut Vec<Action>) {
        let gateway = self.route.current().to_owned();
        self.route.succeed();
        self.route.learn(&accept.gateways);
        (self.mended, self.clock_off, self.session_over) = (false, false, false);
        self.token = Some(Token { bytes: accept.token.clone(), gateway: gateway.clone() });
        out.push(Action::KeepToken(self.token.clone()));
        let (session, epoch) = (accept.session, accept.epoch);
        out.push(Action::Notify(Notice::Attached { gateway: gateway.clone(), session, epoch, took }));
        // Records before this are on the gateway's disk though their ack did not arrive.
        let (news, _) = self.queue.settle([(1, accept.resume_from.saturating_sub(1))]);
        tell_settled(news, Vec::new(), None, out);
        let mut session = Box::new(Session::new(now, gateway, accept));
        if let Some(cause) = self.goodbye.take() {
            session.say_goodbye(now, cause);
        }
        self.phase = Phase::Attached(session);
        if let Some(position) = self.position {
            self.place(now, position, out);
        }
    }

    fn reject(&mut self, now: Mono, reject: AttachReject, random: u64, out: &mut Vec<Action>) {
        let (cause, backoff) = (reject.cause, reject.backoff);
        self.route.learn_first(&reject.redirect);
        let gateway = self.route.current().to_owned();
        out.push(Action::Close { code: CLOSE_NORMAL });
        out.push(Action::Notify(Notice::AttachRejected { gateway, reject }));
        match cause.class() {
            RetryClass::RetrySame => self.retreat(now, Next::After(backoff), random, out),
            RetryClass::RetryOther => self.retreat(now, Next::Other, random, out),
            RetryClass::Stop => self.retreat(now, Next::Stop, random, out),
            RetryClass::FixThenRetry => {
                if self.mend(cause, out) {
                    self.dial(now, out);
                } else {
                    self.retreat(now, Next::Other, random, out);
                }
            }
        }
    }

    /// Mends what a cause names, once until the next accept. Returns whether there was something to mend.
    fn mend(&mut self, cause: RejectCause, out: &mut Vec<Action>) -> bool {
        if std::mem::replace(&mut self.mended, true) {
            return false;
        }
        match cause {
            RejectCause::EpochSync | RejectCause::ContextUnknown => {
                out.push(Action::KeepToken(None));
                self.token.take().is_some()
            }
            RejectCause::ClockOff => !std::mem::replace(&mut self.clock_off, true),
            RejectCause::Congestion
            | RejectCause::StoreUnavailable
            | RejectCause::Cloned
            | RejectCause::Draining
            | RejectCause::BadMessage
            | RejectCause::Forbidden => false,
        }
    }

    fn obey(&mut self, now: Mono, cause: OrderCause, reattach: bool, random: u64, out: &mut Vec<Action>) {
        let gateway = self.gateway().to_owned();
        out.push(Action::Close { code: CLOSE_NORMAL });
        let next = match cause {
            OrderCause::Superseded => {
                out.push(Action::Notify(Notice::Superseded { gateway }));
                // Someone else attached as this vehicle: to fight over it would help no one.
                if reattach { Next::Same } else { Next::Long }
            }
            OrderCause::Draining => {
                out.push(Action::Notify(Notice::Drained { gateway }));
                self.onward()
            }
        };
        self.retreat(now, next, random, out);
    }

    fn settle(&mut self, now: Mono, ack: TelemetryAck, out: &mut Vec<Action>) {
        if ack.spool != self.spool {
            return;
        }
        let ranges = ack.ranges.iter().map(|r| (*r.start(), *r.end()));
        let (news, since) = self.queue.settle(ranges.chain([(1, ack.through)]));
        tell_settled(news, ack.rejected, since.map(|since| now.since(since)), out);
    }

    fn place(&mut self, now: Mono, position: Position, out: &mut Vec<Action>) {
        self.position = Some(position);
        if let Phase::Attached(session) = &mut self.phase {
            out.extend(session.place(now, position).map(Action::Send));
        }
    }

    fn prefer(&mut self, now: Mono, gateways: Vec<String>, out: &mut Vec<Action>) {
        let before = self.route.current().to_owned();
        if !self.route.prefer(gateways) {
            return;
        }
        let elsewhere = before != self.route.current();
        match &mut self.phase {
            Phase::Attached(session) if elsewhere || session.is_moving() => {
                session.set_moving(now, session.gateway() != self.route.current());
            }
            Phase::Connecting { .. } | Phase::Attaching { .. } if elsewhere => {
                out.push(Action::Close { code: CLOSE_NORMAL });
                self.dial(now, out);
            }
            Phase::Waiting(_) => self.dial(now, out),
            Phase::Attached(_) | Phase::Connecting { .. } | Phase::Attaching { .. } | Phase::Stopped => {}
        }
    }

    fn leave(&mut self, now: Mono, cause: DetachCause, out: &mut Vec<Action>) {
        match &mut self.phase {
            Phase::Attached(session) => session.say_goodbye(now, cause),
            Phase::Connecting { .. } | Phase::Attaching { .. } => self.goodbye = Some(cause),
            Phase::Waiting(_) => self.stop(out),
            Phase::Stopped => {}
        }
    }

    fn expire(&mut self, now: Mono, random: u64, out: &mut Vec<Action>) {
        match &mut self.phase {
            Phase::Waiting(until) if now >= *until => self.dial(now, out),
            Phase::Connecting { since } | Phase::Attaching { since, .. } if now >= *since + ATTACH_GUARD => {
                let why = format!("no answer within {} s", ATTACH_GUARD.as_secs_ceil());
                out.push(Action::Close { code: CLOSE_NORMAL });
                out.push(Action::Notify(Notice::DialFailed { gateway: self.route.current().to_owned(), why }));
                self.retreat(now, Next::Other, random, out);
            }
            Phase::Attached(session) => match session.fault(now, &self.queue) {
                Some(why) => {
                    out.push(Action::Close { code: CLOSE_GOING_AWAY });
                    let gateway = session.gateway().to_owned();
                    out.push(Action::Notify(Notice::SocketLost { gateway, why: why.to_owned() }));
                    self.retreat(now, Next::Same, random, out);
                }
                None => out.extend(session.report_periodically(now, self.position).map(Action::Send)),
            },
            Phase::Waiting(_) | Phase::Connecting { .. } | Phase::Attaching { .. } | Phase::Stopped => {}
        }
    }
}

const CLOSE_NORMAL: u16 = 1000;
const CLOSE_GOING_AWAY: u16 = 1001;

fn tell_settled(seqs: SeqRanges, rejected: Vec<(u64, RecordFault)>, latency: Option<Millis>, out: &mut Vec<Action>) {
    for (seq, reason) in &rejected {
        out.push(Action::Notify(Notice::RecordRejected { seq: *seq, reason: *reason }));
    }
    if !seqs.is_empty() {
        out.push(Action::Settle { seqs: seqs.clone(), rejected });
        out.push(Action::Notify(Notice::Settled { seqs, latency }));
    }
}

/// What a close code that came without a reject says.
fn class_of(code: u16) -> Option<RetryClass> {
    match code {
        4000..=4099 => Some(RetryClass::RetrySame),
        4100..=4199 => Some(RetryClass::RetryOther),
        4200..=4299 => Some(RetryClass::FixThenRetry),
        4300..=4399 => Some(RetryClass::Stop),
        _ => None,
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
