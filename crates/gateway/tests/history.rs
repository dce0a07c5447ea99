//! One vehicle's history over three gateways: as lines, while one of them ends, stands still, or is not listened to.
#![allow(clippy::unwrap_used)]

mod support;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use support::cluster::{alive, shutdown, start_over, start_with};
use support::{PATIENCE, Vehicle, eventually, get_text, now_ms, record, request};
use tempfile::TempDir;
use tokio::net::TcpStream;
use waygate_core::epoch::Epoch;
use waygate_core::id::{SessionId, SpoolId, VehicleId};
use waygate_core::ranges::SeqRanges;
use waygate_core::record::{Lane, Record, SignalPath, SignalValue, Telemetry};
use waygate_core::time::{Millis, Wall};
use waygate_gateway::operators::history::EXPORTS_MAX;
use waygate_store::{Batch, OpenOptions, PresenceRecord, Store, Write};
use waygate_wire::encode_columns;

const PATH: &str = "/v1/vehicles/LUX-1/telemetry";

/// Records of a batch.
const BATCH: u64 = 50;

/// Writes records of a spool to the store of a gateway that does not run, one a second, each with a text of so many bytes.
async fn fill(dir: &Path, spool: u64, seqs: std::ops::Range<u64>, text_bytes: usize) {
    let (mut writer, reader) = Store::open(&dir.join("waygate.db"), OpenOptions::default()).await.unwrap();
    let vehicle = VehicleId::new("LUX-1").unwrap();
    let began = now_ms() - 100_000_000;
    let presence = PresenceRecord {
        vehicle: vehicle.clone(),
        epoch: Epoch(1),
        session: SessionId(1),
        state: 2,
        cause: 0,
        cell: None,
        contact: Wall(now_ms()),
        spool: Some(SpoolId(spool)),
        sleep: Millis(0),
        wake: 0,
        flags: 0,
    };
    writer.commit(vec![Write::Attach { presence, spool: SpoolId(spool) }]).await.unwrap();
    let path = SignalPath::new("Vehicle.Note").unwrap();
    let batch = |first: u64| {
        let at = |seq: u64| Wall(began - began % 1000 + seq as i64 * 1000);
        let signal = |seq: u64| (path.clone(), SignalValue::Text(format!("{seq:0text_bytes$}")));
        let record = |seq: u64| Record { t: at(seq), fix: None, signals: vec![signal(seq)] };
        let last = first + BATCH - 1;
        Batch {
            vehicle: vehicle.clone(),
            epoch: Epoch(1),
            spool: SpoolId(spool),
            first_seq: first,
            last_seq: last,
            settled: SeqRanges::from_iter([(first, last)]),
            received: at(last),
            t_min: at(first),
            t_max: at(last),
            count: BATCH as u32,
            columns: encode_columns(&Telemetry {
                first_seq: first,
                lane: Lane::Live,
                records: (first..=last).map(record).collect(),
            }),
            latest: None,
            latest_signals: Vec::new(),
        }
    };
    let firsts: Vec<_> = seqs.step_by(BATCH as usize).collect();
    for some in firsts.chunks(20) {
        writer.commit(some.iter().map(|first| Write::Batch(batch(*first))).collect()).await.unwrap();
    }
    reader.close().await;
    writer.close().await.unwrap();
}

fn dirs() -> [TempDir; 3] {
    [(); 3].map(|()| tempfile::tempdir().unwrap())
}

/// Lines as they come.
struct Lines {
    body: Incoming,
    read: Vec<u8>,
    driver: tokio::task::JoinHandle<()>,
}

