//! Live events as a reader sees them: transitions, positions, filters, coming back, falling behind, lost regions.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::json;
use std::collections::BTreeSet;
use support::cluster::{self, shutdown};
use support::events::{Event, Events};
use support::prefill::{Seen, prefill};
use support::{Running, Vehicle, config, eventually, record, start};
use waygate_gateway::{Config, Gateway};

fn is_presence(event: &Event, id: &str, state: &str) -> bool {
    event.name == "presence" && event.data["id"] == id && event.data["state"] == state
}

fn has_position_of(event: &Event, id: &str) -> bool {
    event.name == "positions" && event.data["positions"].as_array().unwrap().iter().any(|one| one["id"] == id)
}

#[tokio::test]
async fn a_reader_sees_every_transition_and_where_vehicles_are() {
    let west = start("west", "[timers]\nhold_s = 1\n").await;
    let mut events = Events::connect(west.operators(), "", None, None).await;
    let hello = events.next().await;
    assert_eq!(
        (hello.name.as_str(), &hello.data["gateway"], &hello.data["region"]),
        ("hello", &json!("west"), &json!("west"))
    );

    let (mut vehicle, accept) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
    let online = events.presence().await;
    assert_eq!(
        (&online.data["id"], &online.data["state"], &online.data["epoch"]),
        (&json!("LUX-1"), &json!("online"), &accept["epoch"])
    );
    assert!(online.id.is_some() && online.data.get("position").is_none(), "{online:?}");

    vehicle.telemetry(1, vec![record(2, 49.61, 6.13), record(1, 49.62, 6.14), record(3, 49.60, 6.12)]).await;
    let positions = events.until("position", |event| has_position_of(event, "LUX-1")).await;
    let one = &positions.data["positions"][0];
    assert_eq!(
        (&one["lat"], &one["lon"], &one["speed"]),
        (&json!(49.62), &json!(6.14), &json!(13.9)),
        "the latest alone"
    );
    assert!(one["t"].is_i64() && positions.id.is_none());

    drop(vehicle);
    let idle = events.presence().await;
    assert_eq!((&idle.data["id"], &idle.data["state"]), (&json!("LUX-1"), &json!("idle")), "after the hold");
    let (mut vehicle, _) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
    assert_eq!(events.presence().await.data["state"], "online");
    vehicle.send(json!({"type": "detach", "cause": "service"})).await;
    let offline = events.presence().await;
    assert_eq!((&offline.data["state"], &offline.data["cause"]), (&json!("offline"), &json!("service")));
    let regions =
        events.until("regions", |event| event.name == "regions" && event.data["totals"]["offline"] == 1).await;
    assert_eq!(regions.data["gateway"], "west");
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn a_resume_within_the_hold_is_seen_by_nobody() {
    let west = start("west", "").await;
    let (vehicle, accept) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
    let mut events = Events::open(west.operators(), "", None).await;
    drop(vehicle);
    let changes = json!({"kind": "resume", "token": accept["token"]});
    let (_resumed, again) = Vehicle::attach(west.vehicles(), "LUX-1", changes).await;
    assert_eq!(again["session"], accept["session"]);
    let (_other, _) = Vehicle::attach(west.vehicles(), "LUX-2", json!({})).await;
    assert_eq!(events.presence().await.data["id"], "LUX-2", "nothing was told of LUX-1");
    west.gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_leave_out_what_is_not_asked_for() {
    let (_, running) = cluster::start().await;
    let (west, east) = (&running[0], &running[2]);
    // Attached before anyone reads: their region is known without a transition.
    let at = |lat: f64| json!({"position": {"lat": lat, "lon": 6.1}});
    let (mut here, _) = Vehicle::attach(west.vehicles(), "LUX-W", at(49.5)).await;
    let (mut there, _) = Vehicle::attach(east.vehicles(), "LUX-E", at(48.5)).await;
    eventually(west.operators(), "/v1/vehicles?state=online", |list| list["total"] == 2).await;
    let address = west.operators();
    let mut one = Events::open(address, "?kind=positions&vehicle=LUX-E", None).await;
    let mut eastern = Events::open(address, "?kind=positions&region=east,north", None).await;
    let mut boxed = Events::open(address, "?kind=positions&bbox=6.0,49.0,6.2,50.0", None).await;
    let mut presence = Events::open(address, "?kind=presence&region=east", None).await;
    // Positions of other regions flow only while somebody looks, and begin within a moment.
    let driving = async {
        for seq in 1.. {
            here.telemetry(seq, vec![record(0, 49.5, 6.1)]).await;
            there.telemetry(seq, vec![record(0, 48.5, 6.1)]).await;
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let reading = async {
        for events in [&mut one, &mut eastern] {
            for _ in 0..2 {
                let positions = events.until("positions of LUX-E", |event| event.name == "positions").await;
                let ids: Vec<_> =
                    positions.data["positions"].as_array().unwrap().iter().map(|p| p["id"].clone()).collect();
                assert_eq!(ids, ["LUX-E"]);
            }
        }
        for _ in 0..2 {
            let inside = boxed.until("positions", |event| event.name == "positions").await;
            let ids: Vec<_> = inside.data["positions"].as_array().unwrap().iter().map(|p| p["id"].clone()).collect();
            assert_eq!(ids, ["LUX-W"]);
        }
    };
    tokio::select! {
        () = driving => {}
        () = reading => {}
    }
    here.send(json!({"type": "detach"})).await;
    eventually(address, "/v1/vehicles/LUX-W", |one| one["state"] == "offline").await;
    there.send(json!({"type": "detach"})).await;
    let first = presence.until("presence or positions", |event| event.name != "regions").await;
    assert!(is_presence(&first, "LUX-E", "offline"), "{first:?}");
    shutdown(running).await;
}

#[tokio::test]
async fn a_reader_that_comes_back_gets_each_event_it_missed_once_and_in_order() {
    let west = start("west", "").await;
    let mut events = Events::open(west.operators(), "", None).await;
    let (_first, _) = Vehicle::attach(west.vehicles(), "LUX-0", json!({})).await;
    let last = events.presence().await.id.unwrap();
    drop(events);
    let mut open = Vec::new();
    for at in 1..=5 {
        open.push(Vehicle::attach(west.vehicles(), &format!("LUX-{at}"), json!({})).await);
    }
    let mut again = Events::open(west.operators(), "", Some(&last)).await;
    let (_live, _) = Vehicle::attach(west.vehicles(), "LUX-6", json!({})).await;
    let mut ids = BTreeSet::new();
    for at in 1..=6 {
        let event = again.until("presence or missed", |event| event.name == "presence" || event.name == "missed").await;
        assert_eq!((event.name.as_str(), &event.data["id"]), ("presence", &json!(format!("LUX-{at}"))));
        assert!(ids.insert(event.id.unwrap()));
    }
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn a_reader_of_an_earlier_life_is_told_to_list_again() {
    let west = start("west", "").await;
    let mut events = Events::open(west.operators(), "", None).await;
    let (vehicle, _) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
    let last = events.presence().await.id.unwrap();
    drop((events, vehicle));
    let Running { gateway, dir } = west;
    gateway.shutdown().await;
    let config = config("west", dir.path(), "");
    let west = Running { gateway: Gateway::bind(Config::parse(&config).unwrap()).await.unwrap(), dir };
    for id in [last.as_str(), "nonsense", "1-999999", "18446744073709551616-1", ""] {
        let mut again = Events::open(west.operators(), "", Some(id)).await;
        let missed = again.next().await;
        assert_eq!(missed.name, "missed", "{id:?}: {missed:?}");
        assert!(missed.data["events"].as_u64() >= Some(1));
    }
    west.gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_read_is_told_how_much_it_missed() {
    const MOVES: usize = 15_000;
    let west = start("west", "").await;
    let mut slow = Events::connect(west.operators(), "?kind=presence", None, Some(4096)).await;
    let mut quick = Events::open(west.operators(), "?kind=presence", None).await;
    let (vehicle, _) = Vehicle::attach(west.vehicles(), "LUX-1", json!({})).await;
    quick.presence().await;
    // Every move to another tracking area is a presence event.
    let (mut sending, mut receiving) = futures_util::StreamExt::split(vehicle.socket);
    let moves = async {
        use futures_util::SinkExt;
        for at in 0..MOVES {
            let lat = if at % 2 == 0 { 52.5 } else { 48.5 };
            let update = json!({"type": "tracking_update", "position": {"lat": lat, "lon": 6.0}});
            let message = tokio_tungstenite::tungstenite::Message::text(update.to_string());
            sending.feed(message).await.unwrap();
        }
        sending
            .send(tokio_tungstenite::tungstenite::Message::text(json!({"type": "detach"}).to_string()))
            .await
            .unwrap();
    };
    let answers = async { while let Some(Ok(_)) = futures_util::StreamExt::next(&mut receiving).await {} };
    let watching = quick.until("the goodbye", |event| is_presence(event, "LUX-1", "offline"));
    tokio::join!(moves, answers, watching);
    let (mut told, mut missed) = (0, 0);
    loop {
        let event = slow.next().await;
        match event.name.as_str() {
            "missed" => missed += event.data["events"].as_u64().unwrap(),
            "presence" => told += 1,
            _ => {}
        }
        if is_presence(&event, "LUX-1", "offline") {
            break;
        }
    }
    assert!(missed > 0, "{told} of {MOVES} were kept for a reader that did not read");
    assert_eq!(told + missed, MOVES as u64 + 2, "what was told and what was missed is all there was");
    west.gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vehicles_of_a_lost_gateway_are_told_one_by_one_and_again_when_it_is_back() {
    const VEHICLES: usize = 200;
    let id = |at: usize| format!("LUX-{at:03}");
    let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
    prefill(dirs[1].path(), (0..VEHICLES).map(|at| Seen::idle(id(at), 49.5, 6.0))).await;
    let (ports, mut running) = cluster::start_over(dirs).await;
    let address = running[0].operators();
    for gateway in [address, running[2].operators()] {
        eventually(gateway, "/v1/vehicles?limit=1", |list| list["total"] == VEHICLES).await;
    }
    let mut events = Events::open(address, "", None).await;
    let mut away = Events::open(running[2].operators(), "", None).await;
    let (_own, _) = Vehicle::attach(running[2].vehicles(), "OTHER", json!({})).await;
    let last = away.until("a presence", |event| is_presence(event, "OTHER", "online")).await.id.unwrap();
    drop(away);

    let Running { gateway, dir } = running.remove(1);
    gateway.shutdown().await;
    let mut stale = BTreeSet::new();
    while stale.len() < VEHICLES {
        let event =
            events.until("a stale vehicle", |event| event.name == "presence" && event.data["state"] == "stale").await;
        assert_eq!((&event.data["last_known"], &event.data["stale_why"]), (&json!("idle"), &json!("owner_left")));
        stale.insert(event.data["id"].as_str().unwrap().to_owned());
    }
    events.until("regions", |event| event.name == "regions" && event.data["totals"]["stale"] == VEHICLES).await;

    // Nobody read at the third gateway meanwhile: what it did not keep it says.
    eventually(running[1].operators(), "/v1/vehicles?state=stale&limit=1", |list| list["total"] == VEHICLES).await;
    let mut again = Events::open(running[1].operators(), "", Some(&last)).await;
    // That the reader has gone may be noticed only after the gateway has said that it stops: then all are told once more.
    let said = |event: &Event| event.name == "presence" && event.data["state"] != "idle";
    let next = again.until("presence or missed", |event| said(event) || event.name == "missed").await;
    assert!(next.name == "missed" || next.data["state"] == "stale", "{next:?}");

    running.insert(1, cluster::start_one(1, &ports, dir).await);
    let mut back = BTreeSet::new();
    while back.len() < VEHICLES {
        let event =
            events.until("an idle vehicle", |event| event.name == "presence" && event.data["state"] == "idle").await;
        back.insert(event.data["id"].as_str().unwrap().to_owned());
    }
    shutdown(running).await;
}

#[tokio::test]
async fn streams_end_when_the_gateway_stops() {
    let west = start("west", "").await;
    let mut events = Events::open(west.operators(), "", None).await;
    let started = std::time::Instant::now();
    let ((), ()) = tokio::join!(west.gateway.shutdown(), async {
        events.ended().await;
    });
    assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
}
