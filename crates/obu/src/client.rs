//! The onboard unit as a library: start it with a spool, give it records, and watch what becomes of them.
//!
//! One task a unit drives the machine, owns the spool and its sockets: one, and a second one while it moves. The handle owns the task: when it is
//! dropped, the task ends without a goodbye, as if the unit had lost its power.

mod credentials;
mod latest;
mod link;
mod links;
mod shell;
mod status;

pub use credentials::{Credentials, Source};
pub use status::{Counters, Status};

use crate::machine::{Batching, Nap, Settings, SpoolState, State};
use crate::notice::Notice;
use crate::spool::{RECORD_BYTES_MAX, Spool, message_bytes};
use shell::{Command, Shell};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use waygate_core::cause::DetachCause;
use waygate_core::command::{CommandId, CommandStatus};
use waygate_core::id::VehicleId;
use waygate_core::limits::{COMMAND_JSON_BYTES_MAX, COMMAND_TEXT_BYTES_MAX};
use waygate_core::record::{Position, Record, SignalPath};
use waygate_core::time::Millis;
use waygate_core::wake::WakeChannels;
use waygate_core::wake_up::WAKE_UP_BYTES_MAX;
use waygate_wire::Codec;

/// Called with everything that happens, in the unit's task: it must not block.
pub type Listener = Arc<dyn Fn(&Notice) + Send + Sync>;

/// Commands that wait for the unit's task; a caller that is faster waits, too.
const COMMANDS_MAX: usize = 64;

/// Signals of the catalogue offered at attach; others are named in full.
const CATALOGUE_MAX: usize = 256;

/// What a unit is told at start.
#[derive(Clone)]
pub struct Config {
    /// Who it is.
    pub vehicle: VehicleId,
    /// One life of its software; for people only.
    pub boot_id: String,
    /// The addresses of gateways, `wss://host:port/v1/obu` or `ws://…`, in order of preference.
    pub gateways: Vec<String>,
    /// The form of its messages.
    pub codec: Codec,
    /// How records are gathered into messages.
    pub batching: Batching,
    /// With the ignition on, a long wait is 2 min, otherwise 12.
    pub ignition_on: bool,
    /// How it can be woken when it sleeps.
    pub wake: WakeChannels,
    /// Whether commands are handed to the owner; otherwise they are rejected as `unsupported`.
    pub takes_commands: bool,
    /// Signals that are known to come; others are learnt.
    pub signals: Vec<SignalPath>,
    /// What it shows gateways, and which it believes.
    pub credentials: Credentials,
    /// The address to dial from, where one machine plays many vehicles.
    pub source: Option<IpAddr>,
    /// Called with everything that happens.
    pub listener: Option<Listener>,
}

impl Config {
    /// A unit with the usual settings.
    pub fn new(vehicle: VehicleId, gateways: Vec<String>) -> Self {
        Self {
            vehicle,
            boot_id: String::new(),
            gateways,
            codec: Codec::Proto,
            batching: Batching::default(),
            ignition_on: true,
            wake: WakeChannels::NONE,
            takes_commands: false,
            signals: Vec::new(),
            credentials: Credentials::default(),
            source: None,
            listener: None,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { vehicle, gateways, codec, .. } = self;
        f.debug_struct("Config").field("vehicle", vehicle).field("gateways", gateways).field("codec", codec).finish()
    }
}

/// A record was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It can never be sent.
    #[error("the record is too long for a message: {bytes} bytes, at most {RECORD_BYTES_MAX}")]
    TooLong {
        /// Its size.
        bytes: usize,
    },
    /// The unit is busy; only [`Obu::try_record`] says so.
    #[error("the unit is busy")]
    Busy,
    /// The unit has stopped, because its spool failed.
    #[error("the unit has stopped")]
    Stopped,
}

/// A status of a command was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatusError {
    /// A gateway would not take it.
    #[error("{what} has {bytes} bytes, at most {max}")]
    TooLong {
        /// Which field.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The most.
        max: usize,
    },
    /// The result must be JSON or empty.
    #[error("the result is not JSON, has a number beyond a double, or is nested too deep")]
    NotJson,
}

/// A unit that runs.
#[derive(Debug)]
pub struct Obu {
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<Status>,
    task: JoinHandle<()>,
}

impl Obu {
    /// Starts a unit, which dials at once. Needs a tokio runtime.
    pub fn start(config: Config, spool: impl Spool) -> Self {
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let (publish, status) = watch::channel(Status { unsettled: unsettled(&spool), ..Status::default() });
        let task = tokio::spawn(Shell::new(config, spool, publish).run(inbox));
        Self { commands, status, task }
    }

    /// Gives the unit a record; it is kept until it is acked. Waits while the unit is busy.
    pub async fn record(&self, record: Record) -> Result<(), RecordError> {
        check(&record)?;
        self.commands.send(Command::Record(record)).await.map_err(|_| RecordError::Stopped)
    }