impl Lines {
    async fn ask(address: SocketAddr, query: &str) -> Self {
        let io = hyper_util::rt::TokioIo::new(TcpStream::connect(address).await.unwrap());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        let driver = tokio::spawn(async move { drop(connection.await) });
        let uri = format!("{PATH}?format=ndjson{query}");
        let request = http::Request::builder().uri(uri).header("host", address.to_string());
        let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (200, &"application/x-ndjson".parse().unwrap())
        );
        Self { body: response.into_body(), read: Vec::new(), driver }
    }

    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(at) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=at).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await.expect("in time")?;
            self.read.extend_from_slice(frame.unwrap().data_ref().unwrap());
        }
    }

    /// The numbers of all records that are left, and the last line.
    async fn rest(mut self) -> (Vec<u64>, Value) {
        let mut seqs = Vec::new();
        while let Some(line) = self.next().await {
            match line.get("end") {
                Some(end) => {
                    let end = end.clone();
                    assert_eq!(self.next().await, None, "it is the last line");
                    return (seqs, end);
                }
                None => seqs.push(line["seq"].as_str().unwrap().parse().unwrap()),
            }
        }
        panic!("there is no last line after {} records", seqs.len());
    }
}

#[tokio::test]
async fn a_history_over_three_gateways_comes_as_lines_in_order_each_record_once_and_little_is_held() {
    let dirs = dirs();
    fill(dirs[0].path(), 42, 1..4001, 100).await;
    fill(dirs[1].path(), 42, 2001..6001, 100).await;
    fill(dirs[2].path(), 42, 6001..8001, 100).await;
    let (_, running) = start_over(dirs).await;
    let (seqs, end) = Lines::ask(running[2].operators(), "").await.rest().await;
    assert_eq!((&end["records"], &end["complete"], &end["next"]), (&json!(8000), &json!(true), &Value::Null), "{end}");
    assert_eq!(seqs, (1..=8000).collect::<Vec<_>>());
    assert_eq!((&end["missing_regions"], &end["missing"]), (&json!([]), &json!([])));
    // All of it would be more than two megabytes; what is held is a few batches of each.
    let held = end["held_bytes_peak"].as_u64().unwrap();
    assert!((10_000..200_000).contains(&held), "{held} bytes were held");
    let (seqs, end) = Lines::ask(running[0].operators(), "&limit=10").await.rest().await;
    assert_eq!(seqs, (1..=10).collect::<Vec<_>>());
    let cursor = end["next"].as_str().unwrap();
    let (seqs, _) = Lines::ask(running[1].operators(), &format!("&limit=3&cursor={cursor}")).await.rest().await;
    assert_eq!(seqs, [11, 12, 13], "any gateway goes on from there");
    shutdown(running).await;
}

#[tokio::test]
async fn a_gateway_that_ends_in_mid_stream_is_named_and_the_others_records_come() {
    let dirs = dirs();
    // More than what lies on the way between two gateways and an asker who does not read.
    fill(dirs[0].path(), 42, 1..15_001, 1000).await;
    fill(dirs[1].path(), 43, 1..15_001, 1000).await;
    let (_, mut running) = start_over(dirs).await;
    let mut lines = Lines::ask(running[0].operators(), "").await;
    lines.next().await.unwrap();
    let centre = running.remove(1);
    centre.gateway.shutdown().await;
    let (seqs, end) = lines.rest().await;
    assert_eq!(end["missing_regions"], json!(["centre"]), "{end}");
    assert_eq!((&end["missing"][0]["gateway"], &end["complete"]), (&json!("centre-1"), &json!(false)));
    assert_eq!(end["records"].as_u64().unwrap(), seqs.len() as u64 + 1);
    assert!((15_000..29_000).contains(&seqs.len()), "{} records", seqs.len());
    assert_eq!(seqs.iter().filter(|seq| **seq == 15_000).count(), 1, "all of this gateway's own came");
    shutdown(running).await;
}

