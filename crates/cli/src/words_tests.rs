use super::*;

#[test]
fn ages_use_the_largest_unit_that_says_something() {
    for (seconds, words) in [
        (0.0, "0.0 s"),
        (1.24, "1.2 s"),
        (59.6, "60 s"),
        (119.0, "119 s"),
        (120.0, "2 min"),
        (3240.0, "54 min"),
        (7200.0, "2 h"),
        (86_400.0, "24 h"),
        (7.0 * 86_400.0, "7 d"),
    ] {
        assert_eq!(age(seconds), words);
    }
}

#[test]
fn an_age_that_is_none_is_not_given_as_one() {
    assert_eq!(age(f64::NAN), "?");
    assert_eq!(age(-1.0), "?");
}

#[test]
fn sizes_use_the_largest_unit_that_fits() {
    for (size, words) in [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (48_213, "48.2 kB"),
        (999_960, "1.0 MB"),
        (1_500_000_000, "1.5 GB"),
    ] {
        assert_eq!(bytes(size), words);
    }
}

#[test]
fn counts_are_grouped_by_thousands() {
    assert_eq!(count(7), "7");
    assert_eq!(count(999), "999");
    assert_eq!(count(1000), "1 000");
    assert_eq!(count(1_234_567), "1 234 567");
}

#[test]
fn headings_point_where_the_vehicle_goes() {
    assert_eq!(heading(0.0), "↑ 0°");
    assert_eq!(heading(354.0), "↑ 354°");
    assert_eq!(heading(90.0), "→ 90°");
    assert_eq!(heading(337.6), "↑ 338°");
}

#[test]
fn a_text_from_elsewhere_cannot_command_the_terminal() {
    assert_eq!(plain("LUX-0042"), "LUX-0042");
    assert_eq!(plain("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\n");
}
