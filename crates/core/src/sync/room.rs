//! How much of what is long may wait on a stream's way out.
//!
//! A stream's queue is first in, first out, so what is fresh waits behind all that is in it. At most half of it may be long:
//! pieces of what a peer is far behind in, and of copies that are mended. However slowly the queue is emptied, what is
//! fresh finds at most that before it, and what was fresh itself.

use std::collections::VecDeque;

/// A stream's queue, as its shell sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Frames that it can take now.
    pub free: usize,
    /// Frames that it can take when it is empty.
    pub capacity: usize,
}

impl Room {
    /// A queue in which nothing waits.
    pub fn empty(capacity: usize) -> Self {
        Self { free: capacity, capacity }
    }
}

/// Which frames in the queue are long, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting(VecDeque<bool>);

impl Waiting {
    /// Forgets what has left the queue.
    pub fn settle(&mut self, room: Room) {
        let waiting = room.capacity.saturating_sub(room.free);
        self.0.drain(..self.0.len().saturating_sub(waiting));
    }

    /// How many more long ones there may be.
    pub fn left_for_long(&self, room: Room) -> usize {
        let long = self.0.iter().filter(|long| **long).count();
        room.capacity.div_ceil(2).saturating_sub(long)
    }

    /// So many frames were put in.
    pub fn push(&mut self, frames: usize, long: bool) {
        self.0.extend(std::iter::repeat_n(long, frames));
    }
}
