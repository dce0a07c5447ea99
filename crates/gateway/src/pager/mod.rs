//! Pages: whether a vehicle can be reached now, asked at any gateway and answered by the one that serves it.
//!
//! The handle finds that gateway; there the [task](task) owns the machine of the core. If the serving gateway is not
//! heard, this one pages by itself, with its own hooks: an attach anywhere ends the page.

mod route;
pub mod task;

pub use route::Place;

use crate::peers::channels::Channels;
use crate::presence::Presence;
use std::time::Duration;
use task::{Ask, Ended, PagerTask, Parts};
use tokio::sync::{broadcast, mpsc, oneshot};
use waygate_core::id::VehicleId;
use waygate_core::pager::Outcome;
use waygate_core::time::Millis;
use waygate_wire::operator::PageOutcome;

/// Pages that may wait for the task.
pub const ASKS_MAX: usize = 1024;

/// Ends of pages kept for a slow listener.
const ENDED_KEPT: usize = 1024;

/// How a page went, for whoever asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageReply {
    /// How it went.
    pub outcome: PageOutcome,
    /// How long it took.
    pub took: Millis,
    /// The gateway that serves the vehicle now, if one does.
    pub gateway: Option<String>,
    /// For a person.
    pub detail: String,
}

/// The way to pages. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pager {
    asks: mpsc::Sender<Ask>,
    ended: broadcast::Sender<Ended>,
    presence: Presence,
    channels: Channels,
}

impl Pager {
    /// A way to a task that reads what is given beside it.
    pub fn new(presence: Presence, channels: Channels) -> (Self, mpsc::Receiver<Ask>) {
        let (asks, queue) = mpsc::channel(ASKS_MAX);
        let ended = broadcast::channel(ENDED_KEPT).0;
        (Self { asks, ended, presence, channels }, queue)
    }

    /// Whether a vehicle can be reached, wherever it is served. Takes `wait` at most, and a little for the way.
    /// `None` if the gateway stops.
    pub async fn page(&self, vehicle: &VehicleId, wait: Duration, wake: bool) -> Option<PageReply> {
        let reply = self.route(vehicle, wait, wake).await;
        if let Some(reply) = &reply {
            let outcome = match reply.outcome {
                PageOutcome::Reachable => "reachable",
                PageOutcome::Woken => "woken",
                PageOutcome::Unreachable => "unreachable",
            };
            metrics::counter!("waygate_pages_total", "outcome" => outcome).increment(1);
        }
        reply
    }

    /// Has a vehicle woken for a command, wherever it is served; what becomes of it is told to those who listen to
    /// [`ended`](Self::ended). A page under way is joined.
    pub async fn wake(&self, vehicle: VehicleId) {
        let _ = self.asks.send(Ask::Wake(vehicle)).await;
    }

    /// Pages that end from now on, of vehicles that were paged by this gateway or woken through
    /// [`wake`](Self::wake).
    pub fn ended(&self) -> broadcast::Receiver<Ended> {
        self.ended.subscribe()
    }

    /// Pages with this gateway's own probes and hooks. `None` if the gateway stops.
    pub async fn here(&self, vehicle: VehicleId, wait: Duration, wake: bool) -> Option<PageReply> {
        let (reply, answer) = oneshot::channel();
        let wait = Millis(wait.as_millis() as u64);
        self.asks.send(Ask::Page { vehicle, wait, wake, reply }).await.ok()?;
        answer.await.ok()
    }

    /// The task that owns the pages.
    pub fn task(&self, asks: mpsc::Receiver<Ask>, parts: Parts) -> PagerTask {
        PagerTask::new(self.clone(), asks, parts)
    }
}

/// The outcome as it is called in the API.
fn outcome(outcome: Outcome) -> PageOutcome {
    match outcome {
        Outcome::Reachable => PageOutcome::Reachable,
        Outcome::Woken => PageOutcome::Woken,
        Outcome::Unreachable(_) => PageOutcome::Unreachable,
    }
}
