//! A vehicle's spool with a witness: what is given out and what is settled goes into its ledger.
//!
//! The witness stands where the promises arrive, inside of the client, so that none is missed and none is
//! counted that the client did not rely on.

use crate::ledger::VehicleLedger;
use std::sync::{Arc, Mutex, PoisonError};
use waygate_core::cause::RecordFault;
use waygate_core::command::CommandId;
use waygate_core::id::SpoolId;
use waygate_core::ranges::SeqRanges;
use waygate_core::record::Record;
use waygate_core::time::Wall;
use waygate_obu::spool::{Appended, MemorySpool, Reading, Spool, SpoolError, Token};

/// A ledger that is written by a spool and read by its owner once the spool is at rest.
#[derive(Clone, Debug)]
pub struct SharedLedger(Arc<Mutex<VehicleLedger>>);

impl SharedLedger {
    /// Shares a ledger.
    pub fn new(ledger: VehicleLedger) -> Self {
        Self(Arc::new(Mutex::new(ledger)))
    }

    fn write(&self, change: impl FnOnce(&mut VehicleLedger)) {
        // A writer that panicked has written whole entries: they are still true.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What it says now.
    pub fn read(&self) -> VehicleLedger {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A spool in memory, witnessed if there is a ledger.
#[derive(Debug)]
pub struct WitnessedSpool {
    inner: MemorySpool,
    ledger: Option<SharedLedger>,
}

impl WitnessedSpool {
    /// Stands beside `inner`.
    pub fn new(inner: MemorySpool, ledger: Option<SharedLedger>) -> Self {
        Self { inner, ledger }
    }
}

impl Spool for WitnessedSpool {
    fn id(&self) -> SpoolId {
        self.inner.id()
    }

    fn last(&self) -> u64 {
        self.inner.last()
    }

    fn settled(&self) -> &SeqRanges {
        self.inner.settled()
    }

    fn token(&self) -> Option<&Token> {
        self.inner.token()
    }

    fn append(&mut self, now: Wall, record: &Record) -> Result<Appended, SpoolError> {
        let appended = self.inner.append(now, record)?;
        if let Some(ledger) = &self.ledger {
            ledger.write(|ledger| ledger.recorded(self.inner.id(), appended.seq, record.t));
        }
        Ok(appended)
    }

    fn sync(&mut self) -> Result<(), SpoolError> {
        self.inner.sync()
    }

    fn read(&mut self, first: u64, last: u64, bytes_max: usize) -> Result<Reading, SpoolError> {
        self.inner.read(first, last, bytes_max)
    }

    fn settle(&mut self, seqs: &SeqRanges, rejected: &[(u64, RecordFault)]) -> Result<(), SpoolError> {
        if let Some(ledger) = &self.ledger {
            let rejected = rejected.iter().map(|(seq, _)| *seq);
            ledger.write(|ledger| ledger.settled(self.inner.id(), seqs, rejected));
        }
        self.inner.settle(seqs, rejected)
    }

    fn keep_token(&mut self, token: Option<Token>) -> Result<(), SpoolError> {
        self.inner.keep_token(token)
    }

    fn commands(&self) -> Vec<CommandId> {
        self.inner.commands()
    }

    fn remember_command(&mut self, id: CommandId) -> Result<(), SpoolError> {
        self.inner.remember_command(id)
    }
}

#[cfg(test)]
#[path = "witness_tests.rs"]
mod tests;
