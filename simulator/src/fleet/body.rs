//! What the simulated vehicles do when they are told to, and for how long they are at it.

use std::collections::VecDeque;
use tokio::time::{Duration, Instant};
use waygate_core::command::{Command, CommandId, CommandStatus, VehicleVerdict};
use waygate_obu::client::Obu;

/// What a body can do, and how long it takes.
const ABLE_TO: &[(&str, Duration)] = &[
    ("honk", Duration::from_secs(1)),
    ("lights.flash", Duration::from_secs(2)),
    ("doors.lock", Duration::from_secs(1)),
    ("doors.unlock", Duration::from_secs(1)),
    ("climate.start", Duration::from_secs(4)),
    ("climate.stop", Duration::from_secs(2)),
];

/// The actuators of one vehicle. Unlike its reports they go on while it is parked.
#[derive(Debug, Default)]
pub(super) struct Body {
    /// What is being done, and until when.
    at_work: VecDeque<(Instant, CommandId)>,
}

impl Body {
    /// Begins a command, if this is something it can do and the unit grants it.
    pub(super) async fn obey(&mut self, obu: &Obu, command: &Command) {
        match ABLE_TO.iter().find(|(name, _)| *name == command.name.as_str()) {
            Some((_, takes)) => {
                if obu.begin_command(command.id).await {
                    self.at_work.push_back((Instant::now() + *takes, command.id));
                }
            }
            None => say(obu, refusal(command.id)).await,
        }
    }

    /// Says of what has been done since that it was.
    pub(super) async fn go_on(&mut self, obu: &Obu) {
        let now = Instant::now();
        let (done, at_work) = std::mem::take(&mut self.at_work).into_iter().partition(|(until, _)| *until <= now);
        self.at_work = at_work;
        let done: VecDeque<_> = done;
        for (_, id) in done {
            say(obu, status(id, VehicleVerdict::Succeeded)).await;
        }
    }
}

async fn say(obu: &Obu, status: CommandStatus) {
    if let Err(error) = obu.command_status(status).await {
        tracing::warn!(%error, "a vehicle cannot say what became of a command");
    }
}

fn status(id: CommandId, verdict: VehicleVerdict) -> CommandStatus {
    CommandStatus { id, verdict, code: String::new(), text: String::new(), result: String::new() }
}

fn refusal(id: CommandId) -> CommandStatus {
    let names: Vec<&str> = ABLE_TO.iter().map(|(name, _)| *name).collect();
    let text = format!("a simulated vehicle can do {}", names.join(", "));
    CommandStatus { code: "unsupported".to_owned(), text, ..status(id, VehicleVerdict::Rejected) }
}
