//! One vehicle at its serving gateway: the state machine of its session.
//!
//! ```text
//!             attach persisted                     socket lost
//!  (nothing) ─────────────────▶ Connected ───────────────────▶ Held
//!                                ▲  │  ▲ ◀──────────────────── │ hold passed
//!                     new attach │  │  └──────── resume ───┐   ▼
//!                      or resume │  │ detach               └─ Idle
//!                                │  ▼            implicit      │ reachable passed
//!            purge ◀────────── Detached ◀───────────────── Unreachable
//!                                                              ▲ sleep and grace passed
//!             Connected ── suspend, then socket lost ──▶ Asleep ┘  (resume or new attach: Connected)
//! ```
//!
//! A session that loses against a higher epoch elsewhere is removed silently: *superseded*. If its gateway is told so
//! before the winner's entry is there, it first stands aside (Yielded). Everything
//! late names a connection or a (session, epoch), and has no effect if that is not the present one.

mod attach;
mod barred;
mod phase;

pub use attach::{Accepted, Attempt};
pub use phase::Phase;

use crate::cause::{DetachCause, OrderCause};
use crate::cell::Cell;
use crate::credential::Bar;
use crate::epoch::Epoch;
use crate::id::{ConnId, NodeId, SessionId, SpoolId, VehicleId};
use crate::log::{Entry, LiveState};
use crate::message::Downlink;
use crate::ranges::SeqRanges;
use crate::time::{Millis, Mono};
use crate::timers::Timers;
use crate::wake::WakeChannels;

/// What the machines of the core ask for. Performed in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Make a session's state durable. With `answer`, [`Event::Persisted`] or [`Event::PersistFailed`] must follow.
    Persist {
        /// Which vehicle.
        vehicle: VehicleId,
        /// Its state; [`LiveState::Removed`] forgets it.
        entry: Entry,
        /// The spool of an attach, whose settled sequence numbers the answer tells.
        spool: Option<SpoolId>,
        /// Whether an attach waits for it.
        answer: bool,
    },
    /// Send a message on a connection.
    Send(ConnId, Downlink),
    /// The session of this connection stands: accept it, and let its telemetry in.
    Accept(ConnId, Box<Accepted>),
    /// Say it to everyone.
    Publish(VehicleId, Entry),
    /// Close a connection with this code.
    Close(ConnId, u16),
    /// Tell the gateway that served the vehicle that it lost; best effort.
    Supersede {
        /// That gateway.
        node: NodeId,
        /// Which vehicle.
        vehicle: VehicleId,
        /// The session that lost.
        session: SessionId,
        /// Its epoch.
        epoch: Epoch,
        /// The winner's.
        by: Epoch,
        /// The spool of which that gateway may hold more.
        spool: SpoolId,
    },
    /// Tell operators that there seem to be several of this vehicle; once as long as it is suspect.
    ReportClone(VehicleId),
}

/// What happens to a session.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An attach was checked and given its epoch.
    AttachBegun(Attempt),
    /// That attach is on disk.
    Persisted {
        /// Which attach.
        session: SessionId,
        /// And its epoch.
        epoch: Epoch,
        /// Sequence numbers of its spool that are settled here.
        settled: SeqRanges,
    },
    /// That attach could not be made durable.
    PersistFailed {
        /// Which attach.
        session: SessionId,
        /// And its epoch.
        epoch: Epoch,
    },
    /// The vehicle is in another tracking area.
    Moved(ConnId, Cell),
    /// The vehicle said goodbye.
    DetachRequested(ConnId, DetachCause),
    /// The vehicle goes to sleep for so long once its socket ends.
    SuspendRequested(ConnId, Millis, WakeChannels),
    /// Whether two units seem to use the vehicle's identity.
    CloneSuspected(bool),
    /// The socket ended without a goodbye, or fell silent.
    SocketLost(ConnId),
    /// A higher epoch was seen elsewhere.
    Outranked {
        /// The winner's epoch.
        by: Epoch,
        /// Whether the winner is detached: then nobody else serves the vehicle.
        detached: bool,
    },
    /// The winner's gateway says so; its entry may still be on its way to those who watch.
    Superseded {
        /// The winner's epoch.
        by: Epoch,
    },
    /// It may have no session any more.
    Barred(Bar),
    /// The deadline passed.
    DeadlineReached,
}

/// One vehicle's session.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    vehicle: VehicleId,
    phase: Phase,
    epoch: Epoch,
    id: SessionId,
    cell: Option<Cell>,
    contact: Mono,
    /// How long the vehicle sleeps once its socket ends; zero if it did not say that it does.
    sleep: Millis,
    wake: WakeChannels,
    cloned: bool,
    /// Boxed, for it is there for a moment only and every session has room for one.
    attempt: Option<Box<Attempt>>,
    /// Where the attach under way leads to, if its socket ended before it was on disk.
    left: Option<Phase>,
    /// Whether something else was given to the disk behind the attach under way.
    behind: bool,
}

/// How long a session that lost is still spoken for: time enough for the winner's entry to come by way of a third
/// gateway, and short of the silence that peers count on being told of.
const YIELDED_SHOWN: Millis = Millis::secs(10);

