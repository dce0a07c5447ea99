use super::{Key, Merge, Patience, Pieces, Row, Source, Span};
use futures_util::StreamExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use waygate_core::record::{Lane, Record, Telemetry};
use waygate_core::time::Wall;
use waygate_wire::encode_columns;
use waygate_wire::proto::{HistoryChunk, StoredBatch};

const ALL: Span = Span { from: Wall(i64::MIN), to: Wall(i64::MAX), after: None };
const DEADLINE: Duration = Duration::from_secs(3);

/// Records `first..` of spool 1 at these times.
fn batch(first: u64, times: &[i64], received: i64) -> StoredBatch {
    let record = |t: &i64| Record { t: Wall(*t), fix: None, signals: Vec::new() };
    let records = times.iter().map(record).collect();
    let columns = encode_columns(&Telemetry { first_seq: first, lane: Lane::Live, records });
    StoredBatch { spool: 1, received_ms: received, columns: columns.into() }
}

fn chunk(batches: Vec<StoredBatch>) -> HistoryChunk {
    HistoryChunk { batches, damaged: 0 }
}

/// Batches as a gateway gives them: in the order of their earliest time.
fn pieces(batches: Vec<StoredBatch>) -> Pieces {
    futures_util::stream::iter(batches.into_iter().map(|batch| Ok(chunk(vec![batch])))).boxed()
}

fn source(gateway: &str, patience: Patience, open: impl Fn(Option<Key>) -> Pieces + Send + Sync + 'static) -> Source {
    Source::new((gateway.to_owned(), format!("{gateway}'s region")), ALL, Some(patience), open)
}

fn steady(gateway: &str, batches: Vec<StoredBatch>) -> Source {
    source(gateway, Patience::strict(DEADLINE), move |_| pieces(batches.clone()))
}

/// Like any, but within these bytes.
fn holding(bytes: usize, sources: Vec<Source>) -> Merge {
    Merge { held_max: bytes, ..Merge::new(sources) }
}

async fn read(merge: &mut Merge) -> Vec<(i64, u64)> {
    let mut read = Vec::new();
    while let Some((key, _)) = merge.next().await {
        read.push((key.t.0, key.seq));
    }
    read
}

fn missing(merge: &Merge) -> Vec<(String, String)> {
    merge.missing().map(|m| (m.gateway.unwrap_or_default(), m.why)).collect()
}

#[tokio::test]
async fn records_of_all_leave_in_the_order_of_their_time_and_each_once() {
    let a = steady("a", vec![batch(1, &[10, 30], 100), batch(3, &[20, 40], 100)]);
    let b = steady("b", vec![batch(1, &[10, 30], 90), batch(5, &[35, 50], 90)]);
    let mut merge = Merge::new(vec![a, b]);
    let (first, Row { received, .. }) = merge.next().await.unwrap();
    assert_eq!((first, received), (Key { t: Wall(10), spool: 1, seq: 1 }, Wall(90)), "stored first at b");
    assert_eq!(read(&mut merge).await, [(20, 3), (30, 2), (35, 5), (40, 4), (50, 6)]);
    assert_eq!(merge.missing().count(), 0);
}

#[tokio::test]
async fn who_left_out_what_is_damaged_is_named_and_the_rest_of_it_leaves() {
    let why = "some of what it stored is damaged, and left out";
    let unreadable = StoredBatch { columns: vec![0xFF; 8].into(), ..batch(2, &[20], 100) };
    let told = HistoryChunk { batches: vec![batch(1, &[10], 100)], damaged: 1 };
    let a = steady("a", vec![batch(1, &[10], 100), unreadable]);
    let b = source("b", Patience::strict(DEADLINE), move |_| futures_util::stream::iter([Ok(told.clone())]).boxed());
    let mut merge = Merge::new(vec![a, b, steady("c", vec![batch(3, &[30], 100)])]);
    assert_eq!(read(&mut merge).await, [(10, 1), (30, 3)]);
    assert_eq!(missing(&merge), ["a", "b"].map(|gateway| (gateway.to_owned(), why.to_owned())));
}

#[tokio::test]
async fn only_what_is_asked_for_leaves() {
    let span = Span { from: Wall(20), to: Wall(50), after: Some(Key { t: Wall(20), spool: 1, seq: 3 }) };
    let batches = vec![batch(1, &[10, 30], 0), batch(3, &[20, 40], 0), batch(5, &[50, 60], 0), batch(7, &[70], 0)];
    let mut merge = Merge::new(vec![Source::new(Default::default(), span, None, move |_| pieces(batches.clone()))]);
    assert_eq!(read(&mut merge).await, [(30, 2), (40, 4)]);
}

#[tokio::test(start_paused = true)]
async fn who_never_answers_costs_the_deadline_once_however_many_there_are() {
    let deaf = |name: &str| source(name, Patience::strict(DEADLINE), |_| futures_util::stream::pending().boxed());
    let mut merge = Merge::new(vec![steady("a", vec![batch(1, &[10, 20], 0)]), deaf("b"), deaf("c")]);
    let asked = Instant::now();
    assert_eq!(read(&mut merge).await, [(10, 1), (20, 2)]);
    assert_eq!(asked.elapsed(), DEADLINE);
    let why = "it kept the answer waiting for more than 3 s";
    assert_eq!(missing(&merge), ["b", "c"].map(|gateway| (gateway.to_owned(), why.to_owned())));
}

