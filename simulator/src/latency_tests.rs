use super::*;

#[test]
fn every_duration_falls_into_a_bucket_that_is_hardly_wider_than_itself() {
    for us in (0..100_000).chain([1 << 20, (1 << 30) + 12_345, (1 << 35) - 1]) {
        let upper = upper_us(bucket(us));
        assert!(upper >= us && upper <= us + us / 8, "{us} µs is counted as {upper} µs");
    }
    assert_eq!(bucket(u64::MAX), BUCKETS - 1);
}

#[test]
fn quantiles_are_those_of_what_was_observed_in_a_window() {
    let meter = LatencyMeter::default();
    assert_eq!((meter.read().quantile(0.99), meter.max()), (None, None));
    for ms in 1..=100 {
        meter.observe(Duration::from_millis(ms));
    }
    let near = |found: Option<Duration>, ms: f64| {
        let found = found.unwrap().as_secs_f64() * 1000.0;
        assert!((ms..=ms * 1.13).contains(&found), "{found} ms instead of {ms}");
    };
    let first = meter.read();
    near(first.quantile(0.5), 50.0);
    near(first.quantile(0.99), 99.0);
    meter.observe(Duration::from_secs(3));
    let window = meter.read().since(&first);
    assert_eq!(window.count(), 1);
    near(window.quantile(0.5), 3000.0);
    assert_eq!(meter.max(), Some(Duration::from_secs(3)));
}
