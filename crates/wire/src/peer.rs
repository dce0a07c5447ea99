//! The presence stream between gateways: `peer.proto` ⇄ the core's frames.
//!
//! One entry that cannot be read is counted and skipped; it never stops a stream. What a batch covers stays
//! covered, for the owner will not send that entry otherwise.

mod entry;
mod stream;

pub use self::stream::{FrameReader, FrameWriter, INFLATED_BYTES_MAX, halves};

use self::entry::{entries_from_proto, entries_to_proto};
use crate::error::FieldFault;
use crate::proto;
use crate::rest::unknown_fields;
use prost::Message;
use std::collections::BTreeSet;
use waygate_core::homes::Interest;
use waygate_core::id::{Incarnation, NodeId, RegionId, VehicleId};
use waygate_core::limits::{SYNC_BATCH_ENTRIES_MAX, SYNC_REST_BYTES_MAX};
use waygate_core::log::{LogId, Scope};
use waygate_core::sync::{Audit, Batch, Cursor, Frame, Kept};
use waygate_core::time::Millis;
use waygate_core::view::NodeInfo;

/// The latest version of the stream that this node speaks.
pub const PROTOCOL: u32 = 1;

/// The earliest version that it speaks: that of the release before.
pub const OLDEST_PROTOCOL: u32 = 1;

/// Fields of a Node that this version knows: 1 to this.
const NODE_FIELDS: u64 = 6;

/// Logs a peer may name in one frame; each node has at most a few lives held.
const CURSORS_MAX: usize = 4096;

/// Nodes a peer may speak of in one frame; it speaks of itself.
const NODES_MAX: usize = 64;

/// Hashes in one frame; a later version may have other buckets, which say nothing here.
const HASHES_MAX: usize = 4096;

/// A frame as far as it could be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadFrame {
    /// What could be read; `None` if it is of a kind that is not known, or about a node whose name cannot be read.
    pub frame: Option<Frame>,
    /// Entries, cursors and nodes skipped.
    pub skipped: usize,
    /// Entries that say more than is kept to be passed on.
    pub shortened: usize,
}

/// Writes a frame for a peer.
pub fn frame_to_proto(frame: Frame) -> proto::SyncFrame {
    use proto::sync_frame::Frame as Wire;
    let frame = match frame {
        Frame::Hello { node, cursors, kept } => {
            let (cursors, directory) = cursors_to_proto(cursors);
            let (interest, homes) = kept.map(|kept| (kept.interest.to_bytes(), kept.homes)).unwrap_or_default();
            Wire::Hello(proto::Hello {
                node: node_to_bytes(node),
                protocol: PROTOCOL,
                cursors,
                oldest_protocol: OLDEST_PROTOCOL,
                interest,
                directory,
                homes,
                concise: true,
            })
        }
        Frame::Batch(batch) => Wire::Batch(proto::EntryBatch {
            owner: node_to_bytes(batch.owner),
            from: batch.from,
            to: batch.to,
            entries: entries_to_proto(batch.entries),
            reset: batch.snapshot_end.is_some(),
            snapshot_end: batch.snapshot_end.unwrap_or_default(),
            scope: scope_to_proto(batch.scope).into(),
        }),
        Frame::Cursors { cursors, nodes } => {
            let (cursors, directory) = cursors_to_proto(cursors);
            Wire::Cursors(proto::Cursors { cursors, nodes: nodes.into_iter().map(node_to_bytes).collect(), directory })
        }
        Frame::Audit(audit) => Wire::Audit(audit_to_proto(*audit)),
    };
    proto::SyncFrame { frame: Some(frame) }
}

/// Reads a frame of a peer.
pub fn frame_from_proto(frame: proto::SyncFrame) -> Result<ReadFrame, FieldFault> {
    use proto::sync_frame::Frame as Wire;
    match frame.frame {
        Some(Wire::Hello(hello)) => hello_from_proto(hello),
        Some(Wire::Cursors(cursors)) => {
            crate::error::at_most("cursors.nodes", cursors.nodes.len(), NODES_MAX)?;
            let said = cursors.nodes.len() + cursors.cursors.len() + cursors.directory.len();
            let nodes: Vec<_> = cursors.nodes.iter().filter_map(|node| node_from_bytes(node).ok()).collect();
            let cursors = cursors_from_proto(cursors.cursors, cursors.directory)?;
            let skipped = said - nodes.len() - cursors.len();
            Ok(ReadFrame { frame: Some(Frame::Cursors { cursors, nodes }), skipped, shortened: 0 })
        }
        Some(Wire::Batch(batch)) => batch_from_proto(batch),
        Some(Wire::Audit(audit)) => audit_from_proto(audit),
        // Of a later version: it does without. What is deflated was inflated before.
        Some(Wire::Deflated(_)) | None => Ok(ReadFrame::default()),
    }
}

