//! Three gateways of three regions where each vehicle is kept in one of them: any gateway answers any question all the same.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use support::cluster::{REGIONS, shutdown, start_with};
use support::{Running, Vehicle, eventually, request, request_with};
use waygate_core::homes::{HomeRegions, Shard};
use waygate_core::id::{RegionId, VehicleId};

fn kept_in_one(toml: String) -> String {
    let homes = "[cluster]\nregions = [\"west\", \"centre\", \"east\"]\nhomes = 1\n[cluster.token_keys]";
    toml.replace("[cluster.token_keys]", homes)
}

/// A vehicle whose home is this region.
fn at_home_in(region: &str) -> String {
    let list = REGIONS.map(|name| RegionId::new(name).unwrap()).to_vec();
    let homes = HomeRegions::new(list, Some(1)).unwrap();
    let home = |id: &String| homes.of(Shard::of(&VehicleId::new(id).unwrap()))[0].as_str() == region;
    (0..).map(|n| format!("CAR-{n}")).find(home).unwrap()
}

fn ids(list: &Value) -> BTreeSet<String> {
    list["vehicles"].as_array().unwrap().iter().map(|vehicle| vehicle["id"].as_str().unwrap().to_owned()).collect()
}

fn heads(view: &Value, owner: &str) -> BTreeSet<String> {
    let logs = view["logs"].as_array().into_iter().flatten();
    logs.filter(|log| log["owner"] == owner && log["live"] != 0).map(|log| log["scope"].to_string()).collect()
}

#[tokio::test]
async fn any_gateway_answers_about_a_vehicle_that_only_its_home_and_its_own_gateway_keep() {
    let (_, running) = start_with(kept_in_one).await;
    let id = at_home_in("centre");
    let (_vehicle, _) = Vehicle::attach(running[0].vehicles(), &id, json!({})).await;
    let path = format!("/v1/vehicles/{id}");
    for gateway in &running {
        let shown = eventually(gateway.operators(), &path, |shown| shown["state"] == "online").await;
        assert_eq!((&shown["gateway"], &shown["region"]), (&json!("west-1"), &json!("west")), "{shown}");
        assert_eq!(shown["view"], json!({"complete": true, "missing_regions": []}));
        let list = eventually(gateway.operators(), "/v1/vehicles", |list| list["total"] == 1).await;
        assert_eq!(ids(&list), BTreeSet::from([id.clone()]), "{list}");
        let regions = eventually(gateway.operators(), "/v1/regions", |regions| regions["totals"]["online"] == 1).await;
        assert_eq!(regions["totals"]["stale"], 0, "{regions}");
    }
    // Its own region has the detail, its home the directory, and the third has neither.
    eventually(running[1].operators(), "/v1/gateways", |view| heads(view, "west-1") == scopes(&["directory"])).await;
    let own = running[0].get("/v1/gateways").await.1;
    assert_eq!(heads(&own, "west-1"), scopes(&["detail", "directory"]));
    assert_eq!(heads(&running[2].get("/v1/gateways").await.1, "west-1"), scopes(&[]));
    shutdown(running).await;
}

fn scopes(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| json!(name).to_string()).collect()
}

#[tokio::test]
async fn pages_and_commands_find_a_vehicle_that_is_not_kept_where_they_are_asked_for() {
    found_by("queue", true).await;
}

#[tokio::test]
async fn a_command_to_be_done_at_once_finds_it_too_although_nobody_looked_for_it_before() {
    found_by("now", false).await;
}

async fn found_by(policy: &str, page_first: bool) {
    let (_, running) = start_with(kept_in_one).await;
    let id = at_home_in("centre");
    let (mut vehicle, _) = Vehicle::attach(running[0].vehicles(), &id, json!({})).await;
    eventually(running[1].operators(), &format!("/v1/vehicles/{id}"), |shown| shown["state"] == "online").await;
    let asked = running[2].operators();
    if page_first {
        is_reachable(asked, &id, &mut vehicle).await;
    }
    let order = json!({"name": "doors.lock", "ttl_s": 60, "policy": policy});
    let taken = request_with(asked, "POST", &format!("/v1/vehicles/{id}/commands"), &[], order.to_string()).await;
    assert_eq!(taken.status, 201, "{taken:?}");
    let command = vehicle.receive().await;
    assert_eq!((&command["type"], &command["name"]), (&json!("command"), &json!("doors.lock")), "{command}");
    let done = json!({"type": "command_status", "id": command["id"], "state": "succeeded", "text": "", "result": {}});
    vehicle.send(done).await;
    let path = format!("/v1/commands/{}", command["id"].as_str().unwrap());
    eventually(asked, &path, |command| command["state"] == "succeeded").await;
    shutdown(running).await;
}

