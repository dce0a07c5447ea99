//! A gateway that lost its disk and its clock: its peers know a life of it that it does not know itself.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use std::time::Duration;
use support::cluster::{alive, shutdown, start as cluster, start_one};
use support::{PATIENCE, Running, Vehicle, eventually};
use waygate_core::id::Incarnation;
use waygate_core::time::Wall;
use waygate_store::{OpenOptions, Store};

/// Further ahead than any clock of this test.
const AHEAD_S: i64 = 1_000_000;

fn life_of(answer: &Value, gateway: &str) -> Option<u64> {
    let regions = answer["regions"].as_array()?;
    let mut gateways = regions.iter().flat_map(|region| region["gateways"].as_array().into_iter().flatten());
    gateways.find(|node| node["id"] == gateway)?["incarnation"].as_str()?.parse().ok()
}

/// The next life of a gateway with this directory begins as if its clock were far ahead.
async fn lives_ahead(dir: &std::path::Path) {
    let (mut writer, reader) = Store::open(&dir.join("waygate.db"), OpenOptions::default()).await.unwrap();
    let present = writer.next_incarnation(Wall(0)).await.unwrap();
    writer.outlived(Incarnation(present.0 + AHEAD_S as u64)).await.unwrap();
    drop(writer);
    reader.close().await;
}

#[tokio::test]
async fn a_gateway_whose_disk_was_lost_and_whose_clock_is_behind_learns_of_it_and_begins_a_later_life() {
    let (ports, mut running) = cluster().await;
    let Running { gateway, dir } = running.remove(1);
    gateway.shutdown().await;
    lives_ahead(dir.path()).await;
    running.insert(1, start_one(1, &ports, dir).await);
    let known = |answer: &Value| life_of(answer, "centre-1");
    eventually(running[0].operators(), "/v1/regions", |answer| alive(answer) == 3).await;
    let (_, answer) = running[0].get("/v1/regions").await;
    let before = known(&answer).unwrap();

    // Nothing is left of it, and the clock shows less.
    let Running { gateway, .. } = running.remove(1);
    gateway.shutdown().await;
    let empty = tempfile::tempdir().unwrap();
    let lost = start_one(1, &ports, empty).await;
    let learned = tokio::time::timeout(PATIENCE, lost.gateway.outlived()).await.unwrap();
    assert_eq!(learned.0, before);
    let (_, answer) = running[0].get("/v1/regions").await;
    assert_eq!((known(&answer), alive(&answer)), (Some(before), 2), "nobody believes it: {answer:#}");

    // Whoever supervises it starts it again.
    let Running { gateway, dir } = lost;
    gateway.shutdown().await;
    running.insert(1, start_one(1, &ports, dir).await);
    let (_vehicle, _) = Vehicle::attach(running[1].vehicles(), "LUX-1", json!({})).await;
    for gateway in &running {
        let answer = eventually(gateway.operators(), "/v1/regions", |answer| alive(answer) == 3).await;
        assert!(known(&answer).unwrap() > before, "{answer:#}");
        eventually(gateway.operators(), "/v1/vehicles/LUX-1", |one| one["state"] == "online").await;
    }
    let calm = tokio::time::timeout(Duration::from_millis(300), running[1].gateway.outlived()).await;
    assert!(calm.is_err(), "it is in its latest life");
    shutdown(running).await;
}
