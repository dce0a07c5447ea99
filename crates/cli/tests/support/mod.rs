//! One gateway for a test, as its own process.

// Each test file uses a part of this.
#![allow(dead_code)]

pub mod cluster;
pub mod proxy;
pub mod unit;
pub mod vehicle;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A gateway process on ports of the system's choice; it ends with this value.
pub struct Gateway {
    child: Child,
    stdin: Option<ChildStdin>,
    pub operators_url: String,
    pub vehicles_url: String,
    _folder: tempfile::TempDir,
}

impl Gateway {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With these environment variables.
    pub fn start_with(variables: &[(&str, &str)]) -> Self {
        Self::start_as("", "ws", variables)
    }

    /// With more of a configuration; vehicles are told this scheme.
    pub fn start_as(more: &str, scheme: &str, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("gateway.toml");
        let data_dir = folder.path().join("data");
        let text = format!(
            "[node]\nid = \"one\"\nregion = \"here\"\ndata_dir = {data_dir:?}\n\
             [vehicles]\nlisten = \"127.0.0.1:0\"\n[operators]\nlisten = \"127.0.0.1:0\"\n{more}"
        );
        std::fs::write(&config, text).unwrap();
        let mut child = waygate(&["gateway", "--exit-with-stdin", "--config"])
            .arg(&config)
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let serving = Serving::read(&mut child);
        Self {
            stdin: child.stdin.take(),
            child,
            operators_url: format!("http://{}", serving.operators),
            vehicles_url: format!("{scheme}://{}/v1/obu", serving.vehicles),
            _folder: folder,
        }
    }

    /// Runs an operator's command against it.
    pub fn ask(&self, words: &[&str]) -> Output {
        waygate(words).args(["--url", &self.operators_url]).output().unwrap()
    }

    /// The answer as JSON, of a command that must succeed.
    pub fn json(&self, words: &[&str]) -> Value {
        let output = self.ask(&[words, &["--json"]].concat());
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub fn end_by_stdin(&mut self) -> std::process::ExitStatus {
        drop(self.stdin.take());
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "the gateway did not end with its standard input");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a gateway serves.
pub struct Serving {
    pub operators: SocketAddr,
    pub vehicles: SocketAddr,
}

impl Serving {
    /// Reads the log of a gateway's process, its standard error, until it serves.
    pub fn read(child: &mut Child) -> Self {
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut lines = String::new();
        let serving = loop {
            let at = lines.len();
            assert!(log.read_line(&mut lines).unwrap() > 0, "the gateway ended before it served:\n{lines}");
            let entry = serde_json::from_str::<Value>(&lines[at..]);
            let entry = entry.unwrap_or_else(|_| panic!("not a JSON log line: {}", &lines[at..]));
            if entry["message"] == "serving" {
                break entry;
            }
        };
        // The log is read on, so that the gateway never waits for its reader.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        let address = |key: &str| serving[key].as_str().unwrap().parse().unwrap();
        Self { operators: address("operators"), vehicles: address("vehicles") }
    }
}

/// The binary, without what the surroundings say.
pub fn waygate(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waygate"));
    command.args(words).env_remove("WAYGATE_URL").env_remove("WAYGATE_LOG").stdin(Stdio::null());
    command
}
