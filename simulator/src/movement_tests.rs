use super::*;
use crate::bundled;
use crate::trace::TraceBuilder;
use std::sync::OnceLock;

/// Read once: that takes longer than all the rest.
fn luxembourg() -> Arc<Trace> {
    static TRACE: OnceLock<Arc<Trace>> = OnceLock::new();
    Arc::clone(TRACE.get_or_init(|| Arc::new(bundled::luxembourg().unwrap())))
}

/// One vehicle, a minute long, eastward at 49° north; `skip` names the seconds without a sample.
fn lonely(skip: std::ops::Range<u32>, with_speed: bool) -> Arc<Trace> {
    let mut builder = TraceBuilder::new();
    for s in 0..60 {
        builder.timestep(f64::from(s)).unwrap();
        if !skip.contains(&s) {
            let known = with_speed.then_some(10.0);
            builder.sample("v", 6.0 + f64::from(s) * 1e-4, 49.0, known, with_speed.then_some(90.0)).unwrap();
        }
    }
    Arc::new(builder.build().unwrap())
}

#[test]
fn the_same_seed_gives_the_same_traffic_and_another_seed_another() {
    let (a, b) = (Movement::new(luxembourg(), 500, 7), Movement::new(luxembourg(), 500, 7));
    let other = Movement::new(luxembourg(), 500, 8);
    let look = |m: &Movement| (0..500).map(|v| m.at(v, 123_456)).collect::<Vec<_>>();
    assert_eq!(look(&a), look(&b));
    assert_ne!(look(&a), look(&other));
}

#[test]
fn a_fleet_may_be_smaller_or_larger_than_the_trace() {
    for (vehicles, on_the_road) in [(100, 50..95), (372, 200..330), (3720, 2000..3300)] {
        let movement = Movement::new(luxembourg(), vehicles, 1);
        let seen = (0..vehicles).filter(|&v| movement.at(v, 150_000).is_some()).count();
        assert!(on_the_road.contains(&seen), "{seen} of {vehicles}");
    }
}

#[test]
fn copies_ride_at_another_time_and_place() {
    let movement = Movement::new(lonely(0..0, true), 200, 1);
    let mut places: Vec<_> = (0..200).filter_map(|v| movement.at(v, 30_000)).map(|s| s.position).collect();
    let seen = places.len();
    places.sort();
    places.dedup();
    assert_eq!(places.len(), seen, "no two vehicles stand in one another");
    assert!(seen > 100);
}

#[test]
fn between_two_samples_a_vehicle_moves_evenly() {
    let movement = Movement::new(lonely(0..0, false), 1, 1);
    let sight = |ms| movement.at(0, ms).unwrap();
    let (a, b) = (sight(30_000), sight(30_500));
    assert_eq!(b.position.lon_e7 - a.position.lon_e7, 500);
    assert_eq!(b.position.lat_e7, a.position.lat_e7);
    assert!((b.speed - 7.3).abs() < 0.1, "speed comes from the way: {}", b.speed);
    assert_eq!(b.heading, Some(90.0), "and so does the course");
}

#[test]
fn a_short_gap_is_driven_through_and_a_long_one_ends_the_trip() {
    let short = Movement::new(lonely(30..35, true), 1, 1);
    assert!(short.at(0, 32_500).is_some());
    let long = Movement::new(lonely(20..40, true), 1, 1);
    assert!(long.at(0, 19_900).is_some(), "the last place holds for a period");
    assert_eq!(long.at(0, 20_100), None);
    assert_eq!(long.at(0, 39_900), None);
    assert!(long.at(0, 40_000).is_some());
}

#[test]
fn the_trace_begins_anew_when_it_ends_and_vehicles_do_not_leap() {
    let movement = Movement::new(luxembourg(), 372, 3);
    let duration_ms = 300_000;
    let mut entered_again = 0;
    for vehicle in 0..372 {
        let mut last: Option<Sighting> = None;
        for ms in (0..2 * duration_ms).step_by(500) {
            let now = movement.at(vehicle, ms);
            if let (Some(a), Some(b)) = (last, now)
                && a.round == b.round
            {
                let leap = a.position.lon_e7.abs_diff(b.position.lon_e7);
                assert!(leap < 8_000, "vehicle {vehicle} leaps {leap} at {ms}");
            }
            entered_again += usize::from(last.is_none() && now.is_some_and(|s| s.round == 1));
            last = now;
        }
    }
    assert!(entered_again > 250, "{entered_again}");
}

#[test]
fn vehicles_do_not_enter_all_at_once() {
    let movement = Movement::new(luxembourg(), 3000, 3);
    let seen = |ms| (0..3000).filter(|&v| movement.at(v, ms).is_some()).count();
    let mut before = 0;
    for ms in (0..10_000).step_by(1000) {
        let now = seen(ms);
        assert!(now.saturating_sub(before) < 450, "{before} to {now} vehicles at {ms} ms");
        before = now;
    }
    assert!(before > 1500);
}

#[test]
fn headings_turn_the_short_way() {
    let sample = |t_ms, heading| Sample { t_ms, position: Position::from_degrees(0.0, 0.0), speed: None, heading };
    let (_, _, heading) = interpolate(sample(0, Some(350.0)), sample(1000, Some(20.0)), 500);
    assert!((heading.unwrap() - 5.0).abs() < 1e-9);
}
