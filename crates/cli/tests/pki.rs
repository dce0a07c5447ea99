//! `waygate pki`, and gateways that live by what it makes.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;
use support::{PATIENCE, waygate};

/// Runs `waygate pki` over a folder.
fn pki(dir: &Path, words: &[&str]) -> Output {
    waygate(&["pki"]).args(words).arg("--dir").arg(dir).env_remove("WAYGATE_PKI").output().unwrap()
}

fn done(dir: &Path, words: &[&str]) -> String {
    let output = pki(dir, words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The exit code and the complaint of what does not work.
fn refused(dir: &Path, words: &[&str]) -> (i32, String) {
    let output = pki(dir, words);
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_ca_is_made_once_and_its_keys_are_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("pki");
    let said = done(&dir, &["init"]);
    for file in ["ca.pem", "ca.key", "crl.pem"] {
        assert!(said.contains(dir.join(file).to_str().unwrap()), "{said}");
    }
    done(&dir, &["issue", "node", "west", "west-1"]);
    for key in ["ca.key", "nodes/west/west-1.key"] {
        assert_eq!(std::fs::metadata(dir.join(key)).unwrap().permissions().mode() & 0o777, 0o600, "{key}");
    }
    let before = std::fs::read(dir.join("ca.key")).unwrap();
    let (code, complaint) = refused(&dir, &["init"]);
    assert!(code == 2 && complaint.contains("is there already"), "{code} {complaint}");
    assert_eq!(std::fs::read(dir.join("ca.key")).unwrap(), before);
    let (code, complaint) = refused(&dir, &["issue", "node", "west", "west-1"]);
    assert!(code == 2 && complaint.contains("waygate pki renew"), "{code} {complaint}");
}

#[test]
fn what_cannot_be_done_is_said_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("pki");
    let (code, complaint) = refused(&dir, &["issue", "node", "west", "west-1"]);
    assert!(code == 2 && complaint.contains("`waygate pki init` makes a CA"), "{complaint}");
    done(&dir, &["init"]);
    for words in
        [["issue", "node", "we st", "one"], ["issue", "vehicle", "vans", "a/b"], ["issue", "node", "..", "one"]]
    {
        let (code, complaint) = refused(&dir, &words);
        assert!(code == 2, "{words:?}: {complaint}");
    }
    let (code, complaint) = refused(&dir, &["revoke", "urn:waygate:vehicle:vans:LUX-1"]);
    assert!(code == 1 && complaint.contains("has issued nothing to"), "{complaint}");
    let other = folder.path().join("other");
    done(&other, &["init"]);
    done(&other, &["issue", "vehicle", "vans", "LUX-1"]);
    let foreign = other.join("vehicles/vans/LUX-1.pem");
    let (code, complaint) = refused(&dir, &["revoke", foreign.to_str().unwrap()]);
    assert!(code == 2 && complaint.contains("was not issued by"), "{complaint}");
    let (code, complaint) = refused(&dir, &["revoke", dir.join("ca.key").to_str().unwrap()]);
    assert!(code == 2 && complaint.contains("no certificate"), "{complaint}");
}

#[test]
fn a_list_grows_and_its_number_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("pki");
    done(&dir, &["init"]);
    done(&dir, &["issue", "vehicle", "vans", "LUX-1"]);
    done(&dir, &["issue", "vehicle", "vans", "LUX-2"]);
    let first = dir.join("vehicles/vans/LUX-1.pem");
    // Two certificates of one name, the older one's file is gone.
    let before = std::fs::read(&first).unwrap();
    done(&dir, &["renew", first.to_str().unwrap()]);
    assert_ne!(std::fs::read(&first).unwrap(), before);
    let said = done(&dir, &["revoke", "urn:waygate:vehicle:vans:LUX-1"]);
    assert!(said.contains("2 more revoked, list number 2"), "{said}");
    assert_eq!(done(&dir, &["revoke", first.to_str().unwrap()]), "", "it is on the list already");
    let said = done(&dir, &["revoke", dir.join("vehicles/vans/LUX-2.pem").to_str().unwrap()]);
    assert!(said.contains("1 more revoked, list number 3"), "{said}");
}

