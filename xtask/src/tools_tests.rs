use super::*;

#[test]
fn a_node_that_is_too_old_for_the_console_is_known_by_its_version() {
    for (version, enough) in [
        ("v20.20.2", true),
        ("v20.19.0", true),
        ("v22.1.0", true),
        ("v20.18.9", false),
        ("v18.20.4", false),
        ("", false),
    ] {
        assert_eq!(node_is_new_enough(version), enough, "{version}");
    }
}
