//! A spool on disk: append-only files with a checksum an entry.
//!
//! What survives a reboot: the spool's id, the numbers given out, the records, what was acked, the last token, the
//! commands that were given. A torn
//! end is cut off; since it may have held numbers that a gateway has seen, as many as could have been in it are left out.
//! Blocking: meant for one unit with a disk of its own.

use super::entry::{Entry, RECORD_ENTRY_BYTES_MIN, State};
use super::segment::{Scan, Segment, io, sync_dir};
use super::{Appended, RECORD_BYTES_MAX, Reading, Spool, SpoolError, Token, message_bytes, remember};
use std::collections::VecDeque;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use waygate_core::cause::RecordFault;
use waygate_core::command::CommandId;
use waygate_core::id::SpoolId;
use waygate_core::ranges::SeqRanges;
use waygate_core::record::Record;
use waygate_core::time::{Millis, Wall};

/// When what was appended is made safe. It always is before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// At each record: a power cut loses none.
    EveryRecord,
    /// At the first record after so long: a power cut loses at most what came since.
    Within(Duration),
}

/// The bounds of a disk spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpoolConfig {
    /// Bytes on disk; beyond it the oldest file is given up. About 60 bytes a record without signals.
    pub bytes_max: u64,
    /// A record older than this is given up, once all in its file are.
    pub age_max: Millis,
    /// When what was appended is made safe.
    pub sync: SyncPolicy,
}

impl Default for DiskSpoolConfig {
    fn default() -> Self {
        Self {
            bytes_max: 64 * 1024 * 1024,
            age_max: Millis::secs(14 * 24 * 3600),
            sync: SyncPolicy::Within(Duration::from_secs(1)),
        }
    }
}

/// The spool is kept in so many files: the oldest of them is what is given up when it is full.
const SEGMENTS: u64 = 16;
/// No file is begun before the last one has this length, unless the spool's bound is tiny.
const SEGMENT_BYTES_MIN: u64 = 4096;
/// A file does not grow beyond this, so that acked records are let go of.
const SEGMENT_BYTES_MAX: u64 = 1024 * 1024;

/// What was found when a spool was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Whether a spool was there.
    pub found: bool,
    /// Records that wait to be sent.
    pub unsettled: u64,
    /// Bytes at the ends of files that were no entries any more.
    pub damaged_bytes: u64,
    /// Numbers whose records are lost, or that are left out because they may have been in the damaged bytes.
    pub left_out: u64,
}

/// Where a reader left off.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    index: u64,
    seq: u64,
    offset: u64,
}

/// Records on disk.
#[derive(Debug)]
pub struct DiskSpool {
    dir: PathBuf,
    config: DiskSpoolConfig,
    /// Held as long as the spool is open.
    _lock: File,
    state: State,
    /// Files before the last one.
    sealed: VecDeque<Segment>,
    /// The file that grows.
    tail: Segment,
    file: File,
    synced: Instant,
    unsynced: bool,
    broken: bool,
    cursor: Option<Cursor>,
}

impl DiskSpool {
    /// Opens the spool in `dir`, or begins one there with the id `fresh`, which must be random.
    pub fn open(dir: &Path, config: DiskSpoolConfig, fresh: SpoolId) -> Result<(Self, Recovery), SpoolError> {
        std::fs::create_dir_all(dir).map_err(io("create", dir))?;
        let lock = lock(dir)?;
        let mut recovery = Recovery::default();
        let mut state: Option<State> = None;
        let mut present = SeqRanges::new();
        let mut sealed = VecDeque::new();
        let files = Segment::list(dir)?;
        let next_index = files.last().map_or(1, |(index, _)| index + 1);
        for (index, path) in files {
            let scan = Segment::scan(index, path)?;
            replay(&scan, &mut state, &mut present)?;
            if scan.damaged > 0 {
                recovery.damaged_bytes += scan.damaged;
                cut_end(&scan)?;
            }
            // A later file knows what was really given out; behind the last one there may have been so many.
            if let Some(state) = state.as_mut().filter(|_| index + 1 == next_index) {
                state.last += scan.damaged / RECORD_ENTRY_BYTES_MIN;
            }
            sealed.push_back(scan.segment);
        }
        recovery.found = state.is_some();
        let mut state = state.unwrap_or_else(|| State::new(fresh));
        recovery.left_out += leave_out_missing(&mut state, &present);
        recovery.unsettled = state.last - state.settled.count();
        let (tail, file) = Segment::create(dir, next_index, &Entry::State(state.clone()))?;
        let mut spool = Self {
            dir: dir.to_owned(),
            config,
            _lock: lock,
            state,
            sealed,
            tail,
            file,
            synced: Instant::now(),
            unsynced: false,
            broken: false,
            cursor: None,
        };
        spool.release()?;
        Ok((spool, recovery))
    }

