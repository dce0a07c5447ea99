//! A session whose gateway waits for what others have stored, while its disk takes nothing: the presence task and the journal
//! are played by hand.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::json;
use std::sync::Arc;
use support::{Vehicle, attach_request};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use waygate_core::admission::Settings;
use waygate_core::epoch::Epoch;
use waygate_core::id::{RegionId, SessionId};
use waygate_core::ranges::SeqRanges;
use waygate_core::redirect::Territory;
use waygate_core::region_map::RegionMap;
use waygate_core::session::Accepted;
use waygate_core::time::Millis;
use waygate_core::timers::Timers;
use waygate_gateway::admission::Gate;
use waygate_gateway::clock::Clock;
use waygate_gateway::commands::Desk;
use waygate_gateway::config::IdentityConfig;
use waygate_gateway::mailbox::Letter;
use waygate_gateway::presence::{Command, Presence};
use waygate_gateway::tasks::Tasks;
use waygate_gateway::tls::Revocations;
use waygate_gateway::vehicles::Edge;
use waygate_gateway::vehicles::identity::Identities;
use waygate_gateway::vehicles::listener::Listener;
use waygate_gateway::vehicles::refusals::Refusals;

#[tokio::test]
async fn a_wait_for_other_gateways_that_runs_out_ends_and_the_socket_is_read_on() {
    let clock = Clock::start();
    let (commands, mut presence) = mpsc::channel(16);
    let (journal, _jobs) = mpsc::channel(16);
    let (_sender, neighbours) = watch::channel(Vec::new());
    let settings = Settings { wait_max: Millis(2000), queue_max: 16, per_second_max: None };
    let edge = Edge {
        clock,
        presence: Presence::new(commands),
        desk: Desk::new().0,
        journal,
        timers: Timers::default(),
        territory: Arc::new(Territory::new(RegionId::new("east").unwrap(), RegionMap::default())),
        neighbours,
        pressure: Gate::new(settings, clock.now()).pressure(),
        identities: Identities::read(&IdentityConfig::default(), false, &Revocations::default()).unwrap(),
        enrolment: None,
        refusals: Arc::new(Refusals::new(clock)),
        wake_key: None,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, tasks) = (listener.local_addr().unwrap(), Tasks::default());
    tasks.spawn("vehicles", Listener::new(Arc::new(edge), tasks.clone(), None, 16, 16).run(listener));

    let mut vehicle = Vehicle::connect(address, "LUX-1").await;
    vehicle.send(attach_request("LUX-1", json!({}))).await;
    let Some(Command::Attach(mailbox, request)) = presence.recv().await else { panic!("no attach") };
    let accepted = Accepted {
        vehicle: request.vehicle,
        epoch: Epoch(5),
        session: SessionId(6),
        spool: request.spool,
        settled: SeqRanges::new(),
        cell: None,
        centre: None,
        gathers: true,
    };
    mailbox.put(Letter::Accept(Box::new(accepted), Vec::new()));
    assert_eq!(vehicle.receive().await["type"], "attach_accept");

    // Nothing is told of the other gateways. The first message waits for that, and the second is behind it.
    for sent in ["1", "2"] {
        vehicle.send(json!({"type": "time_request", "sent": sent})).await;
    }
    for sent in ["1", "2"] {
        let reply = vehicle.receive().await;
        assert_eq!((&reply["type"], &reply["sent"]), (&json!("time_reply"), &json!(sent)), "{reply}");
    }

    // What is noted later is told later.
    mailbox.put(Letter::Gathered(SeqRanges::from_iter([(1, 5)])));
    let ack = vehicle.receive().await;
    assert_eq!((&ack["type"], &ack["through"]), (&json!("telemetry_ack"), &json!("5")), "{ack}");
    drop(vehicle);
    tasks.stop();
    assert_eq!(tasks.ended(support::PATIENCE).await, 0);
}
