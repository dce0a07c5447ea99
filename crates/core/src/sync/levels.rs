//! Up to when is known what nodes said: the peer on its own stream, and others that the peer hears and this node may not.
//!
//! A node says where a log stood; once it is held here up to there, all that was said before that moment is known.

use crate::log::{Log, LogId};
use crate::time::Mono;
use crate::view::View;
use std::collections::BTreeMap;

/// What one stream tells of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Levels {
    level: Option<Mono>,
    /// Where the peer's own log stood and when it said so, until it is held up to there.
    behind: Option<(u64, Mono)>,
    /// How far the peer held the logs of owners that it hears, and up to when it knew all of them, until these are held
    /// here up to there.
    passed_on: BTreeMap<LogId, (u64, Mono)>,
}

impl Levels {
    /// Up to when all that the peer said of its own vehicles is known.
    pub fn of_peer(&self) -> Option<Mono> {
        self.level
    }

    /// The peer's own log stands at `head`.
    pub fn stands_at(&mut self, now: Mono, head: u64) {
        self.behind = self.behind.or(Some((head, now)));
    }

    /// The peer's own log is held up to here.
    pub fn held(&mut self, seq: u64) {
        if let Some((_, at)) = self.behind.take_if(|(head, _)| seq >= *head) {
            self.level = Some(at);
        }
    }

    /// The peer holds another's log up to `seq`, and knows by that all that its owner said up to `level`.
    pub fn passes_on(&mut self, log: &LogId, seq: u64, level: Mono) {
        self.passed_on.entry(log.clone()).or_insert((seq, level));
    }

    /// Of which logs as much is held by now.
    pub fn caught_up(&mut self, view: &View) -> Vec<(LogId, Mono)> {
        let whole = |id: &LogId, (seq, _): &mut (u64, Mono)| view.log(id).map_or(0, Log::head) >= *seq;
        self.passed_on.extract_if(.., whole).map(|(id, (_, level))| (id, level)).collect()
    }
}