/// Who a frame says that it is from, if it is a hello.
pub fn greeter(frame: &proto::SyncFrame) -> Option<NodeId> {
    match &frame.frame {
        Some(proto::sync_frame::Frame::Hello(hello)) => node_from_bytes(&hello.node).ok().map(|node| node.id),
        Some(_) | None => None,
    }
}

fn hello_from_proto(hello: proto::Hello) -> Result<ReadFrame, FieldFault> {
    let (latest, oldest) = (hello.protocol, hello.oldest_protocol.max(1));
    if latest < OLDEST_PROTOCOL || oldest > PROTOCOL {
        let (which, mine) = if oldest > PROTOCOL {
            (format!("{oldest} or later"), PROTOCOL)
        } else {
            (format!("at most {latest}"), OLDEST_PROTOCOL)
        };
        let what = format!(
            "is {which}, this node speaks {mine}: no more than one version may lie between two nodes of a cluster, \
             upgrade the older one first"
        );
        return Err(FieldFault::at("hello.protocol", what));
    }
    let node = node_from_bytes(&hello.node).map_err(|fault| fault.under("hello.node"))?;
    let said = hello.cursors.len() + hello.directory.len();
    let cursors = cursors_from_proto(hello.cursors, hello.directory)?;
    let skipped = said - cursors.len();
    let kept = match hello.interest.as_slice() {
        [] => None,
        bytes => {
            let what = || FieldFault::at("hello.interest", format!("has {} bytes, not 128", bytes.len()));
            let interest = Interest::from_bytes(bytes).ok_or_else(what)?;
            Some(Box::new(Kept { interest, homes: hello.homes }))
        }
    };
    Ok(ReadFrame { frame: Some(Frame::Hello { node, cursors, kept }), skipped, shortened: 0 })
}

fn batch_from_proto(batch: proto::EntryBatch) -> Result<ReadFrame, FieldFault> {
    if batch.to < batch.from {
        return Err(FieldFault::at("batch.to", "lies before batch.from"));
    }
    crate::error::at_most("batch.entries", batch.entries.len(), SYNC_BATCH_ENTRIES_MAX)?;
    // The logs of other owners go on.
    let Ok(owner) = node_from_bytes(&batch.owner) else {
        return Ok(ReadFrame { skipped: batch.entries.len(), ..ReadFrame::default() });
    };
    let read = entries_from_proto(&batch.entries);
    let snapshot_end = batch.reset.then_some(batch.snapshot_end);
    let scope = scope_from_proto(batch.scope());
    let batch = Batch { owner, scope, from: batch.from, to: batch.to, entries: read.entries, snapshot_end };
    let frame = Some(Frame::Batch(Box::new(batch)));
    Ok(ReadFrame { frame, skipped: read.skipped, shortened: read.shortened })
}

fn audit_to_proto(audit: Audit) -> proto::Audit {
    use proto::audit::Word;
    let (log, word) = match audit {
        Audit::Asked { log, buckets } => {
            (log, Word::Asked(proto::AuditAsked { buckets: buckets.into_iter().collect() }))
        }
        Audit::Hashes { log, seq, hashes } => (log, Word::Hashes(proto::AuditHashes { seq, hashes })),
        Audit::Stretch { log, seq, buckets, after, through, entries } => {
            let end = |end: Option<VehicleId>| end.map(String::from).unwrap_or_default();
            let (after, through, entries) = (end(after), end(through), entries_to_proto(entries));
            let buckets = buckets.into_iter().collect();
            (log, Word::Stretch(proto::AuditStretch { seq, buckets, after, through, entries }))
        }
    };
    let scope = scope_to_proto(log.scope).into();
    proto::Audit { owner: log.owner.into(), incarnation: log.incarnation.0, scope, word: Some(word) }
}

