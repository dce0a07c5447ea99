//! Commands as the store keeps them: with when they were written, so that an age goes on while the gateway is down.

use crate::clock::Clock;
use waygate_core::commands::{ENDED_KEPT, Record};
use waygate_core::limits::COMMANDS_ENDED_MAX;
use waygate_core::time::{BootMoment, Wall};
use waygate_store::{CommandRecord, Cursor, ReadError, Reader};
use waygate_wire::orders::{record_from_bytes, record_to_bytes};

/// Rows read at once at the start.
const LOAD_PAGE: u32 = 1024;

/// The row of a record.
pub fn row(clock: &Clock, record: &Record) -> CommandRecord {
    let (now, wall) = (clock.now(), clock.wall());
    CommandRecord {
        id: record.id.0,
        vehicle: record.vehicle.clone(),
        ended: record.is_ended(),
        expires: wall + record.expires().since(now),
        updated: wall,
        body: record_to_bytes(record, now, clock.machine()),
    }
}

/// The record of a row; `None`, and a line in the log, if it cannot be read. How long ago it was written is told by the clock
/// of the machine; where that cannot tell, as after it has started anew, by the wall clock, and then it is not younger than it
/// was at least.
pub fn record(clock: &Clock, row: &CommandRecord) -> Option<Record> {
    let by_wall = || {
        let since = clock.wall().0.saturating_sub(row.updated.0).max(0);
        clock.mono_of(Wall(clock.wall().0.saturating_sub(since)))
    };
    let then = |written: Option<BootMoment>| written.and_then(|at| clock.mono_at(at)).unwrap_or_else(by_wall);
    match record_from_bytes(&row.body, then) {
        Ok(record) => Some(record),
        Err(fault) => {
            tracing::error!(vehicle = %row.vehicle, %fault, "a stored command cannot be read");
            None
        }
    }
}

/// The commands that had not ended when the gateway did, and those that ended lately: a copy of another gateway that
/// lacks the vehicle's word must not take the place of one that has it.
pub async fn kept(clock: &Clock, reader: &Reader) -> Result<Vec<Record>, ReadError> {
    let ended = reader.commands_ended(clock.wall() - ENDED_KEPT, COMMANDS_ENDED_MAX as u32).await?;
    let mut records: Vec<Record> = ended.iter().filter_map(|row| record(clock, row)).collect();
    let mut after = None::<Cursor>;
    loop {
        let page = reader.commands_open(after, LOAD_PAGE).await?;
        records.extend(page.items.iter().filter_map(|row| record(clock, row)));
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(records),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BootMoment, CommandRecord, record, record_to_bytes, row};
    use crate::clock::Clock;
    use waygate_core::command::{CommandId, CommandName, Policy};
    use waygate_core::commands::{Progress, Record};
    use waygate_core::id::{NodeId, VehicleId};
    use waygate_core::time::{Millis, Wall};

    #[test]
    fn an_age_goes_on_while_the_gateway_is_down_and_never_gets_younger() {
        let clock = Clock::start();
        let there = Record {
            id: CommandId::new(clock.wall(), 7),
            vehicle: VehicleId::new("LUX-1").unwrap(),
            name: CommandName::new("lock").unwrap(),
            arguments: String::new(),
            policy: Policy::Queue,
            wake: true,
            taken: clock.now().before(Millis(5000)),
            ttl: Millis::secs(60),
            origin: NodeId::new("west-1").unwrap(),
            by: String::new(),
            request: None,
            keepers: Default::default(),
            attempting: false,
            cancel: false,
            wakes: 0,
            progress: Progress::Queued,
            end: None,
            steps: Vec::new(),
        };
        let stored = row(&clock, &there);
        let age = |clock: &Clock, stored: &CommandRecord| clock.now().since(record(clock, stored).unwrap().taken).0;
        assert!((5000..14_000).contains(&age(&clock, &stored)));
        // By the wall clock, where that is all there is: written ten seconds ago, and by a clock that was set back since.
        let written = |updated| CommandRecord {
            body: record_to_bytes(&there, clock.now(), None),
            updated: Wall(stored.updated.0 + updated),
            ..stored.clone()
        };
        assert!((15_000..24_000).contains(&age(&clock, &written(-10_000))));
        assert!((5000..14_000).contains(&age(&clock, &written(99_000_000))));
        // By the clock of the machine, whatever the other one says.
        if let Some(now) = clock.machine() {
            let since = now.at.0.min(10_000);
            let earlier = BootMoment { at: Millis(now.at.0 - since), ..now };
            let body = record_to_bytes(&there, clock.now(), Some(earlier));
            let age = age(&Clock::wrong_by(-3600), &CommandRecord { body, ..stored.clone() });
            assert!((5000 + since..14_000 + since).contains(&age), "{age}");
        }
    }
}
