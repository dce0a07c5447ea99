//! The register of a gateway: every vehicle it serves, found by vehicle and by connection.
//!
//! Decides epochs, routes events to the sessions and keeps their deadlines in one ordered set. It owns no
//! socket and no disk; what it wants done are [`Action`]s.

use crate::cause::{DetachCause, RejectCause};
use crate::cell::Cell;
use crate::clones::{Clones, Verdict};
use crate::credential::Bar;
use crate::doubts::Doubts;
use crate::epoch::Epoch;
use crate::id::{ConnId, SessionId, VehicleId};
use crate::log::{Entry, LiveState};
use crate::message::{AttachKind, AttachReject, AttachRequest, Downlink};
use crate::ranges::SeqRanges;
use crate::session::{Action, Attempt, Event as SessionEvent, Phase, Session};
use crate::time::{Millis, Mono, Wall};
use crate::timers::Timers;
use crate::token::{BadToken, Claims, KeyRing};
use crate::view::NodeInfo;
use crate::wake::WakeChannels;
use std::collections::{BTreeMap, BTreeSet};

/// What happens at the register.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A vehicle asks for a session.
    AttachRequested {
        /// On which connection.
        conn: ConnId,
        /// What it asks.
        request: Box<AttachRequest>,
        /// The highest epoch the directory knows of it.
        known: Option<Epoch>,
        /// Whether the directory shows it as connected to another gateway.
        connected_elsewhere: bool,
        /// The gateway's clock.
        wall: Wall,
        /// Random: the session, if it becomes a new one.
        fresh: SessionId,
    },
    /// An attach is on disk.
    Persisted {
        /// Whose.
        vehicle: VehicleId,
        /// Which.
        session: SessionId,
        /// Its epoch.
        epoch: Epoch,
        /// What is settled of its spool here.
        settled: SeqRanges,
    },
    /// An attach could not be made durable.
    PersistFailed {
        /// Whose.
        vehicle: VehicleId,
        /// Which.
        session: SessionId,
        /// Its epoch.
        epoch: Epoch,
    },
    /// A vehicle is in another tracking area.
    Moved(ConnId, Cell),
    /// A vehicle said goodbye.
    DetachRequested(ConnId, DetachCause),
    /// A vehicle goes to sleep for so long once its socket ends.
    SuspendRequested(ConnId, Millis, WakeChannels),
    /// A socket ended without a goodbye; its last frame came at `contact`.
    SocketLost {
        /// Which.
        conn: ConnId,
        /// Its last frame.
        contact: Mono,
    },
    /// Another gateway says that this session lost.
    Superseded {
        /// Whose.
        vehicle: VehicleId,
        /// The session that lost.
        session: SessionId,
        /// Its epoch.
        epoch: Epoch,
        /// The winner's.
        by: Epoch,
    },
    /// The directory shows a higher epoch elsewhere.
    Outranked {
        /// Whose.
        vehicle: VehicleId,
        /// The winner's.
        by: Epoch,
        /// Whether the winner is detached.
        detached: bool,
    },
    /// A session of an earlier life was read from disk.
    Restored {
        /// Whose.
        vehicle: VehicleId,
        /// What was kept, its contact on the clock of this life.
        entry: Entry,
    },
    /// A vehicle may have no session any more.
    Barred(VehicleId, Bar),
    /// Once a second or so.
    Ticked,
    /// The time of [`Registrar::next_deadline`] has come.
    DeadlineReached,
}

/// A vehicle whose clock is further off than this is told so.
const CLOCK_OFF_MAX: Millis = Millis::secs(24 * 3600);

/// Every vehicle that this gateway serves or served last.
#[derive(Clone, Debug)]
pub struct Registrar {
    me: NodeInfo,
    timers: Timers,
    keys: KeyRing,
    sessions: BTreeMap<VehicleId, Session>,
    conns: BTreeMap<ConnId, VehicleId>,
    deadlines: BTreeSet<(Mono, VehicleId)>,
    clones: Clones,
    /// Vehicles whose entry says that there seem to be two of them.
    flagged: BTreeSet<VehicleId>,
    doubts: Doubts,
}

