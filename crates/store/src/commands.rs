//! Reads commands: the tables, with what is not folded yet laid over them.

use crate::reader::{Cursor, Page, ReadError, Reader};
use crate::write::CommandRecord;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use waygate_core::id::VehicleId;
use waygate_core::time::Wall;

/// A query for commands, which [`read_command`] reads.
macro_rules! commands_where {
    ($condition:literal) => {
        concat!(
            "SELECT c.id, v.name, c.ended, c.expires, c.updated, c.body, c.vehicle \
             FROM command c JOIN vehicle v ON v.id = c.vehicle WHERE ",
            $condition
        )
    };
}

impl Reader {
    /// The command with this id.
    pub async fn command(&self, id: u128) -> Result<Option<CommandRecord>, ReadError> {
        let unfolded = {
            let tail = self.tail.read();
            let newer_first = [&tail.active, &tail.frozen];
            newer_first.into_iter().find_map(|generation| generation.command(id)).map(|(_, command)| command.clone())
        };
        if unfolded.is_some() {
            return Ok(unfolded);
        }
        let query = sqlx::query(commands_where!("c.id = ?1")).bind(id.to_be_bytes().to_vec());
        let row = query.fetch_optional(&self.pool).await.map_err(|e| self.failed(e))?;
        row.map(|row| read_command(&row)).transpose().map_err(|e| self.failed(e))
    }

    /// The commands that have not ended, of all vehicles, at most `limit` at a time.
    pub async fn commands_open(&self, after: Option<Cursor>, limit: u32) -> Result<Page<CommandRecord>, ReadError> {
        let after = after.unwrap_or(Cursor { vehicle: 0, command: 0 });
        let limit = limit.max(1);
        let mut found = self.unfolded_commands(after);
        let sql = commands_where!("c.ended = 0 AND (c.vehicle, c.id) > (?1, ?2) ORDER BY c.vehicle, c.id LIMIT ?3");
        let query = sqlx::query(sql).bind(after.vehicle).bind(after.command.to_be_bytes().to_vec()).bind(limit);
        let rows = query.fetch_all(&self.pool).await.map_err(|e| self.failed(e))?;
        let mut through = None;
        for row in &rows {
            let command = read_command(row).map_err(|e| self.failed(e))?;
            let vehicle = row.try_get(6).map_err(|e| self.failed(e))?;
            let at = Cursor { vehicle, command: command.id };
            through = Some(at);
            found.entry(at).or_insert(command);
        }
        // The tables may hold more from the last row on, and what is unfolded there belongs among it.
        if let Some(through) = through.filter(|_| rows.len() == limit as usize) {
            found.retain(|at, _| *at <= through);
        } else {
            through = None;
        }
        found.retain(|_, command| !command.ended);
        let mut page = Page { items: Vec::new(), next: through };
        for (at, command) in found {
            if page.items.len() == limit as usize {
                break;
            }
            page.items.push(command);
            if page.items.len() == limit as usize {
                page.next = Some(at);
            }
        }
        Ok(page)
    }

    /// The commands that ended and changed no earlier than `since`, those changed last first, at most `limit`.
    pub async fn commands_ended(&self, since: Wall, limit: u32) -> Result<Vec<CommandRecord>, ReadError> {
        let unfolded = self.unfolded_commands(Cursor { vehicle: 0, command: 0 });
        let mut found: BTreeMap<u128, CommandRecord> =
            unfolded.into_values().map(|command| (command.id, command)).collect();
        // Those that are newer in memory take no room from the others.
        let rows = u64::from(limit) + found.len() as u64;
        let sql = commands_where!("c.ended = 1 AND c.updated >= ?1 ORDER BY c.updated DESC LIMIT ?2");
        let query = sqlx::query(sql).bind(since.0).bind(i64::try_from(rows).unwrap_or(i64::MAX));
        for row in query.fetch_all(&self.pool).await.map_err(|e| self.failed(e))? {
            let command = read_command(&row).map_err(|e| self.failed(e))?;
            found.entry(command.id).or_insert(command);
        }
        let mut found: Vec<CommandRecord> =
            found.into_values().filter(|command| command.ended && command.updated >= since).collect();
        found.sort_by_key(|command| Reverse((command.updated, command.id)));
        found.truncate(limit as usize);
        Ok(found)
    }

    /// The commands of a vehicle, those changed last first, at most `limit`.
    pub async fn commands_of(&self, vehicle: &VehicleId, limit: u32) -> Result<Vec<CommandRecord>, ReadError> {
        let mut found = BTreeMap::new();
        for tail in self.tail.read().of(vehicle) {
            found.extend(tail.commands.iter().map(|(id, command)| (*id, command.clone())));
        }
        // Those that are newer in memory take no room from the others.
        let rows = u64::from(limit) + found.len() as u64;
        let sql = commands_where!("v.name = ?1 ORDER BY c.updated DESC, c.id DESC LIMIT ?2");
        let query = sqlx::query(sql).bind(vehicle.as_str()).bind(i64::try_from(rows).unwrap_or(i64::MAX));
        for row in query.fetch_all(&self.pool).await.map_err(|e| self.failed(e))? {
            let command = read_command(&row).map_err(|e| self.failed(e))?;
            found.entry(command.id).or_insert(command);
        }
        let mut found: Vec<CommandRecord> = found.into_values().collect();
        found.sort_by_key(|command| Reverse((command.updated, command.id)));
        found.truncate(limit as usize);
        Ok(found)
    }

    /// The unfolded commands beyond a cursor, ended ones too: they hide what the tables say.
    fn unfolded_commands(&self, after: Cursor) -> BTreeMap<Cursor, CommandRecord> {
        let tail = self.tail.read();
        let mut found = BTreeMap::new();
        for generation in [&tail.frozen, &tail.active] {
            for (vehicle, command) in generation.commands.keys().filter_map(|id| generation.command(*id)) {
                let at = Cursor { vehicle, command: command.id };
                if at > after {
                    found.insert(at, command.clone());
                }
            }
        }
        found
    }
}

fn read_command(row: &SqliteRow) -> sqlx::Result<CommandRecord> {
    let damaged = |_| sqlx::Error::Decode("the vehicle of a command is damaged".into());
    Ok(CommandRecord {
        id: id_of(row, 0)?,
        vehicle: VehicleId::new(row.try_get(1)?).map_err(damaged)?,
        ended: row.try_get(2)?,
        expires: Wall(row.try_get(3)?),
        updated: Wall(row.try_get(4)?),
        body: row.try_get(5)?,
    })
}

/// Reads the id of a command from the column `at`.
pub(crate) fn id_of(row: &SqliteRow, at: usize) -> sqlx::Result<u128> {
    let id = row.try_get::<&[u8], _>(at)?.try_into().map(u128::from_be_bytes);
    id.map_err(|_| sqlx::Error::Decode("the id of a command is damaged".into()))
}
