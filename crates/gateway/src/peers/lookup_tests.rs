use super::{Asked, Search};
use crate::peers::channels::Channels;
use crate::presence::sight_rig;
use std::collections::BTreeSet;
use waygate_core::id::{NodeId, RegionId, VehicleId};
use waygate_core::view::{Known, Sight};

fn sight(owner: &str, epoch: u64, known: Known, stale: bool) -> Option<Sight> {
    Some(sight_rig::sight("CAR-1", owner, epoch, known, stale))
}

/// What a search comes to if these gateways answer in this order: who, in which region, and what it shows.
fn search(answers: &[(&str, &str, Option<Sight>)]) -> (Option<(String, u64, bool)>, bool, BTreeSet<String>) {
    let (vehicle, channels) = (VehicleId::new("CAR-1").unwrap(), Channels::new(None));
    let regions = ["east", "mid", "west"].map(str::to_owned).into();
    let mut search = Search::new(&vehicle, &channels, None, regions);
    for (id, region, seen) in answers {
        let (id, region) = (NodeId::new(id).unwrap(), RegionId::new(region).unwrap());
        search.take(&Asked { id, region, url: String::new() }, seen.clone());
    }
    let certain = search.certain;
    let answer = search.answer();
    let shown = answer.sight.map(|sight| (sight.owner.as_str().to_owned(), sight.epoch.0, sight.stale.is_some()));
    (shown, certain, answer.silent)
}

#[test]
fn the_latest_attach_counts_whoever_answers_first() {
    let (old, new) = (sight("e-1", 5, Known::Offline, false), sight("w-1", 9, Known::Online, false));
    let found = (Some(("w-1".to_owned(), 9, false)), true, BTreeSet::new());
    assert_eq!(search(&[("e-1", "east", old.clone()), ("w-1", "west", new.clone())]), found);
    assert_eq!(search(&[("w-1", "west", new), ("e-1", "east", old)]), found);
}

#[test]
fn what_its_own_gateway_says_is_certain_and_what_others_say_is_not() {
    let told = || sight("w-1", 9, Known::Online, false);
    assert!(!search(&[("m-1", "mid", told())]).1);
    assert!(search(&[("m-1", "mid", told()), ("w-1", "west", told())]).1);
}

#[test]
fn a_word_that_is_not_stale_outweighs_one_of_the_same_attach_that_is() {
    let (fresh, stale) = (sight("w-1", 9, Known::Idle, false), sight("w-1", 9, Known::Idle, true));
    for order in [[stale.clone(), fresh.clone()], [fresh, stale]] {
        let [a, b] = order;
        assert_eq!(search(&[("m-1", "mid", a), ("e-1", "east", b)]).0, Some(("w-1".to_owned(), 9, false)));
    }
}

#[test]
fn where_nobody_is_sure_the_regions_that_did_not_answer_are_named() {
    assert_eq!(search(&[("m-1", "mid", None)]), (None, false, ["east", "west"].map(str::to_owned).into()));
    let stale = sight("w-1", 9, Known::Idle, true);
    assert_eq!(search(&[("m-1", "mid", stale)]).2, ["east", "west"].map(str::to_owned).into());
}

#[test]
fn who_is_said_to_serve_it_and_does_not_leaves_what_is_known_here() {
    let (vehicle, channels) = (VehicleId::new("CAR-1").unwrap(), Channels::new(None));
    let here = sight("w-1", 5, Known::Online, true);
    let east = Asked { id: NodeId::new("e-1").unwrap(), region: RegionId::new("east").unwrap(), url: String::new() };
    let home = Asked { id: NodeId::new("m-1").unwrap(), region: RegionId::new("mid").unwrap(), url: String::new() };
    let said = sight("e-1", 7, Known::Online, false);
    for (word, confirmed, epoch) in [(said.clone(), true, 7), (None, false, 5)] {
        let mut search = Search::new(&vehicle, &channels, here.clone(), BTreeSet::new());
        search.take(&home, said.clone());
        assert!(search.seems_found());
        assert_eq!(search.hear(&east, word), confirmed);
        assert_eq!(search.answer().sight.map(|sight| sight.epoch.0), Some(epoch));
    }
}
