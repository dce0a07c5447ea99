//! Make before break: the next gateway is dialled and asked beside the session, which goes on until the other one stands.
//!
//! ```text
//!  session ───────────────────────────────┐ accept ──▶ takes acks, DRAIN_WAIT at most ──▶ Close 1000
//!     └─ dial ── ask with the token ───────┴────────▶ session
//!          │ failed, refused, guard
//!          └──▶ wait ──▶ the next target … until the last pass through the targets, or the deadline
//! ```

use super::route::{asked_wait, pass_wait, usable};
use super::{ATTACH_GUARD, Action, CLOSE_NORMAL, DRAIN_WAIT, Dial, LinkId, Machine, Phase};
use crate::notice::Notice;
use waygate_core::cause::{RejectCause, RetryClass};
use waygate_core::message::{AttachAccept, AttachReject, Downlink, Redirect, RedirectReason};
use waygate_core::time::{Millis, Mono};

/// Targets that are kept: the gateways of one region are fewer.
const TARGETS_MAX: usize = 16;

/// A way to another gateway beside the session.
#[derive(Clone, Debug)]
pub(super) struct Handover {
    /// Where to, in order of preference; never empty.
    targets: Vec<String>,
    /// The one in question.
    at: usize,
    failures: usize,
    /// The present gateway ends the session by itself then: until then all have been tried.
    deadline: Option<Mono>,
    /// The owner has changed its mind while the answer was waited for.
    rethink: bool,
    step: Step,
}

#[derive(Clone, Debug)]
enum Step {
    /// The target is dialled then.
    Waiting(Mono),
    Dialling(Dial),
}

/// The socket of the session before: it only brings acks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaving {
    pub(super) link: LinkId,
    pub(super) until: Mono,
}

/// What a target's failure means for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setback {
    /// The next one, by the ladder.
    Next,
    /// The same one, after a wait from this to twice this.
    Later(Millis),
    /// The next one, after such a wait at least.
    NextLater(Millis),
    /// It is not asked again.
    Never,
}

impl Handover {
    /// The socket beside that of the session.
    pub(super) fn dial(&self) -> Option<&Dial> {
        match &self.step {
            Step::Dialling(dial) => Some(dial),
            Step::Waiting(_) => None,
        }
    }

    pub(super) fn dial_mut(&mut self) -> Option<&mut Dial> {
        match &mut self.step {
            Step::Dialling(dial) => Some(dial),
            Step::Waiting(_) => None,
        }
    }

    pub(super) fn next_deadline(&self) -> Mono {
        match &self.step {
            Step::Waiting(until) => *until,
            Step::Dialling(dial) => dial.guard(),
        }
    }

    /// Chooses the next target and when to dial it; `None` if there is none.
    fn after(&mut self, now: Mono, setback: Setback, random: u64) -> Option<Mono> {
        match setback {
            Setback::Never => {
                self.targets.remove(self.at);
            }
            Setback::Next | Setback::NextLater(_) => self.at += 1,
            Setback::Later(_) => {}
        }
        if self.targets.is_empty() || self.deadline.is_some_and(|deadline| now >= deadline) {
            return None;
        }
        self.at %= self.targets.len();
        let ladder = pass_wait(self.failures / self.targets.len(), random)?;
        self.failures += 1;
        Some(match setback {
            Setback::Later(least) | Setback::NextLater(least) => now + ladder.max(asked_wait(least, random)),
            Setback::Next | Setback::Never => {
                // The session ends at the deadline: half of what remains leaves room for the dial.
                now + self.deadline.map_or(ladder, |deadline| ladder.min(Millis(deadline.since(now).0 / 2)))
            }
        })
    }
}

impl Machine {
    /// Whether a gateway beside the session's was asked for one: it may have granted it already.
    pub(super) fn is_second_asked(&self) -> bool {
        self.handover.as_ref().and_then(Handover::dial).is_some_and(|dial| dial.asked)
    }

    /// The gateway sends the unit elsewhere.
    pub(super) fn redirect(&mut self, now: Mono, redirect: &Redirect, out: &mut Vec<Action>) {
        let mut targets = usable(&redirect.targets);
        if targets.is_empty() && redirect.reason == RedirectReason::Draining {
            targets = self.route.others();
        }
        self.route.learn_first(&redirect.targets);
        let (gateway, reason) = (self.route.current().to_owned(), redirect.reason);
        out.push(Action::Notify(Notice::Redirected { gateway, reason }));
        let deadline = Some(redirect.deadline).filter(|deadline| deadline.0 > 0).map(|deadline| now + deadline);
        self.hand_over(now, targets, deadline, out);
    }

