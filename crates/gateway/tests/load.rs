//! Clones, and more attaches than a gateway takes at once.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use support::{Running, Vehicle, request, start};

/// The value of a metric with its labels, 0 if it is not there yet.
async fn metric(west: &Running, name: &str) -> f64 {
    let body = request(west.operators(), "GET", "/metrics", &[]).await.body;
    let line = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.trim().parse().unwrap())
}

fn number(answer: &Value, field: &str) -> u64 {
    answer[field].as_u64().unwrap_or_else(|| panic!("no number {field}: {answer}"))
}

#[tokio::test]
async fn units_with_one_name_are_reported_and_slowed_down_and_the_one_connected_goes_on() {
    let west = start("west", "").await;
    let mut sockets = Vec::new();
    for _ in 0..5 {
        let (unit, answer) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
        assert_eq!(answer["type"], "attach_accept", "the newest wins: {answer}");
        sockets.push(unit);
    }
    for backoff_ms in [60_000, 120_000] {
        let (mut double, answer) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
        assert_eq!((&answer["type"], &answer["cause"]), (&json!("attach_reject"), &json!("cloned")), "{answer}");
        assert_eq!((&answer["class"], number(&answer, "backoff_ms")), (&json!("retry_same"), backoff_ms));
        assert_eq!(double.closed().await, 4003);
    }
    let mut connected = sockets.pop().unwrap();
    connected.send(json!({"type": "time_request", "sent": "7"})).await;
    assert_eq!(connected.receive().await["sent"], "7", "its session goes on");
    assert!(metric(&west, "waygate_cloned_identities_total").await >= 1.0);
    assert!(metric(&west, "waygate_attaches_refused_total{cause=\"cloned\"}").await >= 2.0);
    let (_other, answer) = Vehicle::attach(west.vehicles(), "LUX-2", json!({})).await;
    assert_eq!(answer["type"], "attach_accept", "others are not concerned");
    west.gateway.shutdown().await;
}
