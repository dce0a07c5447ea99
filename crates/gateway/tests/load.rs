//! Clones, and more attaches than a gateway takes at once.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use support::{Running, Vehicle, eventually, request, start};

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

#[tokio::test]
async fn attaches_beyond_the_ceiling_are_told_of_their_turn_and_one_that_resumes_goes_first() {
    let west = start("west", "[admission]\nattaches_per_second_max = 4\n").await;
    let (resumes, accept) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
    let mut others = Vec::new();
    let (mut refused, answer) = loop {
        let id = format!("OTHER-{}", others.len());
        let (other, answer) = Vehicle::attach(west.vehicles(), &id, json!({})).await;
        if answer["type"] != "attach_accept" {
            break (other, answer);
        }
        others.push(other);
        assert!(others.len() < 500, "nothing is ever refused");
    };
    assert_eq!((&answer["type"], &answer["cause"]), (&json!("attach_reject"), &json!("congestion")));
    assert!((15_000..20_000).contains(&number(&answer, "backoff_ms")), "{answer}");
    assert_eq!(refused.closed().await, 4000);
    drop(resumes);
    let changes = json!({"kind": "resume", "token": accept["token"]});
    let (_resumed, again) = Vehicle::attach(west.vehicles(), "LUX-1", changes).await;
    assert_eq!((&again["type"], &again["session"]), (&json!("attach_accept"), &accept["session"]));
    assert!(metric(&west, "waygate_attaches_refused_total{cause=\"congestion\"}").await >= 1.0);
    assert!(metric(&west, "waygate_attach_rate").await > 0.0);
    let (status, list) = west.get("/v1/vehicles?state=online").await;
    assert_eq!((status, number(&list, "total")), (200, others.len() as u64 + 1), "nothing is kept of the refused one");
    west.gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_vehicles_is_admitted_or_told_when_to_come() {
    let west = start("west", "").await;
    let attaches = (0..400).map(|n| {
        let address = west.vehicles();
        tokio::spawn(async move { Vehicle::attach(address, &format!("LUX-{n}"), json!({})).await })
    });
    let mut accepted = Vec::new();
    for attach in attaches.collect::<Vec<_>>() {
        let (vehicle, answer) = attach.await.unwrap();
        match answer["type"].as_str() {
            Some("attach_accept") => accepted.push(vehicle),
            _ => assert_eq!((&answer["cause"], number(&answer, "backoff_ms") >= 15_000), (&json!("congestion"), true)),
        }
    }
    assert!(accepted.len() >= 200, "{} were admitted", accepted.len());
    eventually(west.operators(), "/v1/vehicles?state=online", |list| list["total"] == accepted.len()).await;
    west.gateway.shutdown().await;
}
