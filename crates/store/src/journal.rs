//! A journal row: everything one commit made durable, in the order it was decided.
//!
//! Each entry has a checksum of its own. What was decided is what is written: replaying rows in order
//! leads to the same state, and replaying one twice changes nothing, telemetry aside, which the fold keeps
//! track of.

use crate::bytes::{Bytes, put_i64, put_option, put_ranges, put_u64};
use crate::records::{put_command, put_presence, put_transition, take_command, take_presence, take_transition};
use crate::sealed::{self, Sealed};
use crate::signal::{put_value, take_value};
use crate::write::{Batch, CommandRecord, Latest, PresenceRecord, TransitionRecord};
use std::ops::Range;
use waygate_core::id::{SpoolId, VehicleId};
use waygate_core::ranges::SeqRanges;
use waygate_core::record::{Fix, Position, SignalPath, SignalValue};
use waygate_core::time::Wall;

/// One decided write, as replay sees it.
#[derive(Debug)]
pub(crate) enum Entry {
    Presence { vehicle: i64, record: PresenceRecord },
    Forget { vehicle: i64 },
    Batch(BatchEntry),
    Command { vehicle: i64, record: CommandRecord },
    Transition { vehicle: i64, record: TransitionRecord },
}

impl Entry {
    /// The number of the vehicle it is about.
    pub(crate) fn vehicle(&self) -> i64 {
        match self {
            Self::Presence { vehicle, .. }
            | Self::Forget { vehicle }
            | Self::Command { vehicle, .. }
            | Self::Transition { vehicle, .. } => *vehicle,
            Self::Batch(batch) => batch.vehicle,
        }
    }

    /// The spool it settles numbers of.
    pub(crate) fn spool(&self) -> Option<SpoolId> {
        match self {
            Self::Presence { .. } | Self::Forget { .. } | Self::Command { .. } | Self::Transition { .. } => None,
            Self::Batch(batch) => Some(batch.spool),
        }
    }
}

/// A batch without its columns; where the sealed bytes lie in the row.
#[derive(Debug)]
pub(crate) struct BatchEntry {
    pub(crate) vehicle: i64,
    pub(crate) spool: SpoolId,
    pub(crate) settled: SeqRanges,
    pub(crate) latest: Option<Latest>,
    pub(crate) signals: Vec<(SignalPath, Wall, SignalValue)>,
    pub(crate) sealed: Option<SealedAt>,
}

/// Where in a row a sealed batch lies, and what ordering it needs.
#[derive(Clone, Debug)]
pub(crate) struct SealedAt {
    pub(crate) range: Range<usize>,
    pub(crate) first_seq: u64,
    pub(crate) t_min: Wall,
    pub(crate) t_max: Wall,
    pub(crate) count: u32,
}

const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;
const PRESENCE: u8 = 1;
const FORGET: u8 = 2;
const BATCH: u8 = 3;
const COMMAND: u8 = 4;
const TRANSITION: u8 = 5;

/// Builds the body of a journal row.
#[derive(Debug)]
pub(crate) struct RowBuilder {
    body: Vec<u8>,
    entry: Vec<u8>,
}

impl RowBuilder {
    pub(crate) fn new() -> Self {
        Self { body: vec![VERSION], entry: Vec::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.body.len() == 1
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.body
    }

    pub(crate) fn presence(&mut self, vehicle: i64, record: &PresenceRecord) {
        self.entry.push(PRESENCE);
        put_i64(&mut self.entry, vehicle);
        put_presence(&mut self.entry, record);
        self.close();
    }

    pub(crate) fn forget(&mut self, vehicle: i64) {
        self.entry.push(FORGET);
        put_i64(&mut self.entry, vehicle);
        self.close();
    }

    pub(crate) fn command(&mut self, vehicle: i64, record: &CommandRecord) {
        self.entry.push(COMMAND);
        put_i64(&mut self.entry, vehicle);
        put_command(&mut self.entry, record);
        self.close();
    }

    pub(crate) fn transition(&mut self, vehicle: i64, record: &TransitionRecord) {
        self.entry.push(TRANSITION);
        put_i64(&mut self.entry, vehicle);
        put_transition(&mut self.entry, record);
        self.close();
    }

    /// Appends a batch and says where its sealed bytes lie.
    pub(crate) fn batch(&mut self, vehicle: i64, batch: &Batch) -> Option<SealedAt> {
        let entry = &mut self.entry;
        entry.push(BATCH);
        put_i64(entry, vehicle);
        put_u64(entry, batch.spool.0);
        put_ranges(entry, &batch.settled);
        put_latest(entry, batch.latest.as_ref());
        put_u64(entry, batch.latest_signals.len() as u64);
        for (path, t, value) in &batch.latest_signals {
            put_u64(entry, path.as_str().len() as u64);
            entry.extend_from_slice(path.as_str().as_bytes());
            put_i64(entry, t.0);
            put_value(entry, value);
        }
        let sealed = (batch.count > 0).then(|| {
            let from = entry.len();
            sealed::seal(entry, vehicle, batch);
            from..entry.len()
        });
        let at = self.close();
        sealed.map(|range| SealedAt {
            range: at + range.start..at + range.end,
            first_seq: batch.first_seq,
            t_min: batch.t_min,
            t_max: batch.t_max,
            count: batch.count,
        })
    }

    /// Moves the entry into the body, with its length and checksum; returns where its first byte lies.
    fn close(&mut self) -> usize {
        put_u64(&mut self.body, self.entry.len() as u64);
        let at = self.body.len();
        self.body.extend_from_slice(&self.entry);
        self.body.extend_from_slice(&crc32fast::hash(&self.entry).to_le_bytes());
        self.entry.clear();
        at
    }
}

/// The entries of a row that are intact, and how many are not.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) entries: Vec<Entry>,
    /// Entries whose checksum did not hold; all that follow one of unreadable length count as one.
    pub(crate) damaged: u32,
}

