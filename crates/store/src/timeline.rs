//! Reads the timeline of a vehicle: its transitions, folded or not, newest first.

use crate::reader::{ReadError, Reader};
use crate::slice::{sorted, unsorted};
use crate::tail::TransitionId;
use crate::write::{TimelineKey, TransitionRecord};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use waygate_core::cell::Cell;
use waygate_core::epoch::Epoch;
use waygate_core::id::{Incarnation, NodeId, RegionId, SessionId, VehicleId};
use waygate_core::time::Wall;

/// Greater than any id: a character that none has.
const AFTER_ALL: &str = "~";

impl Reader {
    /// The transitions of a vehicle before a point of its timeline, or from the newest on; newest first, at most
    /// `limit`. To go on, pass the [`key`](TransitionRecord::key) of the last one.
    pub async fn timeline(
        &self,
        vehicle: &VehicleId,
        before: Option<TimelineKey>,
        limit: u32,
    ) -> Result<Vec<TransitionRecord>, ReadError> {
        let mut found = self.unfolded_transitions(vehicle);
        if !found.is_empty() {
            // Of two with the same identity the one in the tables came first, wherever in the timeline it stands.
            self.drop_folded(vehicle, &mut found).await?;
        }
        if let Some(before) = &before {
            found.retain(|_, record| record.key() < *before);
        }
        let (at, owner, incarnation, seq) = match &before {
            Some((at, owner, incarnation, seq)) => (at.0, owner.as_str(), sorted(incarnation.0), sorted(*seq)),
            None => (i64::MAX, AFTER_ALL, i64::MAX, i64::MAX),
        };
        let sql = "SELECT at, owner, incarnation, seq, region, epoch, session, state, cause, cell, flags \
                   FROM vehicle v JOIN transition t ON t.vehicle = v.id \
                   WHERE v.name = ?1 AND (at, owner, incarnation, seq) < (?2, ?3, ?4, ?5) \
                   ORDER BY at DESC, owner DESC, incarnation DESC, seq DESC LIMIT ?6";
        let query = sqlx::query(sql).bind(vehicle.as_str()).bind(at).bind(owner).bind(incarnation).bind(seq);
        for row in query.bind(limit).fetch_all(&self.pool).await.map_err(|e| self.failed(e))? {
            let record = read_transition(&row, vehicle).map_err(|e| self.failed(e))?;
            found.insert(identity(&record), record);
        }
        let mut found: Vec<TransitionRecord> = found.into_values().collect();
        found.sort_by_cached_key(|record| Reverse(record.key()));
        found.truncate(limit as usize);
        Ok(found)
    }

    /// The newest transition of a vehicle.
    pub async fn last_transition(&self, vehicle: &VehicleId) -> Result<Option<TransitionRecord>, ReadError> {
        Ok(self.timeline(vehicle, None, 1).await?.pop())
    }

    /// The last transition that is kept of each vehicle by each gateway: of its latest life there, the latest in its log.
    pub async fn last_of_each(
        &self,
        wanted: &[(VehicleId, NodeId)],
    ) -> Result<Vec<Option<TransitionRecord>>, ReadError> {
        let mut last: Vec<_> = {
            let tail = self.tail.read();
            let of = |(vehicle, owner): &(VehicleId, NodeId)| {
                let told = tail.of(vehicle).flat_map(|tail| &tail.transitions).filter(|told| told.owner == *owner);
                told.max_by_key(|told| (told.incarnation, told.seq)).cloned()
            };
            wanted.iter().map(of).collect()
        };
        let mut asked = String::new();
        for (vehicle, owner) in wanted {
            let separator = if asked.is_empty() { "" } else { "," };
            // Writing to a String cannot fail; the characters of an id need no escape.
            let _ = write!(asked, "{separator}[\"{vehicle}\",\"{owner}\"]");
        }
        let sql = "SELECT at, t.owner, t.incarnation, t.seq, region, epoch, session, state, cause, cell, flags, j.key \
                   FROM json_each(?1) j CROSS JOIN vehicle v ON v.name = j.value ->> 0 \
                   CROSS JOIN transition t ON t.vehicle = v.id AND t.owner = j.value ->> 1 \
                   AND (t.incarnation, t.seq) = (SELECT incarnation, seq FROM transition \
                   WHERE vehicle = v.id AND owner = j.value ->> 1 ORDER BY incarnation DESC, seq DESC LIMIT 1)";
        let rows = sqlx::query(sql).bind(format!("[{asked}]")).fetch_all(&self.pool).await;
        for row in rows.map_err(|e| self.failed(e))? {
            let at: i64 = row.try_get(11).map_err(|e| self.failed(e))?;
            let at = usize::try_from(at).unwrap_or(usize::MAX);
            if let Some(((vehicle, _), last)) = wanted.get(at).zip(last.get_mut(at)) {
                let record = read_transition(&row, vehicle).map_err(|e| self.failed(e))?;
                let later = |held: &TransitionRecord| (held.incarnation, held.seq) > (record.incarnation, record.seq);
                if !last.as_ref().is_some_and(later) {
                    *last = Some(record);
                }
            }
        }
        Ok(last)
    }