    fn segment_bytes(&self) -> u64 {
        (self.config.bytes_max / SEGMENTS).clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX)
    }

    fn bytes(&self) -> u64 {
        self.sealed.iter().map(|segment| segment.bytes).sum::<u64>() + self.tail.bytes
    }

    fn write(&mut self, entry: &Entry) -> Result<(), SpoolError> {
        if self.broken {
            return Err(SpoolError::Broken);
        }
        let mut bytes = Vec::with_capacity(128);
        entry.write(&mut bytes);
        if let Err(error) = self.file.write_all(&bytes) {
            // How much of it is in the file is not known.
            self.broken = true;
            return Err(io("write to", &self.tail.path)(error));
        }
        self.tail.bytes += bytes.len() as u64;
        self.tail.note(entry);
        self.unsynced = true;
        Ok(())
    }

    /// Begins a new file once the last one is long enough.
    fn roll(&mut self) -> Result<(), SpoolError> {
        if self.tail.bytes < self.segment_bytes() {
            return Ok(());
        }
        self.sync()?;
        let created = Segment::create(&self.dir, self.tail.index + 1, &Entry::State(self.state.clone()));
        let (tail, file) = created.inspect_err(|_| self.broken = true)?;
        self.sealed.push_back(std::mem::replace(&mut self.tail, tail));
        self.file = file;
        self.release()
    }

    /// Removes files of which no record is needed. What else they say, the first entry of a later file says too.
    fn release(&mut self) -> Result<(), SpoolError> {
        let settled = |state: &State, segment: &Segment| {
            segment.seqs.is_none_or(|(first, last)| state.settled.through(first) >= last)
        };
        if !self.sealed.iter().any(|segment| settled(&self.state, segment)) {
            return Ok(());
        }
        // That they are settled must be safe before they are gone.
        self.sync()?;
        for segment in std::mem::take(&mut self.sealed) {
            if settled(&self.state, &segment) {
                std::fs::remove_file(&segment.path).map_err(io("remove", &segment.path))?;
            } else {
                self.sealed.push_back(segment);
            }
        }
        sync_dir(&self.dir)
    }

    /// Gives up the oldest file while the spool is too large or too old. Returns the unsettled numbers in it.
    fn make_room(&mut self, now: Wall) -> Result<SeqRanges, SpoolError> {
        let mut dropped = SeqRanges::new();
        loop {
            let full = self.bytes() > self.config.bytes_max;
            let too_old = |segment: &Segment| segment.newest.is_some_and(|t| t + self.config.age_max < now);
            let oldest = self.sealed.front().filter(|segment| full || too_old(segment));
            let Some((first, last)) = oldest.map(|segment| segment.seqs.unwrap_or((1, 0))) else {
                return Ok(dropped);
            };
            for seq in (first..=last).filter(|seq| !self.state.settled.contains(*seq)) {
                dropped.insert(seq, seq);
            }
            self.state.settled.insert(first, last);
            self.write(&Entry::Settled([(first, last)].into_iter().collect()))?;
            self.release()?;
        }
    }
}

