use super::*;

#[test]
fn without_names_all_are_run_and_with_short_only_the_quick_ones() {
    assert_eq!(Settings::parse(&[]).unwrap().scenarios.len(), SCENARIOS.len());
    let short = Settings::parse(&["--short"]).unwrap().scenarios;
    assert!(!short.is_empty() && short.len() < SCENARIOS.len());
    assert!(short.iter().all(|scenario| scenario.is_short));
}

#[test]
fn what_is_named_is_run_and_what_is_not_known_is_refused() {
    let settings = Settings::parse(&["split", "--entries", "7", "--delay", "40", "--json"]).unwrap();
    assert_eq!(settings.scenarios.iter().map(|s| s.name).collect::<Vec<_>>(), ["split"]);
    assert_eq!((settings.entries(&settings.scenarios[0].plan), settings.delay_ms, settings.json), (7, 40, true));
    for words in [&["--entries"][..], &["--entries", "many"], &["nothing-like-it"]] {
        assert!(Settings::parse(words).is_err(), "{words:?}");
    }
}

#[test]
fn every_scenario_has_its_own_name_and_what_it_disturbs_is_there() {
    for (at, Scenario { name, plan, .. }) in SCENARIOS.iter().enumerate() {
        assert!(SCENARIOS[..at].iter().all(|earlier| earlier.name != *name), "{name} is there twice");
        let named = plan.seeded.iter().chain(&plan.late).chain(plan.skewed.iter().map(|(place, _)| place));
        for place in named {
            assert!(plan.seats.iter().any(|(seat, _)| seat == place), "{name} names {place}");
        }
    }
}
