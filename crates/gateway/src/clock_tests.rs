use super::*;

#[test]
fn a_clock_that_is_meant_to_be_wrong_is_wrong_by_as_much_and_its_ages_are_right() {
    let (right, wrong) = (Clock::start(), Clock::wrong_by(-3600));
    let apart_ms = right.wall().0 - wrong.wall().0;
    assert!((3_590_000..=3_600_000).contains(&apart_ms), "{apart_ms}");
    let then = Wall(wrong.wall().0 - 5000);
    let age_ms = wrong.now().0 - wrong.mono_of(then).0;
    assert!((5000..15_000).contains(&age_ms), "{age_ms}");
}
