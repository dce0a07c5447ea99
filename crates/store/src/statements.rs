//! The statements of the writer: each commit is one trip to its connection's thread.
//!
//! Lists of rows travel as JSON and their bytes in one value beside it, so that three texts are all there
//! is to prepare, however much a commit holds. Parameters are bare question marks: numbered ones with gaps
//! are bound wrongly when a text has several statements.

use crate::retention::{COMMANDS_KEPT_MAX, TIMELINE_KEPT_MAX};
use crate::slice::Slice;
use sqlx::SqliteConnection;

/// A statement alone is a transaction of its own.
const APPEND: &str = "INSERT INTO journal (id, body) VALUES (?, ?)";

const NAME_AND_APPEND: &str = "BEGIN IMMEDIATE; \
    INSERT INTO vehicle (id, name) SELECT value ->> 0, value ->> 1 FROM json_each(?); \
    INSERT INTO journal (id, body) VALUES (?, ?); \
    COMMIT";

const NAME_APPEND_AND_FOLD: &str = "BEGIN IMMEDIATE; \
    INSERT INTO vehicle (id, name) SELECT value ->> 0, value ->> 1 FROM json_each(?); \
    INSERT INTO journal (id, body) VALUES (?, ?); \
    INSERT INTO block (id, vehicle, spool, t_min, t_max, body) \
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, \
               substr(?, (value ->> 5) + 1, value ->> 6) FROM json_each(?); \
    UPDATE block SET body = CAST(block.body || substr(?, (j.value ->> 1) + 1, j.value ->> 2) AS BLOB) \
        FROM json_each(?) j WHERE block.id = j.value ->> 0; \
    UPDATE block SET t_max = j.value ->> 1 FROM json_each(?) j WHERE block.id = j.value ->> 0; \
    INSERT OR REPLACE INTO spool (vehicle, spool, settled, open_block, open_bytes, open_t_min, open_t_max) \
        SELECT value ->> 0, value ->> 1, substr(?, (value ->> 2) + 1, value ->> 3), \
               value ->> 4, value ->> 5, value ->> 6, value ->> 7 FROM json_each(?); \
    INSERT OR REPLACE INTO presence \
            (vehicle, epoch, session, state, cause, cell, contact, spool, sleep, wake, flags) \
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, \
               value ->> 8, value ->> 9, value ->> 10 FROM json_each(?); \
    DELETE FROM presence WHERE vehicle IN (SELECT value ->> 0 FROM json_each(?)); \
    INSERT INTO latest (vehicle, t, lat_e7, lon_e7, alt_cm, speed_cms, heading_cdeg, hdop_centi) \
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7 \
        FROM json_each(?) WHERE true \
        ON CONFLICT (vehicle) DO UPDATE SET t = excluded.t, lat_e7 = excluded.lat_e7, lon_e7 = excluded.lon_e7, \
            alt_cm = excluded.alt_cm, speed_cms = excluded.speed_cms, heading_cdeg = excluded.heading_cdeg, \
            hdop_centi = excluded.hdop_centi \
        WHERE excluded.t > latest.t; \
    INSERT INTO signal (vehicle, path, t, value) \
        SELECT value ->> 0, value ->> 1, value ->> 2, substr(?, (value ->> 3) + 1, value ->> 4) \
        FROM json_each(?) WHERE true \
        ON CONFLICT (vehicle, path) DO UPDATE SET t = excluded.t, value = excluded.value WHERE excluded.t > signal.t; \
    INSERT INTO command (id, vehicle, ended, expires, updated, body) \
        SELECT unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> 4, \
               substr(?, (value ->> 5) + 1, value ->> 6) FROM json_each(?) WHERE true \
        ON CONFLICT (id) DO UPDATE SET ended = excluded.ended, expires = excluded.expires, \
            updated = excluded.updated, body = excluded.body; \
    DELETE FROM command WHERE rowid IN ( \
        SELECT c.rowid FROM json_each(?) j JOIN command c ON c.vehicle = j.value ->> 0 \
        WHERE c.ended = 1 AND (c.updated, c.id) <= ( \
            SELECT updated, id FROM command WHERE vehicle = j.value ->> 0 AND ended = 1 \
            ORDER BY updated DESC, id DESC LIMIT 1 OFFSET ?)); \
    DELETE FROM command WHERE rowid IN ( \
        SELECT rowid FROM command WHERE ended = 1 AND updated < ? ORDER BY updated LIMIT ?); \
    INSERT OR IGNORE INTO transition \
            (vehicle, at, owner, incarnation, seq, region, epoch, session, state, cause, cell, flags) \
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, \
               value ->> 8, value ->> 9, value ->> 10, value ->> 11 FROM json_each(?); \
    WITH cut AS MATERIALIZED ( \
        SELECT j.value ->> 0 AS vehicle, \
            (SELECT at FROM transition WHERE vehicle = j.value ->> 0 \
                ORDER BY at DESC, owner DESC, incarnation DESC, seq DESC LIMIT 1 OFFSET ?) AS at, \
            (SELECT owner FROM transition WHERE vehicle = j.value ->> 0 \
                ORDER BY at DESC, owner DESC, incarnation DESC, seq DESC LIMIT 1 OFFSET ?) AS owner, \
            (SELECT incarnation FROM transition WHERE vehicle = j.value ->> 0 \
                ORDER BY at DESC, owner DESC, incarnation DESC, seq DESC LIMIT 1 OFFSET ?) AS incarnation, \
            (SELECT seq FROM transition WHERE vehicle = j.value ->> 0 \
                ORDER BY at DESC, owner DESC, incarnation DESC, seq DESC LIMIT 1 OFFSET ?) AS seq \
        FROM json_each(?) j) \
    DELETE FROM transition WHERE (vehicle, at, owner, incarnation, seq) IN ( \
        SELECT t.vehicle, t.at, t.owner, t.incarnation, t.seq FROM cut c CROSS JOIN transition t \
        ON t.vehicle = c.vehicle AND (t.at, t.owner, t.incarnation, t.seq) <= (c.at, c.owner, c.incarnation, c.seq)); \
    DELETE FROM transition WHERE (vehicle, at, owner, incarnation, seq) IN ( \
        SELECT vehicle, at, owner, incarnation, seq FROM transition WHERE at < ? ORDER BY at LIMIT ?); \
    UPDATE fold SET through = ?, target = ?, vehicle = ?, batches = ?, records = ?; \
    DELETE FROM journal WHERE id <= ?; \
    COMMIT";

