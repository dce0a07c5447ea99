//! What the store holds and what room there is, for metrics and readiness.

use crate::reader::Reader;
use std::io;
use std::path::Path;

/// Figures of a database. Those of memory cost nothing, those of the disk a few system calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Batches kept.
    pub batches: u64,
    /// Records kept.
    pub records: u64,
    /// Batches of these that are not folded into blocks yet.
    pub unfolded_batches: u64,
    /// Journal entries found damaged at open.
    pub damaged_entries: u64,
    /// Bytes of the database file.
    pub file_bytes: u64,
    /// Bytes of its write-ahead log.
    pub wal_bytes: u64,
    /// Bytes that are left on the disk for this user.
    pub disk_free_bytes: u64,
}

impl Reader {
    /// Counts what is kept and measures the files.
    pub fn counts(&self) -> io::Result<Counts> {
        let mut wal = self.path.as_os_str().to_owned();
        wal.push("-wal");
        let counts = {
            let tail = self.tail.read();
            let unfolded = [&tail.frozen, &tail.active].into_iter().flat_map(|generation| generation.vehicles.values());
            Counts {
                batches: tail.batches,
                records: tail.records,
                unfolded_batches: unfolded.map(|vehicle| vehicle.batches().len() as u64).sum(),
                damaged_entries: tail.damaged_entries,
                ..Counts::default()
            }
        };
        Ok(Counts {
            file_bytes: self.path.metadata()?.len(),
            // It is missing while nobody writes.
            wal_bytes: Path::new(&wal).metadata().map_or(0, |metadata| metadata.len()),
            disk_free_bytes: self.disk_free_bytes()?,
            ..counts
        })
    }

    /// Bytes that are left on the disk of the database for this user.
    pub fn disk_free_bytes(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(self.path.as_path())?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}
