//! What an onboard unit tells its owner: everything that happened to its session and its records.

use waygate_core::cause::{OrderCause, RecordFault};
use waygate_core::command::{Command, CommandId};
use waygate_core::epoch::Epoch;
use waygate_core::id::SessionId;
use waygate_core::message::{AttachReject, ErrorReport, RedirectReason};
use waygate_core::ranges::SeqRanges;
use waygate_core::time::Millis;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// A gateway is being dialled.
    Dialled {
        /// Its address.
        gateway: String,
    },
    /// A session stands.
    Attached {
        /// With this gateway.
        gateway: String,
        /// The session.
        session: SessionId,
        /// Its epoch.
        epoch: Epoch,
        /// From the dial to the accept.
        took: Millis,
    },
    /// A gateway could not be reached, or did not answer in time.
    DialFailed {
        /// Its address.
        gateway: String,
        /// What went wrong.
        why: String,
    },
    /// A gateway refused the attach.
    AttachRejected {
        /// Its address.
        gateway: String,
        /// What it said.
        reject: AttachReject,
    },
    /// The socket of a session ended.
    SocketLost {
        /// The gateway.
        gateway: String,
        /// How it ended.
        why: String,
    },
    /// A newer session of the same vehicle won.
    Superseded {
        /// The gateway that said so.
        gateway: String,
    },
    /// The gateway stops; another one is looked for.
    Drained {
        /// The gateway that said so.
        gateway: String,
    },
    /// The gateway ended the session for good: what the unit shows itself with was revoked, or an operator refuses it.
    TurnedAway {
        /// The gateway that said so.
        gateway: String,
        /// Why.
        cause: OrderCause,
    },
    /// The gateway sends the unit elsewhere; it attaches there before it leaves.
    Redirected {
        /// The gateway that said so.
        gateway: String,
        /// Why.
        reason: RedirectReason,
    },
    /// The unit has a session with another gateway than before, and leaves that one.
    Moved {
        /// The one it leaves.
        from: String,
        /// The one it is attached to.
        to: String,
    },
    /// No gateway that the unit was to move to takes it: it stays where it is.
    MoveGivenUp {
        /// Where it stays.
        gateway: String,
    },
    /// No gateway was reached for as long as it is sensible to try often.
    WaitBegun {
        /// How long it waits before the next try.
        wait: Millis,
    },
    /// The unit has stopped.
    Detached {
        /// Whether it said goodbye. Without a session there was nobody to say it to: the gateway finds out by its timers.
        said: bool,
    },
    /// The unit sleeps: it dials no one.
    Slept {
        /// For so long, unless it is woken.
        sleep: Millis,
    },
    /// A wake-up came: the unit attaches.
    WokenUp,
    /// A wake-up came and was not obeyed.
    WakeUpIgnored {
        /// Why not.
        why: String,
    },
    /// A command for the owner: it is to be begun within its time to live, and not before
    /// [`Obu::begin_command`](crate::Obu::begin_command) has said that it may.
    CommandArrived(Command),
    /// A command that was not begun is not to be begun any more: it was cancelled.
    CommandCancelled(CommandId),
    /// A command that was not begun is not to be begun any more: its time to live is over.
    CommandExpired(CommandId),
    /// Records went out.
    RecordsSent {
        /// How many.
        records: u64,
        /// How many of them had been sent before, in an earlier session.
        again: u64,
        /// The size of the frame.
        bytes: u32,
    },
    /// Records are on the gateway's disk, or refused for good: they need not be kept.
    Settled {
        /// Which, none of them told before.
        seqs: SeqRanges,
        /// From sending to the ack, for the oldest batch that the ack settled.
        latency: Option<Millis>,
    },
    /// A record was refused for good.
    RecordRejected {
        /// Which.
        seq: u64,
        /// Why.
        reason: RecordFault,
    },
    /// Records were given up unsent or unacked: the spool was full, they were too old, or the disk lost them.
    RecordsDropped {
        /// Which.
        seqs: SeqRanges,
        /// Why.
        why: &'static str,
    },
    /// The gateway found fault with something this unit said.
    ErrorReported(ErrorReport),
    /// A message of the gateway could not be read.
    MessageUnreadable {
        /// What is wrong with it.
        why: String,
    },
    /// The spool does not work any more; the unit has stopped.
    SpoolFailed {
        /// What went wrong.
        why: String,
    },
}
