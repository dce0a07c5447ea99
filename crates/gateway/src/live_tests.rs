use super::{Change, EVENTS_KEPT, Live};
use waygate_core::id::{Incarnation, NodeId};

fn live(events: u64) -> Live {
    let live = Live::new(Incarnation(7));
    for _ in 0..events {
        live.publish(Change::Node(NodeId::new("west-1").unwrap(), 0));
    }
    live
}

fn numbers(live: &Live, id: &str) -> (Vec<u64>, Option<u64>) {
    let reader = live.read(Some(id));
    (reader.backlog.iter().map(|event| event.number).collect(), reader.missed)
}

#[test]
fn a_reader_that_comes_back_goes_on_where_it_was() {
    assert_eq!(numbers(&live(5), "7-3"), (vec![4, 5], None));
    assert_eq!(numbers(&live(5), "7-5"), (vec![], None));
}

#[test]
fn a_reader_that_was_away_too_long_is_told_how_many_it_missed() {
    let kept = EVENTS_KEPT as u64;
    assert_eq!(numbers(&live(kept + 10), "7-3"), (vec![], Some(kept + 7)));
}

#[test]
fn an_id_of_another_life_or_none_at_all_means_that_everything_was_missed() {
    assert_eq!(numbers(&live(5), "6-3"), (vec![], Some(5)));
    assert_eq!(numbers(&live(5), "7-9"), (vec![], Some(5)));
    assert_eq!(numbers(&live(0), "nonsense"), (vec![], Some(1)));
}

#[test]
fn viewers_are_counted_while_they_read() {
    let live = live(0);
    let reader = live.read(None);
    assert_eq!(live.viewers(), 1);
    drop(reader);
    assert_eq!(live.viewers(), 0);
}

#[test]
fn changes_are_told_one_by_one_to_readers_alone_and_only_as_many_as_leave_room_for_others() {
    let live = live(0);
    assert!(!live.tells_each(1), "nobody reads");
    let _reader = live.read(None);
    let most = EVENTS_KEPT as u64 / 2;
    assert!(live.tells_each(most) && !live.tells_each(most + 1));
}
