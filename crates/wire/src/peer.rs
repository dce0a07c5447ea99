//! The presence stream between gateways: `peer.proto` ⇄ the core's frames.
//!
//! One entry that cannot be read is counted and skipped; it never stops a stream. What a batch covers stays
//! covered, for the owner will not send that entry otherwise.

use crate::error::FieldFault;
use crate::proto;
use waygate_core::cause::DetachCause;
use waygate_core::cell::Cell;
use waygate_core::epoch::Epoch;
use waygate_core::id::{Incarnation, NodeId, RegionId, SessionId, VehicleId};
use waygate_core::limits::SYNC_BATCH_ENTRIES_MAX;
use waygate_core::log::{LiveState, LogId};
use waygate_core::sync::{AgedEntry, Batch, Cursor, Frame};
use waygate_core::time::Millis;
use waygate_core::view::NodeInfo;
use waygate_core::wake::WakeChannels;

/// The version of the stream that this node speaks.
pub const PROTOCOL: u32 = 1;

/// Two units seem to use the identity.
const FLAG_CLONED: u32 = 1;

/// Logs a peer may name in one frame; each node has at most a few lives held.
const CURSORS_MAX: usize = 4096;

/// Nodes a peer may speak of in one frame; it speaks of itself.
const NODES_MAX: usize = 64;

/// A frame and how many of its entries could not be read.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadFrame {
    /// What could be read.
    pub frame: Frame,
    /// Entries skipped.
    pub skipped: usize,
}

/// Writes a frame for a peer.
pub fn frame_to_proto(frame: Frame) -> proto::SyncFrame {
    use proto::sync_frame::Frame as Wire;
    let frame = match frame {
        Frame::Hello { node, cursors } => Wire::Hello(proto::Hello {
            node: Some(node_to_proto(node)),
            protocol: PROTOCOL,
            cursors: cursors.into_iter().map(cursor_to_proto).collect(),
        }),
        Frame::Batch(batch) => Wire::Batch(proto::EntryBatch {
            owner: Some(node_to_proto(batch.owner)),
            from: batch.from,
            to: batch.to,
            entries: batch.entries.into_iter().map(entry_to_proto).collect(),
            reset: batch.snapshot_end.is_some(),
            snapshot_end: batch.snapshot_end.unwrap_or_default(),
        }),
        Frame::Cursors { cursors, nodes } => Wire::Cursors(proto::Cursors {
            cursors: cursors.into_iter().map(cursor_to_proto).collect(),
            nodes: nodes.into_iter().map(node_to_proto).collect(),
        }),
    };
    proto::SyncFrame { frame: Some(frame) }
}

/// Reads a frame of a peer.
pub fn frame_from_proto(frame: proto::SyncFrame) -> Result<ReadFrame, FieldFault> {
    use proto::sync_frame::Frame as Wire;
    let whole = |frame| ReadFrame { frame, skipped: 0 };
    match frame.frame.ok_or_else(|| FieldFault::at("frame", "is missing"))? {
        Wire::Hello(hello) => {
            if hello.protocol != PROTOCOL {
                let what = format!("is {}, this node speaks {PROTOCOL}", hello.protocol);
                return Err(FieldFault::at("hello.protocol", what));
            }
            let node = node_from_proto(hello.node).map_err(|fault| fault.under("hello.node"))?;
            Ok(whole(Frame::Hello { node, cursors: cursors_from_proto(hello.cursors)? }))
        }
        Wire::Cursors(cursors) => {
            crate::error::at_most("cursors.nodes", cursors.nodes.len(), NODES_MAX)?;
            let node = |node| node_from_proto(Some(node)).map_err(|fault| fault.under("cursors.nodes"));
            let nodes = cursors.nodes.into_iter().map(node).collect::<Result<_, _>>()?;
            Ok(whole(Frame::Cursors { cursors: cursors_from_proto(cursors.cursors)?, nodes }))
        }
        Wire::Batch(batch) => batch_from_proto(batch),
    }
}

fn batch_from_proto(batch: proto::EntryBatch) -> Result<ReadFrame, FieldFault> {
    let owner = node_from_proto(batch.owner).map_err(|fault| fault.under("batch.owner"))?;
    if batch.to < batch.from {
        return Err(FieldFault::at("batch.to", "lies before batch.from"));
    }
    crate::error::at_most("batch.entries", batch.entries.len(), SYNC_BATCH_ENTRIES_MAX)?;
    let sent = batch.entries.len();
    let entries: Vec<_> = batch.entries.into_iter().filter_map(entry_from_proto).collect();
    let skipped = sent - entries.len();
    let snapshot_end = batch.reset.then_some(batch.snapshot_end);
    let batch = Batch { owner, from: batch.from, to: batch.to, entries, snapshot_end };
    Ok(ReadFrame { frame: Frame::Batch(Box::new(batch)), skipped })
}

