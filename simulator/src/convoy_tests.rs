use super::*;
use serde_json::{Value, json};
use std::time::Instant;
use waygate_gateway::{Config, Gateway};

const PATIENCE: Duration = Duration::from_secs(20);

async fn said(convoy: &mut Convoy, order: Value) -> Value {
    serde_json::to_value(convoy.obey(&order.to_string()).await).unwrap()
}

#[tokio::test]
async fn what_is_no_order_is_answered_with_its_fault() {
    let mut convoy = Convoy::default();
    for (line, named) in [
        ("{", "no order"),
        (r#"{"do":"fly"}"#, "fly"),
        (r#"{"do":"attach","units":["V-1"]}"#, "no unit V-1"),
        (r#"{"do":"start","units":["a b"],"gateways":[],"report_ms":100}"#, "a b"),
    ] {
        let reply = serde_json::to_value(convoy.obey(line).await).unwrap();
        assert!(reply["fault"].as_str().unwrap().contains(named), "{line}: {reply}");
    }
}

#[tokio::test]
async fn a_unit_tells_its_session_and_its_records_are_judged() {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[node]\nid = \"one\"\nregion = \"here\"\ndata_dir = {:?}\n[vehicles]\nlisten = \"127.0.0.1:0\"\n\
         [operators]\nlisten = \"127.0.0.1:0\"\n",
        folder.path()
    );
    let gateway = Gateway::bind(Config::parse(&config).unwrap()).await.unwrap();
    let operator = format!("http://{}", gateway.addresses().operators);
    let url = format!("ws://{}/v1/obu", gateway.addresses().vehicles);
    let mut convoy = Convoy::default();
    let start = json!({"do": "start", "units": ["V-1", "V-2"], "gateways": [url], "report_ms": 50});
    assert_eq!(said(&mut convoy, start.clone()).await, json!({"done": true}));
    assert!(said(&mut convoy, start).await["fault"].is_string(), "a name is given once");
    let started = Instant::now();
    let sight = loop {
        let sight = said(&mut convoy, json!({"do": "sight"})).await;
        let units = sight["units"].as_array().unwrap();
        if units.iter().all(|unit| unit["state"] == "attached" && unit["recorded"].as_u64() > Some(3)) {
            break sight;
        }
        assert!(started.elapsed() < PATIENCE, "{sight:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let first = &sight["units"][0];
    assert_eq!((&first["vehicle"], &first["gateway"]), (&json!("V-1"), &json!(url)));
    let shown: Value = Operator::new(&operator, PATIENCE).ask("/v1/vehicles/V-1").await.unwrap();
    assert_eq!((&shown["session"], &shown["epoch"]), (&first["session"], &first["epoch"]), "{shown:#}");
    said(&mut convoy, json!({"do": "pause"})).await;
    while said(&mut convoy, json!({"do": "sight"})).await["units"][1]["unsettled"] != 0 {
        assert!(started.elapsed() < PATIENCE, "records are not acked");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let verdict = said(&mut convoy, json!({"do": "judge", "operator": operator})).await["verdict"].clone();
    assert!(verdict["acked"].as_u64() > Some(6) && verdict["kept"] == verdict["acked"], "{verdict:#}");
    assert_eq!((&verdict["lost"], &verdict["spoiled"], &verdict["unseen"]), (&json!(0), &json!(0), &json!(0)));
    gateway.shutdown().await;
}
