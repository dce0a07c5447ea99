//! The timers of a session. Defaults are those of the protocol; each can be configured.

use crate::time::Millis;

/// Timers of the serving gateway. Those the vehicle needs are told to it in AttachAccept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Silence after which a ping is sent.
    pub ping: Millis,
    /// How long the pong may take; then the socket counts as lost.
    pub pong: Millis,
    /// How long a lost socket may be resumed before idle is published.
    pub hold: Millis,
    /// How often an idle vehicle reports.
    pub periodic_update: Millis,
    /// From entering idle to unreachable.
    pub reachable: Millis,
    /// From unreachable to detached.
    pub implicit_detach: Millis,
    /// From Suspend to the end of the socket, if the vehicle names no other.
    pub active: Millis,
    /// The longest sleep, and the one meant if the vehicle names none.
    pub sleep: Millis,
    /// How late a sleeping vehicle may be before it is unreachable.
    pub sleep_grace: Millis,
    /// How long a detached vehicle stays in the directory.
    pub purge: Millis,
}

impl Default for Timers {
    fn default() -> Self {
        let periodic_update = Millis::secs(54 * 60);
        Self {
            ping: Millis::secs(30),
            pong: Millis::secs(15),
            hold: Millis::secs(30),
            periodic_update,
            reachable: periodic_update + Millis::secs(4 * 60),
            implicit_detach: periodic_update + Millis::secs(4 * 60),
            active: Millis::secs(20),
            sleep: Millis::secs(24 * 3600),
            sleep_grace: Millis::secs(10 * 60),
            purge: Millis::secs(7 * 24 * 3600),
        }
    }
}

/// Two timers contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("timer {shorter} must be shorter than {longer}")]
pub struct TimerConflict {
    /// The one that must be shorter.
    pub shorter: &'static str,
    /// The one that must be longer.
    pub longer: &'static str,
}

impl Timers {
    /// Refuses timers under which a vehicle that keeps the rules would be given up.
    pub fn check(&self) -> Result<(), TimerConflict> {
        let conflict = |shorter, longer| Err(TimerConflict { shorter, longer });
        if self.ping.0 == 0 || self.pong.0 == 0 {
            return conflict("zero", "ping and pong");
        }
        if self.periodic_update >= self.reachable {
            return conflict("periodic_update", "reachable");
        }
        if self.ping + self.pong + self.hold >= self.reachable {
            return conflict("ping + pong + hold", "reachable");
        }
        if self.active >= self.sleep {
            return conflict("active", "sleep");
        }
        if self.ping + self.pong >= self.sleep_grace {
            return conflict("ping + pong", "sleep_grace");
        }
        if self.implicit_detach >= self.purge {
            return conflict("implicit_detach", "purge");
        }
        Ok(())
    }

    /// The longest a vehicle shown as connected can have been silent: its keepalive and its hold.
    pub fn silence_max(&self) -> Millis {
        self.ping + self.pong + self.hold
    }
}

#[cfg(test)]
#[path = "timers_tests.rs"]
mod tests;
