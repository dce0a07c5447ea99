//! How much of commands and transitions is kept. What is beyond it is deleted as part of a fold, a little at a time.

use crate::write::TransitionRecord;
use waygate_core::time::{Millis, Wall};

const DAY: u64 = 24 * 60 * 60;

/// How long an ended command is kept after its last change: long enough to be asked about, short enough for the
/// personal data that may be in it.
pub const COMMANDS_KEPT: Millis = Millis::secs(30 * DAY);

/// Ended commands of one vehicle that are kept: what a caller that sends one a second may take of the disk.
pub const COMMANDS_KEPT_MAX: u32 = 256;

/// How long a transition is kept: three months of coming and going.
pub const TIMELINE_KEPT: Millis = Millis::secs(90 * DAY);

/// Transitions of one vehicle that are kept, about: a flapping one does not fill the disk. A vehicle is cut back
/// when one in [`CUT_ONE_IN`] of its transitions is folded, so it may have a few times that many more for a while.
pub const TIMELINE_KEPT_MAX: u32 = 1000;

/// Counting a full timeline takes about as long as folding thirty transitions: done for each, it would be the
/// better part of the work when a region reconnects.
const CUT_ONE_IN: u32 = 64;

/// The least that a slice deletes for its age: so that what is old goes even where nothing new comes.
const AGED_MIN: usize = 64;

/// What a slice deletes by age, and at most how much of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Aged {
    /// Ended commands last changed before this.
    pub(crate) commands: Wall,
    /// Transitions before this.
    pub(crate) transitions: Wall,
    /// At most so many of each.
    pub(crate) limit: i64,
}

impl Aged {
    /// A slice that adds `added` rows deletes twice as many: what is too old never piles up.
    pub(crate) fn at(now: Wall, added: usize) -> Self {
        let limit = (2 * added).max(AGED_MIN) as i64;
        Self { commands: now - COMMANDS_KEPT, transitions: now - TIMELINE_KEPT, limit }
    }
}

/// Whether the timeline of its vehicle is cut back when this transition is folded.
///
/// By chance rather than by count, so that nothing needs to be remembered; the chance is in the record, so that the
/// same work leads to the same tables.
pub(crate) fn cuts_back(vehicle: i64, record: &TransitionRecord) -> bool {
    let mut sum = crc32fast::Hasher::new();
    for n in [vehicle as u64, record.at.0 as u64, record.incarnation.0, record.seq] {
        sum.update(&n.to_le_bytes());
    }
    sum.finalize().is_multiple_of(CUT_ONE_IN)
}
