//! Commands: changed in place, found by id, by vehicle and as long as they are open, and let go when they are old.

#![allow(clippy::unwrap_used)]

mod world;

use waygate_core::time::Millis;
use waygate_store::{
    COMMAND_BODY_BYTES_MAX, COMMANDS_KEPT, COMMANDS_KEPT_MAX, CommandRecord, Outcome, Reader, Refusal, Write,
};
use world::{NOW, World, batch, command, ended, fold_all, forget, vehicle};

async fn open_of(reader: &Reader) -> Vec<CommandRecord> {
    let (mut open, mut after) = (Vec::new(), None);
    loop {
        let page = reader.commands_open(after, 7).await.unwrap();
        assert!(page.items.len() <= 7);
        open.extend(page.items);
        after = page.next;
        if after.is_none() {
            return open;
        }
    }
}

#[tokio::test]
async fn a_command_is_replaced_by_its_next_state_and_leaves_the_open_ones_when_it_ends() {
    let world = World::new();
    let (mut writer, reader) = world.open().await;
    let bare = CommandRecord { body: Vec::new(), ..command(2, u128::MAX, 5) };
    let writes = [command(1, 1, 10), command(1, 2, 20), bare.clone(), ended(1, 1, 30)].map(Write::Command);
    assert_eq!(writer.commit(writes.to_vec()).await.unwrap(), vec![Outcome::Done; 4]);
    assert_eq!(reader.command(1).await.unwrap(), Some(ended(1, 1, 30)));
    assert_eq!(reader.command(3).await.unwrap(), None);
    assert_eq!(reader.commands_of(&vehicle(1), 9).await.unwrap(), [ended(1, 1, 30), command(1, 2, 20)]);
    assert_eq!(reader.commands_of(&vehicle(1), 1).await.unwrap(), [ended(1, 1, 30)]);
    assert_eq!(reader.commands_of(&vehicle(3), 9).await.unwrap(), []);
    let at = ended(1, 1, 30).updated;
    assert_eq!(reader.commands_ended(at, 9).await.unwrap(), [ended(1, 1, 30)]);
    assert_eq!(reader.commands_ended(at + Millis(1), 9).await.unwrap(), []);
    assert_eq!(open_of(&reader).await, [command(1, 2, 20), bare]);
}

#[tokio::test]
async fn a_body_that_is_too_large_and_an_id_of_another_vehicle_are_refused() {
    let world = World::folding_at(20_000);
    let (mut writer, reader) = world.open().await;
    let largest = CommandRecord { body: vec![7; COMMAND_BODY_BYTES_MAX], ..command(1, 1, 0) };
    let larger = CommandRecord { body: vec![7; COMMAND_BODY_BYTES_MAX + 1], ..command(1, 2, 0) };
    let writes = [larger, largest.clone(), command(2, 1, 9)].map(Write::Command).to_vec();
    let expected = [
        Outcome::Refused(Refusal::CommandTooLarge { bytes: COMMAND_BODY_BYTES_MAX + 1 }),
        Outcome::Done,
        Outcome::Refused(Refusal::CommandOfAnother),
    ];
    assert_eq!(writer.commit(writes).await.unwrap(), expected);
    // Found out again from memory and, once it is there, from the table.
    for from in [0, 40] {
        let refused = writer.commit(vec![Write::Command(command(2, 1, 9))]).await.unwrap();
        assert_eq!(refused, [Outcome::Refused(Refusal::CommandOfAnother)]);
        assert_eq!(reader.command(1).await.unwrap(), Some(largest.clone()));
        fold_all(&mut writer, &reader, from).await;
    }
    assert_eq!(reader.commands_of(&vehicle(2), 9).await.unwrap(), []);
}