async fn is_reachable(asked: SocketAddr, id: &str, vehicle: &mut Vehicle) {
    let path = format!("/v1/vehicles/{id}/page");
    let page = request_with(asked, "POST", &path, &[], json!({"wait_s": 5}).to_string());
    let answers = async {
        // The socket answers its pings by itself while it is read.
        tokio::time::timeout(std::time::Duration::from_millis(1500), vehicle.receive()).await.ok()
    };
    let (page, _) = tokio::join!(page, answers);
    assert_eq!((page.status, &page.json()["outcome"]), (200, &json!("reachable")), "{page:?}");
}

#[tokio::test]
async fn a_vehicle_that_nobody_knows_is_said_to_be_unknown_with_who_could_not_be_asked() {
    let (_, mut running) = start_with(kept_in_one).await;
    let id = at_home_in("east");
    let path = format!("/v1/vehicles/{id}");
    let unknown = request(running[0].operators(), "GET", &path, &[]).await;
    assert_eq!((unknown.status, &unknown.json()["missing_regions"]), (404, &Value::Null), "{unknown:?}");
    running.pop().unwrap().gateway.shutdown().await;
    let missing = |answer: &Value| answer["missing_regions"] == json!(["east"]);
    let said = eventually(running[0].operators(), &path, missing).await;
    assert!(said["detail"].as_str().unwrap().contains("east cannot be asked"), "{said}");
    shutdown(running).await;
}

#[tokio::test]
async fn a_list_goes_on_page_by_page_over_what_all_regions_keep() {
    let (_, running) = start_with(kept_in_one).await;
    let mut vehicles: Vec<Vehicle> = Vec::new();
    for n in 0..12 {
        vehicles.push(Vehicle::attach(running[n % 3].vehicles(), &format!("VAN-{n:02}"), json!({})).await.0);
    }
    for gateway in &running {
        eventually(gateway.operators(), "/v1/vehicles", |list| list["total"] == 12).await;
        let (mut seen, mut path) = (Vec::new(), "/v1/vehicles?limit=5&state=online".to_owned());
        loop {
            let list = gateway.get(&path).await.1;
            seen.extend(ids(&list));
            match list["next"].as_str() {
                Some(next) => path = format!("/v1/vehicles?limit=5&state=online&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, (0..12).map(|n| format!("VAN-{n:02}")).collect::<Vec<_>>());
        let east = gateway.get("/v1/vehicles?region=east").await.1;
        assert_eq!(ids(&east).len(), 4, "{east}");
    }
    shutdown(running).await;
}

#[tokio::test]
async fn a_gateway_of_another_region_lets_go_of_a_vehicle_that_came_without_its_token() {
    let (_, running): (_, Vec<Running>) = start_with(kept_in_one).await;
    let id = at_home_in("centre");
    let (_old, _) = Vehicle::attach(running[0].vehicles(), &id, json!({})).await;
    let path = format!("/v1/vehicles/{id}");
    eventually(running[1].operators(), &path, |shown| shown["gateway"] == "west-1").await;
    let (_new, _) = Vehicle::attach(running[2].vehicles(), &id, json!({})).await;
    for gateway in &running {
        eventually(gateway.operators(), &path, |shown| shown["gateway"] == "east-1" && shown["state"] == "online")
            .await;
    }
    let sockets = |view: &Value| view["load"]["sockets"] == 0;
    eventually(running[0].operators(), "/v1/gateways", sockets).await;
    shutdown(running).await;
}

#[tokio::test]
async fn the_last_word_of_a_neighbour_that_is_gone_hides_nothing() {
    // Two gateways of one region, one of another, which is the home of the vehicle.
    let two_in_one = |toml: String| toml.replace("region = \"centre\"", "region = \"west\"");
    let (_, mut running) = start_with(|toml| two_in_one(kept_in_one(toml))).await;
    let id = at_home_in("east");
    let path = format!("/v1/vehicles/{id}");
    let (_old, _) = Vehicle::attach(running[0].vehicles(), &id, json!({})).await;
    eventually(running[1].operators(), &path, |shown| shown["gateway"] == "west-1").await;
    running.remove(0).gateway.shutdown().await;
    let (neighbour, other) = (running[0].operators(), running[1].vehicles());
    eventually(neighbour, "/v1/vehicles?state=stale", |list| ids(list).contains(&id)).await;
    let (mut vehicle, _) = Vehicle::attach(other, &id, json!({})).await;
    eventually(neighbour, &path, |shown| shown["gateway"] == "east-1" && shown["state"] == "online").await;
    let online = eventually(neighbour, "/v1/vehicles?state=online", |list| ids(list).contains(&id)).await;
    assert_eq!(ids(&online).len(), 1, "{online}");
    let stale = running[0].get("/v1/vehicles?state=stale").await.1;
    assert!(ids(&stale).is_empty(), "{stale}");
    let order = json!({"name": "doors.lock", "ttl_s": 60, "policy": "now"});
    let taken = request_with(neighbour, "POST", &format!("{path}/commands"), &[], order.to_string()).await;
    assert_eq!(taken.status, 201, "{taken:?}");
    assert_eq!(vehicle.receive().await["name"], "doors.lock");
    shutdown(running).await;
}
