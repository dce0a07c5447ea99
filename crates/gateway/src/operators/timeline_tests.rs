use super::*;
use waygate_core::epoch::Epoch;
use waygate_core::id::{RegionId, SessionId};

fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

fn record(owner: &str, seq: u64, at: i64) -> TransitionRecord {
    TransitionRecord {
        vehicle: VehicleId::new("LUX-1").unwrap(),
        at: Wall(at),
        owner: node(owner),
        region: RegionId::new(owner).unwrap(),
        incarnation: Incarnation(1),
        seq,
        epoch: Epoch(7),
        session: SessionId(8),
        state: LiveState::Connected.number(),
        cause: 0,
        cell: None,
        flags: 0,
    }
}

/// A gateway as the store answers: newest first before a time, cut at `max`.
fn answer(name: &str, kept: &[TransitionRecord], before: Option<Wall>, max: usize) -> Answer {
    let mut records: Vec<_> =
        kept.iter().filter(|record| before.is_none_or(|before| record.at < before)).cloned().collect();
    records.sort_by_cached_key(|record| Reverse(record.key()));
    records.truncate(max);
    Answer { node: node(name), full: records.len() == max, records }
}

/// All pages of what these gateways keep, through the text of each cursor.
fn pages(gateways: &[(&str, Vec<TransitionRecord>)], limit: usize, max: usize) -> Vec<(String, u64, i64)> {
    let (mut told, mut cursor) = (Vec::new(), None::<Cursor>);
    for _ in 0..1000 {
        let before = cursor.as_ref().map(|cursor| Wall(cursor.before.0.0 + 1));
        let answers = gateways.iter().map(|(name, kept)| answer(name, kept, before, max)).collect();
        let (records, next) = merge(answers, cursor.as_ref(), limit);
        assert!(records.len() <= limit);
        told.extend(records.into_iter().map(|record| (record.owner.as_str().to_owned(), record.seq, record.at.0)));
        let Some(next) = next else { return told };
        let read = Cursor::read(&next.write());
        assert_eq!(read.as_ref(), Some(&next));
        cursor = read;
    }
    panic!("the pages do not end");
}

#[test]
fn the_deciding_gateways_own_time_is_told_and_of_others_the_earliest() {
    let gateways =
        [("a", vec![record("a", 1, 100), record("c", 1, 230)]), ("b", vec![record("a", 1, 90), record("c", 1, 220)])];
    assert_eq!(pages(&gateways, 10, 100), [("c".to_owned(), 1, 220), ("a".to_owned(), 1, 100)]);
}

#[test]
fn pages_tell_everything_once_however_late_or_askew_the_others_heard_of_it() {
    let a: Vec<_> = (1..=40).map(|seq| record("a", seq, seq as i64 * 10)).collect();
    let d: Vec<_> = (1..=40).map(|seq| record("d", seq, seq as i64 * 10 + 5)).collect();
    // One hears at once by a clock that is behind, the other only after a cut, all at once; `d` is not asked.
    let behind: Vec<_> = a.iter().chain(&d).map(|r| TransitionRecord { at: Wall(r.at.0 - 35), ..r.clone() }).collect();
    let late: Vec<_> = a
        .iter()
        .chain(&d)
        .enumerate()
        .map(|(at, r)| TransitionRecord { at: Wall(1000 + at as i64), ..r.clone() })
        .collect();
    let gateways = [("a", a), ("b", behind), ("c", late)];
    let whole = pages(&gateways, 1000, 1000);
    assert_eq!(whole.len(), 80);
    for (limit, max) in [(1, 20), (3, 20), (7, 71), (20, 84)] {
        let told = pages(&gateways, limit, max);
        let mut seen: Vec<_> = told.iter().map(|(owner, seq, _)| (owner.clone(), *seq)).collect();
        seen.sort();
        let mut once = seen.clone();
        once.dedup();
        assert_eq!((seen.len(), once.len()), (80, 80), "with {limit} a page out of {max}: {told:?}");
        let own: Vec<_> = told.iter().filter(|(owner, ..)| owner == "a").map(|(_, seq, at)| (*seq, *at)).collect();
        assert!(own.iter().all(|(seq, at)| *at == *seq as i64 * 10), "{own:?}");
        assert!(own.is_sorted_by(|x, y| x > y), "{own:?}");
    }
}

#[test]
fn what_its_own_gateway_lost_is_told_by_the_others() {
    let kept: Vec<_> = (1..=9).map(|seq| record("a", seq, seq as i64 * 10)).collect();
    let lost: Vec<_> = kept.iter().filter(|record| record.seq > 6).cloned().collect();
    let gateways = [("a", lost), ("b", kept)];
    for limit in [1, 2, 50] {
        let seqs: Vec<_> = pages(&gateways, limit, 100).into_iter().map(|(_, seq, _)| seq).collect();
        assert_eq!(seqs, [9, 8, 7, 6, 5, 4, 3, 2, 1]);
    }
}

#[test]
fn a_cursor_that_is_none_is_refused() {
    for wrong in ["", "1", "1:a", "1:a:2", "x:a:1:2", "1:a b:1:2", "1:a:1:2,b", "1:a:1:2,", "1:a:1:2:3"] {
        assert_eq!(Cursor::read(wrong), None, "{wrong}");
    }
}

#[test]
fn a_gateway_that_let_go_knows_nothing_any_more() {
    let removed = TransitionRecord { state: LiveState::Removed.number(), flags: FLAG_CLONED, ..record("a", 1, 0) };
    let told = transition(&removed).unwrap();
    assert_eq!((told.state, told.cloned, told.cause), (operator::State::Unknown, true, None));
    let left = TransitionRecord { state: LiveState::Detached.number(), cause: 1, ..record("a", 1, 0) };
    let told = transition(&left).unwrap();
    assert_eq!((told.state, told.cause.as_deref()), (operator::State::Offline, Some("ignition_off")));
    assert_eq!(transition(&TransitionRecord { state: 200, ..left }), None);
}
