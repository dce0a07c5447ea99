//! The one writer: group commits, each a single append to the journal.
//!
//! # What is guaranteed
//!
//! - When [`Writer::commit`] returns `Ok`, every accepted write of it was written to the WAL and the WAL was
//!   synced (`synchronous = FULL`): it survives a crash of the process, of the system, and a power cut, as far
//!   as the disk keeps what it says it synced.
//! - When it returns an error, or is dropped before it returned, each write of it is either on disk with all
//!   the others or not at all, and which of the two is not known. The writer then refuses everything but
//!   [`Writer::reopen`], so that no later success can cover for it.
//! - A sync that failed is not tried again. The system may have dropped the pages that did not reach the
//!   disk and report the next sync as a success; therefore `reopen` closes the connection, forgets what is in
//!   memory, reads the files again, and before anything new is accepted writes and syncs all that it read from
//!   the WAL once more, into the database itself. What an earlier, acked commit wrote was synced before and is
//!   not touched by any of this.
//!
//! Owned by the gateway's journal task. It decides nothing about sessions; it never spawns.

use crate::commit_error::{CommitError, CommitErrorKind};
use crate::draft::{Desk, Draft};
use crate::fences::Fences;
use crate::fold::Fold;
use crate::ledger::Ledger;
use crate::open::{OpenError, OpenOptions, connect_writer};
use crate::recovery::{self, Recovered};
use crate::statements;
use crate::tail::SharedTail;
use crate::write::{Outcome, Write};
use sqlx::{Connection, SqliteConnection};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use waygate_core::id::{Incarnation, SpoolId};
use waygate_core::time::Wall;

/// Makes writes durable. There is exactly one for a database.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    options: OpenOptions,
    /// Held for as long as the writer lives.
    _lock: File,
    tail: SharedTail,
    /// They outlive every reopening.
    fences: Fences,
    live: Option<Live>,
}

/// What a writer has while nothing went wrong.
#[derive(Debug)]
struct Live {
    db: SqliteConnection,
    ledger: Ledger,
    fold: Fold,
    options: OpenOptions,
    last_row: i64,
    last_vehicle: i64,
}

impl Writer {
    pub(crate) async fn open(
        path: PathBuf,
        options: OpenOptions,
        lock: File,
        tail: SharedTail,
    ) -> Result<Self, OpenError> {
        let live = Live::open(&path, options, &tail).await?;
        Ok(Self { path, options, _lock: lock, tail, fences: Fences::default(), live: Some(live) })
    }

    /// Writes all of `writes` in one transaction and tells what became of each, in their order.
    ///
    /// A later write of the same commit sees the effects of an earlier one. Writes that are duplicates, fenced
    /// or refused are answered and change nothing. See the module for what an error means.
    pub async fn commit(&mut self, writes: Vec<Write>) -> Result<Vec<Outcome>, CommitError> {
        // Taken out for as long as the commit is under way: dropped half-way, it leaves a writer that must be
        // reopened, because what the ledger holds may not be on disk.
        let Some(mut live) = self.live.take() else {
            return Err(CommitError { kind: CommitErrorKind::NotReopened, path: self.path.clone(), source: None });
        };
        match live.commit(writes, &self.tail, &mut self.fences).await {
            Ok(outcomes) => {
                self.live = Some(live);
                Ok(outcomes)
            }
            Err(error) => {
                // Failing to close changes nothing: the connection is gone either way.
                let _ = live.db.close().await;
                Err(CommitError::of(self.path.clone(), error))
            }
        }
    }

    /// Closes the connection, forgets what is in memory and goes on from what is on disk.
    ///
    /// After an error it must succeed before the next commit; it may be tried as often as needed.
    pub async fn reopen(&mut self) -> Result<(), OpenError> {
        if let Some(live) = self.live.take() {
            let _ = live.db.close().await;
        }
        self.live = Some(Live::open(&self.path, self.options, &self.tail).await?);
        Ok(())
    }

    /// Gives this life of the node a number above every earlier one's, and at least the clock's seconds.
    ///
    /// It is on disk when this returns: no peer is told of an incarnation that a restart could give out again.
    pub async fn next_incarnation(&mut self, wall: Wall) -> Result<Incarnation, CommitError> {
        let Some(mut live) = self.live.take() else {
            return Err(CommitError { kind: CommitErrorKind::NotReopened, path: self.path.clone(), source: None });
        };
        let sql = "INSERT INTO node (key, value) VALUES ('incarnation', ?1) \
                   ON CONFLICT (key) DO UPDATE SET value = max(value + 1, ?1) RETURNING value";
        let seconds = wall.0.div_euclid(1000).max(1);
        match sqlx::query_scalar::<_, i64>(sql).bind(seconds).fetch_all(&mut live.db).await {
            Ok(values) => {
                self.live = Some(live);
                Ok(Incarnation(values.first().copied().unwrap_or(seconds) as u64))
            }
            Err(error) => {
                let _ = live.db.close().await;
                Err(CommitError::of(self.path.clone(), error))
            }
        }
    }

