//! Pages: sockets are probed, sleepers are woken over real hooks, and whoever asks is told how it went.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use support::hooks::{Mosquitto, Webhook};
use support::{PATIENCE, Running, Vehicle, cluster, eventually, post, start};
use waygate_core::id::VehicleId;
use waygate_core::wake_up;

const KEY: &str = "[cluster]\nwake_key = \"0707070707070707070707070707070707070707070707070707070707070707\"\n";

fn webhook(hook: &Webhook, more: &str) -> String {
    format!("[wake]\nwebhook = \"http://{}/wake\"\n{more}\n{KEY}", hook.address)
}

fn page_path(vehicle: &str) -> String {
    format!("/v1/vehicles/{vehicle}/page")
}

/// Attaches a vehicle and has it fall asleep; its accept.
async fn sleeper(west: &Running, id: &str, wake: &[&str]) -> Value {
    let (mut vehicle, accept) = Vehicle::attach(west.vehicles(), id, json!({ "wake": wake })).await;
    vehicle.send(json!({"type": "suspend", "active_s": 1, "sleep_s": 3600, "wake": wake})).await;
    // The answer to a later message says that this one was read.
    vehicle.send(json!({"type": "time_request", "sent": "1"})).await;
    assert_eq!(vehicle.receive().await["type"], "time_reply");
    drop(vehicle);
    eventually(west.operators(), &format!("/v1/vehicles/{id}"), |one| one["state"] == "asleep").await;
    accept
}

/// Comes back as a woken vehicle does.
async fn attach_paged(west: &Running, id: &str, accept: &Value) -> Vehicle {
    let changes = json!({"kind": "paged", "token": accept["token"], "wake": ["sms", "mqtt"]});
    let (vehicle, answer) = Vehicle::attach(west.vehicles(), id, changes).await;
    assert_eq!(answer["type"], "attach_accept", "{answer}");
    vehicle
}

/// Whether a wake-up was made for this vehicle with the key of its accept.
fn is_for(accept: &Value, vehicle: &str, payload: &str) -> bool {
    use base64::Engine;
    let key = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(accept["wake_key"].as_str().unwrap()).unwrap();
    assert!(payload.len() <= 140, "{payload} does not fit a short message");
    wake_up::open(&key, &VehicleId::new(vehicle).unwrap(), payload).is_ok()
}

fn ask(gateway: &Running, vehicle: &str, wait_s: u64) -> tokio::task::JoinHandle<(u16, Value)> {
    let (address, path) = (gateway.operators(), page_path(vehicle));
    tokio::spawn(async move { post(address, &path, json!({ "wait_s": wait_s })).await })
}