/// Gives a batch each so often, for ever.
fn dribble(every: Duration) -> impl Fn(Option<Key>) -> Pieces + Send + Sync + 'static {
    move |_| {
        let next = move |n: u64| async move {
            tokio::time::sleep(every).await;
            Some((Ok(chunk(vec![batch(n + 1, &[n as i64], 0)])), n + 1))
        };
        futures_util::stream::unfold(0, next).boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn who_dribbles_costs_no_more_than_the_deadline_and_what_came_stands() {
    for patience in [Patience::strict(DEADLINE), Patience::earning(DEADLINE)] {
        let slow = source("slow", patience, dribble(Duration::from_millis(700)));
        let mut merge = Merge::new(vec![steady("a", vec![batch(100, &[1000, 2000], 0)]), slow]);
        let asked = Instant::now();
        assert_eq!(read(&mut merge).await, [(0, 1), (1, 2), (2, 3), (3, 4), (1000, 100), (2000, 101)]);
        assert!(asked.elapsed() <= DEADLINE + Duration::from_millis(100), "{:?}", asked.elapsed());
        assert_eq!(missing(&merge).len(), 1);
    }
}

#[tokio::test]
async fn who_dies_in_mid_stream_is_named_and_what_came_of_it_stands() {
    let dies = |_| {
        let said = [Ok(chunk(vec![batch(1, &[10], 0), batch(2, &[30], 0)])), Err("it broke off".to_owned())];
        futures_util::stream::iter(said).boxed()
    };
    let dying = source("b", Patience::strict(DEADLINE), dies);
    let mut merge = Merge::new(vec![steady("a", vec![batch(9, &[20, 40], 0)]), dying]);
    assert_eq!(read(&mut merge).await, [(10, 1), (20, 9), (30, 2), (40, 10)]);
    assert_eq!(missing(&merge), [("b".to_owned(), "it broke off".to_owned())]);
}

/// `drives` drives of `length` records each, all over the same time, as a clock that begins anew makes them.
fn drives(drives: u64, length: i64) -> Vec<StoredBatch> {
    let mut batches = Vec::new();
    for from in (0..length).step_by(10) {
        for drive in 0..drives {
            let times: Vec<_> = (from..from + 10).collect();
            batches.push(batch(drive * 10_000 + from as u64 + 1, &times, 0));
        }
    }
    batches
}

#[tokio::test]
async fn what_overlaps_without_end_is_held_within_the_bound_and_all_of_it_leaves_in_order() {
    let opened = Arc::new(AtomicUsize::new(0));
    let counted = opened.clone();
    let batches = drives(50, 200);
    let mut expected: Vec<_> =
        (0..200).flat_map(|t| (0..50).map(move |drive| (t, drive * 10_000 + t as u64 + 1))).collect();
    expected.sort_unstable();
    let source = source("a", Patience::strict(DEADLINE), move |after| {
        counted.fetch_add(1, Ordering::Relaxed);
        // As a gateway does: batches that can hold nothing beyond it are left out.
        let beyond = |batch: &StoredBatch| {
            let records = waygate_wire::decode_columns(&batch.columns).unwrap().records;
            after.is_none_or(|after| records.iter().any(|record| record.t >= after.t))
        };
        pieces(batches.iter().filter(|batch| beyond(batch)).cloned().collect())
    });
    let mut merge = holding(20_000, vec![source]);
    assert_eq!(read(&mut merge).await, expected);
    assert!((10_000..=20_000).contains(&merge.held_bytes_peak()), "{}", merge.held_bytes_peak());
    assert!((10..=200).contains(&opened.load(Ordering::Relaxed)), "asked {opened:?} times");
}

#[tokio::test]
async fn the_bound_holds_for_any_number_of_sources_and_what_the_empty_ones_leave_is_shared() {
    let opened = Arc::new(AtomicUsize::new(0));
    let giving = |n: u64| {
        let counted = opened.clone();
        source("a", Patience::strict(DEADLINE), move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            pieces((0..40).rev().map(|batch| self::batch((n * 40 + batch) * 5 + 1, &[7; 5], 0)).collect())
        })
    };
    let mut sources: Vec<_> = (0..30).map(giving).collect();
    sources.extend((0..70).map(|_| steady("b", Vec::new())));
    let mut merge = holding(30 * 20_000, sources);
    assert_eq!(read(&mut merge).await, (1..=30 * 40 * 5).map(|seq| (7, seq)).collect::<Vec<_>>());
    assert!(merge.held_bytes_peak() <= 30 * 20_000, "{}", merge.held_bytes_peak());
    let again = opened.load(Ordering::Relaxed) - 30;
    assert!(again <= 30 * 3, "asked again {again} times");
}

#[tokio::test]
async fn records_that_all_have_one_time_leave_in_the_order_of_their_numbers() {
    let batches: Vec<_> = (0..100).rev().map(|n| batch(n * 5 + 1, &[7; 5], 0)).collect();
    let mut merge = holding(10_000, vec![steady("a", batches)]);
    assert_eq!(read(&mut merge).await, (1..=500).map(|seq| (7, seq)).collect::<Vec<_>>());
    assert!(merge.held_bytes_peak() <= 10_000);
}

#[tokio::test]
async fn a_source_is_read_no_further_than_the_answer_is() {
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = taken.clone();
    let source = source("a", Patience::strict(DEADLINE), move |_| {
        let counted = counted.clone();
        let batches = futures_util::stream::iter(0..1_000_000_u64);
        batches
            .map(move |n| {
                counted.fetch_add(1, Ordering::Relaxed);
                Ok(chunk(vec![batch(n + 1, &[n as i64], 0)]))
            })
            .boxed()
    });
    let mut merge = Merge::new(vec![source]);
    for _ in 0..1000 {
        merge.next().await.unwrap();
    }
    assert_eq!(taken.load(Ordering::Relaxed), 1001, "one is read ahead, to know that nothing is earlier");
}
