//! When a silent vehicle is asked, and when it counts as lost: decided without IO.

use waygate_core::time::Mono;
use waygate_core::timers::Timers;

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
}

impl Keepalive {
    /// Any frame restarts it.
    pub fn heard(&mut self) {
        self.asked = None;
    }

    /// A ping was sent.
    pub fn asked(&mut self, now: Mono) {
        self.asked = Some(now);
    }

    /// What is due, if the vehicle was last heard then.
    pub fn due(&self, now: Mono, heard: Mono, timers: &Timers) -> Due {
        let (at, due) = match self.asked {
            Some(asked) => (asked + timers.pong, Due::Lost),
            None => (heard + timers.ping, Due::Ping),
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
}