#[tokio::test]
async fn a_sleeping_vehicle_is_woken_over_the_webhook_and_two_pages_are_one_wake_up() {
    let mut hook = Webhook::ready().await;
    let west = start("west", &webhook(&hook, "")).await;
    let accept = sleeper(&west, "LUX-1", &["sms"]).await;
    let (first, second) = (ask(&west, "LUX-1", 20), ask(&west, "LUX-1", 20));
    let body = hook.next().await;
    assert_eq!((&body["vehicle"], &body["channel"], &body["reason"]), (&json!("LUX-1"), &json!("sms"), &json!("page")));
    assert_eq!(body["deadline_s"], 30.0);
    assert!(body["nonce"].as_str().unwrap().parse::<u64>().is_ok(), "{body}");
    let payload = body["payload"].as_str().unwrap();
    assert!(is_for(&accept, "LUX-1", payload), "{body}");
    assert!(!is_for(&accept, "LUX-2", payload), "it is of no use to another vehicle");
    let _vehicle = attach_paged(&west, "LUX-1", &accept).await;
    for page in [first.await.unwrap(), second.await.unwrap()] {
        let (status, page) = page;
        assert_eq!((status, &page["outcome"], &page["gateway"]), (200, &json!("woken"), &json!("west")), "{page}");
        assert!(page["took_s"].as_f64().unwrap() > 0.0, "{page}");
    }
    assert_eq!(hook.count.load(Ordering::SeqCst), 1);
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn a_sleeping_vehicle_is_woken_over_a_real_broker() {
    let Some(broker) = Mosquitto::start().await else { return };
    let west = start("west", &format!("[wake.mqtt]\nbroker = \"mqtt://127.0.0.1:{}\"\n{KEY}", broker.port)).await;
    for id in ["LUX-1", "LUX.2_a"] {
        let accept = sleeper(&west, id, &["mqtt"]).await;
        let mut messages = broker.listen(&format!("waygate/{id}/wake")).await;
        let page = ask(&west, id, 20);
        let payload = tokio::time::timeout(PATIENCE, messages.recv()).await.expect("a message").unwrap();
        assert!(is_for(&accept, id, &payload), "{payload}");
        let _vehicle = attach_paged(&west, id, &accept).await;
        let (_, page) = page.await.unwrap();
        assert_eq!(page["outcome"], "woken", "{page}");
    }
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_told_and_used_once_it_is() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let extra = format!("[wake]\napart_s = []\nlast_s = 1\n[wake.mqtt]\nbroker = \"mqtt://127.0.0.1:{gone}\"\n{KEY}");
    let west = start("west", &extra).await;
    sleeper(&west, "LUX-1", &["mqtt"]).await;
    let (_, page) = ask(&west, "LUX-1", 20).await.unwrap();
    assert_eq!(page["outcome"], "unreachable");
    assert!(page["detail"].as_str().unwrap().contains("no hook took"), "{page}");
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn a_vehicle_that_answers_on_its_socket_is_reachable_from_any_gateway() {
    let (_, running) = cluster::start().await;
    let (mut vehicle, _) = Vehicle::attach(running[0].vehicles(), "LUX-1", json!({})).await;
    // Reads, and so answers pings.
    let reading = tokio::spawn(async move {
        loop {
            vehicle.next().await;
        }
    });
    for gateway in &running {
        eventually(gateway.operators(), "/v1/vehicles/LUX-1", |one| one["state"] == "online").await;
        let (status, page) = post(gateway.operators(), &page_path("LUX-1"), Value::Null).await;
        let told = (status, &page["outcome"], &page["gateway"]);
        assert_eq!(told, (200, &json!("reachable"), &json!("west-1")), "{page}");
    }
    reading.abort();
    cluster::shutdown(running).await;
}

#[tokio::test]
async fn a_page_asked_elsewhere_wakes_through_the_serving_gateway_and_sees_the_attach_anywhere() {
    let mut hook = Webhook::ready().await;
    let wake = format!("[wake]\nwebhook = \"http://{}/wake\"\n", hook.address);
    let extra = format!("{wake}{KEY}");
    let (_, running) = cluster::start_with(|toml| format!("{extra}\n{toml}")).await;
    let accept = sleeper(&running[0], "LUX-1", &["sms"]).await;
    eventually(running[1].operators(), "/v1/vehicles/LUX-1", |one| one["state"] == "asleep").await;
    let page = ask(&running[1], "LUX-1", 20);
    let body = hook.next().await;
    assert!(is_for(&accept, "LUX-1", body["payload"].as_str().unwrap()), "{body}");
    let _vehicle = attach_paged(&running[2], "LUX-1", &accept).await;
    let (_, page) = page.await.unwrap();
    assert_eq!((&page["outcome"], &page["gateway"]), (&json!("woken"), &json!("east-1")), "{page}");
    cluster::shutdown(running).await;
}

#[tokio::test]
async fn a_vehicle_of_a_lost_gateway_is_woken_by_the_one_that_is_asked() {
    let mut hook = Webhook::ready().await;
    let extra = format!("[wake]\nwebhook = \"http://{}/wake\"\n{KEY}", hook.address);
    let (_, mut running) = cluster::start_with(|toml| format!("{extra}\n{toml}")).await;
    let accept = sleeper(&running[0], "LUX-1", &["sms"]).await;
    eventually(running[1].operators(), "/v1/vehicles/LUX-1", |one| one["state"] == "asleep").await;
    running.remove(0).gateway.shutdown().await;
    eventually(running[0].operators(), "/v1/vehicles/LUX-1", |one| one["state"] == "stale").await;
    let page = ask(&running[0], "LUX-1", 20);
    let body = hook.next().await;
    assert!(is_for(&accept, "LUX-1", body["payload"].as_str().unwrap()), "one key for all gateways: {body}");
    let _vehicle = attach_paged(&running[1], "LUX-1", &accept).await;
    let (_, page) = page.await.unwrap();
    assert_eq!((&page["outcome"], &page["gateway"]), (&json!("woken"), &json!("east-1")), "{page}");
    cluster::shutdown(running).await;
}

#[tokio::test]
async fn a_half_open_vehicle_is_probed_and_lost_and_then_woken() {
    let mut hook = Webhook::ready().await;
    // The keepalive by itself would take minutes to notice.
    let timers = "[timers]\nping_s = 240\npong_s = 1\n";
    let west = start("west", &format!("{timers}{}", webhook(&hook, ""))).await;
    let (silent, accept) = Vehicle::attach(west.vehicles(), "LUX-1", json!({"wake": ["sms"]})).await;
    // Nothing reads its socket any more. Another vehicle is answered meanwhile.
    let page = ask(&west, "LUX-1", 20);
    let (mut other, _) = Vehicle::attach(west.vehicles(), "LUX-2", json!({})).await;
    let reading = tokio::spawn(async move {
        loop {
            other.next().await;
        }
    });
    let started = Instant::now();
    let (_, other) = ask(&west, "LUX-2", 20).await.unwrap();
    assert_eq!(other["outcome"], "reachable", "{other}");
    assert!(started.elapsed() < Duration::from_secs(1), "the half-open one holds nobody up");
    let body = hook.next().await;
    assert_eq!(body["vehicle"], "LUX-1");
    // A resume within the hold publishes nothing, and ends the page all the same.
    let changes = json!({"kind": "resume", "token": accept["token"], "wake": ["sms"]});
    let (_vehicle, resumed) = Vehicle::attach(west.vehicles(), "LUX-1", changes).await;
    assert_eq!(resumed["epoch"], accept["epoch"], "resumed");
    let (_, page) = page.await.unwrap();
    assert_eq!(page["outcome"], "woken", "{page}");
    assert!(page["took_s"].as_f64().unwrap() >= 2.0, "two pings of a second each: {page}");
    reading.abort();
    drop(silent);
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn wake_ups_beyond_the_rate_are_not_sent_and_a_failing_hook_is_tried_again() {
    let status = Arc::new(AtomicU16::new(500));
    let hook = Webhook::start(status.clone()).await;
    let more = "apart_s = [1]\nlast_s = 1\nper_hour = 2\n";
    let west = start("west", &webhook(&hook, more)).await;
    sleeper(&west, "LUX-1", &["sms"]).await;
    let mut ended = west.gateway.pager().ended();
    west.gateway.pager().wake(VehicleId::new("LUX-1").unwrap()).await;
    let over = tokio::time::timeout(PATIENCE, ended.recv()).await.expect("an end in time").unwrap();
    assert!(over.detail.contains("no hook took any of 2"), "{over:?}");
    assert_eq!(hook.count.load(Ordering::SeqCst), 4, "two wake-ups, each posted twice");
    status.store(204, Ordering::SeqCst);
    let (code, page) = ask(&west, "LUX-1", 20).await.unwrap();
    assert_eq!((code, &page["outcome"]), (200, &json!("unreachable")), "{page}");
    assert!(page["detail"].as_str().unwrap().contains("used up"), "{page}");
    assert_eq!(hook.count.load(Ordering::SeqCst), 4);
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn who_cannot_be_woken_is_told_why_and_what_cannot_be_asked_is_named() {
    let west = start("west", "").await;
    let accept = sleeper(&west, "LUX-1", &["sms"]).await;
    assert_eq!(accept["wake_key"], Value::Null, "no hook, no key: {accept}");
    let (_, page) = post(west.operators(), &page_path("LUX-1"), json!({"wait_s": 5})).await;
    assert!(page["detail"].as_str().unwrap().contains("no hook"), "{page}");
    let (mut gone, _) = Vehicle::attach(west.vehicles(), "LUX-2", json!({})).await;
    gone.send(json!({"type": "detach", "cause": "ignition_off"})).await;
    eventually(west.operators(), "/v1/vehicles/LUX-2", |one| one["state"] == "offline").await;
    let (_, page) = post(west.operators(), &page_path("LUX-2"), json!({"wait_s": 5})).await;
    assert_eq!(page["outcome"], "unreachable");
    assert!(page["detail"].as_str().unwrap().contains("offline"), "{page}");
    assert_eq!(post(west.operators(), &page_path("LUX-9"), Value::Null).await.0, 404);
    for body in [json!({"wait_s": 241}), json!({"wait_s": -1}), json!({"wait": 1}), json!("x")] {
        let (status, problem) = post(west.operators(), &page_path("LUX-1"), body.clone()).await;
        assert_eq!(status, 400, "{body}: {problem}");
    }
    assert_eq!(west.get(&page_path("LUX-1")).await.0, 405);
    west.gateway.shutdown().await;
}