/// Reads a row. `name` gives the id of a vehicle by its number.
pub(crate) fn read_row(body: &[u8], name: impl Fn(i64) -> Option<VehicleId>) -> Row {
    let mut row = Row { entries: Vec::new(), damaged: 0 };
    let mut bytes = Bytes(body);
    if bytes.u8() != Some(VERSION) {
        row.damaged += 1;
        return row;
    }
    while !bytes.0.is_empty() {
        let framed = bytes.bytes().and_then(|e| bytes.take(CHECKSUM_BYTES).map(|sum| (e, sum)));
        let Some((entry, sum)) = framed else {
            row.damaged += 1;
            break;
        };
        let at = body.len() - bytes.0.len() - CHECKSUM_BYTES - entry.len();
        let intact = crc32fast::hash(entry).to_le_bytes() == sum;
        match intact.then(|| read_entry(entry, at, &name)).flatten() {
            Some(entry) => row.entries.push(entry),
            None => row.damaged += 1,
        }
    }
    row
}

fn read_entry(entry: &[u8], at: usize, name: impl Fn(i64) -> Option<VehicleId>) -> Option<Entry> {
    let mut bytes = Bytes(entry);
    match bytes.u8()? {
        PRESENCE => {
            let vehicle = bytes.i64()?;
            let record = take_presence(&mut bytes, name(vehicle)?)?;
            Some(Entry::Presence { vehicle, record })
        }
        FORGET => Some(Entry::Forget { vehicle: bytes.i64()? }),
        BATCH => read_batch(bytes, entry.len(), at).map(Entry::Batch),
        COMMAND => {
            let vehicle = bytes.i64()?;
            let record = take_command(&mut bytes, name(vehicle)?)?;
            Some(Entry::Command { vehicle, record })
        }
        TRANSITION => {
            let vehicle = bytes.i64()?;
            let record = take_transition(&mut bytes, name(vehicle)?)?;
            Some(Entry::Transition { vehicle, record })
        }
        _ => None,
    }
}

fn read_batch(mut bytes: Bytes<'_>, entry_len: usize, at: usize) -> Option<BatchEntry> {
    let vehicle = bytes.i64()?;
    let spool = SpoolId(bytes.u64()?);
    let settled = bytes.ranges()?;
    let latest = take_latest(&mut bytes)?;
    let mut signals = Vec::new();
    for _ in 0..bytes.u64()? {
        let path = SignalPath::new(std::str::from_utf8(bytes.bytes()?).ok()?)?;
        signals.push((path, Wall(bytes.i64()?), take_value(&mut bytes)?));
    }
    let sealed = if bytes.0.is_empty() {
        None
    } else {
        let range = at + entry_len - bytes.0.len()..at + entry_len;
        let Sealed { first_seq, t_min, t_max, count, .. } = sealed::unseal(&mut bytes, vehicle, spool).ok()?;
        Some(SealedAt { range, first_seq, t_min, t_max, count })
    };
    Some(BatchEntry { vehicle, spool, settled, latest, signals, sealed })
}

fn put_latest(out: &mut Vec<u8>, latest: Option<&Latest>) {
    let Some(Latest { t, fix }) = latest else {
        out.push(0);
        return;
    };
    out.push(1);
    put_i64(out, t.0);
    put_i64(out, i64::from(fix.position.lat_e7));
    put_i64(out, i64::from(fix.position.lon_e7));
    // Zig-zag by hand would lose nothing, but an option holds an unsigned number: the bits are kept.
    put_option(out, fix.alt_cm.map(|n| u64::from(n as u32)));
    put_option(out, fix.speed_cms.map(u64::from));
    put_option(out, fix.heading_cdeg.map(u64::from));
    put_option(out, fix.hdop_centi.map(u64::from));
}

fn take_latest(bytes: &mut Bytes<'_>) -> Option<Option<Latest>> {
    match bytes.u8()? {
        0 => return Some(None),
        1 => {}
        _ => return None,
    }
    let t = Wall(bytes.i64()?);
    let position = Position { lat_e7: i32::try_from(bytes.i64()?).ok()?, lon_e7: i32::try_from(bytes.i64()?).ok()? };
    let fix = Fix {
        position,
        alt_cm: take_narrow::<u32>(bytes)?.map(|n| n as i32),
        speed_cms: take_narrow(bytes)?,
        heading_cdeg: take_narrow(bytes)?,
        hdop_centi: take_narrow(bytes)?,
    };
    Some(Some(Latest { t, fix }))
}

fn take_narrow<T: TryFrom<u64>>(bytes: &mut Bytes<'_>) -> Option<Option<T>> {
    match bytes.option()? {
        None => Some(None),
        Some(n) => T::try_from(n).ok().map(Some),
    }
}

/// The numbers of the vehicles a row speaks of; what is damaged is left out.
pub(crate) fn vehicles_of(body: &[u8]) -> Vec<i64> {
    let mut bytes = Bytes(body.get(1..).unwrap_or_default());
    let mut numbers = Vec::new();
    while let Some(entry) = bytes.bytes() {
        numbers.extend(Bytes(entry.get(1..).unwrap_or_default()).i64());
        if bytes.take(CHECKSUM_BYTES).is_none() {
            break;
        }
    }
    numbers
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