    /// The owner prefers other gateways than the session's.
    pub(super) fn move_to_preferred(&mut self, now: Mono, out: &mut Vec<Action>) {
        match &mut self.handover {
            // To hang up on a gateway that may have granted the session would lose it: first hear what it says.
            Some(handover) if handover.dial().is_some_and(|dial| dial.asked) => handover.rethink = true,
            Some(_) | None => self.hand_over(now, self.route.preferred(), None, out),
        }
    }

    fn hand_over(&mut self, now: Mono, mut targets: Vec<String>, deadline: Option<Mono>, out: &mut Vec<Action>) {
        let Phase::Attached(session) = &self.phase else {
            return;
        };
        if session.leave().is_some() || self.wish.is_some() {
            return;
        }
        targets.retain(|target| target != session.gateway());
        targets.truncate(TARGETS_MAX);
        if let Some(handover) = &mut self.handover {
            let dialled = handover.dial().map(|dial| (dial.asked, dial.gateway.clone()));
            if let Some((asked, gateway)) = dialled.filter(|(asked, to)| *asked || targets.first() == Some(to)) {
                if asked {
                    targets.retain(|target| *target != gateway);
                    targets.insert(0, gateway);
                }
                (handover.targets, handover.at, handover.deadline) = (targets, 0, deadline);
                return;
            }
        }
        self.call_off(out);
        if !targets.is_empty() {
            let step = Step::Waiting(now);
            self.handover = Some(Handover { targets, at: 0, failures: 0, deadline, rethink: false, step });
            self.dial_second(now, out);
        }
    }

    /// Gives the way to another gateway up.
    pub(super) fn call_off(&mut self, out: &mut Vec<Action>) {
        if let Some(dial) = self.handover.take().as_ref().and_then(Handover::dial) {
            out.push(Action::Close { link: dial.link, code: CLOSE_NORMAL });
        }
    }

    fn dial_second(&mut self, now: Mono, out: &mut Vec<Action>) {
        let Some(gateway) = self.handover.as_ref().and_then(|handover| handover.targets.get(handover.at)).cloned()
        else {
            return;
        };
        // Two sockets are enough.
        self.hang_up_leaving(out);
        let dial = self.connect(now, gateway, out);
        if let Some(handover) = &mut self.handover {
            handover.step = Step::Dialling(dial);
        }
    }

    /// What comes from the gateway that was asked beside the session.
    pub(super) fn hear_second(&mut self, now: Mono, message: Downlink, random: u64, out: &mut Vec<Action>) {
        match message {
            Downlink::AttachAccept(accept) => self.arrive(now, &accept, out),
            Downlink::AttachReject(reject) => self.be_refused(now, reject, random, out),
            Downlink::DetachOrder { .. } => {
                self.hang_up_second(out);
                self.fail_second(now, Setback::Next, random, out);
            }
            Downlink::Error(report) => out.push(Action::Notify(Notice::ErrorReported(report))),
            Downlink::TimeReply { .. }
            | Downlink::TelemetryAck(_)
            | Downlink::TrackingAccept(_)
            | Downlink::FlowControl { .. }
            | Downlink::Command(_)
            | Downlink::CommandCancel(_)
            | Downlink::SnapshotRequest(_)
            | Downlink::Redirect(_) => {}
        }
    }

    /// The other session stands: the old one only brings acks from now on.
    fn arrive(&mut self, now: Mono, accept: &AttachAccept, out: &mut Vec<Action>) {
        if !self.is_second_asked() {
            return;
        }
        let Some(Handover { step: Step::Dialling(dial), rethink, .. }) = self.handover.take() else {
            return;
        };
        let Phase::Attached(old) = &self.phase else {
            return;
        };
        let (link, from) = (old.link(), old.gateway().to_owned());
        self.hang_up_leaving(out);
        self.queue.hand_over();
        self.leaving = Some(Leaving { link, until: now + DRAIN_WAIT });
        self.commands.session_ended(now, self.silence());
        self.route.go_to(dial.gateway.clone());
        out.push(Action::Notify(Notice::Moved { from, to: dial.gateway.clone() }));
        self.establish(now, &dial, accept, out);
        if rethink {
            self.hand_over(now, self.route.preferred(), None, out);
        }
    }

