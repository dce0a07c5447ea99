use super::{Life, Told};
use std::collections::BTreeMap;
use waygate_core::id::{Incarnation, NodeId};

fn life(node: &str, incarnation: u64) -> Life {
    (NodeId::new(node).unwrap(), Incarnation(incarnation))
}

fn heard(lives: &[&Life]) -> BTreeMap<Life, String> {
    lives.iter().map(|life| (Life::clone(life), format!("http://{}", life.0))).collect()
}

/// Whom, and from where on.
fn due(told: &mut Told, lives: &[&Life], upto: u64) -> Vec<(Life, u64)> {
    told.due(heard(lives), upto).into_iter().map(|(life, _, from)| (life, from)).collect()
}

#[test]
fn a_peer_that_takes_long_keeps_no_news_from_the_others() {
    let (slow, quick) = (life("east-1", 1), life("west-1", 1));
    let both = [&slow, &quick];
    let mut told = Told::default();
    assert_eq!(due(&mut told, &both, 3), [(slow.clone(), 0), (quick.clone(), 0)]);
    told.done(quick.clone(), 3);
    assert_eq!(due(&mut told, &both, 3), []);
    assert_eq!(due(&mut told, &both, 5), [(quick.clone(), 3)], "the slow one is being told still");
    told.done(slow.clone(), 0);
    assert_eq!(due(&mut told, &both, 5), [(slow.clone(), 0)], "and is told again, from where it is");
}

#[test]
fn a_peer_that_was_not_heard_meanwhile_or_began_anew_is_told_everything() {
    let (before, after) = (life("east-1", 1), life("east-1", 2));
    let mut told = Told::default();
    assert_eq!(due(&mut told, &[&before], 3), [(before.clone(), 0)]);
    told.done(before.clone(), 3);
    assert_eq!(due(&mut told, &[], 3), []);
    assert_eq!(due(&mut told, &[&before], 3), [(before.clone(), 0)]);
    told.done(before.clone(), 3);
    assert_eq!(due(&mut told, &[&after], 3), [(after.clone(), 0)]);
}
