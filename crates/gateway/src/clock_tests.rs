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

#[tokio::test(start_paused = true)]
async fn a_clock_of_another_world_goes_on_with_that_worlds_time_and_no_other() {
    let clock = Clock::start_at(Wall(1_000_000));
    let before = clock.now();
    tokio::time::advance(std::time::Duration::from_millis(2500)).await;
    assert_eq!(clock.wall(), Wall(1_002_500));
    assert_eq!(clock.now().0 - before.0, 2500);
    let deadline = clock.instant(Mono(clock.now().0 + 500));
    assert_eq!(deadline - tokio::time::Instant::now(), std::time::Duration::from_millis(500));
}

#[test]
fn what_was_noted_on_the_clock_of_the_machine_is_as_old_in_the_next_life_whatever_the_wall_clock_says() {
    assert_eq!(Clock::start_at(Wall(0)).machine(), None, "of another world");
    // Not every machine tells which start of it this is.
    let tells = std::path::Path::new("/proc/sys/kernel/random/boot_id").exists();
    let Some(noted) = Clock::start().machine() else { return assert!(!tells, "it is not read") };
    let next = Clock::wrong_by(-3600);
    let age_ms = |noted| Some(next.now().0 - next.mono_at(noted)?.0);
    let earlier = Millis(noted.at.0.saturating_sub(5000));
    let expected_ms = noted.at.0 - earlier.0;
    let age = age_ms(BootMoment { at: earlier, ..noted }).unwrap();
    assert!((expected_ms..expected_ms + 10_000).contains(&age), "{age}");
    assert_eq!(age_ms(BootMoment { boot: noted.boot ^ 1, ..noted }), None, "the machine has started anew");
    assert_eq!(age_ms(BootMoment { at: Millis(u64::MAX), ..noted }), None, "it lies ahead: of another machine");
}
