//! When a silent vehicle is asked, and when it counts as lost: decided without IO.

use waygate_core::time::{Millis, Mono};
use waygate_core::timers::Timers;

/// How long each ping of a probe may go unanswered, or as long as any pong if that is shorter.
const PROBE_ANSWER: Millis = Millis::secs(4);

/// Pings of a probe: one may be lost with the radio asleep, which the first wakes.
const PROBE_PINGS: u8 = 2;

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing before this time.
    Wait(Mono),
    /// A ping.
    Ping,
    /// The socket counts as lost.
    Lost,
}

/// The keepalive of one connection; by default of a vehicle that was just heard.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keepalive {
    asked: Option<Mono>,
    /// Pings that a probe may still send, while one is under way.
    probe: Option<u8>,
}

impl Keepalive {
    /// Any frame restarts it.
    pub fn heard(&mut self) {
        *self = Self::default();
    }

    /// The vehicle is to show at once that it is there.
    pub fn probe(&mut self) {
        if self.probe.is_none() {
            *self = Self { asked: None, probe: Some(PROBE_PINGS) };
        }
    }

    /// A ping was sent.
    pub fn asked(&mut self, now: Mono) {
        self.asked = Some(now);
        self.probe = self.probe.map(|left| left.saturating_sub(1));
    }

    /// What is due, if the vehicle was last heard then.
    pub fn due(&self, now: Mono, heard: Mono, timers: &Timers) -> Due {
        let answer = PROBE_ANSWER.min(timers.pong);
        let (at, due) = match (self.probe, self.asked) {
            (Some(_), None) => (now, Due::Ping),
            (Some(0), Some(asked)) => (asked + answer, Due::Lost),
            (Some(_), Some(asked)) => (asked + answer, Due::Ping),
            (None, Some(asked)) => (asked + timers.pong, Due::Lost),
            (None, None) => (heard + timers.ping, Due::Ping),
        };
        if now >= at { due } else { Due::Wait(at) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Due, Keepalive};
    use waygate_core::time::{Millis, Mono};
    use waygate_core::timers::Timers;

    #[test]
    fn silence_is_asked_about_once_and_then_counts_as_loss() {
        let timers = Timers { ping: Millis(30), pong: Millis(15), ..Timers::default() };
        let mut keepalive = Keepalive::default();
        let heard = Mono(100);
        assert_eq!(keepalive.due(Mono(129), heard, &timers), Due::Wait(Mono(130)));
        assert_eq!(keepalive.due(Mono(130), heard, &timers), Due::Ping);
        keepalive.asked(Mono(131));
        assert_eq!(keepalive.due(Mono(145), heard, &timers), Due::Wait(Mono(146)));
        assert_eq!(keepalive.due(Mono(146), heard, &timers), Due::Lost);
        keepalive.heard();
        assert_eq!(keepalive.due(Mono(146), Mono(140), &timers), Due::Wait(Mono(170)));
    }

    #[test]
    fn a_probe_asks_at_once_and_twice_and_then_counts_as_loss() {
        let timers = Timers::default();
        let (heard, now) = (Mono(100_000), Mono(101_000));
        let mut keepalive = Keepalive::default();
        keepalive.asked(Mono(100_500));
        keepalive.probe();
        assert_eq!(keepalive.due(now, heard, &timers), Due::Ping, "whatever was asked before");
        keepalive.asked(now);
        keepalive.probe();
        assert_eq!(keepalive.due(Mono(104_999), heard, &timers), Due::Wait(Mono(105_000)));
        assert_eq!(keepalive.due(Mono(105_000), heard, &timers), Due::Ping);
        keepalive.asked(Mono(105_000));
        assert_eq!(keepalive.due(Mono(108_999), heard, &timers), Due::Wait(Mono(109_000)));
        assert_eq!(keepalive.due(Mono(109_000), heard, &timers), Due::Lost);
        keepalive.heard();
        assert_eq!(keepalive.due(Mono(109_000), Mono(109_000), &timers), Due::Wait(Mono(139_000)));
    }
}
