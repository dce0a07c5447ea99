//! Where a gateway keeps what it must not lose: telemetry, presence, commands, the timelines of vehicles, its own
//! incarnation.
//!
//! The only crate that names a database. One [`Writer`] makes writes durable, group by group; any number
//! of [`Reader`]s answer questions beside it.
//!
//! # How it lies on disk
//!
//! A commit is one row appended to a journal, whatever it holds: one statement, one sync, no random page.
//! Once enough has come together, the journal is *folded*, a slice with every commit: the batches of each
//! vehicle move into blocks of their own, what is settled, present and latest, its commands and its transitions
//! into tables by vehicle, and the journal's rows are deleted. What is not folded yet is also in memory, rebuilt
//! from the journal at open.
//!
//! # What is let go
//!
//! Telemetry, presence and open commands stay. Ended commands stay for [`COMMANDS_KEPT`] and the newest
//! [`COMMANDS_KEPT_MAX`] of a vehicle, transitions for [`TIMELINE_KEPT`] and about the newest
//! [`TIMELINE_KEPT_MAX`]; what is beyond that is deleted along with a slice of the fold.
//!
//! # What is not written
//!
//! A [`Write::Fence`] is kept in memory alone: it is ordered among the other writes, holds for the life of the
//! process whatever else becomes of the vehicle here, and a commit of nothing else writes nothing.

mod bytes;
mod commands;
mod commit_error;
mod counts;
mod draft;
mod fences;
mod fold;
mod history;
mod journal;
mod ledger;
mod open;
mod reader;
mod records;
mod recovery;
mod retention;
mod schema;
mod sealed;
mod signal;
mod slice;
mod statements;
mod tail;
mod timeline;
mod write;
mod writer;

pub use commit_error::{CommitError, CommitErrorKind};
pub use counts::Counts;
pub use history::{DamagedBatch, History, Place, StoredBatch};
pub use open::{OpenError, OpenOptions, Store};
pub use reader::{Cursor, LatestSignal, Page, ReadError, Reader};
pub use retention::{COMMANDS_KEPT, COMMANDS_KEPT_MAX, TIMELINE_KEPT, TIMELINE_KEPT_MAX};
pub use write::{
    Batch, COMMAND_BODY_BYTES_MAX, CommandRecord, Latest, Outcome, PresenceRecord, Refusal, TimelineKey,
    TransitionRecord, Write,
};
pub use writer::Writer;
