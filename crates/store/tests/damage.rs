//! A byte that changed on the disk: named, left out, and of no concern to what lies beside it.

#![allow(clippy::unwrap_used)]

mod world;

use waygate_core::time::Wall;
use waygate_store::{DamagedBatch, Outcome, Place, Reader, StoredBatch, Write};
use world::{World, attach, batch, command, transition, vehicle};

/// Changes one bit wherever the record lies in the file, stale copies included.
fn damage(world: &World, n: u64, spool: u64, seq: u64) {
    let record: Vec<u8> = [n, spool, seq].map(u64::to_le_bytes).concat();
    let mut file = std::fs::read(world.path()).unwrap();
    let places: Vec<usize> = (0..file.len() - record.len()).filter(|&at| file[at..].starts_with(&record)).collect();
    assert!(!places.is_empty(), "the record is not in the file");
    for at in places {
        file[at + 3] ^= 0x10;
    }
    std::fs::write(world.path(), file).unwrap();
}

async fn read(reader: &Reader, n: u64) -> (Vec<StoredBatch>, Vec<DamagedBatch>) {
    let mut history = reader.history(&vehicle(n), Wall(i64::MIN), Wall(i64::MAX), None).await.unwrap();
    let (mut sound, mut damaged) = (Vec::new(), Vec::new());
    while let Some(item) = history.next().await.unwrap() {
        match item {
            Ok(batch) => sound.push(batch),
            Err(error) => damaged.push(error),
        }
    }
    (sound, damaged)
}

#[tokio::test]
async fn a_damaged_batch_in_a_block_is_named_and_the_others_flow() {
    let world = World::folding_at(10_000);
    let (mut writer, reader) = world.open().await;
    for seq in 0..300u64 {
        let writes = (1..4).map(|n| Write::Batch(batch(n, 1, 7, seq * 5 + 1, seq * 5 + 5))).collect();
        writer.commit(writes).await.unwrap();
    }
    assert!(reader.counts().unwrap().unfolded_batches < 300, "nothing was folded");
    reader.close().await;
    writer.close().await.unwrap();
    damage(&world, 2, 7, 53);
    let (mut writer, reader) = world.open().await;
    let (sound, damaged) = read(&reader, 2).await;
    assert_eq!((sound.len(), damaged.len()), (299, 1));
    assert!(matches!(damaged[0].place, Place::Block { .. }), "{:?}", damaged[0]);
    assert!(damaged[0].to_string().contains("LUX-0002"), "{}", damaged[0]);
    assert!(sound.iter().all(|batch| !(batch.first_seq..=batch.last_seq).contains(&53)));
    assert_eq!(read(&reader, 1).await.0.len(), 300);
    // What was acked stays settled: it is not asked for again under the vehicle's feet.
    let again = writer.commit(vec![Write::Batch(batch(2, 1, 7, 51, 55))]).await.unwrap();
    assert_eq!(again, [Outcome::Duplicate]);
}

#[tokio::test]
async fn a_damaged_journal_entry_is_kept_counted_and_the_others_are_replayed() {
    let world = World::new();
    let (mut writer, reader) = world.open().await;
    let mut writes = vec![attach(1, 3, 7)];
    writes.extend((0..10).map(|i| Write::Batch(batch(1, 3, 7, i * 5 + 1, i * 5 + 5))));
    writer.commit(writes).await.unwrap();
    reader.close().await;
    writer.close().await.unwrap();
    damage(&world, 1, 7, 23);
    let (mut writer, reader) = world.open().await;
    assert_eq!(reader.counts().unwrap().damaged_entries, 1);
    assert_eq!(read(&reader, 1).await.0.len(), 9);
    // Its numbers are not settled any more: if the vehicle still has them, they are stored anew.
    let again = writer.commit(vec![Write::Batch(batch(1, 3, 7, 21, 25))]).await.unwrap();
    assert_eq!(again, [Outcome::Stored]);
    assert_eq!(read(&reader, 1).await.0.len(), 10);
}

#[tokio::test]
async fn a_damaged_command_is_kept_aside_and_what_was_written_with_it_is_replayed() {
    let world = World::new();
    let (mut writer, reader) = world.open().await;
    let writes = [command(1, 8, 3), command(1, 9, 3)].map(Write::Command).to_vec();
    writer.commit(writes).await.unwrap();
    let second =
        vec![Write::Command(command(1, 9, 4)), Write::Transition(transition(1, "gw-1", 1, 0)), attach(1, 3, 7)];
    writer.commit(second).await.unwrap();
    reader.close().await;
    writer.close().await.unwrap();
    damage(&world, 1, 9, 4);
    let (_writer, reader) = world.open().await;
    assert_eq!(reader.counts().unwrap().damaged_entries, 1);
    // The command is what it was before the change that is damaged.
    assert_eq!(reader.commands_of(&vehicle(1), 9).await.unwrap(), [command(1, 9, 3), command(1, 8, 3)]);
    assert_eq!(reader.last_transition(&vehicle(1)).await.unwrap(), Some(transition(1, "gw-1", 1, 0)));
    assert_eq!(reader.presence_all(None, 9).await.unwrap().items.len(), 1);
}
