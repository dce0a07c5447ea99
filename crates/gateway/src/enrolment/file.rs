//! The enrolment on disk: a file of lines, one a change, the last of a vehicle counts. A change is appended and synced; now and
//! then, and whenever an append failed, the file is written anew beside the old one and takes its place.

use crate::files;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use waygate_core::enrolment::{Entry, Standing};
use waygate_core::id::{FleetId, VehicleId};
use waygate_core::time::Wall;

/// Lines beyond the number of entries after which the file is written anew.
const STALE_LINES_MAX: usize = 4096;

/// A change, as it stands in a line.
#[derive(Deserialize, Serialize)]
struct Line {
    vehicle: VehicleId,
    fleet: FleetId,
    standing: String,
    version: u64,
    first_ms: i64,
    last_ms: i64,
    means: String,
    by: String,
}

/// The file.
#[derive(Debug)]
pub struct EnrolmentFile {
    path: PathBuf,
    file: Option<File>,
    lines: usize,
}

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line of it makes no sense. It may be the one that refuses a vehicle, so it is not passed over.
    #[error(
        "{} line {line}: {what}; restore the file, or remove the line: other gateways tell again what they know of it",
        path.display()
    )]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Where.
        line: usize,
        /// What is wrong.
        what: String,
    },
}

impl EnrolmentFile {
    /// Opens the file, and reads what is in it. One that is not there is made with the first change.
    pub fn open(path: &Path) -> Result<(Self, BTreeMap<VehicleId, Entry>), FileError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(FileError::Unreadable { path: path.to_owned(), source }),
        };
        let mut entries = BTreeMap::new();
        // What stands behind the last end of a line was not written whole, and nobody was told that it was.
        let (whole, torn) = text.rsplit_once('\n').unwrap_or(("", text.as_str()));
        if !torn.is_empty() {
            tracing::warn!(path = %path.display(), "the last change of the enrolment was not written whole; it is dropped");
        }
        let mut lines = 0;
        for (line, number) in whole.lines().zip(1..) {
            let damaged = |what: String| FileError::Damaged { path: path.to_owned(), line: number, what };
            let read: Line = serde_json::from_str(line).map_err(|error| damaged(error.to_string()))?;
            let standing = Standing::of(&read.standing)
                .ok_or_else(|| damaged(format!("the standing {:?} is not known", read.standing)))?;
            let Line { vehicle, fleet, version, first_ms, last_ms, means, by, .. } = read;
            let (first, last) = (Wall(first_ms), Wall(last_ms));
            entries.insert(vehicle, Entry { version, standing, fleet, first, last, means, by });
            lines = number;
        }
        // Opened with the first change, which then writes it anew: what was torn is gone.
        Ok((Self { path: path.to_owned(), file: None, lines }, entries))
    }

    /// Makes changes durable; `all` is everything there is.
    pub async fn keep<'a>(
        &mut self,
        changes: impl Iterator<Item = (&'a VehicleId, &'a Entry)>,
        all: impl ExactSizeIterator<Item = (&'a VehicleId, &'a Entry)>,
    ) -> io::Result<()> {
        let stale = self.lines > all.len() + STALE_LINES_MAX;
        let Some(file) = self.file.take().filter(|_| !stale) else {
            return self.renew(all).await;
        };
        let (mut text, mut count) = (String::new(), 0);
        for (vehicle, entry) in changes {
            write_line(&mut text, vehicle, entry)?;
            count += 1;
        }
        // If it fails, part of it may be there: the next change writes all of it anew.
        self.file = Some(off_the_runtime(move || append(file, &text)).await?);
        self.lines += count;
        Ok(())
    }

    async fn renew<'a>(&mut self, all: impl ExactSizeIterator<Item = (&'a VehicleId, &'a Entry)>) -> io::Result<()> {
        self.file = None;
        let count = all.len();
        let mut text = String::new();
        for (vehicle, entry) in all {
            write_line(&mut text, vehicle, entry)?;
        }
        let path = self.path.clone();
        self.file = Some(off_the_runtime(move || files::replace(&path, &text)).await?);
        self.lines = count;
        Ok(())
    }
}

fn append(mut file: File, text: &str) -> io::Result<File> {
    file.write_all(text.as_bytes())?;
    file.sync_data()?;
    Ok(file)
}

async fn off_the_runtime<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn write_line(text: &mut String, vehicle: &VehicleId, entry: &Entry) -> io::Result<()> {
    let line = Line {
        vehicle: vehicle.clone(),
        fleet: entry.fleet.clone(),
        standing: entry.standing.wire().to_owned(),
        version: entry.version,
        first_ms: entry.first.0,
        last_ms: entry.last.0,
        means: entry.means.clone(),
        by: entry.by.clone(),
    };
    text.push_str(&serde_json::to_string(&line)?);
    text.push('\n');
    Ok(())
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