#[tokio::test]
async fn who_hangs_up_ends_the_streams_of_all_peers() {
    let dirs = dirs();
    fill(dirs[1].path(), 43, 1..20_001, 1000).await;
    let (_, running) = start_over(dirs).await;
    let gauge = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        line.and_then(|line| line.rsplit(' ').next().and_then(|n| n.parse::<f64>().ok())).unwrap_or_default()
    };
    let under_way = || async {
        let (_, text) = get_text(running[0].operators(), "/metrics").await;
        (gauge(&text, "waygate_histories_asked"), gauge(&text, "waygate_histories_given"))
    };
    let mut lines = Lines::ask(running[0].operators(), "").await;
    lines.next().await.unwrap();
    // Other tests of this process ask, too.
    let (asked, given) = under_way().await;
    assert!(asked >= 1.0 && given >= 1.0, "{asked} asked, {given} given");
    lines.driver.abort();
    drop(lines);
    let started = Instant::now();
    while under_way().await != (0.0, 0.0) {
        assert!(started.elapsed() < PATIENCE, "{:?}", under_way().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    shutdown(running).await;
}

#[tokio::test]
async fn exports_have_their_places_and_keep_nobody_from_a_page() {
    let dirs = dirs();
    // More than what lies on the way to an asker who does not read.
    fill(dirs[0].path(), 42, 1..15_001, 1000).await;
    let (_, running) = start_over(dirs).await;
    let mut exports = Vec::new();
    for _ in 0..EXPORTS_MAX {
        exports.push(Lines::ask(running[0].operators(), "").await);
    }
    let refused = request(running[0].operators(), "GET", &format!("{PATH}?format=ndjson"), &[]).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "5"), "{}", refused.body);
    assert!(refused.body.contains("as many histories as it may"), "{}", refused.body);
    let (status, page) = running[0].get(&format!("{PATH}?limit=1")).await;
    assert_eq!((status, page["records"].as_array().unwrap().len()), (200, 1), "{page}");
    drop(exports);
    let started = Instant::now();
    while request(running[0].operators(), "GET", &format!("{PATH}?format=ndjson&limit=1"), &[]).await.status != 200 {
        assert!(started.elapsed() < PATIENCE, "who has hung up holds a place still");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    shutdown(running).await;
}

#[tokio::test]
async fn a_gateway_that_takes_the_question_and_never_answers_costs_the_deadline() {
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("url = \"http://{}\"", deaf.local_addr().unwrap());
    let (_, running) = start_with(|toml| match toml.contains("id = \"centre-1\"") {
        true => toml.replace("[operators]\n", &format!("[operators]\n{url}\n")),
        false => toml,
    })
    .await;
    eventually(running[0].operators(), "/v1/regions", |answer| alive(answer) == 3).await;
    let (mut vehicle, _) = Vehicle::attach(running[2].vehicles(), "LUX-1", json!({})).await;
    vehicle.telemetry(1, vec![record(2, 49.61, 6.13), record(1, 49.62, 6.14)]).await;
    let asked = Instant::now();
    let (_, page) = running[0].get(&format!("{PATH}?deadline_s=1")).await;
    let took = asked.elapsed();
    assert_eq!(
        (page["records"].as_array().unwrap().len(), &page["missing_regions"]),
        (2, &json!(["centre"])),
        "{page}"
    );
    assert!((Duration::from_secs(1)..Duration::from_secs(3)).contains(&took), "it took {took:?}");
    let (seqs, end) = Lines::ask(running[0].operators(), "&deadline_s=1").await.rest().await;
    assert_eq!(seqs, [1, 2]);
    assert_eq!(end["missing"][0]["why"], "it kept the answer waiting for more than 1 s");
    shutdown(running).await;
}

#[tokio::test]
async fn a_form_and_a_deadline_that_are_none_are_refused() {
    let running = support::start("west", "").await;
    for (query, parameter) in
        [("format=xml", "format"), ("deadline_s=0", "deadline_s"), ("deadline_s=soon", "deadline_s")]
    {
        let (status, problem) = running.get(&format!("{PATH}?{query}")).await;
        assert_eq!((status, &problem["parameter"]), (400, &json!(parameter)), "{problem}");
    }
    running.gateway.shutdown().await;
}
