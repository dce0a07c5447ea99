//! What an operator sees of the cluster: links, logs, whose copies agree, and who does not say.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use support::cluster::{REGIONS, shutdown, start as cluster};
use support::{PATIENCE, Running, Vehicle, eventually, get_text, record};

/// One gateway, as another sees it.
fn of<'a>(view: &'a Value, id: &str) -> &'a Value {
    view["gateways"].as_array().unwrap().iter().find(|gateway| gateway["id"] == id).unwrap()
}

fn settled(views: &Value) -> bool {
    let logs = views["logs"].as_array();
    let equal = logs.is_some_and(|logs| logs.len() == 3 && logs.iter().all(|log| log["agreement"] == "equal"));
    equal && views["silent"] == json!([])
}

#[tokio::test]
async fn every_gateway_tells_what_it_sees_of_the_others_and_what_it_holds() {
    let (_, running) = cluster().await;
    let (mut vehicle, _) = Vehicle::attach(running[0].vehicles(), "LUX-1", json!({})).await;
    vehicle.telemetry(1, vec![record(1, 49.61, 6.13)]).await;
    let has_it = |view: &Value| {
        let log = view["logs"].as_array().and_then(|logs| logs.iter().find(|log| log["owner"] == "west-1"));
        log.is_some_and(|log| log["live"] == 1) && of(view, "west-1")["link"]["audit"]["equal_ago_s"].is_number()
    };
    let centre = eventually(running[1].operators(), "/v1/gateways", has_it).await;
    assert_eq!((&centre["seen_by"], &centre["region"]), (&json!("centre-1"), &json!("centre")));
    assert_eq!(centre["view"], json!({"complete": true, "missing_regions": []}));
    let west = of(&centre, "west-1");
    assert_eq!((&west["region"], &west["status"]), (&json!("west"), &json!("alive")));
    let link = &west["link"];
    assert_eq!((&link["up"], &link["ahead_entries"], &link["gaps"]), (&json!(true), &json!(0), &json!(0)));
    assert_eq!((&link["audit"]["mismatches"], &link["ahead_s"], &west["lag_s"]), (&json!(0), &json!(0.0), &json!(0.0)));
    assert!(link["entries_received"].as_u64().unwrap() >= 1, "{west}");
    assert!(of(&centre, "centre-1")["link"].is_null(), "there is no way to itself");

    let views = eventually(running[2].operators(), "/v1/views", settled).await;
    assert_eq!(views["gateway"], "east-1");
    let told = views["views"].as_array().unwrap();
    assert_eq!(
        told.iter().map(|view| view["seen_by"].as_str().unwrap()).collect::<Vec<_>>(),
        ["centre-1", "east-1", "west-1"]
    );
    let copies: Vec<_> = told.iter().flat_map(|view| view["logs"].as_array().unwrap()).collect();
    let of_west: Vec<_> = copies.iter().filter(|log| log["owner"] == "west-1").collect();
    assert_eq!(of_west.len(), 3);
    let said = |log: &Value| ["incarnation", "head", "live", "digest"].map(|field| log[field].clone());
    assert!(of_west.iter().all(|log| said(log) == said(of_west[0])), "{of_west:?}");
    assert_ne!(of_west[0]["digest"], "0000000000000000");
    let loads: Vec<_> = told.iter().map(|view| view["load"]["sockets"].clone()).collect();
    assert_eq!(loads, [0, 0, 1]);
    shutdown(running).await;
}

#[tokio::test]
async fn what_one_gateway_counts_as_sent_the_other_counts_as_received() {
    let (_, running) = cluster().await;
    let (_vehicle, _) = Vehicle::attach(running[0].vehicles(), "LUX-1", json!({})).await;
    let started = Instant::now();
    loop {
        let (_, west) = running[0].get("/v1/gateways").await;
        let (_, east) = running[2].get("/v1/gateways").await;
        let (there, here) = (&of(&west, "east-1")["link"], &of(&east, "west-1")["link"]);
        let sent = there["bytes_sent"].as_u64().unwrap();
        if here["entries_received"].as_u64() >= Some(1)
            && here["bytes_received"] == sent
            && there["bytes_received"] == here["bytes_sent"]
        {
            // A hello, an entry and its acknowledgement have a size.
            assert!(sent > 150, "{there}");
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{there} against {here}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (_, metrics) = get_text(running[0].operators(), "/metrics").await;
    for metric in
        ["bytes_sent_total", "bytes_received_total", "behind_entries", "ahead_seconds", "digest_mismatches_total"]
    {
        let line = format!("waygate_peer_{metric}{{peer=\"east-1\"}}");
        assert!(metrics.contains(&line), "{line} is not in {metrics}");
    }
    shutdown(running).await;
}

#[tokio::test]
async fn who_does_not_tell_its_view_is_named_and_costs_a_second() {
    let (ports, mut running) = cluster().await;
    let before = eventually(running[0].operators(), "/v1/views", settled).await;
    let west = before["views"].as_array().unwrap().iter().find(|view| view["seen_by"] == "west-1").unwrap();
    let sent = of(west, "centre-1")["link"]["bytes_sent"].as_u64().unwrap();
    let Running { gateway, dir: _dir } = running.remove(1);
    gateway.shutdown().await;
    let lost = |view: &Value| of(view, "centre-1")["status"] == "lost";
    let view = eventually(running[0].operators(), "/v1/gateways", lost).await;
    let link = &of(&view, "centre-1")["link"];
    assert_eq!((&link["up"], &link["ahead_entries"], &link["ahead_s"]), (&json!(false), &Value::Null, &Value::Null));
    assert!(link["bytes_sent"].as_u64().unwrap() >= sent, "what passed stays counted: {link}");
    assert_eq!(view["view"]["missing_regions"], json!(["centre"]));
    let left = |view: &Value| of(view, "centre-1")["standing"] == "left";
    eventually(running[0].operators(), "/v1/gateways", left).await;
    let silent =
        |why: &str| json!([{"gateway": "centre-1", "region": "centre", "operators_url": url(ports[1]), "why": why}]);
    let (_, views) = running[0].get("/v1/views").await;
    assert_eq!(views["silent"], silent("it cannot be reached"));
    assert_eq!(views["views"].as_array().unwrap().len(), 2);

    // Something takes the connection and never says a word.
    let deaf = std::net::TcpListener::bind(("127.0.0.1", ports[1])).unwrap();
    let named = |views: &Value| views["silent"] == silent("no answer within 1 s");
    let views = eventually(running[0].operators(), "/v1/views", named).await;
    let seen = views["views"].as_array().unwrap().iter().map(|view| of(view, "centre-1")["status"].clone());
    assert_eq!(seen.collect::<Vec<_>>(), ["lost", "lost"]);
    let asked = Instant::now();
    running[0].get("/v1/views").await;
    assert!(asked.elapsed() < Duration::from_secs(5), "it costs {:?}", asked.elapsed());
    drop(deaf);
    shutdown(running).await;
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

#[tokio::test]
async fn regions_tell_of_links_too() {
    let (_, running) = cluster().await;
    let (_, answer) = running[0].get("/v1/regions").await;
    let gateways: Vec<_> = answer["regions"].as_array().unwrap().iter().map(|region| &region["gateways"][0]).collect();
    assert_eq!(gateways.len(), REGIONS.len());
    for gateway in gateways {
        assert_eq!(gateway["link"].is_object(), gateway["self"] == false, "{gateway}");
    }
    shutdown(running).await;
}