#[tokio::test]
async fn at_every_point_of_a_fold_a_restart_loses_no_command_and_no_change_of_one() {
    let world = World::folding_at(150_000);
    let mut stopped_within = 0;
    let mut expected = Vec::new();
    for round in 0..60u64 {
        let (mut writer, reader) = world.open().await;
        let mut writes: Vec<_> =
            (0..20).map(|n| Write::Batch(batch(n, 1, 7, round * 20 + 1, round * 20 + 20))).collect();
        for n in 0..20u64 {
            // One that is open all the time and changes, and one that ends two rounds later.
            writes.push(Write::Command(command(n, u128::from(n), round as i64)));
            writes.push(Write::Command(command(n, u128::from(100 + round * 20 + n), round as i64)));
            if let Some(before) = round.checked_sub(2) {
                writes.push(Write::Command(ended(n, u128::from(100 + before * 20 + n), round as i64)));
            }
        }
        writer.commit(writes).await.unwrap();
        for n in 0..20u64 {
            let of = reader.commands_of(&vehicle(n), 1000).await.unwrap();
            assert_eq!(of.len() as u64, round + 2, "round {round}, vehicle {n}");
            assert_eq!(of.iter().filter(|command| command.ended).count() as u64, (round + 1).saturating_sub(2));
            assert_eq!(reader.command(u128::from(n)).await.unwrap(), Some(command(n, u128::from(n), round as i64)));
        }
        let open = open_of(&reader).await;
        assert_eq!(open.len() as u64, 20 * (1 + (round + 1).min(2)), "round {round}");
        expected = open;
        stopped_within += u32::from(reader.counts().unwrap().unfolded_batches % 20 != 0);
        reader.close().await;
        writer.close().await.unwrap();
    }
    let (_writer, reader) = world.open().await;
    assert_eq!(open_of(&reader).await, expected);
    assert!(stopped_within > 3, "only {stopped_within} restarts met a fold that was under way");
}

#[tokio::test]
async fn ended_commands_are_let_go_by_age_and_by_number_and_open_ones_never() {
    let world = World::folding_at(20_000);
    let (mut writer, reader) = world.open().await;
    let old = -(COMMANDS_KEPT.0 as i64) - 1;
    let many = i64::from(COMMANDS_KEPT_MAX) + 20;
    let mut writes = vec![command(1, 1, old), ended(1, 2, old), ended(1, 3, old + 1), ended(2, 4, old)];
    writes.push(command(3, 5, old));
    writes.extend((0..many).map(|i| ended(3, 1000 + i as u128, -i)));
    writer.commit(writes.into_iter().map(Write::Command).collect()).await.unwrap();
    writer.commit(vec![forget(1), forget(2), forget(3)]).await.unwrap();
    fold_all(&mut writer, &reader, 0).await;
    let ids = async |n| reader.commands_of(&vehicle(n), 1000).await.unwrap().iter().map(|c| c.id).collect::<Vec<_>>();
    assert_eq!(ids(1).await, [3, 1]);
    assert!(ids(2).await.is_empty());
    let newest = (0..i64::from(COMMANDS_KEPT_MAX)).map(|i| 1000 + i as u128).chain([5]);
    assert_eq!(ids(3).await, newest.collect::<Vec<_>>());
    assert_eq!(open_of(&reader).await, [command(1, 1, old), command(3, 5, old)]);
}

#[tokio::test]
async fn what_grows_old_where_nothing_new_comes_goes_too() {
    let mut world = World::folding_at(20_000);
    let (mut writer, reader) = world.open().await;
    let writes = (0..300).map(|i| Write::Command(ended(i, u128::from(i), 0))).collect();
    writer.commit(writes).await.unwrap();
    fold_all(&mut writer, &reader, 0).await;
    assert!(reader.command(7).await.unwrap().is_some());
    reader.close().await;
    writer.close().await.unwrap();
    world.options.wall = || NOW + COMMANDS_KEPT + Millis(1);
    let (mut writer, reader) = world.open().await;
    fold_all(&mut writer, &reader, 40).await;
    for id in 0..300 {
        assert_eq!(reader.command(id).await.unwrap(), None);
    }
}