impl Session {
    /// A vehicle that was not served here; its first event is the attach.
    pub fn new(vehicle: VehicleId, now: Mono) -> Self {
        Self {
            vehicle,
            phase: Phase::Attaching,
            epoch: Epoch(0),
            id: SessionId(0),
            cell: None,
            contact: now,
            sleep: Millis(0),
            wake: WakeChannels::NONE,
            cloned: false,
            attempt: None,
            left: None,
            behind: false,
        }
    }

    /// A session of an earlier life of this gateway. Nothing is connected that was not heard in this life.
    pub fn restored(vehicle: VehicleId, entry: &Entry, now: Mono, timers: &Timers) -> Self {
        // Deadlines run from the last contact, but leave time to come back after the restart.
        let until = |span: Millis| (entry.contact + span).max(now + timers.hold);
        let phase = match (entry.state, entry.cause) {
            // While it was connected its contacts were not written down: it has the whole time to come back.
            (LiveState::Connected, _) => Phase::Idle(now + timers.reachable),
            (LiveState::Idle, _) => Phase::Idle(until(timers.reachable)),
            (LiveState::Asleep, _) => Phase::Asleep(until(entry.sleep + timers.sleep_grace)),
            (LiveState::Unreachable, _) => Phase::Unreachable(until(timers.reachable + timers.implicit_detach)),
            (LiveState::Detached, cause) => {
                Phase::Detached(cause.unwrap_or(DetachCause::Unspecified), until(timers.purge))
            }
            (LiveState::Removed, _) => Phase::Gone,
        };
        Self {
            vehicle,
            phase,
            epoch: entry.epoch,
            id: entry.session,
            cell: entry.cell,
            contact: entry.contact,
            sleep: entry.sleep,
            wake: entry.wake,
            // Whoever uses an identity twice will be seen again.
            cloned: false,
            attempt: None,
            left: None,
            behind: false,
        }
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The epoch in force, or about to be.
    pub fn epoch(&self) -> Epoch {
        self.attempt.as_ref().map_or(self.epoch, |attempt| attempt.epoch.max(self.epoch))
    }

    /// The session in force.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Its connection and that of an attach under way.
    pub fn conns(&self) -> [Option<ConnId>; 2] {
        [self.phase.conn(), self.attempt.as_ref().and_then(|attempt| attempt.conn)]
    }

    /// Whether (session, epoch) is the one in force and still lives, so that it can be resumed.
    pub fn resumable(&self, session: SessionId, epoch: Epoch) -> bool {
        self.id == session && self.epoch == epoch && self.phase.is_resumable()
    }

    /// The spool of an attach under way.
    pub fn attaching_spool(&self) -> Option<SpoolId> {
        self.attempt.as_ref().map(|attempt| attempt.spool.id)
    }

    /// When [`Event::DeadlineReached`] is due.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.phase.deadline()
    }

    /// What the log says of it now; `None` before the first attach is durable.
    pub fn entry(&self) -> Option<Entry> {
        let (state, cause) = self.phase.shown()?;
        let sleep = if state == LiveState::Asleep { self.sleep } else { Millis(0) };
        let (epoch, session, cell, contact) = (self.epoch, self.id, self.cell, self.contact);
        Some(Entry { epoch, session, state, cause, cell, contact, sleep, wake: self.wake, cloned: self.cloned })
    }

    /// The machine. `contact` is the last frame of the vehicle that the event knows of.
    pub fn apply(&mut self, now: Mono, contact: Mono, event: Event, timers: &Timers, out: &mut Vec<Action>) {
        match event {
            Event::AttachBegun(attempt) => self.begin(now, attempt, out),
            Event::Persisted { session, epoch, settled } => {
                if let Some(attempt) = self.attempt.take_if(|a| a.session == session && a.epoch == epoch) {
                    self.attach(now, *attempt, settled, timers, out);
                }
            }
            Event::PersistFailed { session, epoch } => {
                if let Some(attempt) = self.attempt.take_if(|a| a.session == session && a.epoch == epoch) {
                    self.refuse(&attempt, out);
                }
            }
            Event::Moved(conn, cell) => {
                if self.phase == Phase::Connected(conn) && self.cell != Some(cell) {
                    self.cell = Some(cell);
                    self.contact = contact.max(self.contact);
                    self.say(out);
                }
            }
            Event::DetachRequested(conn, cause) => {
                if self.forget_attempt_of(conn) {
                    self.left = Some(Phase::Detached(cause, now + timers.purge));
                }
                if self.phase == Phase::Connected(conn) {
                    self.contact = contact.max(self.contact);
                    self.phase = Phase::Detached(cause, now + timers.purge);
                    self.say(out);
                }
            }
            Event::SuspendRequested(conn, sleep, wake) => {
                if self.phase == Phase::Connected(conn) {
                    let most = timers.sleep;
                    self.sleep = if sleep == Millis(0) { most } else { sleep.min(most) };
                    let news = self.wake != wake;
                    self.wake = wake;
                    if news {
                        self.say(out);
                    }
                }
            }
            Event::CloneSuspected(cloned) => {
                if self.cloned != cloned && self.phase != Phase::Gone {
                    self.cloned = cloned;
                    self.say(out);
                }
            }
            Event::SocketLost(conn) => {
                // A loss noticed late, by a process that stood still, is held no longer than one noticed in time:
                // peers count on being told of silence.
                let held = (now + timers.hold).min(contact.max(self.contact) + timers.silence_max());
                if self.forget_attempt_of(conn) {
                    self.left = Some(Phase::Held(held));
                }
                // A late goodbye of an older socket names another connection.
                if self.phase == Phase::Connected(conn) {
                    self.contact = contact.max(self.contact);
                    self.phase = Phase::Held(held);
                    // It said that it would go: there is nothing to wait for.
                    if self.sleep > Millis(0) {
                        self.phase = Phase::Asleep(self.contact + self.sleep + timers.sleep_grace);
                        self.say(out);
                    }
                }
            }
            Event::Outranked { by, detached } => self.yield_to(by, detached, out),
            Event::Superseded { by } => self.stand_aside(now, by, timers, out),
            Event::Barred(bar) => self.cut(now, bar, timers, out),
            Event::DeadlineReached => self.expire(now, timers, out),
        }
    }

