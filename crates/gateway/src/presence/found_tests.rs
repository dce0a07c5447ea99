use super::{FOUND_MAX, Found, STANDS};
use crate::presence::sight_rig;
use waygate_core::time::{Millis, Mono};
use waygate_core::view::{Known, Sight};

const NOW: Mono = Mono(1 << 40);

fn sight(n: usize) -> Sight {
    sight_rig::sight(&format!("CAR-{n}"), "east-1", 1, Known::Online, false)
}

#[test]
fn what_was_found_grows_old_and_is_forgotten() {
    let mut found = Found::default();
    found.note(NOW, sight(1));
    let later = NOW + Millis::secs(3);
    let shown = found.sight(later, &sight(1).vehicle).unwrap();
    assert_eq!((shown.age, shown.view_age), (Millis(3100), Millis(3010)));
    found.note(later, sight(1));
    assert!(found.sight(NOW + STANDS, &sight(1).vehicle).is_some(), "it was found again since");
    assert_eq!(found.sight(later + STANDS, &sight(1).vehicle), None);
}

#[test]
fn of_too_many_the_first_is_forgotten() {
    let mut found = Found::default();
    (0..=FOUND_MAX).for_each(|n| found.note(NOW, sight(n)));
    assert_eq!(found.sight(NOW, &sight(0).vehicle), None);
    assert!(found.sight(NOW, &sight(1).vehicle).is_some() && found.sight(NOW, &sight(FOUND_MAX).vehicle).is_some());
}
