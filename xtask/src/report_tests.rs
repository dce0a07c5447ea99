use super::*;

#[test]
fn the_closing_lines_of_every_runner_are_counted() {
    let mut report = Report::default();
    for line in [
        "test result: ok. 42 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.26s",
        "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        "      Tests  12 passed (12)",
        "      Tests  1 failed | 11 passed (12)",
        "7 passed, 0 failed",
        "running 42 tests",
        "test it_passed, it_failed ... ok",
    ] {
        report.count(line);
    }
    assert_eq!((report.passed, report.failed), (42 + 1 + 12 + 11 + 7, 3));
}