    /// Gives the unit a record, if it is not busy.
    pub fn try_record(&self, record: Record) -> Result<(), RecordError> {
        check(&record)?;
        self.commands.try_send(Command::Record(record)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => RecordError::Busy,
            mpsc::error::TrySendError::Closed(_) => RecordError::Stopped,
        })
    }

    /// Tells the unit where it is, without a record of it.
    pub async fn position(&self, position: Position) {
        self.command(Command::Position(position)).await;
    }

    /// Replaces the unit's list of gateways. If it has a session elsewhere than with the first of them, it moves there: it
    /// attaches with its token, and only then leaves the present one, without a goodbye.
    pub async fn prefer(&self, gateways: Vec<String>) {
        self.command(Command::Prefer(gateways)).await;
    }

    /// Makes the unit attach again after a goodbye, or before the end of a sleep.
    pub async fn attach(&self) {
        self.command(Command::Attach).await;
    }

    /// Makes the unit say goodbye, once its records are acked or a few seconds have passed.
    pub async fn detach(&self, cause: DetachCause) {
        self.command(Command::Detach(cause)).await;
    }

    /// Tells the unit that the ignition was switched: how long its long waits are.
    pub async fn ignition(&self, on: bool) {
        self.command(Command::Ignition(on)).await;
    }

    /// Makes the unit tell its gateway that it sleeps, listen for `active` longer, and then end its socket until `sleep` is
    /// over, a wake-up comes, or it is told to [`attach`](Self::attach). Zero is the timer of the last accept, which is
    /// also the longest sleep. Records may be added meanwhile; they wait.
    pub async fn suspend(&self, active: Millis, sleep: Millis) {
        self.command(Command::Suspend(Nap { active, sleep })).await;
    }

    /// Something that may be a wake-up has come on a channel of [`Config::wake`]. If it is one, the unit attaches.
    pub async fn woken(&self, payload: &[u8]) {
        // What is longer or no text is no wake-up; the first bytes say so as well.
        let payload = String::from_utf8_lossy(&payload[..payload.len().min(WAKE_UP_BYTES_MAX + 1)]).into_owned();
        self.command(Command::Woken(payload)).await;
    }

    /// Asks whether a command may be begun now: not if it was cancelled meanwhile, its time to live is over, or it was begun
    /// before. If so, it counts as begun from now on, and the gateway is told.
    pub async fn begin_command(&self, id: CommandId) -> bool {
        let (answer, granted) = oneshot::channel();
        self.command(Command::Begin(id, answer)).await;
        granted.await.unwrap_or(false)
    }

    /// Says what became of a command. Without a session it waits for the next one.
    pub async fn command_status(&self, status: CommandStatus) -> Result<(), StatusError> {
        for (what, text, max) in [
            ("code", &status.code, COMMAND_TEXT_BYTES_MAX),
            ("text", &status.text, COMMAND_TEXT_BYTES_MAX),
            ("result", &status.result, COMMAND_JSON_BYTES_MAX),
        ] {
            if text.len() > max {
                return Err(StatusError::TooLong { what, bytes: text.len(), max });
            }
        }
        if !waygate_wire::is_command_json(&status.result) {
            return Err(StatusError::NotJson);
        }
        self.command(Command::Said(status)).await;
        Ok(())
    }

    /// Where the unit stands, and its counters; changes can be waited for.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Waits until the unit is in `state`; false if it stopped for good before.
    pub async fn until(&self, state: State) -> bool {
        self.status().wait_for(|status| status.state == state).await.is_ok()
    }

    /// Ends the unit without a goodbye and waits for its task.
    pub async fn shut_down(self) {
        let Self { commands, task, .. } = self;
        drop(commands);
        // An error says that the task panicked or was aborted with its runtime: it has ended either way.
        let _ = task.await;
    }

    /// A unit that has stopped for good has no use for commands.
    async fn command(&self, command: Command) {
        let _ = self.commands.send(command).await;
    }
}

fn check(record: &Record) -> Result<(), RecordError> {
    let bytes = message_bytes(record);
    if bytes > RECORD_BYTES_MAX { Err(RecordError::TooLong { bytes }) } else { Ok(()) }
}

fn unsettled(spool: &impl Spool) -> u64 {
    spool.last().saturating_sub(spool.settled().count())
}

fn spool_state(spool: &impl Spool) -> SpoolState {
    SpoolState {
        id: spool.id(),
        last: spool.last(),
        settled: spool.settled().clone(),
        token: spool.token().cloned(),
        commands: spool.commands(),
    }
}

fn settings(config: &Config) -> Settings {
    Settings {
        vehicle: config.vehicle.clone(),
        boot_id: config.boot_id.clone(),
        gateways: config.gateways.clone(),
        batching: config.batching,
        ignition_on: config.ignition_on,
        wake: config.wake,
        takes_commands: config.takes_commands,
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
