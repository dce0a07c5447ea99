//! What a gateway has promised: every record it acked, remembered beside the vehicle that sent it.
//!
//! Written by a vehicle's spool as records are given out and acked, read by the judge at the end. It never
//! asks a gateway anything.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use waygate_core::id::{SpoolId, VehicleId};
use waygate_core::ranges::SeqRanges;
use waygate_core::time::{Millis, Wall};

/// One life of a vehicle's spool.
#[derive(Clone, Debug, Default)]
struct SpoolLedger {
    settled: SeqRanges,
    rejected: SeqRanges,
    /// Device time of each record given out, as milliseconds after the ledger's origin; by sequence number from 1.
    t_ms: Vec<u32>,
}

/// Everything one vehicle was promised.
#[derive(Clone, Debug)]
pub struct VehicleLedger {
    vehicle: VehicleId,
    origin: Wall,
    latest: Wall,
    spools: BTreeMap<SpoolId, SpoolLedger>,
}

impl VehicleLedger {
    /// An empty ledger; no record is older than `origin`.
    pub fn new(vehicle: VehicleId, origin: Wall) -> Self {
        Self { vehicle, origin, latest: origin, spools: BTreeMap::new() }
    }

    /// Whose it is.
    pub fn vehicle(&self) -> &VehicleId {
        &self.vehicle
    }

    /// A record was given out; sequence numbers of a spool come one after the other, from 1.
    pub fn recorded(&mut self, spool: SpoolId, seq: u64, t: Wall) {
        self.latest = self.latest.max(t);
        let times = &mut self.spools.entry(spool).or_default().t_ms;
        if seq == times.len() as u64 + 1 {
            let after_ms = t.0.saturating_sub(self.origin.0);
            times.push(u32::try_from(after_ms.max(0)).unwrap_or(u32::MAX));
        }
    }

    /// Records were settled: stored, or refused for good. `settled` and `rejected` may repeat what is known.
    pub fn settled(&mut self, spool: SpoolId, settled: &SeqRanges, rejected: impl IntoIterator<Item = u64>) {
        let ledger = self.spools.entry(spool).or_default();
        ledger.settled.extend(settled);
        for seq in rejected {
            ledger.rejected.insert(seq, seq);
        }
    }

    /// From before the first record to after the last one, by the vehicle's clock.
    pub fn span(&self) -> (Wall, Wall) {
        (self.origin, self.latest + Millis(1))
    }

    /// How many records were acked as stored.
    pub fn acked(&self) -> u64 {
        self.spools.values().map(|s| s.settled.count().saturating_sub(s.rejected.count())).sum()
    }

    /// How many records were refused for good.
    pub fn rejected(&self) -> u64 {
        self.spools.values().map(|s| s.rejected.count()).sum()
    }

    /// How many records were given out.
    pub fn given_out(&self) -> u64 {
        self.spools.values().map(|s| s.t_ms.len() as u64).sum()
    }
}

/// What is wrong with a vehicle's history. Each of these is a promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Acked and not found.
    Lost {
        /// Which spool.
        spool: SpoolId,
        /// Which records.
        seqs: RangeInclusive<u64>,
    },
    /// Found more than once.
    Doubled {
        /// Which spool.
        spool: SpoolId,
        /// Which record.
        seq: u64,
    },
    /// Refused for good, and found all the same.
    StoredThoughRejected {
        /// Which spool.
        spool: SpoolId,
        /// Which record.
        seq: u64,
    },
    /// Found with a device time it was not sent with.
    Altered {
        /// Which spool.
        spool: SpoolId,
        /// Which record.
        seq: u64,
        /// The time it was sent with.
        sent: Wall,
        /// The time it was found with.
        found: Wall,
    },
    /// Found, and never sent.
    Invented {
        /// Which spool.
        spool: SpoolId,
        /// Which record.
        seq: u64,
    },
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lost { spool, seqs } if seqs.start() == seqs.end() => {
                write!(f, "record {} of spool {} was acked and is not there", seqs.start(), spool.0)
            }
            Self::Lost { spool, seqs } => {
                write!(
                    f,
                    "records {} to {} of spool {} were acked and are not there",
                    seqs.start(),
                    seqs.end(),
                    spool.0
                )
            }
            Self::Doubled { spool, seq } => write!(f, "record {seq} of spool {} is there more than once", spool.0),
            Self::StoredThoughRejected { spool, seq } => {
                write!(f, "record {seq} of spool {} was refused and is there", spool.0)
            }
            Self::Altered { spool, seq, sent, found } => {
                write!(
                    f,
                    "record {seq} of spool {} was sent with t={} and is there with t={}",
                    spool.0, sent.0, found.0
                )
            }
            Self::Invented { spool, seq } => write!(f, "record {seq} of spool {} was never sent and is there", spool.0),
        }
    }
}

