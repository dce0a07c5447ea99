use super::*;
use proptest::prelude::*;

const NOW: Wall = Wall(1_795_219_200_000);

fn vehicle(id: &str) -> VehicleId {
    VehicleId::new(id).unwrap()
}

fn fleet(id: &str) -> FleetId {
    FleetId::new(id).unwrap()
}

fn name(id: &str) -> VehicleName {
    VehicleName { fleet: fleet("vans"), vehicle: vehicle(id) }
}

fn later(ms: i64) -> Wall {
    Wall(NOW.0 + ms)
}

#[test]
fn a_vehicle_waits_until_it_is_decided_on_and_the_last_decision_counts() {
    let mut enrolment = Enrolment::default();
    assert_eq!(enrolment.ask(&name("A"), "token", NOW), Verdict::Pending);
    assert_eq!(enrolment.ask(&name("A"), "token", later(1)), Verdict::Pending);
    let admitted = enrolment.decide(&vehicle("A"), true, None, "west-1", later(2)).unwrap();
    assert_eq!((admitted.version, admitted.first, admitted.means.as_str()), (later(2).0 as u64, NOW, "token"));
    assert_eq!(enrolment.ask(&name("A"), "certificate", later(3)), Verdict::Admitted);
    enrolment.decide(&vehicle("A"), false, None, "west-1", later(4)).unwrap();
    assert_eq!(enrolment.ask(&name("A"), "token", later(5)), Verdict::Refused);
    enrolment.decide(&vehicle("A"), true, None, "west-1", later(6)).unwrap();
    assert_eq!(enrolment.ask(&name("A"), "token", later(7)), Verdict::Admitted);
}

#[test]
fn who_never_asked_can_be_decided_on_if_its_fleet_is_named() {
    let mut enrolment = Enrolment::default();
    assert_eq!(enrolment.decide(&vehicle("A"), true, None, "west-1", NOW), Err(Undecided::NoFleet));
    enrolment.decide(&vehicle("A"), true, Some(fleet("vans")), "west-1", NOW).unwrap();
    assert_eq!(enrolment.ask(&name("A"), "token", NOW), Verdict::Admitted);
}

#[test]
fn the_admission_of_one_fleets_vehicle_lets_no_other_fleets_in() {
    let mut enrolment = Enrolment::default();
    enrolment.ask(&name("A"), "token", NOW);
    let other = VehicleName { fleet: fleet("cars"), vehicle: vehicle("A") };
    assert_eq!(enrolment.ask(&other, "token", NOW), Verdict::OtherFleet, "the first of this name waits");
    enrolment.decide(&vehicle("A"), true, None, "west-1", NOW).unwrap();
    assert_eq!(enrolment.ask(&other, "token", NOW), Verdict::OtherFleet);
    enrolment.decide(&vehicle("A"), true, Some(fleet("cars")), "west-1", NOW).unwrap();
    assert_eq!(enrolment.ask(&other, "token", NOW), Verdict::Admitted);
    assert_eq!(enrolment.ask(&name("A"), "token", NOW), Verdict::OtherFleet);
}

#[test]
fn asking_again_is_told_on_once_a_minute() {
    let mut enrolment = Enrolment::default();
    enrolment.ask(&name("A"), "token", NOW);
    let (_, told) = enrolment.after(0, 10);
    enrolment.ask(&name("A"), "token", later(SEEN_AGAIN_MS - 1));
    assert_eq!(enrolment.after(told, 10), (vec![], told));
    enrolment.ask(&name("A"), "token", later(SEEN_AGAIN_MS));
    let (news, _) = enrolment.after(told, 10);
    assert_eq!(news.len(), 1);
    assert_eq!((news[0].1.first, news[0].1.last), (NOW, later(SEEN_AGAIN_MS)));
}

#[test]
fn a_refusal_wins_against_an_admission_made_at_the_same_time() {
    let decide = |admit, by: &str| {
        let mut enrolment = Enrolment::default();
        enrolment.ask(&name("A"), "token", NOW);
        enrolment.decide(&vehicle("A"), admit, None, by, NOW).unwrap()
    };
    let (admitted, refused) = (decide(true, "west-1"), decide(false, "east-1"));
    for (first, second) in [(&admitted, &refused), (&refused, &admitted)] {
        let mut enrolment = Enrolment::default();
        enrolment.learn(vehicle("A"), first.clone());
        enrolment.learn(vehicle("A"), second.clone());
        assert_eq!(enrolment.ask(&name("A"), "token", NOW), Verdict::Refused);
        // And whoever decides after both were seen, decides.
        enrolment.decide(&vehicle("A"), true, None, "west-1", NOW).unwrap();
        assert!(!enrolment.learn(vehicle("A"), refused.clone()));
        assert_eq!(enrolment.ask(&name("A"), "token", NOW), Verdict::Admitted);
    }
}