    /// A vehicle that is here, while the winner is one that left, is no double: it is to attach above that one.
    fn yield_to(&mut self, by: Epoch, detached: bool, out: &mut Vec<Action>) {
        // An attach under way that outranks the winner stays: it is the newer one.
        if self.phase == Phase::Attaching || self.phase == Phase::Gone || self.epoch() > by {
            return;
        }
        for conn in self.conns().into_iter().flatten() {
            order(conn, OrderCause::Superseded, detached, out);
        }
        self.attempt = None;
        self.phase = Phase::Gone;
        self.say(out);
    }

    /// Ends the session, but speaks for the vehicle until the winner's entry does.
    fn stand_aside(&mut self, now: Mono, by: Epoch, timers: &Timers, out: &mut Vec<Action>) {
        let Some(entry) = self.entry().filter(|entry| entry.state != LiveState::Removed) else { return };
        if matches!(self.phase, Phase::Yielded(..)) || self.epoch() > by {
            return;
        }
        for conn in self.conns().into_iter().flatten() {
            order(conn, OrderCause::Superseded, false, out);
        }
        self.attempt = None;
        let until = now + YIELDED_SHOWN.min(timers.hold);
        let until = self.next_deadline().map_or(until, |deadline| until.min(deadline));
        self.phase = Phase::Yielded(entry.state, entry.cause, until);
    }

    fn expire(&mut self, now: Mono, timers: &Timers, out: &mut Vec<Action>) {
        if self.next_deadline().is_none_or(|until| now < until) {
            return;
        }
        // The vehicle is here and attaching: that is contact, and its result is near.
        let attaching = self.attempt.is_some();
        match self.phase {
            Phase::Held(_) if attaching => self.phase = Phase::Held(now + Millis::secs(1)),
            Phase::Idle(_) if attaching => self.phase = Phase::Idle(now + Millis::secs(1)),
            Phase::Asleep(_) if attaching => self.phase = Phase::Asleep(now + Millis::secs(1)),
            Phase::Unreachable(_) if attaching => self.phase = Phase::Unreachable(now + Millis::secs(1)),
            Phase::Detached(cause, _) if attaching => self.phase = Phase::Detached(cause, now + Millis::secs(1)),
            Phase::Held(_) => self.pass(Phase::Idle(now + timers.reachable), out),
            Phase::Idle(_) | Phase::Asleep(_) => self.pass(Phase::Unreachable(now + timers.implicit_detach), out),
            Phase::Unreachable(_) => self.pass(Phase::Detached(DetachCause::Implicit, now + timers.purge), out),
            Phase::Yielded(state, cause, _) if attaching => {
                self.phase = Phase::Yielded(state, cause, now + Millis::secs(1));
            }
            Phase::Detached(..) | Phase::Yielded(..) => self.pass(Phase::Gone, out),
            Phase::Attaching | Phase::Connected(_) | Phase::Gone => {}
        }
    }

    fn pass(&mut self, phase: Phase, out: &mut Vec<Action>) {
        self.phase = phase;
        self.say(out);
    }

    /// Publishes the state and keeps it for the next life. The order does not matter: after a crash between
    /// the two, the next life publishes what it restored.
    fn say(&mut self, out: &mut Vec<Action>) {
        self.behind |= self.attempt.is_some();
        if let Some(entry) = self.entry() {
            out.push(Action::Publish(self.vehicle.clone(), entry.clone()));
            out.push(Action::Persist { vehicle: self.vehicle.clone(), entry, spool: None, answer: false });
        }
    }
}

/// Ends a connection with a DetachOrder and its close code.
pub fn order(conn: ConnId, cause: OrderCause, reattach: bool, out: &mut Vec<Action>) {
    out.push(Action::Send(conn, Downlink::DetachOrder { cause, reattach }));
    out.push(Action::Close(conn, cause.close_code()));
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
