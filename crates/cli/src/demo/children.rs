//! The three gateways as processes of this very program: started, watched, started again, stopped.
//!
//! A child dies with the demo in any case: it ends when its standard input closes, and the demo holds the
//! other end. Children are in process groups of their own, so that Ctrl-C reaches the demo alone, which then
//! takes the vehicles off the road before the gateways stop.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, timeout};
use waygate_simulator::operator::Operator;

use super::plan::Seat;

/// How long a gateway may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Between two questions whether it is.
const READY_EVERY: Duration = Duration::from_millis(50);

/// How long a gateway may take to end after SIGTERM; then it is killed.
const END_WITHIN: Duration = Duration::from_secs(10);

/// Bytes of a log's end that an error shows.
const LOG_TAIL_BYTES: u64 = 2000;

/// How long one question to a gateway may take.
const ASK_WITHIN: Duration = Duration::from_secs(2);

/// A gateway that has ended before it was ready this many times in a row is not started again.
const EARLY_ENDS_MAX: u32 = 3;

/// One gateway and the process that runs it, while there is one.
#[derive(Debug)]
pub struct Gateway {
    pub seat: Seat,
    pub operator: Operator,
    program: PathBuf,
    running: Option<Running>,
    /// Whether the process that runs now, or ran last, has ever been ready.
    was_ready: bool,
    early_ends: u32,
    /// When it is to be started again, after it ended by itself.
    pub respawn_at: Option<Instant>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    pid: u32,
    /// Held, never written to: the child ends when it closes.
    _stdin: Option<ChildStdin>,
}

impl Gateway {
    /// Starts the process; it is not ready yet.
    pub fn start(seat: Seat, program: &Path) -> anyhow::Result<Self> {
        let operator = Operator::new(&seat.operators_url(), ASK_WITHIN);
        let (program, running) = (program.to_owned(), None);
        let mut gateway = Self { seat, operator, program, running, was_ready: false, early_ends: 0, respawn_at: None };
        gateway.spawn()?;
        Ok(gateway)
    }

    /// The process, while there is one.
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(|running| running.pid)
    }

    /// Starts the process again, with the same data and ports.
    pub fn spawn(&mut self) -> anyhow::Result<()> {
        let log_file = self.seat.log_file();
        let log = File::options().create(true).append(true).open(&log_file);
        let log = log.with_context(|| format!("cannot write {}", log_file.display()))?;
        let mut command = Command::new(&self.program);
        command.arg("gateway").arg("--config").arg(self.seat.config_file()).arg("--exit-with-stdin");
        command.stdin(Stdio::piped()).stdout(log.try_clone().context("cannot share the log")?).stderr(log);
        command.process_group(0).kill_on_drop(true);
        // The configuration is the demo's own: nothing from the user's environment may reach into it.
        for (key, _) in std::env::vars_os() {
            if key.to_string_lossy().starts_with("WAYGATE_") && key != "WAYGATE_LOG" {
                command.env_remove(key);
            }
        }
        let mut child = command.spawn().with_context(|| format!("cannot start {}", self.program.display()))?;
        let pid = child.id().context("the gateway ended before it began")?;
        let stdin = child.stdin.take();
        self.running = Some(Running { child, pid, _stdin: stdin });
        self.was_ready = false;
        self.respawn_at = None;
        Ok(())
    }

    /// Waits until it says that it is ready; fails with the end of its log if it does not.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            if let Some(status) = self.ended()? {
                bail!("{} ended at once ({status}).{}", self.seat.name, self.log_tail());
            }
            if self.operator.status("/readyz").await.is_ok_and(|status| status.is_success()) {
                self.note_ready();
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("{} was not ready within {} s.{}", self.seat.name, READY_WITHIN.as_secs(), self.log_tail());
            }
            tokio::time::sleep(READY_EVERY).await;
        }
    }

    /// It has answered: what ends it from now on comes from outside.
    pub fn note_ready(&mut self) {
        self.was_ready |= self.running.is_some();
    }

    /// How it ended, if it did since it was asked last.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        let Some(running) = &mut self.running else { return Ok(None) };
        let ended = running.child.try_wait().context("cannot look after a gateway's process")?;
        if ended.is_some() {
            self.running = None;
            self.early_ends = if self.was_ready { 0 } else { self.early_ends + 1 };
        }
        Ok(ended)
    }

    /// Whether it ends again and again before it is ready.
    pub fn is_hopeless(&self) -> bool {
        self.early_ends >= EARLY_ENDS_MAX
    }

    /// The end of its log, for an error.
    pub fn log_tail(&self) -> String {
        let path = self.seat.log_file();
        let tail = || -> std::io::Result<String> {
            let mut file = File::open(&path)?;
            let length = file.seek(SeekFrom::End(0))?;
            file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
            let mut bytes = Vec::new();
            file.take(LOG_TAIL_BYTES).read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        match tail() {
            Ok(text) if text.trim().is_empty() => " It said nothing.".to_owned(),
            Ok(text) => format!(" The end of its log:\n{}", text.trim_end()),
            Err(error) => format!(" Its log cannot be read: {error}"),
        }
    }

    /// Asks the process to end and waits for it; kills it if it does not. Says whether that was needed.
    pub async fn stop(&mut self) -> anyhow::Result<bool> {
        let Some(mut running) = self.running.take() else { return Ok(false) };
        if running.child.try_wait().context("cannot look after a gateway's process")?.is_some() {
            return Ok(false);
        }
        if let Some(pid) = i32::try_from(running.pid).ok().and_then(Pid::from_raw) {
            // One that has just ended by itself is what was wanted.
            let _ = kill_process(pid, Signal::TERM);
        }
        match timeout(END_WITHIN, running.child.wait()).await {
            Ok(ended) => {
                ended.context("cannot wait for a gateway's process")?;
                Ok(false)
            }
            Err(_) => {
                running.child.kill().await.context("cannot kill a gateway's process")?;
                Ok(true)
            }
        }
    }
}
