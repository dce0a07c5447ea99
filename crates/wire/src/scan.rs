//! Counts what a protobuf frame holds before it is decoded, so that a small frame cannot ask for much memory.
//!
//! A repeated field of empty messages costs two bytes an entry on the wire and a hundred in memory.

use crate::error::{FieldFault, WireError, at_most};
use waygate_core::limits::{BATCH_RECORDS_MAX, SIGNALS_MAX, SPOOL_RANGES_MAX};

/// Why a frame is not decoded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is not protobuf.
    Unreadable,
    /// It holds too much.
    TooMany(FieldFault),
}

impl Refusal {
    pub(crate) fn into_wire_error(self, refers_to: &str) -> WireError {
        match self {
            Self::Unreadable => WireError::unreadable(refers_to, "it is not protobuf"),
            Self::TooMany(fault) => WireError::malformed(refers_to, fault),
        }
    }
}

impl From<FieldFault> for Refusal {
    fn from(fault: FieldFault) -> Self {
        Self::TooMany(fault)
    }
}

/// The fields of one message in their order on the wire: number and payload; a scalar's payload is its bytes.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, &'a [u8]), Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field().ok_or(Refusal::Unreadable);
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u64, &'a [u8])> {
        let (tag, _) = self.varint()?;
        let payload = match tag & 7 {
            0 => self.varint()?.1,
            1 => self.take(8)?,
            2 => {
                let (length, _) = self.varint()?;
                self.take(usize::try_from(length).ok()?)?
            }
            5 => self.take(4)?,
            // Groups are not used by this contract, nor by anything made in the last decade.
            _ => return None,
        };
        Some((tag >> 3, payload))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    fn varint(&mut self) -> Option<(u64, &'a [u8])> {
        let length = self.0.iter().take(10).position(|byte| byte & 0x80 == 0)? + 1;
        let bytes = self.take(length)?;
        let value = bytes.iter().rev().fold(0u64, |value, byte| (value << 7) | u64::from(byte & 0x7f));
        Some((value, bytes))
    }
}

/// Checks a whole uplink frame and gives the number of its message, `None` if there is none.
pub(crate) fn check_uplink(frame: &[u8]) -> Result<Option<u64>, Refusal> {
    let mut number = None;
    let (mut attach, mut telemetry) = (AttachCounts::default(), TelemetryCounts::default());
    for field in Fields(frame) {
        let (field, payload) = field?;
        // Parts of one message may come in several pieces, which protobuf merges: the counts go on.
        match field {
            1 => attach.add(payload)?,
            2 => telemetry.add(payload)?,
            _ => {}
        }
        number = Some(field);
    }
    Ok(number)
}

/// Checks an encoded Telemetry message.
pub(crate) fn check_telemetry(bytes: &[u8]) -> Result<(), Refusal> {
    TelemetryCounts::default().add(bytes)
}

#[derive(Default)]
struct AttachCounts {
    signals: usize,
    ranges: usize,
}

impl AttachCounts {
    fn add(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        for field in Fields(bytes) {
            match field? {
                (9, _) => self.signals += 1,
                (5, spool) => {
                    for field in Fields(spool) {
                        self.ranges += usize::from(field?.0 == 4);
                    }
                }
                _ => {}
            }
        }
        at_most("signals", self.signals, SIGNALS_MAX)?;
        Ok(at_most("spool.acked", self.ranges, SPOOL_RANGES_MAX)?)
    }
}

#[derive(Default)]
struct TelemetryCounts {
    signals: usize,
    cells: [usize; 7],
}

const COLUMN_NAMES: [&str; 7] = ["t_ms", "lat_e7", "lon_e7", "alt_cm", "speed_cms", "heading_cdeg", "hdop_centi"];

impl TelemetryCounts {
    fn add(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        for field in Fields(bytes) {
            match field? {
                (number @ 4..=10, column) => {
                    let at = number as usize - 4;
                    self.cells[at] += column_cells(column, 2)?;
                    at_most(COLUMN_NAMES[at], self.cells[at], BATCH_RECORDS_MAX)?;
                }
                (11, column) => {
                    self.signals += 1;
                    at_most("signals", self.signals, SIGNALS_MAX)?;
                    at_most("signals", signal_cells(column)?, BATCH_RECORDS_MAX)?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The larger of the numbers of rows and of values of a column.
fn column_cells(bytes: &[u8], values: u64) -> Result<usize, Refusal> {
    let (mut row_count, mut value_count) = (0, 0);
    for field in Fields(bytes) {
        match field? {
            (1, packed) => row_count += varints(packed),
            (number, packed) if number == values => value_count += varints(packed),
            _ => {}
        }
    }
    Ok(row_count.max(value_count))
}

fn signal_cells(bytes: &[u8]) -> Result<usize, Refusal> {
    let mut counts = [0usize; 8];
    for field in Fields(bytes) {
        match field? {
            (3, packed) => counts[3] += varints(packed),
            (kind @ 4..=7, values) => {
                for field in Fields(values) {
                    let (_, packed) = field?;
                    counts[kind as usize] += match kind {
                        4 => packed.len() / 8,
                        7 => 1,
                        _ => varints(packed),
                    };
                }
            }
            _ => {}
        }
    }
    Ok(counts.into_iter().max().unwrap_or(0))
}

/// How many varints a packed field holds: each ends with the one byte whose upper bit is clear.
fn varints(packed: &[u8]) -> usize {
    packed.iter().filter(|byte| *byte & 0x80 == 0).count()
}
