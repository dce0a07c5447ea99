//! Vehicles that show who they are by a token or through a proxy, and what becomes of those that do not, or are not who they
//! say.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::json;
use support::issuer::{Issuer, name};
use support::{PATIENCE, Running, Vehicle, eventually, now_ms, start_limited};

fn bearer(token: &str) -> Vec<(&'static str, String)> {
    vec![("authorization", format!("Bearer {token}"))]
}

async fn connect(west: &Running, id: &str, headers: &[(&'static str, String)]) -> Result<Vehicle, (u16, String)> {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Vehicle::connect_with(west.vehicles(), id, &headers).await
}

/// How often vehicles were turned away for this reason, by the gateways of this process.
async fn turned_away(west: &Running, reason: &str) -> u64 {
    let (_, metrics) = support::get_text(west.operators(), "/metrics").await;
    let line = format!("waygate_vehicles_turned_away_total{{reason=\"{reason}\"}} ");
    metrics.lines().find_map(|read| read.strip_prefix(line.as_str())).map_or(0, |count| count.parse().unwrap())
}

/// An upgrade that is refused with this status, for this reason.
async fn refused(west: &Running, headers: &[(&'static str, String)], status: u16, reason: &str) {
    let before = turned_away(west, reason).await;
    let (is, text) = connect(west, "LUX-1", headers).await.map(|_| ()).expect_err(reason);
    assert_eq!(is, status, "{reason}: {text}");
    assert!(text.contains("detail"), "{text}");
    // Other tests of this process count too.
    assert!(turned_away(west, reason).await > before, "{reason} is not counted");
}

#[tokio::test]
async fn a_token_lets_its_vehicle_in_and_no_other() {
    let issuer = Issuer::new();
    let west = start_limited(&issuer.section("")).await;
    let headers = bearer(&issuer.token("LUX-1"));
    let accept = connect(&west, "LUX-1", &headers).await.unwrap().ask(json!({})).await;
    assert_eq!(accept["type"], "attach_accept", "{accept}");

    let mut other = connect(&west, "LUX-2", &headers).await.unwrap();
    let reject = other.ask(json!({})).await;
    assert_eq!((&reject["type"], &reject["cause"]), (&json!("attach_reject"), &json!("forbidden")), "{reject}");
    assert!(reject["text"].as_str().unwrap().contains("LUX-1"), "{reject}");
    assert_eq!(other.closed().await, 4300);
    assert!(turned_away(&west, "other_vehicle").await > 0);
    let (status, _) = west.get("/v1/vehicles/LUX-2").await;
    assert_eq!(status, 404, "nothing is known of a vehicle that was refused");
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn tokens_that_do_not_hold_are_refused_each_for_its_reason() {
    let (issuer, stranger) = (Issuer::new(), Issuer::new());
    let west = start_limited(&issuer.section("fleets = [\"vans\"]")).await;
    let now_s = now_ms() / 1000;
    let signed = |changes| issuer.signed(changes, "LUX-1");
    for (token, status, reason) in [
        (stranger.token("LUX-1"), 401, "token_signature"),
        (signed(json!({"exp": now_s - 31})), 401, "token_expired"),
        (signed(json!({"nbf": now_s + 60})), 401, "token_early"),
        (signed(json!({"aud": "elsewhere"})), 401, "token_audience"),
        (signed(json!({"sub": "LUX-1"})), 401, "token_subject"),
        (signed(json!({"sub": "urn:waygate:vehicle:cars:LUX-1"})), 403, "fleet"),
        (signed(json!({"exp": "later"})), 401, "token_claims"),
        (issuer.confused("LUX-1"), 401, "token_algorithm"),
        (issuer.unsigned("LUX-1"), 401, "token_algorithm"),
        ("nothing".to_owned(), 401, "token_malformed"),
    ] {
        refused(&west, &bearer(&token), status, reason).await;
    }
    refused(&west, &[], 401, "missing").await;
    refused(&west, &[("authorization", "Basic eDp5".to_owned())], 401, "token_malformed").await;
    let twice = [bearer(&issuer.token("LUX-1")), bearer(&issuer.token("LUX-1"))].concat();
    refused(&west, &twice, 401, "token_malformed").await;
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn a_token_in_the_query_string_is_refused_however_good_it_is() {
    let issuer = Issuer::new();
    let west = start_limited(&issuer.section("")).await;
    let mut raw = support::raw::Raw::connect(west.vehicles()).await;
    let line = format!("GET /v1/obu?access_token={} HTTP/1.1", issuer.token("LUX-1"));
    raw.send(&support::raw::head(&line, &[])).await;
    assert_eq!(raw.answer().await.status, 400);
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn a_proxy_is_believed_only_where_it_is_configured() {
    let section = |from: &str| format!("[vehicles.identity.proxy]\nfrom = [\"{from}\"]\n");
    let says = |vehicle: &str| vec![("x-waygate-identity", name(vehicle))];
    let west = start_limited(&section("127.0.0.0/8")).await;
    let accept = connect(&west, "LUX-1", &says("LUX-1")).await.unwrap().ask(json!({})).await;
    assert_eq!(accept["type"], "attach_accept", "{accept}");
    let reject = connect(&west, "LUX-2", &says("LUX-1")).await.unwrap().ask(json!({})).await;
    assert_eq!(reject["cause"], "forbidden", "{reject}");
    refused(&west, &[], 401, "missing").await;
    refused(&west, &[says("LUX-1"), says("LUX-1")].concat(), 403, "proxy_header").await;
    refused(&west, &[("x-waygate-identity", "LUX-1".to_owned())], 403, "proxy_header").await;
    west.gateway.shutdown().await;

    let west = start_limited(&section("10.0.0.0/8")).await;
    refused(&west, &says("LUX-1"), 403, "not_a_proxy").await;
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn a_vehicle_that_no_operator_admitted_waits_and_is_let_in_once_one_has() {
    let issuer = Issuer::new();
    let mut west = start_limited(&issuer.section("admission = \"listed\"")).await;
    let headers = bearer(&issuer.token("LUX-1"));
    let mut vehicle = connect(&west, "LUX-1", &headers).await.unwrap();
    let reject = vehicle.ask(json!({})).await;
    assert_eq!((&reject["cause"], &reject["class"]), (&json!("unknown_vehicle"), &json!("stop")), "{reject}");
    assert_eq!(vehicle.closed().await, 4301);
    let (_, list) = west.get("/v1/vehicles/pending").await;
    let one = &list["vehicles"][0];
    assert_eq!(
        (&one["id"], &one["fleet"], &one["means"]),
        (&json!("LUX-1"), &json!("vans"), &json!("token")),
        "{list}"
    );

    let (status, answer) = support::post(west.operators(), "/v1/vehicles/LUX-9/admit", json!(null)).await;
    assert_eq!(status, 404, "{answer}");
    let (status, answer) = support::post(west.operators(), "/v1/vehicles/LUX-1/admit", json!(null)).await;
    assert_eq!(
        (status, &answer["standing"], &answer["decided_at"]),
        (200, &json!("admitted"), &json!("west")),
        "{answer}"
    );
    assert_eq!(west.get("/v1/vehicles/pending").await.1["vehicles"], json!([]));

    // The admission outlasts the gateway.
    west = again(west, &issuer).await;
    let mut vehicle = connect(&west, "LUX-1", &headers).await.unwrap();
    let accept = vehicle.ask(json!({})).await;
    assert_eq!(accept["type"], "attach_accept", "{accept}");

    // One that is refused loses its session, and gets no other.
    let (status, _) = support::post(west.operators(), "/v1/vehicles/LUX-1/refuse", json!(null)).await;
    assert_eq!(status, 200);
    let order = vehicle.receive().await;
    assert_eq!((&order["type"], &order["cause"]), (&json!("detach_order"), &json!("policy")), "{order}");
    assert_eq!(vehicle.closed().await, 4408);
    let shown = eventually(west.operators(), "/v1/vehicles/LUX-1", |shown| shown["state"] == "offline").await;
    assert_eq!(shown["cause"], "refused", "{shown}");
    let resume = json!({"kind": "resume", "token": accept["token"]});
    let reject = connect(&west, "LUX-1", &headers).await.unwrap().ask(resume).await;
    assert_eq!(reject["cause"], "forbidden", "{reject}");
    west = again(west, &issuer).await;
    let reject = connect(&west, "LUX-1", &headers).await.unwrap().ask(json!({})).await;
    assert_eq!(reject["cause"], "forbidden", "{reject}");
    west.gateway.shutdown().await;
}

/// The same gateway, in its next life.
async fn again(west: Running, issuer: &Issuer) -> Running {
    let Running { gateway, dir } = west;
    gateway.shutdown().await;
    let config = support::config("west", dir.path(), "") + &issuer.section("admission = \"listed\"");
    let gateway = waygate_gateway::Gateway::bind(waygate_gateway::Config::parse(&config).unwrap()).await.unwrap();
    Running { gateway, dir }
}

#[tokio::test]
async fn a_refusal_cuts_sessions_also_where_nobody_has_to_be_admitted() {
    let west = start_limited("").await;
    let (mut vehicle, _) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
    let refuse = json!({"fleet": "vans"});
    let (status, answer) = support::post(west.operators(), "/v1/vehicles/LUX-1/refuse", refuse).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(vehicle.closed().await, 4408);
    let (_, reject) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
    assert_eq!(reject["cause"], "forbidden", "{reject}");
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn a_decision_reaches_the_other_gateways_also_one_that_was_away() {
    let issuer = Issuer::new();
    let section = issuer.section("admission = \"listed\"");
    let west = start_limited(&section).await;
    let beside = |region: &str, dir: &std::path::Path| {
        let seeds = format!("[peers]\nseeds = [\"http://{}\"]\n", west.operators());
        waygate_gateway::Config::parse(&(support::config(region, dir, &seeds) + &section)).unwrap()
    };
    let dir = tempfile::tempdir().unwrap();
    let east = waygate_gateway::Gateway::bind(beside("east", dir.path())).await.unwrap();
    let headers = bearer(&issuer.token("LUX-1"));
    // It knocks at the one gateway, and is admitted at the other.
    assert_eq!(connect(&west, "LUX-1", &headers).await.unwrap().ask(json!({})).await["cause"], "unknown_vehicle");
    let waits = |list: &serde_json::Value| list["vehicles"][0]["id"] == "LUX-1";
    eventually(east.addresses().operators, "/v1/vehicles/pending", waits).await;
    let (status, _) = support::post(east.addresses().operators, "/v1/vehicles/LUX-1/admit", json!(null)).await;
    assert_eq!(status, 200);
    eventually(west.operators(), "/v1/vehicles/pending", |list| list["vehicles"] == json!([])).await;
    let mut vehicle = connect(&west, "LUX-1", &headers).await.unwrap();
    assert_eq!(vehicle.ask(json!({})).await["type"], "attach_accept");

    // While the other is away a vehicle is refused; it learns so when it is back, with a new disk.
    east.shutdown().await;
    let (status, _) = support::post(west.operators(), "/v1/vehicles/LUX-1/refuse", json!(null)).await;
    assert_eq!(status, 200);
    assert_eq!(vehicle.closed().await, 4408);
    let fresh = tempfile::tempdir().unwrap();
    // Without its disk a gateway knows its earlier life by the clock only, in seconds.
    let began_s = now_ms() / 1000;
    while now_ms() / 1000 == began_s {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let east = waygate_gateway::Gateway::bind(beside("east", fresh.path())).await.unwrap();
    let refused = |list: &serde_json::Value| list["vehicles"][0]["id"] == "LUX-1";
    eventually(east.addresses().operators, "/v1/vehicles/pending?standing=refused", refused).await;
    let started = std::time::Instant::now();
    loop {
        let shows = [("authorization", headers[0].1.as_str())];
        let mut asks = Vehicle::connect_with(east.addresses().vehicles, "LUX-1", &shows).await.unwrap();
        if asks.ask(json!({})).await["cause"] == "forbidden" {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "the refusal is not in force");
    }
    east.shutdown().await;
    west.gateway.shutdown().await;
}
