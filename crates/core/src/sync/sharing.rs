//! What the two ends of a stream keep of each log, and so what travels on it.
//!
//! Where no home regions are configured everyone keeps everything. Where they are, detail stays in the region of its
//! owner; of the directory a gateway keeps all that its own region says and, of what other regions say, the shards that
//! its region is home of. A node passes on a log only to who keeps no more of it than itself: a cursor claims that all is
//! held.

use super::Kept;
use crate::homes::{Interest, Part};
use crate::id::{NodeId, RegionId};
use crate::log::{LogId, Scope};
use crate::view::{NodeInfo, View};

/// A stream's ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sharing<'a> {
    view: &'a View,
    peer: &'a NodeInfo,
    interest: Option<&'a Interest>,
}

/// One end.
struct End<'a> {
    id: &'a NodeId,
    region: &'a RegionId,
    interest: Option<&'a Interest>,
}

impl<'a> Sharing<'a> {
    pub fn new(view: &'a View, peer: &'a NodeInfo, kept: Option<&'a Kept>) -> Self {
        Self { view, peer, interest: kept.map(|kept| &kept.interest) }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &'a NodeId {
        &self.peer.id
    }

    /// Whether both ends keep everything in detail.
    pub fn is_whole(&self) -> bool {
        self.view.interest().is_none() && self.interest.is_none()
    }

    /// Whether home regions are configured at both ends, which lie in different regions.
    pub fn is_between_homes(&self) -> bool {
        self.view.interest().is_some() && self.interest.is_some() && self.view.me().region != self.peer.region
    }

    /// Whether one of the ends can send the other all that it keeps of a log.
    pub fn is_passed_on(&self, log: &LogId) -> bool {
        let ends = self.kept_here(log).zip(self.kept_there(log));
        ends.is_some_and(|(here, there)| here.covers(&there) || there.covers(&here))
    }

    /// The log in which the peer says of its vehicles what is shown here.
    pub fn shown_of_peer(&self) -> LogId {
        let detail = LogId::detail(self.peer.id.clone(), self.peer.incarnation);
        match self.kept_here(&detail) {
            Some(_) => detail,
            None => LogId { scope: Scope::Directory, ..detail },
        }
    }

    /// The same, and the one that is only passed on from here, if it is another: that one is told of in the directory.
    pub fn logs_of_peer(&self) -> [LogId; 2] {
        let shown = self.shown_of_peer();
        [shown.clone(), LogId { scope: Scope::Directory, ..shown }]
    }

    /// The log in which this node says of its vehicles what is shown at the peer.
    pub fn shown_of_own(&self) -> LogId {
        let detail = self.view.own_log_id();
        match self.kept_there(&detail) {
            Some(_) => detail,
            None => LogId { scope: Scope::Directory, ..detail },
        }
    }

    /// What both ends keep of a log: what can be compared.
    pub fn of_both(&self, log: &LogId) -> Option<Part> {
        Some(self.kept_here(log)?.and(&self.kept_there(log)?))
    }

    /// What the peer keeps of a log, if this node can send all of that.
    pub fn sendable(&self, log: &LogId) -> Option<Part> {
        let theirs = self.kept_there(log)?;
        self.kept_here(log)?.covers(&theirs).then_some(theirs)
    }

    fn kept_here(&self, log: &LogId) -> Option<Part> {
        self.kept_by(&self.here(), &self.there(), log)
    }

    fn kept_there(&self, log: &LogId) -> Option<Part> {
        self.kept_by(&self.there(), &self.here(), log)
    }

    fn here(&self) -> End<'a> {
        let me = self.view.me();
        End { id: &me.id, region: &me.region, interest: self.view.interest() }
    }

    fn there(&self) -> End<'a> {
        End { id: &self.peer.id, region: &self.peer.region, interest: self.interest }
    }

    fn kept_by(&self, end: &End<'_>, other: &End<'_>, log: &LogId) -> Option<Part> {
        if log.owner == *end.id {
            return Some(Part::Whole);
        }
        let region = if log.owner == *other.id { other.region } else { &self.view.node(&log.owner)?.info.region };
        let near = region == end.region;
        match (log.scope, end.interest) {
            (Scope::Detail, None) => Some(Part::Whole),
            // Whoever has no home regions configured has no directory to tell of.
            (Scope::Detail, Some(_)) => {
                let plain = log.owner == *other.id && other.interest.is_none();
                (near || plain).then_some(Part::Whole)
            }
            (Scope::Directory, None) => None,
            (Scope::Directory, Some(_)) if near => Some(Part::Whole),
            (Scope::Directory, Some(interest)) => Some(Part::Shards(interest.clone())),
        }
    }
}

#[cfg(test)]
#[path = "sharing_tests.rs"]
mod tests;
