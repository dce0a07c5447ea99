//! One command at one of its holders: the record, and what is under way for it here.

use super::{Ask, Record};
use crate::epoch::Epoch;
use crate::id::NodeId;
use crate::time::{Millis, Mono};
use std::collections::BTreeSet;

/// The search for a keeper.
#[derive(Clone, Debug)]
pub(super) struct Keeping {
    /// Who is asked now.
    pub node: NodeId,
    /// Since when; what changed since the keeper has to be told.
    pub since: Mono,
    /// When the answer no longer waits.
    pub until: Mono,
    /// Who was asked.
    pub tried: BTreeSet<NodeId>,
    /// Who waits for the answer.
    pub asks: Vec<Ask>,
}

/// One command at one of its holders.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub record: Record,
    /// It was on disk at least once.
    pub saved: bool,
    /// A write is under way, for these.
    pub saving: Option<Vec<Ask>>,
    /// What was changed during that write, and who waits for the next.
    pub unsaved: Option<Vec<Ask>>,
    /// After a write that failed.
    pub save_again: Option<Mono>,
    /// When anything of it changed last.
    pub changed: Mono,
    pub keeping: Option<Keeping>,
    /// A keeper is to be looked for.
    pub seek: bool,
    /// When those that did not take a copy are asked once more.
    pub seek_after: Option<Mono>,
    /// Since when an attempt to deliver is under way.
    pub attempt: Option<Mono>,
    /// No attempt before this.
    pub try_after: Mono,
    /// The attach to which it was sent last.
    pub sent_to: Option<(NodeId, Epoch)>,
    /// The vehicle was told, once it had ended, not to begin it.
    pub recalled: bool,
    /// Policy `now` does not give up before this.
    pub judge_after: Mono,
    /// A holder that is heard again, and until when what it knows may still be on its way here.
    pub fresh: Option<(NodeId, Mono)>,
    /// Holders that do not know the latest, and when to tell them again.
    pub owed: BTreeSet<NodeId>,
    pub owed_after: Mono,
    pub due: Option<Mono>,
    /// When it ended.
    pub ended: Option<Mono>,
}

impl Entry {
    pub(super) const fn new(record: Record, now: Mono) -> Self {
        Self {
            record,
            saved: false,
            saving: None,
            unsaved: None,
            save_again: None,
            changed: now,
            keeping: None,
            seek: false,
            seek_after: None,
            attempt: None,
            try_after: Mono(0),
            sent_to: None,
            recalled: false,
            judge_after: Mono(0),
            fresh: None,
            owed: BTreeSet::new(),
            owed_after: Mono(0),
            due: None,
            ended: None,
        }
    }

    /// The record as others are given it: with the keeper that is being asked.
    pub(super) fn told(&self) -> Box<Record> {
        let mut record = self.record.clone();
        record.request = None;
        record.attempting = false;
        record.keepers.extend(self.keeping.as_ref().map(|keeping| keeping.node.clone()));
        Box::new(record)
    }
}

/// The earliest of some points in time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Earliest(pub Option<Mono>);

impl Earliest {
    /// Whether the point has come; if not, it is noted.
    pub(super) fn reached(&mut self, now: Mono, at: Mono) -> bool {
        if now >= at {
            return true;
        }
        self.0 = Some(self.0.map_or(at, |known| known.min(at)));
        false
    }
}

/// When a write that failed is tried again.
pub(super) const AGAIN: Millis = Millis(1000);
