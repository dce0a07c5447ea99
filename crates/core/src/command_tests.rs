use super::{BadCommandId, ClockTie, Command, CommandId, CommandName, Policy};
use crate::time::{Millis, Mono, Wall};
use proptest::prelude::*;

#[test]
fn an_id_is_a_version_7_uuid_of_its_time_and_reads_as_it_is_written() {
    for random in [0, u128::MAX, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef] {
        let id = CommandId::new(Wall(0x0191_e0c8_3f5a), random);
        let text = id.to_string();
        assert!(text.starts_with("0191e0c8-3f5a-7"), "{text}");
        assert!(matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{text}");
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(CommandId::from_bytes(&id.to_bytes()), Some(id));
    }
}

#[test]
fn later_ids_sort_behind_earlier_ones() {
    assert!(CommandId::new(Wall(5), u128::MAX) < CommandId::new(Wall(6), 0));
}

#[test]
fn what_is_no_uuid_is_refused() {
    for text in [
        "",
        "0191e0c83f5a7c1eb2a45d0f6a7b8c9d",
        "0191e0c8-3f5a-7c1e-b2a4-5d0f6a7b8c9",
        "0191e0c8-3f5a-7c1e-b2a4-5d0f6a7b8c9g",
        "+191e0c8-3f5a-7c1e-b2a4-5d0f6a7b8c9d",
    ] {
        assert_eq!(text.parse::<CommandId>(), Err(BadCommandId), "{text}");
    }
    assert_eq!(CommandId::from_bytes(&[1; 15]), None);
}

#[test]
fn a_name_has_the_characters_of_an_identifier() {
    assert!(CommandName::new("doors.lock-all_2").is_some());
    for text in ["", "do it", &"x".repeat(65)] {
        assert!(CommandName::new(text).is_none(), "{text:?}");
    }
}

fn sent(at: i64, ttl_ms: u64) -> Command {
    let name = CommandName::new("lock").unwrap();
    let (id, arguments, policy) = (CommandId(1), String::new(), Policy::Now);
    Command { id, name, arguments, issued: Wall(0), ttl: Millis(ttl_ms), sent: Wall(at), policy }
}

#[test]
fn what_a_command_spent_on_its_way_is_over_when_it_arrives() {
    let tie = ClockTie { asked: Mono(5_000), server_time: Wall(1_000_000) };
    // The accept was stamped 100 ms after the question, the command 10 s later; it came at once.
    assert_eq!(sent(1_010_000, 30_000).ttl_left(Mono(15_100), tie), Millis(29_900));
    // The link held it back for 25 s.
    assert_eq!(sent(1_010_000, 30_000).ttl_left(Mono(40_100), tie), Millis(4_900));
    assert_eq!(sent(1_010_000, 30_000).ttl_left(Mono(90_000), tie), Millis(0));
    // A gateway that does not say when it sent it.
    assert_eq!(sent(0, 30_000).ttl_left(Mono(90_000), tie), Millis(30_000));
}

proptest! {
    /// Both clocks run at the same speed and show anything; the accept takes a while, and so does the command.
    #[test]
    fn a_command_is_never_begun_after_its_time_and_never_much_too_early_given_up(
        (asked, accept_after, sent_after, transit, ttl) in
            (0u64..1 << 40, 0u64..15_000, 0u64..1 << 30, 0u64..100_000, 0u64..200_000),
        server_time in 1i64..1 << 45,
    ) {
        let tie = ClockTie { asked: Mono(asked), server_time: Wall(server_time) };
        let command = sent(server_time + sent_after as i64, ttl);
        let left = command.ttl_left(Mono(asked + accept_after + sent_after + transit), tie).0;
        prop_assert!(left <= ttl.saturating_sub(transit), "{left} are left of {ttl} after {transit}");
        prop_assert!(left >= ttl.saturating_sub(transit + accept_after));
    }
}
