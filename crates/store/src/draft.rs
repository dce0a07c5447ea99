//! A commit that is being put together: each write decided on in order, what is accepted laid into the row.

use crate::fences::Fences;
use crate::journal::{BatchEntry, Entry, RowBuilder};
use crate::ledger::Ledger;
use crate::write::{Batch, COMMAND_BODY_BYTES_MAX, CommandRecord, Outcome, PresenceRecord, Refusal, Write};
use std::collections::HashMap;
use std::fmt::Write as _;
use waygate_core::epoch::Epoch;
use waygate_core::id::{SpoolId, VehicleId};
use waygate_core::ranges::SeqRanges;
use waygate_core::time::Wall;

/// A commit that is put together and not written yet.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) row: RowBuilder,
    pub(crate) entries: Vec<(VehicleId, Entry)>,
    /// `[[number, "name"], …]` of vehicles that are written for the first time.
    pub(crate) named: String,
    pub(crate) outcomes: Vec<Outcome>,
}

/// What the decisions rest on, and what they change.
#[derive(Debug)]
pub(crate) struct Desk<'a> {
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) fences: &'a mut Fences,
    pub(crate) last_vehicle: &'a mut i64,
    /// Whose the commands are of which something is written, as far as they are known.
    pub(crate) commands: HashMap<u128, VehicleId>,
}

impl Desk<'_> {
    /// Decides on each write in order.
    pub(crate) fn draft(&mut self, writes: Vec<Write>) -> Draft {
        let outcomes = Vec::with_capacity(writes.len());
        let mut draft = Draft { row: RowBuilder::new(), entries: Vec::new(), named: String::new(), outcomes };
        for write in writes {
            let outcome = self.decide(write, &mut draft);
            draft.outcomes.push(outcome);
        }
        draft
    }

    fn decide(&mut self, write: Write, draft: &mut Draft) -> Outcome {
        match write {
            Write::Attach { presence, spool } => self.attach(presence, spool, draft),
            Write::Batch(batch) => self.batch(batch, draft),
            Write::Presence(record) => {
                if let Err(outcome) = self.ledger.entry(&record.vehicle).decide_presence(&record) {
                    return outcome;
                }
                self.presence(record, draft);
                Outcome::Done
            }
            Write::Forget { vehicle } => self.forget(vehicle, draft),
            Write::Fence { vehicle, epoch, spool } => {
                self.fences.raise(&vehicle, epoch);
                self.settled(&vehicle, spool)
            }
            Write::Settle { vehicle, spool, settled } => self.settle(vehicle, spool, &settled, draft),
            Write::Command(record) => self.command(record, draft),
            Write::Transition(record) => {
                let vehicle = self.number(&record.vehicle, draft);
                draft.row.transition(vehicle, &record);
                draft.entries.push((record.vehicle.clone(), Entry::Transition { vehicle, record }));
                Outcome::Done
            }
        }
    }

    fn attach(&mut self, record: PresenceRecord, spool: SpoolId, draft: &mut Draft) -> Outcome {
        let moved = self.fences.of(&record.vehicle);
        if let Err(outcome) = self.ledger.entry(&record.vehicle).decide_attach(&record, moved) {
            return outcome;
        }
        // From here on the epoch of this attach fences all that the other one did.
        self.fences.replace(&record.vehicle);
        let settled = self.settled(&record.vehicle, spool);
        self.presence(record, draft);
        settled
    }

    fn presence(&mut self, record: PresenceRecord, draft: &mut Draft) {
        let vehicle = self.number(&record.vehicle, draft);
        draft.row.presence(vehicle, &record);
        draft.entries.push((record.vehicle.clone(), Entry::Presence { vehicle, record }));
    }

    fn forget(&mut self, id: VehicleId, draft: &mut Draft) -> Outcome {
        let known = self.ledger.entry(&id);
        if let Some(vehicle) = known.number {
            known.fence = None;
            draft.row.forget(vehicle);
            draft.entries.push((id, Entry::Forget { vehicle }));
        }
        Outcome::Done
    }

    fn batch(&mut self, batch: Batch, draft: &mut Draft) -> Outcome {
        let moved = self.fences.of(&batch.vehicle);
        if let Err(outcome) = self.ledger.entry(&batch.vehicle).decide_batch(&batch, moved) {
            return outcome;
        }
        self.accept(batch, draft);
        Outcome::Stored
    }

    fn settle(&mut self, id: VehicleId, spool: SpoolId, settled: &SeqRanges, draft: &mut Draft) -> Outcome {
        let noted = self.ledger.entry(&id).settle(spool, settled);
        if !noted.is_empty() {
            self.accept(Batch::of_nothing(id.clone(), Epoch(0), spool, noted, Wall(0)), draft);
        }
        self.settled(&id, spool)
    }

    fn accept(&mut self, batch: Batch, draft: &mut Draft) {
        let vehicle = self.number(&batch.vehicle, draft);
        let sealed = draft.row.batch(vehicle, &batch);
        let entry = BatchEntry {
            vehicle,
            spool: batch.spool,
            settled: batch.settled,
            latest: batch.latest,
            signals: batch.latest_signals,
            sealed,
        };
        draft.entries.push((batch.vehicle, Entry::Batch(entry)));
    }

    fn command(&mut self, record: CommandRecord, draft: &mut Draft) -> Outcome {
        if record.body.len() > COMMAND_BODY_BYTES_MAX {
            return Outcome::Refused(Refusal::CommandTooLarge { bytes: record.body.len() });
        }
        if *self.commands.entry(record.id).or_insert_with(|| record.vehicle.clone()) != record.vehicle {
            return Outcome::Refused(Refusal::CommandOfAnother);
        }
        let vehicle = self.number(&record.vehicle, draft);
        draft.row.command(vehicle, &record);
        draft.entries.push((record.vehicle.clone(), Entry::Command { vehicle, record }));
        Outcome::Done
    }

    fn settled(&self, vehicle: &VehicleId, spool: SpoolId) -> Outcome {
        let state = self.ledger.known(vehicle).and_then(|known| known.spool(spool));
        Outcome::Attached { settled: state.map(|state| state.settled.clone()).unwrap_or_default() }
    }

    /// The number of the vehicle; a new one if something is written of it for the first time.
    fn number(&mut self, vehicle: &VehicleId, draft: &mut Draft) -> i64 {
        *self.ledger.entry(vehicle).number.get_or_insert_with(|| {
            *self.last_vehicle += 1;
            let separator = if draft.named.is_empty() { "" } else { "," };
            // Writing to a String cannot fail; the characters of an id need no escape.
            let _ = write!(draft.named, "{separator}[{},\"{vehicle}\"]", self.last_vehicle);
            *self.last_vehicle
        })
    }
}
