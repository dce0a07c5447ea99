//! `waygate-obu` as it is run: what it says and how it exits.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Runs it to its end with these lines on standard input.
fn run(arguments: &[&str], lines: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waygate-obu"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that refuses its arguments does not read them.
    let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn what_no_gateway_took_stays_in_the_spool_and_the_next_run_says_so() {
    let spool = tempfile::tempdir().unwrap();
    // Nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let gateway = format!("ws://127.0.0.1:{port}/v1/obu");
    let spool = spool.path().to_str().unwrap();
    let arguments = ["--gateway", &gateway, "--vehicle", "LUX-1", "--spool", spool, "--linger", "0"];
    for (lines, held) in
        [("{\"lat\":49.6,\"lon\":6.1}\nhello\n", None), ("", Some("holds 1 records of an earlier run"))]
    {
        let output = run(&arguments, lines);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("stopped without a session"), "{said}");
        assert!(held.is_none_or(|held| said.contains(held)), "{said}");
        assert!(held.is_some() || said.contains("line 2: the frame cannot be read"), "{said}");
    }
}

#[test]
fn a_wrong_argument_is_named_and_exits_2() {
    let arguments =
        ["--gateway", "ws://127.0.0.1:1/v1/obu", "--vehicle", "LUX-1", "--spool", "s", "--wake-mqtt", "mqtt://h"];
    let output = run(&arguments, "");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--wake-topic"), "{said}");
}
