//! Gateways as processes, their ways to each other cut and mended: what is shown is so, whatever happened to the sockets.

#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use std::time::Duration;
use support::cluster::{Node, QUICK_TIMERS, start};
use support::vehicle::Vehicle;

fn epoch(answer: &Value) -> u64 {
    answer["epoch"].as_str().unwrap().parse().unwrap()
}

fn with_token(accept: &Value) -> Value {
    json!({"kind": "handover", "token": accept["token"]})
}

/// The vehicle is shown online at `gateway` by all, and never as anything else for a while.
async fn stays_online(nodes: &[Node], vehicle: &str, gateway: &str, looks: usize) {
    for _ in 0..looks {
        for node in nodes {
            let (_, answer) = node.get(&format!("/v1/vehicles/{vehicle}")).await;
            assert_eq!((&answer["state"], &answer["gateway"]), (&json!("online"), &json!(gateway)), "at {}", node.id);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The vehicle is shown online until it is shown idle, and as nothing else before.
async fn goes_idle(node: &Node, vehicle: &str) -> Value {
    let path = format!("/v1/vehicles/{vehicle}");
    let looked = node.eventually(&path, |answer| {
        let state = answer["state"].as_str().unwrap_or_default();
        assert!(["online", "idle"].contains(&state), "at {}: {answer}", node.id);
        state == "idle"
    });
    looked.await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ghost_socket_neither_holds_nor_ends_the_session_of_the_vehicle_that_came_back_elsewhere() {
    let nodes = start(&["west", "east"], QUICK_TIMERS).await;
    let (mut ghost, first) = Vehicle::attach(&nodes[0].vehicles_url, "LUX-1", json!({})).await;
    nodes[1].shows("LUX-1", "online", "west").await;
    // The vehicle is back under another address; nobody told the old socket.
    let (vehicle, second) = Vehicle::attach(&nodes[1].vehicles_url, "LUX-1", with_token(&first)).await;
    assert!(epoch(&second) > epoch(&first));
    let living = tokio::spawn(vehicle.live());
    for node in &nodes {
        node.shows("LUX-1", "online", "east").await;
    }
    assert_eq!(ghost.closed().await, 4409);
    drop(ghost);
    stays_online(&nodes, "LUX-1", "east", 20).await;
    living.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_open_vehicle_is_found_out_within_its_timers_and_never_shown_offline() {
    let nodes = start(&["west", "east"], QUICK_TIMERS).await;
    // It reads nothing from here on: no ping is answered.
    let (_silent, _) = Vehicle::attach(&nodes[0].vehicles_url, "LUX-1", json!({})).await;
    nodes[1].shows("LUX-1", "online", "west").await;
    let (at_home, idle) = tokio::join!(goes_idle(&nodes[0], "LUX-1"), goes_idle(&nodes[1], "LUX-1"));
    for idle in [at_home, idle] {
        assert!(idle["age_s"].as_f64().unwrap() >= 2.0 && idle["gateway"] == "west", "{idle}");
    }
    let (vehicle, _) = Vehicle::attach(&nodes[0].vehicles_url, "LUX-1", json!({})).await;
    let living = tokio::spawn(vehicle.live());
    for node in &nodes {
        node.shows("LUX-1", "online", "west").await;
    }
    living.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vehicle_that_moves_across_a_cut_is_right_on_both_sides_and_the_same_on_both_once_it_heals() {
    let nodes = start(&["west", "east"], QUICK_TIMERS).await;
    let (old, first) = Vehicle::attach(&nodes[0].vehicles_url, "LUX-1", json!({})).await;
    nodes[1].shows("LUX-1", "online", "west").await;
    let old_socket = tokio::spawn(async move {
        let mut old = old;
        old.closed().await
    });
    for node in &nodes {
        node.way.cut();
    }
    // Cut off, each says only what it knows.
    let stale = nodes[1].eventually("/v1/vehicles/LUX-1", |answer| answer["state"] == "stale").await;
    assert_eq!((&stale["last_known"], &stale["gateway"]), (&json!("online"), &json!("west")));
    let (vehicle, second) = Vehicle::attach(&nodes[1].vehicles_url, "LUX-1", with_token(&first)).await;
    assert!(epoch(&second) > epoch(&first));
    let living = tokio::spawn(vehicle.live());
    nodes[1].shows("LUX-1", "online", "east").await;
    nodes[0].shows("LUX-1", "online", "west").await;
    for node in &nodes {
        node.way.mend();
    }
    nodes[0].shows("LUX-1", "online", "east").await;
    assert_eq!(old_socket.await.unwrap(), 4409, "the old gateway lets it go without a call");
    stays_online(&nodes, "LUX-1", "east", 20).await;
    living.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_units_with_one_identity_are_flagged_everywhere_and_the_one_that_is_connected_stays() {
    let nodes = start(&["west", "east"], QUICK_TIMERS).await;
    let mut sockets = Vec::new();
    // Each of the two knows only its own last token, and they are at two gateways.
    let mut tokens = [Value::Null, Value::Null];
    for n in 0..5 {
        let unit = n % 2;
        let spool = json!({"id": (42 + unit).to_string(), "oldest": "1", "last": "0"});
        let changes = if tokens[unit].is_null() {
            json!({ "spool": spool })
        } else {
            json!({"kind": "handover", "token": tokens[unit], "spool": spool})
        };
        let node = &nodes[unit];
        let (vehicle, accept) = Vehicle::attach(&node.vehicles_url, "LUX-1", changes).await;
        tokens[unit] = accept["token"].clone();
        sockets.push(tokio::spawn(vehicle.live()));
        for other in &nodes {
            other.eventually("/v1/vehicles/LUX-1", |answer| answer["epoch"] == accept["epoch"]).await;
        }
    }
    for node in &nodes {
        node.eventually("/v1/vehicles/LUX-1", |answer| answer["cloned"] == true).await;
    }
    let changes = json!({"kind": "handover", "token": tokens[1], "spool": {"id": "43", "oldest": "1", "last": "0"}});
    let (_, answer) = Vehicle::ask(&nodes[1].vehicles_url, "LUX-1", changes).await;
    assert_eq!((&answer["type"], &answer["cause"]), (&json!("attach_reject"), &json!("cloned")), "{answer}");
    assert!(answer["backoff_ms"].as_u64().unwrap() >= 60_000, "{answer}");
    stays_online(&nodes, "LUX-1", "west", 10).await;
    sockets.iter().for_each(tokio::task::JoinHandle::abort);
}
