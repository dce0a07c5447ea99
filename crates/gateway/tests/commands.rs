//! Commands over three gateways of one cluster: taken at one, done by a vehicle at another, seen at the third.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use std::net::SocketAddr;
use support::cluster::{alive, shutdown, start as cluster, start_one};
use support::events::Events;
use support::{Response, Running, Vehicle, eventually, request, request_with};
use waygate_wire::proto;
use waygate_wire::proto::commands_client::CommandsClient;

async fn post(address: SocketAddr, vehicle: &str, headers: &[(&str, &str)], body: Value) -> Response {
    request_with(address, "POST", &format!("/v1/vehicles/{vehicle}/commands"), headers, body.to_string()).await
}

/// Takes a command; its id.
async fn taken(address: SocketAddr, body: Value) -> String {
    let answer = post(address, "LUX-1", &[], body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

async fn state_at(address: SocketAddr, id: &str, state: &str) -> Value {
    eventually(address, &format!("/v1/commands/{id}"), |command| command["state"] == state).await
}

async fn online_at(running: &[Running], gateway: &str) {
    for one in running {
        eventually(one.operators(), "/v1/vehicles/LUX-1", |vehicle| {
            vehicle["state"] == "online" && vehicle["gateway"] == gateway
        })
        .await;
    }
}

async fn says(vehicle: &mut Vehicle, id: &str, state: &str) {
    vehicle.send(json!({"type": "command_status", "id": id, "state": state, "text": state, "result": {"n": 1}})).await;
}

fn queued() -> Value {
    json!({"name": "doors.lock", "arguments": {"doors": "all"}, "ttl_s": 60, "policy": "queue"})
}

#[tokio::test]
async fn a_command_taken_at_one_gateway_is_done_by_the_vehicle_at_another_and_seen_at_the_third() {
    let (_, running) = cluster().await;
    let (mut vehicle, _) = Vehicle::attach(running[1].vehicles(), "LUX-1", json!({})).await;
    online_at(&running, "centre-1").await;
    let mut events = Events::open(running[0].operators(), "?kind=commands", None).await;
    let body = json!({"name": "doors.lock", "arguments": {"doors": "all"}, "ttl_s": 60});
    let answer = post(running[0].operators(), "LUX-1", &[], body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let info = answer.json();
    let id = info["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("location"), format!("/v1/commands/{id}"));
    assert_eq!(
        (&info["durability"], &info["origin"], &info["policy"]),
        (&json!("safe"), &json!("west-1"), &json!("now"))
    );
    let command = vehicle.receive().await;
    assert_eq!((&command["type"], &command["id"]), (&json!("command"), &json!(id)), "{command}");
    assert_eq!(command["arguments"], json!({"doors": "all"}), "{command}");
    state_at(running[0].operators(), &id, "sent").await;
    says(&mut vehicle, &id, "accepted").await;
    says(&mut vehicle, &id, "succeeded").await;
    for gateway in &running {
        let done = state_at(gateway.operators(), &id, "succeeded").await;
        assert_eq!(
            (&done["ended"], &done["text"], &done["result"]),
            (&json!(true), &json!("succeeded"), &json!({"n": 1}))
        );
        let states: Vec<_> = done["steps"].as_array().unwrap().iter().map(|step| step["state"].clone()).collect();
        assert_eq!((&states[0], states.last().unwrap()), (&json!("queued"), &json!("succeeded")), "{done}");
        let (_, list) = gateway.get("/v1/vehicles/LUX-1/commands").await;
        assert_eq!((&list["commands"][0]["id"], &list["missing_regions"]), (&json!(id), &json!([])), "{list}");
        assert_eq!(list["commands"].as_array().unwrap().len(), 1);
    }
    let mut told = Vec::new();
    while told.last() != Some(&json!("succeeded")) {
        let event = events.next().await;
        if event.name == "command" {
            assert_eq!(event.data["id"], json!(id));
            told.push(event.data["state"].clone());
        }
    }
    assert_eq!(told[0], "queued", "{told:?}");
    shutdown(running).await;
}

#[tokio::test]
async fn a_vehicle_that_moves_between_the_command_and_its_answer_is_heard_at_its_new_place() {
    let (_, running) = cluster().await;
    let (mut old, accept) = Vehicle::attach(running[1].vehicles(), "LUX-1", json!({})).await;
    online_at(&running, "centre-1").await;
    let id = taken(running[0].operators(), queued()).await;
    assert_eq!(old.receive().await["type"], "command");
    let changes = json!({"kind": "handover", "token": accept["token"]});
    let (mut new, _) = Vehicle::attach(running[2].vehicles(), "LUX-1", changes).await;
    says(&mut new, &id, "succeeded").await;
    let done = state_at(running[0].operators(), &id, "succeeded").await;
    assert_eq!(done["steps"].as_array().unwrap().last().unwrap()["gateway"], "east-1", "{done}");
    shutdown(running).await;
}

#[tokio::test]
async fn a_command_waits_for_a_vehicle_that_is_away_and_now_does_not() {
    let (_, running) = cluster().await;
    let id = taken(running[0].operators(), queued()).await;
    let now = taken(running[0].operators(), json!({"name": "horn", "ttl_s": 60})).await;
    let failed = state_at(running[2].operators(), &now, "failed").await;
    assert_eq!(failed["code"], "not_reachable", "{failed}");
    let (_, waiting) = running[0].get(&format!("/v1/commands/{id}")).await;
    assert_eq!((&waiting["state"], &waiting["ended"]), (&json!("queued"), &json!(false)));
    let (mut vehicle, _) = Vehicle::attach(running[2].vehicles(), "LUX-1", json!({})).await;
    let command = vehicle.receive().await;
    assert_eq!((&command["type"], &command["id"]), (&json!("command"), &json!(id)), "{command}");
    says(&mut vehicle, &id, "succeeded").await;
    state_at(running[0].operators(), &id, "succeeded").await;
    shutdown(running).await;
}

#[tokio::test]
async fn the_keeper_delivers_when_the_origin_is_gone_and_the_origin_learns_of_it_when_it_is_back() {
    let (ports, mut running) = cluster().await;
    let id = taken(running[0].operators(), queued()).await;
    let Running { gateway, dir } = running.remove(0);
    gateway.shutdown().await;
    let (mut vehicle, _) = Vehicle::attach(running[1].vehicles(), "LUX-1", json!({})).await;
    assert_eq!(vehicle.receive().await["id"], json!(id));
    says(&mut vehicle, &id, "succeeded").await;
    for gateway in &running {
        state_at(gateway.operators(), &id, "succeeded").await;
    }
    running.insert(0, start_one(0, &ports, dir).await);
    let (_, list) = running[0].get("/v1/vehicles/LUX-1/commands").await;
    assert_eq!(list["commands"][0]["id"], json!(id), "{list}");
    state_at(running[0].operators(), &id, "succeeded").await;
    shutdown(running).await;
}

#[tokio::test]
async fn the_first_command_after_all_keepers_have_started_anew_is_kept_in_two_regions() {
    let (ports, mut running) = cluster().await;
    let origin = running.remove(0);
    // Which of the two is asked follows from the id: by so many the clock of either was read.
    for _ in 0..16 {
        taken(origin.operators(), queued()).await;
    }
    let mut dirs = Vec::new();
    for Running { gateway, dir } in running {
        gateway.shutdown().await;
        dirs.push(dir);
    }
    eventually(origin.operators(), "/v1/regions", |answer| alive(answer) == 1).await;
    let mut running = vec![origin];
    for (at, dir) in dirs.into_iter().enumerate() {
        running.push(start_one(at + 1, &ports, dir).await);
    }
    eventually(running[0].operators(), "/v1/regions", |answer| alive(answer) == 3).await;
    let command = post(running[0].operators(), "LUX-1", &[], queued()).await.json();
    assert_eq!(command["durability"], "safe", "{command}");
    shutdown(running).await;
}

#[tokio::test]
async fn a_command_that_is_not_sent_in_time_expires_and_stays_so_over_a_restart() {
    let (ports, mut running) = cluster().await;
    let body = json!({"name": "horn", "ttl_s": 0.4, "policy": "queue"});
    let short = taken(running[0].operators(), body).await;
    let long = taken(running[0].operators(), queued()).await;
    let expired = state_at(running[0].operators(), &short, "expired").await;
    assert_eq!((&expired["code"], &expired["expires_in_s"]), (&json!("expired"), &json!(0.0)));
    let Running { gateway, dir } = running.remove(0);
    gateway.shutdown().await;
    running.insert(0, start_one(0, &ports, dir).await);
    state_at(running[0].operators(), &short, "expired").await;
    let waiting = state_at(running[0].operators(), &long, "queued").await;
    assert!(waiting["age_s"].as_f64().unwrap() >= expired["age_s"].as_f64().unwrap(), "{waiting}");
    let (vehicle, accept) = Vehicle::attach(running[0].vehicles(), "LUX-1", json!({})).await;
    assert_eq!(accept["type"], "attach_accept");
    drop(vehicle);
    shutdown(running).await;
}

/// One of another gateway, just taken.
fn foreign(id: u8) -> proto::CommandRecord {
    proto::CommandRecord {
        id: [[1, 2, 3, 4, 5, 6, 0x70, 8, 0x90].as_slice(), [id; 7].as_slice()].concat(),
        vehicle: "LUX-1".into(),
        name: "horn".into(),
        ttl_ms: 5000,
        origin: "east-1".into(),
        by: "http".into(),
        progress: Some(proto::CommandWord { number: 1, ..Default::default() }),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_command_that_lay_between_two_gateways_until_its_time_was_over_is_not_sent() {
    let running = support::start("west", "").await;
    let (mut vehicle, _) = Vehicle::attach(running.vehicles(), "LUX-1", json!({})).await;
    let mut peer = CommandsClient::connect(format!("http://{}", running.operators())).await.unwrap();
    let clock = peer.read_clock(proto::ClockRequest {}).await.unwrap().into_inner();
    let sent = |lay_ms| Some(proto::Moment { incarnation: clock.incarnation, clock_ms: clock.clock_ms - lay_ms });
    let late = proto::DeliverCommand { command: Some(foreign(1)), sent: sent(5000) };
    let outcome = peer.deliver(late).await.unwrap().into_inner().outcome();
    assert_ne!(outcome, proto::DeliverOutcome::Sent);
    let other_life = Some(proto::Moment { incarnation: clock.incarnation - 1, ..sent(0).unwrap() });
    let command = proto::DeliverCommand { command: Some(foreign(2)), sent: other_life };
    assert_eq!(peer.deliver(command).await.unwrap_err().code(), tonic::Code::FailedPrecondition);
    let command = proto::DeliverCommand { command: Some(foreign(3)), sent: sent(3000) };
    assert_eq!(peer.deliver(command).await.unwrap().into_inner().outcome(), proto::DeliverOutcome::Sent);
    // The first that the vehicle is asked to do is the third, and what is left of its time is what lay is not.
    let command = vehicle.receive().await;
    assert!(command["id"].as_str().unwrap().ends_with("03"), "{command}");
    let left = command["ttl_ms"].as_u64().unwrap();
    assert!((1..=2000).contains(&left), "{command}");
    running.gateway.shutdown().await;
}

#[tokio::test]
async fn what_is_not_sent_is_cancelled_at_any_gateway_and_what_is_sent_is_the_vehicles_word() {
    let (_, running) = cluster().await;
    let delete = |at: usize, id: &str| {
        let (address, path) = (running[at].operators(), format!("/v1/commands/{id}"));
        async move { request(address, "DELETE", &path, &[]).await }
    };
    let id = taken(running[0].operators(), queued()).await;
    let answer = delete(2, &id).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    state_at(running[0].operators(), &id, "cancelled").await;
    let (mut vehicle, _) = Vehicle::attach(running[1].vehicles(), "LUX-1", json!({})).await;
    online_at(&running, "centre-1").await;
    let id = taken(running[0].operators(), queued()).await;
    assert_eq!(vehicle.receive().await["id"], json!(id));
    says(&mut vehicle, &id, "running").await;
    state_at(running[0].operators(), &id, "running").await;
    assert_eq!(delete(0, &id).await.json()["state"], "running");
    let recall = vehicle.receive().await;
    assert_eq!((&recall["type"], &recall["id"]), (&json!("command_cancel"), &json!(id)), "{recall}");
    says(&mut vehicle, &id, "succeeded").await;
    state_at(running[0].operators(), &id, "succeeded").await;
    assert_eq!(delete(0, "0191e0c8-3f5a-7c1e-b2a4-5d0f6a7b8c9d").await.status, 404);
    assert_eq!(delete(0, "seven").await.status, 400);
    shutdown(running).await;
}

#[tokio::test]
async fn a_gateway_without_another_region_keeps_a_command_alone_and_answers_repeats_once() {
    let running = support::start("west", "").await;
    let (at, key) = (running.operators(), [("idempotency-key", "k1")]);
    let latest = |n: u8| json!({"name": "climate", "arguments": n, "ttl_s": 60, "policy": "latest_wins", "key": "c"});
    let first = post(at, "LUX-1", &key, latest(1)).await;
    assert_eq!((first.status, &first.json()["durability"]), (201, &json!("local")), "{first:?}");
    assert_eq!(post(at, "LUX-1", &key, latest(1)).await.json()["id"], first.json()["id"]);
    let reused = post(at, "LUX-1", &key, latest(2)).await;
    assert_eq!((reused.status, reused.header("content-type")), (422, "application/problem+json"), "{reused:?}");
    let second = post(at, "LUX-1", &[], latest(2)).await.json();
    let replaced = state_at(at, first.json()["id"].as_str().unwrap(), "cancelled").await;
    assert_eq!(replaced["code"], "replaced");
    let (mut vehicle, accept) = Vehicle::attach(running.vehicles(), "LUX-1", json!({})).await;
    assert_eq!(accept["pending_commands"], 1, "{accept}");
    let (_, detail) = running.get("/v1/vehicles/LUX-1").await;
    assert_eq!(detail["waiting_commands"], 1, "{detail}");
    assert_eq!(vehicle.receive().await["id"], second["id"]);
    let (_, metrics) = support::get_text(at, "/metrics").await;
    assert!(metrics.contains("waygate_commands_total{state=\"cancelled\"}"), "{metrics}");
    assert!(metrics.contains("waygate_commands_open"), "{metrics}");
    shutdown(vec![running]).await;
}

#[tokio::test]
async fn after_a_restart_what_waits_is_counted_and_what_ended_is_known_by_its_key() {
    let (ports, mut running) = cluster().await;
    let (at, key) = (running[0].operators(), [("idempotency-key", "k1")]);
    let ended = post(at, "LUX-2", &key, queued()).await.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(request(at, "DELETE", &format!("/v1/commands/{ended}"), &[]).await.status, 200);
    state_at(at, &ended, "cancelled").await;
    taken(at, queued()).await;
    let Running { gateway, dir } = running.remove(0);
    gateway.shutdown().await;
    running.insert(0, start_one(0, &ports, dir).await);
    let at = running[0].operators();
    eventually(at, "/v1/regions", |answer| alive(answer) == 3).await;
    let again = post(at, "LUX-2", &key, queued()).await.json();
    assert_eq!((&again["id"], &again["state"]), (&json!(ended), &json!("cancelled")), "{again}");
    let (_vehicle, accept) = Vehicle::attach(running[0].vehicles(), "LUX-1", json!({})).await;
    assert_eq!(accept["pending_commands"], 1, "{accept}");
    shutdown(running).await;
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_with_the_field_at_fault() {
    let running = support::start("west", "").await;
    let at = running.operators();
    let long = "x".repeat(17 * 1024);
    let deep: Value = serde_json::from_str(&["[".repeat(121), "]".repeat(121)].concat()).unwrap();
    for (body, field) in [
        (json!({"name": "a", "ttl_s": 1, "colour": 1}), "colour"),
        (json!({"name": "a"}), "ttl_s"),
        (json!({"name": "a b", "ttl_s": 1}), "name"),
        (json!({"name": "a", "ttl_s": 0}), "ttl_s"),
        (json!({"name": "a", "ttl_s": 1e12}), "ttl_s"),
        (json!({"name": "a", "ttl_s": 1, "policy": "latest_wins"}), "key"),
        (json!({"name": "a", "ttl_s": 1, "key": "k"}), "key"),
        (json!({"name": "a", "ttl_s": 1, "arguments": long}), "arguments"),
        (json!({"name": "a", "ttl_s": 1, "arguments": deep}), "arguments"),
    ] {
        let answer = post(at, "LUX-1", &[], body).await;
        assert_eq!((answer.status, answer.json()["parameter"].as_str()), (400, Some(field)), "{answer:?}");
    }
    let answer = post(at, "LUX-1", &[], json!({"name": "a", "ttl_s": 1, "arguments": "x".repeat(70_000)})).await;
    assert_eq!(answer.status, 413, "{answer:?}");
    let foreign = [("origin", "http://evil.example")];
    assert_eq!(post(at, "LUX-1", &foreign, json!({"name": "a", "ttl_s": 1})).await.status, 403);
    let patch = request(at, "PATCH", "/v1/vehicles/LUX-1/commands", &[]).await;
    assert_eq!((patch.status, patch.header("allow")), (405, "GET,HEAD,POST"), "{patch:?}");
    for _ in 0..64 {
        taken(at, queued()).await;
    }
    let beyond = post(at, "LUX-1", &[], queued()).await;
    assert_eq!((beyond.status, beyond.json()["status"].as_u64()), (429, Some(429)), "{beyond:?}");
    shutdown(vec![running]).await;
}
