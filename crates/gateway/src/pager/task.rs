//! The pager task: owns the pages of this gateway, gives the machine what happens and performs what it asks for.
//!
//! Presence events are taken as hints to look again, never for what is: between an event and its reading the vehicle
//! may have gone again. Probes, hooks and peers are waited for in tasks of their own.

use super::route::{Place, serving};
use super::{PageReply, Pager, outcome};
use crate::clock::Clock;
use crate::hooks::{Hooks, WakeUp};
use crate::live::{Change, Event as LiveEvent, Live};
use crate::presence::{Command, State, sleep_until};
use crate::tasks::Tasks;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, oneshot};
use waygate_core::epoch::Epoch;
use waygate_core::id::VehicleId;
use waygate_core::limits::WAKING_MAX;
use waygate_core::pager::{Action, Event, Facts, Outcome, PAGES_MAX, Pager as Machine, Probed, WaiterId, WakeRules};
use waygate_core::time::Millis;
use waygate_core::view::Known;
use waygate_core::wake::WakeChannels;
use waygate_wire::operator::PageOutcome;

/// Results of probes, hooks and peers that may wait for the task.
const RESULTS_MAX: usize = 1024;

/// How long a probe may take: two pings of 4 s, or a write that finds the socket's buffer full. Beyond it the socket is
/// one that is not read now, because what it sent waits for the disk.
const PROBE_MAX: Duration = Duration::from_secs(12);

/// How long the wake-up for a command may take at another gateway: the whole schedule.
const WAKE_WAIT: Duration = Duration::from_millis(WAKING_MAX.0);

/// Something for the task.
#[derive(Debug)]
pub enum Ask {
    /// Whether a vehicle can be reached.
    Page {
        /// Which.
        vehicle: VehicleId,
        /// How long the answer may take.
        wait: Millis,
        /// Whether it is woken.
        wake: bool,
        /// Who is told.
        reply: oneshot::Sender<PageReply>,
    },
    /// A command waits for a vehicle.
    Wake(VehicleId),
}

/// A page that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Whose.
    pub vehicle: VehicleId,
    /// How it went.
    pub outcome: PageOutcome,
    /// How long it took.
    pub took: Millis,
    /// For a person.
    pub detail: String,
}

/// What the task needs of the gateway.
#[derive(Debug)]
pub struct Parts {
    /// The clocks.
    pub clock: Clock,
    /// Presence events.
    pub live: Live,
    /// Sends wake-ups.
    pub hooks: Hooks,
    /// When they are sent.
    pub rules: WakeRules,
    /// Spawns.
    pub tasks: Tasks,
}

#[derive(Debug)]
enum Done {
    Probed(VehicleId, Probed),
    Sent(VehicleId, u32, bool),
    Elsewhere(VehicleId, PageReply),
}

/// The task.
#[derive(Debug)]
pub struct PagerTask {
    pager: Pager,
    machine: Machine,
    parts: Parts,
    asks: mpsc::Receiver<Ask>,
    done: mpsc::Sender<Done>,
    results: mpsc::Receiver<Done>,
    changes: broadcast::Receiver<Arc<LiveEvent>>,
    attaches: broadcast::Receiver<VehicleId>,
    waiters: BTreeMap<WaiterId, (VehicleId, oneshot::Sender<PageReply>)>,
    last_waiter: u64,
    /// Vehicles that are woken for a command here.
    commanded: BTreeSet<VehicleId>,
    /// Vehicles that another gateway wakes for a command.
    elsewhere: BTreeSet<VehicleId>,
}

impl PagerTask {
    pub(super) fn new(pager: Pager, asks: mpsc::Receiver<Ask>, parts: Parts) -> Self {
        let (done, results) = mpsc::channel(RESULTS_MAX);
        Self {
            pager,
            machine: Machine::new(parts.rules.clone(), parts.hooks.channels()),
            asks,
            done,
            results,
            changes: parts.live.changes(),
            attaches: parts.live.attaches(),
            parts,
            waiters: BTreeMap::new(),
            last_waiter: 0,
            commanded: BTreeSet::new(),
            elsewhere: BTreeSet::new(),
        }
    }

