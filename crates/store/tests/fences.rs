//! Fences of vehicles whose session went on elsewhere: nothing late is stored, and what is settled is final.

#![allow(clippy::unwrap_used)]

mod world;

use waygate_core::epoch::Epoch;
use waygate_core::ranges::SeqRanges;
use waygate_store::{Outcome, Write};
use world::{World, attach, batch, fence, forget, history, presence, settle};

fn attached(first: u64, last: u64) -> Outcome {
    Outcome::Attached { settled: [(first, last)].into_iter().collect() }
}

fn late(first: u64, last: u64) -> Write {
    Write::Batch(batch(1, 5, 7, first, last))
}

const FENCED: Outcome = Outcome::Fenced { by: Epoch(6) };

#[tokio::test]
async fn a_fence_stands_between_the_writes_before_it_and_those_after() {
    let world = World::new();
    let (mut writer, reader) = world.open().await;
    writer.commit(vec![attach(1, 5, 7), late(1, 5)]).await.unwrap();
    let outcomes = writer.commit(vec![late(6, 8), fence(1, 6, 7), late(9, 9), fence(1, 6, 7), fence(1, 6, 8)]).await;
    let nothing = Outcome::Attached { settled: SeqRanges::new() };
    assert_eq!(outcomes.unwrap(), [Outcome::Stored, attached(1, 8), FENCED, attached(1, 8), nothing]);
    assert_eq!(writer.commit(vec![late(9, 9), attach(1, 5, 7)]).await.unwrap(), [FENCED, FENCED]);
    // What became of the old session is still written down, and the new one may write.
    let writes = vec![Write::Presence(presence(1, 5)), Write::Batch(batch(1, 6, 7, 9, 9))];
    assert_eq!(writer.commit(writes).await.unwrap(), [Outcome::Done, Outcome::Stored]);
    assert_eq!(history(&reader, 1).await.len(), 3);
}

#[tokio::test]
async fn a_fence_outlives_a_forget_an_eviction_and_a_reopening() {
    let world = World::new();
    let (mut writer, reader) = world.open().await;
    writer.commit(vec![attach(1, 5, 7), late(1, 5)]).await.unwrap();
    assert_eq!(writer.commit(vec![fence(1, 6, 7), forget(1), late(6, 6)]).await.unwrap()[2], FENCED);
    // So many vehicles are looked up that all of them are dropped from memory again.
    writer.commit((1000..101_001).map(forget).collect()).await.unwrap();
    assert_eq!(writer.commit(vec![late(6, 6)]).await.unwrap(), [FENCED]);
    writer.reopen().await.unwrap();
    assert_eq!(writer.commit(vec![late(6, 6), fence(1, 4, 7)]).await.unwrap(), [FENCED, attached(1, 5)]);
    assert_eq!(history(&reader, 1).await.len(), 1);
}

#[tokio::test]
async fn an_attach_here_takes_the_place_of_the_fence() {
    let world = World::new();
    let (mut writer, _reader) = world.open().await;
    writer.commit(vec![attach(1, 5, 7), fence(1, 6, 7)]).await.unwrap();
    let outcomes = writer.commit(vec![attach(1, 7, 7), Write::Batch(batch(1, 6, 7, 1, 1)), forget(1), late(1, 1)]);
    let by = Outcome::Fenced { by: Epoch(7) };
    let nothing = Outcome::Attached { settled: SeqRanges::new() };
    assert_eq!(outcomes.await.unwrap(), [nothing, by, Outcome::Done, Outcome::Stored]);
}

#[tokio::test]
async fn an_attach_that_was_never_durable_leaves_the_fence_where_it_was() {
    use std::future::Future as _;
    let world = World::new();
    let (mut writer, _reader) = world.open().await;
    writer.commit(vec![attach(1, 5, 7), fence(1, 6, 7)]).await.unwrap();
    // Nothing of it lands: its row is taken by a commit that was made meanwhile by other means.
    let mut commit = Box::pin(writer.commit(vec![attach(1, 7, 7), forget(1)]));
    let mut polled = std::task::Context::from_waker(std::task::Waker::noop());
    let finished = commit.as_mut().poll(&mut polled).is_ready();
    drop(commit);
    assert!(!finished, "the commit was not abandoned");
    // It may land after the writer was reopened; the writer then finds out and says so.
    loop {
        writer.reopen().await.unwrap();
        if writer.commit(vec![attach(8, 1, 7)]).await.is_ok() {
            break;
        }
    }
    assert_eq!(writer.commit(vec![late(1, 1)]).await.unwrap(), [FENCED]);
}

#[tokio::test]
async fn a_fence_writes_nothing_and_ends_with_the_process() {
    let world = World::new();
    let (mut writer, reader) = world.open().await;
    writer.commit(vec![attach(1, 5, 7), late(1, 5)]).await.unwrap();
    let before = reader.counts().unwrap();
    assert_eq!(writer.commit(vec![fence(1, 6, 7)]).await.unwrap(), [attached(1, 5)]);
    assert_eq!(writer.commit(vec![fence(2, 6, 7)]).await.unwrap().len(), 1);
    assert_eq!(reader.counts().unwrap().wal_bytes, before.wal_bytes);
    reader.close().await;
    writer.close().await.unwrap();
    let (mut writer, reader) = world.open().await;
    assert_eq!(reader.latest_all(None, 10).await.unwrap().items.len(), 1);
    assert_eq!(writer.commit(vec![late(6, 6)]).await.unwrap(), [Outcome::Stored]);
}

#[tokio::test]
async fn what_another_gateway_has_stored_is_settled_here_whoever_was_attached_and_after_a_restart() {
    let world = World::new();
    let (mut writer, reader) = world.open().await;
    writer.commit(vec![attach(1, 5, 7), late(4, 5), fence(1, 6, 7)]).await.unwrap();
    let outcomes =
        writer.commit(vec![settle(1, 7, &[(1, 4)]), settle(1, 7, &[(2, 3)]), attach(1, 6, 7)]).await.unwrap();
    assert_eq!(outcomes, [attached(1, 5), attached(1, 5), attached(1, 5)]);
    let records = history(&reader, 1).await;
    drop(writer);
    reader.close().await;
    let (mut writer, reader) = world.open().await;
    let outcomes = writer.commit(vec![Write::Batch(batch(1, 6, 7, 1, 3)), fence(1, 7, 7)]).await.unwrap();
    assert_eq!(outcomes, [Outcome::Duplicate, attached(1, 5)]);
    assert_eq!(history(&reader, 1).await, records, "nothing is stored of it");
}
