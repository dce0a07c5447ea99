//! The examples, run as their own words say.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
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
    let mut python = Command::new("python3");
    // Unbuffered, so that its words come as it says them.
    python.args(["-u", example, &gateway.vehicles_url, "PY-0001", "3"]);
    let mut vehicle = python.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut words = BufReader::new(vehicle.stdout.take().unwrap());
    let mut said = String::new();
    while !said.contains("attached") && words.read_line(&mut said).unwrap() > 0 {}
    let sent = gateway.ask(&["send", "PY-0001", "honk", "--ttl", "30s"]);
    words.read_to_string(&mut said).unwrap();
    let drove = vehicle.wait_with_output().unwrap();
    assert!(drove.status.success(), "{said}{}", String::from_utf8_lossy(&drove.stderr));
    assert!(sent.status.success(), "{}{said}", String::from_utf8_lossy(&sent.stderr));
    assert!(said.contains("command honk"), "a command without arguments: {said}");

    let vehicle = gateway.json(&["vehicle", "PY-0001"]);
    assert_eq!((&vehicle["state"], &vehicle["cause"]), (&"offline".into(), &"shutdown".into()));
    let history = gateway.json(&["history", "PY-0001"]);
    assert_eq!(history["records"].as_array().unwrap().len(), 3);
}
