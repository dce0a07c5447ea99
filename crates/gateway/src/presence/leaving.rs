//! Vehicles that go on at another gateway: what is asked of the old one, what is answered to the new one, and how all of
//! them are sent away when this gateway stops.

use super::PresenceTask;
use crate::journal::Job;
use crate::mailbox::Letter;
use crate::peers::handover::{BUDGET, Errand, Notice};
use std::collections::BTreeMap;
use tokio::sync::oneshot;
use waygate_core::cause::{OrderCause, RejectCause};
use waygate_core::drain::{Action as DrainAction, Drain, Event as DrainEvent};
use waygate_core::id::{ConnId, NodeId, SpoolId, VehicleId};
use waygate_core::message::{AttachReject, AttachRequest, Downlink, GatewayAddress, Redirect, RedirectReason};
use waygate_core::node::Event;
use waygate_core::ranges::SeqRanges;
use waygate_core::redirect::neighbours;
use waygate_core::registrar::Event as RegistrarEvent;
use waygate_core::session::Phase;
use waygate_core::time::Millis;
use waygate_store::Write;

/// Questions of other gateways about a vehicle whose own question is not answered yet. It has been at as many gateways
/// within two seconds.
const WAITING_MAX: usize = 4;

/// A question of the gateway that has the vehicle now.
#[derive(Debug)]
pub struct ContextRequest {
    /// What it tells.
    pub notice: Notice,
    /// What it asks about.
    pub spool: SpoolId,
    /// What is settled; `None` if a later attach is known here. Dropped if there is no answer.
    pub reply: oneshot::Sender<Option<SeqRanges>>,
}

/// Vehicles whose telemetry waits for an answer of the gateway that served them before.
#[derive(Debug, Default)]
pub struct Gathering(BTreeMap<VehicleId, (ConnId, Vec<ContextRequest>)>);

/// A gateway that is about to stop.
#[derive(Debug)]
pub struct Draining {
    machine: Drain,
    /// Told when it may end.
    done: Option<oneshot::Sender<()>>,
}

impl PresenceTask {
    /// Takes note of a session of which another gateway may hold something.
    pub(super) fn gather(&mut self, vehicle: VehicleId, conn: ConnId) {
        let waiting = self.gathering.0.remove(&vehicle).map(|(_, waiting)| waiting).unwrap_or_default();
        self.gathering.0.insert(vehicle, (conn, waiting));
    }

    /// Asks the gateway that served the vehicle before.
    pub(super) fn fetch(&mut self, node: NodeId, notice: Notice, spool: Option<SpoolId>, conn: Option<ConnId>) {
        let waiting = conn.and_then(|conn| self.state.mailboxes.get(&conn).cloned());
        let until = tokio::time::Instant::now() + BUDGET;
        let errand = Errand { node, notice, spool, waiting, until };
        if let Err(refused) = self.errands.try_send(errand) {
            // Best effort: the winning entry tells the same by gossip.
            refused.into_inner().end("unanswered", SeqRanges::new());
        }
    }

    /// A connection has handed what it was told to the journal, or has ended.
    pub(super) fn gathered(&mut self, conn: ConnId) {
        let Some(vehicle) = self.state.node.registrar().vehicle_of(conn).cloned() else { return };
        if self.gathering.0.get(&vehicle).is_some_and(|(by, _)| *by == conn) {
            let waiting = self.gathering.0.remove(&vehicle).map(|(_, waiting)| waiting);
            waiting.into_iter().flatten().for_each(|request| self.tell_context(request));
        }
    }

    /// Another gateway has the vehicle now: ends the session here, and answers once nothing more of it can be stored.
    pub(super) fn tell_context(&mut self, request: ContextRequest) {
        if let Some((_, waiting)) = self.gathering.0.get_mut(&request.notice.vehicle) {
            // What a third gateway holds is about to be noted here; the answer is to include it.
            if waiting.len() < WAITING_MAX {
                waiting.push(request);
            }
            return;
        }
        let ContextRequest { notice: Notice { vehicle, session, epoch, by, .. }, spool, reply } = request;
        self.register(RegistrarEvent::Superseded { vehicle: vehicle.clone(), session, epoch, by });
        if self.state.node.registrar().session(&vehicle).is_some_and(|session| session.epoch() > by) {
            let _ = reply.send(None);
            return;
        }
        // Behind every write of the session that is under way.
        let fence = Job::Fence { write: Write::Fence { vehicle, epoch: by, spool }, reply };
        if self.journal.try_send(fence).is_err() {
            tracing::debug!("the journal is busy: a handover's context is not told");
        }
    }

