//! From the dial to the session: what is asked for, and what is done with the answer.

use super::handover::Handover;
use super::route::Next;
use super::session::Session;
use super::{ATTACH_GUARD, Action, CLOSE_NORMAL, LinkId, Machine, Phase, Whose, tell_settled};
use crate::notice::Notice;
use crate::spool::Token;
use waygate_core::cause::{RejectCause, RetryClass};
use waygate_core::message::{AttachAccept, AttachKind, AttachReject, AttachRequest, Uplink};
use waygate_core::record::{SignalPath, SpoolReport};
use waygate_core::time::{Mono, Wall};

/// A gateway that is dialled, and then asked for a session.
#[derive(Clone, Debug)]
pub(super) struct Dial {
    pub(super) link: LinkId,
    pub(super) gateway: String,
    /// When it was dialled.
    pub(super) dialled: Mono,
    /// Since when the dial, or the answer, is waited for.
    pub(super) since: Mono,
    /// AttachRequest was sent.
    pub(super) asked: bool,
}

impl Dial {
    /// It is not waited for longer.
    pub(super) fn guard(&self) -> Mono {
        self.since + ATTACH_GUARD
    }
}

impl Machine {
    /// Dials the current gateway.
    pub(super) fn dial(&mut self, now: Mono, out: &mut Vec<Action>) {
        self.queue.restart();
        let dial = self.connect(now, self.route.current().to_owned(), out);
        self.phase = Phase::Dialling(dial);
    }

    pub(super) fn connect(&mut self, now: Mono, gateway: String, out: &mut Vec<Action>) -> Dial {
        self.links += 1;
        let link = LinkId(self.links);
        out.push(Action::Notify(Notice::Dialled { gateway: gateway.clone() }));
        out.push(Action::Connect { link, gateway: gateway.clone() });
        Dial { link, gateway, dialled: now, since: now, asked: false }
    }

    /// The socket is open: asks for a session.
    pub(super) fn request(
        &mut self,
        now: Mono,
        link: LinkId,
        wall: Wall,
        signals: Vec<SignalPath>,
        out: &mut Vec<Action>,
    ) {
        let whose = self.whose(link);
        let dial = match &mut self.phase {
            Phase::Dialling(dial) if whose == Some(Whose::Main) => Some(dial),
            Phase::Attached(_) if whose == Some(Whose::Second) => self.handover.as_mut().and_then(Handover::dial_mut),
            Phase::Waiting(_) | Phase::Dialling(_) | Phase::Attached(_) | Phase::Asleep(_) | Phase::Stopped => None,
        };
        let Some(dial) = dial.filter(|dial| !dial.asked) else {
            return;
        };
        (dial.asked, dial.since) = (true, now);
        let kind = match &self.token {
            _ if self.paged => AttachKind::Paged,
            Some(_) if self.session_over => AttachKind::Initial,
            None => AttachKind::Initial,
            Some(token) if token.gateway == dial.gateway => AttachKind::Resume,
            Some(_) => AttachKind::Handover,
        };
        let message = Uplink::Attach(Box::new(AttachRequest {
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
            wake: self.wake,
        }));
        out.push(Action::Send { link, message });
    }

    /// A gateway has granted the session that was asked for with `dial`.
    pub(super) fn establish(&mut self, now: Mono, dial: &Dial, accept: &AttachAccept, out: &mut Vec<Action>) {
        let (link, gateway) = (dial.link, dial.gateway.clone());
        self.route.succeed();
        self.route.learn(&accept.gateways);
        (self.mended, self.clock_off, self.session_over, self.paged) = (false, false, false, false);
        self.keep_wake_key(&accept.wake_key);
        self.sleep_max = accept.timers.sleep;
        let (bytes, wake_key) = (accept.token.clone(), accept.wake_key.clone());
        self.token = Some(Token { bytes, gateway: gateway.clone(), wake_key });
        out.push(Action::KeepToken(self.token.clone()));
        let (session, epoch, took) = (accept.session, accept.epoch, now.since(dial.dialled));
        out.push(Action::Notify(Notice::Attached { gateway: gateway.clone(), session, epoch, took }));
        // Records before this are on the gateway's disk though their ack did not arrive.
        let (news, _) = self.queue.settle([(1, accept.resume_from.saturating_sub(1))]);
        tell_settled(news, Vec::new(), None, out);
        self.phase = Phase::Attached(Box::new(Session::new(now, link, gateway, accept, dial.since)));
        self.commands.catch_up(now, link, out);
        if let Some(wish) = self.wish.take() {
            self.part_from_session(now, wish, out);
        }
        if let Some(position) = self.position {
            self.place(now, position, out);
        }
    }

    pub(super) fn reject(&mut self, now: Mono, reject: AttachReject, random: u64, out: &mut Vec<Action>) {
        let (cause, backoff) = (reject.cause, reject.backoff);
        self.route.learn_first(&reject.redirect);
        let gateway = self.route.current().to_owned();
        self.hang_up(CLOSE_NORMAL, out);
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
            | RejectCause::Forbidden
            | RejectCause::UnknownVehicle
            | RejectCause::Revoked => false,
        }
    }
}
