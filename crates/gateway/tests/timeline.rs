//! The timeline of a vehicle at three gateways: the same everywhere, also at one that was away, and never doubled.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use support::cluster::{alive, shutdown, start as cluster, start_one};
use support::{Running, Vehicle, eventually};

const TIMELINE: &str = "/v1/vehicles/LUX-1/timeline";

/// Which, why and where, newest first.
fn told(answer: &Value) -> Vec<String> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let one = |t: &Value| format!("{} {} {}", word(&t["gateway"]), word(&t["state"]), word(&t["cause"]));
    answer["transitions"].as_array().into_iter().flatten().map(|t| one(t).trim().to_owned()).collect()
}

/// Attached in the west, handed over to the east, detached there.
async fn journey(west: &Running, east: &Running) {
    let (mut old, accept) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
    // The east is told before the vehicle comes: otherwise it would hear of the west only as of one that let go.
    eventually(east.operators(), TIMELINE, |answer| told(answer) == ["west-1 online"]).await;
    let changes = json!({"kind": "handover", "token": accept["token"]});
    let (mut new, second) = Vehicle::attach(east.vehicles(), "LUX-1", changes).await;
    assert_eq!(second["type"], "attach_accept", "{second}");
    assert_eq!(old.closed().await, 4409);
    eventually(east.operators(), TIMELINE, |answer| told(answer).contains(&"west-1 unknown".to_owned())).await;
    new.send(json!({"type": "detach", "cause": "ignition_off"})).await;
}

const JOURNEY: [&str; 4] = ["east-1 offline ignition_off", "west-1 unknown", "east-1 online", "west-1 online"];

#[tokio::test]
async fn every_gateway_tells_the_same_transitions_in_the_same_order_page_by_page() {
    let (_, running) = cluster().await;
    let (status, nothing) = running[1].get(TIMELINE).await;
    assert_eq!(status, 404, "{nothing}");
    journey(&running[0], &running[2]).await;
    let mut first = None;
    for gateway in &running {
        let answer = eventually(gateway.operators(), TIMELINE, |answer| told(answer) == JOURNEY).await;
        assert_eq!((&answer["next"], &answer["missing_regions"]), (&Value::Null, &json!([])));
        let epochs: Vec<_> = answer["transitions"].as_array().unwrap().iter().map(|t| t["epoch"].clone()).collect();
        assert_eq!((&epochs[0], &epochs[1]), (&epochs[2], &epochs[3]), "{answer}");
        assert_ne!(epochs[0], epochs[1]);
        let first = first.get_or_insert_with(|| answer.clone());
        assert_eq!(*first, answer, "with the times of the gateways that decided it");
        let (mut paged, mut path) = (Vec::new(), format!("{TIMELINE}?limit=1"));
        loop {
            let (_, page) = gateway.get(&path).await;
            paged.extend(told(&page));
            let Some(next) = page["next"].as_str() else { break };
            path = format!("{TIMELINE}?limit=1&cursor={next}");
        }
        assert_eq!(paged, JOURNEY);
    }
    let (status, problem) = running[0].get(&format!("{TIMELINE}?cursor=nonsense")).await;
    assert_eq!((status, &problem["parameter"]), (400, &json!("cursor")));
    shutdown(running).await;
}

async fn restarted(at: usize, ports: &[u16], running: &mut Vec<Running>) {
    let Running { gateway, dir } = running.remove(at);
    gateway.shutdown().await;
    running.insert(at, start_one(at, ports, dir).await);
    for gateway in running.iter() {
        eventually(gateway.operators(), "/v1/regions", |answer| alive(answer) == 3).await;
    }
}

#[tokio::test]
async fn one_that_was_away_tells_what_the_others_saw_and_restarts_double_nothing() {
    let (ports, mut running) = cluster().await;
    let Running { gateway, dir } = running.remove(1);
    gateway.shutdown().await;
    journey(&running[0], &running[1]).await;
    let answer = eventually(running[0].operators(), TIMELINE, |answer| told(answer) == JOURNEY).await;
    assert_eq!(answer["missing_regions"], json!(["centre"]));
    running.insert(1, start_one(1, &ports, dir).await);
    for gateway in &running {
        eventually(gateway.operators(), "/v1/regions", |answer| alive(answer) == 3).await;
    }
    eventually(running[1].operators(), TIMELINE, |answer| told(answer) == JOURNEY).await;
    // The gateway that decided the last of them, then one that only heard of it and of that gateway's new life.
    for at in [2, 1, 0] {
        restarted(at, &ports, &mut running).await;
    }
    for gateway in &running {
        eventually(gateway.operators(), "/v1/vehicles/LUX-1", |one| one["state"] == "offline").await;
    }
    // What is kept of a vehicle that attaches now is kept after all that was heard before.
    let (_vehicle, _) = Vehicle::attach(running[0].vehicles(), "LUX-2", json!({})).await;
    let (west, centre) = (running.remove(0), running.remove(0));
    let online = |answer: &Value| told(answer).contains(&"west-1 online".to_owned());
    eventually(centre.operators(), "/v1/vehicles/LUX-2", |one| one["state"] == "online").await;
    shutdown(vec![west, running.remove(0)]).await;
    let other = "/v1/vehicles/LUX-2/timeline";
    let answer = eventually(centre.operators(), other, |answer| {
        online(answer) && answer["missing_regions"] == json!(["east", "west"])
    });
    answer.await;
    // It alone is asked now: it was away while most of that happened, so it has the last of it, and once.
    let (_, answer) = centre.get(TIMELINE).await;
    assert_eq!(told(&answer).iter().filter(|told| *told == JOURNEY[0]).count(), 1, "{answer}");
    shutdown(vec![centre]).await;
}
