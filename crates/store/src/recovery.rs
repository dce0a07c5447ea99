//! What a newly opened database holds beyond its tables: the journal rows that are not folded, replayed.

use crate::bytes::Bytes;
use crate::commands;
use crate::journal;
use crate::ledger::{Ledger, OpenBlock, SpoolState};
use crate::tail::{SharedTail, Tail};
use crate::write::Write;
use sqlx::{Row, SqliteConnection};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;
use waygate_core::epoch::Epoch;
use waygate_core::id::{SpoolId, VehicleId};
use waygate_core::time::Wall;

/// The state the writer goes on from.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) ledger: Ledger,
    pub(crate) tail: Tail,
    pub(crate) fold: FoldMark,
    pub(crate) last_row: i64,
    pub(crate) last_vehicle: i64,
    pub(crate) last_block: i64,
}

/// How far the journal is folded; the row of the table `fold`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FoldMark {
    /// Everything up to this journal row is folded, for every vehicle.
    pub(crate) through: i64,
    /// Up to this row for the vehicles numbered below `vehicle`.
    pub(crate) target: i64,
    pub(crate) vehicle: i64,
    /// Batches in blocks.
    pub(crate) batches: i64,
    /// Records in blocks.
    pub(crate) records: i64,
}

/// Reads the journal and builds what the writer keeps in memory.
///
/// All in one transaction that shuts out writers: a commit that was abandoned half-way may still be under way
/// on the thread of its connection. It lands before, and is seen, or after: then the next commit finds its row
/// taken and fails, and the writer is opened anew.
pub(crate) async fn recover(db: &mut SqliteConnection) -> sqlx::Result<Recovered> {
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *db).await?;
    let recovered = read(db).await?;
    sqlx::raw_sql("COMMIT").execute(&mut *db).await?;
    Ok(recovered)
}

async fn read(db: &mut SqliteConnection) -> sqlx::Result<Recovered> {
    let fold = sqlx::query("SELECT through, target, vehicle, batches, records FROM fold").fetch_one(&mut *db).await?;
    let fold = FoldMark {
        through: fold.try_get(0)?,
        target: fold.try_get(1)?,
        vehicle: fold.try_get(2)?,
        batches: fold.try_get(3)?,
        records: fold.try_get(4)?,
    };
    sqlx::query("DELETE FROM journal WHERE id <= ?1").bind(fold.through).execute(&mut *db).await?;
    let mut rows = Vec::new();
    for row in sqlx::query("SELECT id, body FROM journal ORDER BY id").fetch_all(&mut *db).await? {
        rows.push((row.try_get::<i64, _>(0)?, Arc::new(row.try_get::<Vec<u8>, _>(1)?)));
    }
    let names = names(db, &rows).await?;
    let mut recovered = Recovered {
        ledger: Ledger::default(),
        tail: Tail { batches: fold.batches as u64, records: fold.records as u64, ..Tail::default() },
        fold,
        last_row: rows.last().map_or(fold.target, |(id, _)| *id),
        last_vehicle: max_id(db, "SELECT coalesce(max(id), 0) FROM vehicle").await?,
        last_block: max_id(db, "SELECT coalesce(max(id), 0) FROM block").await?,
    };
    for (id, body) in &rows {
        replay(db, &mut recovered, &names, *id, body).await?;
    }
    Ok(recovered)
}

async fn max_id(db: &mut SqliteConnection, sql: &'static str) -> sqlx::Result<i64> {
    sqlx::query_scalar(sql).fetch_one(db).await
}

/// The names of the vehicles that the rows speak of, by number.
async fn names(db: &mut SqliteConnection, rows: &[(i64, Arc<Vec<u8>>)]) -> sqlx::Result<BTreeMap<i64, VehicleId>> {
    let numbers: BTreeSet<i64> = rows.iter().flat_map(|(_, body)| journal::vehicles_of(body)).collect();
    let sql = "SELECT v.id, v.name FROM json_each(?1) j JOIN vehicle v ON v.id = j.value";
    let numbers = numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    let mut names = BTreeMap::new();
    for row in sqlx::query(sql).bind(format!("[{numbers}]")).fetch_all(db).await? {
        if let Ok(name) = VehicleId::new(row.try_get(1)?) {
            names.insert(row.try_get(0)?, name);
        }
    }
    Ok(names)
}

async fn replay(
    db: &mut SqliteConnection,
    to: &mut Recovered,
    names: &BTreeMap<i64, VehicleId>,
    id: i64,
    body: &Arc<Vec<u8>>,
) -> sqlx::Result<()> {
    let row = journal::read_row(body, |number| names.get(&number).cloned());
    if row.damaged > 0 {
        tracing::error!(row = id, entries = row.damaged, "a journal row is damaged; it is kept in the table `damaged`");
        to.tail.damaged_entries += u64::from(row.damaged);
        let keep = "INSERT OR IGNORE INTO damaged SELECT id, body FROM journal WHERE id = ?1";
        sqlx::query(keep).bind(id).execute(&mut *db).await?;
    }
    let frozen = id <= to.fold.target;
    let mut entries = Vec::new();
    for entry in row.entries {
        let number = entry.vehicle();
        if frozen && number < to.fold.vehicle {
            continue;
        }
        if let Some(name) = names.get(&number) {
            entries.push((name.clone(), entry));
        }
    }
    load(db, &mut to.ledger, entries.iter().map(|(vehicle, entry)| (vehicle, entry.spool()))).await?;
    for (vehicle, entry) in &entries {
        to.ledger.entry(vehicle).replay(entry);
    }
    to.tail.add_row(frozen, id, body, entries);
    Ok(())
}

