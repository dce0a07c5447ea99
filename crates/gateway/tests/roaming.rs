//! A vehicle that goes back and forth between gateways; in a process of its own, as it looks at counters.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use support::cluster::{shutdown, start as cluster, stored};
use support::rover::Rover;
use support::sentry::Sentry;
use support::{Running, eventually};

async fn known_everywhere(running: &[Running], id: &str) {
    for gateway in running {
        eventually(gateway.operators(), &format!("/v1/vehicles/{id}"), |one| one["state"] == "online").await;
    }
}

/// What became of the questions that gateways ask each other at handovers.
async fn handovers(gateway: &Running) -> BTreeMap<String, u64> {
    let (_, metrics) = support::get_text(gateway.operators(), "/metrics").await;
    let told =
        metrics.lines().filter_map(|line| line.strip_prefix("waygate_handovers_total{context=\"")?.split_once("\"} "));
    told.map(|(how, count)| (how.to_owned(), count.parse().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vehicle_that_hands_over_back_and_forth_is_online_for_all_and_stored_once() {
    let (_, running) = cluster().await;
    let mut rover = Rover::start(running[0].vehicles(), "LUX-1").await;
    known_everywhere(&running, "LUX-1").await;
    let mut sentries = Vec::new();
    for gateway in &running {
        sentries.push(Sentry::post(gateway.operators(), &["LUX-1".to_owned()]).await);
    }
    for at in (0..20).map(|n| [1, 0, 2, 1, 2, 0][n % 6]) {
        // On their way, or stored and not acked yet, when it moves.
        for _ in 0..5 {
            rover.record().await;
        }
        rover.hand_over(running[at].vehicles()).await;
    }
    rover.settle().await;
    for gateway in &running {
        eventually(gateway.operators(), "/v1/vehicles/LUX-1", |one| one["gateway"] == "west-1").await;
    }
    for sentry in sentries {
        assert!(sentry.looks() > 20, "it looked {} times", sentry.looks());
        assert_eq!(sentry.relieve().await, Vec::<String>::new());
    }
    let (stored, handovers) = (stored(&running).await, handovers(&running[0]).await);
    assert_eq!(rover.made(), 100);
    // Without an answer in time what the vehicle knows of no ack may be on two disks; it is shown once all the same.
    let unanswered = handovers.get("unanswered").copied().unwrap_or_default();
    assert!((100..=100 * (1 + unanswered)).contains(&stored), "{stored} stored, {handovers:?}");
    let records = running[1].get("/v1/vehicles/LUX-1/telemetry?limit=1000").await.1;
    assert_eq!(records["records"].as_array().map(Vec::len), Some(100), "each once");
    shutdown(running).await;
}
