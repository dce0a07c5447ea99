//! Reading while the writer writes and folds, and commits that nobody waited for.

#![allow(clippy::unwrap_used)]

mod world;

use std::future::Future as _;
use std::task::{Context, Waker};
use waygate_core::time::Wall;
use waygate_store::{CommitErrorKind, Outcome, Write, Writer};
use world::{World, all, attach, batch, history, vehicle};

async fn commit_round(writer: &mut Writer, round: u64) {
    let writes = (0..20).map(|n| Write::Batch(batch(n, 1, 7, round * 20 + 1, round * 20 + 20))).collect();
    let outcomes = writer.commit(writes).await.unwrap();
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Stored), "{outcomes:?}");
}

#[tokio::test]
async fn a_history_read_slowly_while_everything_is_folded_shows_each_batch_once_and_in_order() {
    let world = World::folding_at(30_000);
    let (mut writer, reader) = world.open().await;
    let mut round = 0;
    for opened_after in [1, 2, 3, 5, 8, 13, 21, 34, 55, 89] {
        while round < opened_after {
            commit_round(&mut writer, round).await;
            round += 1;
        }
        let mut slow = reader.history(&vehicle(7), Wall(0), Wall(i64::MAX), None).await.unwrap();
        let mut seen = Vec::new();
        while let Some(item) = slow.next().await.unwrap() {
            seen.push(item.unwrap().first_seq);
            if seen.len() < 6 {
                commit_round(&mut writer, round).await;
                round += 1;
            }
        }
        let expected: Vec<u64> = (0..seen.len() as u64).map(|round| round * 20 + 1).collect();
        assert_eq!(seen, expected, "opened after {opened_after} rounds");
        assert!(seen.len() as u64 >= opened_after);
    }
    let counts = reader.counts().unwrap();
    assert!(counts.unfolded_batches * 2 < counts.batches, "too little was folded: {counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_beside_the_writer_see_whole_prefixes() {
    const ROUNDS: u64 = 150;
    let world = World::folding_at(30_000);
    let (mut writer, reader) = world.open().await;
    let readers: Vec<_> = (0..2)
        .map(|n| {
            let reader = reader.clone();
            tokio::spawn(async move {
                let mut longest = 0;
                while longest < ROUNDS {
                    let batches = all(reader.history(&vehicle(n), Wall(0), Wall(i64::MAX), None).await.unwrap()).await;
                    let expected = (0..batches.len() as u64).map(|round| round * 20 + 1);
                    assert!(batches.iter().map(|batch| batch.first_seq).eq(expected), "vehicle {n}");
                    assert!(batches.len() as u64 >= longest, "vehicle {n}: a batch was seen and is not any more");
                    longest = batches.len() as u64;
                    let latest = reader.latest(&vehicle(n)).await.unwrap().map(|latest| latest.t);
                    assert!(latest >= batches.last().map(|batch| batch.t_max), "vehicle {n}: an older position");
                }
            })
        })
        .collect();
    for round in 0..ROUNDS {
        commit_round(&mut writer, round).await;
    }
    for reader in readers {
        tokio::time::timeout(std::time::Duration::from_secs(60), reader).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_restart_in_the_middle_of_a_fold_doubles_and_loses_nothing() {
    let world = World::folding_at(150_000);
    let mut stopped_within = 0;
    for round in 0..60 {
        let (mut writer, reader) = world.open().await;
        commit_round(&mut writer, round).await;
        let counts = reader.counts().unwrap();
        for n in 0..20 {
            assert_eq!(firsts(&reader, n).await, (0..=round).map(|r| r * 20 + 1).collect::<Vec<_>>(), "vehicle {n}");
        }
        assert_eq!(counts.batches, (round + 1) * 20);
        stopped_within += u32::from(counts.unfolded_batches % 20 != 0);
        reader.close().await;
        writer.close().await.unwrap();
    }
    assert!(stopped_within > 3, "only {stopped_within} restarts met a fold that was under way");
}

#[tokio::test]
async fn a_commit_abandoned_half_way_is_whole_or_absent_and_the_writer_asks_to_be_reopened() {
    let world = World::folding_at(30_000);
    let (mut writer, reader) = world.open().await;
    let mut refused = 0;
    for round in 0..60u64 {
        let writes = (0..3).map(|n| Write::Batch(batch(n, 1, 7, round * 20 + 1, round * 20 + 20))).collect();
        let mut commit = Box::pin(writer.commit(writes));
        let mut polled = Context::from_waker(Waker::noop());
        for _ in 0..round % 4 + 1 {
            if commit.as_mut().poll(&mut polled).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(commit);
        match writer.commit(vec![attach(9, 1, 7)]).await {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind, CommitErrorKind::NotReopened);
                refused += 1;
            }
        }
        // An abandoned commit may land after the writer was reopened; the writer then finds out and says so.
        loop {
            writer.reopen().await.unwrap();
            if writer.commit(vec![attach(8, 1, 7)]).await.is_ok() {
                break;
            }
        }
        let found: Vec<Vec<u64>> = vec![firsts(&reader, 0).await, firsts(&reader, 1).await, firsts(&reader, 2).await];
        assert!(found[0] == found[1] && found[1] == found[2], "round {round}: part of a commit is there: {found:?}");
        assert!(found[0].is_sorted_by(|a, b| a < b), "round {round}: {found:?}");
    }
    assert!(refused > 20, "only {refused} commits were abandoned half-way");
}

async fn firsts(reader: &waygate_store::Reader, n: u64) -> Vec<u64> {
    history(reader, n).await.iter().map(|batch| batch.first_seq).collect()
}
