//! Gateways that are told to stop while vehicles drive.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::json;
use std::time::{Duration, Instant};
use support::cluster::{alive, shutdown, start_one_with, start_with};
use support::rover::{Rover, address};
use support::sentry::Sentry;
use support::{Running, Vehicle, eventually, start};

fn window(seconds: u64) -> impl Fn(String) -> String {
    move |toml| toml.replace("[vehicles]\n", &format!("[vehicles]\ndrain_window_s = {seconds}\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_drained_one_by_one_while_vehicles_drive_show_them_as_nothing_but_online() {
    let (ports, mut running) = start_with(window(1)).await;
    let ids: Vec<String> = (1..=6).map(|n| format!("LUX-{n}")).collect();
    let mut roaming = Vec::new();
    for (n, id) in ids.iter().enumerate() {
        roaming.push(Rover::start(running[n % 3].vehicles(), id).await.roam());
    }
    for at in 0..3 {
        for gateway in &running {
            eventually(gateway.operators(), "/v1/regions", |answer| alive(answer) == 3).await;
            eventually(gateway.operators(), "/v1/vehicles?state=online", |list| {
                list["vehicles"].as_array().is_some_and(|list| list.len() == ids.len())
            })
            .await;
        }
        let Running { gateway, dir } = running.remove(at);
        let mut sentries = Vec::new();
        for gateway in &running {
            sentries.push(Sentry::post(gateway.operators(), &ids).await);
        }
        gateway.drain().await;
        gateway.shutdown().await;
        let again = start_one_with(at, &ports, dir, window(1)).await;
        running.insert(at, again);
        eventually(running[at].operators(), "/v1/regions", |answer| alive(answer) == 3).await;
        for sentry in sentries {
            assert!(sentry.looks() > 5, "it looked {} times", sentry.looks());
            assert_eq!(sentry.relieve().await, Vec::<String>::new(), "while gateway {at} was away");
        }
    }
    let mut made = 0;
    for rover in roaming {
        made += rover.stop().await.made();
    }
    let mut stored = 0;
    for gateway in &running {
        stored += gateway.get("/v1/regions").await.1["acked_records_total"].as_u64().unwrap();
    }
    assert_eq!(stored, made, "each record once, over all gateways");
    shutdown(running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_drains_says_so_and_sends_newcomers_on() {
    let (_, mut running) = start_with(window(60)).await;
    let others = [running[1].vehicles(), running[2].vehicles()];
    let (mut first, _) = Vehicle::attach(running[0].vehicles(), "LUX-1", json!({})).await;
    let (_second, _) = Vehicle::attach(running[0].vehicles(), "LUX-2", json!({})).await;
    let Running { gateway, dir: _dir } = running.remove(0);
    let addresses = gateway.addresses();
    let mut drained = Box::pin(gateway.drain());
    let looked = async {
        // One of the two is sent at once, the other in half a minute.
        let redirect = tokio::time::timeout(Duration::from_secs(5), first.receive()).await.unwrap();
        assert_eq!((&redirect["type"], &redirect["reason"]), (&json!("redirect"), &json!("draining")), "{redirect}");
        let targets: Vec<_> = redirect["targets"].as_array().unwrap().iter().map(address).collect();
        assert!(targets.len() == 2 && targets.iter().all(|target| others.contains(target)), "{redirect}");
        let deadline: u64 = redirect["deadline_ms"].as_u64().unwrap_or_else(|| panic!("{redirect}"));
        assert!((60_000..=70_000).contains(&deadline), "{redirect}");

        let (_, ready) = support::get(addresses.operators, "/readyz").await;
        assert_eq!((&ready["ready"], support::get(addresses.operators, "/readyz").await.0), (&json!(false), 503));
        assert!(ready["checks"]["presence"].as_str().unwrap().starts_with("draining"), "{ready}");
        for gateway in &running {
            eventually(gateway.operators(), "/v1/regions", |answer| {
                let gateways =
                    answer["regions"].as_array().into_iter().flatten().flat_map(|r| r["gateways"].as_array());
                gateways.flatten().all(|gateway| gateway["draining"] == (gateway["id"] == "west-1"))
            })
            .await;
            // Every second a gateway looks whom it may name.
            let named = async {
                loop {
                    let (_, accept) = Vehicle::attach(gateway.vehicles(), "LUX-9", json!({})).await;
                    // Before all are heard it may name one only, too.
                    if accept["gateways"].as_array().unwrap().len() == 1 && accept["gateways"][0]["region"] != "west" {
                        return;
                    }
                }
            };
            tokio::time::timeout(support::PATIENCE, named).await.unwrap();
        }
        let (mut late, reject) = Vehicle::attach(addresses.vehicles, "LUX-3", json!({})).await;
        assert_eq!((&reject["type"], &reject["cause"]), (&json!("attach_reject"), &json!("draining")));
        assert_eq!(reject["redirect"].as_array().unwrap().len(), 2, "{reject}");
        assert_eq!(late.closed().await, 4100);
    };
    tokio::select! {
        () = &mut drained => panic!("a vehicle has not left"),
        () = looked => {}
    }
    drop(drained);
    // In a hurry: whoever is left is ordered away.
    gateway.shutdown().await;
    assert_eq!(first.closed().await, 4503);
    shutdown(running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_without_neighbours_keeps_its_vehicles_until_the_end() {
    let running = start("west", "").await;
    running.gateway.shutdown().await;
    let dir = tempfile::tempdir().unwrap();
    let toml = window(1)(support::config("west", dir.path(), ""));
    let gateway = waygate_gateway::Gateway::bind(waygate_gateway::Config::parse(&toml).unwrap()).await.unwrap();
    let (mut vehicle, _) = Vehicle::attach(gateway.addresses().vehicles, "LUX-1", json!({})).await;
    let began = Instant::now();
    let drained = tokio::spawn(async move {
        gateway.drain().await;
        gateway
    });
    assert_eq!(vehicle.receive().await, json!({"type": "detach_order", "cause": "draining", "reattach": true}));
    assert!(began.elapsed() >= Duration::from_secs(10), "window and grace: {:?}", began.elapsed());
    assert_eq!(vehicle.closed().await, 4503);
    drained.await.unwrap().shutdown().await;
}
