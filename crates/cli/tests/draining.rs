//! A gateway process that is told to stop.
#![allow(clippy::unwrap_used, dead_code)]

mod support;

use serde_json::json;
use std::time::{Duration, Instant};
use support::cluster::start;
use support::vehicle::Vehicle;

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_drains_a_gateway_and_a_second_one_ends_it_at_once() {
    let mut nodes = start(&["west"], "").await;
    let (mut vehicle, _) = Vehicle::attach(&nodes[0].vehicles_url, "LUX-1", json!({})).await;
    let began = Instant::now();
    nodes[0].terminate();
    let draining =
        |ready: &serde_json::Value| ready["checks"]["presence"].as_str().is_some_and(|p| p.starts_with("dr"));
    nodes[0].eventually("/readyz", draining).await;
    nodes[0].shows("LUX-1", "online", "west").await;
    nodes[0].terminate();
    assert_eq!(vehicle.closed().await, 4503);
    nodes[0].ended(Duration::from_secs(10)).await;
    assert!(began.elapsed() < Duration::from_secs(20), "not the whole window: {:?}", began.elapsed());
}
