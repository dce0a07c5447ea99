use super::*;
use crate::bundled;

fn at(lon: f64) -> Position {
    Position::from_degrees(49.6, lon)
}

#[test]
fn a_vehicle_on_a_border_changes_region_only_once() {
    let regions = Regions::between(&[6.0, 6.1], 49.6);
    assert_eq!(regions.count(), 3);
    assert_eq!([5.0, 6.0, 6.05, 6.1, 7.0].map(|lon| regions.of(at(lon))), [0, 1, 1, 2, 2]);
    // 0.0001° is 7 m here: the border is crossed again and again, the region is not.
    let mut region = 0;
    let mut changes = 0;
    for step in 0..100 {
        let next = regions.after(region, at(if step % 2 == 0 { 6.0001 } else { 5.9999 }));
        changes += usize::from(next != region);
        region = next;
    }
    assert_eq!((changes, region), (0, 0));
    assert_eq!(regions.after(0, at(6.01)), 1, "well beyond the border it changes");
    assert_eq!(regions.after(1, at(5.9999)), 1);
    assert_eq!(regions.after(0, at(6.5)), 2, "from the first to the last at once, after a tunnel");
    assert_eq!(regions.after(2, at(5.0)), 0);
}

#[test]
fn a_narrow_band_is_entered_all_the_same() {
    let regions = Regions::between(&[6.0, 6.0002], 49.6);
    assert_eq!(regions.after(0, at(6.00015)), 1);
    let none = Regions::between(&[6.0, 6.0], 49.6);
    assert_eq!((none.after(0, at(6.1)), none.after(2, at(5.0))), (2, 0));
}

#[test]
fn an_unseen_trace_is_spread_evenly() {
    let trace = bundled::luxembourg().unwrap();
    let shares = shares(&Regions::spread(&trace, 3), &trace);
    assert!(shares.iter().all(|s| (0.32..0.35).contains(s)), "{shares:?}");
}

#[test]
fn each_region_of_the_bundled_trace_has_a_good_part_of_it() {
    let trace = bundled::luxembourg().unwrap();
    let shares = shares(&bundled::regions(&trace), &trace);
    assert!(shares.iter().all(|&s| s > 0.25), "{shares:?}");
}

fn shares(regions: &Regions, trace: &Trace) -> Vec<f64> {
    let mut counts = vec![0.0; regions.count()];
    for &lon_e7 in trace.tracks().iter().flat_map(|t| t.longitudes_e7()) {
        counts[regions.of(Position { lat_e7: 0, lon_e7 })] += 1.0;
    }
    counts.iter().map(|c| c / trace.samples() as f64).collect()
}
