use super::*;

fn regions() -> Regions {
    Regions::between(&[6.0, 6.1], 49.6)
}

fn seen(round: u64, lon: f64) -> Option<Sighting> {
    Some(Sighting { round, position: Position::from_degrees(49.6, lon), speed: 10.0, heading: Some(359.999) })
}

fn observe(driver: &mut Driver, seen: Option<Sighting>) -> Vec<Deed> {
    let mut deeds = Vec::new();
    driver.observe(&regions(), &Signals::new().unwrap(), Wall(5), seen, &mut deeds);
    deeds
}

/// The deeds without the reports.
fn moves(driver: &mut Driver, seen: Option<Sighting>) -> Vec<Deed> {
    observe(driver, seen).into_iter().filter(|d| !matches!(d, Deed::Report(_))).collect()
}

#[test]
fn a_trip_is_entering_reporting_changing_region_and_leaving() {
    let mut driver = Driver::new(0.0, 50.0);
    assert_eq!(moves(&mut driver, None), []);
    assert_eq!(moves(&mut driver, seen(0, 5.9)), [Deed::Enter { region: 0 }]);
    assert_eq!(moves(&mut driver, seen(0, 5.95)), []);
    assert_eq!(moves(&mut driver, seen(0, 6.05)), [Deed::Prefer { region: 1 }]);
    assert_eq!(moves(&mut driver, seen(0, 6.05)), []);
    assert_eq!(driver.region(), Some(1));
    assert_eq!(observe(&mut driver, None), [Deed::Leave]);
    assert_eq!(observe(&mut driver, None), []);
    assert_eq!(driver.region(), None);
}

#[test]
fn another_round_is_another_trip_even_without_a_pause() {
    let mut driver = Driver::new(0.0, 50.0);
    moves(&mut driver, seen(0, 6.2));
    assert_eq!(moves(&mut driver, seen(1, 5.9)), [Deed::Leave, Deed::Enter { region: 0 }]);
}

#[test]
fn a_report_carries_the_fix_always_and_slow_signals_now_and_then() {
    let mut driver = Driver::new(1_000_000.0, 50.0);
    let mut slow = 0;
    for i in 0..21 {
        let deeds = observe(&mut driver, seen(0, 5.9 + f64::from(i) * 1e-4));
        let Some(Deed::Report(record)) = deeds.last() else { panic!("no report in {deeds:?}") };
        let fix = record.fix.unwrap();
        assert_eq!((record.t, fix.speed_cms, fix.heading_cdeg), (Wall(5), Some(1000), Some(0)));
        assert_eq!(record.signals[0].1, SignalValue::Number(36.0));
        slow += usize::from(record.signals.len() == 3);
        if i == 20 {
            // 20 steps of 7.2 m.
            assert_eq!(record.signals[1].1, SignalValue::Integer(1_000_144));
        }
    }
    assert_eq!(slow, 3);
}

#[test]
fn an_empty_battery_is_charged_before_the_next_trip() {
    let mut driver = Driver::new(0.0, 13.0);
    moves(&mut driver, seen(0, 5.8));
    moves(&mut driver, seen(0, 6.3));
    assert!(driver.charge_percent < CHARGE_LOW);
    moves(&mut driver, None);
    moves(&mut driver, seen(0, 5.9));
    assert_eq!(driver.charge_percent, CHARGE_FULL);
}
