//! Reads what is committed, while the writer writes: each question in short statements of its own.
//!
//! A reader has its own few connections, which cannot write, and looks into the unfolded tail first. It
//! never waits for the writer and never holds a read transaction longer than one statement, so that the
//! WAL can always be moved into the database.

use crate::bytes::Bytes;
use crate::history::History;
use crate::open::connect_options;
use crate::signal::take_value;
use crate::tail::{SharedTail, VehicleTail, keep_latest, keep_signal};
use crate::write::{Latest, PresenceRecord};
use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions, SqliteRow};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use waygate_core::cell::Cell;
use waygate_core::epoch::Epoch;
use waygate_core::id::{SessionId, SpoolId, VehicleId};
use waygate_core::record::{Fix, Position, SignalPath, SignalValue};
use waygate_core::time::{Millis, Wall};

/// Reads the database. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Reader {
    pub(crate) pool: SqlitePool,
    pub(crate) tail: SharedTail,
    pub(crate) path: Arc<PathBuf>,
}

/// A question could not be answered.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {source}", path.display())]
pub struct ReadError {
    /// The database.
    pub path: PathBuf,
    /// What SQLite said.
    pub source: sqlx::Error,
}

/// Part of a list, and where the rest begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// At most as many as were asked for.
    pub items: Vec<T>,
    /// To be passed back for the rest; none at the end.
    pub next: Option<Cursor>,
}

/// Where a page ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    pub(crate) vehicle: i64,
    /// The command, where commands are listed.
    pub(crate) command: u128,
}

/// The latest value of one signal: its path, the vehicle's time of it, the value.
pub type LatestSignal = (SignalPath, Wall, SignalValue);

/// Connections of a reader: queries are few and short.
const CONNECTIONS_MAX: u32 = 4;

/// How long a query waits for a connection.
const CONNECTION_WAIT: Duration = Duration::from_secs(10);

impl Reader {
    pub(crate) fn new(path: &Path, tail: SharedTail) -> Self {
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(CONNECTION_WAIT)
            .test_before_acquire(false)
            .connect_lazy_with(connect_options(path).pragma("query_only", "ON"));
        Self { pool, tail, path: Arc::new(path.to_owned()) }
    }

    /// Records of a vehicle with `from <= t < to`, as batches in the order of their earliest time.
    ///
    /// `after` is the last record a caller has had: batches that can hold nothing beyond it are left out.
    pub async fn history(
        &self,
        vehicle: &VehicleId,
        from: Wall,
        to: Wall,
        after: Option<(Wall, SpoolId, u64)>,
    ) -> Result<History, ReadError> {
        let from = after.map_or(from, |(t, _, _)| from.max(t));
        History::open(self.clone(), vehicle, from, to).await
    }

    /// The position with the greatest device time.
    pub async fn latest(&self, vehicle: &VehicleId) -> Result<Option<Latest>, ReadError> {
        let unfolded = self.unfolded(vehicle);
        let sql = "SELECT t, lat_e7, lon_e7, alt_cm, speed_cms, heading_cdeg, hdop_centi FROM vehicle \
                   JOIN latest ON latest.vehicle = id WHERE name = ?1";
        let row = sqlx::query(sql).bind(vehicle.as_str()).fetch_optional(&self.pool).await;
        let row = row.map_err(|e| self.failed(e))?;
        let mut latest = row.map(|row| read_latest(&row, 0)).transpose().map_err(|e| self.failed(e))?;
        for tail in unfolded {
            keep_latest(&mut latest, tail.latest());
        }
        Ok(latest)
    }

    /// The latest position of every vehicle that has one, `limit` vehicles at a time.
    pub async fn latest_all(&self, after: Option<Cursor>, limit: u32) -> Result<Page<(VehicleId, Latest)>, ReadError> {
        let sql = "SELECT id, name, t, lat_e7, lon_e7, alt_cm, speed_cms, heading_cdeg, hdop_centi FROM vehicle \
                   LEFT JOIN latest ON latest.vehicle = id WHERE id > ?1 AND id <= ?2 ORDER BY id";
        self.page(sql, after, limit, |row, vehicle, tails| {
            let mut latest = match row.try_get::<Option<i64>, _>(2)? {
                None => None,
                Some(_) => Some(read_latest(row, 2)?),
            };
            for tail in tails {
                keep_latest(&mut latest, tail.latest());
            }
            Ok(latest.map(|latest| (vehicle, latest)))
        })
        .await
    }

    /// The latest value of each signal of a vehicle, by path.
    pub async fn latest_signals(&self, vehicle: &VehicleId) -> Result<Vec<LatestSignal>, ReadError> {
        let unfolded = self.unfolded(vehicle);
        let sql = "SELECT path, t, value FROM vehicle JOIN signal ON signal.vehicle = id WHERE name = ?1";
        let rows = sqlx::query(sql).bind(vehicle.as_str()).fetch_all(&self.pool).await;
        let mut signals = BTreeMap::new();
        for row in rows.map_err(|e| self.failed(e))? {
            let (path, t, value) = read_signal(&row).map_err(|e| self.failed(e))?;
            signals.insert(path, (t, value));
        }
        for tail in unfolded {
            for (path, (t, value)) in tail.reported().iter().flat_map(|reported| &reported.signals) {
                keep_signal(&mut signals, path.clone(), *t, value.clone());
            }
        }
        Ok(signals.into_iter().map(|(path, (t, value))| (path, t, value)).collect())
    }

