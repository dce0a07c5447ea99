//! What a unit shows of itself.

use crate::machine::State;
use crate::notice::Notice;
use waygate_core::id::SessionId;

/// Where a unit stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Where it stands.
    pub state: State,
    /// The gateway it has a session with, dials, or will dial.
    pub gateway: String,
    /// Its session, if it has one.
    pub session: Option<SessionId>,
    /// Records that are not settled.
    pub unsettled: u64,
    /// What happened since it was started.
    pub counters: Counters,
}

/// What happened since a unit was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Dials.
    pub attempts: u64,
    /// Accepts.
    pub attached: u64,
    /// Attaches refused by a gateway.
    pub refused: u64,
    /// Sockets of sessions that were lost.
    pub lost: u64,
    /// Records given to the unit.
    pub recorded: u64,
    /// Records sent, those sent again included.
    pub sent: u64,
    /// Records sent again.
    pub resent: u64,
    /// Bytes of the messages that carried them.
    pub sent_bytes: u64,
    /// Records settled: on a gateway's disk, or refused for good.
    pub settled: u64,
    /// Of these, refused for good.
    pub rejected: u64,
    /// Records given up by the spool.
    pub dropped: u64,
}

impl Counters {
    /// Records that are on a gateway's disk.
    pub fn acked(&self) -> u64 {
        self.settled.saturating_sub(self.rejected)
    }

    pub(super) fn count(&mut self, notice: &Notice) {
        match notice {
            Notice::Dialled { .. } => self.attempts += 1,
            Notice::Attached { .. } => self.attached += 1,
            Notice::AttachRejected { .. } => self.refused += 1,
            Notice::SocketLost { .. } => self.lost += 1,
            Notice::RecordsSent { records, again, bytes } => {
                self.sent += records;
                self.resent += again;
                self.sent_bytes += u64::from(*bytes);
            }
            Notice::Settled { seqs, .. } => self.settled += seqs.count(),
            Notice::RecordRejected { .. } => self.rejected += 1,
            Notice::RecordsDropped { seqs, .. } => self.dropped += seqs.count(),
            Notice::DialFailed { .. }
            | Notice::Superseded { .. }
            | Notice::Drained { .. }
            | Notice::TurnedAway { .. }
            | Notice::Moved { .. }
            | Notice::Redirected { .. }
            | Notice::MoveGivenUp { .. }
            | Notice::WaitBegun { .. }
            | Notice::Slept { .. }
            | Notice::WokenUp
            | Notice::WakeUpIgnored { .. }
            | Notice::CommandArrived(_)
            | Notice::CommandCancelled(_)
            | Notice::CommandExpired(_)
            | Notice::Detached { .. }
            | Notice::ErrorReported(_)
            | Notice::MessageUnreadable { .. }
            | Notice::SpoolFailed { .. } => {}
        }
    }
}
