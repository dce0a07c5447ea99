//! The spool: records from the moment they are made until a gateway has them on disk, and what a unit must remember
//! over a reboot.
//!
//! Numbers are given out here, one after the other, and never twice within one life of the spool: a gateway takes a
//! number it knows for a repetition and does not store it. A spool that was lost therefore begins a new life under a
//! new random id.

mod disk;
mod entry;
mod memory;
mod segment;

pub use disk::{DiskSpool, DiskSpoolConfig, Recovery, SyncPolicy};
pub use memory::MemorySpool;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use waygate_core::cause::RecordFault;
use waygate_core::command::CommandId;
use waygate_core::id::SpoolId;
use waygate_core::limits::COMMAND_IDS_REMEMBERED;
use waygate_core::ranges::SeqRanges;
use waygate_core::record::Record;
use waygate_core::time::Wall;

/// The token of the last accept, and who gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// As it was given.
    pub bytes: Vec<u8>,
    /// The address of the gateway that gave it.
    pub gateway: String,
    /// Authenticates wake-ups; empty if none are sent.
    pub wake_key: Vec<u8>,
}

/// A record has its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its number.
    pub seq: u64,
    /// Records that were given up to make room, unsettled.
    pub dropped: SeqRanges,
}

/// Records in an unbroken run of numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The records, from the number that was asked for.
    pub records: Vec<Record>,
    /// Numbers whose records turned out to be lost: they count as settled from now on.
    pub lost: SeqRanges,
}

/// The spool cannot go on. Nothing that was not synced before is safe.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Another process has it.
    #[error("{} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// Files of two spools lie in one folder.
    #[error("{} belongs to another spool than the files before it; give each spool a folder of its own", .0.display())]
    Mixed(PathBuf),
    /// A file or folder could not be used.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The record can never be sent.
    #[error("the record is too long for a message: {bytes} bytes")]
    RecordTooLong {
        /// Its size.
        bytes: usize,
    },
    /// A sync failed before: what was written since is not known to be safe, and syncing again would not tell.
    #[error("an earlier write to the spool failed; open it anew")]
    Broken,
}

/// Keeps records until they are settled.
pub trait Spool: Send + 'static {
    /// Which life of the spool.
    fn id(&self) -> SpoolId;

    /// Highest number given out, 0 for none.
    fn last(&self) -> u64;

    /// What need not be sent any more, from number 1 on.
    fn settled(&self) -> &SeqRanges;

    /// The token of the last accept, and the key for wake-ups.
    fn token(&self) -> Option<&Token>;

    /// The commands that were given last, begun or not, the oldest first.
    fn commands(&self) -> Vec<CommandId>;

    /// Gives a record its number and keeps it; makes room if need be. `now` is the unit's clock.
    fn append(&mut self, now: Wall, record: &Record) -> Result<Appended, SpoolError>;

    /// Makes safe all that was appended. Only then may it be sent: a number that a gateway has seen must survive.
    fn sync(&mut self) -> Result<(), SpoolError>;

    /// Reads unsettled records with numbers from `first` to `last`, as many as stay below about `bytes_max` in a message,
    /// but at least one.
    fn read(&mut self, first: u64, last: u64, bytes_max: usize) -> Result<Reading, SpoolError>;

    /// These need not be sent any more: they are safe elsewhere, or `rejected`.
    fn settle(&mut self, seqs: &SeqRanges, rejected: &[(u64, RecordFault)]) -> Result<(), SpoolError>;

    /// Keeps the token of an accept, or forgets it.
    fn keep_token(&mut self, token: Option<Token>) -> Result<(), SpoolError>;

    /// Remembers a command, safely, so that it is never done a second time. The oldest is forgotten for it.
    fn remember_command(&mut self, id: CommandId) -> Result<(), SpoolError>;
}

/// Adds an id to those that are remembered.
fn remember(commands: &mut VecDeque<CommandId>, id: CommandId) {
    if !commands.contains(&id) {
        while commands.len() >= COMMAND_IDS_REMEMBERED {
            commands.pop_front();
        }
        commands.push_back(id);
    }
}

/// About the most a record takes in a message, in either form: JSON is the longer one.
pub(crate) fn message_bytes(record: &Record) -> usize {
    use waygate_core::record::SignalValue;
    // {"t":"-9223372036854775808","lat":-214.7483648,"lon":…,"alt":…,"speed":…,"heading":…,"hdop":…,"signals":{}},
    const RECORD: usize = 200;
    let value = |value: &SignalValue| match value {
        SignalValue::Number(_) | SignalValue::Integer(_) => 26,
        SignalValue::Flag(_) => 6,
        // Each byte may need an escape of six.
        SignalValue::Text(text) => 6 * text.len() + 4,
    };
    // Quotes, colon, comma; in protobuf row number and headers of the column.
    let signals = record.signals.iter().map(|(path, v)| path.as_str().len() + value(v) + 16);
    RECORD + signals.sum::<usize>()
}

/// The most one record may take: it must fit into a frame with its envelope.
pub(crate) const RECORD_BYTES_MAX: usize = waygate_core::limits::FRAME_BYTES_MAX - 1024;

#[cfg(test)]
#[path = "spool_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "spool/command_tests.rs"]
mod command_tests;
