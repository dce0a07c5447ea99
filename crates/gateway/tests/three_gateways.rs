//! Three gateways of one cluster: who is online where, and what they say while one is away.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use std::net::SocketAddr;
use support::cluster::{alive, shutdown, start as cluster, start_one};
use support::{Running, Vehicle, eventually, record};

async fn state_at(address: SocketAddr, vehicle: &str, state: &str) -> Value {
    eventually(address, &format!("/v1/vehicles/{vehicle}"), |answer| answer["state"] == state).await
}

#[tokio::test]
async fn every_gateway_knows_who_is_online_where_and_answers_for_the_others() {
    let (_, running) = cluster().await;
    let (mut vehicle, _) = Vehicle::attach(running[0].vehicles(), "LUX-1", json!({})).await;
    vehicle.telemetry(1, vec![record(2, 49.61, 6.13), record(1, 49.62, 6.14)]).await;
    for gateway in &running {
        let one = state_at(gateway.operators(), "LUX-1", "online").await;
        assert_eq!((&one["region"], &one["gateway"]), (&json!("west"), &json!("west-1")));
        assert_eq!(one["position"]["lat"], 49.62, "the serving gateway is asked for the position: {one}");
        let (_, history) = gateway.get("/v1/vehicles/LUX-1/telemetry").await;
        assert_eq!(history["records"].as_array().unwrap().len(), 2, "{history}");
        assert_eq!(history["missing_regions"], json!([]));
        let (_, near) = gateway.get("/v1/vehicles?near=49.62,6.14,100").await;
        assert_eq!(near["vehicles"][0]["id"], "LUX-1", "{near}");
        let (_, far) = gateway.get("/v1/vehicles?bbox=0,0,1,1").await;
        assert_eq!(far["vehicles"], json!([]), "{far}");
    }
    shutdown(running).await;
}

#[tokio::test]
async fn a_vehicle_that_attaches_elsewhere_is_online_there_and_its_old_socket_is_closed() {
    let (_, running) = cluster().await;
    let (mut old, accept) = Vehicle::attach(running[0].vehicles(), "LUX-1", json!({})).await;
    old.telemetry(1, vec![record(3, 49.61, 6.13)]).await;
    let changes =
        json!({"kind": "handover", "token": accept["token"], "spool": {"id": "42", "oldest": "2", "last": "1"}});
    let (mut new, second) = Vehicle::attach(running[2].vehicles(), "LUX-1", changes).await;
    assert_eq!(second["type"], "attach_accept", "{second}");
    let epoch = |accept: &Value| accept["epoch"].as_str().unwrap().parse::<u64>().unwrap();
    assert!(epoch(&second) > epoch(&accept));
    assert_eq!(old.closed().await, 4409);
    new.telemetry(2, vec![record(1, 49.62, 6.20)]).await;
    for gateway in &running {
        eventually(gateway.operators(), "/v1/vehicles/LUX-1", |one| one["gateway"] == "east-1").await;
        let (_, history) = gateway.get("/v1/vehicles/LUX-1/telemetry").await;
        let seqs: Vec<_> = history["records"].as_array().unwrap().iter().map(|r| r["seq"].clone()).collect();
        assert_eq!(seqs, ["1", "2"], "merged from both regions");
    }
    shutdown(running).await;
}

#[tokio::test]
async fn a_lost_gateway_makes_its_vehicles_stale_and_the_views_agree_once_it_is_back() {
    let (ports, mut running) = cluster().await;
    let (mut vehicle, _) = Vehicle::attach(running[1].vehicles(), "LUX-1", json!({})).await;
    vehicle.telemetry(1, vec![record(1, 49.61, 6.13)]).await;
    state_at(running[0].operators(), "LUX-1", "online").await;
    drop(vehicle);
    let Running { gateway, dir } = running.remove(1);
    gateway.shutdown().await;
    for gateway in &running {
        let one = state_at(gateway.operators(), "LUX-1", "stale").await;
        assert_eq!(one["stale_why"], "owner_left");
        assert_eq!(one["view"], json!({"complete": false, "missing_regions": ["centre"]}));
        let (_, history) = gateway.get("/v1/vehicles/LUX-1/telemetry").await;
        assert_eq!(history["missing_regions"], json!(["centre"]));
    }
    running.insert(1, start_one(1, &ports, dir).await);
    for gateway in &running {
        let one = state_at(gateway.operators(), "LUX-1", "idle").await;
        assert_eq!(one["gateway"], "centre-1");
        eventually(gateway.operators(), "/v1/regions", |answer| alive(answer) == 3).await;
        let (_, history) = gateway.get("/v1/vehicles/LUX-1/telemetry").await;
        assert_eq!((&history["missing_regions"], history["records"].as_array().unwrap().len()), (&json!([]), 1));
    }
    shutdown(running).await;
}
