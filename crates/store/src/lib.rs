//! Where a gateway keeps what it must not lose: telemetry, presence, its own incarnation.
//!
//! The only crate that names a database. One [`Writer`] makes writes durable, group by group; any number
//! of [`Reader`]s answer questions beside it.
//!
//! # How it lies on disk
//!
//! A commit is one row appended to a journal, whatever it holds: one statement, one sync, no random page.
//! Once enough has come together, the journal is *folded*, a slice with every commit: the batches of each
//! vehicle move into blocks of their own, what is settled, present and latest into tables by vehicle, and the
//! journal's rows are deleted. What is not folded yet is also in memory, rebuilt from the journal at open.

mod bytes;
mod commit_error;
mod counts;
mod fold;
mod history;
mod journal;
mod ledger;
mod open;
mod reader;
mod recovery;
mod schema;
mod sealed;
mod signal;
mod statements;
mod tail;
mod write;
mod writer;

pub use commit_error::{CommitError, CommitErrorKind};
pub use counts::Counts;
pub use history::{DamagedBatch, History, Place, StoredBatch};
pub use open::{OpenError, OpenOptions, Store};
pub use reader::{Cursor, LatestSignal, Page, ReadError, Reader};
pub use write::{Batch, Latest, Outcome, PresenceRecord, Refusal, Write};
pub use writer::Writer;