    /// Notes that this node was in that life already: the next one is later.
    pub async fn outlived(&mut self, life: Incarnation) -> Result<(), CommitError> {
        let Some(mut live) = self.live.take() else {
            return Err(CommitError { kind: CommitErrorKind::NotReopened, path: self.path.clone(), source: None });
        };
        let sql = "UPDATE node SET value = max(value, ?1) WHERE key = 'incarnation'";
        match sqlx::query(sql).bind(i64::try_from(life.0).unwrap_or(i64::MAX - 1)).execute(&mut live.db).await {
            Ok(_) => {
                self.live = Some(live);
                Ok(())
            }
            Err(error) => {
                let _ = live.db.close().await;
                Err(CommitError::of(self.path.clone(), error))
            }
        }
    }

    /// The journal mode and the `synchronous` setting of the writer's connection, as SQLite reports them.
    pub async fn durability(&mut self) -> Result<(String, i64), CommitError> {
        let Some(live) = &mut self.live else {
            return Err(CommitError { kind: CommitErrorKind::NotReopened, path: self.path.clone(), source: None });
        };
        let sql = "SELECT journal_mode, synchronous FROM pragma_journal_mode, pragma_synchronous";
        let settings = sqlx::query_as(sql).fetch_one(&mut live.db).await;
        settings.map_err(|e| CommitError::of(self.path.clone(), e))
    }

    /// Closes the database and lets go of its lock. Nothing committed depends on it.
    pub async fn close(mut self) -> Result<(), OpenError> {
        match self.live.take() {
            Some(live) => live.db.close().await.map_err(|e| OpenError::of(&self.path, e)),
            None => Ok(()),
        }
    }
}

impl Live {
    async fn open(path: &Path, options: OpenOptions, tail: &SharedTail) -> Result<Self, OpenError> {
        let mut db = connect_writer(path, options).await?;
        let recovered = recovery::recover(&mut db).await.map_err(|e| OpenError::of(path, e))?;
        let Recovered { ledger, tail: mut replayed, fold, last_row, last_vehicle, last_block } = recovered;
        let mut fold = Fold::resume(fold, last_block, &replayed.frozen);
        fold.freeze(&mut replayed.active, &mut replayed.frozen, options.fold_bytes);
        *tail.write() = replayed;
        Ok(Self { db, ledger, fold, options, last_row, last_vehicle })
    }

    async fn commit(
        &mut self,
        writes: Vec<Write>,
        tail: &SharedTail,
        fences: &mut Fences,
    ) -> sqlx::Result<Vec<Outcome>> {
        fences.begin();
        self.ledger.evict(&tail.read());
        let wanted = writes.iter().map(|write| (write.vehicle(), spool_of(write)));
        recovery::load(&mut self.db, &mut self.ledger, wanted).await?;
        let commands = recovery::vehicles_of_commands(&mut self.db, tail, &writes).await?;
        let Self { ledger, last_vehicle, .. } = self;
        let draft = Desk { ledger, fences, last_vehicle, commands }.draft(writes);
        if draft.row.is_empty() {
            return Ok(draft.outcomes);
        }
        let Draft { row, entries, named, outcomes } = draft;
        let body = row.finish();
        let id = self.last_row + 1;
        let slice = self.fold.next_slice(&tail.read().frozen, &mut self.ledger, body.len(), self.options.wall);
        let folded = slice.as_ref().map(|slice| slice.vehicles.clone()).unwrap_or_default();
        statements::append(&mut self.db, id, body.clone(), named, slice).await?;
        fences.committed();
        self.last_row = id;
        let tail = &mut *tail.write();
        for vehicle in &folded {
            tail.frozen.remove(vehicle);
        }
        tail.add_row(false, id, &Arc::new(body), entries);
        self.fold.freeze(&mut tail.active, &mut tail.frozen, self.options.fold_bytes);
        Ok(outcomes)
    }
}

fn spool_of(write: &Write) -> Option<SpoolId> {
    match write {
        Write::Attach { spool, .. } => Some(*spool),
        Write::Batch(batch) => Some(batch.spool),
        Write::Fence { spool, .. } | Write::Settle { spool, .. } => Some(*spool),
        Write::Presence(_) | Write::Forget { .. } | Write::Command(_) | Write::Transition(_) => None,
    }
}
