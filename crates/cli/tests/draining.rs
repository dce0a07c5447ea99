//! Gateway processes that are told to stop.
#![allow(clippy::unwrap_used, dead_code)]

mod support;

use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::cluster::{alive, request, start, start_with};
use support::unit::Unit;
use support::vehicle::Vehicle;

/// Asks a gateway for these vehicles until it is told to stop. How often it did, and every answer that was not "online".
async fn watch(address: SocketAddr, vehicles: [&str; 3], stop: Arc<AtomicBool>) -> (usize, Vec<Value>) {
    let (mut looks, mut seen) = (0, Vec::new());
    while !stop.load(Ordering::Relaxed) {
        for vehicle in vehicles {
            let (_, answer) = request(address, "GET", &format!("/v1/vehicles/{vehicle}"), None).await;
            if answer["state"] != "online" {
                seen.push(answer);
            }
        }
        looks += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (looks, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_gateways_are_stopped_one_by_one_and_their_units_are_never_shown_as_anything_but_online() {
    let vehicles = ["LUX-1", "LUX-2", "LUX-3"];
    let window = |text: String| text.replace("[vehicles]\n", "[vehicles]\ndrain_window_s = 1\n");
    let mut nodes = start_with(&["west", "centre", "east"], window).await;
    let urls: Vec<_> = nodes.iter().map(|node| node.vehicles_url.clone()).collect();
    let mut units = Vec::new();
    for (at, vehicle) in vehicles.iter().enumerate() {
        let others = ["--gateway", urls[(at + 1) % 3].as_str(), "--gateway", urls[(at + 2) % 3].as_str()];
        let mut unit = Unit::start(&urls[at], vehicle, &others);
        unit.tell(&json!({"lat": 49.6, "lon": 6.1}));
        units.push(unit);
    }
    for at in 0..nodes.len() {
        for node in &nodes {
            node.eventually("/v1/regions", |answer| alive(answer) == 3).await;
            node.eventually("/v1/vehicles?state=online", |list| list["vehicles"].as_array().unwrap().len() == 3).await;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let others = nodes.iter().enumerate().filter(|(other, _)| *other != at);
        let watches: Vec<_> =
            others.map(|(_, node)| tokio::spawn(watch(node.operators, vehicles, stop.clone()))).collect();
        nodes[at].terminate();
        nodes[at].ended(Duration::from_secs(60)).await;
        nodes[at].start_again();
        nodes[at].eventually("/v1/regions", |answer| alive(answer) == 3).await;
        stop.store(true, Ordering::Relaxed);
        for watch in watches {
            let (looks, seen) = watch.await.unwrap();
            assert!(looks > 5 && seen.is_empty(), "{looks} looks while {} was away: {seen:#?}", nodes[at].id);
        }
    }
    for vehicle in vehicles {
        let (_, timeline) = nodes[0].get(&format!("/v1/vehicles/{vehicle}/timeline")).await;
        let states: Vec<_> = timeline["transitions"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
        assert!(
            states.len() > 1 && !states.contains(&&json!("offline")) && !states.contains(&&json!("idle")),
            "{timeline:#}"
        );
    }
}

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