impl Registrar {
    /// An empty register.
    pub fn new(me: NodeInfo, timers: Timers, keys: KeyRing) -> Self {
        let (sessions, conns, deadlines) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        let (clones, flagged, doubts) = (Clones::default(), BTreeSet::new(), Doubts::default());
        Self { me, timers, keys, sessions, conns, deadlines, clones, flagged, doubts }
    }

    /// The session of a vehicle.
    pub fn session(&self, vehicle: &VehicleId) -> Option<&Session> {
        self.sessions.get(vehicle)
    }

    /// Every session.
    pub fn sessions(&self) -> impl Iterator<Item = (&VehicleId, &Session)> {
        self.sessions.iter()
    }

    /// Whose connection it is.
    pub fn vehicle_of(&self, conn: ConnId) -> Option<&VehicleId> {
        self.conns.get(&conn)
    }

    /// When [`Event::DeadlineReached`] is due.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Whether there seem to be several vehicles of this name.
    pub fn suspected_clone(&self, vehicle: &VehicleId, now: Mono) -> bool {
        self.clones.suspects(vehicle, now)
    }

    /// Whether a request goes on with a session that lives here; if it does, it is cheap to let in.
    pub fn resumes(&self, request: &AttachRequest) -> bool {
        let session = self.sessions.get(&request.vehicle).filter(|_| request.kind == AttachKind::Resume);
        session.zip(request.token.as_ref()).is_some_and(|(session, token)| {
            let claims = self.keys.open(&request.vehicle, token);
            claims.is_ok_and(|claims| session.resumable(claims.session, claims.epoch))
        })
    }

    /// The token a vehicle is given for a session.
    pub fn token(&self, vehicle: &VehicleId, session: SessionId, epoch: Epoch) -> Vec<u8> {
        self.keys.seal(&Claims {
            vehicle: vehicle.clone(),
            region: self.me.region.clone(),
            node: self.me.id.clone(),
            incarnation: self.me.incarnation,
            session,
            epoch,
        })
    }

    /// The machine.
    pub fn apply(&mut self, now: Mono, event: Event, out: &mut Vec<Action>) {
        match event {
            Event::AttachRequested { conn, request, known, connected_elsewhere, wall, fresh } => {
                let attempt = self.claims(conn, &request, wall).and_then(|claims| {
                    self.contest(now, &request, claims.as_ref(), known, connected_elsewhere, out)?;
                    let known = known.max(self.doubts.of(&request.vehicle));
                    Ok(self.attempt(conn, &request, claims, known, wall, fresh))
                });
                match attempt {
                    Ok(attempt) => {
                        self.conns.insert(conn, request.vehicle.clone());
                        let vehicle = request.vehicle.clone();
                        self.drive(now, now, request.vehicle, SessionEvent::AttachBegun(attempt), out);
                        self.flag(now, vehicle, out);
                    }
                    Err(reject) => {
                        let code = reject.cause.close_code();
                        out.push(Action::Send(conn, Downlink::AttachReject(reject)));
                        out.push(Action::Close(conn, code));
                    }
                }
            }
            Event::Persisted { vehicle, session, epoch, settled } => {
                self.doubts.settle(&vehicle);
                self.drive(now, now, vehicle.clone(), SessionEvent::Persisted { session, epoch, settled }, out);
                self.flag(now, vehicle, out);
            }
            Event::PersistFailed { vehicle, session, epoch } => {
                self.drive(now, now, vehicle.clone(), SessionEvent::PersistFailed { session, epoch }, out);
                self.doubts.raise(vehicle, epoch);
            }
            Event::Moved(conn, cell) => self.drive_conn(now, now, conn, SessionEvent::Moved(conn, cell), out),
            Event::DetachRequested(conn, cause) => {
                self.drive_conn(now, now, conn, SessionEvent::DetachRequested(conn, cause), out);
            }
            Event::SuspendRequested(conn, sleep, wake) => {
                self.drive_conn(now, now, conn, SessionEvent::SuspendRequested(conn, sleep, wake), out);
            }
            Event::SocketLost { conn, contact } => {
                self.drive_conn(now, contact, conn, SessionEvent::SocketLost(conn), out);
                self.conns.remove(&conn);
            }
            Event::Superseded { vehicle, session, epoch, by } => {
                let current = self.sessions.get(&vehicle).map(|s| (s.id(), s.epoch()));
                if current == Some((session, epoch)) && by > epoch {
                    self.drive(now, now, vehicle, SessionEvent::Superseded { by }, out);
                } else {
                    self.clones.vouch(&vehicle, session, epoch);
                }
            }
            Event::Outranked { vehicle, by, detached } => self.outrank(now, vehicle, by, detached, out),
            Event::Barred(vehicle, bar) => self.drive(now, now, vehicle, SessionEvent::Barred(bar), out),
            Event::Ticked => self.unflag(now, out),
            Event::Restored { vehicle, entry } => self.restore(now, vehicle, &entry, out),
            Event::DeadlineReached => {
                while let Some((_, vehicle)) = self.deadlines.first().filter(|(at, _)| *at <= now).cloned() {
                    self.drive(now, now, vehicle, SessionEvent::DeadlineReached, out);
                }
            }
        }
    }