    /// Runs until the gateway stops.
    pub async fn run(mut self) {
        let stopping = self.parts.tasks.stopping();
        tokio::pin!(stopping);
        loop {
            let deadline = self.machine.next_deadline().map(|at| self.parts.clock.instant(at));
            tokio::select! {
                () = &mut stopping => return,
                Some(ask) = self.asks.recv() => self.take(ask).await,
                Some(done) = self.results.recv() => self.finish(done).await,
                attached = self.attaches.recv() => match attached {
                    Ok(vehicle) => self.look_at(vehicle).await,
                    Err(RecvError::Lagged(_)) => self.look_at_all().await,
                    Err(RecvError::Closed) => return,
                },
                event = self.changes.recv() => match event.as_deref().map(|event| &event.change) {
                    Ok(Change::Vehicle(_)) if self.machine.vehicles().next().is_none() => {}
                    Ok(Change::Vehicle(vehicle)) => match VehicleId::new(&vehicle.id) {
                        Ok(vehicle) => self.look_at(vehicle).await,
                        Err(error) => tracing::error!(%error, "an event names no vehicle"),
                    },
                    Ok(Change::Node(..)) | Err(RecvError::Lagged(_)) => self.look_at_all().await,
                    Err(RecvError::Closed) => return,
                },
                () = sleep_until(deadline) => self.apply(Event::DeadlineReached).await,
            }
        }
    }

    async fn take(&mut self, ask: Ask) {
        match ask {
            Ask::Page { vehicle, wait, wake, reply } => self.ask(vehicle, wait, wake, Some(reply)).await,
            Ask::Wake(vehicle) => match Place::find(&self.pager.presence, &vehicle).await {
                Some(Place::There(..)) => self.wake_elsewhere(vehicle),
                Some(Place::Here | Place::Unheard(_) | Place::Unknown) => {
                    if !self.machine.pages(&vehicle) {
                        self.commanded.insert(vehicle.clone());
                    }
                    self.ask(vehicle, WAKING_MAX, true, None).await;
                }
                None => {}
            },
        }
    }

    async fn ask(&mut self, vehicle: VehicleId, wait: Millis, wake: bool, reply: Option<oneshot::Sender<PageReply>>) {
        self.last_waiter += 1;
        let waiter = WaiterId(self.last_waiter);
        if let Some(reply) = reply {
            self.waiters.insert(waiter, (vehicle.clone(), reply));
        }
        let Some(facts) = self.facts(&vehicle).await else { return };
        self.apply(Event::Asked { vehicle, facts, waiter, wait, wake }).await;
    }

    /// The gateway that serves the vehicle wakes it; one question to it at a time.
    fn wake_elsewhere(&mut self, vehicle: VehicleId) {
        if self.elsewhere.contains(&vehicle) {
            return;
        }
        if self.elsewhere.len() >= PAGES_MAX {
            let detail = "too many vehicles are being woken at other gateways".to_owned();
            let _ =
                self.pager.ended.send(Ended { vehicle, outcome: PageOutcome::Unreachable, took: Millis(0), detail });
            return;
        }
        self.elsewhere.insert(vehicle.clone());
        let (pager, done) = (self.pager.clone(), self.done.clone());
        self.spawn(async move {
            if let Some(reply) = pager.route(&vehicle, WAKE_WAIT, true).await {
                let _ = done.send(Done::Elsewhere(vehicle, reply)).await;
            }
        });
    }

    async fn finish(&mut self, done: Done) {
        match done {
            Done::Probed(vehicle, result) => {
                let Some(facts) = self.facts(&vehicle).await else { return };
                self.apply(Event::Probed { vehicle, result, facts }).await;
            }
            Done::Sent(vehicle, number, taken) => self.apply(Event::Sent { vehicle, number, taken }).await,
            Done::Elsewhere(vehicle, reply) => {
                self.elsewhere.remove(&vehicle);
                let PageReply { outcome, took, detail, .. } = reply;
                let _ = self.pager.ended.send(Ended { vehicle, outcome, took, detail });
            }
        }
    }

