use super::*;
use crate::time::Millis;
use crate::timers::Timers;
use crate::view::tests::info;

const NOW: Mono = Mono(1 << 30);

fn log(incarnation: u64) -> LogId {
    LogId::detail(info("a", 1).id, Incarnation(incarnation))
}

/// A view that was told of the first life of "a".
fn view() -> View {
    let mut view = View::new(info("me", 1), Timers::default());
    view.mention(NOW, info("a", 1));
    view
}

fn liveness(view: &View) -> Liveness {
    view.node(&info("a", 1).id).unwrap().liveness
}

#[test]
fn what_others_hear_is_believed_up_to_when_they_knew_it_and_never_older() {
    let (mut view, later) = (view(), NOW + Millis::secs(1));
    assert!(view.vouch(&log(1), later));
    assert!(!view.vouch(&log(1), NOW), "nothing new is shown");
    assert_eq!((liveness(&view), view.is_relayed(&info("a", 1).id)), (Liveness::Relayed { heard: later }, true));
    assert_eq!(view.lose_relayed(later), []);
    assert_eq!(view.lose_relayed(later + Millis(1)), [info("a", 1).id]);
    assert_eq!(liveness(&view), Liveness::Lost { since: later });
    assert!(!view.vouch(&log(1), later), "that was known before it was lost");
}

#[test]
fn a_life_that_another_has_seen_end_is_over_whoever_still_speaks_of_it() {
    let mut view = view();
    view.vouch(&log(1), NOW);
    assert!(view.vouch(&log(2), NOW), "of the second life nothing is known yet");
    assert_eq!(liveness(&view), Liveness::Lost { since: NOW });
    assert!(!view.vouch(&log(1), NOW + Millis::secs(2)));
    assert_eq!(liveness(&view), Liveness::Lost { since: NOW });
    view.mention(NOW, info("a", 2));
    assert!(view.vouch(&log(2), NOW + Millis::secs(3)));
    assert!(view.is_relayed(&info("a", 2).id));
}

#[test]
fn who_is_heard_itself_is_not_believed_through_others() {
    let mut view = view();
    let heard = Liveness::Alive { heard: NOW };
    view.set_liveness(&info("a", 1).id, heard);
    assert!(!view.vouch(&log(1), NOW + Millis::secs(1)));
    assert!(!view.vouch(&log(2), NOW + Millis::secs(1)));
    assert_eq!(liveness(&view), heard);
}