    /// Says of a vehicle that there seem to be two of it, if so.
    fn flag(&mut self, now: Mono, vehicle: VehicleId, out: &mut Vec<Action>) {
        if self.clones.suspects(&vehicle, now) {
            self.flagged.insert(vehicle.clone());
            self.drive(now, now, vehicle, SessionEvent::CloneSuspected(true), out);
        }
    }

    /// Takes back what is suspected no more.
    fn unflag(&mut self, now: Mono, out: &mut Vec<Action>) {
        let over: Vec<_> = self.flagged.iter().filter(|vehicle| !self.clones.suspects(vehicle, now)).cloned().collect();
        for vehicle in over {
            self.flagged.remove(&vehicle);
            self.drive(now, now, vehicle, SessionEvent::CloneSuspected(false), out);
        }
    }

    /// What the token of a request says, or why the request cannot be taken.
    fn claims(&self, conn: ConnId, request: &AttachRequest, wall: Wall) -> Result<Option<Claims>, AttachReject> {
        if self.conns.contains_key(&conn) {
            return Err(reject(RejectCause::BadMessage, "this connection has attached already".to_owned()));
        }
        if let Some(clock) = request.clock {
            let off_ms = clock.0.abs_diff(wall.0);
            if off_ms > CLOCK_OFF_MAX.0 {
                let text = format!("clock.now is {} h away from the gateway's clock", off_ms / 3_600_000);
                return Err(reject(RejectCause::ClockOff, text));
            }
        }
        let Some(token) = &request.token else {
            return Ok(None);
        };
        match self.keys.open(&request.vehicle, token) {
            Ok(claims) if claims.epoch.too_far_ahead(wall) => {
                Err(reject(RejectCause::EpochSync, "the token's epoch lies over 24 h ahead".to_owned()))
            }
            Ok(claims) => Ok(Some(claims)),
            Err(bad @ BadToken::Forged) => Err(reject(RejectCause::EpochSync, bad.to_string())),
            Err(bad @ BadToken::UnknownKey) => Err(reject(RejectCause::ContextUnknown, bad.to_string())),
        }
    }

    /// Looks whether an attach pushes out a connected session other than the one that it presents.
    fn contest(
        &mut self,
        now: Mono,
        request: &AttachRequest,
        claims: Option<&Claims>,
        known: Option<Epoch>,
        connected_elsewhere: bool,
        out: &mut Vec<Action>,
    ) -> Result<(), AttachReject> {
        let served = self.sessions.get(&request.vehicle);
        let here = served.and_then(Session::entry).filter(|entry| entry.state == LiveState::Connected);
        let presented = claims.map(|claims| claims.epoch);
        let newest = known.max(here.as_ref().map(|entry| entry.epoch));
        if (here.is_none() && !connected_elsewhere) || presented >= newest {
            return Ok(());
        }
        let open = connected_elsewhere || served.is_some_and(|s| matches!(s.phase(), Phase::Connected(_)));
        match self.clones.contest(now, &request.vehicle, (presented, request.spool.id), open) {
            Verdict::Wins { news } => {
                out.extend(news.then(|| Action::ReportClone(request.vehicle.clone())));
                Ok(())
            }
            Verdict::Refused { backoff } => {
                let text = "another vehicle of this name is connected; is the identity in use twice?".to_owned();
                Err(AttachReject { backoff, ..reject(RejectCause::Cloned, text) })
            }
        }
    }

