//! How a session ends that its vehicle may not have any more.

use super::{Action, Phase, Session, order};
use crate::cause::{DetachCause, OrderCause};
use crate::credential::Bar;
use crate::time::Mono;
use crate::timers::Timers;

impl Session {
    /// Ends the session for good, whatever state it is in. An attach under way ends with it.
    pub(super) fn cut(&mut self, now: Mono, bar: Bar, timers: &Timers, out: &mut Vec<Action>) {
        let (order_cause, detach_cause) = match bar {
            Bar::Revoked => (OrderCause::Revoked, DetachCause::Revoked),
            Bar::Refused => (OrderCause::Policy, DetachCause::Refused),
        };
        for conn in self.conns().into_iter().flatten() {
            order(conn, order_cause, false, out);
        }
        let under_way = self.attempt.take().is_some();
        match self.phase {
            // Nothing of it was published; its removal reaches the disk behind it.
            Phase::Attaching => {
                self.phase = Phase::Gone;
                let (vehicle, spool, answer) = (self.vehicle.clone(), None, false);
                out.extend(self.entry().map(|entry| Action::Persist { vehicle, entry, spool, answer }));
            }
            Phase::Connected(_) | Phase::Held(_) | Phase::Idle(_) | Phase::Asleep(_) | Phase::Unreachable(_) => {
                self.pass(Phase::Detached(detach_cause, now + timers.purge), out);
            }
            // The disk may have the attach that is given up: it is to have the last word of this.
            Phase::Detached(..) if under_way => self.say(out),
            Phase::Detached(..) | Phase::Yielded(..) | Phase::Gone => {}
        }
    }
}

#[cfg(test)]
#[path = "barred_tests.rs"]
mod tests;
