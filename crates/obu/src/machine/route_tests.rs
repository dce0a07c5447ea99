use super::{Next, Route, uniform};
use proptest::prelude::*;
use waygate_core::message::GatewayAddress;
use waygate_core::time::Millis;

const MOST: u64 = u64::MAX;

fn route(gateways: &[&str]) -> Route {
    Route::new(gateways.iter().map(|g| (*g).to_owned()).collect(), true)
}

fn named(urls: &[&str]) -> Vec<GatewayAddress> {
    urls.iter().map(|url| GatewayAddress { region: "r".to_owned(), url: (*url).to_owned() }).collect()
}

#[test]
fn a_lone_gateway_is_tried_five_times_with_growing_waits_and_then_after_a_long_one() {
    let mut route = route(&["a"]);
    let waits: Vec<_> = (0..6).map(|_| route.after_failure(Next::Other, MOST)).collect();
    let expected = [1, 3, 8, 23, 64].map(|s| (Millis::secs(s), false));
    assert_eq!(waits[..5], expected);
    assert_eq!(waits[5], (Millis::secs(144), true));
    assert_eq!(route.after_failure(Next::Other, MOST), (Millis::secs(1), false), "and from the start");
}

#[test]
fn with_the_ignition_off_the_long_wait_is_twelve_minutes_give_or_take_a_fifth() {
    let mut route = route(&["a"]);
    route.set_ignition(false);
    assert_eq!(route.after_failure(Next::Long, 0), (Millis::secs(576), true));
    assert_eq!(route.after_failure(Next::Long, MOST), (Millis::secs(864), true));
}

#[test]
fn the_owners_gateways_come_before_neighbours_and_each_pass_waits_longer() {
    let mut route = route(&["a", "b"]);
    route.learn(&named(&["b", "c"]));
    let mut seen = Vec::new();
    for _ in 0..6 {
        let (wait, _) = route.after_failure(Next::Other, MOST);
        seen.push((route.current().to_owned(), wait.0 / 1000));
    }
    let expected = [("b", 1), ("c", 1), ("a", 1), ("b", 3), ("c", 3), ("a", 3)];
    assert_eq!(seen, expected.map(|(g, s)| (g.to_owned(), s)));
}

#[test]
fn a_redirect_is_tried_before_the_neighbours_known_so_far() {
    let mut route = route(&["a"]);
    route.learn(&named(&["b", "c"]));
    route.learn_first(&named(&["c"]));
    let _ = route.after_failure(Next::Other, 0);
    assert_eq!(route.current(), "c");
}

#[test]
fn an_empty_list_or_an_endless_address_changes_nothing() {
    let mut route = route(&["a"]);
    assert!(!route.prefer(vec![]));
    route.learn(&named(&["", &"x".repeat(1000)]));
    let _ = route.after_failure(Next::Other, 0);
    assert_eq!(route.current(), "a");
}

#[test]
fn a_unit_that_knows_no_gateway_does_not_panic() {
    let mut route = route(&[]);
    let _ = route.after_failure(Next::Other, MOST);
    assert_eq!(route.current(), "");
}

#[test]
fn a_gateway_that_asks_for_a_wait_gets_between_that_and_twice_that_within_reason() {
    let mut route = route(&["a", "b"]);
    assert_eq!(route.after_failure(Next::After(Millis::secs(10)), 0), (Millis::secs(10), false));
    assert_eq!(route.after_failure(Next::After(Millis::secs(10)), MOST), (Millis::secs(20), false));
    assert_eq!(route.after_failure(Next::After(Millis(0)), 0), (Millis::secs(1), false));
    assert_eq!(route.after_failure(Next::After(Millis(MOST)), 0), (Millis::secs(1800), false));
    assert_eq!(route.current(), "a");
}

proptest! {
    #[test]
    fn a_wait_lies_within_its_bounds(a in 0u64..1 << 40, width in 0u64..1 << 40, random: u64) {
        let wait = uniform(Millis(a), Millis(a + width), random);
        prop_assert!((a..=a + width).contains(&wait.0));
    }
}
