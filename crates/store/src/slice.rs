//! What a slice of the fold writes: for each table the rows as JSON, their bytes beside them.

use crate::bytes::put_ranges;
use crate::ledger::SpoolState;
use crate::recovery::FoldMark;
use crate::retention::{Aged, cuts_back};
use crate::signal::put_value;
use crate::tail::VehicleTail;
use crate::write::{CommandRecord, Latest, PresenceRecord, TransitionRecord};
use std::fmt::Write as _;
use waygate_core::id::{SpoolId, VehicleId};
use waygate_core::record::{SignalPath, SignalValue};
use waygate_core::time::Wall;

/// What one slice writes, table by table.
#[derive(Debug, Default)]
pub(crate) struct Slice {
    pub(crate) new_blocks: Rows,
    pub(crate) grown_blocks: Rows,
    pub(crate) closed_blocks: Rows,
    pub(crate) spools: Rows,
    pub(crate) presence: Rows,
    pub(crate) forgotten: Rows,
    pub(crate) latest: Rows,
    pub(crate) signals: Rows,
    pub(crate) commands: Rows,
    pub(crate) transitions: Rows,
    /// Vehicles of which there may be too many ended commands now.
    pub(crate) cut_commands: Rows,
    /// Vehicles of which there may be too many transitions now.
    pub(crate) cut_transitions: Rows,
    /// What goes because it is too old.
    pub(crate) aged: Aged,
    /// Commands and transitions in the slice.
    pub(crate) added: usize,
    /// Journal rows up to here are deleted.
    pub(crate) delete_through: i64,
    pub(crate) mark: FoldMark,
    /// Who is folded with it; to leave the frozen generation once the slice is on disk.
    pub(crate) vehicles: Vec<VehicleId>,
}

/// Rows of one table: their numbers as a JSON array of arrays, their bytes one after the other.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    json: String,
    pub(crate) pool: Vec<u8>,
}

impl Rows {
    pub(crate) fn push(&mut self, row: std::fmt::Arguments<'_>) {
        let separator = if self.json.is_empty() { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(self.json, "{separator}[{row}]");
    }

    pub(crate) fn json(&self) -> String {
        format!("[{}]", self.json)
    }
}

/// A number or null, in JSON.
struct Nullable<T>(Option<T>);

impl<T: std::fmt::Display> std::fmt::Display for Nullable<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            None => f.write_str("null"),
            Some(n) => n.fmt(f),
        }
    }
}

/// An unsigned number as the signed one that sorts the same, since SQLite has no other.
pub(crate) fn sorted(n: u64) -> i64 {
    (n ^ 1 << 63) as i64
}

/// What [`sorted`] was given.
pub(crate) fn unsorted(n: i64) -> u64 {
    n as u64 ^ 1 << 63
}

impl Slice {
    pub(crate) fn presence(&mut self, number: i64, record: &PresenceRecord) {
        self.presence.push(format_args!(
            "{number},{},{},{},{},{},{},{},{},{},{}",
            record.epoch.0 as i64,
            record.session.0 as i64,
            record.state,
            record.cause,
            Nullable(record.cell.map(|cell| cell.index() as i64)),
            record.contact.0,
            Nullable(record.spool.map(|spool| spool.0 as i64)),
            record.sleep.0 as i64,
            record.wake,
            record.flags,
        ));
    }

    pub(crate) fn latest(&mut self, number: i64, latest: &Latest) {
        let fix = &latest.fix;
        self.latest.push(format_args!(
            "{number},{},{},{},{},{},{},{}",
            latest.t.0,
            fix.position.lat_e7,
            fix.position.lon_e7,
            Nullable(fix.alt_cm),
            Nullable(fix.speed_cms),
            Nullable(fix.heading_cdeg),
            Nullable(fix.hdop_centi),
        ));
    }

    /// Returns the bytes of the value.
    pub(crate) fn signal(&mut self, number: i64, path: &SignalPath, t: Wall, value: &SignalValue) -> usize {
        let at = self.signals.pool.len();
        put_value(&mut self.signals.pool, value);
        let len = self.signals.pool.len() - at;
        self.signals.push(format_args!("{number},\"{}\",{},{at},{len}", path.as_str(), t.0));
        len
    }

    pub(crate) fn spool(&mut self, number: i64, spool: SpoolId, state: &SpoolState) {
        let at = self.spools.pool.len();
        put_ranges(&mut self.spools.pool, &state.settled);
        let len = self.spools.pool.len() - at;
        let open = state.open;
        self.spools.push(format_args!(
            "{number},{},{at},{len},{},{},{},{}",
            spool.0 as i64,
            Nullable(open.map(|block| block.id)),
            Nullable(open.map(|block| block.bytes)),
            Nullable(open.map(|block| block.t_min.0)),
            Nullable(open.map(|block| block.t_max.0)),
        ));
    }

    pub(crate) fn command(&mut self, number: i64, record: &CommandRecord) {
        let at = self.commands.pool.len();
        self.commands.pool.extend_from_slice(&record.body);
        let (ended, expires, updated) = (u8::from(record.ended), record.expires.0, record.updated.0);
        let (id, len) = (record.id, record.body.len());
        self.commands.push(format_args!("\"{id:032x}\",{number},{ended},{expires},{updated},{at},{len}"));
        self.added += 1;
    }

    pub(crate) fn transition(&mut self, number: i64, record: &TransitionRecord) {
        // The characters of ids need no escape in JSON.
        self.transitions.push(format_args!(
            "{number},{},\"{}\",{},{},\"{}\",{},{},{},{},{},{}",
            record.at.0,
            record.owner,
            sorted(record.incarnation.0),
            sorted(record.seq),
            record.region,
            record.epoch.0 as i64,
            record.session.0 as i64,
            record.state,
            record.cause,
            Nullable(record.cell.map(|cell| cell.index() as i64)),
            record.flags,
        ));
        self.added += 1;
    }

    /// Has deleted what is too much of a vehicle with these additions.
    pub(crate) fn cut_back(&mut self, number: i64, tail: &VehicleTail) {
        if tail.commands.values().any(|record| record.ended) {
            self.cut_commands.push(format_args!("{number}"));
        }
        if tail.transitions.iter().any(|record| cuts_back(number, record)) {
            self.cut_transitions.push(format_args!("{number}"));
        }
    }
}
