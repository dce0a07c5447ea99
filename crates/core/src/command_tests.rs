use super::{BadCommandId, CommandId, CommandName};
use crate::time::Wall;

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
