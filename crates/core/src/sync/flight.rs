//! How much of one log is on its way to a peer, and how much may be.
//!
//! What is sent and not yet acked lies in buffers that no one here can take back from: those of the connection and of
//! every link on the way. What is fresh waits behind it. So no more of a log is under way than the peer takes in about two
//! seconds: the bound opens for as long as acks come soon, and closes when they come late.

use crate::limits::{SYNC_BATCH_ENTRIES_MAX, SYNC_UNACKED_ENTRIES_MAX};
use crate::time::{Millis, Mono};
use std::collections::VecDeque;

/// An ack within this time lets twice as much be under way. Acks of little come with the peer's next flush, half a second.
const SOON: Millis = Millis::secs(1);

/// An ack after this time halves what may be under way.
const LATE: Millis = Millis::secs(2);

/// The least that may be under way: one batch.
const LEAST: u64 = SYNC_BATCH_ENTRIES_MAX as u64;

/// Pieces of one log that were sent and not acked.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pieces: VecDeque<Piece>,
    entries: u64,
    most: u64,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    to: u64,
    entries: u64,
    sent: Mono,
}

impl Flight {
    /// Nothing is under way, and two batches may be.
    pub fn new() -> Self {
        Self { pieces: VecDeque::new(), entries: 0, most: 2 * LEAST }
    }

    /// A piece that ends at `to` was sent.
    pub fn sent(&mut self, now: Mono, to: u64, entries: usize) {
        let entries = entries as u64;
        self.entries += entries;
        self.pieces.push_back(Piece { to, entries, sent: now });
    }

    /// The peer has all up to `seq`.
    pub fn acked(&mut self, now: Mono, seq: u64) {
        let mut oldest = None;
        while let Some(piece) = self.pieces.pop_front_if(|piece| piece.to <= seq) {
            self.entries -= piece.entries;
            oldest = oldest.or(Some(piece.sent));
        }
        match oldest.map(|sent| now.since(sent)) {
            Some(took) if took > LATE => self.most = (self.most / 2).max(LEAST),
            Some(took) if took <= SOON => self.most = (self.most * 2).min(SYNC_UNACKED_ENTRIES_MAX),
            Some(_) | None => {}
        }
    }

    /// It is sent again, or another way.
    pub fn forget(&mut self) {
        self.pieces.clear();
        self.entries = 0;
    }

    /// Whether no more should follow for now.
    pub fn is_full(&self) -> bool {
        self.entries >= self.most
    }

    /// Since when the oldest piece is under way.
    pub fn since(&self) -> Option<Mono> {
        self.pieces.front().map(|piece| piece.sent)
    }
}

#[cfg(test)]
#[path = "flight_tests.rs"]
mod tests;