    /// The presence record of every vehicle that has one, at most `limit` at a time.
    pub async fn presence_all(&self, after: Option<Cursor>, limit: u32) -> Result<Page<PresenceRecord>, ReadError> {
        let sql = "SELECT id, name, epoch, session, state, cause, cell, contact, spool, sleep, wake, flags FROM vehicle \
                   LEFT JOIN presence ON presence.vehicle = id WHERE id > ?1 AND id <= ?2 ORDER BY id";
        self.page(sql, after, limit, |row, vehicle, tails| {
            if let Some(unfolded) = tails.iter().filter_map(VehicleTail::presence).next_back() {
                return Ok(unfolded.cloned());
            }
            match row.try_get::<Option<i64>, _>(2)? {
                None => Ok(None),
                Some(_) => read_presence(row, vehicle).map(Some),
            }
        })
        .await
    }

    /// Whether any telemetry of the vehicle is kept here.
    pub async fn holds(&self, vehicle: &VehicleId) -> Result<bool, ReadError> {
        if self.tail.read().of(vehicle).any(|tail| !tail.batches().is_empty()) {
            return Ok(true);
        }
        let sql = "SELECT EXISTS (SELECT 1 FROM vehicle JOIN block ON block.vehicle = vehicle.id WHERE name = ?1)";
        let held = sqlx::query_scalar(sql).bind(vehicle.as_str()).fetch_one(&self.pool).await;
        held.map_err(|e| self.failed(e))
    }

    /// Closes the connections, those of all clones included.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Reads a page over the vehicles in the order of their numbers. Of those in it the tail is looked at first: what is
    /// folded in between is then found in both places.
    async fn page<T>(
        &self,
        sql: &'static str,
        after: Option<Cursor>,
        limit: u32,
        read: impl Fn(&SqliteRow, VehicleId, Vec<VehicleTail>) -> sqlx::Result<Option<T>>,
    ) -> Result<Page<T>, ReadError> {
        let after = after.map_or(0, |cursor| cursor.vehicle);
        let limit = limit.max(1);
        let within = "SELECT max(id), count(*) FROM (SELECT id FROM vehicle WHERE id > ?1 ORDER BY id LIMIT ?2)";
        let within = sqlx::query_as(within).bind(after).bind(limit).fetch_one(&self.pool).await;
        let (last, count): (Option<i64>, u32) = within.map_err(|e| self.failed(e))?;
        let Some(last) = last else { return Ok(Page { items: Vec::new(), next: None }) };
        let mut unfolded: BTreeMap<i64, Vec<VehicleTail>> = {
            let tail = self.tail.read();
            let mut unfolded = BTreeMap::<i64, Vec<VehicleTail>>::new();
            for generation in [&tail.frozen, &tail.active] {
                for vehicle in
                    generation.vehicles.values().filter(|vehicle| (after + 1..=last).contains(&vehicle.number))
                {
                    unfolded.entry(vehicle.number).or_default().push(vehicle.state());
                }
            }
            unfolded
        };
        let rows = sqlx::query(sql).bind(after).bind(last).fetch_all(&self.pool).await;
        let rows = rows.map_err(|e| self.failed(e))?;
        let next = (count == limit).then_some(Cursor { vehicle: last, command: 0 });
        let mut page = Page { items: Vec::new(), next };
        for row in &rows {
            let number: i64 = row.try_get(0).map_err(|e| self.failed(e))?;
            let Ok(vehicle) = VehicleId::new(row.try_get(1).map_err(|e| self.failed(e))?) else { continue };
            let tails = unfolded.remove(&number).unwrap_or_default();
            page.items.extend(read(row, vehicle, tails).map_err(|e| self.failed(e))?);
        }
        Ok(page)
    }

    fn unfolded(&self, vehicle: &VehicleId) -> Vec<VehicleTail> {
        self.tail.read().of(vehicle).map(VehicleTail::state).collect()
    }

    pub(crate) fn failed(&self, source: sqlx::Error) -> ReadError {
        ReadError { path: self.path.as_ref().clone(), source }
    }
}

fn read_latest(row: &SqliteRow, at: usize) -> sqlx::Result<Latest> {
    let fix = Fix {
        position: Position { lat_e7: row.try_get(at + 1)?, lon_e7: row.try_get(at + 2)? },
        alt_cm: row.try_get(at + 3)?,
        speed_cms: row.try_get(at + 4)?,
        heading_cdeg: row.try_get(at + 5)?,
        hdop_centi: row.try_get(at + 6)?,
    };
    Ok(Latest { t: Wall(row.try_get(at)?), fix })
}

fn read_presence(row: &SqliteRow, vehicle: VehicleId) -> sqlx::Result<PresenceRecord> {
    Ok(PresenceRecord {
        vehicle,
        epoch: Epoch(row.try_get::<i64, _>(2)? as u64),
        session: SessionId(row.try_get::<i64, _>(3)? as u64),
        state: row.try_get(4)?,
        cause: row.try_get(5)?,
        cell: row.try_get::<Option<i64>, _>(6)?.and_then(|cell| Cell::from_index(cell as u64)),
        contact: Wall(row.try_get(7)?),
        spool: row.try_get::<Option<i64>, _>(8)?.map(|spool| SpoolId(spool as u64)),
        sleep: Millis(row.try_get::<i64, _>(9)? as u64),
        wake: row.try_get(10)?,
        flags: row.try_get(11)?,
    })
}

fn read_signal(row: &SqliteRow) -> sqlx::Result<LatestSignal> {
    let damaged = |what: &str| sqlx::Error::Decode(format!("the {what} of a signal is damaged").into());
    let path = SignalPath::new(row.try_get(0)?).ok_or_else(|| damaged("path"))?;
    let value = take_value(&mut Bytes(row.try_get(2)?)).ok_or_else(|| damaged("value"))?;
    Ok((path, Wall(row.try_get(1)?), value))
}
