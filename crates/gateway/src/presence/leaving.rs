//! How all vehicles are sent away when this gateway stops.

use super::PresenceTask;
use crate::mailbox::Letter;
use tokio::sync::oneshot;
use waygate_core::cause::{OrderCause, RejectCause};
use waygate_core::drain::{Action as DrainAction, Drain, Event as DrainEvent};
use waygate_core::id::ConnId;
use waygate_core::message::{AttachReject, AttachRequest, Downlink, GatewayAddress, Redirect, RedirectReason};
use waygate_core::node::Event;
use waygate_core::redirect::neighbours;
use waygate_core::session::Phase;
use waygate_core::time::Millis;

/// A gateway that is about to stop.
#[derive(Debug)]
pub struct Draining {
    machine: Drain,
    /// Told when it may end.
    done: Option<oneshot::Sender<()>>,
}

impl PresenceTask {
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
