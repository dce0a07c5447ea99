//! Opening a database: whose file it is, which version, whether it is sound, and what its journal holds.
//!
//! Nothing is written to a file before it is known to be Waygate's and of a version this program knows.

use crate::reader::Reader;
use crate::schema;
use crate::tail::SharedTail;
use crate::writer::Writer;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use waygate_core::time::Wall;

/// Where telemetry and presence are kept. Opening it gives the one writer and a reader that can be cloned.
#[derive(Clone, Copy, Debug)]
pub struct Store;

/// How to open a database.
#[derive(Clone, Copy, Debug)]
pub struct OpenOptions {
    /// Whether the whole file is checked first; takes about a second a gigabyte.
    pub quick_check: bool,
    /// Bytes of journal, or of memory for what it says, after which it is folded into blocks; about twice as much is kept
    /// in memory.
    pub fold_bytes: usize,
    /// The most pages of 4096 bytes the database may have; a commit beyond it fails as on a full disk.
    pub pages_max: Option<u32>,
    /// The clock by which commands and transitions grow old; read when some of the journal is folded.
    pub wall: fn() -> Wall,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { quick_check: true, fold_bytes: 8 * 1024 * 1024, pages_max: None, wall: system_wall }
    }
}

/// The system's clock. One before 1970 is taken as 1970, by which nothing is old.
fn system_wall() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A database was not opened. Nothing in it was changed, unless a migration is named.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file or its directory could not be made or locked.
    #[error("cannot create or lock {}: {source}; check that its directory is there and writable", path.display())]
    Create {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process, or another part of this one, writes to the database.
    #[error("{} is in use by another gateway; stop it first, or give this one a data directory of its own", path.display())]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is not a Waygate database, or its header is damaged; point data_dir elsewhere, or put back a backup of the file", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// A newer program wrote it.
    #[error("{} has schema version {version}, this program knows versions up to {ours}; start the newer program again, or put back a backup made before the upgrade", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// The version it has.
        version: i64,
        /// The version this program knows.
        ours: i64,
    },
    /// The file is Waygate's and damaged.
    #[error("{} is damaged: {what}; put back a backup of it, or move it and its -wal file aside to start empty (vehicles send again only what was never acked)", path.display())]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// The first thing that was wrong.
        what: String,
    },
    /// SQLite could not read or write it.
    #[error("cannot open {}: {source}", path.display())]
    Database {
        /// Which file.
        path: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
}

/// A primary result code of SQLite: <https://www.sqlite.org/rescode.html>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResultCode(pub(crate) i32);

impl ResultCode {
    pub(crate) const IO: Self = Self(10);
    pub(crate) const CORRUPT: Self = Self(11);
    pub(crate) const FULL: Self = Self(13);
    pub(crate) const NOT_A_DATABASE: Self = Self(26);

    pub(crate) fn of(error: &sqlx::Error) -> Option<Self> {
        let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
        Some(Self(code & 0xff))
    }
}

impl OpenError {
    pub(crate) fn of(path: &Path, source: sqlx::Error) -> Self {
        let path = path.to_owned();
        match ResultCode::of(&source) {
            Some(ResultCode::NOT_A_DATABASE) => Self::Foreign { path },
            Some(ResultCode::CORRUPT) => Self::Corrupt { path, what: source.to_string() },
            _ => Self::Database { path, source },
        }
    }

    /// Whether it failed for want of room on the disk, so that trying again once there is room makes sense.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Database { source, .. } => ResultCode::of(source) == Some(ResultCode::FULL),
            Self::Create { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            Self::InUse { .. } | Self::Foreign { .. } | Self::Newer { .. } | Self::Corrupt { .. } => false,
        }
    }
}

impl Store {
    /// Opens the database at `path`, creating it and its directory if they are missing.
    ///
    /// Takes a lock beside the file, so that there is never a second writer; it is let go with the writer.
    pub async fn open(path: &Path, options: OpenOptions) -> Result<(Writer, Reader), OpenError> {
        let lock = lock(path)?;
        create(path)?;
        let mut db = inspect(path).await?;
        if options.quick_check {
            quick_check(path, &mut db).await?;
        }
        db.close().await.map_err(|e| OpenError::of(path, e))?;
        let tail = SharedTail::default();
        let reader = Reader::new(path, tail.clone());
        let writer = Writer::open(path.to_owned(), options, lock, tail).await?;
        Ok((writer, reader))
    }
}

/// Takes the lock that makes the writer the only one.
fn lock(path: &Path) -> Result<File, OpenError> {
    let failed = |source| OpenError::Create { path: path.to_owned(), source };
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(failed)?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = private_file().truncate(false).create(true).open(&name).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned() }),
        Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Makes the file for its owner alone; SQLite gives its other files the same permissions.
///
/// An existing file is not opened here: closing it would drop the locks that readers of this process hold on it.
fn create(path: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Create { path: path.to_owned(), source };
    match private_file().create_new(true).open(path) {
        Ok(_) => {
            let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

fn private_file() -> std::fs::OpenOptions {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Says whose file it is and refuses what is not ours, without changing it.
async fn inspect(path: &Path) -> Result<SqliteConnection, OpenError> {
    let failed = |e| OpenError::of(path, e);
    let mut db = connect_options(path).connect().await.map_err(failed)?;
    let header = schema::header(&mut db).await.map_err(failed)?;
    let fresh = header.application_id == 0 && header.version == 0 && header.tables == 0;
    if !fresh && header.application_id != schema::APPLICATION_ID {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    if header.version > schema::VERSION {
        return Err(OpenError::Newer { path: path.to_owned(), version: header.version, ours: schema::VERSION });
    }
    Ok(db)
}

async fn quick_check(path: &Path, db: &mut SqliteConnection) -> Result<(), OpenError> {
    let failed = |e| OpenError::of(path, e);
    let what: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(db).await.map_err(failed)?;
    if what == "ok" { Ok(()) } else { Err(OpenError::Corrupt { path: path.to_owned(), what }) }
}

/// What every connection has in common.
pub(crate) fn connect_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(false)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("trusted_schema", "OFF")
        .pragma("temp_store", "MEMORY")
        .disable_statement_logging()
}

/// How long a connection waits for another's lock. Only a checkpoint ever meets one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Pages of WAL after which a commit moves them to the database: 8 MiB.
const CHECKPOINT_PAGES: &str = "2000";

/// Bytes the WAL file is cut back to once it was moved: what one burst leaves behind does not stay.
const WAL_BYTES_KEPT: &str = "33554432";

/// The writer's connection: nothing is committed before it was synced to the disk.
pub(crate) async fn connect_writer(path: &Path, options: OpenOptions) -> Result<SqliteConnection, OpenError> {
    let failed = |e| OpenError::of(path, e);
    let mut connect = connect_options(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .pragma("journal_size_limit", WAL_BYTES_KEPT);
    if let Some(pages) = options.pages_max {
        connect = connect.pragma("max_page_count", pages.to_string());
    }
    let mut db = connect.connect().await.map_err(failed)?;
    let header = schema::header(&mut db).await.map_err(failed)?;
    schema::migrate(&mut db, header.version).await.map_err(failed)?;
    // What is read from here on is written and synced once more before anything is built on it: after a sync
    // that failed, the system may show pages that never reached the disk and call the next sync a success.
    let moved = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut db).await.map_err(failed)?;
    if moved.get::<i64, _>(0) != 0 {
        let waited = io::Error::new(io::ErrorKind::TimedOut, "a reader held the WAL for too long");
        return Err(OpenError::Database { path: path.to_owned(), source: waited.into() });
    }
    Ok(db)
}
