//! An attach: on its way to disk, then in force or refused.

use super::{Action, Phase, Session, order};
use crate::cause::{OrderCause, RejectCause};
use crate::cell::Cell;
use crate::epoch::Epoch;
use crate::id::{ConnId, NodeId, SessionId, VehicleId};
use crate::log::{Entry, LiveState};
use crate::message::{AttachReject, Downlink};
use crate::ranges::SeqRanges;
use crate::record::SpoolReport;
use crate::time::{Millis, Mono};
use crate::timers::Timers;
use crate::wake::WakeChannels;

/// How long a vehicle is asked to wait after an attach that could not be stored.
const STORE_BACKOFF: Millis = Millis::secs(5);

/// What an accepted connection needs to take telemetry.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// Which vehicle.
    pub vehicle: VehicleId,
    /// The epoch that fences its batches.
    pub epoch: Epoch,
    /// The session.
    pub session: SessionId,
    /// What the vehicle said of its spool.
    pub spool: SpoolReport,
    /// What is settled of it here.
    pub settled: SeqRanges,
    /// Its tracking area, if known.
    pub cell: Option<Cell>,
    /// The centre of the tracking areas it had so far in this session.
    pub centre: Option<Cell>,
    /// Whether the gateway that served the vehicle before is asked what it holds of the spool: until it has answered, or
    /// its time is up, nothing is read.
    pub gathers: bool,
}

/// An attach on its way to disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// Where the answer goes; `None` once that socket is lost.
    pub conn: Option<ConnId>,
    /// The epoch given out.
    pub epoch: Epoch,
    /// The session, a new one or the one resumed.
    pub session: SessionId,
    /// What the vehicle said of its spool.
    pub spool: SpoolReport,
    /// Where the vehicle says it is.
    pub cell: Option<Cell>,
    /// How the vehicle can be woken when it has no socket.
    pub wake: WakeChannels,
    /// The session it had elsewhere, to be told that it lost.
    pub elsewhere: Option<(NodeId, SessionId, Epoch)>,
}

impl Session {
    /// It goes to disk first.
    pub(super) fn begin(&mut self, now: Mono, attempt: Attempt, out: &mut Vec<Action>) {
        // The newest attach wins: an earlier one under way is not answered any more.
        if let Some(conn) = self.attempt.take().and_then(|earlier| earlier.conn) {
            order(conn, OrderCause::Superseded, false, out);
        }
        // The request is the contact, not the moment at which the disk answers.
        self.contact = now;
        let entry = Entry {
            epoch: attempt.epoch,
            session: attempt.session,
            state: LiveState::Connected,
            cause: None,
            cell: attempt.cell.or(self.cell),
            contact: now,
            sleep: Millis(0),
            wake: attempt.wake,
            cloned: self.cloned,
        };
        let spool = Some(attempt.spool.id);
        out.push(Action::Persist { vehicle: self.vehicle.clone(), entry, spool, answer: true });
        self.attempt = Some(Box::new(attempt));
        (self.left, self.behind) = (None, false);
    }

    /// It is on disk, and in force.
    pub(super) fn attach(
        &mut self,
        now: Mono,
        attempt: Attempt,
        settled: SeqRanges,
        timers: &Timers,
        out: &mut Vec<Action>,
    ) {
        let [old, _] = self.conns();
        let unchanged = self.id == attempt.session
            && self.epoch == attempt.epoch
            && matches!(self.phase, Phase::Connected(_) | Phase::Held(_))
            && self.wake == attempt.wake
            && attempt.cell.is_none_or(|cell| self.cell == Some(cell));
        let centre = self.cell.filter(|_| self.id == attempt.session);
        self.epoch = attempt.epoch;
        self.id = attempt.session;
        self.cell = attempt.cell.or(self.cell);
        (self.sleep, self.wake) = (Millis(0), attempt.wake);
        let (spool, conn) = (attempt.spool.id, attempt.conn);
        self.phase = match conn {
            Some(conn) => Phase::Connected(conn),
            // The timer runs from the loss, however long the disk took; of the later of two losses.
            None => match (self.left.take(), self.phase) {
                (Some(Phase::Held(new)), Phase::Held(old)) => Phase::Held(new.max(old)),
                (left, _) => left.unwrap_or(Phase::Held(now + timers.hold)),
            },
        };
        if let Some(conn) = attempt.conn {
            let accepted = Accepted {
                vehicle: self.vehicle.clone(),
                epoch: self.epoch,
                session: self.id,
                spool: attempt.spool,
                settled,
                cell: self.cell,
                centre,
                gathers: attempt.elsewhere.is_some(),
            };
            out.push(Action::Accept(conn, Box::new(accepted)));
        }
        if self.behind || matches!(self.phase, Phase::Detached(..)) {
            // What is on disk last says something else.
            self.say(out);
        } else if !unchanged {
            out.extend(self.entry().map(|entry| Action::Publish(self.vehicle.clone(), entry)));
        }
        if let Some(old) = old {
            order(old, OrderCause::Superseded, false, out);
        }
        if let Some((node, session, epoch)) = attempt.elsewhere {
            let (vehicle, by) = (self.vehicle.clone(), self.epoch);
            out.push(Action::Supersede { node, vehicle, session, epoch, by, spool });
        }
    }

    /// It could not be made durable.
    pub(super) fn refuse(&mut self, attempt: &Attempt, out: &mut Vec<Action>) {
        if let Some(conn) = attempt.conn {
            let reject = AttachReject {
                cause: RejectCause::StoreUnavailable,
                backoff: STORE_BACKOFF,
                redirect: Vec::new(),
                text: "the attach could not be made durable".to_owned(),
            };
            out.push(Action::Send(conn, Downlink::AttachReject(reject)));
            out.push(Action::Close(conn, RejectCause::StoreUnavailable.close_code()));
        }
        if self.phase == Phase::Attaching {
            self.phase = Phase::Gone;
        }
    }

    /// The attach under way stands without its socket. Returns whether it was on this connection.
    pub(super) fn forget_attempt_of(&mut self, conn: ConnId) -> bool {
        let attempt = self.attempt.as_mut().filter(|attempt| attempt.conn == Some(conn));
        attempt.map(|attempt| attempt.conn = None).is_some()
    }
}
