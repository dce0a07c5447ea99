use super::*;

fn id(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

fn said(node: &str, incarnation: u64, version: u64, sessions: u64) -> VitalsOf {
    let vitals = Vitals { sessions, ..Vitals::default() };
    VitalsOf { node: id(node), incarnation: Incarnation(incarnation), version, vitals }
}

#[test]
fn of_two_words_of_a_gateway_the_later_counts_in_whichever_order_they_come() {
    let words = [said("b", 1, 9, 100), said("b", 2, 1, 3), said("b", 2, 2, 5)];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let mut board = Board::new(id("a"), Incarnation(1));
        for word in order {
            board.note(words[word].clone());
        }
        assert_eq!(board.of(&id("b"), Incarnation(2)).map(|vitals| vitals.sessions), Some(5));
        assert_eq!(board.of(&id("b"), Incarnation(1)), None);
    }
}

#[test]
fn of_itself_a_gateway_believes_nobody() {
    let mut board = Board::new(id("a"), Incarnation(1));
    assert!(!board.note(said("a", 7, 7, 7)));
    assert_eq!(board.own(), Vitals::default());
}

#[test]
fn a_packet_tells_of_its_sender_and_in_turn_of_everyone_else() {
    let mut board = Board::new(id("a"), Incarnation(1));
    for n in 0..20 {
        board.note(said(&format!("n{n:02}"), 1, 1, n));
    }
    let mut told = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let packet = board.tell();
        assert_eq!(packet.len(), 1 + VITALS_PER_PACKET);
        assert_eq!(packet[0].node, id("a"));
        told.extend(packet[1..].iter().map(|said| said.node.clone()));
    }
    assert_eq!(told.len(), 20);
    // News goes first.
    board.note(said("n07", 1, 2, 70));
    assert_eq!(board.tell()[1].node, id("n07"));
}

#[test]
fn who_has_said_nothing_is_told_from_who_has_nothing_to_do() {
    let (mut idle, mut other) = (Board::new(id("b"), Incarnation(1)), Board::new(id("a"), Incarnation(1)));
    other.note(idle.tell()[0].clone());
    assert_eq!(other.of(&id("b"), Incarnation(1)), None);
    idle.set(Vitals::default());
    other.note(idle.tell()[0].clone());
    assert_eq!(other.of(&id("b"), Incarnation(1)), Some(Vitals::default()));
}

#[test]
fn what_did_not_change_is_no_new_version() {
    let mut board = Board::new(id("a"), Incarnation(1));
    board.set(Vitals { sessions: 1, ..Vitals::default() });
    board.set(Vitals { sessions: 1, ..Vitals::default() });
    assert_eq!(board.tell()[0].version, 1);
}
