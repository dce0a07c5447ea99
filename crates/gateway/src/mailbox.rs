//! What the gateway has for one connection: letters from the presence task and the journal.
//!
//! Costs nothing until something is put in. It is bounded by what can be under way for one session, its
//! window of writes, an accept, an order, a close, and by [`OFFERED_MAX`] for what others ask for. The connection
//! alone takes letters out.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, oneshot};
use waygate_core::command::Command;
use waygate_core::credential::Credential;
use waygate_core::id::ConnId;
use waygate_core::ingest::Ticket;
use waygate_core::message::Downlink;
use waygate_core::ranges::SeqRanges;
use waygate_core::session::Accepted;
use waygate_core::time::Mono;

/// Letters beyond which nothing more is taken for a vehicle from operators and peers.
pub const OFFERED_MAX: usize = 64;

/// Something for a connection.
#[derive(Debug)]
pub enum Letter {
    /// Send it to the vehicle.
    Send(Downlink),
    /// Send it to the vehicle, and say when it was written to the socket.
    Deliver(Downlink, oneshot::Sender<()>),
    /// Send it this command, whose time to live was what it says at this moment.
    Command(Box<Command>, Mono),
    /// Ask the vehicle to show that it is there. Answered with the next frame, dropped with the socket.
    Probe(oneshot::Sender<()>),
    /// The session stands; the token to give to the vehicle.
    Accept(Box<Accepted>, Vec<u8>),
    /// The gateways before have answered, or will not: with all that is settled of the spool on this disk, if they told of
    /// anything and it could be noted.
    Gathered(SeqRanges),
    /// Close with this code.
    Close(u16),
    /// A write is on disk.
    Persisted(Ticket),
    /// Part of a write was settled before.
    Overlapped(Ticket, SeqRanges),
    /// A newer attach of the vehicle is stored: this session has lost.
    Fenced,
    /// A write could not be made durable.
    PersistFailed(Ticket),
}

/// The letters of one connection, and when its vehicle was last heard.
#[derive(Debug)]
pub struct Mailbox {
    conn: ConnId,
    /// Who the vehicle showed that it is.
    who: Option<Arc<Credential>>,
    letters: Mutex<VecDeque<Letter>>,
    arrived: Notify,
    heard_ms: AtomicU64,
}

impl Mailbox {
    /// An empty mailbox.
    pub fn new(conn: ConnId, now: Mono) -> Self {
        let (letters, arrived) = (Mutex::new(VecDeque::new()), Notify::new());
        Self { conn, who: None, letters, arrived, heard_ms: AtomicU64::new(now.0) }
    }

    /// Of a vehicle that showed who it is.
    #[must_use]
    pub fn of(mut self, who: Option<Arc<Credential>>) -> Self {
        self.who = who;
        self
    }

    /// Who the vehicle showed that it is; `None` where it need not.
    pub fn who(&self) -> Option<&Arc<Credential>> {
        self.who.as_ref()
    }

    /// Whose it is.
    pub fn conn(&self) -> ConnId {
        self.conn
    }

    /// Puts a letter in.
    pub fn put(&self, letter: Letter) {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner).push_back(letter);
        self.arrived.notify_one();
    }

    /// Puts a letter in that others than the session ask for, unless too many wait: the vehicle does not read.
    pub fn offer(&self, letter: Letter) -> bool {
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        if letters.len() >= OFFERED_MAX {
            return false;
        }
        letters.push_back(letter);
        self.arrived.notify_one();
        true
    }

    /// Waits for letters.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Takes every letter; the room they took is given back.
    pub fn take(&self) -> VecDeque<Letter> {
        std::mem::take(&mut *self.letters.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes that the vehicle was heard.
    pub fn heard(&self, now: Mono) {
        self.heard_ms.store(now.0, Ordering::Relaxed);
    }

    /// When the vehicle was last heard.
    pub fn last_heard(&self) -> Mono {
        Mono(self.heard_ms.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
#[path = "mailbox_tests.rs"]
mod tests;
