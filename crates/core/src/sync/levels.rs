//! Up to when is known what nodes said: the peer on its own stream, and others that the peer hears and this node may not.
//!
//! A node says where a log stood; once it is held here up to there, all that was said before that moment is known.

use super::frame::Cursor;
use crate::log::{Log, LogId};
use crate::time::Mono;
use crate::view::{NodeInfo, View};
use std::collections::BTreeMap;

/// What one stream tells of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Levels {
    level: Option<Mono>,
    /// Where the peer's own logs stood, what is shown here and what is only passed on, and when it said so, until both are
    /// held up to there.
    behind: Option<([u64; 2], Mono)>,
    /// How far the peer held the logs of owners that it hears, and up to when it knew all of them, until these are held
    /// here up to there.
    passed_on: BTreeMap<LogId, (u64, Mono)>,
}

impl Levels {
    /// Up to when all that the peer said of its own vehicles is known.
    pub fn of_peer(&self) -> Option<Mono> {
        self.level
    }

    /// The peer's own logs stand at these.
    pub fn stand_at(&mut self, now: Mono, heads: [u64; 2]) {
        self.behind = self.behind.or(Some((heads, now)));
    }

    /// The peer's own logs are held up to here.
    pub fn held(&mut self, seqs: [u64; 2]) {
        let whole = |heads: &[u64; 2]| seqs.iter().zip(heads).all(|(seq, head)| seq >= head);
        if let Some((_, at)) = self.behind.take_if(|(heads, _)| whole(heads)) {
            self.level = Some(at);
        }
    }

    /// The peer knows all that others said up to some moment, by what it holds of their logs.
    pub fn passed_on(&mut self, now: Mono, peer: &NodeInfo, cursors: &[Cursor], view: &View) {
        let over = |log: &LogId| view.node(&log.owner).is_some_and(|node| node.info.incarnation > log.incarnation);
        let own = |log: &LogId| log.owner == peer.id || log.owner == view.me().id;
        for (cursor, age) in cursors.iter().filter_map(|cursor| Some((cursor, cursor.level?))) {
            if !own(&cursor.log) && !over(&cursor.log) {
                self.passed_on.entry(cursor.log.clone()).or_insert((cursor.seq, now.before(age)));
            }
        }
        self.passed_on.retain(|log, _| !over(log));
    }

    /// Of which logs as much is held by now, or that they are of a life that is not known yet.
    pub fn caught_up(&mut self, view: &View) -> Vec<(LogId, Mono)> {
        let known = |id: &LogId| view.node(&id.owner).is_some_and(|node| node.info.incarnation >= id.incarnation);
        let whole = |id: &LogId, (seq, _): &mut (u64, Mono)| view.log(id).map_or(0, Log::head) >= *seq || !known(id);
        self.passed_on.extract_if(.., whole).map(|(id, (_, level))| (id, level)).collect()
    }
}

#[cfg(test)]
#[path = "levels_tests.rs"]
mod tests;