fn audit_from_proto(audit: proto::Audit) -> Result<ReadFrame, FieldFault> {
    use proto::audit::Word;
    let scope = scope_from_proto(audit.scope());
    let (Ok(owner), Some(word)) = (NodeId::new(&audit.owner), audit.word) else {
        return Ok(ReadFrame::default());
    };
    let log = LogId { owner, incarnation: Incarnation(audit.incarnation), scope };
    let (mut skipped, mut shortened) = (0, 0);
    let audit = match word {
        Word::Asked(asked) => Audit::Asked { log, buckets: asked.buckets.into_iter().collect() },
        Word::Hashes(hashes) => {
            crate::error::at_most("audit.hashes", hashes.hashes.len(), HASHES_MAX)?;
            Audit::Hashes { log, seq: hashes.seq, hashes: hashes.hashes }
        }
        Word::Stretch(stretch) => {
            crate::error::at_most("audit.entries", stretch.entries.len(), SYNC_BATCH_ENTRIES_MAX)?;
            let read = entries_from_proto(&stretch.entries);
            (skipped, shortened) = (read.skipped, read.shortened);
            let end = |at, end: &str| match end {
                "" => Ok(None),
                end => VehicleId::new(end).map(Some).map_err(|error| FieldFault::at(at, error.to_string())),
            };
            let (after, through) = (end("audit.after", &stretch.after)?, end("audit.through", &stretch.through)?);
            let buckets: BTreeSet<u8> = stretch.buckets.into_iter().collect();
            Audit::Stretch { log, seq: stretch.seq, buckets, after, through, entries: read.entries }
        }
    };
    Ok(ReadFrame { frame: Some(Frame::Audit(Box::new(audit))), skipped, shortened })
}

/// A Node as it stands on a stream, with what its later version said.
fn node_to_bytes(mut node: NodeInfo) -> Vec<u8> {
    let rest = std::mem::take(&mut node.rest);
    let mut bytes = node_to_proto(node).encode_to_vec();
    bytes.extend_from_slice(&rest);
    bytes
}

fn node_from_bytes(bytes: &[u8]) -> Result<NodeInfo, FieldFault> {
    let node = proto::Node::decode(bytes).map_err(|_| FieldFault::at("", "is no Node"))?;
    let mut rest = unknown_fields(bytes, NODE_FIELDS);
    if rest.len() > SYNC_REST_BYTES_MAX {
        rest.clear();
    }
    Ok(NodeInfo { rest: rest.into(), ..node_from_proto(Some(node))? })
}

/// Writes a node.
pub fn node_to_proto(node: NodeInfo) -> proto::Node {
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
        rest: Box::default(),
    })
}

fn cursor_to_proto(cursor: Cursor) -> proto::Cursor {
    proto::Cursor {
        owner: cursor.log.owner.into(),
        incarnation: cursor.log.incarnation.0,
        seq: cursor.seq,
        count: cursor.count,
        digest: cursor.digest,
        rebuilding: cursor.rebuilding,
        blank_from: cursor.blank_from,
        heard: cursor.heard,
        level_age_ms: cursor.level.map(|age| age.0),
    }
}

/// Those of detail, and those of the directory.
fn cursors_to_proto(cursors: Vec<Cursor>) -> (Vec<proto::Cursor>, Vec<proto::Cursor>) {
    let (directory, detail): (Vec<_>, Vec<_>) =
        cursors.into_iter().partition(|cursor| cursor.log.scope == Scope::Directory);
    let write = |cursors: Vec<Cursor>| cursors.into_iter().map(cursor_to_proto).collect();
    (write(detail), write(directory))
}

/// A log whose owner cannot be named here is not held here either.
fn cursors_from_proto(detail: Vec<proto::Cursor>, directory: Vec<proto::Cursor>) -> Result<Vec<Cursor>, FieldFault> {
    crate::error::at_most("cursors", detail.len(), CURSORS_MAX)?;
    crate::error::at_most("directory", directory.len(), CURSORS_MAX)?;
    let read = |scope: Scope, cursor: proto::Cursor| {
        let incarnation = Incarnation(cursor.incarnation);
        let log = LogId { owner: NodeId::new(&cursor.owner).ok()?, incarnation, scope };
        let proto::Cursor { seq, count, digest, rebuilding, blank_from, heard, level_age_ms, .. } = cursor;
        let level = level_age_ms.map(Millis);
        Some(Cursor { log, seq, count, digest, rebuilding, blank_from, heard, level })
    };
    let detail = detail.into_iter().filter_map(|cursor| read(Scope::Detail, cursor));
    let directory = directory.into_iter().filter_map(|cursor| read(Scope::Directory, cursor));
    Ok(detail.chain(directory).collect())
}

/// Writes which of its logs an owner speaks in.
pub fn scope_to_proto(scope: Scope) -> proto::LogScope {
    match scope {
        Scope::Detail => proto::LogScope::Detail,
        Scope::Directory => proto::LogScope::Directory,
    }
}

fn scope_from_proto(scope: proto::LogScope) -> Scope {
    match scope {
        proto::LogScope::Detail => Scope::Detail,
        proto::LogScope::Directory => Scope::Directory,
    }
}

#[cfg(test)]
#[path = "peer_tests.rs"]
mod tests;
