//! How a page went, and the words for it.

use crate::time::Millis;
use std::fmt;

/// How a page went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The vehicle answered on its socket.
    Reachable,
    /// It attached after a wake-up, or while one was being prepared.
    Woken,
    /// It was not reached.
    Unreachable(Why),
}

/// Why a vehicle was not reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// There is no record of it.
    Unknown,
    /// It has no socket, and no wake-up was asked for.
    NotAsked,
    /// It did not report in time: it is not woken either.
    Silent,
    /// It left on purpose, or was given up.
    Offline,
    /// It named no way to be woken.
    NoChannel,
    /// It named ways, and this gateway has a hook for none of them.
    NoHook,
    /// Its wake-ups of this hour are used up.
    Limited {
        /// How many were sent in this page.
        sent: u32,
        /// When the next may be sent.
        again: Millis,
    },
    /// So many wake-ups were taken by a hook, and it did not come.
    NoAnswer(u32),
    /// So many wake-ups were to be sent, and no hook took one.
    NotTaken(u32),
    /// The answer was wanted before it was known.
    Pending {
        /// Wake-ups sent so far.
        sent: u32,
    },
    /// Its socket could not be read here.
    Unread,
    /// Too many pages are under way.
    Busy,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reachable => f.write_str("it answered on its socket"),
            Self::Woken => f.write_str("it attached"),
            Self::Unreachable(why) => why.fmt(f),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("no gateway that is heard has a record of it"),
            Self::NotAsked => f.write_str("no socket of it is heard, and no wake-up was asked for"),
            Self::Silent => f.write_str("it did not report in time; a vehicle in that state is not woken"),
            Self::Offline => f.write_str("it is offline; it comes back by itself"),
            Self::NoChannel => f.write_str("no socket of it is heard, and it named no way to be woken"),
            Self::NoHook => {
                f.write_str("no socket of it is heard, and [wake] has no hook for the ways it can be woken")
            }
            Self::Limited { sent, again } => write!(
                f,
                "its wake-ups of this hour are used up: {sent} sent for this page, the next may be sent in {} s",
                again.as_secs_ceil()
            ),
            Self::NoAnswer(sent) => {
                write!(f, "{} and it did not attach; what waits for it waits for its next attach", wake_ups(*sent))
            }
            Self::NotTaken(1) => f.write_str("no hook took the wake-up; the gateway's log says why"),
            Self::NotTaken(tries) => write!(f, "no hook took any of {tries} wake-ups; the gateway's log says why"),
            Self::Pending { sent: 0 } => f.write_str("no answer yet; the page goes on"),
            Self::Pending { sent } => write!(f, "no answer yet; {}, and the page goes on", wake_ups(*sent)),
            Self::Unread => f.write_str("its socket is open, and the gateway could not read it to see an answer"),
            Self::Busy => f.write_str("too many pages are under way; ask again in a minute"),
        }
    }
}

fn wake_ups(sent: u32) -> String {
    if sent == 1 { "a wake-up was sent".to_owned() } else { format!("{sent} wake-ups were sent") }
}