    async fn look_at(&mut self, vehicle: VehicleId) {
        if self.machine.pages(&vehicle)
            && let Some(facts) = self.facts(&vehicle).await
        {
            self.apply(Event::Seen(vehicle, facts)).await;
        }
    }

    /// Events were missed, or a gateway was found or lost: any of its vehicles may be elsewhere by now.
    async fn look_at_all(&mut self) {
        let vehicles: Vec<VehicleId> = self.machine.vehicles().cloned().collect();
        for vehicle in vehicles {
            self.look_at(vehicle).await;
        }
    }

    async fn facts(&self, vehicle: &VehicleId) -> Option<Facts> {
        let vehicle = vehicle.clone();
        self.pager.presence.ask(move |state| facts(state, &vehicle)).await
    }

    async fn apply(&mut self, event: Event) {
        let mut actions = Vec::new();
        self.machine.apply(self.parts.clock.now(), event, &mut actions);
        for action in actions {
            match action {
                Action::Probe(vehicle) => self.probe(vehicle),
                Action::Wake { vehicle, number, channels, deadline } => self.wake(vehicle, number, channels, deadline),
                Action::Answer { waiter, outcome, took } => self.answer(waiter, outcome, took).await,
                Action::End { vehicle, outcome: result, took } => {
                    self.commanded.remove(&vehicle);
                    let ended = Ended { vehicle, outcome: outcome(result), took, detail: result.to_string() };
                    let _ = self.pager.ended.send(ended);
                }
            }
        }
    }

    fn probe(&self, vehicle: VehicleId) {
        let (presence, done) = (self.pager.presence.clone(), self.done.clone());
        self.spawn(async move {
            let (asker, answer) = oneshot::channel();
            presence.tell(Command::Probe(vehicle.clone(), asker)).await;
            let result = match tokio::time::timeout(PROBE_MAX, answer).await {
                Ok(Ok(())) => Probed::Answered,
                Ok(Err(_)) => Probed::Lost,
                Err(_) => Probed::Unread,
            };
            let _ = done.send(Done::Probed(vehicle, result)).await;
        });
    }

    fn wake(&self, vehicle: VehicleId, number: u32, channels: WakeChannels, deadline: Millis) {
        let reason = if self.commanded.contains(&vehicle) { "command" } else { "page" };
        tracing::debug!(%vehicle, number, reason, "a wake-up is sent");
        let (hooks, done) = (self.parts.hooks.clone(), self.done.clone());
        self.spawn(async move {
            let wake_up = WakeUp { vehicle, channels, reason, deadline };
            let taken = hooks.send(&wake_up).await;
            let _ = done.send(Done::Sent(wake_up.vehicle, number, taken)).await;
        });
    }

    async fn answer(&mut self, waiter: WaiterId, result: Outcome, took: Millis) {
        let Some((vehicle, reply)) = self.waiters.remove(&waiter) else { return };
        let gateway = self.pager.presence.ask(move |state| serving(state, &vehicle)).await.flatten();
        // Whoever hung up needs no answer.
        let _ = reply.send(PageReply { outcome: outcome(result), took, gateway, detail: result.to_string() });
    }

    /// Runs something small that ends with the gateway at the latest.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stopping = self.parts.tasks.stopping();
        self.parts.tasks.spawn_small(async move {
            tokio::select! { () = task => {}, () = stopping => {} }
        });
    }
}

/// What is known of a vehicle at this moment.
fn facts(state: &State, vehicle: &VehicleId) -> Facts {
    let Some(sight) = state.sight(vehicle) else {
        return Facts { known: None, connected: false, epoch: Epoch(0), wake: WakeChannels::NONE };
    };
    let own = sight.owner == state.node.view().me().id;
    let session = state.node.registrar().session(vehicle);
    let socket = session.is_some_and(|session| session.conns()[0].is_some());
    Facts {
        known: Some(sight.known),
        connected: sight.known == Known::Online && state.hears(&sight) && (!own || socket),
        epoch: sight.epoch,
        wake: sight.wake,
    }
}