    fn unfolded_transitions(&self, vehicle: &VehicleId) -> BTreeMap<TransitionId, TransitionRecord> {
        let mut found = BTreeMap::new();
        for tail in self.tail.read().of(vehicle) {
            for record in &tail.transitions {
                found.entry(identity(record)).or_insert_with(|| record.clone());
            }
        }
        found
    }

    /// Takes away what is in the tables.
    async fn drop_folded(
        &self,
        vehicle: &VehicleId,
        found: &mut BTreeMap<TransitionId, TransitionRecord>,
    ) -> Result<(), ReadError> {
        let mut wanted = String::new();
        for (owner, incarnation, seq) in found.keys() {
            let separator = if wanted.is_empty() { "" } else { "," };
            // Writing to a String cannot fail; the characters of an id need no escape.
            let _ = write!(wanted, "{separator}[\"{owner}\",{},{}]", sorted(incarnation.0), sorted(*seq));
        }
        let sql = "SELECT t.owner, t.incarnation, t.seq FROM vehicle v CROSS JOIN json_each(?2) j \
                   CROSS JOIN transition t ON t.vehicle = v.id AND t.owner = j.value ->> 0 \
                   AND t.incarnation = j.value ->> 1 AND t.seq = j.value ->> 2 WHERE v.name = ?1";
        let query = sqlx::query(sql).bind(vehicle.as_str()).bind(format!("[{wanted}]"));
        for row in query.fetch_all(&self.pool).await.map_err(|e| self.failed(e))? {
            let id = read_identity(&row, 0).map_err(|e| self.failed(e))?;
            found.remove(&id);
        }
        Ok(())
    }
}

fn identity(record: &TransitionRecord) -> TransitionId {
    (record.owner.clone(), record.incarnation, record.seq)
}

fn read_identity(row: &SqliteRow, at: usize) -> sqlx::Result<TransitionId> {
    let damaged = |_| sqlx::Error::Decode("the owner of a transition is damaged".into());
    let owner = NodeId::new(row.try_get(at)?).map_err(damaged)?;
    Ok((owner, Incarnation(unsorted(row.try_get(at + 1)?)), unsorted(row.try_get(at + 2)?)))
}

fn read_transition(row: &SqliteRow, vehicle: &VehicleId) -> sqlx::Result<TransitionRecord> {
    let damaged = |_| sqlx::Error::Decode("the region of a transition is damaged".into());
    let (owner, incarnation, seq) = read_identity(row, 1)?;
    Ok(TransitionRecord {
        vehicle: vehicle.clone(),
        at: Wall(row.try_get(0)?),
        owner,
        region: RegionId::new(row.try_get(4)?).map_err(damaged)?,
        incarnation,
        seq,
        epoch: Epoch(row.try_get::<i64, _>(5)? as u64),
        session: SessionId(row.try_get::<i64, _>(6)? as u64),
        state: row.try_get(7)?,
        cause: row.try_get(8)?,
        cell: row.try_get::<Option<i64>, _>(9)?.and_then(|cell| Cell::from_told(cell as u64)),
        flags: row.try_get(10)?,
    })
}
