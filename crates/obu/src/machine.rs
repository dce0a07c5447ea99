//! The onboard unit's decisions: when to dial whom, what to say, what to send next.
//!
//! ```text
//!            deadline                 connected                   accept
//!  Waiting ───────────▶ Connecting ───────────▶ Attaching ───────────────▶ Attached
//!   ▲   ▲                   │ failed, guard          │ reject, lost, guard    │    │ lost, silent,
//!   │   └───────────────────┴────────────────────────┴────────────────────────│────┘ superseded, drained
//!   │ as Waiting: deadline, or a wake-up                                      │
//!  Asleep ◀────────────────────────────────────────────────── suspend, active time over
//!
//!  any ── detach ──▶ Stopped ── attach ──▶ Connecting
//! ```
//!
//! By the Machine convention of `waygate-core`: no IO, no clock, no randomness. The shell keeps two sockets at most, that of
//! the session and one beside it while the unit moves (`machine/handover.rs`), and forwards nothing of a socket once
//! [`Action::Close`] was asked for or its loss was reported.

mod attach;
mod commands;
mod event;
mod handover;
mod loss;
mod route;
mod session;
mod sleep;

use crate::notice::Notice;
use crate::queue::Queue;
use crate::spool::Token;
use attach::Dial;
use commands::Commands;
use handover::{Handover, Leaving};
use route::{Next, Route};
use session::{Leave, Session, Wish};
use sleep::WakeUps;
use waygate_core::cause::{OrderCause, RecordFault};
use waygate_core::id::{SpoolId, VehicleId};
use waygate_core::message::{Downlink, TelemetryAck};
use waygate_core::ranges::SeqRanges;
use waygate_core::record::Position;
use waygate_core::time::{Millis, Mono};
use waygate_core::timers::Timers;
use waygate_core::wake::WakeChannels;

pub use crate::queue::{Batching, Span};
pub use commands::COMMANDS_IN_HAND_MAX;
pub use event::{Action, Event, LinkId, Nap, Settings, SpoolState};

/// How long the dial may take, and how long the answer to AttachRequest.
pub const ATTACH_GUARD: Millis = Millis::secs(15);