#[test]
fn those_that_wait_are_bounded_and_the_one_not_seen_for_longest_gives_way() {
    let mut enrolment = Enrolment::default();
    for at in 0..=PENDING_MAX {
        enrolment.ask(&name(&format!("V{at}")), "token", later(at as i64));
    }
    assert_eq!(enrolment.standing(Standing::Pending).count(), PENDING_MAX);
    assert_eq!(enrolment.entry(&vehicle("V0")), None);
    assert!(enrolment.entry(&vehicle("V1")).is_some());
    assert_eq!(enrolment.changes.len(), PENDING_MAX, "nothing is left of it");
    // What another gateway still remembers of it does not push out one that was seen since.
    let mut elsewhere = Enrolment::default();
    elsewhere.ask(&name("V0"), "token", NOW);
    enrolment.learn(vehicle("V0"), elsewhere.entry(&vehicle("V0")).unwrap().clone());
    assert!(enrolment.entry(&vehicle("V0")).is_none() && enrolment.entry(&vehicle("V1")).is_some());
}

#[test]
fn changes_are_read_in_pages_each_vehicle_once() {
    let mut enrolment = Enrolment::default();
    for id in ["A", "B", "C"] {
        enrolment.ask(&name(id), "token", NOW);
    }
    enrolment.decide(&vehicle("A"), true, None, "west-1", NOW).unwrap();
    let (page, upto) = enrolment.after(0, 2);
    assert_eq!(page.iter().map(|(vehicle, _)| vehicle.as_str()).collect::<Vec<_>>(), ["B", "C"]);
    let (page, upto) = enrolment.after(upto, 2);
    assert_eq!(page.iter().map(|(vehicle, _)| vehicle.as_str()).collect::<Vec<_>>(), ["A"]);
    assert_eq!((upto, enrolment.after(upto, 2)), (enrolment.change(), (vec![], upto)));
}

impl Enrolment {
    fn learn_all(&mut self, news: Vec<(VehicleId, Entry)>) {
        for (vehicle, entry) in news {
            self.learn(vehicle, entry);
        }
    }
}

fn entry() -> impl Strategy<Value = Entry> {
    let times = (0i64..4, 0i64..4).prop_map(|(first, more)| (Wall(first), Wall(first + more)));
    let words = (prop_oneof![Just("vans"), Just("cars")], prop_oneof![Just("token"), Just("proxy")]);
    let decided = prop::option::of((1u64..4, any::<bool>(), prop_oneof![Just("a"), Just("b")]));
    (times, words, decided).prop_map(|((first, last), (of, means), decided)| {
        let (version, standing, by) = match decided {
            None => (0, Standing::Pending, ""),
            Some((version, true, by)) => (version, Standing::Admitted, by),
            Some((version, false, by)) => (version, Standing::Refused, by),
        };
        Entry { version, standing, fleet: fleet(of), first, last, means: means.to_owned(), by: by.to_owned() }
    })
}

proptest! {
    #[test]
    fn what_gateways_know_together_does_not_depend_on_who_told_whom_first(a in entry(), b in entry(), c in entry()) {
        let join = |a: &Entry, b: &Entry| a.clone().join(b.clone());
        prop_assert_eq!(join(&a, &a), a.clone());
        prop_assert_eq!(join(&a, &b), join(&b, &a));
        prop_assert_eq!(join(&join(&a, &b), &c), join(&a, &join(&b, &c)));
    }

    #[test]
    fn enrolments_that_exchange_what_is_new_are_equal(
        acts in prop::collection::vec((0usize..2, 0u8..3, 0u8..3, 0i64..200_000), 1..40)
    ) {
        let mut enrolments = [Enrolment::default(), Enrolment::default()];
        let mut told = [0, 0];
        for (at, who, what, ms) in acts {
            let id = format!("V{who}");
            match what {
                0 => drop(enrolments[at].ask(&name(&id), "token", later(ms))),
                _ => drop(enrolments[at].decide(&vehicle(&id), what == 1, None, "x", later(ms))),
            }
            if ms % 5 == 0 {
                let (news, upto) = enrolments[at].after(told[at], 1);
                told[at] = upto;
                enrolments[1 - at].learn_all(news);
            }
        }
        for at in [0, 1, 0] {
            let (news, upto) = enrolments[at].after(told[at], usize::MAX);
            told[at] = upto;
            enrolments[1 - at].learn_all(news);
        }
        let all = |enrolment: &Enrolment| enrolment.kept.iter().map(|(v, k)| (v.clone(), k.entry.clone())).collect::<Vec<_>>();
        prop_assert_eq!(all(&enrolments[0]), all(&enrolments[1]));
    }
}
