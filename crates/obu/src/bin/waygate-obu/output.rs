//! What the unit says on standard error.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use waygate_core::message::Downlink;
use waygate_obu::Notice;
use waygate_obu::client::Status;
use waygate_obu::spool::Recovery;
use waygate_wire::Codec;

/// Standard error, and how many lines were wrong.
#[derive(Debug)]
pub(crate) struct Output {
    quiet: bool,
    bad_lines: AtomicU64,
}

impl Output {
    pub(crate) fn new(quiet: bool) -> Self {
        Self { quiet, bad_lines: AtomicU64::new(0) }
    }

    /// Something went wrong.
    pub(crate) fn error(&self, what: &str) {
        // There is no one left to tell that standard error is gone.
        let _ = writeln!(std::io::stderr(), "waygate-obu: {what}");
    }

    fn say(&self, what: &str) {
        if !self.quiet {
            self.error(what);
        }
    }

    pub(crate) fn bad_line(&self, line: u64, what: &str) {
        self.bad_lines.fetch_add(1, Ordering::Relaxed);
        self.error(&format!("line {line}: {what}"));
    }

    pub(crate) fn recovered(&self, recovery: &Recovery) {
        if recovery.damaged_bytes > 0 {
            self.error(&format!(
                "the spool had a damaged end ({} bytes), as after a power cut: cut off, {} sequence numbers left out",
                recovery.damaged_bytes, recovery.left_out
            ));
        }
        if recovery.unsettled > 0 {
            self.say(&format!("the spool holds {} records of an earlier run", recovery.unsettled));
        }
    }

    pub(crate) fn notice(&self, notice: &Notice) {
        match notice {
            Notice::Dialled { gateway } => self.say(&format!("dialling {gateway}")),
            Notice::Attached { gateway, session, .. } => {
                self.say(&format!("attached to {gateway}, session {}", session.0));
            }
            Notice::DialFailed { gateway, why } => self.say(&format!("{gateway}: {why}")),
            Notice::AttachRejected { gateway, reject } => {
                self.error(&format!("{gateway} refuses the attach: {}: {}", reject.cause.wire(), reject.text));
            }
            Notice::SocketLost { gateway, why } => self.say(&format!("lost {gateway}: {why}")),
            Notice::Superseded { gateway } => {
                self.error(&format!("{gateway}: another unit has attached as this vehicle"));
            }
            Notice::TurnedAway { gateway, cause } => {
                self.error(&format!("{gateway} ended the session: {}; the next try is in 12 hours", cause.wire()));
            }
            Notice::Drained { gateway } => self.say(&format!("{gateway} stops, looking for another")),
            Notice::Redirected { gateway, reason } => {
                self.say(&format!("{gateway} sends this unit elsewhere: {}", reason.wire()));
            }
            Notice::Moved { from, to } => self.say(&format!("moved from {from} to {to}")),
            Notice::MoveGivenUp { gateway } => self.say(&format!("no other gateway takes it, staying at {gateway}")),
            Notice::Slept { sleep } => self.say(&format!("asleep for {} s", sleep.as_secs_ceil())),
            Notice::WokenUp => self.say("woken up"),
            Notice::WakeUpIgnored { why } => self.error(&format!("a wake-up is ignored: {why}")),
            Notice::CommandArrived(command) => self.say(&format!("command {} {}", command.id, command.name.as_str())),
            Notice::CommandCancelled(id) => self.say(&format!("command {id} is cancelled")),
            Notice::CommandExpired(id) => self.say(&format!("command {id} has expired")),
            Notice::WaitBegun { wait } => {
                self.error(&format!("no gateway can be reached, trying again in {} s", wait.as_secs_ceil()));
            }
            Notice::Detached { said: true } => self.say("detached"),
            Notice::Detached { said: false } => self.say("stopped without a session: its gateway was not told goodbye"),
            Notice::RecordRejected { seq, reason } => {
                self.error(&format!("the gateway refuses record {seq} for good: {}", reason.wire()));
            }
            Notice::RecordsDropped { seqs, why } => {
                self.error(&format!("{} records are given up, {why}: {seqs:?}", seqs.count()));
            }
            Notice::ErrorReported(report) => {
                self.error(&format!("the gateway finds fault with {}: {}", report.refers_to, report.text));
            }
            Notice::MessageUnreadable { why } => self.error(&format!("a message cannot be read: {why}")),
            Notice::SpoolFailed { why } => self.error(&format!("the spool has failed: {why}")),
            Notice::RecordsSent { .. } | Notice::Settled { .. } => {}
        }
    }

    /// A command, or what became of it, as a line on standard output.
    pub(crate) fn print_command(&self, notice: &Notice) {
        let message = if let Notice::CommandArrived(command) = notice {
            Downlink::Command(Box::new(command.clone()))
        } else if let Notice::CommandCancelled(id) | Notice::CommandExpired(id) = notice {
            // Either way it is not to be begun any more.
            Downlink::CommandCancel(*id)
        } else {
            return;
        };
        let mut line = Codec::Json.encode_downlink(&message).to_vec();
        line.push(b'\n');
        let mut stdout = std::io::stdout().lock();
        if let Err(error) = stdout.write_all(&line).and_then(|()| stdout.flush()) {
            self.error(&format!("cannot write a command to standard output: {error}"));
        }
    }

    /// Says how it ended and gives the exit status.
    pub(crate) fn summary(&self, status: &Status, spool: &Path) -> u8 {
        let counters = status.counters;
        let bad_lines = self.bad_lines.load(Ordering::Relaxed);
        let (acked, rejected, dropped) = (counters.acked(), counters.rejected, counters.dropped);
        if status.unsettled > 0 {
            self.error(&format!(
                "{} records are not acked and remain in {}; {acked} were acked. Run it again to send them.",
                status.unsettled,
                spool.display(),
            ));
            return 1;
        }
        if rejected + dropped + bad_lines > 0 {
            self.error(&format!(
                "{acked} records acked, {rejected} refused by the gateway, {dropped} given up; {bad_lines} lines were wrong"
            ));
            return 3;
        }
        self.say(&format!("{acked} records acked, none remain"));
        0
    }
}
