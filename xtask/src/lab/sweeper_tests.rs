use super::*;

#[test]
fn a_namespace_names_the_process_that_made_it_and_others_are_nobodys() {
    assert_eq!(maker("wglab-4711-2-r1"), Some(4711));
    assert_eq!(maker(&format!("{}-hub", prefix(3))), Some(std::process::id()));
    for other in ["wglab-x-1-r1", "wglab", "docker-4711-1-r1", ""] {
        assert_eq!(maker(other), None, "{other}");
    }
}

#[test]
fn a_process_that_is_no_lab_is_not_taken_for_one() {
    assert!(!runs(1) && !runs(u32::MAX));
}