pub(crate) fn node_to_proto(node: NodeInfo) -> proto::Node {
    proto::Node {
        id: node.id.into(),
        region: node.region.into(),
        incarnation: node.incarnation.0,
        vehicles_url: node.vehicles_url,
        operators_url: node.operators_url,
        draining: node.draining,
    }
}

pub(crate) fn node_from_proto(node: Option<proto::Node>) -> Result<NodeInfo, FieldFault> {
    let node = node.ok_or_else(|| FieldFault::at("", "is missing"))?;
    Ok(NodeInfo {
        id: NodeId::new(&node.id).map_err(|e| FieldFault::at("id", e.to_string()))?,
        region: RegionId::new(&node.region).map_err(|e| FieldFault::at("region", e.to_string()))?,
        incarnation: Incarnation(node.incarnation),
        vehicles_url: node.vehicles_url,
        operators_url: node.operators_url,
        draining: node.draining,
    })
}

fn cursor_to_proto(cursor: Cursor) -> proto::Cursor {
    proto::Cursor {
        owner: cursor.log.owner.into(),
        incarnation: cursor.log.incarnation.0,
        seq: cursor.seq,
        count: cursor.count,
        digest: cursor.digest,
    }
}

fn cursors_from_proto(cursors: Vec<proto::Cursor>) -> Result<Vec<Cursor>, FieldFault> {
    crate::error::at_most("cursors", cursors.len(), CURSORS_MAX)?;
    let read = |cursor: proto::Cursor| {
        let owner = NodeId::new(&cursor.owner).map_err(|e| FieldFault::at("cursors.owner", e.to_string()))?;
        let log = LogId { owner, incarnation: Incarnation(cursor.incarnation) };
        Ok(Cursor { log, seq: cursor.seq, count: cursor.count, digest: cursor.digest })
    };
    cursors.into_iter().map(read).collect()
}

fn entry_to_proto(entry: AgedEntry) -> proto::Entry {
    proto::Entry {
        vehicle: entry.vehicle.into(),
        epoch: entry.epoch.0,
        session: entry.session.0,
        seq: entry.seq,
        state: state_to_proto(entry.state).into(),
        cause: entry.cause.map_or(0, DetachCause::number),
        cell: entry.cell.map_or(0, Cell::index),
        contact_age_ms: entry.age.0,
        sleep_s: crate::convert::seconds(entry.sleep),
        wake: entry.wake.bits().into(),
        flags: if entry.cloned { FLAG_CLONED } else { 0 },
    }
}

fn entry_from_proto(entry: proto::Entry) -> Option<AgedEntry> {
    Some(AgedEntry {
        vehicle: VehicleId::new(&entry.vehicle).ok()?,
        seq: entry.seq,
        epoch: Epoch(entry.epoch),
        session: SessionId(entry.session),
        state: state_from_proto(proto::EntryState::try_from(entry.state).ok()?)?,
        cause: DetachCause::from_number(entry.cause),
        cell: Cell::from_index(entry.cell),
        age: Millis(entry.contact_age_ms),
        sleep: Millis::secs(entry.sleep_s.into()),
        // Bits beyond these are of a later version.
        wake: WakeChannels::from_bits((entry.wake & 0xff) as u8),
        cloned: entry.flags & FLAG_CLONED != 0,
    })
}

fn state_to_proto(state: LiveState) -> proto::EntryState {
    match state {
        LiveState::Connected => proto::EntryState::Connected,
        LiveState::Idle => proto::EntryState::Idle,
        LiveState::Asleep => proto::EntryState::Asleep,
        LiveState::Unreachable => proto::EntryState::Unreachable,
        LiveState::Detached => proto::EntryState::Detached,
        LiveState::Removed => proto::EntryState::Removed,
    }
}

fn state_from_proto(state: proto::EntryState) -> Option<LiveState> {
    match state {
        proto::EntryState::Connected => Some(LiveState::Connected),
        proto::EntryState::Idle => Some(LiveState::Idle),
        proto::EntryState::Unreachable => Some(LiveState::Unreachable),
        proto::EntryState::Detached => Some(LiveState::Detached),
        proto::EntryState::Removed => Some(LiveState::Removed),
        proto::EntryState::Asleep => Some(LiveState::Asleep),
        proto::EntryState::Unspecified => None,
    }
}

#[cfg(test)]
#[path = "peer_tests.rs"]
mod tests;
