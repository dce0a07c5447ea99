use super::*;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use waygate_core::time::Wall;

const SPOOL: SpoolId = SpoolId(9);
/// 2026-11-21T02:00:00Z
const ORIGIN: Wall = Wall(1_795_226_400_000);

fn ledger(vehicle: &str, records: u64) -> VehicleLedger {
    let mut ledger = VehicleLedger::new(VehicleId::new(vehicle).unwrap(), ORIGIN);
    for seq in 1..=records {
        ledger.recorded(SPOOL, seq, Wall(ORIGIN.0 + seq as i64 * 1000));
    }
    ledger.settled(SPOOL, &[(1, records)].into_iter().collect(), []);
    ledger
}

fn record(seq: u64) -> Value {
    let t = Instant(Wall(ORIGIN.0 + seq as i64 * 1000)).to_string();
    json!({"spool": "9", "seq": seq.to_string(), "t": t, "received": t, "lat": 1.0, "lon": 2.0, "signals": {}})
}

/// A gateway that need not be honest: `answer` gives status and body for a path with its query.
async fn gateway(answer: impl Fn(&str) -> (u16, Value) + Send + 'static) -> Operator {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.windows(4).any(|w| w == b"\r\n\r\n") {
                let n = socket.read_buf(&mut request).await.unwrap();
                assert!(n > 0, "the request was cut off");
            }
            let request = String::from_utf8(request).unwrap();
            let path = request.split(' ').nth(1).unwrap();
            let (status, body) = answer(path);
            let body = body.to_string();
            let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            socket.write_all((head + &body).as_bytes()).await.unwrap();
        }
    });
    Operator::new(&base, Duration::from_secs(10))
}

async fn verdict(operator: &Operator, ledgers: Vec<VehicleLedger>) -> Verdict {
    judge(operator, ledgers).await
}

#[tokio::test]
async fn every_page_is_asked_for_and_an_honest_gateway_holds() {
    let operator = gateway(|path| {
        assert!(path.starts_with("/v1/vehicles/LUX-000"), "{path}");
        assert!(path.contains("from=2026-11-21T02%3A00%3A00.000Z&to=2026-11-21T02%3A00%3A0"), "{path}");
        if path.contains("cursor=a%2Fb") {
            (200, json!({"records": [record(3), record(4)], "next": null, "missing_regions": []}))
        } else {
            (200, json!({"records": [record(1), record(2)], "next": "a/b", "missing_regions": []}))
        }
    })
    .await;
    let ledgers = (1..=20).map(|i| ledger(&format!("LUX-000{i}"), if i == 2 { 3 } else { 4 })).collect();
    let verdict = verdict(&operator, ledgers).await;
    // Of one vehicle a record more was found than it gave out.
    assert_eq!((verdict.vehicles, verdict.acked, verdict.kept, verdict.broken), (20, 79, 79, 1));
    assert_eq!(verdict.listed[0].0.as_str(), "LUX-0002");
    assert!(!verdict.holds());
}

#[tokio::test]
async fn holes_and_duplicates_are_listed_by_name() {
    let operator = gateway(|path| {
        let records = if path.contains("LUX-0001") { vec![record(1), record(1)] } else { vec![record(1), record(2)] };
        (200, json!({"records": records, "next": null, "missing_regions": []}))
    })
    .await;
    let verdict = verdict(&operator, vec![ledger("LUX-0001", 2), ledger("LUX-0002", 2)]).await;
    let said = verdict.to_string();
    assert!(!verdict.holds());
    assert!(said.contains("2 of 4 acked records"), "{said}");
    assert!(said.contains("LUX-0001: record 1 of spool 9 is there more than once"), "{said}");
    assert!(said.contains("LUX-0001: record 2 of spool 9 was acked and is not there"), "{said}");
}

#[tokio::test]
async fn what_could_not_be_looked_at_is_no_success() {
    let operator = gateway(|path| match path.contains("LUX-0001") {
        true => (200, json!({"records": [record(1)], "next": null, "missing_regions": ["lux-east"]})),
        false => (503, json!({"title": "starting"})),
    })
    .await;
    let verdict = verdict(&operator, vec![ledger("LUX-0001", 1), ledger("LUX-0002", 1)]).await;
    assert!(!verdict.holds());
    let said = verdict.to_string();
    assert!(said.contains("region lux-east did not answer") && said.contains("LUX-0002: not looked at: "), "{said}");
}

#[tokio::test]
async fn a_vehicle_without_an_ack_may_be_unknown() {
    let operator = gateway(|_| (404, json!({"title": "no such vehicle"}))).await;
    assert!(verdict(&operator, vec![ledger("LUX-0001", 0)]).await.holds());
    assert!(!verdict(&operator, vec![ledger("LUX-0001", 1)]).await.holds());
}

#[tokio::test]
async fn a_cursor_that_leads_nowhere_is_not_followed_for_ever() {
    let operator = gateway(|_| (200, json!({"records": [], "next": "x", "missing_regions": []}))).await;
    let verdict = verdict(&operator, vec![ledger("LUX-0001", 1)]).await;
    assert!(verdict.unanswered[0].1.contains("leads to itself"));
}
