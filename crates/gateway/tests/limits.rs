//! What a vehicle may not do, and what becomes of one that does it; and that others are served meanwhile.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use support::raw::{Raw, TEXT, frame, good_head};
use support::{PATIENCE, Running, Vehicle, attach_request, eventually, now_ms, record, start, start_limited};
use tokio::io::AsyncWriteExt;

async fn upgrade_status(west: &Running) -> (u16, Option<String>) {
    let mut raw = Raw::connect(west.vehicles()).await;
    raw.send(&good_head()).await;
    let answer = raw.answer().await;
    let retry_after = answer.header("retry-after").map(str::to_owned);
    (answer.status, retry_after)
}

/// An upgrade is refused, and told to come back after the shortest backoff, or up to twice that.
async fn refused_for_a_while(west: &Running) {
    let (status, retry_after) = upgrade_status(west).await;
    let seconds: u64 = retry_after.unwrap().parse().unwrap();
    assert_eq!(status, 503);
    assert!((15..=31).contains(&seconds), "{seconds}");
}

/// Waits until an upgrade is answered with this status.
async fn upgrade_answers(west: &Running, status: u16) {
    let started = Instant::now();
    while upgrade_status(west).await.0 != status {
        assert!(started.elapsed() < PATIENCE, "upgrades are not answered with {status}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn sockets_beyond_the_limit_are_refused_and_let_in_once_there_is_room() {
    let west = start_limited("sockets_max = 2\n").await;
    let first = Raw::attached(west.vehicles(), "LUX-1").await;
    let second = Raw::attached(west.vehicles(), "LUX-2").await;
    refused_for_a_while(&west).await;
    drop(first);
    upgrade_answers(&west, 101).await;
    drop(second);
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn sockets_of_one_address_that_do_not_attach_are_limited_and_given_back() {
    let west = start_limited("unattached_per_address_max = 2\n").await;
    let mut first = Raw::upgraded(west.vehicles(), "waygate.v1.json").await;
    let second = Raw::upgraded(west.vehicles(), "waygate.v1.json").await;
    refused_for_a_while(&west).await;
    first.say(&attach_request("LUX-1", json!({}))).await;
    assert_eq!(first.hear().await["type"], "attach_accept");
    let third = Raw::upgraded(west.vehicles(), "waygate.v1.json").await;
    assert_eq!(upgrade_status(&west).await.0, 503, "the attached one does not count, the new one does");
    drop((second, third));
    upgrade_answers(&west, 101).await;
    drop(first);
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn sockets_on_which_nothing_is_asked_count_too() {
    let west = start_limited("unattached_per_address_max = 2\n").await;
    let silent = (Raw::connect(west.vehicles()).await, Raw::connect(west.vehicles()).await);
    upgrade_answers(&west, 503).await;
    drop(silent);
    upgrade_answers(&west, 101).await;
    west.gateway.shutdown().await;
}

/// Every (spool, seq) the API has of a vehicle; fails if one is there twice.
async fn stored(west: &Running, vehicle: &str) -> BTreeSet<(String, u64)> {
    let (mut all, mut cursor) = (BTreeSet::new(), String::new());
    loop {
        let (status, page) = west.get(&format!("/v1/vehicles/{vehicle}/telemetry?limit=10000{cursor}")).await;
        assert_eq!(status, 200, "{page}");
        for record in page["records"].as_array().unwrap() {
            let text = |name: &str| record[name].as_str().unwrap().to_owned();
            assert!(all.insert((text("spool"), text("seq").parse().unwrap())), "twice: {record}");
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

fn seqs(stored: &BTreeSet<(String, u64)>) -> Vec<u64> {
    stored.iter().map(|(_, seq)| *seq).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vehicle_that_floods_without_reading_its_acks_loses_nothing_and_others_are_served() {
    const MESSAGES: u64 = 40;
    const RECORDS: u64 = 500;
    let west = start("west", "").await;
    let mut flood = Raw::attached(west.vehicles(), "LUX-1").await;
    let records: Vec<_> = (0..RECORDS).map(|ago_s| record(ago_s as i64, 49.61, 6.13)).collect();
    let (mut reader, mut writer) = tokio::io::split(&mut flood.stream);
    let sending = async {
        for message in 0..MESSAGES {
            let first_seq = (message * RECORDS + 1).to_string();
            let telemetry = json!({"type": "telemetry", "first_seq": first_seq, "records": records}).to_string();
            writer.write_all(&frame(TEXT, telemetry.as_bytes())).await.unwrap();
        }
    };
    let (vehicles, address) = (west.vehicles(), west.operators());
    let others = async {
        for other in 0..10 {
            let started = Instant::now();
            let (mut vehicle, _) = Vehicle::attach(vehicles, &format!("OTHER-{other}"), json!({})).await;
            let ack = vehicle.telemetry(1, vec![record(1, 49.61, 6.13)]).await;
            assert_eq!(ack["through"], "1");
            assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        }
        eventually(address, "/v1/vehicles?state=online", |list| list["total"].as_u64() >= Some(1)).await;
    };
    tokio::time::timeout(PATIENCE * 3, async { tokio::join!(sending, others) }).await.expect("all of it is taken");
    // Only now the acks are read: they are cumulative, so the last says all.
    let last = format!("\"through\":\"{}\"", MESSAGES * RECORDS);
    let mut heard = Vec::new();
    let acked = async {
        use tokio::io::AsyncReadExt;
        while !String::from_utf8_lossy(&heard).contains(&last) {
            assert!(reader.read_buf(&mut heard).await.unwrap() > 0, "the gateway ended the session");
        }
    };
    tokio::time::timeout(PATIENCE, acked).await.expect("everything is acked");
    assert_eq!(seqs(&stored(&west, "LUX-1").await), (1..=MESSAGES * RECORDS).collect::<Vec<_>>());
    drop(flood);
    west.gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vehicle_that_never_reads_loses_its_socket_and_not_the_gateway_its_memory() {
    let west = start("west", "[timers]\nhold_s = 1\n").await;
    let mut deaf = Raw::attached(west.vehicles(), "LUX-1").await;
    let question = frame(TEXT, json!({"type": "time_request", "sent": "1"}).to_string().as_bytes()).repeat(1000);
    let started = Instant::now();
    let mut asked = 0_u64;
    let asking = async {
        // The answers fill the buffers of both sides, then nothing is read any more, then the socket ends.
        while deaf.stream.write_all(&question).await.is_ok() {
            asked += 1000;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asking).await.expect("the gateway gives up");
    assert!(started.elapsed() > Duration::from_secs(5), "not before it had time to read; {asked} questions");
    eventually(west.operators(), "/v1/vehicles/LUX-1", |one| one["state"] == "idle").await;
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn too_many_holes_are_refused_by_name_and_filling_them_goes_on() {
    let west = start("west", "").await;
    let (mut vehicle, _) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
    let one =
        |seq: u64| json!({"type": "telemetry", "first_seq": seq.to_string(), "records": [record(1, 49.61, 6.13)]});
    // Every second number, until the gateway keeps no more holes.
    let mut seq = 1;
    let error = loop {
        assert!(seq < 5000, "holes without end");
        vehicle.send(one(seq)).await;
        let answer = vehicle.receive().await;
        if answer["type"] == "error" {
            break answer;
        }
        assert_eq!(answer["type"], "telemetry_ack", "{answer}");
        seq += 2;
    };
    assert_eq!(
        (&error["code"], &error["fatal"], &error["refers_to"]),
        (&json!("malformed"), &json!(false), &json!("telemetry"))
    );
    assert!(error["text"].as_str().unwrap().contains("holes"), "{error}");
    assert!(seq > 1024, "{seq}");
    vehicle.send(one(2)).await;
    assert_eq!(vehicle.receive().await["through"], "3", "a hole is filled");
    vehicle.send(one(seq)).await;
    assert_eq!(vehicle.receive().await["type"], "telemetry_ack", "and there is room for one more");
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn a_message_that_is_wrong_in_itself_names_the_field_and_the_session_goes_on() {
    let west = start("west", "").await;
    let (mut vehicle, _) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
    let good = record(1, 49.61, 6.13);
    let many: Vec<_> = (0..4097).map(|_| json!({"t": "1"})).collect();
    let telemetry = |first: Value, records: Value| json!({"type": "telemetry", "first_seq": first, "records": records});
    let cases = [
        (telemetry(json!("1"), json!(many)), "records"),
        (telemetry(json!("1"), json!([])), "records"),
        (telemetry(json!("0"), json!([good])), "first_seq"),
        (telemetry(json!("-1"), json!([good])), "first_seq"),
        (telemetry(json!("18446744073709551615"), json!([good, good])), "first_seq"),
        (telemetry(json!(true), json!([good])), "first_seq"),
        (json!({"type": "telemetry", "records": [good]}), "first_seq"),
        (json!({"type": "telemetry", "first_seq": "1"}), "records"),
        (telemetry(json!("1"), json!([{"t": "1", "lat": 49.6}])), "records[0]"),
        (telemetry(json!("1"), json!([good, {"lat": 49.6, "lon": 6.1}])), "records[1]"),
        (telemetry(json!("1"), json!([{"t": "1", "seq": "2"}, good])), "records[0].seq"),
        (telemetry(json!("1"), json!([{"t": "soon"}])), "records[0].t"),
        (telemetry(json!("1"), json!([{"t": "1", "lat": "north", "lon": 1}])), "records[0].lat"),
        (json!({"type": "tracking_update", "position": {"lat": 1}}), "position"),
        (json!({"type": "tracking_update", "cause": "bored"}), "cause"),
        (json!({"type": "time_request"}), "sent"),
        (json!({"kind": "initial"}), "type"),
        (json!({"type": 7}), "type"),
    ];
    for (message, field) in cases {
        vehicle.send(message.clone()).await;
        let error = vehicle.receive().await;
        let shown = message.to_string().chars().take(120).collect::<String>();
        assert_eq!((&error["type"], &error["fatal"]), (&json!("error"), &json!(false)), "{shown}: {error}");
        assert_eq!(error["code"], "malformed", "{shown}: {error}");
        assert!(error["text"].as_str().unwrap().contains(field), "{shown}: {error}");
    }
    vehicle.send(json!({"type": "hibernate", "active_s": 20})).await;
    let error = vehicle.receive().await;
    assert_eq!((&error["code"], &error["refers_to"]), (&json!("unknown_message"), &json!("hibernate")), "{error}");
    let ack = vehicle.telemetry(1, vec![good]).await;
    assert_eq!((&ack["through"], &ack["rejected"]), (&json!("1"), &json!([])), "nothing of it was taken");
    assert_eq!(stored(&west, "LUX-1").await.len(), 1);
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn unknown_fields_are_ignored_everywhere() {
    let west = start("west", "").await;
    let new = json!({"of": ["a", "later"], "version": 2});
    let spool = json!({"id": "42", "oldest": "1", "last": "0", "new": new});
    let changes = json!({"new": new, "spool": spool, "position": {"lat": 49.61, "lon": 6.13, "new": 1}});
    let (mut vehicle, accept) = Vehicle::attach(west.vehicles(), "LUX-1", changes).await;
    assert_eq!(accept["type"], "attach_accept", "{accept}");
    let mut record = record(1, 49.61, 6.13);
    record["new"] = new.clone();
    let telemetry = json!({"type": "telemetry", "new": new, "first_seq": "1", "records": [record]});
    vehicle.send(telemetry).await;
    assert_eq!(vehicle.receive().await["through"], "1");
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn records_that_cannot_be_are_rejected_alone_each_with_its_reason() {
    let west = start("west", "").await;
    let (mut vehicle, _) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
    let good = record(1, 49.61, 6.13);
    let with = |name: &str, value: Value| {
        let mut record = good.clone();
        record[name] = value;
        record
    };
    let many_signals: serde_json::Map<_, _> = (0..513).map(|n| (format!("Vehicle.S{n}"), json!(1))).collect();
    let cases = [
        (with("lat", json!(90.1)), "position_outside_globe"),
        (with("lon", json!(-180.5)), "position_outside_globe"),
        (with("t", json!((now_ms() + 6 * 60_000).to_string())), "time_in_future"),
        (with("t", json!("9223372036854775807")), "time_in_future"),
        (with("t", json!((now_ms() - 401 * 86_400_000).to_string())), "time_before_retention"),
        (with("t", json!("-9223372036854775808")), "time_before_retention"),
        (with("heading", json!(360.0)), "bad_heading"),
        (with("heading", json!(-1)), "bad_heading"),
        (with("speed", json!(-0.1)), "bad_speed"),
        (with("speed", json!(1001)), "bad_speed"),
        (with("signals", json!({"no path!": 1})), "bad_signal"),
        (with("signals", json!({"Vehicle.List": [1]})), "bad_signal"),
        (with("signals", json!({"Vehicle.Text": "x".repeat(1025)})), "bad_signal"),
        (with("signals", json!(many_signals)), "bad_signal"),
    ];
    let mut records: Vec<Value> = cases.iter().map(|(record, _)| record.clone()).collect();
    records.push(good.clone());
    let last = records.len() as u64;
    let ack = vehicle.telemetry(1, records).await;
    assert_eq!(ack["through"], last.to_string(), "{ack}");
    let rejected: Vec<(String, String)> = ack["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["seq"].as_str().unwrap().to_owned(), one["reason"].as_str().unwrap().to_owned()))
        .collect();
    let expected: Vec<_> =
        cases.iter().zip(1..).map(|((_, reason), seq)| (seq.to_string(), (*reason).to_owned())).collect();
    assert_eq!(rejected, expected);
    assert_eq!(seqs(&stored(&west, "LUX-1").await), [last], "only the good one is stored");
    west.gateway.shutdown().await;
}

async fn rejected(west: &Running, request: Value) -> (Value, u16) {
    let mut vehicle = Vehicle::connect(west.vehicles(), "LUX-1").await;
    vehicle.send(request).await;
    let answer = vehicle.receive().await;
    assert_eq!(answer["type"], "attach_reject", "{answer}");
    (answer, vehicle.closed().await)
}

#[tokio::test]
async fn an_attach_that_cannot_be_is_rejected_with_its_cause_and_close_code() {
    let west = start("west", "").await;
    let (_other, accept) = Vehicle::attach(west.vehicles(), "LUX-2", json!({})).await;
    let hours = |hours: i64| json!({"now": (now_ms() + hours * 3_600_000).to_string()});
    let ranges: Vec<_> =
        (1..=1025).map(|at| json!({"first": (2 * at).to_string(), "last": (2 * at).to_string()})).collect();
    let request = |changes: Value| attach_request("LUX-1", changes);
    let cases = [
        (request(json!({"clock": hours(25)})), "clock_off", 4201, "clock"),
        (request(json!({"clock": hours(-25)})), "clock_off", 4201, "clock"),
        (request(json!({"clock": {"now": "9223372036854775807"}})), "clock_off", 4201, "clock"),
        (request(json!({"clock": {"now": "-9223372036854775808"}})), "clock_off", 4201, "clock"),
        (request(json!({"token": "Z2FyYmFnZQ"})), "epoch_sync", 4202, "token"),
        (request(json!({"token": accept["token"]})), "epoch_sync", 4202, "token"),
        (request(json!({"token": "A".repeat(1000)})), "bad_message", 4200, "token"),
        (request(json!({"token": "no base64!"})), "bad_message", 4200, "token"),
        (request(json!({"vehicle": ""})), "bad_message", 4200, "vehicle"),
        (request(json!({"vehicle": "x".repeat(65)})), "bad_message", 4200, "vehicle"),
        (request(json!({"vehicle": "../etc/passwd"})), "bad_message", 4200, "vehicle"),
        (request(json!({"vehicle": null})), "bad_message", 4200, "vehicle"),
        (request(json!({"kind": "borrowed"})), "bad_message", 4200, "kind"),
        (request(json!({"boot_id": "x".repeat(65)})), "bad_message", 4200, "boot_id"),
        (request(json!({"spool": null})), "bad_message", 4200, "spool"),
        (request(json!({"spool": {"id": "42", "acked": ranges}})), "bad_message", 4200, "spool.acked"),
        (
            request(json!({"spool": {"id": "42", "acked": [{"first": "9", "last": "3"}]}})),
            "bad_message",
            4200,
            "spool.acked",
        ),
        (request(json!({"signals": ["not a path!"]})), "bad_message", 4200, "signals"),
        (request(json!({"position": {"lat": "x", "lon": 1}})), "bad_message", 4200, "position"),
    ];
    for (request, cause, code, names) in cases {
        let shown = request.to_string().chars().take(200).collect::<String>();
        let (answer, closed) = rejected(&west, request).await;
        assert_eq!((&answer["cause"], closed), (&json!(cause), code), "{shown}: {answer}");
        assert!(answer["text"].as_str().unwrap().contains(names), "{shown}: {answer}");
        assert_eq!(answer["class"], "fix_then_retry");
    }
    let (_, near) = Vehicle::attach(west.vehicles(), "LUX-1", json!({"clock": hours(23)})).await;
    assert_eq!(near["type"], "attach_accept", "{near}");
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn what_needs_a_session_is_refused_before_there_is_one() {
    let west = start("west", "").await;
    let telemetry = json!({"type": "telemetry", "first_seq": "1", "records": [record(1, 49.61, 6.13)]});
    for early in [telemetry, json!({"type": "detach"}), json!({"type": "time_request", "sent": "1"})] {
        let mut vehicle = Vehicle::connect(west.vehicles(), "LUX-1").await;
        vehicle.send(early).await;
        let error = vehicle.receive().await;
        assert_eq!((&error["code"], &error["fatal"]), (&json!("not_attached"), &json!(true)), "{error}");
        assert_eq!(vehicle.closed().await, 1008);
    }
    let mut vehicle = Vehicle::connect(west.vehicles(), "LUX-1").await;
    vehicle.send(json!({"type": "hello_from_the_future"})).await;
    assert_eq!(vehicle.receive().await["code"], "unknown_message");
    vehicle.send(attach_request("LUX-1", json!({}))).await;
    assert_eq!(vehicle.receive().await["type"], "attach_accept", "an unknown message does not spoil the attach");
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn a_second_attach_on_a_socket_ends_it() {
    let west = start("west", "").await;
    let (mut vehicle, _) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
    vehicle.send(attach_request("LUX-1", json!({}))).await;
    let error = vehicle.receive().await;
    assert_eq!((&error["code"], &error["fatal"]), (&json!("already_attached"), &json!(true)), "{error}");
    assert_eq!(vehicle.closed().await, 1008);
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn deeply_nested_json_is_refused_without_harm() {
    let west = start("west", "").await;
    for open in ["[", "{\"a\":"] {
        let mut raw = Raw::attached(west.vehicles(), "LUX-1").await;
        raw.send(&frame(TEXT, open.repeat(40_000).as_bytes())).await;
        let error = raw.hear().await;
        assert_eq!(error["type"], "error", "{error}");
        let text = error["text"].as_str().unwrap();
        assert!(text.len() < 1000, "an answer stays small: {text}");
        drop(raw);
    }
    let mut hidden = Raw::attached(west.vehicles(), "LUX-1").await;
    let nested = format!("{{\"type\":\"telemetry\",\"x\":{}1{},", "[".repeat(50_000), "]".repeat(50_000));
    hidden.send(&frame(TEXT, format!("{nested}\"first_seq\":\"1\",\"records\":[]}}").as_bytes())).await;
    assert_eq!(hidden.hear().await["type"], "error", "also where a field is ignored");
    let (_, list) = west.get("/v1/vehicles/LUX-1").await;
    assert_eq!(list["id"], "LUX-1");
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn after_a_goodbye_the_gateway_ends_the_socket_itself() {
    let west = start("west", "").await;
    let (mut vehicle, _) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
    let telemetry = json!({"type": "telemetry", "first_seq": "1", "records": [record(1, 49.61, 6.13)]});
    vehicle.send(telemetry).await;
    vehicle.send(json!({"type": "detach", "cause": "shutdown"})).await;
    let started = Instant::now();
    assert_eq!(vehicle.receive().await["through"], "1", "the ack under way still comes");
    eventually(west.operators(), "/v1/vehicles/LUX-1", |one| one["state"] == "offline").await;
    assert_eq!(vehicle.closed().await, 1000);
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    let (_, one) = west.get("/v1/vehicles/LUX-1").await;
    assert_eq!((&one["state"], &one["cause"]), (&json!("offline"), &json!("shutdown")));
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn what_is_said_in_one_breath_is_carried_out_in_order() {
    let west = start("west", "").await;
    let mut raw = Raw::upgraded(west.vehicles(), "waygate.v1.json").await;
    let telemetry = json!({"type": "telemetry", "first_seq": "1", "records": [record(1, 49.61, 6.13)]});
    let mut bytes = frame(TEXT, attach_request("LUX-1", json!({})).to_string().as_bytes());
    bytes.extend(frame(TEXT, telemetry.to_string().as_bytes()));
    bytes.extend(frame(TEXT, json!({"type": "detach", "cause": "service"}).to_string().as_bytes()));
    bytes.extend(frame(support::raw::CLOSE, &support::raw::close_body(1000, b"")));
    raw.send(&bytes).await;
    assert_eq!(raw.closed().await, 1000);
    let one = eventually(west.operators(), "/v1/vehicles/LUX-1", |one| one["state"] == "offline").await;
    assert_eq!(one["cause"], "service");
    let history = "/v1/vehicles/LUX-1/telemetry";
    eventually(west.operators(), history, |page| page["records"].as_array().is_some_and(|r| r.len() == 1)).await;
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn a_vehicle_that_vanishes_while_it_attaches_is_not_online_for_ever() {
    let west = start("west", "[timers]\nhold_s = 1\n").await;
    for vehicle in 0..20 {
        let id = format!("LUX-{vehicle}");
        let mut raw = Raw::upgraded(west.vehicles(), "waygate.v1.json").await;
        raw.say(&attach_request(&id, json!({}))).await;
        drop(raw);
    }
    eventually(west.operators(), "/v1/vehicles?state=idle", |list| list["total"] == 20).await;
    west.gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_attaches_at_once_one_stays_and_the_epochs_differ() {
    let west = start("west", "").await;
    let attaches = (0..30).map(|_| {
        let address = west.vehicles();
        tokio::spawn(async move {
            let mut raw = Raw::upgraded(address, "waygate.v1.json").await;
            raw.say(&attach_request("LUX-1", json!({}))).await;
            let answer = raw.hear().await;
            (raw, answer)
        })
    });
    let mut open = Vec::new();
    let mut epochs = BTreeSet::new();
    for attach in attaches.collect::<Vec<_>>() {
        let (raw, answer) = attach.await.unwrap();
        if answer["type"] == "attach_accept" {
            assert!(epochs.insert(answer["epoch"].as_str().unwrap().parse::<u64>().unwrap()), "an epoch twice");
        } else if answer["type"] == "attach_reject" {
            // So many without a token of the session that they push out are taken for clones.
            assert_eq!((&answer["cause"], &answer["class"]), (&json!("cloned"), &json!("retry_same")));
            assert!(answer["backoff_ms"].as_u64().unwrap() >= 60_000, "{answer}");
            continue;
        } else {
            assert_eq!((&answer["type"], &answer["cause"]), (&json!("detach_order"), &json!("superseded")));
        }
        open.push((raw, answer));
    }
    let (_, one) = west.get("/v1/vehicles/LUX-1").await;
    let newest = epochs.last().unwrap().to_string();
    assert_eq!((&one["state"], &one["epoch"]), (&json!("online"), &json!(newest)));
    for (mut raw, answer) in open {
        if answer["epoch"] == newest.as_str() {
            raw.say(&json!({"type": "time_request", "sent": "7"})).await;
            assert_eq!(raw.hear().await["sent"], "7", "the newest is served");
        } else {
            assert_eq!(raw.closed().await, 4409);
        }
    }
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn a_repeated_record_is_acked_and_stored_once_also_in_another_session() {
    let west = start("west", "").await;
    let (mut vehicle, accept) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
    let records: Vec<_> = (0..10).map(|ago| record(ago, 49.61, 6.13)).collect();
    assert_eq!(vehicle.telemetry(1, records.clone()).await["through"], "10");
    assert_eq!(vehicle.telemetry(1, records.clone()).await["through"], "10");
    assert_eq!(vehicle.telemetry(6, records.clone()).await["through"], "10", "half of it is repeated: acked at once");
    assert_eq!(vehicle.receive().await["through"], "15", "the other half once it is on disk");
    let (mut again, accept) = Vehicle::attach(west.vehicles(), "LUX-1", json!({"token": accept["token"]})).await;
    assert_eq!(accept["resume_from"], "16");
    assert_eq!(again.telemetry(1, records.clone()).await["through"], "15");
    let spool = json!({"id": "43", "oldest": "1", "last": "0"});
    let (mut renewed, accept) = Vehicle::attach(west.vehicles(), "LUX-1", json!({"spool": spool})).await;
    assert_eq!(accept["resume_from"], "1", "another spool has its own numbers");
    assert_eq!(renewed.telemetry(1, records).await["through"], "10");
    assert_eq!(stored(&west, "LUX-1").await.len(), 25);
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn a_vehicle_learns_the_time_and_its_tracking_areas() {
    let west = start("west", "").await;
    let (mut vehicle, accept) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
    assert_eq!(accept["areas"].as_array().unwrap().len(), 7);
    assert_eq!(
        (&accept["window"], &accept["max_frame_bytes"]),
        (&json!({"records": 4096, "bytes": 1048576}), &json!(262144))
    );

    vehicle.send(json!({"type": "time_request", "sent": "-5"})).await;
    let reply = vehicle.receive().await;
    assert_eq!((&reply["type"], &reply["sent"]), (&json!("time_reply"), &json!("-5")));
    assert!(reply["server_time"].as_str().unwrap().parse::<i64>().unwrap().abs_diff(now_ms()) < 10_000);

    vehicle.send(json!({"type": "tracking_update", "position": {"lat": 52.52, "lon": 13.4}})).await;
    let moved = vehicle.receive().await;
    assert_eq!(moved["type"], "tracking_accept");
    assert_ne!(moved["areas"], accept["areas"]);
    let berlin = eventually(west.operators(), "/v1/vehicles/LUX-1", |one| one["cell"] == moved["areas"][0]).await;
    assert_eq!(berlin["state"], "online");

    vehicle.send(json!({"type": "tracking_update", "cause": "periodic"})).await;
    assert_eq!(vehicle.receive().await["areas"], moved["areas"], "without a position it stays where it is");

    vehicle.send(json!({"type": "telemetry", "first_seq": "1", "records": [record(1, 48.85, 2.35)]})).await;
    let mut answers = [vehicle.receive().await, vehicle.receive().await];
    answers.sort_by_key(|answer| answer["type"].as_str().unwrap().to_owned());
    assert_eq!(answers[0]["type"], "telemetry_ack");
    assert_eq!(answers[1]["type"], "tracking_accept", "a record from elsewhere is an update too");
    eventually(west.operators(), "/v1/vehicles/LUX-1", |one| one["cell"] == answers[1]["areas"][0]).await;
    west.gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_stops_sends_its_vehicles_away_and_keeps_what_they_sent() {
    let west = start("west", "").await;
    let mut vehicles = Vec::new();
    for number in 0..20 {
        let (mut vehicle, _) = Vehicle::attach(west.vehicles(), &format!("LUX-{number}"), json!({})).await;
        assert_eq!(vehicle.telemetry(1, vec![record(1, 49.61, 6.13)]).await["through"], "1");
        vehicles.push(vehicle);
    }
    let mut unattached = Raw::upgraded(west.vehicles(), "waygate.v1.json").await;
    let mut silent = Raw::connect(west.vehicles()).await;
    let (started, address) = (Instant::now(), west.vehicles());
    let Running { gateway, dir } = west;
    let leaving = async {
        for vehicle in &mut vehicles {
            let order = vehicle.receive().await;
            assert_eq!(
                (&order["type"], &order["cause"], &order["reattach"]),
                (&json!("detach_order"), &json!("draining"), &json!(true))
            );
            assert_eq!(vehicle.closed().await, 4503);
            // The client answers the Close only when it is read on.
            while let Some(Ok(_)) = futures_util::StreamExt::next(&mut vehicle.socket).await {}
        }
    };
    tokio::join!(gateway.shutdown(), leaving, unattached.ended(), silent.ended());
    assert!(started.elapsed() < Duration::from_secs(9), "{:?}", started.elapsed());
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");

    let config = support::config("west", dir.path(), "");
    let gateway = waygate_gateway::Gateway::bind(waygate_gateway::Config::parse(&config).unwrap()).await.unwrap();
    let west = Running { gateway, dir };
    for number in 0..20 {
        assert_eq!(stored(&west, &format!("LUX-{number}")).await.len(), 1);
    }
    west.gateway.shutdown().await;
}
