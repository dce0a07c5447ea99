use super::*;
use waygate_simulator::latency::LatencyMeter;

fn figures(acked: u64, seeking: u64, meter: &LatencyMeter) -> Figures {
    Figures { acked, seeking, ack_latencies: meter.read(), ..Figures::default() }
}

#[test]
fn the_line_says_what_happened_in_the_last_seconds() {
    let meter = LatencyMeter::default();
    let start = Instant::now();
    let mut recent = Recent::default();
    for s in 0..20 {
        // A slow start, long ago, must not show any more.
        meter.observe(if s < 3 { Duration::from_secs(60) } else { Duration::from_millis(8) });
        recent.add(start + Duration::from_secs(s), figures(s * 300, 0, &meter));
    }
    let line = line(Duration::from_secs(75), &recent, &Knowledge::default(), 200);
    assert_eq!(line, "01:15 │ 300 records/s acked, p99 8 ms");
}

#[test]
fn vehicles_without_a_gateway_are_counted_while_there_are_any() {
    let mut recent = Recent::default();
    recent.add(Instant::now(), figures(0, 12, &LatencyMeter::default()));
    let line = line(Duration::ZERO, &recent, &Knowledge::default(), 200);
    assert_eq!(line, "00:00 │ 12 seeking a gateway │ 0 records/s acked");
}

#[test]
fn states_that_no_vehicle_is_in_are_left_out() {
    let counts = StateCounts { online: 214, idle: 0, asleep: 0, unreachable: 0, offline: 86, stale: 3 };
    assert_eq!(states(counts), "online 214 · offline 86 · stale 3");
    assert_eq!(states(StateCounts::default()), "online 0");
}

#[test]
fn spans_are_short() {
    let ms = Duration::from_millis;
    let said = [ms(0), ms(6), ms(999), ms(1450), ms(75_400)].map(span);
    assert_eq!(said, ["under 1 ms", "6 ms", "999 ms", "1.4 s", "75 s"]);
}

#[test]
fn a_narrow_terminal_gets_the_same_facts_in_fewer_words() {
    let knowledge = super::super::knowledge::tests::all_well();
    let meter = LatencyMeter::default();
    meter.observe(Duration::from_millis(328));
    let mut recent = Recent::default();
    let start = Instant::now();
    recent.add(start, Figures::default());
    recent.add(start + Duration::from_secs(1), figures(146, 4, &meter));
    let line = |columns| line(Duration::from_secs(8), &recent, &knowledge, columns);
    assert_eq!(
        line(200),
        "00:08 │ online 5 · offline 1 │ 4 seeking a gateway │ 146 records/s acked, p99 360 ms │ \
         west↔centre ok · west↔east ok · centre↔east ok"
    );
    assert!(line(110).ends_with("│ all regions in touch"));
    assert_eq!(line(80), "00:08 │ online 5 · offline 1 │ seeking 4 │ 146 acked/s, p99 360 ms │ regions ok");
    assert!(line(80).chars().count() < 80);
}
