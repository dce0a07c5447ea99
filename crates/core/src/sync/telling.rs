//! Whose logs a frame of cursors names.
//!
//! Between two gateways of one region, and where no home regions are configured, every frame names all that both ends
//! keep. Where there are many regions that would outweigh all else that crosses, so between two regions with homes a frame
//! names the logs of its two ends, and those of others only when there is something to be said of them. What is not named
//! stands as it was told last; once in a while all are.

use super::AUDIT_EVERY;
use super::known::is_heard;
use super::sharing::Sharing;
use super::{JITTER, RELAY_AFTER};
use crate::id::NodeId;
use crate::log::{Log, LogId};
use crate::time::{Millis, Mono};
use crate::view::View;
use std::collections::{BTreeMap, BTreeSet};

/// How often the logs of others are named between regions with homes, if they changed.
pub(super) const OTHERS_TOLD_EVERY: Millis = Millis::secs(5);

/// What was told on one stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Telling {
    /// When all was told last.
    all: Option<Mono>,
    /// When the logs of others were looked at last.
    others: Option<Mono>,
    /// How these stood: head, digest, how far a copy is that is read anew, whether the owner is heard.
    told: BTreeMap<LogId, (u64, u64, u64, bool)>,
    /// Whose entries came on this stream since: its sender waits for the word that they did.
    came: BTreeSet<NodeId>,
}

impl Telling {
    /// Something of an owner's came on this stream.
    pub fn came(&mut self, owner: &NodeId) {
        if !self.came.contains(owner) {
            self.came.insert(owner.clone());
        }
    }

    /// Whose logs the next frame names; `None` for everyone's. Of an owner all lives are named or none: which is its latest
    /// is read off the frame. Of those for whom the peer depends on this node, `depends`, it waits for each word.
    pub fn next(
        &mut self,
        now: Mono,
        view: &View,
        sharing: Sharing<'_>,
        depends: impl Fn(&LogId) -> bool,
    ) -> Option<BTreeSet<NodeId>> {
        let mut whose = std::mem::take(&mut self.came);
        if !sharing.is_between_homes() {
            return None;
        }
        let all = self.all.is_none_or(|at| now.since(at) >= AUDIT_EVERY);
        if all {
            self.all = Some(now);
            self.told.retain(|id, _| view.log(id).is_some());
        }
        if all || self.others.is_none_or(|at| now.since(at) + JITTER >= OTHERS_TOLD_EVERY) {
            self.others = Some(now);
            for log in view.logs().filter(|log| sharing.is_passed_on(log.id())) {
                let stands = (log.head(), log.digest(), log.rebuilding(), is_heard(now, view, log.id()));
                if self.told.insert(log.id().clone(), stands) != Some(stands) {
                    whose.insert(log.id().owner.clone());
                }
            }
        }
        let waited = view.logs().map(Log::id).filter(|id| depends(id) && sharing.sendable(id).is_some());
        whose.extend(waited.map(|id| id.owner.clone()));
        whose.extend([view.me().id.clone(), sharing.peer().clone()]);
        (!all).then_some(whose)
    }
}

/// How long a peer may lack an owner's entries before another node passes them on: its word that it has them takes as long
/// as it is not told.
pub(super) fn relay_after(sharing: Sharing<'_>) -> Millis {
    if sharing.is_between_homes() { RELAY_AFTER + OTHERS_TOLD_EVERY } else { RELAY_AFTER }
}

#[cfg(test)]
#[path = "telling_tests.rs"]
mod tests;
