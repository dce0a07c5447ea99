//! One gateway of a lab: its process over several lives, its folder, what it uses.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::config::{self, DELAYED_PORT, Seat, WAY_PORT};
use super::http;
use super::place::{OPERATORS_PORT, VEHICLES_PORT};
use super::way::Way;

/// How long a gateway may take until it serves, in a debug build on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(50);

/// A gateway; its process ends with this value.
#[derive(Debug)]
pub struct Gateway {
    pub seat: Seat,
    pub folder: PathBuf,
    /// The program of its next life.
    pub program: PathBuf,
    child: Option<Child>,
    peak_kb: u64,
    _ways: Vec<Way>,
}

impl Gateway {
    /// Writes its configuration and opens the ways to it; it is not started yet.
    pub fn new(seat: Seat, all: &[Seat], folder: PathBuf, program: &Path, delay: Duration) -> Result<Self> {
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let text = config::text(&seat, all, &folder.join("data"));
        std::fs::write(folder.join("gateway.toml"), text).context("a configuration cannot be written")?;
        let local = SocketAddr::from(([127, 0, 0, 1], VEHICLES_PORT));
        let mut ways = vec![Way::open(&seat.place, seat.place.socket(WAY_PORT), local, delay)?];
        if seat.delayed {
            let to = seat.place.socket(OPERATORS_PORT);
            ways.push(Way::open(&seat.place, seat.place.socket(DELAYED_PORT), to, delay)?);
        }
        Ok(Self { seat, folder, program: program.to_owned(), child: None, peak_kb: 0, _ways: ways })
    }

    pub fn name(&self) -> &str {
        &self.seat.place.name
    }

    /// Where operators ask it.
    pub fn operators(&self) -> SocketAddr {
        self.seat.place.socket(OPERATORS_PORT)
    }

    pub fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub fn log_file(&self) -> PathBuf {
        self.folder.join("gateway.log")
    }

    /// Begins a life.
    pub fn start(&mut self) -> Result<()> {
        let log = self.log_file();
        let log = File::options().create(true).append(true).open(&log);
        let log = log.with_context(|| format!("cannot write {}", self.log_file().display()))?;
        let mut command = self.seat.place.command(&self.program);
        command.arg("gateway").arg("--config").arg(self.folder.join("gateway.toml")).arg("--exit-with-stdin");
        command.stdin(Stdio::piped()).stdout(log.try_clone().context("a log cannot be shared")?).stderr(log);
        for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("WAYGATE_")) {
            if key != "WAYGATE_LOG" {
                command.env_remove(key);
            }
        }
        self.child = Some(command.spawn().with_context(|| format!("{} does not start", self.name()))?);
        Ok(())
    }

    /// Waits until it serves.
    pub fn ready(&mut self) -> Result<()> {
        let started = Instant::now();
        loop {
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait().context("a gateway cannot be waited for")?
            {
                bail!("{} ended with {status} before it served; see {}", self.name(), self.log_file().display());
            }
            let answer = http::exchange(self.operators(), "GET", "/readyz", "", Duration::from_secs(1));
            if matches!(answer, Ok((200, _))) {
                return Ok(());
            }
            if started.elapsed() > READY_WITHIN {
                bail!("{} did not serve within {READY_WITHIN:?}; see {}", self.name(), self.log_file().display());
            }
            std::thread::sleep(POLL);
        }
    }

    pub fn runs(&self) -> bool {
        self.child.is_some()
    }

    fn pid(&self) -> Result<u32> {
        self.child.as_ref().map(Child::id).with_context(|| format!("{} does not run", self.name()))
    }

    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.pid()?).ok().and_then(Pid::from_raw).context("a pid is none")?;
        kill_process(pid, signal).with_context(|| format!("{} cannot be signalled", self.name()))
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.note_peak();
        if let Some(mut child) = self.child.take() {
            let _ = (child.kill(), child.wait());
        }
    }

    /// SIGTERM, and waits for the end.
    pub fn drain(&mut self, within: Duration) -> Result<()> {
        self.note_peak();
        self.signal(Signal::TERM)?;
        let asked = Instant::now();
        let name = self.name().to_owned();
        let Some(child) = &mut self.child else { return Ok(()) };
        while child.try_wait().context("a gateway cannot be waited for")?.is_none() {
            if asked.elapsed() > within {
                bail!("{name} has not ended {within:?} after SIGTERM; see {}", self.log_file().display());
            }
            std::thread::sleep(POLL);
        }
        self.child = None;
        Ok(())
    }

    /// The most memory that any of its lives has used so far, kB.
    pub fn peak_kb(&mut self) -> u64 {
        self.note_peak();
        self.peak_kb
    }

    /// What it uses now, kB.
    pub fn resident_kb(&self) -> Result<u64> {
        Ok(memory(self.pid()?, "VmRSS:").unwrap_or_default())
    }

    fn note_peak(&mut self) {
        let peak = self.pid().ok().and_then(|pid| memory(pid, "VmHWM:")).unwrap_or_default();
        self.peak_kb = self.peak_kb.max(peak);
    }

    /// Connections that stand at its place.
    pub fn connections(&self) -> Result<usize> {
        let path = format!("/proc/{}/net/tcp", self.pid()?);
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        // The fourth word is the state; 01 is established.
        Ok(text.lines().filter(|line| line.split_whitespace().nth(3) == Some("01")).count())
    }

    /// Files that it has open, sockets among them.
    pub fn files(&self) -> Result<usize> {
        let path = format!("/proc/{}/fd", self.pid()?);
        Ok(std::fs::read_dir(&path).with_context(|| format!("cannot read {path}"))?.count())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill();
    }
}

fn memory(pid: u32, key: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Copies a data folder, as a backup would.
pub fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in std::fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let path = entry.context("a folder cannot be read")?.path();
        let target = to.join(path.file_name().context("a file has no name")?);
        if path.is_dir() {
            copy_folder(&path, &target)?;
        } else {
            std::fs::copy(&path, &target).with_context(|| format!("cannot copy {}", path.display()))?;
        }
    }
    Ok(())
}
