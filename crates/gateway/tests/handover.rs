//! A vehicle that moves between gateways: nobody sees it go, and no record is lost or stored twice.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use std::net::SocketAddr;
use support::cluster::{REGIONS, shutdown, start as cluster, start_with, stored};
use support::rover::{Rover, address};
use support::{Vehicle, eventually, record};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_gateway_before_the_last_has_stored_is_not_stored_again() {
    let (_, running) = cluster().await;
    let mut rover = Rover::start(running[0].vehicles(), "LUX-1").await;
    rover.record().await;
    // Stored at the first; the vehicle does not read its ack, here and there and at the third.
    eventually(running[0].operators(), "/v1/regions", |answer| answer["acked_records_total"] == 1).await;
    rover.hand_over(running[1].vehicles()).await;
    rover.hand_over(running[2].vehicles()).await;
    rover.settle().await;
    assert_eq!(stored(&running).await, 1);
    shutdown(running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handover_from_a_gateway_that_is_gone_is_accepted_at_once_and_its_records_are_taken_in_time() {
    let (_, mut running) = cluster().await;
    let mut rover = Rover::start(running[0].vehicles(), "LUX-1").await;
    rover.record().await;
    rover.settle().await;
    running.remove(0).gateway.shutdown().await;
    rover.hand_over(running[0].vehicles()).await;
    rover.record().await;
    rover.settle().await;
    assert_eq!(stored(&running).await, 1);
    shutdown(running).await;
}

/// Cells of resolution 5 around two places, 70 km apart, and a third that is nobody's.
const WEST: (f64, f64) = (49.61, 6.13);
const EAST: (f64, f64) = (49.61, 7.13);
const NOWHERE: (f64, f64) = (49.61, 9.13);

fn areas() -> String {
    use waygate_core::{cell::Cell, record::Position};
    let cells = |(lat, lon): (f64, f64)| {
        let around = Cell::of(Position::from_degrees(lat, lon)).unwrap().tracking_areas();
        around.iter().map(|cell| format!("\"{cell}\"")).collect::<Vec<_>>().join(", ")
    };
    format!("[regions.west]\ncells = [{}]\n[regions.east]\ncells = [{}]\n", cells(WEST), cells(EAST))
}

async fn moved(vehicle: &mut Vehicle, (lat, lon): (f64, f64)) -> Value {
    let position = json!({"lat": lat, "lon": lon});
    vehicle.send(json!({"type": "tracking_update", "cause": "moved", "position": position})).await;
    let accept = vehicle.receive().await;
    assert_eq!(accept["type"], "tracking_accept", "{accept}");
    accept
}

/// The message that comes before the answer to a question of the time, if one does.
async fn before_the_time(vehicle: &mut Vehicle) -> Option<Value> {
    vehicle.send(json!({"type": "time_request", "sent": "1"})).await;
    let message = vehicle.receive().await;
    if message["type"] == "time_reply" {
        return None;
    }
    assert_eq!(vehicle.receive().await["type"], "time_reply");
    Some(message)
}

fn sends_to(redirect: &Value) -> Vec<SocketAddr> {
    assert_eq!((&redirect["type"], &redirect["reason"]), (&json!("redirect"), &json!("moved")), "{redirect}");
    redirect["targets"].as_array().unwrap().iter().map(address).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vehicle_in_another_regions_area_is_sent_to_that_regions_gateway() {
    let (_, mut running) = start_with(|toml| toml + &areas()).await;
    let (west, east) = (running[0].vehicles(), running[2].vehicles());
    // Every second the gateway looks whom it may name.
    let place = json!({"position": {"lat": EAST.0, "lon": EAST.1}});
    let mut named = Vec::new();
    while named.is_empty() {
        let (_, accept) = Vehicle::attach(west, "LUX-0", place.clone()).await;
        named = accept["gateways"].as_array().unwrap().iter().map(|gateway| gateway["region"].clone()).collect();
    }
    assert_eq!(named, ["east", "centre"], "that of the vehicle's place comes first");

    let (mut vehicle, _) = Vehicle::attach(west, "LUX-1", json!({})).await;
    moved(&mut vehicle, WEST).await;
    assert_eq!(before_the_time(&mut vehicle).await, None, "its own region");
    moved(&mut vehicle, NOWHERE).await;
    assert_eq!(before_the_time(&mut vehicle).await, None, "nobody's region");
    moved(&mut vehicle, EAST).await;
    assert_eq!(sends_to(&before_the_time(&mut vehicle).await.unwrap()), [east]);
    moved(&mut vehicle, WEST).await;
    moved(&mut vehicle, EAST).await;
    assert_eq!(before_the_time(&mut vehicle).await, None, "not again within a minute");

    // By its live telemetry, whoever forgot to send an update.
    let (mut vehicle, _) = Vehicle::attach(west, "LUX-2", json!({})).await;
    vehicle.send(json!({"type": "telemetry", "first_seq": "1", "records": [record(0, EAST.0, EAST.1)]})).await;
    let redirect = loop {
        let message = vehicle.receive().await;
        if message["type"] == "redirect" {
            break message;
        }
    };
    assert_eq!(sends_to(&redirect), [east]);

    // At the attach: accepted, and sent on.
    let (mut vehicle, accept) = Vehicle::attach(west, "LUX-3", place.clone()).await;
    assert_eq!(accept["type"], "attach_accept");
    assert_eq!(sends_to(&vehicle.receive().await), [east]);
    assert_eq!(vehicle.telemetry(1, vec![record(0, EAST.0, EAST.1)]).await["through"], "1", "and served meanwhile");

    running.pop().unwrap().gateway.shutdown().await;
    eventually(running[0].operators(), "/v1/regions", |answer| support::cluster::alive(answer) == 2).await;
    let named = |accept: &Value| accept["gateways"].as_array().unwrap().len();
    while named(&Vehicle::attach(west, "LUX-0", place.clone()).await.1) == REGIONS.len() - 1 {}
    let (mut vehicle, _) = Vehicle::attach(west, "LUX-4", place).await;
    assert_eq!(before_the_time(&mut vehicle).await, None, "without a gateway there it stays");
    shutdown(running).await;
}
