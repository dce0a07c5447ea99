//! Gateways that are given one address find all others; which of a region's gateways a vehicle comes to does not matter.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use support::cluster::{alive, shutdown};
use support::{PATIENCE, Running, Vehicle, eventually, record};
use waygate_gateway::{Config, Gateway};

/// A gateway that is given these gateways' addresses.
async fn start(id: &str, region: &str, seeds: &[&Running]) -> Running {
    let dir = tempfile::tempdir().unwrap();
    let seeds: Vec<_> = seeds.iter().map(|seed| format!("\"http://{}\"", seed.operators())).collect();
    let text = format!(
        "[node]\nid = \"{id}\"\nregion = \"{region}\"\ndata_dir = {:?}\n[vehicles]\nlisten = \"127.0.0.1:0\"\n\
         [operators]\nlisten = \"127.0.0.1:0\"\n[peers]\nseeds = [{}]\n[cluster.token_keys]\nwest = \"{}\"\neast = \"{}\"\n",
        dir.path(),
        seeds.join(", "),
        "0a".repeat(32),
        "0b".repeat(32)
    );
    Running { gateway: Gateway::bind(Config::parse(&text).unwrap()).await.unwrap(), dir }
}

/// Two regions of two gateways each; every one but the first is given the address of one other.
async fn two_regions() -> Vec<Running> {
    let mut running = vec![start("west-1", "west", &[]).await];
    for (id, region) in [("west-2", "west"), ("east-1", "east"), ("east-2", "east")] {
        let last = running.last().unwrap();
        running.push(start(id, region, &[last]).await);
    }
    all_know(&running, 4).await;
    running
}

async fn all_know(running: &[Running], count: usize) {
    for gateway in running {
        eventually(gateway.operators(), "/v1/regions", |answer| alive(answer) == count).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_that_know_one_other_each_find_all_and_one_that_left_is_not_missed_for_dead() {
    let mut running = two_regions().await;
    let late = start("east-3", "east", &[&running[1]]).await;
    running.push(late);
    all_know(&running, 5).await;
    let mut vehicle = Vehicle::attach(running[4].vehicles(), "LUX-1", json!({})).await.0;
    vehicle.telemetry(1, vec![record(1, 49.61, 6.13)]).await;
    for gateway in &running {
        eventually(gateway.operators(), "/v1/vehicles/LUX-1", |one| one["gateway"] == "east-3").await;
    }
    // What it says of itself travels with the membership; so does what this gateway says, and it knows its own.
    for gateway in &running {
        let said = |answer: &Value, id: &str| {
            let seen = answer["gateways"].as_array()?.iter().find(|seen| seen["id"] == id)?.clone();
            Some((seen["said"]["sessions"].as_u64()?, seen["said"]["log_head"].as_str()?.parse::<u64>().ok()?))
        };
        eventually(gateway.operators(), "/v1/gateways", |answer| {
            said(answer, "east-3").is_some_and(|(sessions, head)| sessions == 1 && head > 0)
                && said(answer, "west-1") == Some((0, 0))
        })
        .await;
    }
    running.pop().unwrap().gateway.shutdown().await;
    for gateway in &running {
        let one = eventually(gateway.operators(), "/v1/vehicles/LUX-1", |one| one["state"] == "stale").await;
        assert_eq!(one["stale_why"], "owner_left", "{one}");
    }
    shutdown(running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vehicle_may_come_to_any_gateway_of_its_region() {
    let running = two_regions().await;
    let (mut vehicle, mut accept) = Vehicle::attach(running[0].vehicles(), "LUX-1", json!({})).await;
    let mut sent = 0;
    for at in [1, 0, 1, 1, 0] {
        sent += 1;
        vehicle.telemetry(sent, vec![record(1, 49.61, 6.13)]).await;
        // Its socket ends without a word, and whatever balances the load sends it to either.
        drop(vehicle);
        let spool = json!({"id": "42", "oldest": (sent + 1).to_string(), "last": sent.to_string()});
        let changes = json!({"kind": "resume", "token": accept["token"], "spool": spool});
        (vehicle, accept) = Vehicle::attach(running[at].vehicles(), "LUX-1", changes).await;
        assert_eq!(accept["type"], "attach_accept", "{accept}");
        let name = ["west-1", "west-2"][at];
        for gateway in &running {
            eventually(gateway.operators(), "/v1/vehicles/LUX-1", |one| {
                one["gateway"] == name && one["state"] == "online"
            })
            .await;
        }
    }
    let (_, history) = running[3].get("/v1/vehicles/LUX-1/telemetry").await;
    let seqs: Vec<Value> = history["records"].as_array().unwrap().iter().map(|record| record["seq"].clone()).collect();
    assert_eq!(seqs, ["1", "2", "3", "4", "5"], "{history}");
    // It is told where else it may go, its own region first; the list is made anew every second.
    let began = std::time::Instant::now();
    let told = loop {
        let (_, accept) = Vehicle::attach(running[2].vehicles(), "LUX-2", json!({})).await;
        let regions = accept["gateways"].as_array().unwrap().iter().map(|one| one["region"].clone());
        let regions: Vec<Value> = regions.collect();
        if regions.len() == 3 || began.elapsed() > PATIENCE {
            break regions;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    assert_eq!(told, ["east", "west", "west"]);
    shutdown(running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_at_which_nobody_answers_is_named_until_somebody_does() {
    // Nobody listens there yet.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let west = support::start("west", &format!("[peers]\nseeds = [\"http://{address}\"]\n")).await;
    let (status, answer) = west.get("/v1/vehicles/LUX-1").await;
    assert_eq!((status, &answer["missing_regions"]), (404, &json!([format!("http://{address}")])), "{answer}");
    let dir = tempfile::tempdir().unwrap();
    let text = support::config("east", dir.path(), "")
        .replace("[operators]\nlisten = \"127.0.0.1:0\"", &format!("[operators]\nlisten = \"{address}\""));
    let east = Running { gateway: Gateway::bind(Config::parse(&text).unwrap()).await.unwrap(), dir };
    all_know(std::slice::from_ref(&west), 2).await;
    all_know(std::slice::from_ref(&east), 2).await;
    let began = std::time::Instant::now();
    loop {
        let (_, answer) = west.get("/v1/vehicles/LUX-1").await;
        if answer["missing_regions"].is_null() {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{answer}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    shutdown(vec![west, east]).await;
}
