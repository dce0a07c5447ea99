//! One gateway, spoken to by vehicles over WebSockets and by operators over HTTP.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::json;
use support::{Vehicle, eventually, record, start};

#[tokio::test]
async fn a_vehicle_attaches_and_what_is_acked_is_served() {
    let west = start("west", "").await;
    let (mut vehicle, accept) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
    assert_eq!(accept["type"], "attach_accept", "{accept}");
    assert_eq!(accept["resume_from"], "1");
    assert_eq!(accept["areas"].as_array().unwrap().len(), 7);
    let ack = vehicle.telemetry(1, vec![record(2, 49.61, 6.13), record(1, 49.6101, 6.1302)]).await;
    assert_eq!(ack["type"], "telemetry_ack", "{ack}");
    assert_eq!(ack["through"], "2");
    assert_eq!(ack["level"], "committed");

    let (status, one) = west.get("/v1/vehicles/LUX-1").await;
    assert_eq!((status, &one["state"]), (200, &json!("online")), "{one}");
    assert_eq!(one["position"]["lat"], 49.6101);
    let (_, list) = west.get("/v1/vehicles?state=online").await;
    assert_eq!(list["total"], 1);
    let (_, history) = west.get("/v1/vehicles/LUX-1/telemetry").await;
    assert_eq!(history["records"].as_array().unwrap().len(), 2, "{history}");
    assert_eq!(history["records"][1]["seq"], "2");
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn records_sent_twice_are_stored_once_and_gaps_are_told() {
    let west = start("west", "").await;
    let (mut vehicle, _) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
    let ack = vehicle.telemetry(5, vec![record(3, 49.61, 6.13)]).await;
    assert_eq!((&ack["through"], &ack["ranges"]), (&json!("0"), &json!([{"first": "5", "last": "5"}])), "{ack}");
    for _ in 0..2 {
        let ack = vehicle.telemetry(1, vec![record(9, 49.6, 6.1), record(8, 49.6, 6.1)]).await;
        assert_eq!(ack["through"], "2", "{ack}");
    }
    let (_, history) = west.get("/v1/vehicles/LUX-1/telemetry").await;
    assert_eq!(history["records"].as_array().unwrap().len(), 3, "{history}");
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn a_refused_record_is_named_and_the_others_are_stored() {
    let west = start("west", "").await;
    let (mut vehicle, _) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
    let ack = vehicle.telemetry(1, vec![record(3, 49.61, 6.13), record(2, 95.0, 6.13), record(1, 49.62, 6.14)]).await;
    assert_eq!(ack["through"], "3");
    assert_eq!(ack["rejected"], json!([{"seq": "2", "reason": "position_outside_globe"}]), "{ack}");
    let (_, history) = west.get("/v1/vehicles/LUX-1/telemetry").await;
    let seqs: Vec<_> = history["records"].as_array().unwrap().iter().map(|r| r["seq"].clone()).collect();
    assert_eq!(seqs, ["1", "3"]);
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn a_newer_attach_supersedes_the_older_socket() {
    let west = start("west", "").await;
    let (mut first, _) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
    let (_second, accept) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
    assert_eq!(accept["type"], "attach_accept");
    let order = first.receive().await;
    assert_eq!((&order["type"], &order["cause"]), (&json!("detach_order"), &json!("superseded")), "{order}");
    assert_eq!(first.closed().await, 4409);
    let (_, one) = west.get("/v1/vehicles/LUX-1").await;
    assert_eq!(one["state"], "online");
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn a_vehicle_that_says_goodbye_is_offline_with_its_cause() {
    let west = start("west", "").await;
    let (mut vehicle, _) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
    vehicle.send(json!({"type": "detach", "cause": "ignition_off"})).await;
    let one = eventually(west.operators(), "/v1/vehicles/LUX-1", |one| one["state"] == "offline").await;
    assert_eq!(one["cause"], "ignition_off");
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn a_silent_socket_is_asked_and_then_counts_as_lost() {
    let extra = "[timers]\nping_s = 1\npong_s = 1\nhold_s = 1\n";
    let west = start("west", extra).await;
    let (vehicle, _) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
    // The socket stays open but nothing reads it, so no pong is sent.
    eventually(west.operators(), "/v1/vehicles/LUX-1", |one| one["state"] == "idle").await;
    drop(vehicle);
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let west = start("west", "").await;
    let (mut vehicle, first) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
    vehicle.telemetry(1, vec![record(1, 49.61, 6.13)]).await;
    let support::Running { gateway, dir } = west;
    gateway.shutdown().await;
    let config = support::config("west", dir.path(), "");
    let gateway = waygate_gateway::Gateway::bind(waygate_gateway::Config::parse(&config).unwrap()).await.unwrap();
    let west = support::Running { gateway, dir };
    let (_, one) = west.get("/v1/vehicles/LUX-1").await;
    assert_eq!(one["state"], "idle", "nothing is online that was not heard in this life: {one}");
    assert_eq!(one["position"]["lat"], 49.61);
    let changes = json!({"kind": "resume", "token": first["token"], "spool": {"id": "42", "oldest": "1", "last": "1"}});
    let (_vehicle, accept) = Vehicle::attach(west.vehicles(), "LUX-1", changes).await;
    assert_eq!(accept["resume_from"], "2", "{accept}");
    assert_eq!(accept["epoch"], first["epoch"], "the session is resumed across the restart");
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn a_sleeping_vehicle_is_asleep_until_it_said_it_is_back_also_after_a_restart_of_its_gateway() {
    let west = start("west", "").await;
    let (mut vehicle, accept) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
    assert_eq!(accept["timers"]["sleep_s"], 86_400);
    vehicle.send(json!({"type": "suspend", "sleep_s": 3600, "wake": ["mqtt", "pigeon"]})).await;
    vehicle.socket.close(None).await.unwrap();
    let asleep = eventually(west.operators(), "/v1/vehicles/LUX-1", |answer| answer["state"] == "asleep").await;
    let back_s = asleep["update_expected_in_s"].as_f64().unwrap();
    assert!((3500.0..=3600.0).contains(&back_s), "{asleep}");
    assert_eq!(asleep["wake"], json!(["mqtt"]), "a channel of a later version cannot be used");
    let support::Running { gateway, dir } = west;
    gateway.shutdown().await;
    let config = support::config("west", dir.path(), "");
    let gateway = waygate_gateway::Gateway::bind(waygate_gateway::Config::parse(&config).unwrap()).await.unwrap();
    let again = support::Running { gateway, dir };
    let (_, kept) = again.get("/v1/vehicles/LUX-1").await;
    assert_eq!((&kept["state"], &kept["wake"]), (&json!("asleep"), &json!(["mqtt"])), "{kept}");
    assert!((3400.0..=back_s).contains(&kept["update_expected_in_s"].as_f64().unwrap()), "{kept}");
    again.gateway.shutdown().await;
}
