//! Units that sleep are woken: gateways, units and a broker as processes, and a web server that is posted to.
#![allow(clippy::unwrap_used)]

#[path = "../../gateway/tests/support/hooks.rs"]
#[allow(dead_code)]
mod hooks;
mod support;

use hooks::{Mosquitto, Webhook};
use serde_json::{Value, json};
use support::PATIENCE;
use support::cluster::{Node, start};
use support::unit::Unit;

/// The unit sleeps, and everyone sees for how long.
async fn sleeps(nodes: &[Node], unit: &mut Unit, vehicle: &str, way: &str) {
    nodes[1].shows(vehicle, "online", "west").await;
    unit.tell(&json!({"suspend": {"active_s": 1, "sleep_s": 600}}));
    unit.says("asleep for");
    for node in nodes {
        let seen = node.shows(vehicle, "asleep", "west").await;
        assert_eq!(seen["wake"], json!([way]), "{seen}");
        assert!((580.0..=605.0).contains(&seen["update_expected_in_s"].as_f64().unwrap()), "{seen}");
    }
}

fn woken(answer: &(u16, Value)) {
    let (status, page) = answer;
    assert_eq!((*status, &page["outcome"], &page["gateway"]), (200, &json!("woken"), &json!("west")), "{page}");
    assert!(page["took_s"].as_f64().unwrap() > 0.0, "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sleeping_unit_is_woken_by_a_broker_or_a_short_message_from_any_gateway_and_does_its_command() {
    let Some(broker) = Mosquitto::start().await else { return };
    let mut hook = Webhook::ready().await;
    let more = format!(
        "[wake]\nwebhook = \"http://{}/wake\"\nmqtt = {{ broker = \"mqtt://127.0.0.1:{}\" }}\n\
         [cluster]\nwake_key = \"{}\"\n",
        hook.address,
        broker.port,
        "a7".repeat(32)
    );
    let nodes = start(&["west", "east"], &more).await;
    let url = nodes[0].vehicles_url.as_str();

    let address = format!("mqtt://127.0.0.1:{}", broker.port);
    let way = ["--exec", "true", "--wake-mqtt", &address, "--wake-topic", "waygate/LUX-1/wake"];
    let mut unit = Unit::start(url, "LUX-1", &way);
    sleeps(&nodes, &mut unit, "LUX-1", "mqtt").await;
    woken(&nodes[1].post("/v1/vehicles/LUX-1/page", json!({})).await);
    unit.says("woken up");
    nodes[1].shows("LUX-1", "online", "west").await;
    let (_, page) = nodes[1].post("/v1/vehicles/LUX-1/page", json!({})).await;
    assert_eq!(page["outcome"], "reachable", "{page}");

    // Nobody pages it: the command does.
    sleeps(&nodes, &mut unit, "LUX-1", "mqtt").await;
    let order = json!({"name": "doors.lock", "ttl_s": 60, "policy": "queue"});
    let (status, command) = nodes[1].post("/v1/vehicles/LUX-1/commands", order).await;
    assert_eq!(status, 201, "{command}");
    let path = format!("/v1/commands/{}", command["id"].as_str().unwrap());
    let done = nodes[1].eventually(&path, |command| command["ended"] == true).await;
    assert_eq!(done["state"], "succeeded", "{done}");
    let steps: Vec<&str> = done["steps"].as_array().unwrap().iter().filter_map(|s| s["state"].as_str()).collect();
    assert!(steps.contains(&"paging") && steps.contains(&"running"), "{done}");

    let mut unit = Unit::start(url, "LUX-2", &["--wake-sms"]);
    sleeps(&nodes, &mut unit, "LUX-2", "sms").await;
    let paged = nodes[1].post("/v1/vehicles/LUX-2/page", json!({}));
    let carried = async {
        let post = hook.next().await;
        assert_eq!((&post["vehicle"], &post["reason"]), (&json!("LUX-2"), &json!("page")), "{post}");
        unit.tell(&json!({"wake_up": "WG1.LUX-2.AAAA.AAAA"}));
        unit.says("a wake-up is ignored");
        unit.tell(&json!({"wake_up": post["payload"]}));
        unit.says("woken up");
    };
    let (page, ()) = tokio::join!(paged, carried);
    woken(&page);
    nodes[1].shows("LUX-2", "online", "west").await;
}
