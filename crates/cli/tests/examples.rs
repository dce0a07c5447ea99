//! The examples, run as their own words say.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::Write;
use std::process::{Command, Stdio};

use support::Gateway;

#[test]
fn the_python_vehicle_attaches_and_every_position_it_sends_is_kept() {
    let imports = Command::new("python3").args(["-c", "import websockets"]).stderr(Stdio::null()).status();
    if !imports.is_ok_and(|status| status.success()) {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: python3 with the package `websockets` is not here; `cargo xtask test` brings it"
        );
        return;
    }
    let gateway = Gateway::start();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/vehicle.py");
    let drove = Command::new("python3").args([example, &gateway.vehicles_url, "PY-0001", "3"]).output().unwrap();
    assert!(drove.status.success(), "{}", String::from_utf8_lossy(&drove.stderr));

    let vehicle = gateway.json(&["vehicle", "PY-0001"]);
    assert_eq!((&vehicle["state"], &vehicle["cause"]), (&"offline".into(), &"shutdown".into()));
    let history = gateway.json(&["history", "PY-0001"]);
    assert_eq!(history["records"].as_array().unwrap().len(), 3);
}
