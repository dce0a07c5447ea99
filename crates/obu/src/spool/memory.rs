//! A spool in memory: for simulated vehicles, and for units without a disk. A reboot loses it, and its id with it.

use super::{Appended, RECORD_BYTES_MAX, Reading, Spool, SpoolError, Token, message_bytes, remember};
use std::collections::VecDeque;
use waygate_core::cause::RecordFault;
use waygate_core::command::CommandId;
use waygate_core::id::SpoolId;
use waygate_core::ranges::SeqRanges;
use waygate_core::record::Record;
use waygate_core::time::Wall;

/// Records in memory, at most so many.
#[derive(Clone, Debug)]
pub struct MemorySpool {
    id: SpoolId,
    records_max: usize,
    last: u64,
    /// The numbers from `last - records.len() + 1` to `last`; `None` once settled.
    records: VecDeque<Option<Record>>,
    settled: SeqRanges,
    token: Option<Token>,
    commands: VecDeque<CommandId>,
}

/// Below this the queue keeps its memory; a long outage gives it back.
const KEPT_CAPACITY: usize = 64;

impl MemorySpool {
    /// An empty spool. `id` must be random.
    pub fn new(id: SpoolId, records_max: usize) -> Self {
        let (records, settled) = (VecDeque::new(), SeqRanges::new());
        Self { id, records_max: records_max.max(1), last: 0, records, settled, token: None, commands: VecDeque::new() }
    }

    fn first(&self) -> u64 {
        self.last + 1 - self.records.len() as u64
    }

    /// Lets go of settled records at the front.
    fn trim(&mut self) {
        while self.records.front().is_some_and(Option::is_none) {
            self.records.pop_front();
        }
        if self.records.is_empty() && self.records.capacity() > KEPT_CAPACITY {
            self.records.shrink_to(KEPT_CAPACITY);
        }
    }
}

impl Spool for MemorySpool {
    fn id(&self) -> SpoolId {
        self.id
    }

    fn last(&self) -> u64 {
        self.last
    }

    fn settled(&self) -> &SeqRanges {
        &self.settled
    }

    fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    fn commands(&self) -> Vec<CommandId> {
        self.commands.iter().copied().collect()
    }

    fn append(&mut self, _now: Wall, record: &Record) -> Result<Appended, SpoolError> {
        let bytes = message_bytes(record);
        if bytes > RECORD_BYTES_MAX {
            return Err(SpoolError::RecordTooLong { bytes });
        }
        let mut dropped = SeqRanges::new();
        if self.records.len() == self.records_max {
            let first = self.first();
            self.records.pop_front();
            self.settled.insert(first, first);
            dropped.insert(first, first);
            self.trim();
        }
        self.last += 1;
        self.records.push_back(Some(record.clone()));
        Ok(Appended { seq: self.last, dropped })
    }

    fn sync(&mut self) -> Result<(), SpoolError> {
        Ok(())
    }

    fn read(&mut self, first: u64, last: u64, bytes_max: usize) -> Result<Reading, SpoolError> {
        let mut reading = Reading::default();
        let at = first.checked_sub(self.first()).and_then(|at| usize::try_from(at).ok()).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let run = self.records.iter().skip(at).map_while(Option::as_ref);
        for (_, record) in (first..=last).zip(run) {
            bytes += message_bytes(record);
            if bytes > bytes_max && !reading.records.is_empty() {
                break;
            }
            reading.records.push(record.clone());
        }
        if reading.records.is_empty() {
            reading.lost.insert(first, first);
            self.settle(&reading.lost, &[])?;
        }
        Ok(reading)
    }

    fn settle(&mut self, seqs: &SeqRanges, _rejected: &[(u64, RecordFault)]) -> Result<(), SpoolError> {
        let first = self.first();
        for range in seqs.iter() {
            let last = (*range.end()).min(self.last);
            self.settled.insert(*range.start(), last);
            for seq in (*range.start()).max(first)..=last {
                self.records[(seq - first) as usize] = None;
            }
        }
        self.trim();
        Ok(())
    }

    fn keep_token(&mut self, token: Option<Token>) -> Result<(), SpoolError> {
        self.token = token;
        Ok(())
    }

    fn remember_command(&mut self, id: CommandId) -> Result<(), SpoolError> {
        remember(&mut self.commands, id);
        Ok(())
    }
}
