use super::*;

#[test]
fn a_peer_is_known_up_to_a_moment_once_both_of_its_logs_are_held_as_they_stood_then() {
    let mut levels = Levels::default();
    levels.stand_at(Mono(10), [5, 3]);
    levels.held([5, 2]);
    assert_eq!(levels.of_peer(), None, "its directory would be passed on as if it were whole");
    levels.held([4, 3]);
    assert_eq!(levels.of_peer(), None);
    levels.stand_at(Mono(20), [9, 9]);
    levels.held([5, 3]);
    assert_eq!(levels.of_peer(), Some(Mono(10)), "as they stood first");
    levels.stand_at(Mono(30), [6, 0]);
    levels.held([6, 0]);
    assert_eq!(levels.of_peer(), Some(Mono(30)), "a peer without a directory");
}
