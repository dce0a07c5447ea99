//! The telemetry of one session: what is new, what was stored before, what is refused, and what may be acked.
//!
//! A record is acked only after [`Event::Persisted`] said that it is on disk, or once it was refused for good.
//! Refusals are made durable too, so that a resumed session does not ask for them again. The machine belongs
//! to the connection. What another gateway has stored is acked once it is noted in this one's store, which is the last
//! word on what is settled, whatever older sockets still had under way.

use crate::cause::RecordFault;
use crate::epoch::Epoch;
use crate::id::{SpoolId, VehicleId};
use crate::limits;
use crate::message::TelemetryAck;
use crate::ranges::SeqRanges;
use crate::record::{Fix, Record, SignalValue, Telemetry};
use crate::session::Accepted;
use crate::time::{Millis, Wall};
use std::collections::BTreeMap;

/// Names one write of this session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A Telemetry message came.
    Received {
        /// What it says.
        telemetry: Telemetry,
        /// How long it was on the wire.
        wire_bytes: usize,
        /// The gateway's clock.
        wall: Wall,
    },
    /// A write is on disk.
    Persisted(Ticket),
    /// Part of a write was settled before; none of it was written now.
    Overlapped(Ticket, SeqRanges),
    /// A write could not be made durable. It is not acked and not tried again: the vehicle still has it.
    PersistFailed(Ticket),
    /// Gateways that served the vehicle before have these of the spool on disk, and this one has noted it on its own.
    SettledElsewhere(SeqRanges),
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Make this durable, and say so with an event that names the ticket.
    Persist(Ticket, Write),
    /// The session has to end: what it sent is not known to be safe, and the vehicle is to send it again.
    Abandon,
}

/// One write: records in an unbroken run of sequence numbers, and what is settled with them.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// Whose.
    pub vehicle: VehicleId,
    /// Fences the write against a newer session.
    pub epoch: Epoch,
    /// Which spool.
    pub spool: SpoolId,
    /// The runs to be stored, without what was refused.
    pub runs: Vec<Telemetry>,
    /// Stored and refused sequence numbers.
    pub settled: SeqRanges,
    /// When it came.
    pub received: Wall,
}

/// What the vehicle sent was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Sequence numbers count from 1.
    #[error("first_seq must be at least 1")]
    SeqZero,
    /// The last sequence number would overflow.
    #[error("first_seq is too high")]
    SeqTooHigh,
    /// More holes than are kept track of.
    #[error("more than {max} holes in the sequence: fill the oldest first", max = limits::SPOOL_RANGES_MAX)]
    TooManyGaps,
}

#[derive(Clone, Debug, PartialEq)]
struct Pending {
    telemetry: Telemetry,
    write: SeqRanges,
    wire_bytes: u32,
    wall: Wall,
}

/// One session's telemetry.
#[derive(Clone, Debug, PartialEq)]
pub struct Ingest {
    vehicle: VehicleId,
    epoch: Epoch,
    spool: SpoolId,
    oldest: u64,
    /// Settled here, for certain.
    settled: SeqRanges,
    /// Settled here, or elsewhere as the vehicle says.
    covered: SeqRanges,
    pending: BTreeMap<Ticket, Pending>,
    next_ticket: u64,
    records_pending: u32,
    bytes_pending: u32,
    rejected: Vec<(u64, RecordFault)>,
    ack_due: bool,
    abandoned: bool,
}

/// Counts of what became of records, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Taken to be stored.
    pub fresh: u32,
    /// Settled before, or under way.
    pub repeated: u32,
    /// Refused for good.
    pub refused: u32,
}

impl Ingest {
    /// The telemetry of a session that was just accepted.
    pub fn new(accepted: &Accepted) -> Self {
        let mut covered = accepted.settled.clone();
        covered.extend(&accepted.spool.acked);
        Self {
            vehicle: accepted.vehicle.clone(),
            epoch: accepted.epoch,
            spool: accepted.spool.id,
            oldest: accepted.spool.oldest.max(1),
            settled: accepted.settled.clone(),
            covered,
            pending: BTreeMap::new(),
            next_ticket: 1,
            records_pending: 0,
            bytes_pending: 0,
            rejected: Vec::new(),
            ack_due: false,
            abandoned: false,
        }
    }

