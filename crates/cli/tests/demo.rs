//! The demo as a user meets it: the real program, three gateways of it, real vehicles.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// Longer than any of these takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A demo and what it says.
struct Demo {
    child: Child,
    out: BufReader<ChildStdout>,
    said: String,
    folder: tempfile::TempDir,
}

impl Demo {
    /// Starts a demo on ports that are free, with data in a folder of its own.
    fn start(args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let first = six_free_ports();
        let mut child = Command::new(env!("CARGO_BIN_EXE_waygate"))
            .arg("demo")
            .args(["--vehicle-ports", &first.to_string(), "--operator-ports", &(first + 3).to_string()])
            .args(args)
            .env("TMPDIR", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out, said: String::new(), folder }
    }

    /// Reads until a line holds `words`; fails with all that was said if none does.
    fn until(&mut self, words: &str) -> String {
        let begun = Instant::now();
        loop {
            let from = self.said.len();
            let n = self.out.read_line(&mut self.said).unwrap();
            let line = self.said[from..].trim().to_owned();
            if line.contains(words) {
                return line;
            }
            if n == 0 {
                let complaints = self.complaints();
                panic!("it ended without {words:?}:\n{}\n{complaints}", self.said);
            }
            assert!(begun.elapsed() < PATIENCE, "no {words:?} in:\n{}", self.said);
        }
    }

    /// Waits for its end; gives its exit code and all that it said.
    fn end(mut self) -> (Option<i32>, String, tempfile::TempDir) {
        self.out.read_to_string(&mut self.said).unwrap();
        let complaints = self.complaints();
        let code = self.child.wait().unwrap().code();
        (code, format!("{}{complaints}", self.said), self.folder)
    }

    fn complaints(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut text).unwrap();
        }
        text
    }

    fn signal(&self, signal: Signal) {
        kill_process(pid(self.child.id()), signal).unwrap();
    }
}

#[test]
fn every_acked_record_is_there_and_nothing_is_left_behind() {
    let mut demo = Demo::start(&["--vehicles", "60", "--duration", "8", "--verify"]);
    demo.until("Live map  http://127.0.0.1:");
    let gateway = pid_in(&demo.until("kill -9 "));
    let (code, said, folder) = demo.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("verified: ") && said.contains("each found exactly once"), "{said}");
    assert!(!said.contains("verified: 0 acked"), "{said}");
    assert!(test_kill_process(gateway).is_err(), "a gateway still runs");
    assert_eq!(entries(folder.path()), 0, "its temporary folder is still there");
}

#[test]
fn with_tls_every_vehicle_has_a_certificate_and_is_as_well_served() {
    let demo = Demo::start(&["--tls", "--vehicles", "40", "--duration", "8", "--verify"]);
    let (code, said, _folder) = demo.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("each found exactly once") && !said.contains("verified: 0 acked"), "{said}");
}

#[test]
fn a_vehicle_of_the_demo_does_what_it_can_and_rejects_the_rest() {
    let mut demo = Demo::start(&["--vehicles", "60"]);
    let line = demo.until("Live map  http://127.0.0.1:");
    let url = line.split_whitespace().last().unwrap().trim_end_matches('/').to_owned();
    let ask = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_waygate")).args(args).env("WAYGATE_URL", &url).output().unwrap();
        let said = [output.stdout, output.stderr].map(|out| String::from_utf8(out).unwrap()).concat();
        (output.status.code(), said)
    };
    // One may be switched off between the question and the command: then another is asked.
    let begun = Instant::now();
    let send = |name: &str, code: i32, word: &str| loop {
        let (_, online) = ask(&["vehicles", "--state", "online", "--limit", "1", "--json"]);
        let vehicle = online.split('"').find(|word| word.starts_with("LUX-")).unwrap_or("LUX-0001");
        let (ended, said) = ask(&["send", vehicle, name, "--ttl", "10s"]);
        if ended == Some(code) && said.contains(word) {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{name}: {ended:?} {said}");
    };
    send("doors.lock", 0, "succeeded");
    send("fly", 5, "can do honk");
    demo.signal(Signal::INT);
    assert_eq!(demo.end().0, Some(0));
}

#[test]
fn a_gateway_that_is_killed_is_survived_and_returns() {
    let mut demo = Demo::start(&["--vehicles", "60", "--respawn", "2", "--verify"]);
    let gateway = pid_in(&demo.until("kill -9 "));
    demo.until("online");
    demo.until("online");
    kill_process(gateway, Signal::KILL).unwrap();
    let line = demo.until("ended: ");
    assert!(line.starts_with("lux-centre (pid "), "{line}");
    demo.until("lux-centre is started again (pid ");
    demo.until("lux-centre is heard by all again");
    demo.until("No vehicle is stale anywhere any more");
    demo.signal(Signal::INT);
    let (code, said, _folder) = demo.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("each found exactly once"), "{said}");
}

#[test]
fn gateways_do_not_outlive_a_demo_that_is_killed() {
    let mut demo = Demo::start(&["--vehicles", "1"]);
    let gateway = pid_in(&demo.until("kill -9 "));
    demo.signal(Signal::KILL);
    demo.end();
    let begun = Instant::now();
    while test_kill_process(gateway).is_ok() {
        assert!(begun.elapsed() < PATIENCE, "the gateway lives on");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_cannot_be_is_refused_before_anything_starts() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let run = |args: &[&str]| {
        let out = Command::new(env!("CARGO_BIN_EXE_waygate")).arg("demo").args(args).output().unwrap();
        (out.status.code(), String::from_utf8(out.stderr).unwrap())
    };
    let (code, said) = run(&["--vehicle-ports", &port.to_string()]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(&format!("port {port} on 127.0.0.1 is taken")), "{said}");
    let first = six_free_ports();
    let ports = [first.to_string(), (first + 3).to_string()];
    let (code, said) = run(&["--vehicle-ports", &ports[0], "--operator-ports", &ports[1], "--trace", "/no/such.xml"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("/no/such.xml: cannot open it"), "{said}");
    let (code, said) = run(&["--speed", "0"]);
    assert_eq!(code, Some(2), "{said}");
}

/// The first of six consecutive ports that nothing listens on, below those that connections are made from.
fn six_free_ports() -> u16 {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    let spread = (std::process::id() % 1000) as u16 * 12;
    loop {
        let first = 20_000 + (spread + TRIED.fetch_add(6, Ordering::Relaxed)) % 12_000;
        if (first..first + 6).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return first;
        }
    }
}

fn pid_in(line: &str) -> Pid {
    pid(line.split_whitespace().nth(2).unwrap().parse().unwrap())
}

fn pid(number: u32) -> Pid {
    Pid::from_raw(i32::try_from(number).unwrap()).unwrap()
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}
