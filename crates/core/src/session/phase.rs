//! Where a session stands, and what follows from that alone.

use crate::cause::DetachCause;
use crate::id::ConnId;
use crate::log::LiveState;
use crate::time::Mono;

/// Where the session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The first attach is on its way to disk.
    Attaching,
    /// A socket is open.
    Connected(ConnId),
    /// The socket is lost, the hold runs; still shown as connected.
    Held(Mono),
    /// Without a socket; the reachable timer runs.
    Idle(Mono),
    /// Without a socket, as it said it would be; the sleep timer and its grace run.
    Asleep(Mono),
    /// Not reported in time; the implicit-detach timer runs.
    Unreachable(Mono),
    /// Left; the purge timer runs.
    Detached(DetachCause, Mono),
    /// It lost against an attach elsewhere. What it said last stands until the winner's entry is seen here, or the time
    /// is up: nobody who watches sees the vehicle vanish meanwhile.
    Yielded(LiveState, Option<DetachCause>, Mono),
    /// To be forgotten.
    Gone,
}

impl Phase {
    /// The open connection.
    pub fn conn(self) -> Option<ConnId> {
        match self {
            Self::Connected(conn) => Some(conn),
            Self::Attaching
            | Self::Held(_)
            | Self::Idle(_)
            | Self::Asleep(_)
            | Self::Unreachable(_)
            | Self::Detached(..)
            | Self::Yielded(..)
            | Self::Gone => None,
        }
    }

    /// Whether a session can be resumed from here.
    pub fn is_resumable(self) -> bool {
        match self {
            Self::Connected(_) | Self::Held(_) | Self::Idle(_) | Self::Asleep(_) | Self::Unreachable(_) => true,
            Self::Attaching | Self::Detached(..) | Self::Yielded(..) | Self::Gone => false,
        }
    }

    /// When its timer runs out.
    pub fn deadline(self) -> Option<Mono> {
        match self {
            Self::Held(until)
            | Self::Idle(until)
            | Self::Asleep(until)
            | Self::Unreachable(until)
            | Self::Detached(_, until)
            | Self::Yielded(_, _, until) => Some(until),
            Self::Attaching | Self::Connected(_) | Self::Gone => None,
        }
    }

    /// What the log says of it; `None` before the first attach is durable.
    pub fn shown(self) -> Option<(LiveState, Option<DetachCause>)> {
        match self {
            Self::Attaching => None,
            Self::Connected(_) | Self::Held(_) => Some((LiveState::Connected, None)),
            Self::Idle(_) => Some((LiveState::Idle, None)),
            Self::Asleep(_) => Some((LiveState::Asleep, None)),
            Self::Unreachable(_) => Some((LiveState::Unreachable, None)),
            Self::Detached(cause, _) => Some((LiveState::Detached, Some(cause))),
            Self::Yielded(state, cause, _) => Some((state, cause)),
            Self::Gone => Some((LiveState::Removed, None)),
        }
    }
}
