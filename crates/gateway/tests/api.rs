//! The operators' HTTP API as a stranger meets it: pages, faults, methods, origins, health.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use support::cluster::{self, shutdown};
use support::prefill::{Seen, prefill};
use support::{Running, Vehicle, config, eventually, get, now_ms, record, request, start};
use waygate_core::cause::DetachCause;
use waygate_gateway::{Config, Gateway};

/// A gateway that knew these vehicles in its earlier life.
async fn start_knowing(vehicles: impl IntoIterator<Item = Seen>) -> Running {
    let dir = tempfile::tempdir().unwrap();
    prefill(dir.path(), vehicles).await;
    let gateway = Gateway::bind(Config::parse(&config("west", dir.path(), "")).unwrap()).await.unwrap();
    Running { gateway, dir }
}

/// The ids of every page in the order they came; fails if a page is fuller than asked or not full before the last.
async fn pages(address: SocketAddr, query: &str, limit: usize, full: bool) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, page) = get(address, &format!("/v1/vehicles?limit={limit}{query}{cursor}")).await;
        assert_eq!(status, 200, "{page}");
        let vehicles = page["vehicles"].as_array().unwrap();
        assert!(vehicles.len() <= limit, "{} vehicles where {limit} were asked for", vehicles.len());
        ids.extend(vehicles.iter().map(|vehicle| vehicle["id"].as_str().unwrap().to_owned()));
        assert_eq!(page["view"]["complete"], true, "{}", page["view"]);
        match page["next"].as_str() {
            Some(next) => {
                assert!(!full || vehicles.len() == limit, "a page of {} before the last", vehicles.len());
                cursor = format!("&cursor={next}");
            }
            None => return ids,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paging_gives_every_vehicle_exactly_once_in_one_order() {
    const VEHICLES: usize = 2500;
    let left = |at: usize| match at % 5 {
        0 => Some(DetachCause::IgnitionOff),
        1 => Some(DetachCause::Service),
        _ => None,
    };
    let id = |at: usize| format!("LUX-{at:04}");
    let seen = |at: usize| Seen { id: id(at), lat: 49.5, lon: 6.0, left: left(at) };
    let west = start_knowing((0..VEHICLES).map(seen)).await;
    let all: Vec<String> = (0..VEHICLES).map(id).collect();
    let some = |keep: &dyn Fn(usize) -> bool| (0..VEHICLES).filter(|at| keep(*at)).map(id).collect::<Vec<_>>();
    let address = west.operators();
    for limit in [1000, 999, 250, 100] {
        assert_eq!(pages(address, "", limit, true).await, all, "limit {limit}");
    }
    for limit in [1000, 100] {
        assert_eq!(pages(address, "&state=offline", limit, true).await, some(&|at| left(at).is_some()));
        assert_eq!(pages(address, "&state=idle", limit, true).await, some(&|at| left(at).is_none()));
        assert_eq!(pages(address, "&state=idle,offline&region=east,west", limit, true).await, all);
        assert_eq!(pages(address, "&q=uX-24", limit, true).await, some(&|at| at / 100 == 24));
    }
    assert_eq!(pages(address, "&region=east", 100, true).await, [] as [&str; 0]);
    assert_eq!(pages(address, "&state=online", 100, true).await, [] as [&str; 0]);
    for (query, total) in [("", 2500), ("&state=offline", 1000), ("&q=LUX-1", 1000), ("&q=nobody", 0)] {
        let (_, page) = west.get(&format!("/v1/vehicles?limit=1{query}")).await;
        assert_eq!(page["total"], total, "{query}");
        assert_eq!(page["vehicles"].as_array().unwrap().len(), usize::from(total > 0), "{query}");
    }
    let (_, default) = west.get("/v1/vehicles").await;
    assert_eq!(default["vehicles"].as_array().unwrap().len(), 100);
    west.gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_over_three_regions_is_paged_without_gap_or_repetition() {
    const VEHICLES: usize = 3600;
    // Every fourth lies outside; neighbours in the order of ids are served by different gateways.
    let id = |at: usize| format!("LUX-{at:04}");
    let seen = |at: usize| {
        let lat = if at.is_multiple_of(4) { 51.0 } else { 49.5 + at as f64 * 1e-5 };
        Seen::idle(id(at), lat, 6.1)
    };
    let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
    for (gateway, dir) in dirs.iter().enumerate() {
        prefill(dir.path(), (0..VEHICLES).filter(|at| at % 3 == gateway).map(seen)).await;
    }
    let (_, running) = cluster::start_over(dirs).await;
    let inside: Vec<String> = (0..VEHICLES).filter(|at| !at.is_multiple_of(4)).map(id).collect();
    assert_eq!(inside.len(), 2700);
    for gateway in &running {
        let address = gateway.operators();
        eventually(address, "/v1/vehicles?limit=1", |page| page["total"] == VEHICLES).await;
        for limit in [1000, 301] {
            let bbox = "&bbox=6.0,49.4,6.2,49.6";
            assert_eq!(pages(address, bbox, limit, false).await, inside, "limit {limit}");
        }
        let near = pages(address, "&near=49.5,6.1,100000", 1000, false).await;
        assert_eq!(near, inside);
        let east: Vec<String> =
            inside.iter().filter(|id| id[4..].parse::<usize>().unwrap() % 3 == 2).cloned().collect();
        assert_eq!(pages(address, "&bbox=6.0,49.4,6.2,49.6&region=east", 1000, false).await, east);
        let both = pages(address, "&bbox=6.0,49.4,6.2,49.6&near=51.0,6.1,1000", 1000, false).await;
        assert_eq!(both, [] as [&str; 0], "an area and a place: both must hold");
    }
    shutdown(running).await;
}

#[tokio::test]
async fn every_fault_of_a_parameter_is_named() {
    let west = start("west", "").await;
    let long = format!("/v1/vehicles?q={}", "x".repeat(129));
    let many = format!("/v1/vehicles?region={}", "a,".repeat(70));
    let cases: &[(&str, &str)] = &[
        ("/v1/vehicles?limit=0", "limit"),
        ("/v1/vehicles?limit=1001", "limit"),
        ("/v1/vehicles?limit=-1", "limit"),
        ("/v1/vehicles?limit=1.5", "limit"),
        ("/v1/vehicles?limit=99999999999999999999", "limit"),
        ("/v1/vehicles?state=onlin", "state"),
        ("/v1/vehicles?state=online,,idle", "state"),
        ("/v1/vehicles?state=Online", "state"),
        ("/v1/vehicles?bbox=1,2,3", "bbox"),
        ("/v1/vehicles?bbox=1,2,3,4,5", "bbox"),
        ("/v1/vehicles?bbox=a,b,c,d", "bbox"),
        ("/v1/vehicles?bbox=nan,0,1,1", "bbox"),
        ("/v1/vehicles?bbox=inf,0,1,1", "bbox"),
        ("/v1/vehicles?bbox=0,2,1,1", "bbox"),
        ("/v1/vehicles?bbox=-181,0,1,1", "bbox"),
        ("/v1/vehicles?bbox=0,-91,1,1", "bbox"),
        ("/v1/vehicles?near=1,2", "near"),
        ("/v1/vehicles?near=91,2,5", "near"),
        ("/v1/vehicles?near=1,181,5", "near"),
        ("/v1/vehicles?near=1,2,0", "near"),
        ("/v1/vehicles?near=1,2,-5", "near"),
        ("/v1/vehicles?cursor=no%20id", "cursor"),
        ("/v1/vehicles?colour=red", "colour"),
        ("/v1/vehicles?limit=1&limit=2", "limit"),
        ("/v1/vehicles?q=%ff", "q"),
        ("/v1/vehicles?q=%zz", "q"),
        ("/v1/vehicles?q=%2", "q"),
        (&long, "q"),
        (&many, "region"),
        ("/v1/vehicles/no%20id", "id"),
        ("/v1/vehicles/%ff", "id"),
        ("/v1/vehicles/LUX-1?verbose=1", "verbose"),
        ("/v1/vehicles/no%20id/telemetry", "id"),
        ("/v1/vehicles/LUX-1/telemetry?limit=0", "limit"),
        ("/v1/vehicles/LUX-1/telemetry?limit=10001", "limit"),
        ("/v1/vehicles/LUX-1/telemetry?from=yesterday", "from"),
        ("/v1/vehicles/LUX-1/telemetry?from=2026-11-21", "from"),
        ("/v1/vehicles/LUX-1/telemetry?from=1795219200000", "from"),
        ("/v1/vehicles/LUX-1/telemetry?to=2026-13-01T00:00:00Z", "to"),
        ("/v1/vehicles/LUX-1/telemetry?from=2026-11-22T00:00:00Z&to=2026-11-21T00:00:00Z", "from"),
        ("/v1/vehicles/LUX-1/telemetry?cursor=1.2", "cursor"),
        ("/v1/vehicles/LUX-1/telemetry?cursor=1.2.3.4", "cursor"),
        ("/v1/vehicles/LUX-1/telemetry?cursor=a.b.c", "cursor"),
        ("/v1/vehicles/LUX-1/telemetry?cursor=1.2.-3", "cursor"),
        ("/v1/vehicles/LUX-1/telemetry?signals=x", "signals"),
        ("/v1/stream?kind=presense", "kind"),
        ("/v1/stream?bbox=1,2,3", "bbox"),
        ("/v1/stream?fleet=a", "fleet"),
    ];
    for (path, parameter) in cases {
        let answer = request(west.operators(), "GET", path, &[]).await;
        assert_eq!(answer.status, 400, "{path}: {answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
        let problem = answer.json();
        assert_eq!(problem["parameter"], *parameter, "{path}: {problem}");
        assert_eq!((&problem["status"], &problem["title"]), (&json!(400), &json!("Bad Request")), "{path}");
        assert!(problem["type"].is_string() && !problem["detail"].as_str().unwrap().is_empty(), "{path}");
    }
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn what_is_sound_is_answered() {
    let west = start("west", "").await;
    for path in [
        "/v1/vehicles?limit=1000",
        "/v1/vehicles?bbox=170,-10,-170,10",
        "/v1/vehicles?bbox=-180,-90,180,90",
        "/v1/vehicles?near=90,180,40000000",
        "/v1/vehicles?q=a+b%20c",
        "/v1/vehicles?state=online,idle,asleep,unreachable,offline,stale,unknown",
        "/v1/vehicles?cursor=ZZZ",
        "/v1/vehicles/LUX-1/telemetry?from=0000-01-01T00:00:00Z&to=9999-12-31T23:59:59.999Z",
        "/v1/vehicles/LUX-1/telemetry?from=2026-11-21T02:00:00%2B01:00",
        "/v1/vehicles/LUX-1/telemetry?cursor=-9223372036854775808.0.0",
        "/v1/vehicles/LUX-1/telemetry?cursor=9223372036854775807.18446744073709551615.18446744073709551615",
        "/v1/regions",
        "/healthz",
        "/readyz",
        "/metrics",
        "/",
    ] {
        let answer = request(west.operators(), "GET", path, &[]).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_that_says_so() {
    let west = start("west", "[peers]\nseeds = [\"http://127.0.0.1:1\"]\n").await;
    let unknown = request(west.operators(), "GET", "/v1/vehicles/LUX-9", &[]).await;
    assert_eq!((unknown.status, unknown.header("content-type")), (404, "application/problem+json"));
    let problem = unknown.json();
    assert!(problem["detail"].as_str().unwrap().contains("LUX-9"), "{problem}");
    assert_eq!(problem["missing_regions"], json!(["http://127.0.0.1:1"]), "who may know it is named: {problem}");
    let (status, history) = west.get("/v1/vehicles/LUX-9/telemetry").await;
    assert_eq!((status, &history["records"]), (200, &json!([])));
    for path in [
        "/v1/",
        "/v1/vehicle",
        "/v1/vehicles/a/b/c",
        "/v1/vehicles/",
        "/v2/vehicles",
        "/nothing",
        "/../etc/passwd",
        "/%2e%2e/x",
    ] {
        let answer = request(west.operators(), "GET", path, &[]).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (404, "application/problem+json"),
            "{path}: {answer:?}"
        );
    }
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn only_get_is_answered_and_head_like_it() {
    let west = start("west", "").await;
    let paths =
        ["/v1/vehicles", "/v1/vehicles/LUX-1", "/v1/regions", "/v1/stream", "/healthz", "/metrics", "/", "/nothing"];
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        for path in paths {
            let answer = request(west.operators(), method, path, &[("content-length", "0")]).await;
            assert_eq!(answer.status, 405, "{method} {path}: {answer:?}");
            assert_eq!(answer.header("allow"), "GET,HEAD", "{method} {path}");
            assert_eq!(answer.header("content-type"), "application/problem+json", "{method} {path}");
        }
    }
    for path in ["/v1/vehicles", "/v1/regions", "/healthz", "/"] {
        let answer = request(west.operators(), "HEAD", path, &[]).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{path}");
    }
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn pages_of_another_origin_may_not_ask() {
    let west = start("west", "").await;
    let own = format!("http://{}", west.operators());
    for path in ["/v1/vehicles", "/v1/stream?kind=presense", "/metrics", "/", "/nothing"] {
        for foreign in ["http://evil.example", "https://127.0.0.1", "null", "http://127.0.0.1", "file://", "caf\u{e9}"]
        {
            let answer = request(west.operators(), "GET", path, &[("origin", foreign)]).await;
            assert_eq!(answer.status, 403, "{path} from {foreign}: {answer:?}");
            assert_eq!(answer.header("access-control-allow-origin"), "");
        }
        let answer = request(west.operators(), "GET", path, &[("origin", &own)]).await;
        assert_ne!(answer.status, 403, "{path}");
    }
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn health_is_told_and_metrics_name_no_vehicle() {
    let west = start("west", "[peers]\nseeds = [\"http://127.0.0.1:1\"]\n").await;
    let (mut vehicle, _) = Vehicle::attach(west.vehicles(), "SECRET-VIN-1", json!({})).await;
    vehicle.telemetry(1, vec![record(1, 49.61, 6.13), record(1, 99.0, 6.13)]).await;
    vehicle.send(json!({"type": "tomorrow"})).await;
    assert_eq!(vehicle.receive().await["type"], "error");
    let (status, health) = west.get("/healthz").await;
    assert_eq!((status, health), (200, json!("ok\n")));
    let (status, ready) = west.get("/readyz").await;
    assert_eq!((status, &ready["ready"], &ready["checks"]["store"]), (200, &json!(true), &json!("ok")), "{ready}");
    assert!(ready["checks"]["peers"].as_str().unwrap().contains("127.0.0.1:1"), "{ready}");
    let metrics = request(west.operators(), "GET", "/metrics", &[]).await;
    assert!(metrics.header("content-type").starts_with("text/plain"));
    for name in [
        "waygate_vehicles{state=\"online\"}",
        "waygate_vehicle_sockets",
        "waygate_attaches_total",
        "waygate_records_committed_total",
        "waygate_records_refused_total",
        "waygate_store_commit_seconds",
        "waygate_store_records",
        "waygate_store_disk_free_bytes",
    ] {
        assert!(metrics.body.contains(name), "{name} is missing from\n{}", metrics.body);
    }
    assert!(!metrics.body.contains("SECRET"), "{}", metrics.body);
    west.gateway.shutdown().await;
}

/// The records of every page.
async fn history(address: SocketAddr, query: &str, limit: usize) -> Vec<Value> {
    let (mut records, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/vehicles/LUX-1/telemetry?limit={limit}{query}{cursor}");
        let (status, page) = get(address, &path).await;
        assert_eq!(status, 200, "{page}");
        let some = page["records"].as_array().unwrap();
        assert!(some.len() <= limit);
        records.extend(some.iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return records,
        }
    }
}

fn rfc3339(ms: i64) -> String {
    waygate_wire::operator::Instant(waygate_core::time::Wall(ms)).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_paged_by_time_each_record_once_whichever_region_holds_it() {
    let (_, running) = cluster::start().await;
    let base = now_ms() - 1_000_000;
    // Three records at each time, one from each region's session; sent backwards, in small batches.
    let at = |n: i64| json!({"t": (base + n / 3 * 1000).to_string(), "lat": 49.61, "lon": 6.13, "signals": {"Vehicle.N": n}});
    let mut token = Value::Null;
    for (region, gateway) in running.iter().enumerate() {
        let spool = json!({"id": (100 + region).to_string(), "oldest": "1", "last": "0"});
        let changes = json!({"kind": "handover", "token": token, "spool": spool});
        let (mut vehicle, accept) = Vehicle::attach(gateway.vehicles(), "LUX-1", changes).await;
        assert_eq!(accept["type"], "attach_accept", "{accept}");
        token = accept["token"].clone();
        let mine: Vec<Value> = (0..600).rev().map(|n| at(n * 3 + region as i64)).collect();
        for (batch, records) in mine.chunks(50).enumerate() {
            let ack = vehicle.telemetry(batch as u64 * 50 + 1, records.to_vec()).await;
            assert_eq!(ack["through"], ((batch + 1) * 50).to_string());
        }
    }
    // The last region is sent what the first had stored: the same spool and numbers twice in the cluster.
    let spool = json!({"id": "100", "oldest": "1", "last": "0"});
    let changes = json!({"kind": "initial", "token": token, "spool": spool});
    let (mut vehicle, accept) = Vehicle::attach(running[2].vehicles(), "LUX-1", changes).await;
    assert_eq!(accept["type"], "attach_accept", "{accept}");
    let mine: Vec<Value> = (0..600).rev().map(|n| at(n * 3)).collect();
    assert_eq!(vehicle.telemetry(1, mine).await["through"], "600");
    for gateway in &running {
        let address = gateway.operators();
        for limit in [10_000, 500, 7] {
            let records = history(address, "", limit).await;
            let numbers: Vec<i64> = records.iter().map(|r| r["signals"]["Vehicle.N"].as_i64().unwrap()).collect();
            assert_eq!(numbers.len(), 1800, "limit {limit}");
            assert_eq!(numbers, (0..1800).collect::<Vec<_>>(), "by time, then spool, limit {limit}");
            if limit == 10_000 {
                let names: BTreeSet<_> =
                    records.iter().map(|r| (r["spool"].to_string(), r["seq"].to_string())).collect();
                assert_eq!(names.len(), 1800);
            }
        }
        let (from, to) = (rfc3339(base + 100_000), rfc3339(base + 200_000));
        let part = history(address, &format!("&from={from}&to={to}"), 100).await;
        assert_eq!((part.len(), &part[0]["t"]), (300, &json!(from)), "from is included, to is not");
        assert_eq!(history(address, &format!("&from={to}&to={to}"), 100).await.len(), 0);
    }
    shutdown(running).await;
}
