//! One stream between two nodes: how presence logs travel.
//!
//! Both sides say what they hold (`Hello`, then `Cursors`); each sends the other what it lacks. An owner's
//! entries are passed on unmodified, so two nodes that cannot see each other agree through a third. Nothing
//! is buffered: a stream without room is simply not read on from the log. The link owns what was sent and
//! what the peer says it holds; the logs belong to the view.

mod audit;
mod flight;
mod frame;
mod incoming;
mod known;
mod levels;
mod outgoing;
mod progress;
mod room;
mod shadows;
mod sharing;
mod telling;

pub use audit::AUDIT_EVERY;
pub use frame::{AgedEntry, Audit, Batch, Cursor, Frame, Kept};
pub use room::Room;

use self::audit::Auditor;
use self::levels::Levels;
use self::progress::Progress;
use self::room::Waiting;
use self::shadows::Shadows;
use self::sharing::Sharing;
use self::telling::Telling;
use crate::homes::Part;
use crate::id::{Incarnation, VehicleId};
use crate::log::{Log, LogId};
use crate::time::{Millis, Mono};
use crate::view::{NodeInfo, View};
use std::collections::BTreeMap;

/// How often a node shows a sign of life and what it holds.
pub const HEARTBEAT: Millis = Millis::secs(1);

/// A peer not heard for this long is lost: five heartbeats.
pub const LOST_AFTER: Millis = Millis::secs(5);

/// How long a peer may lack an owner's entries before another node passes them on: the owner's own stream
/// is quicker if it stands.
const RELAY_AFTER: Millis = Millis::secs(2);

/// A cursor that does not follow what was sent for this long is believed: it is sent again from there.
const REWIND_AFTER: Millis = Millis::secs(10);

/// How long what is fresh may wait for more to go with it, on a stream within a region.
pub const FLUSH_WITHIN_REGION: Millis = Millis(100);

/// The same between regions, where a frame costs more than an entry. An attach does not wait.
pub const FLUSH_BETWEEN_REGIONS: Millis = Millis(500);

/// A driver that comes a little too early is not sent away until the next time.
const JITTER: Millis = Millis(50);

/// The peer broke the rules of the stream; it is hung up on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A frame before the Hello.
    #[error("the peer sent a frame before its hello")]
    NoHello,
    /// Another Hello.
    #[error("the peer said hello twice: a stream is one node's, in one life")]
    SecondHello,
    /// The peer has this node's id.
    #[error("the peer calls itself {0} too: node ids must be unique")]
    SameId(crate::id::NodeId),
    /// A stream of an earlier life of the peer. Its hello is answered first, so that it learns of the later one.
    #[error("the peer speaks for a life of it that has ended")]
    OldLife,
}

/// What a received frame changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Received {
    /// Vehicles whose slot changed.
    pub changed: Vec<VehicleId>,
    /// Whether a node was seen for the first time, or in a new life.
    pub nodes_changed: bool,
    /// A life of this node, at or beyond its present one, that it knows nothing of: it has to begin a later one.
    pub outlived: Option<Incarnation>,
    /// Logs of owners that the peer hears, and this node may not, that are held as far as the peer held them; and up to
    /// when it knew all that they said.
    pub passed_on: Vec<(LogId, Mono)>,
}

/// What happened on a link, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Entries sent.
    pub entries_sent: u64,
    /// Entries received.
    pub entries_received: u64,
    /// Snapshots sent.
    pub snapshots_sent: u64,
    /// Batches refused because they left a hole.
    pub gaps: u64,
    /// Copies here that differed at equal cursors; must stay 0.
    pub digest_mismatches: u64,
    /// Slots of such copies that were mended.
    pub entries_mended: u64,
}

/// One end of a stream.
#[derive(Clone, Debug)]
pub struct Link {
    peer: Option<NodeInfo>,
    /// What the peer keeps of other regions' vehicles; `None` for all, in detail.
    kept: Option<Kept>,
    heard: Mono,
    levels: Levels,
    /// When the peer was last known to hold all of this node's own log.
    abreast: Option<Mono>,
    /// When what both hold was last compared and found equal.
    audited: Option<Mono>,
    hello_sent: bool,
    /// Since when the peer is known to speak for a life of it that has ended.
    refused: Option<Mono>,
    cursors_sent: Mono,
    /// Entries, or frames without any, that came since then.
    unacked: usize,
    /// The log that was served last when there was no more room: the next in turn goes first.
    turn: Option<LogId>,
    /// Whether what is long found no room beside what is fresh.
    bulk_waits: bool,
    waiting: Waiting,
    /// Whether the peer was told that this node drains.
    drain_told: bool,
    progress: BTreeMap<LogId, Progress>,
    shadows: Shadows,
    telling: Telling,
    auditor: Auditor,
    counters: Counters,
}

