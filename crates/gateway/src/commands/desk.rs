//! The way to the commands task. Cheap to clone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{broadcast, mpsc, oneshot};
use waygate_core::command::{CommandId, CommandStatus};
use waygate_core::commands::{Answer, Commands, Event, Order, Record, Report};
use waygate_core::id::{NodeId, VehicleId};

/// Letters that may wait; beyond it, whoever sends waits.
pub const LETTERS_MAX: usize = 4096;

/// Changes kept for a slow reader of the live stream.
const CHANGES_KEPT: usize = 1024;

/// Something for the commands task.
pub enum Letter {
    /// An operator asks for a command.
    Take(Box<Order>, oneshot::Sender<Answer>),
    /// Someone asks to cancel one.
    Cancel(CommandId, oneshot::Sender<Answer>),
    /// A peer asks to keep a copy.
    Replica(Box<Record>, NodeId, oneshot::Sender<Answer>),
    /// A peer asks to hand one to a vehicle.
    Deliver(Box<Record>, oneshot::Sender<Answer>),
    /// A peer tells what a vehicle said.
    Report(Box<Report>, oneshot::Sender<Answer>),
    /// What became of something that the task began.
    Happened(Box<Event>),
    /// A question.
    Ask(Box<dyn FnOnce(&Commands) + Send>),
}

impl std::fmt::Debug for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Letter")
    }
}

/// How many commands wait for each vehicle. The task alone writes it; an attach reads it without waiting.
pub type Waiting = Arc<Mutex<BTreeMap<VehicleId, u32>>>;

/// The way to the commands task. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Desk {
    letters: mpsc::Sender<Letter>,
    pub(super) waiting: Waiting,
    pub(super) changes: broadcast::Sender<Arc<Record>>,
}

impl Desk {
    /// A desk, and the letters that its task reads.
    pub fn new() -> (Self, mpsc::Receiver<Letter>) {
        let (letters, queue) = mpsc::channel(LETTERS_MAX);
        (Self { letters, waiting: Waiting::default(), changes: broadcast::channel(CHANGES_KEPT).0 }, queue)
    }

    /// Asks for a command; `None` if the gateway stops.
    pub async fn take(&self, order: Order) -> Option<Answer> {
        self.answered(|reply| Letter::Take(Box::new(order), reply)).await
    }

    /// Asks to cancel one that is kept here.
    pub async fn cancel(&self, id: CommandId) -> Option<Answer> {
        self.answered(|reply| Letter::Cancel(id, reply)).await
    }

    /// Keeps a copy for a peer.
    pub async fn keep(&self, record: Box<Record>, from: NodeId) -> Option<Answer> {
        self.answered(|reply| Letter::Replica(record, from, reply)).await
    }

    /// Hands one to a vehicle for a peer.
    pub async fn deliver(&self, record: Box<Record>) -> Option<Answer> {
        self.answered(|reply| Letter::Deliver(record, reply)).await
    }

    /// Takes what a peer heard of a vehicle.
    pub async fn report(&self, report: Report) -> Option<Answer> {
        self.answered(|reply| Letter::Report(Box::new(report), reply)).await
    }

    /// What a vehicle connected here said.
    pub async fn heard(&self, vehicle: VehicleId, status: CommandStatus) {
        self.happened(Event::StatusHeard(vehicle, status)).await;
    }

    /// Tells the task what became of something.
    pub async fn happened(&self, event: Event) {
        if self.letters.send(Letter::Happened(Box::new(event))).await.is_err() {
            tracing::debug!("the commands task has ended");
        }
    }

    /// Asks the machine; `None` if the task has ended.
    pub async fn ask<T: Send + 'static>(&self, question: impl FnOnce(&Commands) -> T + Send + 'static) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let letter = Letter::Ask(Box::new(move |commands| {
            let _ = reply.send(question(commands));
        }));
        self.letters.send(letter).await.ok()?;
        answer.await.ok()
    }

    /// Commands that wait for a vehicle, as far as this gateway knows. Never waits.
    pub fn waiting(&self, vehicle: &VehicleId) -> u32 {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).get(vehicle).copied().unwrap_or(0)
    }

    /// Commands kept here, as they change from now on.
    pub fn changes(&self) -> broadcast::Receiver<Arc<Record>> {
        self.changes.subscribe()
    }

    async fn answered(&self, letter: impl FnOnce(oneshot::Sender<Answer>) -> Letter) -> Option<Answer> {
        let (reply, answer) = oneshot::channel();
        self.letters.send(letter(reply)).await.ok()?;
        answer.await.ok()
    }
}
