//! Frames on their way: written and read as between gateways, and counted by what they are for.

use prost::Message;
use waygate_core::sync::Frame;
use waygate_wire::peer::{FrameReader, FrameWriter};
use waygate_wire::proto::{SyncFrame, sync_frame};

/// gRPC puts this before each message.
const PREFIX: usize = 5;

/// Bytes as they are encoded, with gRPC's prefix; without HTTP/2, TLS and TCP/IP.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bytes {
    /// The entries themselves.
    pub entries: u64,
    /// What batches have around them: who says it, and what it covers.
    pub around: u64,
    /// Cursors.
    pub cursors: u64,
    /// Hellos and audits.
    pub other: u64,
    pub frames: u64,
    pub entry_count: u64,
}

impl Bytes {
    pub fn all(&self) -> u64 {
        self.entries + self.around + self.cursors + self.other
    }

    pub fn add(&mut self, more: Self) {
        self.entries += more.entries;
        self.around += more.around;
        self.cursors += more.cursors;
        self.other += more.other;
        self.frames += more.frames;
        self.entry_count += more.entry_count;
    }
}

/// Writes a frame.
pub fn write(writer: &mut FrameWriter, frame: Frame) -> (Vec<u8>, Bytes) {
    let mut counted = Bytes { frames: 1, ..Bytes::default() };
    let mut cursors = false;
    match &frame {
        Frame::Batch(batch) => counted.entry_count = batch.entries.len() as u64,
        Frame::Cursors { .. } => cursors = true,
        Frame::Hello { .. } | Frame::Audit(_) => {}
    }
    let message = writer.write(frame);
    let bytes = message.encode_to_vec();
    let all = (bytes.len() + PREFIX) as u64;
    match &message.frame {
        Some(sync_frame::Frame::Batch(batch)) => {
            counted.entries = batch.entries.iter().map(|entry| field(entry.len())).sum();
            counted.around = all - counted.entries;
        }
        // What is deflated is long: entries, or the cursors of many logs.
        Some(sync_frame::Frame::Deflated(_)) if counted.entry_count > 0 => counted.entries = all,
        _ if cursors => counted.cursors = all,
        _ => counted.other = all,
    }
    (bytes, counted)
}

/// Its tag, its length and itself.
fn field(len: usize) -> u64 {
    (1 + if len < 128 { 1 } else { 2 } + len) as u64
}

/// Reads a frame.
pub fn read(reader: &mut FrameReader, bytes: &[u8]) -> Frame {
    let read = reader.read(SyncFrame::decode(bytes).unwrap()).unwrap();
    assert_eq!(read.skipped, 0);
    read.frame.unwrap()
}

pub fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
