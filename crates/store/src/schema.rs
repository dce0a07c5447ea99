//! The schema and its versions: migrations are embedded and run when a database is opened.
//!
//! The version stands in the file's own header (`user_version`), beside a mark that the file is Waygate's
//! (`application_id`); both change in the transaction of the migration they belong to. So what a file is can
//! be told before anything in it is touched.

use sqlx::{AssertSqlSafe, SqliteConnection};

/// "WAYG": what `application_id` holds in a file of ours.
pub(crate) const APPLICATION_ID: i64 = 0x5741_5947;

/// The migrations in order; the first leads to version 1.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/sqlite/0001_journal_and_blocks.sql"),
    include_str!("../../../migrations/sqlite/0002_commands_and_timeline.sql"),
];

/// The version this program reads and writes.
pub(crate) const VERSION: i64 = MIGRATIONS.len() as i64;

/// What the header of a database says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) application_id: i64,
    pub(crate) version: i64,
    pub(crate) tables: i64,
}

pub(crate) async fn header(db: &mut SqliteConnection) -> sqlx::Result<Header> {
    let application_id = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *db).await?;
    let version = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *db).await?;
    let tables = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut *db).await?;
    Ok(Header { application_id, version, tables })
}

/// Runs what is missing from `version` on, each migration in a transaction of its own.
pub(crate) async fn migrate(db: &mut SqliteConnection, version: i64) -> sqlx::Result<()> {
    for (migration, to) in MIGRATIONS.iter().zip(1i64..).filter(|(_, to)| *to > version) {
        tracing::info!(to, "migrating the store");
        let sql = format!(
            "BEGIN IMMEDIATE;\n{migration}\nPRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {to};\nCOMMIT;"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *db).await?;
    }
    Ok(())
}
