//! Which vehicles may attach, as operators decided: kept in a file of this gateway, told to the others.

pub mod file;
pub mod task;

use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use waygate_core::credential::VehicleName;
use waygate_core::enrolment::{Entry, Standing, Undecided, Verdict};
use waygate_core::id::{FleetId, VehicleId};

/// Questions and decisions that wait; whoever asks waits, too.
pub const LETTERS_MAX: usize = 1024;

/// Something for the enrolment's task.
#[derive(Debug)]
pub enum Letter {
    /// A vehicle that showed who it is asks for a session.
    Ask(VehicleName, &'static str, oneshot::Sender<Verdict>),
    /// An operator decides.
    Decide(Decision, oneshot::Sender<Result<Entry, DecideError>>),
    /// Another gateway tells what it knows; answered once it is on disk.
    Learn(Vec<(VehicleId, Entry)>, oneshot::Sender<bool>),
    /// What changed after a number, at most so much.
    After(u64, usize, oneshot::Sender<(Vec<(VehicleId, Entry)>, u64)>),
    /// Those in a standing after a vehicle, at most so many, and whether there are more.
    List(Standing, Option<VehicleId>, usize, oneshot::Sender<(Vec<(VehicleId, Entry)>, bool)>),
}

/// What an operator decides.
#[derive(Clone, Debug)]
pub struct Decision {
    /// About whom.
    pub vehicle: VehicleId,
    /// Whether it may attach.
    pub admit: bool,
    /// Its fleet, if it is not the one that it showed.
    pub fleet: Option<FleetId>,
}

/// A decision is not in force, or not for good.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DecideError {
    /// It cannot be decided.
    #[error(transparent)]
    Undecided(#[from] Undecided),
    /// It is in force, and would not outlast a restart.
    #[error("the decision is in force and not on disk yet; it is tried again each second: {0}")]
    NotKept(Arc<std::io::Error>),
    /// The gateway stops.
    #[error("this gateway stops; ask another")]
    Stopping,
}

/// The way to the enrolment's task. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EnrolmentDesk {
    letters: mpsc::Sender<Letter>,
    change: watch::Receiver<u64>,
}

impl EnrolmentDesk {
    /// The verdict on a vehicle; `None` if the gateway stops.
    pub async fn ask(&self, name: VehicleName, means: &'static str) -> Option<Verdict> {
        self.send(|reply| Letter::Ask(name, means, reply)).await
    }

    /// Decides, durably.
    pub async fn decide(&self, decision: Decision) -> Result<Entry, DecideError> {
        self.send(|reply| Letter::Decide(decision, reply)).await.unwrap_or(Err(DecideError::Stopping))
    }

    /// Learns what another gateway knows. Returns whether it is on disk.
    pub async fn learn(&self, entries: Vec<(VehicleId, Entry)>) -> bool {
        self.send(|reply| Letter::Learn(entries, reply)).await.unwrap_or(false)
    }

    /// What changed after a number, and the number that leads to.
    pub async fn after(&self, change: u64, max: usize) -> Option<(Vec<(VehicleId, Entry)>, u64)> {
        self.send(|reply| Letter::After(change, max, reply)).await
    }

    /// A page of those in a standing, and whether there are more.
    pub async fn list(
        &self,
        standing: Standing,
        after: Option<VehicleId>,
        max: usize,
    ) -> Option<(Vec<(VehicleId, Entry)>, bool)> {
        self.send(|reply| Letter::List(standing, after, max, reply)).await
    }

    /// The number of the last change, as it grows.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.change.clone()
    }

    async fn send<T>(&self, letter: impl FnOnce(oneshot::Sender<T>) -> Letter) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.letters.send(letter(reply)).await.ok()?;
        answer.await.ok()
    }
}
