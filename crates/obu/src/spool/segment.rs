//! One file of a disk spool: entries, one after the other, the state of the spool first.

use super::SpoolError;
use super::entry::{Entry, Found};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use waygate_core::time::Wall;

/// What is known of a file without opening it.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) index: u64,
    /// Bytes up to the end of the last good entry.
    pub(super) bytes: u64,
    /// The lowest and highest number of its records.
    pub(super) seqs: Option<(u64, u64)>,
    /// When the newest of them was added.
    pub(super) newest: Option<Wall>,
}

/// How a file of the spool was found when it was opened.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) segment: Segment,
    pub(super) entries: Vec<Entry>,
    /// Bytes at the end that are no entries.
    pub(super) damaged: u64,
}

const EXTENSION: &str = "spool";

/// Bytes read at once; more than the longest entry.
const CHUNK_BYTES: usize = 512 * 1024;

pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> SpoolError {
    let path = path.to_owned();
    move |source| SpoolError::Io { doing, path, source }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes sure that files just made or removed in `dir` are so after a power cut.
pub(super) fn sync_dir(dir: &Path) -> Result<(), SpoolError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io("sync", dir))
}

impl Segment {
    /// The files of a spool, in order.
    pub(super) fn list(dir: &Path) -> Result<Vec<(u64, PathBuf)>, SpoolError> {
        let mut files = Vec::new();
        for file in std::fs::read_dir(dir).map_err(io("list", dir))? {
            let path = file.map_err(io("list", dir))?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            let index = stem.and_then(|stem| stem.parse().ok());
            if let Some(index) = index.filter(|_| path.extension().is_some_and(|e| e == EXTENSION)) {
                files.push((index, path));
            }
        }
        files.sort();
        Ok(files)
    }

    /// Begins a file with `first`, so that both are there after a power cut.
    pub(super) fn create(dir: &Path, index: u64, first: &Entry) -> Result<(Self, File), SpoolError> {
        let path = dir.join(format!("{index:020}.{EXTENSION}"));
        let mut file = options().create_new(true).open(&path).map_err(io("create", &path))?;
        let mut bytes = Vec::new();
        first.write(&mut bytes);
        file.write_all(&bytes).map_err(io("write to", &path))?;
        file.sync_all().map_err(io("sync", &path))?;
        sync_dir(dir)?;
        Ok((Self { path, index, bytes: bytes.len() as u64, seqs: None, newest: None }, file))
    }

    /// Reads a whole file, up to the first damage.
    pub(super) fn scan(index: u64, path: PathBuf) -> Result<Scan, SpoolError> {
        let bytes = std::fs::read(&path).map_err(io("read", &path))?;
        let mut segment = Self { path, index, bytes: 0, seqs: None, newest: None };
        let (mut entries, mut at) = (Vec::new(), 0);
        while let Found::Entry(entry, length) = Entry::read(&bytes[at..]) {
            segment.note(&entry);
            entries.push(entry);
            at += length;
        }
        segment.bytes = at as u64;
        Ok(Scan { segment, entries, damaged: (bytes.len() - at) as u64 })
    }

    /// Takes note of a record in the file.
    pub(super) fn note(&mut self, entry: &Entry) {
        if let Entry::Record { seq, added, .. } = entry {
            self.seqs = Some(self.seqs.map_or((*seq, *seq), |(first, last)| (first.min(*seq), last.max(*seq))));
            self.newest = self.newest.max(Some(*added));
        }
    }

    /// Whether the record with this number would be here.
    pub(super) fn spans(&self, seq: u64) -> bool {
        self.seqs.is_some_and(|(first, last)| (first..=last).contains(&seq))
    }

    /// Calls `take` with each entry from the byte `offset` on, and the offset behind it, until that says to stop. Damage
    /// ends it, too. Returns whether `take` stopped it.
    pub(super) fn walk(&self, mut offset: u64, mut take: impl FnMut(Entry, u64) -> bool) -> Result<bool, SpoolError> {
        let mut file = File::open(&self.path).map_err(io("open", &self.path))?;
        let mut chunk = Vec::new();
        while offset < self.bytes {
            let want = (self.bytes - offset).min(CHUNK_BYTES as u64);
            chunk.clear();
            file.seek(SeekFrom::Start(offset)).map_err(io("read", &self.path))?;
            (&mut file).take(want).read_to_end(&mut chunk).map_err(io("read", &self.path))?;
            let mut at = 0;
            while let Found::Entry(entry, length) = Entry::read(&chunk[at..]) {
                at += length;
                if !take(entry, offset + at as u64) {
                    return Ok(true);
                }
            }
            if at == 0 {
                return Ok(false);
            }
            offset += at as u64;
        }
        Ok(false)
    }
}