/// Makes a journal row durable, with the vehicles it is the first to name and a slice of the fold.
pub(crate) async fn append(
    db: &mut SqliteConnection,
    id: i64,
    body: Vec<u8>,
    named: String,
    slice: Option<Slice>,
) -> sqlx::Result<()> {
    let named = format!("[{named}]");
    let Some(slice) = slice else {
        if named == "[]" {
            sqlx::query(APPEND).bind(id).bind(body).execute(db).await?;
        } else {
            sqlx::query(NAME_AND_APPEND).bind(named).bind(id).bind(body).execute(db).await?;
        }
        return Ok(());
    };
    let query = sqlx::query(NAME_APPEND_AND_FOLD).bind(named).bind(id).bind(body);
    let (new_blocks, grown_blocks) = (slice.new_blocks.json(), slice.grown_blocks.json());
    let query = query.bind(slice.new_blocks.pool).bind(new_blocks).bind(slice.grown_blocks.pool).bind(grown_blocks);
    let spools = slice.spools.json();
    let query = query.bind(slice.closed_blocks.json()).bind(slice.spools.pool).bind(spools);
    let query = query.bind(slice.presence.json()).bind(slice.forgotten.json()).bind(slice.latest.json());
    let signals = slice.signals.json();
    let query = query.bind(slice.signals.pool).bind(signals);
    let (commands, aged) = (slice.commands.json(), slice.aged);
    let query = query.bind(slice.commands.pool).bind(commands).bind(slice.cut_commands.json());
    let query = query.bind(COMMANDS_KEPT_MAX).bind(aged.commands.0).bind(aged.limit);
    let mut query = query.bind(slice.transitions.json());
    for _column_of_the_key in 0..4 {
        query = query.bind(TIMELINE_KEPT_MAX);
    }
    let query = query.bind(slice.cut_transitions.json()).bind(aged.transitions.0).bind(aged.limit);
    let query = query.bind(slice.mark.through).bind(slice.mark.target).bind(slice.mark.vehicle);
    let query = query.bind(slice.mark.batches).bind(slice.mark.records).bind(slice.delete_through);
    query.execute(db).await?;
    Ok(())
}