    /// Begins to send vehicles elsewhere.
    pub(super) fn drain(&mut self, window: Millis, done: oneshot::Sender<()>) {
        self.announce_end();
        let sessions = self.state.node.registrar().sessions();
        let conns = sessions.filter_map(|(_, session)| session.conns()[0]);
        let machine = Drain::new(self.state.clock.now(), conns.collect(), window);
        self.draining = Some(Draining { machine, done: Some(done) });
    }

    /// When the drain goes on.
    pub(super) fn drain_deadline(&self) -> Option<tokio::time::Instant> {
        let at = self.draining.as_ref().and_then(|draining| draining.machine.next_deadline())?;
        Some(self.state.clock.instant(at))
    }

    /// The drain goes on.
    pub(super) fn drain_on(&mut self) {
        let settling = |session: &waygate_core::session::Session| matches!(session.phase(), Phase::Yielded(..));
        let settling = self.state.node.registrar().sessions().any(|(_, session)| settling(session));
        let somewhere = !neighbours(self.state.node.view()).is_empty();
        self.drive_drain(DrainEvent::DeadlineReached { somewhere, settling });
    }

    /// Tells the drain, if there is one.
    pub(super) fn drive_drain(&mut self, event: DrainEvent) {
        let Some(draining) = &mut self.draining else { return };
        let mut actions = Vec::new();
        draining.machine.apply(self.state.clock.now(), event, &mut actions);
        for action in actions {
            match action {
                DrainAction::Redirect(conn, deadline) => {
                    let place = self
                        .state
                        .node
                        .registrar()
                        .vehicle_of(conn)
                        .and_then(|vehicle| self.state.node.registrar().session(vehicle)?.entry()?.cell);
                    let targets = self.elsewhere(place);
                    let redirect = Redirect { targets, reason: RedirectReason::Draining, deadline };
                    metrics::counter!("waygate_redirects_total", "reason" => redirect.reason.wire()).increment(1);
                    self.send(conn, Letter::Send(Downlink::Redirect(redirect)));
                }
                DrainAction::Order(conn) => self.order_away(conn),
                DrainAction::Done => {
                    let done = self.draining.as_mut().and_then(|draining| draining.done.take());
                    let _ = done.map(|done| done.send(()));
                }
            }
        }
    }

    /// The gateway stops now: every vehicle is sent away at once.
    pub(super) fn send_all_away(&mut self) {
        self.announce_end();
        let conns: Vec<_> = self.state.mailboxes.keys().copied().collect();
        conns.into_iter().for_each(|conn| self.order_away(conn));
        self.flush();
    }

    /// No new session begins here.
    pub(super) fn refuse_while_draining(&self, request: &AttachRequest) -> Downlink {
        let redirect = self.elsewhere(request.position.and_then(waygate_core::cell::Cell::of));
        let (cause, text) = (RejectCause::Draining, "this gateway is about to stop".to_owned());
        Downlink::AttachReject(AttachReject { cause, backoff: Millis(0), redirect, text })
    }

    fn elsewhere(&self, place: Option<waygate_core::cell::Cell>) -> Vec<GatewayAddress> {
        self.territory.in_order(&neighbours(self.state.node.view()), place)
    }

    fn order_away(&mut self, conn: ConnId) {
        let mut orders = Vec::new();
        waygate_core::session::order(conn, OrderCause::Draining, true, &mut orders);
        orders.into_iter().for_each(|action| self.perform_session(action));
    }

    /// Peers are told with the next frames.
    fn announce_end(&mut self) {
        self.apply(Event::DrainBegun);
        self.flush();
    }
}
