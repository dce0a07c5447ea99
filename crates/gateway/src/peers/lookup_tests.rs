use super::{Asked, Search};
use crate::peers::channels::Channels;
use std::collections::BTreeSet;
use waygate_core::epoch::Epoch;
use waygate_core::id::{NodeId, RegionId, SessionId, VehicleId};
use waygate_core::time::Millis;
use waygate_core::view::{AgeKind, Known, Sight, StaleWhy};
use waygate_core::wake::WakeChannels;

fn sight(owner: &str, epoch: u64, known: Known, stale: bool) -> Option<Sight> {
    Some(Sight {
        vehicle: VehicleId::new("CAR-1").unwrap(),
        known,
        stale: stale.then_some(StaleWhy::OwnerLost),
        cause: None,
        owner: NodeId::new(owner).unwrap(),
        region: None,
        epoch: Epoch(epoch),
        session: SessionId(1),
        cell: None,
        age: Millis(0),
        age_kind: AgeKind::Measured,
        view_age: Millis(0),
        update_expected: None,
        wake: WakeChannels::NONE,
        cloned: false,
    })
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
