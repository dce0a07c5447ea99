//! What is opened, what is refused, and what the refusal says.

#![allow(clippy::unwrap_used)]

mod world;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use waygate_core::epoch::Epoch;
use waygate_core::id::{SessionId, SpoolId};
use waygate_core::time::{Millis, Wall};
use waygate_store::{OpenError, OpenOptions, Outcome, PresenceRecord, Store, Write};
use world::{World, attach, batch, command, fold_all, history, presence, vehicle};

/// Runs SQL on a file by a connection that knows nothing of Waygate.
async fn sql(path: &Path, sql: &'static str) -> Vec<String> {
    use sqlx::{ConnectOptions as _, Connection as _, Row as _};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut db = options.connect().await.unwrap();
    let rows = sqlx::raw_sql(sql).fetch_all(&mut db).await.unwrap();
    let text = rows.iter().map(|row| row.try_get::<String, _>(0).unwrap_or_default()).collect();
    db.close().await.unwrap();
    text
}

async fn refusal(world: &World) -> (OpenError, String) {
    let error = Store::open(&world.path(), world.options).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(world.path().to_str().unwrap()), "the file is not named: {text}");
    (error, text)
}

#[tokio::test]
async fn a_missing_database_is_created_for_its_owner_alone() {
    let mut world = World::new();
    world.file = "some/new/dir/store.db".into();
    let (mut writer, _reader) = world.open().await;
    writer.commit(vec![attach(1, 1, 7)]).await.unwrap();
    for name in ["store.db", "store.db-wal", "store.db-shm", "store.db.lock"] {
        let mode = world.path().with_file_name(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn an_opened_database_is_of_the_current_version_and_opens_again() {
    let world = World::new();
    for _ in 0..3 {
        drop(world.open().await);
    }
    let version = sql(&world.path(), "SELECT CAST(user_version AS TEXT) FROM pragma_user_version").await;
    assert_eq!(version, ["2"]);
}

/// A journal row as a program of schema version 1 wrote it: vehicle 1 is present with this epoch.
fn row_of_version_1(epoch: u8) -> Vec<u8> {
    // Kind, vehicle (zig-zag), epoch, session, state, cause, no cell, contact (zig-zag), spool 7.
    let entry = [1, 2, epoch, 9, 3, 6, 0, 200, 1, 1, 7];
    let mut row = vec![1, entry.len() as u8];
    row.extend(entry);
    row.extend(crc32fast::hash(&entry).to_le_bytes());
    row
}

/// A database as a program of schema version 1 left it: one vehicle folded, another only in the journal.
async fn left_by_version_1(path: &Path) {
    use sqlx::{ConnectOptions as _, Connection as _};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut db = options.connect().await.unwrap();
    let schema = include_str!("../../../migrations/sqlite/0001_journal_and_blocks.sql");
    sqlx::raw_sql(schema).execute(&mut db).await.unwrap();
    let rows = "PRAGMA application_id = 0x57415947; PRAGMA user_version = 1; \
        INSERT INTO vehicle VALUES (1, 'LUX-0001'), (2, 'LUX-0002'); \
        INSERT INTO presence VALUES (1, 4, 8, 1, 0, NULL, 99, NULL), (2, 5, 9, 1, 0, NULL, 99, 7); \
        INSERT INTO spool VALUES (2, 7, x'010108', NULL, NULL, NULL, NULL); \
        UPDATE fold SET through = 40, target = 40";
    sqlx::raw_sql(rows).execute(&mut db).await.unwrap();
    let insert = "INSERT INTO journal VALUES (41, ?1)";
    sqlx::query(insert).bind(row_of_version_1(6)).execute(&mut db).await.unwrap();
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_database_of_version_1_is_migrated_with_what_its_journal_holds() {
    let world = World::folding_at(20_000);
    left_by_version_1(&world.path()).await;
    let (mut writer, reader) = world.open().await;
    let old = |n, epoch, session, contact| PresenceRecord {
        session: SessionId(session),
        contact: Wall(contact),
        spool: Some(SpoolId(7)),
        sleep: Millis(0),
        wake: 0,
        flags: 0,
        ..presence(n, epoch)
    };
    let unfolded = PresenceRecord { state: 3, cause: 6, ..old(1, 6, 9, 100) };
    let folded = old(2, 5, 9, 99);
    for from in [0, 40] {
        assert_eq!(reader.presence_all(None, 9).await.unwrap().items[..2], [unfolded.clone(), folded.clone()]);
        assert_eq!(reader.counts().unwrap().damaged_entries, 0);
        fold_all(&mut writer, &reader, from).await;
    }
    let settled = [(1, 9)].into_iter().collect();
    let writes = vec![attach(2, 6, 7), Write::Batch(batch(1, 5, 7, 1, 1)), Write::Command(command(1, 1, 0))];
    let by = Outcome::Fenced { by: Epoch(6) };
    assert_eq!(writer.commit(writes).await.unwrap(), [Outcome::Attached { settled }, by, Outcome::Done]);
    writer.reopen().await.unwrap();
    assert_eq!(reader.presence_all(None, 9).await.unwrap().items[..2], [unfolded, presence(2, 6)]);
    assert_eq!(reader.command(1).await.unwrap(), Some(command(1, 1, 0)));
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_as_it_is() {
    let world = World::new();
    drop(world.open().await);
    sql(&world.path(), "PRAGMA user_version = 1000; PRAGMA wal_checkpoint(TRUNCATE)").await;
    let (error, text) = refusal(&world).await;
    assert!(matches!(error, OpenError::Newer { version: 1000, ours: 2, .. }), "{error:?}");
    assert!(text.contains("1000") && text.contains("versions up to 2") && text.contains("backup"), "{text}");
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_and_left_as_it_is() {
    let world = World::new();
    sql(&world.path(), "CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('mine')").await;
    let before = std::fs::read(world.path()).unwrap();
    let (error, text) = refusal(&world).await;
    assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
    assert!(text.contains("not a Waygate database"), "{text}");
    assert_eq!(std::fs::read(world.path()).unwrap(), before);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let world = World::new();
    let before = "minutes of the meeting\n".repeat(100);
    std::fs::write(world.path(), &before).unwrap();
    let (error, _) = refusal(&world).await;
    assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
    assert_eq!(std::fs::read_to_string(world.path()).unwrap(), before);
}

#[tokio::test]
async fn a_damaged_header_is_refused_with_the_way_out() {
    let world = World::new();
    let (mut writer, reader) = world.open().await;
    writer.commit(vec![Write::Batch(batch(1, 1, 7, 1, 30))]).await.unwrap();
    reader.close().await;
    writer.close().await.unwrap();
    let mut file = std::fs::read(world.path()).unwrap();
    file[..16].fill(0xa5);
    std::fs::write(world.path(), file).unwrap();
    let (_, text) = refusal(&world).await;
    assert!(text.contains("header is damaged") && text.contains("backup"), "{text}");
}

#[tokio::test]
async fn a_damaged_page_is_found_by_the_check_at_start() {
    let world = World::new();
    let (mut writer, reader) = world.open().await;
    writer.commit((0..500).map(|n| attach(n, 1, 7)).collect()).await.unwrap();
    reader.close().await;
    writer.close().await.unwrap();
    let mut file = std::fs::read(world.path()).unwrap();
    // The head of every page but the first: kind of page, number of cells, where they begin.
    for page in file.chunks_mut(4096).skip(1) {
        page[..8].fill(0x5a);
    }
    std::fs::write(world.path(), file).unwrap();
    let (error, text) = refusal(&world).await;
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");
    assert!(text.contains("backup") && text.contains("aside"), "{text}");
}

#[tokio::test]
async fn a_second_writer_is_refused_until_the_first_is_gone() {
    let world = World::new();
    let first = world.open().await;
    let (error, text) = refusal(&world).await;
    assert!(matches!(error, OpenError::InUse { .. }) && text.contains("another gateway"), "{text}");
    drop(first);
    drop(world.open().await);
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_named() {
    let mut world = World::new();
    std::fs::write(world.dir.path().join("file"), "").unwrap();
    world.file = "file/store.db".into();
    let (error, _) = refusal(&world).await;
    assert!(matches!(error, OpenError::Create { .. }), "{error:?}");
}

#[tokio::test]
async fn every_commit_is_synced_before_it_returns() {
    // The writer's own settings, as SQLite reports them: 2 is FULL.
    let world = World::new();
    let (mut writer, _reader) = world.open().await;
    assert_eq!(writer.durability().await.unwrap(), ("wal".to_owned(), 2));
}

#[tokio::test]
async fn the_files_stay_bounded_while_readers_read() {
    let world = World::folding_at(200_000);
    let (mut writer, reader) = world.open().await;
    let mut wal_max = 0;
    let mut open = Vec::new();
    for seq in 0..400u64 {
        let writes = (0..40).map(|n| Write::Batch(batch(n, 1, 7, seq * 30 + 1, seq * 30 + 30))).collect();
        writer.commit(writes).await.unwrap();
        // Readers that stop half-way hold nothing back.
        let mut unfinished = reader.history(&vehicle(seq % 40), Wall(0), Wall(i64::MAX), None).await.unwrap();
        unfinished.next().await.unwrap();
        open.push(unfinished);
        wal_max = wal_max.max(reader.counts().unwrap().wal_bytes);
    }
    let counts = reader.counts().unwrap();
    assert!(wal_max < 24 << 20, "the WAL grew to {wal_max} bytes");
    assert_eq!((counts.batches, counts.records), (16_000, 480_000));
    assert!(counts.unfolded_batches < 2_000, "{counts:?}");
    let raw: u64 = 480_000 * 24;
    assert!(counts.file_bytes < raw * 3 / 2, "{} bytes for {raw}", counts.file_bytes);
    assert_eq!(history(&reader, 3).await.len(), 400);
    assert_eq!(world.path().metadata().unwrap().size(), counts.file_bytes);
}

#[tokio::test]
async fn a_limit_on_pages_is_met_as_a_full_disk() {
    let mut world = World::new();
    world.options = OpenOptions { pages_max: Some(60), ..world.options };
    let (mut writer, _reader) = world.open().await;
    let mut last = Ok(Vec::new());
    for seq in 0..400 {
        last = writer.commit(vec![Write::Batch(batch(1, 1, 7, seq * 100 + 1, seq * 100 + 100))]).await;
        if last.is_err() {
            break;
        }
    }
    assert_eq!(last.unwrap_err().kind, waygate_store::CommitErrorKind::Full);
}