/// How long acks of what is under way are taken on the socket of a session that another one has followed.
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
    /// A gateway is dialled, or was asked for a session, until the guard.
    Dialling(Dial),
    /// A session stands.
    Attached(Box<Session>),
    /// For the deadline or a wake-up.
    Asleep(Mono),
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
    /// Sleeps, and can be woken.
    Asleep,
    /// Said goodbye.
    Stopped,
}

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// The session, or the dial if there is none.
    Main,
    /// The way to another gateway beside it.
    Second,
    /// The session before.
    Leaving,
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
    /// Links made so far.
    links: u64,
    handover: Option<Handover>,
    leaving: Option<Leaving>,
    position: Option<Position>,
    /// A goodbye or a sleep that waits for the session it belongs to.
    wish: Option<Wish>,
    commands: Commands,
    wake: WakeChannels,
    wake_ups: WakeUps,
    /// The next attach answers a wake-up.
    paged: bool,
    /// The longest sleep that gateways allow.
    sleep_max: Millis,
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
            links: 0,
            handover: None,
            leaving: None,
            position: None,
            wish: None,
            commands: Commands::new(spool.commands, settings.takes_commands),
            wake: settings.wake,
            wake_ups: WakeUps::default(),
            paged: false,
            sleep_max: Timers::default().sleep,
            mended: false,
            clock_off: false,
        }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        match &self.phase {
            Phase::Waiting(_) => State::Waiting,
            Phase::Dialling(dial) if dial.asked => State::Attaching,
            Phase::Dialling(_) => State::Connecting,
            Phase::Attached(_) => State::Attached,
            Phase::Asleep(_) => State::Asleep,
            Phase::Stopped => State::Stopped,
        }
    }

    /// The gateway it has a session with, dials, or will dial.
    pub fn gateway(&self) -> &str {
        self.route.current()
    }

    /// Records that are not settled.
    pub fn unsettled(&self) -> u64 {
        self.queue.unsettled()
    }

    fn whose(&self, link: LinkId) -> Option<Whose> {
        if self.main_link() == Some(link) {
            Some(Whose::Main)
        } else if self.handover.as_ref().and_then(Handover::dial).is_some_and(|dial| dial.link == link) {
            Some(Whose::Second)
        } else {
            self.leaving.filter(|leaving| leaving.link == link).map(|_| Whose::Leaving)
        }
    }

    fn main_link(&self) -> Option<LinkId> {
        match &self.phase {
            Phase::Dialling(dial) => Some(dial.link),
            Phase::Attached(session) => Some(session.link()),
            Phase::Waiting(_) | Phase::Asleep(_) | Phase::Stopped => None,
        }
    }

    /// The link of the session.
    fn session_link(&self) -> Option<LinkId> {
        self.main_link().filter(|_| matches!(self.phase, Phase::Attached(_)))
    }

    /// After how much silence the session, if there is one, counts as lost.
    fn silence(&self) -> Option<Millis> {
        if let Phase::Attached(session) = &self.phase { Some(session.silence_max()) } else { None }
    }

    /// When [`Event::DeadlineReached`] is due.
    pub fn next_deadline(&self) -> Option<Mono> {
        let phase = match &self.phase {
            Phase::Waiting(until) | Phase::Asleep(until) => Some(*until),
            Phase::Dialling(dial) => Some(dial.guard()),
            Phase::Attached(session) => Some(session.next_deadline(&self.queue)),
            Phase::Stopped => None,
        };
        let handover = self.handover.as_ref().map(Handover::next_deadline);
        let leaving = self.leaving.map(|leaving| leaving.until);
        [phase, handover, leaving, self.commands.next_deadline()].into_iter().flatten().min()
    }

    /// The machine.
    pub fn apply(&mut self, now: Mono, event: Event, out: &mut Vec<Action>) {
        self.commands.expire(now, self.session_link(), out);
        match event {
            Event::AttachRequested => self.stay(now, out),
            Event::Connected { link, wall, signals } => self.request(now, link, wall, signals, out),
            Event::ConnectFailed { link, why, retry_after, random } => {
                self.fail_dial(now, link, why, retry_after, random, out);
            }
            Event::SocketLost { link, code, why, random } => self.lose(now, link, code, why, random, out),
            Event::FrameReceived { link } => {
                if let Phase::Attached(session) = &mut self.phase
                    && session.link() == link
                {
                    session.heard(now);
                }
            }
            Event::MessageReceived { link, message, random } => match self.whose(link) {
                Some(Whose::Main) => self.receive(now, message, random, out),
                Some(Whose::Second) => self.hear_second(now, message, random, out),
                Some(Whose::Leaving) => self.hear_leaving(now, message, out),
                None => {}
            },
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
            Event::SuspendRequested(nap) => self.suspend(now, nap, out),
            Event::Woken { payload } => self.wake(now, &payload, out),
            Event::BeginAsked(id) => self.commands.begin(now, self.session_link(), id, out),
            Event::CommandSaid(status) => self.commands.said(now, self.session_link(), status, out),
            Event::IgnitionSwitched(on) => self.route.set_ignition(on),
            Event::DeadlineReached { random } => self.expire(now, random, out),
        }
        self.go_on(now, out);
    }

    /// What an attached unit does next, whatever happened: leave the old session, leave this one, or send.
    fn go_on(&mut self, now: Mono, out: &mut Vec<Action>) {
        if self.leaving.is_some_and(|leaving| now >= leaving.until || !self.queue.is_parting()) {
            self.hang_up_leaving(out);
        }
        let Phase::Attached(session) = &mut self.phase else {
            return;
        };
        if let Some(leave) = session.leaves(now, &self.queue) {
            self.take_leave(now, leave, out);
        } else {
            out.extend(session.send_next(now, &mut self.queue, &self.batching));
            session.plan(now, &self.queue, &self.batching);
        }
    }

    /// Whatever belonged to the session is over.
    fn end_session(&mut self, now: Mono, out: &mut Vec<Action>) {
        self.call_off(out);
        self.hang_up_leaving(out);
        self.queue.restart();
        self.commands.session_ended(now, self.silence());
    }

    /// Closes the socket of the session or the dial.
    fn hang_up(&self, code: u16, out: &mut Vec<Action>) {
        out.extend(self.main_link().map(|link| Action::Close { link, code }));
    }

    /// Waits before the next dial.
    fn retreat(&mut self, now: Mono, next: Next, random: u64, out: &mut Vec<Action>) {
        let leave = match &self.phase {
            Phase::Attached(session) => session.leave(),
            Phase::Waiting(_) | Phase::Dialling(_) | Phase::Asleep(_) | Phase::Stopped => None,
        };
        match (leave, self.wish.take()) {
            (Some(Leave::Goodbye(_)), _) => return self.stop(now, false, out),
            (Some(Leave::Sleep(until)), None) => return self.sleep(now, until, out),
            (Some(Leave::Sleep(_)) | None, Some(wish)) => return self.part_without_session(now, wish, out),
            (None, None) => {}
        }
        self.end_session(now, out);
        let (wait, long) = self.route.after_failure(next, random);
        if long {
            out.push(Action::Notify(Notice::WaitBegun { wait }));
        }
        self.phase = Phase::Waiting(now + wait);
    }

    fn receive(&mut self, now: Mono, message: Downlink, random: u64, out: &mut Vec<Action>) {
        match (&mut self.phase, message) {
            (Phase::Dialling(dial), Downlink::AttachAccept(accept)) if dial.asked => {
                let dial = dial.clone();
                self.establish(now, &dial, &accept, out);
            }
            (Phase::Dialling(dial), Downlink::AttachReject(reject)) if dial.asked => {
                self.reject(now, reject, random, out);
            }
            (Phase::Attached(_) | Phase::Dialling(_), Downlink::DetachOrder { cause, reattach }) => {
                self.obey(now, cause, reattach, random, out);
            }
            (Phase::Attached(_), Downlink::TelemetryAck(ack)) => self.settle(now, ack, out),
            (Phase::Attached(session), Downlink::TrackingAccept(accept)) => {
                self.route.learn(&accept.gateways);
                session.track(now, accept.areas, &accept.timers);
            }
            (Phase::Attached(session), Downlink::FlowControl { pause, .. }) => session.pause(now, pause),
            (Phase::Attached(_), Downlink::Redirect(redirect)) => self.redirect(now, &redirect, out),
            (Phase::Attached(_), Downlink::SnapshotRequest(signals)) => out.push(Action::Snapshot(signals)),
            (Phase::Attached(session), Downlink::Command(mut command)) => {
                // What it spent on its way is over.
                command.ttl = command.ttl_left(now, session.tie());
                self.commands.arrive(now, session.link(), *command, out);
            }
            (Phase::Attached(session), Downlink::CommandCancel(id)) => {
                self.commands.cancel(now, session.link(), id, out);
            }
            (_, Downlink::Error(report)) => out.push(Action::Notify(Notice::ErrorReported(report))),
            // A clock is not asked for by this unit, and what belongs to no session of it has no meaning.
            (
                Phase::Waiting(_) | Phase::Dialling(_) | Phase::Attached(_) | Phase::Asleep(_) | Phase::Stopped,
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

    fn obey(&mut self, now: Mono, cause: OrderCause, reattach: bool, random: u64, out: &mut Vec<Action>) {
        let gateway = self.gateway().to_owned();
        self.hang_up(CLOSE_NORMAL, out);
        match cause {
            OrderCause::Superseded if self.is_second_asked() => {}
            OrderCause::Superseded => out.push(Action::Notify(Notice::Superseded { gateway })),
            OrderCause::Draining => out.push(Action::Notify(Notice::Drained { gateway })),
            OrderCause::Revoked | OrderCause::Policy => {
                out.push(Action::Notify(Notice::TurnedAway { gateway, cause }));
            }
        }
        self.lose_session(now, Some(cause), reattach, random, out);
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
            let link = session.link();
            out.extend(session.place(now, position).map(|message| Action::Send { link, message }));
        }
    }

    fn prefer(&mut self, now: Mono, gateways: Vec<String>, out: &mut Vec<Action>) {
        if !self.route.prefer(gateways) {
            return;
        }
        if let Phase::Attached(_) = &self.phase {
            return self.move_to_preferred(now, out);
        }
        let before = self.route.current().to_owned();
        self.route.go_to_preferred();
        match &self.phase {
            Phase::Dialling(_) if before != self.route.current() => {
                self.hang_up(CLOSE_NORMAL, out);
                self.dial(now, out);
            }
            Phase::Waiting(_) => self.dial(now, out),
            Phase::Attached(_) | Phase::Dialling(_) | Phase::Asleep(_) | Phase::Stopped => {}
        }
    }

    fn expire(&mut self, now: Mono, random: u64, out: &mut Vec<Action>) {
        match &mut self.phase {
            Phase::Waiting(until) | Phase::Asleep(until) if now >= *until => self.dial(now, out),
            Phase::Dialling(dial) if now >= dial.guard() => {
                let why = format!("no answer within {} s", ATTACH_GUARD.as_secs_ceil());
                self.hang_up(CLOSE_NORMAL, out);
                out.push(Action::Notify(Notice::DialFailed { gateway: self.route.current().to_owned(), why }));
                self.retreat(now, Next::Other, random, out);
            }
            Phase::Attached(session) => {
                if let Some(why) = session.fault(now, &self.queue) {
                    let gateway = session.gateway().to_owned();
                    self.hang_up(CLOSE_GOING_AWAY, out);
                    out.push(Action::Notify(Notice::SocketLost { gateway, why: why.to_owned() }));
                    return self.lose_session(now, None, false, random, out);
                }
                let link = session.link();
                let report = session.report_periodically(now, self.position);
                out.extend(report.map(|message| Action::Send { link, message }));
                self.expire_second(now, random, out);
            }
            Phase::Waiting(_) | Phase::Asleep(_) | Phase::Dialling(_) | Phase::Stopped => {}
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

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
