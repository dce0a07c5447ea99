//! The two halves of a presence stream as it stands on the wire: in few bytes to a peer that reads them.
//!
//! A sender's own log, in the life of its hello, needs no name in each batch: that is most of a batch of one entry. And a
//! long batch deflates to little more than half, as neighbours say much the same; within a region, where bytes cost less
//! than the work, that is left. Each end says in its hello that it reads this, and is spoken to at length until it has.

use super::{ReadFrame, frame_from_proto, frame_to_proto, node_to_bytes};
use crate::error::FieldFault;
use crate::proto;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use prost::Message;
use proto::sync_frame::Frame as Wire;
use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};
use waygate_core::sync::Frame;
use waygate_core::view::NodeInfo;

/// Frames from this many bytes on are deflated.
const DEFLATED_FROM_BYTES: usize = 512;

/// What a frame may inflate to, bytes: as much as a message of gRPC may have.
pub const INFLATED_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The halves of a stream that was just opened, for its two ways.
pub fn halves() -> (FrameWriter, FrameReader) {
    let peer = Arc::new(OnceLock::new());
    (FrameWriter { peer: peer.clone(), own: None }, FrameReader { peer })
}

/// What the peer said in its hello.
#[derive(Debug)]
struct Peer {
    node: NodeInfo,
    /// Whether it reads concise frames.
    concise: bool,
}

/// Writes what this end says.
#[derive(Debug)]
pub struct FrameWriter {
    peer: Arc<OnceLock<Peer>>,
    own: Option<NodeInfo>,
}

/// Reads what the peer says.
#[derive(Debug)]
pub struct FrameReader {
    peer: Arc<OnceLock<Peer>>,
}

impl FrameWriter {
    /// Writes a frame for the peer.
    pub fn write(&mut self, frame: Frame) -> proto::SyncFrame {
        if let Frame::Hello { node, .. } = &frame {
            self.own = Some(node.clone());
        }
        let Some(peer) = self.peer.get().filter(|peer| peer.concise) else { return frame_to_proto(frame) };
        let far = self.own.as_ref().is_some_and(|own| own.region != peer.node.region);
        let own = match &frame {
            Frame::Batch(batch) => self.own.as_ref().is_some_and(|own| is_life_of(own, &batch.owner)),
            Frame::Hello { .. } | Frame::Cursors { .. } | Frame::Audit(_) => false,
        };
        let mut written = frame_to_proto(frame);
        if let Some(Wire::Batch(batch)) = written.frame.as_mut().filter(|_| own) {
            batch.owner.clear();
        }
        if far { deflated(&written).unwrap_or(written) } else { written }
    }
}

impl FrameReader {
    /// Reads a frame of the peer.
    pub fn read(&mut self, frame: proto::SyncFrame) -> Result<ReadFrame, FieldFault> {
        let mut frame = match frame.frame {
            Some(Wire::Deflated(bytes)) => inflated(&bytes)?,
            plain => proto::SyncFrame { frame: plain },
        };
        let concise = matches!(&frame.frame, Some(Wire::Hello(hello)) if hello.concise);
        if let Some(Wire::Batch(batch)) = &mut frame.frame
            && batch.owner.is_empty()
        {
            let nobody = || FieldFault::at("batch.owner", "is missing, and there was no hello to name the sender");
            batch.owner = node_to_bytes(self.peer.get().ok_or_else(nobody)?.node.clone());
        }
        let read = frame_from_proto(frame)?;
        if let Some(Frame::Hello { node, .. }) = &read.frame {
            // A second one ends the stream.
            let _ = self.peer.set(Peer { node: node.clone(), concise });
        }
        Ok(read)
    }
}

fn is_life_of(own: &NodeInfo, owner: &NodeInfo) -> bool {
    (&own.id, own.incarnation) == (&owner.id, owner.incarnation)
}

/// The frame in fewer bytes, if it is long and there are fewer.
fn deflated(frame: &proto::SyncFrame) -> Option<proto::SyncFrame> {
    let bytes = frame.encode_to_vec();
    if bytes.len() < DEFLATED_FROM_BYTES {
        return None;
    }
    let mut deflating = DeflateEncoder::new(Vec::with_capacity(bytes.len()), Compression::fast());
    deflating.write_all(&bytes).ok()?;
    let deflated = deflating.finish().ok().filter(|deflated| deflated.len() < bytes.len())?;
    Some(proto::SyncFrame { frame: Some(Wire::Deflated(deflated.into())) })
}

fn inflated(bytes: &[u8]) -> Result<proto::SyncFrame, FieldFault> {
    let fault = |what: String| FieldFault::at("deflated", what);
    let mut inflated = Vec::new();
    let read = DeflateDecoder::new(bytes).take(INFLATED_BYTES_MAX + 1).read_to_end(&mut inflated);
    read.map_err(|error| fault(format!("cannot be inflated: {error}")))?;
    if inflated.len() as u64 > INFLATED_BYTES_MAX {
        return Err(fault(format!("inflates to more than {INFLATED_BYTES_MAX} bytes")));
    }
    let frame = proto::SyncFrame::decode(inflated.as_slice()).map_err(|error| fault(error.to_string()))?;
    match frame.frame {
        Some(Wire::Deflated(_)) => Err(fault("holds another deflated frame".to_owned())),
        Some(_) | None => Ok(frame),
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