impl Link {
    /// A stream that was just opened.
    pub fn new(now: Mono) -> Self {
        Self {
            peer: None,
            kept: None,
            heard: now,
            levels: Levels::default(),
            abreast: None,
            audited: None,
            hello_sent: false,
            refused: None,
            cursors_sent: now,
            unacked: 0,
            turn: None,
            bulk_waits: false,
            waiting: Waiting::default(),
            drain_told: false,
            progress: BTreeMap::new(),
            shadows: Shadows::default(),
            telling: Telling::default(),
            auditor: Auditor::default(),
            counters: Counters::default(),
        }
    }

    /// Who is at the other end, once it said so.
    pub fn peer(&self) -> Option<&NodeInfo> {
        self.peer.as_ref()
    }

    /// When the last frame came.
    pub fn heard(&self) -> Mono {
        self.heard
    }

    /// Up to when this node knows all that the peer said of its own vehicles; `None` until the peer's log is read up to
    /// where it stood at the hello. Before that, what is held of it may be as old as the cut.
    pub fn level(&self) -> Option<Mono> {
        self.levels.of_peer()
    }

    /// Whether nothing was heard for too long.
    pub fn silent(&self, now: Mono) -> bool {
        now.since(self.heard) >= LOST_AFTER
    }

    /// Whether the peer spoke for a life of it that has ended, and had the time to read the answer.
    pub fn is_outdated(&self, now: Mono) -> bool {
        self.refused.is_some_and(|since| now.since(since) >= HEARTBEAT)
    }

    /// What happened on it.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Entries of this node's own log that the peer does not hold yet.
    pub fn lag(&self, view: &View) -> u64 {
        let (id, part) = match self.sharing(view).map(|sharing| (sharing.shown_of_own(), sharing)) {
            Some((id, sharing)) => (id.clone(), sharing.sendable(&id).unwrap_or(Part::Whole)),
            None => (view.own_log_id(), Part::Whole),
        };
        let held = self.progress.get(&id).map_or(0, |p| p.held);
        let lacks = |log: &&Log| log.head() > held && !log.is_blank(held, &part);
        view.log(&id).filter(lacks).map_or(0, |log| log.head() - held)
    }

    /// Entries of the peer's own log that are known to be missing here.
    pub fn behind(&self, view: &View) -> u64 {
        let Some(id) = self.sharing(view).map(|sharing| sharing.shown_of_peer()) else {
            return 0;
        };
        let head = self.progress.get(&id).map_or(0, |progress| progress.held);
        head.saturating_sub(view.log(&id).map_or(0, Log::head))
    }

    /// When the peer was last known to hold all of this node's own log: what it lacks was said since.
    pub fn abreast(&self) -> Option<Mono> {
        self.abreast
    }

    /// When the peer's copy of this node's own log was last compared with it and found equal.
    pub fn audited(&self) -> Option<Mono> {
        self.audited
    }

    fn sharing<'a>(&'a self, view: &'a View) -> Option<Sharing<'a>> {
        self.peer.as_ref().map(|peer| Sharing::new(view, peer, self.kept.as_ref()))
    }

    /// Which home regions the peer says that it was given; `None` for none.
    pub fn homes_of_peer(&self) -> Option<u64> {
        self.kept.as_ref().map(|kept| kept.homes)
    }

    /// Whether the peer learns by itself what a log says of a vehicle.
    pub fn tells(&self, view: &View, log: &LogId, vehicle: &VehicleId) -> bool {
        self.sharing(view).and_then(|sharing| sharing.sendable(log)).is_some_and(|part| part.has(vehicle))
    }

    /// Gives up all copies that are not whole: the stream has ended.
    pub fn abandon(&mut self, view: &mut View) {
        self.shadows.abandon(view);
    }
}

#[cfg(test)]
#[path = "sync_rig.rs"]
mod rig;

#[cfg(test)]
#[path = "sync_tests.rs"]
mod tests;
