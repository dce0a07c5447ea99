//! What follows when a dial fails or a socket ends: by whose it was, and by how it ended.

use super::handover::{Handover, Setback};
use super::route::Next;
use super::{Action, LinkId, Machine, Phase, Whose};
use crate::notice::Notice;
use waygate_core::cause::{OrderCause, RetryClass};
use waygate_core::time::{Millis, Mono};

impl Machine {
    /// A dial came to nothing.
    pub(super) fn fail_dial(
        &mut self,
        now: Mono,
        link: LinkId,
        why: String,
        retry_after: Option<Millis>,
        random: u64,
        out: &mut Vec<Action>,
    ) {
        match self.whose(link) {
            Some(Whose::Main) if matches!(&self.phase, Phase::Dialling(dial) if !dial.asked) => {
                out.push(Action::Notify(Notice::DialFailed { gateway: self.route.current().to_owned(), why }));
                self.retreat(now, retry_after.map_or(Next::Other, Next::OtherAfter), random, out);
            }
            Some(Whose::Second) => {
                self.tell_second_failed(why, out);
                self.fail_second(now, retry_after.map_or(Setback::Next, Setback::NextLater), random, out);
            }
            Some(Whose::Main | Whose::Leaving) | None => {}
        }
    }

    fn tell_second_failed(&self, why: String, out: &mut Vec<Action>) {
        let gateway = self.handover.as_ref().and_then(Handover::dial).map(|dial| dial.gateway.clone());
        out.extend(gateway.map(|gateway| Action::Notify(Notice::DialFailed { gateway, why })));
    }

    /// A socket has ended.
    pub(super) fn lose(
        &mut self,
        now: Mono,
        link: LinkId,
        code: Option<u16>,
        why: String,
        random: u64,
        out: &mut Vec<Action>,
    ) {
        let gateway = self.gateway().to_owned();
        let class = code.and_then(class_of);
        match (self.whose(link), &self.phase) {
            (Some(Whose::Main), Phase::Attached(_)) => {
                out.push(Action::Notify(Notice::SocketLost { gateway, why }));
                let order = OrderCause::ALL.iter().copied().find(|order| code == Some(order.close_code()));
                self.lose_session(now, order, false, random, out);
            }
            (Some(Whose::Main), _) => {
                out.push(Action::Notify(Notice::DialFailed { gateway, why }));
                let next = match class {
                    Some(RetryClass::RetrySame) => Next::After(Millis(0)),
                    Some(RetryClass::Stop) => Next::Stop,
                    Some(RetryClass::RetryOther | RetryClass::FixThenRetry) | None => Next::Other,
                };
                self.retreat(now, next, random, out);
            }
            (Some(Whose::Second), _) => {
                self.tell_second_failed(why, out);
                let setback = match class {
                    Some(RetryClass::RetrySame) => Setback::Later(Millis(0)),
                    Some(RetryClass::Stop) => Setback::Never,
                    Some(RetryClass::RetryOther | RetryClass::FixThenRetry) | None => Setback::Next,
                };
                self.fail_second(now, setback, random, out);
            }
            (Some(Whose::Leaving), _) => {
                self.leaving = None;
                self.queue.release();
            }
            (None, _) => {}
        }
    }

    /// The session is gone, its socket closed or lost.
    pub(super) fn lose_session(
        &mut self,
        now: Mono,
        order: Option<OrderCause>,
        reattach: bool,
        random: u64,
        out: &mut Vec<Action>,
    ) {
        // The gateway that was asked beside it has won, unless it was not asked yet: then it is a double that has.
        let double = order == Some(OrderCause::Superseded) && !reattach && !self.is_second_asked();
        if !double && self.fall_to_second(now, out) {
            return;
        }
        let next = match order {
            // Someone else attached as this vehicle: to fight over it would help no one.
            Some(OrderCause::Superseded) if double => Next::Long,
            Some(OrderCause::Draining) => Next::Other,
            // No gateway will take it before someone has changed something.
            Some(OrderCause::Revoked | OrderCause::Policy) => Next::Stop,
            // The way may be back in a moment, and the session with it.
            Some(OrderCause::Superseded) | None => Next::Same,
        };
        self.retreat(now, next, random, out);
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
