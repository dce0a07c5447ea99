//! The timeline of a vehicle: each transition once, newest first, and no more of them than anyone asks about.

#![allow(clippy::unwrap_used)]

mod world;

use waygate_core::id::{Incarnation, NodeId, VehicleId};
use waygate_core::time::Wall;
use waygate_store::{Outcome, Reader, TIMELINE_KEPT, TIMELINE_KEPT_MAX, TransitionRecord, Write};
use world::{World, batch, fold_all, forget, transition, vehicle};

async fn timeline(reader: &Reader, n: u64) -> Vec<TransitionRecord> {
    timeline_of(reader, &vehicle(n)).await
}

async fn timeline_of(reader: &Reader, vehicle: &VehicleId) -> Vec<TransitionRecord> {
    reader.timeline(vehicle, None, 10_000).await.unwrap()
}

#[tokio::test]
async fn a_timeline_is_read_newest_first_and_goes_on_where_a_page_ended() {
    let world = World::folding_at(20_000);
    let (mut writer, reader) = world.open().await;
    let later_life = |record| TransitionRecord { incarnation: Incarnation(u64::MAX), ..record };
    let newest_first = [
        transition(1, "gw-1", 3, 20),
        transition(1, "gw-2", 1, 10),
        later_life(transition(1, "gw-1", 1, 10)),
        transition(1, "gw-1", u64::MAX, 10),
        transition(1, "gw-1", 2, 10),
        transition(1, "gw-1", 0, -10),
    ];
    for written in newest_first.iter().rev().chain(&newest_first) {
        assert_eq!(writer.commit(vec![Write::Transition(written.clone())]).await.unwrap(), [Outcome::Done]);
    }
    for from in [0, 40] {
        assert_eq!(timeline(&reader, 1).await, newest_first);
        for (i, before) in newest_first.iter().enumerate() {
            let page = reader.timeline(&vehicle(1), Some(before.key()), 2).await.unwrap();
            assert_eq!(page, newest_first[i + 1..].iter().take(2).cloned().collect::<Vec<_>>());
        }
        assert_eq!(reader.last_transition(&vehicle(1)).await.unwrap().as_ref(), newest_first.first());
        assert_eq!(reader.last_transition(&vehicle(2)).await.unwrap(), None);
        fold_all(&mut writer, &reader, from).await;
    }
}

#[tokio::test]
async fn the_last_that_is_kept_of_each_gateway_is_found_for_many_vehicles_at_once() {
    let world = World::folding_at(20_000);
    let (mut writer, reader) = world.open().await;
    let later_life = |record| TransitionRecord { incarnation: Incarnation(u64::MAX), ..record };
    let written = [
        transition(1, "gw-1", 2, 10),
        transition(1, "gw-1", u64::MAX, 11),
        later_life(transition(1, "gw-1", 0, 12)),
        transition(1, "gw-2", 9, 13),
        transition(2, "gw-2", 4, 14),
        transition(2, "gw-2", 3, 15),
    ];
    let wanted = [(2, "gw-2"), (1, "gw-1"), (3, "gw-1"), (1, "gw-2"), (2, "gw-1")];
    let wanted: Vec<_> = wanted.into_iter().map(|(n, owner)| (vehicle(n), NodeId::new(owner).unwrap())).collect();
    for (from, written) in [0, 40].into_iter().zip(written.chunks(3)) {
        writer.commit(written.iter().cloned().map(Write::Transition).collect()).await.unwrap();
        for _ in 0..2 {
            let mut expected = Vec::new();
            for (of, owner) in &wanted {
                let told = timeline_of(&reader, of).await.into_iter().filter(|told| told.owner == *owner);
                expected.push(told.max_by_key(|told| (told.incarnation, told.seq)));
            }
            assert!(expected[1].is_some());
            assert_eq!(reader.last_of_each(&wanted).await.unwrap(), expected);
            fold_all(&mut writer, &reader, from).await;
        }
    }
    assert!(reader.last_of_each(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_repeat_changes_nothing_wherever_the_first_one_is() {
    let world = World::folding_at(20_000);
    let (mut writer, reader) = world.open().await;
    let first = transition(1, "gw-1", 5, 100);
    let repeat = TransitionRecord { at: Wall(first.at.0 + 50), flags: 77, ..first.clone() };
    writer.commit(vec![Write::Transition(first.clone()), Write::Transition(repeat.clone())]).await.unwrap();
    for from in [0, 40, 80] {
        assert_eq!(timeline(&reader, 1).await, std::slice::from_ref(&first));
        writer.commit(vec![Write::Transition(repeat.clone())]).await.unwrap();
        assert_eq!(timeline(&reader, 1).await, std::slice::from_ref(&first));
        fold_all(&mut writer, &reader, from).await;
    }
    writer.reopen().await.unwrap();
    assert_eq!(timeline(&reader, 1).await, [first]);
}

#[tokio::test]
async fn at_every_point_of_a_fold_a_restart_loses_and_doubles_no_transition() {
    let world = World::folding_at(150_000);
    let mut stopped_within = 0;
    for round in 0..60u64 {
        let (mut writer, reader) = world.open().await;
        let mut writes = Vec::new();
        for n in 0..20 {
            writes.push(Write::Batch(batch(n, 1, 7, round * 20 + 1, round * 20 + 20)));
            // The one before is said again, as after an answer that was lost.
            for seq in round.saturating_sub(1)..=round {
                writes.push(Write::Transition(transition(n, "gw-1", seq, seq as i64)));
            }
        }
        writer.commit(writes).await.unwrap();
        for n in 0..20 {
            let expected: Vec<_> = (0..=round).rev().map(|seq| transition(n, "gw-1", seq, seq as i64)).collect();
            assert_eq!(timeline(&reader, n).await, expected, "round {round}, vehicle {n}");
        }
        stopped_within += u32::from(reader.counts().unwrap().unfolded_batches % 20 != 0);
        reader.close().await;
        writer.close().await.unwrap();
    }
    assert!(stopped_within > 3, "only {stopped_within} restarts met a fold that was under way");
}

#[tokio::test]
async fn transitions_are_let_go_by_age_and_by_number() {
    let world = World::folding_at(20_000);
    let (mut writer, reader) = world.open().await;
    let old = -(TIMELINE_KEPT.0 as i64);
    let aged = [transition(1, "gw-1", 1, old - 1), transition(1, "gw-1", 2, old), transition(2, "gw-1", 3, old - 5)];
    writer.commit(aged.clone().map(Write::Transition).to_vec()).await.unwrap();
    writer.commit(vec![forget(1), forget(2)]).await.unwrap();
    let max = u64::from(TIMELINE_KEPT_MAX);
    for hundred in 0..20u64 {
        let writes =
            (hundred * 100..hundred * 100 + 100).map(|i| Write::Transition(transition(3, "gw-1", i, i as i64)));
        writer.commit(writes.collect()).await.unwrap();
    }
    fold_all(&mut writer, &reader, 0).await;
    assert_eq!(timeline(&reader, 1).await, aged[1..2]);
    assert!(timeline(&reader, 2).await.is_empty());
    let flapping = timeline(&reader, 3).await;
    let newest: Vec<_> = (0..2000u64).rev().take(flapping.len()).map(|i| transition(3, "gw-1", i, i as i64)).collect();
    assert_eq!(flapping, newest);
    assert!((max..max + 400).contains(&(flapping.len() as u64)), "{} are kept", flapping.len());
}
