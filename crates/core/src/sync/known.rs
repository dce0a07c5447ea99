//! What this node holds of each log, as it tells a peer, and what a peer tells of this node's own.

use super::RELAY_AFTER;
use super::frame::Cursor;
use crate::homes::Part;
use crate::id::Incarnation;
use crate::limits::INCARNATION_MAX;
use crate::log::{Log, LogId, Scope};
use crate::time::Mono;
use crate::view::{Liveness, NodeInfo, View};

/// What is held, and nothing of those nodes that are known and have said nothing: that they are known in that life is
/// something that they themselves may have forgotten.
pub(super) fn known_logs(now: Mono, view: &View) -> Vec<Cursor> {
    let life = |info: &NodeInfo| LogId::detail(info.id.clone(), info.incarnation);
    let abroad = |id: &LogId| LogId { scope: Scope::Directory, ..id.clone() };
    let told = |id: &LogId| view.log(id).is_some() || view.log(&abroad(id)).is_some();
    let silent = view.nodes().map(|node| life(&node.info)).filter(|id| !told(id));
    let nothing =
        |log| Cursor { log, seq: 0, count: 0, digest: 0, rebuilding: 0, blank_from: None, heard: false, level: None };
    view.logs().map(|log| cursor(now, view, log, &Part::Whole)).chain(silent.map(nothing)).collect()
}

pub(super) fn cursor(now: Mono, view: &View, log: &Log, part: &Part) -> Cursor {
    let (sum, rebuilding, heard) = (log.sum(part), log.rebuilding(), is_heard(now, view, log.id()));
    let (seq, count, digest) = (log.head(), sum.count, sum.xor);
    Cursor { log: log.id().clone(), seq, count, digest, rebuilding, blank_from: None, heard, level: None }
}

/// Whether the owner of a log speaks here itself, in the life in which it wrote it.
pub(super) fn is_heard(now: Mono, view: &View, id: &LogId) -> bool {
    let owner = view.node(&id.owner).filter(|owner| owner.info.incarnation == id.incarnation);
    owner.and_then(|owner| owner.spoke).is_some_and(|spoke| now.since(spoke) < RELAY_AFTER)
}

/// Up to when all that the owner of a log said in that life is known here, from its own stream.
pub(super) fn level_of(view: &View, id: &LogId) -> Option<Mono> {
    let owner = view.node(&id.owner).filter(|owner| owner.info.incarnation == id.incarnation)?;
    match owner.liveness {
        Liveness::Alive { heard } => Some(heard),
        Liveness::Own | Liveness::Relayed { .. } | Liveness::Lost { .. } | Liveness::Unmet { .. } => None,
    }
}

/// A life of this node that others know and it does not: a later one, or the present one with more in it than was ever
/// said. Then its disk was lost and its clock set back.
pub(super) fn outlived(cursors: &[Cursor], view: &View) -> Option<Incarnation> {
    let me = view.me();
    let own = cursors.iter().filter(|cursor| cursor.log.owner == me.id && cursor.log.incarnation >= me.incarnation);
    let said = |cursor: &Cursor| view.log(&cursor.log).map_or(0, Log::head);
    let later = own.filter(|cursor| cursor.log.incarnation > me.incarnation || cursor.seq > said(cursor));
    later.map(|cursor| cursor.log.incarnation).filter(|life| life.0 <= INCARNATION_MAX).max()
}
