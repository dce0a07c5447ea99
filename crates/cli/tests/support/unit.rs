//! A `waygate-obu` process: what it is told on standard input, and what it says.

use super::PATIENCE;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

pub struct Unit {
    child: Child,
    said: mpsc::Receiver<String>,
    _spool: tempfile::TempDir,
}

impl Drop for Unit {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Beside `waygate`: a run of all tests builds it, and if this package's tests run alone, this does.
fn program() -> PathBuf {
    let waygate = PathBuf::from(env!("CARGO_BIN_EXE_waygate"));
    let program = waygate.with_file_name("waygate-obu");
    if !program.exists() {
        let profile = if waygate.parent().unwrap().ends_with("release") { "release" } else { "dev" };
        let target_dir = waygate.parent().unwrap().parent().unwrap();
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--locked", "-p", "waygate-obu", "--profile", profile, "--target-dir"]).arg(target_dir);
        assert!(build.status().unwrap().success(), "cargo build -p waygate-obu");
    }
    program
}

impl Unit {
    /// A unit that attaches to this gateway.
    pub fn start(gateway: &str, vehicle: &str, more: &[&str]) -> Self {
        let spool = tempfile::tempdir().unwrap();
        let mut command = Command::new(program());
        command.args(["--gateway", gateway, "--vehicle", vehicle, "--spool"]).arg(spool.path()).args(more);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (say, said) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| say.send(line)));
        Self { child, said, _spool: spool }
    }

    /// A line on its standard input.
    pub fn tell(&mut self, line: &serde_json::Value) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits until it says something like this.
    pub fn says(&self, what: &str) {
        let mut all = Vec::new();
        while let Ok(line) = self.said.recv_timeout(PATIENCE) {
            all.push(line);
            if all.last().unwrap().contains(what) {
                return;
            }
        }
        panic!("the unit never says {what:?}: {all:#?}");
    }
}
