//! The binary as a person uses it: one gateway of its own, one vehicle over a real WebSocket, the operator's commands.

#![allow(clippy::unwrap_used)]

mod support;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use support::{Gateway, PATIENCE, waygate};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// Attaches a vehicle, sends two records and waits until both are acked. The socket stays open.
async fn attached(gateway: &Gateway) -> impl Sized + use<> {
    let mut request = gateway.vehicles_url.as_str().into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "waygate.v1.json".parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let now_ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    let spool = json!({"id": "77", "oldest": "1", "last": "2"});
    let attach =
        json!({"type": "attach_request", "vehicle": "LUX-0042", "kind": "initial", "boot_id": "b1", "spool": spool});
    socket.send(Message::text(attach.to_string())).await.unwrap();
    let records = json!([
        {"t": (now_ms - 1000).to_string(), "lat": 49.61, "lon": 6.13, "speed": 13.9, "heading": 354.0},
        {"t": now_ms.to_string(), "lat": 49.6101, "lon": 6.13, "speed": 12.5, "heading": 0.0, "signals": {"Vehicle.Speed": 45.0}},
    ]);
    let telemetry = json!({"type": "telemetry", "first_seq": "1", "records": records});
    socket.send(Message::text(telemetry.to_string())).await.unwrap();
    tokio::time::timeout(PATIENCE, async {
        loop {
            let Message::Text(text) = socket.next().await.unwrap().unwrap() else { continue };
            let message: Value = serde_json::from_str(&text).unwrap();
            assert!(message["type"] != "attach_reject" && message["type"] != "error", "{message}");
            if message["type"] == "telemetry_ack" && message["through"] == "2" {
                break;
            }
        }
    })
    .await
    .unwrap();
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vehicle_that_attached_is_listed_shown_told_and_in_the_history() {
    let mut gateway = Gateway::start();
    let socket = attached(&gateway).await;

    let list = gateway.json(&["vehicles", "--state", "online"]);
    assert_eq!(list["vehicles"][0]["id"], "LUX-0042");
    assert_eq!((&list["next"], &list["view"]["complete"]), (&Value::Null, &json!(true)));
    let near = gateway.json(&["vehicles", "--near", "49.61,6.13,500"]);
    assert_eq!(near["vehicles"].as_array().unwrap().len(), 1);

    let table = gateway.ask(&["vehicles"]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.starts_with("VEHICLE"), "{table}");
    assert!(table.contains("LUX-0042  online") && table.contains("49.61010, 6.13000"), "{table}");

    let vehicle = gateway.json(&["vehicle", "LUX-0042"]);
    assert_eq!(vehicle["signals"]["Vehicle.Speed"]["value"], 45.0);

    let csv = String::from_utf8(gateway.ask(&["history", "LUX-0042", "--format", "csv"]).stdout).unwrap();
    assert_eq!(csv.lines().count(), 3, "{csv}");
    let one = gateway.ask(&["history", "LUX-0042", "--format", "ndjson", "--limit", "1"]);
    assert_eq!(serde_json::from_slice::<Value>(&one.stdout).unwrap()["seq"], "1");

    let regions = gateway.json(&["regions"]);
    assert_eq!((&regions["totals"]["online"], &regions["acked_records_total"]), (&json!(1), &json!(2)));

    let hello = gateway.ask(&["watch", "--events", "1", "--json"]);
    assert_eq!(serde_json::from_slice::<Value>(&hello.stdout).unwrap()["event"], "hello");

    drop(socket);
    assert!(gateway.end_by_stdin().success());
}

#[test]
fn exit_codes_say_what_happened() {
    let gateway = Gateway::start();
    assert_eq!(gateway.ask(&["vehicles"]).status.code(), Some(1), "nothing matched");
    assert_eq!(gateway.ask(&["vehicle", "NOBODY"]).status.code(), Some(1), "not known");
    assert_eq!(gateway.ask(&["history", "NOBODY"]).status.code(), Some(1), "no records");
    assert_eq!(gateway.ask(&["regions"]).status.code(), Some(0));
    assert_eq!(gateway.ask(&["vehicles", "--limit", "none"]).status.code(), Some(2), "usage");
    let vehicles_port = gateway.vehicles_url.replace("ws://", "http://").replace("/v1/obu", "");
    let wrong_port = waygate(&["regions", "--url", &vehicles_port]).output().unwrap();
    assert_eq!(wrong_port.status.code(), Some(4), "{}", String::from_utf8_lossy(&wrong_port.stderr));

    let operators_url = gateway.operators_url.clone();
    drop(gateway);
    let gone = waygate(&["regions", "--url", &operators_url]).output().unwrap();
    assert_eq!(gone.status.code(), Some(3));
    let said = String::from_utf8(gone.stderr).unwrap();
    assert!(said.contains(&operators_url) && said.contains("--url"), "{said}");
}

#[test]
fn a_bad_configuration_ends_with_64_and_names_file_line_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("gateway.toml");
    std::fs::write(&config, "[node]\nid = \"a\"\nregion = \"r\"\ndata_dir = \"d\"\n\n[timers]\nping = 5\n").unwrap();
    let refused = waygate(&["gateway", "--config"]).arg(&config).output().unwrap();
    assert_eq!(refused.status.code(), Some(64));
    let said = String::from_utf8(refused.stderr).unwrap();
    for part in [config.to_str().unwrap(), "line 7", "ping"] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
}

#[test]
fn environment_variables_go_over_the_file_and_those_of_others_are_left_alone() {
    let gateway = Gateway::start_with(&[("WAYGATE_NODE__ID", "two"), ("WAYGATE_SEED", "7")]);
    assert_eq!(gateway.json(&["regions"])["gateway"], "two");
}

#[test]
fn an_address_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("gateway.toml");
    let data_dir = folder.path().join("data");
    let text =
        format!("[node]\nid = \"a\"\nregion = \"r\"\ndata_dir = {data_dir:?}\n[vehicles]\nlisten = {address:?}\n");
    std::fs::write(&config, text).unwrap();
    let refused = waygate(&["gateway", "--config"]).arg(&config).output().unwrap();
    assert_eq!(refused.status.code(), Some(70));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains(&address) && said.contains("[vehicles]"), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn an_answer_that_cannot_be_written_is_a_failure_and_a_reader_that_has_gone_is_none() {
    let gateway = Gateway::start();
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for words in [["regions", "--url"], ["vehicles", "--url"]] {
        let output = waygate(&words).arg(&gateway.operators_url).arg("--json").stdout(full()).output().unwrap();
        assert_eq!(output.status.code(), Some(70), "{words:?}");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(complaint.contains("cannot write the answer"), "{words:?}: {complaint}");
    }
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = waygate(&["regions", "--url"]).arg(&gateway.operators_url).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &[][..]));
}