    /// Turns a request into an attempt with its epoch.
    fn attempt(
        &self,
        conn: ConnId,
        request: &AttachRequest,
        claims: Option<Claims>,
        known: Option<Epoch>,
        wall: Wall,
        fresh: SessionId,
    ) -> Attempt {
        let served = self.sessions.get(&request.vehicle);
        let presented = claims.as_ref().map(|claims| claims.epoch);
        let cell = request.position.and_then(Cell::of);
        // Two resumes under way have one name, so the disk's answer to the first is taken for the second:
        // that must not speak of another spool.
        let one_spool = served.and_then(Session::attaching_spool).is_none_or(|under_way| under_way == request.spool.id);
        let resumed = claims.as_ref().filter(|claims| {
            request.kind == AttachKind::Resume
                && one_spool
                && known.is_none_or(|known| known <= claims.epoch)
                && served.is_some_and(|s| s.resumable(claims.session, claims.epoch) && s.epoch() == claims.epoch)
        });
        let (session, epoch) = match resumed {
            Some(claims) => (claims.session, claims.epoch),
            None => (fresh, Epoch::next(presented, known.max(served.map(Session::epoch)), wall)),
        };
        let elsewhere =
            claims.filter(|claims| claims.node != self.me.id).map(|claims| (claims.node, claims.session, claims.epoch));
        let (spool, wake) = (request.spool.clone(), request.wake);
        Attempt { conn: Some(conn), epoch, session, spool, cell, wake, elsewhere }
    }

    /// A higher epoch was seen elsewhere.
    fn outrank(&mut self, now: Mono, vehicle: VehicleId, by: Epoch, detached: bool, out: &mut Vec<Action>) {
        let connected = self.sessions.get(&vehicle).filter(|session| matches!(session.phase(), Phase::Connected(_)));
        let before = connected.and_then(Session::entry).map(|entry| (entry.session, entry.epoch));
        self.drive(now, now, vehicle.clone(), SessionEvent::Outranked { by, detached }, out);
        // Two that are there at the same time are counted, not one that has left.
        if let Some((session, epoch)) = before.filter(|_| !detached && !self.sessions.contains_key(&vehicle))
            && self.clones.ousted(now, &vehicle, session, epoch)
        {
            out.push(Action::ReportClone(vehicle));
        }
    }

    fn restore(&mut self, now: Mono, vehicle: VehicleId, entry: &Entry, out: &mut Vec<Action>) {
        if self.sessions.contains_key(&vehicle) || entry.state == LiveState::Removed {
            return;
        }
        let session = Session::restored(vehicle.clone(), entry, now, &self.timers);
        out.extend(session.entry().map(|entry| Action::Publish(vehicle.clone(), entry)));
        self.deadlines.extend(session.next_deadline().map(|at| (at, vehicle.clone())));
        self.sessions.insert(vehicle, session);
    }

    fn drive_conn(&mut self, now: Mono, contact: Mono, conn: ConnId, event: SessionEvent, out: &mut Vec<Action>) {
        if let Some(vehicle) = self.conns.get(&conn).cloned() {
            self.drive(now, contact, vehicle, event, out);
        }
    }

    fn drive(&mut self, now: Mono, contact: Mono, vehicle: VehicleId, event: SessionEvent, out: &mut Vec<Action>) {
        let begun = matches!(event, SessionEvent::AttachBegun(_));
        if begun {
            self.sessions.entry(vehicle.clone()).or_insert_with(|| Session::new(vehicle.clone(), now));
        }
        let Some(session) = self.sessions.get_mut(&vehicle) else {
            return;
        };
        let before = session.next_deadline();
        session.apply(now, contact, event, &self.timers, out);
        let after = session.next_deadline();
        let gone = session.phase() == Phase::Gone && session.conns() == [None, None];
        if before != after {
            if let Some(at) = before {
                self.deadlines.remove(&(at, vehicle.clone()));
            }
            self.deadlines.extend(after.map(|at| (at, vehicle.clone())));
        }
        if gone {
            self.sessions.remove(&vehicle);
        }
    }
}

fn reject(cause: RejectCause, text: String) -> AttachReject {
    AttachReject { cause, backoff: Millis(0), redirect: Vec::new(), text }
}

#[cfg(test)]
#[path = "registrar_tests.rs"]
mod tests;