/// Holds a vehicle's history against its ledger, record by record as they come.
#[derive(Debug)]
pub struct Audit<'a> {
    ledger: &'a VehicleLedger,
    seen: BTreeMap<SpoolId, SeqRanges>,
    /// There, but not once and as sent.
    spoiled: BTreeMap<SpoolId, SeqRanges>,
    broken: Vec<Broken>,
}

/// What an audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditOutcome {
    /// Acked records found exactly once.
    pub kept: u64,
    /// Records found whose ack did not reach the vehicle; they may be there.
    pub unacked: u64,
    /// Promises not kept.
    pub broken: Vec<Broken>,
}

impl<'a> Audit<'a> {
    /// Begins with nothing found.
    pub fn new(ledger: &'a VehicleLedger) -> Self {
        Self { ledger, seen: BTreeMap::new(), spoiled: BTreeMap::new(), broken: Vec::new() }
    }

    /// A record was found.
    pub fn found(&mut self, spool: SpoolId, seq: u64, t: Wall) {
        let seen = self.seen.entry(spool).or_default();
        if seen.contains(seq) {
            self.spoiled.entry(spool).or_default().insert(seq, seq);
            self.broken.push(Broken::Doubled { spool, seq });
            return;
        }
        seen.insert(seq, seq);
        let Some(known) = self.ledger.spools.get(&spool) else {
            self.broken.push(Broken::Invented { spool, seq });
            return;
        };
        match seq.checked_sub(1).and_then(|i| known.t_ms.get(usize::try_from(i).ok()?)) {
            None => self.broken.push(Broken::Invented { spool, seq }),
            Some(&after_ms) => {
                let sent = Wall(self.ledger.origin.0 + i64::from(after_ms));
                if sent != t {
                    self.spoiled.entry(spool).or_default().insert(seq, seq);
                    self.broken.push(Broken::Altered { spool, seq, sent, found: t });
                }
            }
        }
        if known.rejected.contains(seq) {
            self.broken.push(Broken::StoredThoughRejected { spool, seq });
        }
    }

    /// Nothing more was found.
    pub fn finish(mut self) -> AuditOutcome {
        let nothing = SeqRanges::new();
        let mut outcome = AuditOutcome::default();
        for (&spool, known) in &self.ledger.spools {
            let seen = self.seen.get(&spool).unwrap_or(&nothing);
            let spoiled = self.spoiled.get(&spool).unwrap_or(&nothing);
            let mut lost = SeqRanges::new();
            for seq in known.settled.iter().flatten().filter(|&seq| !known.rejected.contains(seq)) {
                if !seen.contains(seq) {
                    lost.insert(seq, seq);
                } else if !spoiled.contains(seq) {
                    outcome.kept += 1;
                }
            }
            outcome.unacked += seen.iter().flatten().filter(|&seq| !known.settled.contains(seq)).count() as u64;
            self.broken.extend(lost.iter().map(|seqs| Broken::Lost { spool, seqs }));
        }
        outcome.broken = self.broken;
        outcome
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
