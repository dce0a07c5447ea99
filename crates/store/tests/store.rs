//! The store as the gateway uses it.

#![allow(clippy::unwrap_used)]

mod world;

use waygate_core::epoch::Epoch;
use waygate_core::id::Incarnation;
use waygate_core::ranges::SeqRanges;
use waygate_core::record::{SignalPath, SignalValue};
use waygate_core::time::Wall;
use waygate_store::{Latest, Outcome, Refusal, Write};
use world::{World, attach, batch, fix, history, presence, vehicle};

fn seqs(first: u64, last: u64) -> SeqRanges {
    [(first, last)].into_iter().collect()
}

#[tokio::test]
async fn what_was_stored_is_served_and_outlives_the_writer() {
    let world = World::new();
    let (mut writer, reader) = world.open().await;
    let stored = writer.commit(vec![attach(1, 5, 7), Write::Batch(batch(1, 5, 7, 1, 30))]).await.unwrap();
    assert_eq!(stored, [Outcome::Attached { settled: SeqRanges::new() }, Outcome::Stored]);
    let seen = history(&reader, 1).await;
    assert_eq!(
        (seen.len(), &seen[0].columns, seen[0].received),
        (1, &batch(1, 5, 7, 1, 30).columns, batch(1, 5, 7, 1, 30).received)
    );
    drop((writer, reader));
    let (mut writer, reader) = world.open().await;
    assert_eq!(history(&reader, 1).await, seen);
    assert_eq!(reader.presence_all(None, 10).await.unwrap().items, [presence(1, 5)]);
    assert_eq!(writer.commit(vec![attach(1, 6, 7)]).await.unwrap(), [Outcome::Attached { settled: seqs(1, 30) }]);
}

#[tokio::test]
async fn a_batch_sent_again_is_a_duplicate_and_a_partly_known_one_is_left_to_the_caller() {
    let world = World::new();
    let (mut writer, reader) = world.open().await;
    let writes = [(1, 10), (1, 10), (3, 4), (5, 12), (11, 12)].map(|(a, b)| Write::Batch(batch(1, 1, 7, a, b)));
    let outcomes = writer.commit(writes.to_vec()).await.unwrap();
    use Outcome::{Duplicate, Overlap, Stored};
    assert_eq!(outcomes, [Stored, Duplicate, Duplicate, Overlap { settled: seqs(5, 10) }, Stored]);
    assert_eq!(history(&reader, 1).await.len(), 2);
}

#[tokio::test]
async fn a_late_batch_of_an_older_session_is_fenced() {
    let world = World::new();
    let (mut writer, _reader) = world.open().await;
    let writes =
        vec![attach(1, 5, 7), Write::Batch(batch(1, 4, 7, 1, 1)), Write::Presence(presence(1, 4)), attach(1, 4, 7)];
    let by = Outcome::Fenced { by: Epoch(5) };
    assert_eq!(writer.commit(writes).await.unwrap()[1..], [by.clone(), by.clone(), by.clone()]);
    writer.reopen().await.unwrap();
    assert_eq!(writer.commit(vec![Write::Batch(batch(1, 4, 7, 1, 1))]).await.unwrap(), [by]);
}

#[tokio::test]
async fn the_latest_position_goes_by_device_time_and_the_first_of_equals_stays() {
    let world = World::new();
    let (mut writer, reader) = world.open().await;
    for (seq, t, lat) in [(1, 50, 1), (2, 90, 2), (3, 90, 3), (4, 70, 4)] {
        let latest = Some(Latest { t: Wall(t), fix: fix(lat) });
        writer.commit(vec![Write::Batch(waygate_store::Batch { latest, ..batch(1, 1, 7, seq, seq) })]).await.unwrap();
    }
    let expected = Latest { t: Wall(90), fix: fix(2) };
    assert_eq!(reader.latest(&vehicle(1)).await.unwrap(), Some(expected));
    assert_eq!(reader.latest_all(None, 10).await.unwrap().items, [(vehicle(1), expected)]);
    assert_eq!(reader.latest(&vehicle(2)).await.unwrap(), None);
}

#[tokio::test]
async fn each_signal_keeps_its_latest_value() {
    let world = World::new();
    let (mut writer, reader) = world.open().await;
    let path = |name: &str| SignalPath::new(name).unwrap();
    let text = |text: &str| SignalValue::Text(text.to_owned());
    for (seq, latest_signals) in [
        (
            1,
            vec![(path("Vehicle.Speed"), Wall(20), SignalValue::Number(1.5)), (path("Vehicle.A"), Wall(5), text("on"))],
        ),
        (
            2,
            vec![
                (path("Vehicle.Speed"), Wall(10), SignalValue::Integer(-3)),
                (path("Vehicle.A"), Wall(6), text("off")),
            ],
        ),
    ] {
        let batch = waygate_store::Batch { latest_signals, ..batch(1, 1, 7, seq, seq) };
        writer.commit(vec![Write::Batch(batch)]).await.unwrap();
    }
    let expected =
        [(path("Vehicle.A"), Wall(6), text("off")), (path("Vehicle.Speed"), Wall(20), SignalValue::Number(1.5))];
    assert_eq!(reader.latest_signals(&vehicle(1)).await.unwrap(), expected);
    writer.reopen().await.unwrap();
    assert_eq!(reader.latest_signals(&vehicle(1)).await.unwrap(), expected);
}