/// Brings what the tables know of these vehicles and spools into the ledger, where it is missing.
pub(crate) async fn load<'a>(
    db: &mut SqliteConnection,
    ledger: &mut Ledger,
    wanted: impl Iterator<Item = (&'a VehicleId, Option<SpoolId>)>,
) -> sqlx::Result<()> {
    let mut vehicles = BTreeSet::new();
    let mut spools = BTreeSet::new();
    for (vehicle, spool) in wanted {
        if !ledger.knows(vehicle, None) {
            vehicles.insert(vehicle);
        }
        if let Some(spool) = spool.filter(|spool| !ledger.knows(vehicle, Some(*spool))) {
            spools.insert((vehicle, spool));
        }
    }
    ledger.look_up(vehicles.len() + spools.len());
    if !vehicles.is_empty() {
        load_vehicles(db, ledger, vehicles).await?;
    }
    // A vehicle without a number has no spools.
    spools.retain(|(vehicle, _)| ledger.known(vehicle).is_some_and(|known| known.number.is_some()));
    if !spools.is_empty() {
        load_spools(db, ledger, spools).await?;
    }
    Ok(())
}

async fn load_vehicles(
    db: &mut SqliteConnection,
    ledger: &mut Ledger,
    vehicles: BTreeSet<&VehicleId>,
) -> sqlx::Result<()> {
    // The characters of an id need no escape in JSON.
    let names = vehicles.iter().map(|v| format!("\"{v}\"")).collect::<Vec<_>>().join(",");
    for vehicle in vehicles {
        ledger.entry(vehicle);
    }
    let sql = "SELECT v.name, v.id, p.epoch FROM json_each(?1) j JOIN vehicle v ON v.name = j.value \
               LEFT JOIN presence p ON p.vehicle = v.id";
    for row in sqlx::query(sql).bind(format!("[{names}]")).fetch_all(db).await? {
        if let Ok(vehicle) = VehicleId::new(row.try_get(0)?) {
            let known = ledger.entry(&vehicle);
            known.number = Some(row.try_get(1)?);
            known.fence = row.try_get::<Option<i64>, _>(2)?.map(|epoch| Epoch(epoch as u64));
        }
    }
    Ok(())
}

async fn load_spools(
    db: &mut SqliteConnection,
    ledger: &mut Ledger,
    spools: BTreeSet<(&VehicleId, SpoolId)>,
) -> sqlx::Result<()> {
    let mut json = String::from("[");
    for (vehicle, spool) in &spools {
        let separator = if json.len() > 1 { "," } else { "" };
        let number = ledger.known(vehicle).and_then(|known| known.number).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = write!(json, "{separator}[{number},{},\"{vehicle}\"]", spool.0 as i64);
    }
    json.push(']');
    for (vehicle, spool) in spools {
        ledger.entry(vehicle).spool_mut(spool);
    }
    let sql = "SELECT j.value ->> 2, s.spool, s.settled, s.open_block, s.open_bytes, s.open_t_min, s.open_t_max \
               FROM json_each(?1) j JOIN spool s ON s.vehicle = j.value ->> 0 AND s.spool = j.value ->> 1";
    for row in sqlx::query(sql).bind(json).fetch_all(db).await? {
        let Ok(vehicle) = VehicleId::new(row.try_get(0)?) else { continue };
        let settled = Bytes(row.try_get(2)?).ranges();
        let settled = settled.ok_or_else(|| sqlx::Error::Decode("a spool's settled ranges are damaged".into()))?;
        let open = match row.try_get::<Option<i64>, _>(3)? {
            None => None,
            Some(id) => Some(OpenBlock {
                id,
                bytes: row.try_get::<i64, _>(4)? as u64,
                t_min: Wall(row.try_get(5)?),
                t_max: Wall(row.try_get(6)?),
            }),
        };
        let spool = SpoolId(row.try_get::<i64, _>(1)? as u64);
        *ledger.entry(&vehicle).spool_mut(spool) = SpoolState { settled, open };
    }
    Ok(())
}

/// Whose the commands are of which something is about to be written; those that are new are left out.
pub(crate) async fn vehicles_of_commands(
    db: &mut SqliteConnection,
    tail: &SharedTail,
    writes: &[Write],
) -> sqlx::Result<HashMap<u128, VehicleId>> {
    let mut found = HashMap::new();
    let mut wanted = String::new();
    for write in writes {
        let Write::Command(command) = write else { continue };
        let tail = tail.read();
        let unfolded = [&tail.active, &tail.frozen].into_iter().find_map(|of| of.commands.get(&command.id));
        if let Some(vehicle) = unfolded {
            found.insert(command.id, vehicle.clone());
            continue;
        }
        let separator = if wanted.is_empty() { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(wanted, "{separator}\"{:032x}\"", command.id);
    }
    if wanted.is_empty() {
        return Ok(found);
    }
    let sql = "SELECT c.id, v.name FROM json_each(?1) j JOIN command c ON c.id = unhex(j.value) \
               JOIN vehicle v ON v.id = c.vehicle";
    for row in sqlx::query(sql).bind(format!("[{wanted}]")).fetch_all(db).await? {
        if let Ok(vehicle) = VehicleId::new(row.try_get(1)?) {
            found.insert(commands::id_of(&row, 0)?, vehicle);
        }
    }
    Ok(found)
}