    fn be_refused(&mut self, now: Mono, reject: AttachReject, random: u64, out: &mut Vec<Action>) {
        let (cause, backoff) = (reject.cause, reject.backoff);
        let more = usable(&reject.redirect);
        let gateway = self.hang_up_second(out);
        out.push(Action::Notify(Notice::AttachRejected { gateway, reject }));
        if let (Some(handover), Phase::Attached(session)) = (&mut self.handover, &self.phase) {
            for target in more.into_iter().filter(|target| target != session.gateway()) {
                if handover.targets.len() < TARGETS_MAX && !handover.targets.contains(&target) {
                    handover.targets.push(target);
                }
            }
        }
        let setback = match cause.class() {
            RetryClass::RetrySame => Setback::Later(backoff),
            RetryClass::RetryOther => Setback::Next,
            RetryClass::FixThenRetry if cause == RejectCause::ClockOff && !self.clock_off => {
                self.clock_off = true;
                return self.dial_second(now, out);
            }
            // The session that stands is not given up for what another gateway thinks of its token.
            RetryClass::FixThenRetry | RetryClass::Stop => Setback::Never,
        };
        self.fail_second(now, setback, random, out);
    }

    fn hang_up_second(&mut self, out: &mut Vec<Action>) -> String {
        let Some(dial) = self.handover.as_ref().and_then(Handover::dial) else {
            return String::new();
        };
        out.push(Action::Close { link: dial.link, code: CLOSE_NORMAL });
        dial.gateway.clone()
    }

    /// The target could not be reached or did not take the unit: the session goes on, and so does the search.
    pub(super) fn fail_second(&mut self, now: Mono, setback: Setback, random: u64, out: &mut Vec<Action>) {
        let Some(mut handover) = self.handover.take() else {
            return;
        };
        if let Some(wish) = self.wish.take() {
            return self.part_from_session(now, wish, out);
        }
        if handover.rethink {
            return self.hand_over(now, self.route.preferred(), None, out);
        }
        match handover.after(now, setback, random) {
            Some(at) => {
                handover.step = Step::Waiting(at);
                self.handover = Some(handover);
            }
            None => out.push(Action::Notify(Notice::MoveGivenUp { gateway: self.route.current().to_owned() })),
        }
    }

    /// The dial or the answer took too long, or it is time for the next dial.
    pub(super) fn expire_second(&mut self, now: Mono, random: u64, out: &mut Vec<Action>) {
        match self.handover.as_ref().map(|handover| &handover.step) {
            Some(Step::Waiting(until)) if now >= *until => self.dial_second(now, out),
            Some(Step::Dialling(dial)) if now >= dial.guard() => {
                let gateway = self.hang_up_second(out);
                let why = format!("no answer within {} s", ATTACH_GUARD.as_secs_ceil());
                out.push(Action::Notify(Notice::DialFailed { gateway, why }));
                self.fail_second(now, Setback::Next, random, out);
            }
            Some(Step::Waiting(_) | Step::Dialling(_)) | None => {}
        }
    }

    /// The session has ended: the way to the other gateway becomes the only one. False if there is none.
    pub(super) fn fall_to_second(&mut self, now: Mono, out: &mut Vec<Action>) -> bool {
        let Some(Handover { step: Step::Dialling(dial), .. }) = self.handover.take() else {
            return false;
        };
        self.end_session(now, out);
        self.route.go_to(dial.gateway.clone());
        self.phase = Phase::Dialling(dial);
        true
    }

    /// What comes on the socket of the session before.
    pub(super) fn hear_leaving(&mut self, now: Mono, message: Downlink, out: &mut Vec<Action>) {
        match message {
            Downlink::TelemetryAck(ack) => self.settle(now, ack, out),
            // It says that the new session has won: no more acks come.
            Downlink::DetachOrder { .. } => self.hang_up_leaving(out),
            Downlink::AttachAccept(_)
            | Downlink::AttachReject(_)
            | Downlink::TrackingAccept(_)
            | Downlink::TimeReply { .. }
            | Downlink::Error(_)
            | Downlink::FlowControl { .. }
            | Downlink::Command(_)
            | Downlink::CommandCancel(_)
            | Downlink::SnapshotRequest(_)
            | Downlink::Redirect(_) => {}
        }
    }

    /// Lets go of the socket of the session before; what it did not ack is sent again.
    pub(super) fn hang_up_leaving(&mut self, out: &mut Vec<Action>) {
        if let Some(leaving) = self.leaving.take() {
            out.push(Action::Close { link: leaving.link, code: CLOSE_NORMAL });
            self.queue.release();
        }
    }
}