#[tokio::test]
async fn a_forgotten_vehicle_leaves_presence_and_keeps_its_records() {
    let world = World::new();
    let (mut writer, reader) = world.open().await;
    writer.commit(vec![attach(1, 5, 7), Write::Batch(batch(1, 5, 7, 1, 3))]).await.unwrap();
    let forget = |n| Write::Forget { vehicle: vehicle(n) };
    assert_eq!(writer.commit(vec![forget(1), forget(2)]).await.unwrap(), [Outcome::Done, Outcome::Done]);
    assert!(reader.presence_all(None, 10).await.unwrap().items.is_empty());
    assert!(reader.holds(&vehicle(1)).await.unwrap() && !reader.holds(&vehicle(2)).await.unwrap());
    assert_eq!(writer.commit(vec![attach(1, 1, 7)]).await.unwrap(), [Outcome::Attached { settled: seqs(1, 3) }]);
}

#[tokio::test]
async fn refused_records_are_settled_without_being_stored() {
    let world = World::new();
    let (mut writer, reader) = world.open().await;
    let refused = waygate_store::Batch { count: 0, columns: Vec::new(), latest: None, ..batch(1, 1, 7, 1, 5) };
    assert_eq!(writer.commit(vec![Write::Batch(refused.clone())]).await.unwrap(), [Outcome::Stored]);
    writer.reopen().await.unwrap();
    assert_eq!(writer.commit(vec![Write::Batch(refused)]).await.unwrap(), [Outcome::Duplicate]);
    assert!(history(&reader, 1).await.is_empty() && !reader.holds(&vehicle(1)).await.unwrap());
}

#[tokio::test]
async fn a_batch_that_contradicts_itself_is_refused_and_the_others_of_the_commit_are_stored() {
    let world = World::new();
    let (mut writer, _reader) = world.open().await;
    let good = batch(1, 1, 7, 1, 5);
    let beyond = waygate_store::Batch { settled: seqs(1, 6), ..good.clone() };
    let backwards = waygate_store::Batch { t_min: Wall(good.t_max.0 + 1), ..good.clone() };
    let crowded = waygate_store::Batch { count: 6, ..good.clone() };
    let writes = [beyond, backwards, crowded, good].map(Write::Batch).to_vec();
    let outcomes = writer.commit(writes).await.unwrap();
    let refused = |o: &Outcome| matches!(o, Outcome::Refused(Refusal::Contradiction(_)));
    assert!(outcomes[..3].iter().all(refused) && outcomes[3] == Outcome::Stored, "{outcomes:?}");
}

#[tokio::test]
async fn a_spool_in_too_many_pieces_is_refused_until_its_holes_are_filled() {
    let world = World::new();
    let (mut writer, _reader) = world.open().await;
    let max = waygate_core::limits::SPOOL_RANGES_MAX as u64;
    let odd = (0..max).map(|i| Write::Batch(batch(1, 1, 7, 2 * i + 1, 2 * i + 1))).collect();
    assert!(writer.commit(odd).await.unwrap().iter().all(|o| *o == Outcome::Stored));
    let outcomes = writer.commit(vec![
        Write::Batch(batch(1, 1, 7, 2 * max + 1, 2 * max + 1)),
        Write::Batch(batch(1, 1, 7, 2, 2)),
        Write::Batch(batch(1, 1, 7, 2 * max + 1, 2 * max + 1)),
    ]);
    let refused = Outcome::Refused(Refusal::TooManyRanges);
    assert_eq!(outcomes.await.unwrap(), [refused, Outcome::Stored, Outcome::Stored]);
}

#[tokio::test]
async fn incarnations_rise_over_restarts_even_when_the_clock_steps_back() {
    let world = World::new();
    let (mut writer, _reader) = world.open().await;
    assert_eq!(writer.next_incarnation(Wall(5_000_999)).await.unwrap().0, 5000);
    drop(writer);
    let (mut writer, _reader) = world.open().await;
    assert_eq!(writer.next_incarnation(Wall(1_000_000)).await.unwrap().0, 5001);
    assert_eq!(writer.next_incarnation(Wall(9_000_000)).await.unwrap().0, 9000);
}

#[tokio::test]
async fn a_life_that_others_know_is_noted_and_the_next_one_is_later() {
    let world = World::new();
    let (mut writer, _reader) = world.open().await;
    assert_eq!(writer.next_incarnation(Wall(1_000_000)).await.unwrap().0, 1000);
    writer.outlived(Incarnation(7000)).await.unwrap();
    drop(writer);
    let (mut writer, _reader) = world.open().await;
    assert_eq!(writer.next_incarnation(Wall(1_000_000)).await.unwrap().0, 7001);
    writer.outlived(Incarnation(5000)).await.unwrap();
    assert_eq!(writer.next_incarnation(Wall(1_000_000)).await.unwrap().0, 7002, "an earlier one changes nothing");
}

#[tokio::test]
async fn pages_cover_every_vehicle_once() {
    let world = World::new();
    let (mut writer, reader) = world.open().await;
    writer.commit((0..25).map(|n| attach(n, 1, 7)).collect()).await.unwrap();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = reader.presence_all(after, 10).await.unwrap();
        assert!(page.items.len() <= 10);
        seen.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, (0..25).map(|n| presence(n, 1)).collect::<Vec<_>>());
}