fn lock(dir: &Path) -> Result<File, SpoolError> {
    let path = dir.join("lock");
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(io("open", &path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(SpoolError::InUse(dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(io("lock", &path)(error)),
    }
}

/// Takes over what a file says.
fn replay(scan: &Scan, state: &mut Option<State>, present: &mut SeqRanges) -> Result<(), SpoolError> {
    for entry in &scan.entries {
        match (entry, state.as_mut()) {
            (Entry::State(found), Some(known)) if known.id == found.id => {
                known.last = known.last.max(found.last);
                known.settled.extend(&found.settled);
                known.token.clone_from(&found.token);
                known.commands.clone_from(&found.commands);
            }
            (Entry::State(_), Some(_)) => return Err(SpoolError::Mixed(scan.segment.path.clone())),
            (Entry::State(found), None) => *state = Some(found.clone()),
            (Entry::Record { seq, .. }, Some(known)) => {
                known.last = known.last.max(*seq);
                present.insert(*seq, *seq);
            }
            (Entry::Settled(settled), Some(known)) => known.settled.extend(settled),
            (Entry::Token(token), Some(known)) => known.token.clone_from(token),
            (Entry::Command(id), Some(known)) => remember(&mut known.commands, *id),
            (Entry::Record { .. } | Entry::Settled(_) | Entry::Token(_) | Entry::Command(_), None) => {}
        }
    }
    Ok(())
}

/// Cuts off the damaged end of a file.
fn cut_end(scan: &Scan) -> Result<(), SpoolError> {
    let path = &scan.segment.path;
    tracing::warn!(
        file = %path.display(),
        offset = scan.segment.bytes,
        bytes = scan.damaged,
        "the end of a spool file is damaged, as after a power cut: cut off"
    );
    let file = OpenOptions::new().write(true).open(path).map_err(io("open", path))?;
    file.set_len(scan.segment.bytes).and_then(|()| file.sync_all()).map_err(io("cut the damaged end off", path))
}

/// Numbers that are neither settled nor there are settled: no record will ever have them. Returns how many.
fn leave_out_missing(state: &mut State, present: &SeqRanges) -> u64 {
    let mut known = state.settled.clone();
    known.extend(present);
    let before = known.count();
    let (mut from, last) = (1, state.last);
    for range in known.iter().map(|r| (*r.start(), *r.end())).chain([(last + 1, last + 1)]) {
        state.settled.insert(from, (range.0 - 1).min(last));
        from = range.1 + 1;
    }
    last.saturating_sub(before)
}

impl Spool for DiskSpool {
    fn id(&self) -> SpoolId {
        self.state.id
    }

    fn last(&self) -> u64 {
        self.state.last
    }

    fn settled(&self) -> &SeqRanges {
        &self.state.settled
    }

    fn token(&self) -> Option<&Token> {
        self.state.token.as_ref()
    }

    fn commands(&self) -> Vec<CommandId> {
        self.state.commands.iter().copied().collect()
    }

    fn append(&mut self, now: Wall, record: &Record) -> Result<Appended, SpoolError> {
        let bytes = message_bytes(record);
        if bytes > RECORD_BYTES_MAX {
            return Err(SpoolError::RecordTooLong { bytes });
        }
        self.roll()?;
        let seq = self.state.last + 1;
        self.write(&Entry::Record { seq, added: now, record: record.clone() })?;
        self.state.last = seq;
        let dropped = self.make_room(now)?;
        match self.config.sync {
            SyncPolicy::EveryRecord => self.sync()?,
            SyncPolicy::Within(span) if self.synced.elapsed() >= span => self.sync()?,
            SyncPolicy::Within(_) => {}
        }
        Ok(Appended { seq, dropped })
    }

    fn sync(&mut self) -> Result<(), SpoolError> {
        if self.broken {
            return Err(SpoolError::Broken);
        }
        if self.unsynced {
            // After a failed sync the bytes may be gone though a second one succeeds.
            self.file.sync_data().inspect_err(|_| self.broken = true).map_err(io("sync", &self.tail.path))?;
            self.unsynced = false;
        }
        self.synced = Instant::now();
        Ok(())
    }

    fn read(&mut self, first: u64, last: u64, bytes_max: usize) -> Result<Reading, SpoolError> {
        let mut reading = Reading::default();
        let Some(segment) = self.sealed.iter().chain([&self.tail]).find(|segment| segment.spans(first)).cloned() else {
            reading.lost.insert(first, first);
            self.settle(&reading.lost, &[])?;
            return Ok(reading);
        };
        let cursor = self.cursor.filter(|cursor| cursor.index == segment.index && cursor.seq == first);
        let (mut next, mut bytes, mut behind) = (first, 0, 0);
        let mut found_later = None;
        segment.walk(cursor.map_or(0, |cursor| cursor.offset), |entry, offset| {
            if let Entry::Record { seq, record, .. } = entry {
                if seq > next {
                    found_later = Some(seq);
                    return false;
                }
                if seq == next {
                    bytes += message_bytes(&record);
                    if bytes > bytes_max && !reading.records.is_empty() {
                        return false;
                    }
                    reading.records.push(record);
                    next += 1;
                    behind = offset;
                }
            }
            next <= last
        })?;
        if reading.records.is_empty() {
            // The disk lost it since it was written: what follows it in this file up to the next good entry is lost.
            let end = found_later.map_or(segment.seqs.map_or(first, |(_, last)| last), |seq| seq - 1);
            reading.lost.insert(first, end);
            self.settle(&reading.lost, &[])?;
        } else {
            self.cursor = Some(Cursor { index: segment.index, seq: next, offset: behind });
        }
        Ok(reading)
    }

    fn settle(&mut self, seqs: &SeqRanges, _rejected: &[(u64, RecordFault)]) -> Result<(), SpoolError> {
        if seqs.is_empty() {
            return Ok(());
        }
        // Not synced: should it be lost, the records are sent again and found to be there already.
        self.write(&Entry::Settled(seqs.clone()))?;
        self.state.settled.extend(seqs);
        self.release()
    }

    fn keep_token(&mut self, token: Option<Token>) -> Result<(), SpoolError> {
        self.write(&Entry::Token(token.clone()))?;
        self.state.token = token;
        self.sync()
    }

    fn remember_command(&mut self, id: CommandId) -> Result<(), SpoolError> {
        self.roll()?;
        self.write(&Entry::Command(id))?;
        remember(&mut self.state.commands, id);
        self.sync()
    }
}
