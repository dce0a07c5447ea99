//! Why a commit failed, sorted by what the caller may do about it.

use crate::open::ResultCode;
use std::path::PathBuf;

/// A commit failed: nothing of it may be acked, and nothing of it may be taken as lost either.
///
/// The writer refuses every further commit until [`Writer::reopen`](crate::Writer::reopen) succeeded.
/// After that, vehicles send again what was not acked, and what did reach the disk is found to be a duplicate.
#[derive(Debug, thiserror::Error)]
#[error("commit to {} failed: {kind}", path.display())]
pub struct CommitError {
    /// What kind of failure it was.
    pub kind: CommitErrorKind,
    /// The database.
    pub path: PathBuf,
    /// What SQLite said, if it was asked.
    pub source: Option<sqlx::Error>,
}

/// What a failed commit means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitErrorKind {
    /// No room: reopen and go on with new work once there is some.
    #[error("the disk is full; make room, the gateway goes on by itself")]
    Full,
    /// A write or a sync failed: what is on the disk is not known until the files were read again.
    #[error("the disk failed to write or to sync; the database is opened anew before anything else is acked")]
    Io,
    /// An earlier commit failed or was abandoned, and the writer was not reopened since.
    #[error("the writer was not reopened after an earlier failure")]
    NotReopened,
    /// Anything else, such as a damaged database.
    #[error("the database refused it")]
    Other,
}

impl CommitError {
    pub(crate) fn of(path: PathBuf, source: sqlx::Error) -> Self {
        let kind = match ResultCode::of(&source) {
            Some(ResultCode::FULL) => CommitErrorKind::Full,
            Some(ResultCode::IO) => CommitErrorKind::Io,
            // Not an answer of SQLite at all: its thread or its connection is gone.
            None => CommitErrorKind::Io,
            Some(_) => CommitErrorKind::Other,
        };
        Self { kind, path, source: Some(source) }
    }
}
