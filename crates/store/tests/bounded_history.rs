//! However much of a history overlaps in time, only so much of it is held.

#![allow(clippy::unwrap_used)]

mod world;

use waygate_core::time::Wall;
use waygate_store::{Batch, StoredBatch, Write};
use world::{NOW, World, attach, batch, vehicle};

/// What one history may hold in these tests: a few batches of the hundreds there are.
const HELD_BYTES: usize = 4096;

/// Batches of twenty records each: those of every drive begin at the same times, as the vehicle's clock did with it.
fn drives(drives: u64, batches: u64) -> Vec<Batch> {
    let of_drive = |drive: u64| {
        (0..batches).map(move |n| {
            let first = (drive * batches + n) * 20 + 1;
            let t_min = Wall(NOW.0 + n as i64 * 20_000);
            Batch { t_min, t_max: Wall(t_min.0 + 19_000), ..batch(7, 1, 7, first, first + 19) }
        })
    };
    (0..drives).flat_map(of_drive).collect()
}

async fn written(fold_bytes: usize, batches: &[Batch]) -> (World, waygate_store::Writer, waygate_store::Reader) {
    let world = World::folding_at(fold_bytes);
    let (mut writer, reader) = world.open().await;
    writer.commit(vec![attach(7, 1, 7)]).await.unwrap();
    for some in batches.chunks(10) {
        writer.commit(some.iter().cloned().map(Write::Batch).collect()).await.unwrap();
    }
    (world, writer, reader)
}

#[tokio::test]
async fn drives_that_overlap_in_time_are_read_once_each_and_in_order_within_the_bound() {
    // Folded all but the last, half, or not at all.
    for fold_bytes in [20_000, 100_000, usize::MAX] {
        let batches = drives(40, 10);
        let (_world, _writer, reader) = written(fold_bytes, &batches).await;
        let mut history = reader.history(&vehicle(7), Wall(0), Wall(i64::MAX), None).await.unwrap().holding(HELD_BYTES);
        let mut read = Vec::new();
        while let Some(batch) = history.next().await.unwrap() {
            let StoredBatch { t_min, first_seq, .. } = batch.unwrap();
            read.push((t_min, first_seq));
        }
        let mut expected: Vec<_> = batches.iter().map(|batch| (batch.t_min, batch.first_seq)).collect();
        expected.sort_unstable();
        assert_eq!(read, expected, "folded at {fold_bytes}");
        let peak = history.held_bytes_peak();
        assert!((HELD_BYTES / 2..=HELD_BYTES).contains(&peak), "{peak} bytes were held, folded at {fold_bytes}");
    }
}

#[tokio::test]
async fn batches_that_all_begin_at_one_time_are_read_within_the_bound() {
    let batches: Vec<_> = drives(200, 1);
    let (_world, _writer, reader) = written(20_000, &batches).await;
    let mut history = reader.history(&vehicle(7), Wall(0), Wall(i64::MAX), None).await.unwrap().holding(HELD_BYTES);
    let mut firsts = Vec::new();
    while let Some(batch) = history.next().await.unwrap() {
        firsts.push(batch.unwrap().first_seq);
    }
    assert_eq!(firsts, (0..200).map(|n| n * 20 + 1).collect::<Vec<_>>());
    assert!(history.held_bytes_peak() <= HELD_BYTES);
}

#[tokio::test]
async fn a_batch_larger_than_what_may_be_held_is_read_all_the_same() {
    let (_world, _writer, reader) = written(20_000, &drives(20, 2)).await;
    let mut history = reader.history(&vehicle(7), Wall(0), Wall(i64::MAX), None).await.unwrap().holding(1);
    let mut count = 0;
    while let Some(batch) = history.next().await.unwrap() {
        batch.unwrap();
        count += 1;
    }
    assert_eq!(count, 40);
}