    /// Lowest sequence number that is not known to be settled.
    pub fn resume_from(&self) -> u64 {
        self.covered.through(self.oldest).saturating_add(1)
    }

    /// Whether the window has room: only then is the next message read.
    pub fn ready(&self) -> bool {
        self.records_pending < limits::WINDOW_RECORDS_MAX && self.bytes_pending < limits::WINDOW_BYTES_MAX
    }

    /// Whether a write is under way.
    pub fn busy(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The machine. A refusal concerns the whole message; nothing of it was taken.
    pub fn apply(&mut self, event: Event, out: &mut Vec<Action>) -> Result<Tally, Refusal> {
        match event {
            Event::Received { telemetry, wire_bytes, wall } => return self.receive(telemetry, wire_bytes, wall, out),
            Event::Persisted(ticket) => {
                if let Some(pending) = self.release(ticket) {
                    self.settled.extend(&pending.write);
                    self.covered.extend(&pending.write);
                    self.ack_due = true;
                }
            }
            Event::Overlapped(ticket, settled) => {
                self.settled.extend(&settled);
                self.covered.extend(&settled);
                self.ack_due = true;
                if let Some(pending) = self.release(ticket) {
                    self.forget_refusals(&pending);
                    self.receive(pending.telemetry, pending.wire_bytes as usize, pending.wall, out)?;
                }
            }
            Event::SettledElsewhere(settled) => {
                // Of what lies before its oldest, and of what it knows to be acked, the vehicle need not be told.
                let news = settled.without(&self.covered).iter().any(|range| *range.end() >= self.oldest);
                self.ack_due |= news;
                self.settled.extend(&settled);
                self.covered.extend(&settled);
            }
            Event::PersistFailed(ticket) => {
                if let Some(pending) = self.release(ticket) {
                    self.forget_refusals(&pending);
                    if !std::mem::replace(&mut self.abandoned, true) {
                        out.push(Action::Abandon);
                    }
                }
            }
        }
        Ok(Tally::default())
    }

    /// The ack that is due, if any: cumulative, so one stands for all that were persisted since the last.
    pub fn ack(&mut self) -> Option<TelemetryAck> {
        if !std::mem::take(&mut self.ack_due) {
            return None;
        }
        let through = self.covered.through(self.oldest);
        let beyond = self.settled.iter().filter(|range| *range.end() > through);
        let ranges = beyond.map(|range| ((*range.start()).max(through + 1), *range.end())).collect();
        // A refusal is told once it is durable. Until its own write is answered, the number may have been settled otherwise.
        let under_way = |seq| self.pending.values().any(|pending| pending.write.contains(seq));
        let durable = |seq| self.settled.contains(seq) && !under_way(seq);
        let (told, kept) = self.rejected.drain(..).partition(|(seq, _)| durable(*seq));
        self.rejected = kept;
        Some(TelemetryAck { spool: self.spool, through, ranges, rejected: told })
    }

    fn receive(
        &mut self,
        telemetry: Telemetry,
        wire_bytes: usize,
        wall: Wall,
        out: &mut Vec<Action>,
    ) -> Result<Tally, Refusal> {
        let (first, last) = (telemetry.first_seq, telemetry.last_seq());
        if first == 0 {
            return Err(Refusal::SeqZero);
        }
        // The number after the last one must exist too: it is where the next message begins.
        if first.checked_add(telemetry.records.len() as u64).is_none() {
            return Err(Refusal::SeqTooHigh);
        }
        if self.settled.len() + self.pending.len() >= limits::SPOOL_RANGES_MAX && !self.closes_gap(first, last) {
            return Err(Refusal::TooManyGaps);
        }
        let mut tally = Tally::default();
        let mut write = SeqRanges::new();
        let mut runs: Vec<Telemetry> = Vec::new();
        for (record, seq) in telemetry.records.iter().zip(first..) {
            if self.settled.contains(seq) {
                tally.repeated += 1;
                self.ack_due = true;
            } else if self.pending.values().any(|pending| pending.write.contains(seq)) {
                tally.repeated += 1;
            } else if let Some(fault) = fault(record, wall) {
                tally.refused += 1;
                write.insert(seq, seq);
                self.rejected.push((seq, fault));
            } else {
                tally.fresh += 1;
                write.insert(seq, seq);
                match runs.last_mut().filter(|run| run.last_seq() + 1 == seq) {
                    Some(run) => run.records.push(record.clone()),
                    None => {
                        runs.push(Telemetry { first_seq: seq, lane: telemetry.lane, records: vec![record.clone()] });
                    }
                }
            }
        }
        if !write.is_empty() {
            self.persist(telemetry, write, runs, wire_bytes, wall, out);
        }
        Ok(tally)
    }

    fn persist(
        &mut self,
        telemetry: Telemetry,
        write: SeqRanges,
        runs: Vec<Telemetry>,
        wire_bytes: usize,
        wall: Wall,
        out: &mut Vec<Action>,
    ) {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let wire_bytes = u32::try_from(wire_bytes).unwrap_or(u32::MAX);
        self.records_pending = self.records_pending.saturating_add(telemetry.records.len() as u32);
        self.bytes_pending = self.bytes_pending.saturating_add(wire_bytes);
        let request = Write {
            vehicle: self.vehicle.clone(),
            epoch: self.epoch,
            spool: self.spool,
            runs,
            settled: write.clone(),
            received: wall,
        };
        self.pending.insert(ticket, Pending { telemetry, write, wire_bytes, wall });
        out.push(Action::Persist(ticket, request));
    }

    fn release(&mut self, ticket: Ticket) -> Option<Pending> {
        let pending = self.pending.remove(&ticket)?;
        self.records_pending = self.records_pending.saturating_sub(pending.telemetry.records.len() as u32);
        self.bytes_pending = self.bytes_pending.saturating_sub(pending.wire_bytes);
        Some(pending)
    }

    /// What was refused in a write that did not happen: it may be settled otherwise, and is judged anew if it comes again.
    fn forget_refusals(&mut self, pending: &Pending) {
        self.rejected.retain(|(seq, _)| !pending.write.contains(*seq));
    }

    fn closes_gap(&self, first: u64, last: u64) -> bool {
        self.settled.overlaps(first - 1, last.saturating_add(1))
    }
}

/// How long before the gateway's clock a record may lie.
const AGE_MAX: Millis = Millis(limits::RECORD_AGE_MS_MAX);
/// How far ahead of it.
const AHEAD_MAX: Millis = Millis(limits::RECORD_AHEAD_MS_MAX);

/// Why a record is refused for good, if it is.
fn fault(record: &Record, wall: Wall) -> Option<RecordFault> {
    if record.t > wall + AHEAD_MAX {
        return Some(RecordFault::TimeInFuture);
    }
    if record.t < wall - AGE_MAX {
        return Some(RecordFault::TimeBeforeRetention);
    }
    if let Some(fault) = record.fix.as_ref().and_then(fix_fault) {
        return Some(fault);
    }
    let bad = |value: &SignalValue| match value {
        SignalValue::Number(number) => !number.is_finite(),
        SignalValue::Text(text) => text.len() > limits::SIGNAL_TEXT_BYTES_MAX,
        SignalValue::Integer(_) | SignalValue::Flag(_) => false,
    };
    let too_many = record.signals.len() > limits::RECORD_SIGNALS_MAX;
    (too_many || record.signals.iter().any(|(_, value)| bad(value))).then_some(RecordFault::BadSignal)
}

fn fix_fault(fix: &Fix) -> Option<RecordFault> {
    if !fix.position.on_globe() {
        Some(RecordFault::PositionOutsideGlobe)
    } else if fix.heading_cdeg.is_some_and(|heading| heading >= 36_000) {
        Some(RecordFault::BadHeading)
    } else if fix.speed_cms.is_some_and(|speed| speed > limits::SPEED_CMS_MAX) {
        Some(RecordFault::BadSpeed)
    } else {
        None
    }
}

#[cfg(test)]
#[path = "ingest_tests.rs"]
mod tests;
