//! Snapshots: the present value of all signals, asked by an operator or by the gateway after an outage.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use support::{Vehicle, cluster, eventually, post, record, start};

const PATH: &str = "/v1/vehicles/LUX-1/snapshot";

#[tokio::test]
async fn a_snapshot_is_asked_at_any_gateway_and_reaches_the_vehicle() {
    let (_, running) = cluster::start().await;
    let (mut vehicle, _) = Vehicle::attach(running[0].vehicles(), "LUX-1", json!({})).await;
    assert_eq!(vehicle.receive_any().await["type"], "snapshot_request", "its spool is new here");
    for gateway in &running {
        eventually(gateway.operators(), "/v1/vehicles/LUX-1", |one| one["state"] == "online").await;
        let (status, answer) = post(gateway.operators(), PATH, json!({"signals": ["Vehicle.Speed"]})).await;
        assert_eq!((status, answer), (202, json!({"requested": true, "gateway": "west-1"})));
        let asked = vehicle.receive_any().await;
        assert_eq!(asked, json!({"type": "snapshot_request", "signals": ["Vehicle.Speed"]}));
    }
    drop(vehicle);
    eventually(running[0].operators(), PATH.trim_end_matches("/snapshot"), |one| one["state"] == "online").await;
    cluster::shutdown(running).await;
}

#[tokio::test]
async fn a_vehicle_without_a_socket_cannot_be_asked() {
    let west = start("west", "[timers]\nhold_s = 1\n").await;
    assert_eq!(post(west.operators(), PATH, Value::Null).await.0, 404);
    let (vehicle, _) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
    assert_eq!(post(west.operators(), PATH, Value::Null).await.0, 202);
    assert_eq!(post(west.operators(), PATH, json!({"signals": [""]})).await.0, 400);
    drop(vehicle);
    eventually(west.operators(), "/v1/vehicles/LUX-1", |one| one["state"] == "idle").await;
    let (status, problem) = post(west.operators(), PATH, Value::Null).await;
    assert_eq!(status, 409, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("page it first"), "{problem}");
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn the_gateway_asks_by_itself_when_the_spool_is_new_and_not_after_a_short_loss() {
    let west = start("west", "").await;
    let (mut vehicle, accept) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
    assert_eq!(vehicle.receive_any().await, json!({"type": "snapshot_request", "signals": []}));
    vehicle.telemetry(1, vec![record(1, 49.61, 6.13)]).await;
    drop(vehicle);
    let again = |spool: &str| json!({"kind": "resume", "token": accept["token"], "spool": {"id": spool, "oldest": "1", "last": "1"}});
    let (mut vehicle, _) = Vehicle::attach(west.vehicles(), "LUX-1", again("42")).await;
    vehicle.send(json!({"type": "time_request", "sent": "1"})).await;
    assert_eq!(vehicle.receive_any().await["type"], "time_reply", "known and heard a moment ago: nothing is asked");
    drop(vehicle);
    let (mut vehicle, _) = Vehicle::attach(west.vehicles(), "LUX-1", again("43")).await;
    assert_eq!(vehicle.receive_any().await["type"], "snapshot_request", "it lost its spool");
    west.gateway.shutdown().await;
}