/// A gateway's process whose log is read.
struct Process {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    fn start(dir: &Path, name: &str, port: u16, seed: u16, extra: &str) -> Self {
        let config = dir.join(format!("{name}.toml"));
        let text = format!(
            "[node]\nid = \"{name}-1\"\nregion = \"{name}\"\ndata_dir = {data:?}\n[vehicles]\nlisten = \"127.0.0.1:0\"\n\
             [operators]\nlisten = \"127.0.0.1:{port}\"\n[peers]\nseeds = [\"https://127.0.0.1:{seed}\"]\n\
             [tls]\ncert = \"pki/nodes/{name}/{name}-1.pem\"\nkey = \"pki/nodes/{name}/{name}-1.key\"\nca = \"pki/ca.pem\"\n{extra}",
            data = dir.join(format!("{name}-data")),
        );
        std::fs::write(&config, text).unwrap();
        let mut child = waygate(&["gateway", "--config"]).arg(&config).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || log.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines, seen: Vec::new() }
    }

    /// Waits for a line of the log that has all of these and that nothing has waited for yet: lines of two tasks come
    /// in any order.
    fn says(&mut self, words: &[&str]) {
        let started = Instant::now();
        if let Some(at) = self.seen.iter().position(|line| words.iter().all(|word| line.contains(word))) {
            self.seen.remove(at);
            return;
        }
        loop {
            let left = PATIENCE.saturating_sub(started.elapsed());
            let line = self.lines.recv_timeout(left);
            let line = line.unwrap_or_else(|_| panic!("nothing of {words:?} in:\n{}", self.seen.join("\n")));
            if words.iter().all(|word| line.contains(word)) {
                return;
            }
            self.seen.push(line);
        }
    }
}

fn ask(dir: &Path, port: u16, words: &[&str]) -> Output {
    let url = format!("https://localhost:{port}");
    waygate(words).args(["--url", &url, "--ca"]).arg(dir.join("pki/ca.pem")).output().unwrap()
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn gateways_live_by_what_the_tool_makes_and_say_clearly_whom_they_refuse() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let pki_dir = dir.join("pki");
    done(&pki_dir, &["init"]);
    for name in ["west", "east", "south"] {
        done(&pki_dir, &["issue", "node", name, &format!("{name}-1")]);
    }
    let (west_port, east_port, south_port) = (free_port(), free_port(), free_port());
    let listed =
        "crl = \"pki/crl.pem\"\n[cluster]\nnodes = [\"urn:waygate:node:west:*\", \"urn:waygate:node:east:east-1\"]\n";
    let mut west = Process::start(dir, "west", west_port, east_port, listed);
    let mut east = Process::start(dir, "east", east_port, west_port, "");
    west.says(&["a member", "east-1"]);
    let started = Instant::now();
    while String::from_utf8(ask(dir, west_port, &["regions"]).stdout).unwrap().matches("alive").count() < 2 {
        assert!(started.elapsed() < PATIENCE, "{:?}", ask(dir, west_port, &["regions"]));
    }
    let untrusting = waygate(&["regions", "--url", &format!("https://localhost:{west_port}")]).output().unwrap();
    let complaint = String::from_utf8(untrusting.stderr).unwrap();
    assert!(untrusting.status.code() == Some(3) && complaint.contains("--ca"), "{complaint}");

    let _south = Process::start(dir, "south", south_port, west_port, "");
    west.says(&["a call of peers was refused", "urn:waygate:node:south:south-1", "[cluster] nodes"]);

    // A renewed certificate is taken up at once, a revoked one is cut.
    let east_cert = pki_dir.join("nodes/east/east-1.pem");
    let old = dir.join("old.pem");
    std::fs::copy(&east_cert, &old).unwrap();
    let pid = rustix::process::Pid::from_child(&east.child);
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    east.says(&["SIGHUP"]);
    done(&pki_dir, &["renew", east_cert.to_str().unwrap()]);
    east.says(&["new certificates are in use"]);
    done(&pki_dir, &["revoke", old.to_str().unwrap()]);
    west.says(&["a newer revocation list is in force", r#""number":"02""#]);
    west.says(&["cut: its certificate has been revoked", "urn:waygate:node:east:east-1"]);
    // With its new one it comes back.
    let started = Instant::now();
    while String::from_utf8(ask(dir, west_port, &["regions"]).stdout).unwrap().matches("alive").count() < 2 {
        assert!(started.elapsed() < PATIENCE, "{:?}", ask(dir, west_port, &["regions"]));
    }
}
