//! Sleep and what ends it: a unit that sleeps dials no one until it is time, it is woken, or its owner wants it to.

use super::{Action, CLOSE_NORMAL, Leave, Machine, Nap, Phase, Wish};
use crate::notice::Notice;
use std::collections::VecDeque;
use waygate_core::cause::DetachCause;
use waygate_core::message::Uplink;
use waygate_core::time::{Millis, Mono};
use waygate_core::wake_up;

/// Nonces of wake-ups that are remembered: more than come between two accepts.
const NONCES_MAX: usize = 64;

/// The wake-ups that were obeyed under one key.
#[derive(Clone, Debug, Default)]
pub(super) struct WakeUps {
    nonces: VecDeque<u64>,
}

impl WakeUps {
    /// Whether it has not come before; it is remembered from now on.
    fn is_new(&mut self, nonce: u64) -> bool {
        if self.nonces.contains(&nonce) {
            return false;
        }
        if self.nonces.len() == NONCES_MAX {
            self.nonces.pop_front();
        }
        self.nonces.push_back(nonce);
        true
    }
}

impl Machine {
    /// The owner wants a session.
    pub(super) fn stay(&mut self, now: Mono, out: &mut Vec<Action>) {
        self.wish = None;
        match &mut self.phase {
            Phase::Stopped | Phase::Asleep(_) => self.dial(now, out),
            Phase::Attached(session) => {
                session.stay(now);
            }
            Phase::Waiting(_) | Phase::Dialling(_) => {}
        }
    }

    /// The owner wants to say goodbye.
    pub(super) fn leave(&mut self, now: Mono, cause: DetachCause, out: &mut Vec<Action>) {
        self.part(now, Wish::Goodbye(cause), out);
    }

    /// The owner wants to sleep.
    pub(super) fn suspend(&mut self, now: Mono, nap: Nap, out: &mut Vec<Action>) {
        self.part(now, Wish::Sleep(nap), out);
    }

    fn part(&mut self, now: Mono, wish: Wish, out: &mut Vec<Action>) {
        match &self.phase {
            // Where the unit has asked for a session it may have one already: it parts where that stands.
            Phase::Attached(_) if self.is_second_asked() => self.wish = Some(wish),
            Phase::Attached(_) => self.part_from_session(now, wish, out),
            Phase::Dialling(_) => self.wish = Some(wish),
            Phase::Waiting(_) | Phase::Asleep(_) => self.part_without_session(now, wish, out),
            Phase::Stopped => {}
        }
    }

    /// Tells the gateway of a sleep, or waits for the acks that go before a goodbye.
    pub(super) fn part_from_session(&mut self, now: Mono, wish: Wish, out: &mut Vec<Action>) {
        self.call_off(out);
        let Phase::Attached(session) = &mut self.phase else {
            return;
        };
        match wish {
            Wish::Goodbye(cause) => session.say_goodbye(now, cause),
            Wish::Sleep(nap) => {
                let message = session.suspend(now, nap, self.wake);
                out.push(Action::Send { link: session.link(), message });
            }
        }
    }

    /// There is no one to say it to.
    pub(super) fn part_without_session(&mut self, now: Mono, wish: Wish, out: &mut Vec<Action>) {
        match wish {
            Wish::Goodbye(_) => self.stop(now, false, out),
            Wish::Sleep(nap) => {
                let most = self.sleep_max;
                let sleep = if nap.sleep == Millis(0) { most } else { nap.sleep.min(most) };
                // The gateways expect it back when it said it would be.
                let until = if let Phase::Asleep(until) = self.phase { until } else { now + sleep };
                self.sleep(now, until.min(now + sleep), out);
            }
        }
    }

    /// Ends the session as it was announced.
    pub(super) fn take_leave(&mut self, now: Mono, leave: Leave, out: &mut Vec<Action>) {
        let Phase::Attached(session) = &self.phase else {
            return;
        };
        let link = session.link();
        match leave {
            Leave::Goodbye(cause) => {
                out.push(Action::Send { link, message: Uplink::Detach(cause) });
                out.push(Action::Close { link, code: CLOSE_NORMAL });
                self.session_over = true;
                self.stop(now, true, out);
            }
            Leave::Sleep(until) => {
                out.push(Action::Close { link, code: CLOSE_NORMAL });
                self.sleep(now, until, out);
            }
        }
    }

    /// Sleeps until then; at once awake, if that is over.
    pub(super) fn sleep(&mut self, now: Mono, until: Mono, out: &mut Vec<Action>) {
        self.end_session(now, out);
        self.wish = None;
        if until <= now {
            return self.dial(now, out);
        }
        self.phase = Phase::Asleep(until);
        out.push(Action::Notify(Notice::Slept { sleep: until.since(now) }));
    }

    pub(super) fn stop(&mut self, now: Mono, said: bool, out: &mut Vec<Action>) {
        self.end_session(now, out);
        (self.wish, self.paged) = (None, false);
        self.phase = Phase::Stopped;
        out.push(Action::Notify(Notice::Detached { said }));
    }

    /// Something that may be a wake-up has come.
    pub(super) fn wake(&mut self, now: Mono, payload: &str, out: &mut Vec<Action>) {
        let key = self.token.as_ref().map_or(&[][..], |token| &token.wake_key);
        let ignored = match wake_up::open(key, &self.vehicle, payload) {
            Err(bad) => Some(bad.to_string()),
            Ok(nonce) if !self.wake_ups.is_new(nonce) => Some("it came before".to_owned()),
            Ok(_) => match &mut self.phase {
                Phase::Asleep(_) | Phase::Waiting(_) => {
                    self.paged = true;
                    out.push(Action::Notify(Notice::WokenUp));
                    self.dial(now, out);
                    None
                }
                Phase::Attached(session) if matches!(session.leave(), Some(Leave::Sleep(_))) => {
                    self.paged = session.stay(now);
                    out.push(Action::Notify(Notice::WokenUp));
                    None
                }
                Phase::Attached(_) | Phase::Dialling(_) => Some("the unit does not sleep".to_owned()),
                Phase::Stopped => Some("the unit has said goodbye".to_owned()),
            },
        };
        out.extend(ignored.map(|why| Action::Notify(Notice::WakeUpIgnored { why })));
    }

    /// A new key makes wake-ups of before worthless.
    pub(super) fn keep_wake_key(&mut self, key: &[u8]) {
        if self.token.as_ref().is_none_or(|token| token.wake_key != key) {
            self.wake_ups = WakeUps::default();
        }
    }
}
