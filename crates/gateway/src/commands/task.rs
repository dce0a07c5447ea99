//! The commands task: owns the machine of the core, gives it what happens and performs what it asks for.
//!
//! It waits for the presence task alone, which never waits for it. Calls to peers run beside it, a bounded number to
//! each, as sends to vehicles do, and come back as letters.

use super::Desk;
use super::desk::Letter;
use super::rows;
use crate::clock::Clock;
use crate::journal::Job;
use crate::live::{Change, Event as LiveEvent};
use crate::peers::channels::Channels;
use crate::peers::commands as calls;
use crate::peers::lookup::Lookup;
use crate::peers::moment::PeerClock;
use crate::presence::{self, Presence, State};
use crate::tasks::Tasks;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot};
use waygate_core::command::CommandId;
use waygate_core::commands::{Action, Answer, Ask, Commands, Event, Outcome, Record, Sighting};
use waygate_core::homes::Shard;
use waygate_core::id::{NodeId, RegionId, VehicleId};
use waygate_core::view::{Known, Liveness, Sight};
use waygate_store::Write;
use waygate_wire::operator::CommandState;

/// Calls to one peer under way at once.
const CALLS_MAX: usize = 64;

/// Calls to one peer under way or waiting for their turn.
const CALLS_WAITING_MAX: usize = 4096;

/// How often peers are looked at, beside when one is found or lost.
const PEERS: Duration = Duration::from_secs(1);

/// How often a vehicle that this region does not keep is looked for, as long as a command to it is open.
const SEARCH: Duration = Duration::from_secs(5);

/// Such vehicles that are looked for at once; the others are next.
const SEARCHES_MAX: usize = 64;

/// Vehicles asked for at once, so that the presence task never serves one question for long.
const ASKED_MAX: usize = 1024;

/// What the task needs.
#[derive(Debug)]
pub struct Means {
    /// The clocks.
    pub clock: Clock,
    /// The way to the presence task.
    pub presence: Presence,
    /// The way to the journal.
    pub journal: mpsc::Sender<Job>,
    /// The peers.
    pub channels: Channels,
    /// Vehicles to be woken.
    pub wakes: mpsc::Sender<VehicleId>,
    /// Spawns.
    pub tasks: Tasks,
}

/// The queues that the task reads.
#[derive(Debug)]
pub struct Queues {
    /// Letters of its desk.
    pub letters: mpsc::Receiver<Letter>,
    /// Of the journal: which command, and whether it is on disk.
    pub written: mpsc::Receiver<(CommandId, bool)>,
    /// Changes of presence.
    pub live: broadcast::Receiver<Arc<LiveEvent>>,
}

/// The task.
#[derive(Debug)]
pub struct CommandsTask {
    machine: Commands,
    me: NodeId,
    means: Means,
    desk: Desk,
    asks: BTreeMap<Ask, oneshot::Sender<Answer>>,
    next_ask: u64,
    urls: BTreeMap<NodeId, String>,
    lines: BTreeMap<NodeId, Line>,
    lookup: Lookup,
    searches: Arc<Semaphore>,
    /// The vehicle that was looked for last when there was room for no more.
    searched: Option<VehicleId>,
}

/// The calls to one peer: one that does not answer holds none of the others up.
#[derive(Debug)]
struct Line {
    /// Under way at once.
    calls: Arc<Semaphore>,
    /// Those and the ones that wait for them.
    places: Arc<Semaphore>,
    /// What time it is there.
    clock: PeerClock,
}

impl Default for Line {
    fn default() -> Self {
        let (calls, places) = (Arc::new(Semaphore::new(CALLS_MAX)), Arc::new(Semaphore::new(CALLS_WAITING_MAX)));
        Self { calls, places, clock: PeerClock::default() }
    }
}

impl CommandsTask {
    /// A task over a machine that knows nothing yet.
    pub fn new(me: NodeId, region: RegionId, means: Means, desk: Desk) -> Self {
        let lookup = Lookup { presence: means.presence.clone(), channels: means.channels.clone() };
        Self {
            lookup,
            searches: Arc::new(Semaphore::new(SEARCHES_MAX)),
            searched: None,
            machine: Commands::new(me.clone(), region),
            me,
            means,
            desk,
            asks: BTreeMap::new(),
            next_ask: 0,
            urls: BTreeMap::new(),
            lines: BTreeMap::new(),
        }
    }

    /// Goes on with what the store kept, until the gateway stops.
    pub async fn run(mut self, kept: Vec<Record>, queues: Queues) {
        let Queues { mut letters, mut written, mut live } = queues;
        let stopping = self.means.tasks.stopping();
        tokio::pin!(stopping);
        self.apply(Event::Restored(kept));
        for vehicle in self.machine.vehicles() {
            self.count_waiting(vehicle);
        }
        let mut peers = tokio::time::interval(PEERS);
        peers.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut search = tokio::time::interval(SEARCH);
        search.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        self.look_at_all().await;
        loop {
            let deadline = self.machine.next_deadline().map(|at| self.means.clock.instant(at));
            tokio::select! {
                biased;
                () = &mut stopping => return,
                Some((id, on_disk)) = written.recv() => {
                    self.apply(if on_disk { Event::Persisted(id) } else { Event::PersistFailed(id) });
                }
                event = live.recv() => self.shown(event, &mut live).await,
                _ = peers.tick() => self.look_at_peers().await,
                _ = search.tick() => self.search(self.machine.vehicles().cloned().collect()).await,
                () = presence::sleep_until(deadline), if deadline.is_some() => self.apply(Event::DeadlineReached),
                letter = letters.recv() => match letter {
                    Some(letter) => self.read(letter).await,
                    None => return,
                },
            }
            metrics::gauge!("waygate_commands_open").set(self.machine.open() as f64);
        }
    }

    async fn read(&mut self, letter: Letter) {
        match letter {
            Letter::Take(order, reply) => {
                let mut random = [0; 16];
                if let Err(error) = getrandom::fill(&mut random) {
                    tracing::error!(%error, "no random bits: a command is not taken");
                    return;
                }
                let sighting = self.sighting(&order.vehicle).await;
                let (wall, random) = (self.means.clock.wall(), u128::from_le_bytes(random));
                let ask = self.asked(reply);
                self.apply(Event::Taken { order, sighting, wall, random, ask });
            }
            Letter::Cancel(id, reply) => {
                let ask = self.asked(reply);
                self.apply(Event::CancelRequested { id, ask });
            }
            Letter::Replica(record, from, reply) => {
                let sighting = self.sighting(&record.vehicle).await;
                let ask = self.asked(reply);
                self.apply(Event::ReplicaReceived { record, from, sighting, ask });
            }
            Letter::Deliver(record, reply) => {
                let ask = self.asked(reply);
                self.apply(Event::DeliverRequested { record, ask });
            }
            Letter::Report(report, reply) => {
                let ask = self.asked(reply);
                self.apply(Event::ReportReceived { report: *report, ask });
            }
            Letter::Happened(event) => {
                if let Event::Woken(vehicle) = &*event {
                    // What the pager saw may not have been told here yet.
                    self.look(vec![vehicle.clone()]).await;
                }
                self.apply(*event);
            }
            Letter::Ask(question) => question(&self.machine),
        }
    }

    fn asked(&mut self, reply: oneshot::Sender<Answer>) -> Ask {
        self.next_ask += 1;
        self.asks.insert(Ask(self.next_ask), reply);
        Ask(self.next_ask)
    }

    /// Vehicles whose presence changed are looked at as they are now: an event may be old already.
    async fn shown(
        &mut self,
        event: Result<Arc<LiveEvent>, RecvError>,
        live: &mut broadcast::Receiver<Arc<LiveEvent>>,
    ) {
        let mut changed = BTreeSet::new();
        let mut event = Some(event);
        while let Some(told) = event {
            match told.as_ref().map(|event| &event.change) {
                Ok(Change::Vehicle(vehicle)) if self.machine.open() > 0 => {
                    changed.extend(VehicleId::new(&vehicle.id).ok().filter(|id| self.machine.waits_for(id)));
                }
                Ok(Change::Vehicle(_)) => {}
                // All vehicles of a gateway at once, or more than can be told.
                Ok(Change::Node(..)) | Err(RecvError::Lagged(_)) => return self.look_at_all().await,
                Err(RecvError::Closed) => break,
            }
            event = live.try_recv().ok().map(Ok);
        }
        self.look(changed.into_iter().collect()).await;
    }

    async fn look_at_all(&mut self) {
        self.look_at_peers().await;
        self.look(self.machine.vehicles().cloned().collect()).await;
    }

    async fn look(&mut self, vehicles: Vec<VehicleId>) {
        for some in vehicles.chunks(ASKED_MAX) {
            let some = some.to_vec();
            let seen = self.means.presence.ask(move |state| {
                some.into_iter().map(|vehicle| (sighting(state, &vehicle), vehicle)).collect::<Vec<_>>()
            });
            for (sighting, vehicle) in seen.await.unwrap_or_default() {
                self.apply(Event::VehicleSeen(vehicle, sighting));
            }
        }
    }

    /// Looks for those that this region does not keep.
    async fn search(&mut self, vehicles: Vec<VehicleId>) {
        if vehicles.is_empty() {
            return;
        }
        let mut elsewhere = Vec::new();
        for some in vehicles.chunks(ASKED_MAX) {
            let some = some.to_vec();
            let asked = self.means.presence.ask(move |state| {
                let view = state.node.view();
                let kept =
                    |vehicle: &VehicleId| view.interest().is_none_or(|interest| interest.has(Shard::of(vehicle)));
                some.into_iter().filter(|vehicle| !kept(vehicle) && gone(state, vehicle)).collect::<Vec<_>>()
            });
            elsewhere.extend(asked.await.unwrap_or_default());
        }
        // Each has its turn.
        let next = elsewhere.iter().position(|vehicle| self.searched.as_ref().is_some_and(|last| vehicle > last));
        elsewhere.rotate_left(next.unwrap_or_default());
        for vehicle in elsewhere {
            let Ok(place) = self.searches.clone().try_acquire_owned() else { return };
            self.searched = Some(vehicle.clone());
            let (lookup, desk) = (self.lookup.clone(), self.desk.clone());
            let stopping = self.means.tasks.stopping();
            self.means.tasks.spawn_small(async move {
                let _place = place;
                let search = async {
                    let sight = lookup.find(&vehicle).await.and_then(|answer| answer.sight);
                    desk.happened(Event::VehicleSeen(vehicle, sighting_of(sight))).await;
                };
                tokio::select! { () = search => {}, () = stopping => {} }
            });
        }
    }

    async fn sighting(&self, vehicle: &VehicleId) -> Sighting {
        let vehicle = vehicle.clone();
        self.means.presence.ask(move |state| sighting(state, &vehicle)).await.unwrap_or(Sighting::Gone)
    }

    async fn look_at_peers(&mut self) {
        let peers = self.means.presence.ask(|state| {
            let alive = state.node.view().nodes().filter(|node| matches!(node.liveness, Liveness::Alive { .. }));
            alive.map(|node| node.info.clone()).collect::<Vec<_>>()
        });
        let Some(peers) = peers.await else { return };
        self.urls = peers.iter().map(|info| (info.id.clone(), info.operators_url.clone())).collect();
        self.apply(Event::PeersSeen(peers.into_iter().map(|info| (info.id, info.region)).collect()));
    }

    fn apply(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let mut actions = Vec::new();
            self.machine.apply(self.means.clock.now(), event, &mut actions);
            for action in actions {
                self.perform(action, &mut events);
            }
        }
    }

    /// Performs an action; what failed at once goes to `events`.
    fn perform(&mut self, action: Action, events: &mut Vec<Event>) {
        match action {
            Action::Persist(record) => {
                let write = Write::Command(rows::row(&self.means.clock, &record));
                if self.means.journal.try_send(Job::Command { write, id: record.id }).is_err() {
                    events.push(Event::PersistFailed(record.id));
                }
            }
            Action::Answer(ask, answer) => {
                if let Some(reply) = self.asks.remove(&ask) {
                    // Whoever asked may have gone.
                    let _ = reply.send(answer);
                }
            }
            Action::Replicate(node, record) => events.extend(self.replicate(node, record)),
            Action::Deliver(node, record) => events.extend(self.deliver(node, record)),
            Action::SendToVehicle { record, recall, ask } => self.send(record, recall, ask),
            Action::Report(nodes, report) => {
                for node in nodes {
                    let (id, report) = (report.status.id, (*report).clone());
                    let busy = Event::ReportEnded { id, node: node.clone(), settled: false };
                    events.extend(self.call(node, busy, move |node, peer| async move {
                        let settled = calls::report(peer.channel, &report).await;
                        Event::ReportEnded { id, node, settled }
                    }));
                }
            }
            Action::Wake(vehicle) => {
                if self.means.wakes.try_send(vehicle.clone()).is_err() {
                    events.push(Event::WakeFailed(vehicle, "too many vehicles are being woken".to_owned()));
                }
            }
            Action::Changed { record, was } => self.changed(*record, was.map(CommandState::from)),
        }
    }

    fn changed(&self, record: Record, was: Option<CommandState>) {
        let state = CommandState::from(record.state());
        if record.origin == self.me && state.is_final() && was != Some(state) {
            metrics::counter!("waygate_commands_total", "state" => state.name()).increment(1);
        }
        self.count_waiting(&record.vehicle);
        // No reader is no error.
        let _ = self.desk.changes.send(Arc::new(record));
    }

    fn count_waiting(&self, vehicle: &VehicleId) {
        let waiting = self.machine.waiting(vehicle) as u32;
        let mut counts = self.desk.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting {
            0 => drop(counts.remove(vehicle)),
            _ => drop(counts.insert(vehicle.clone(), waiting)),
        }
    }

    fn replicate(&mut self, node: NodeId, record: Box<Record>) -> Option<Event> {
        let me = self.me.clone();
        let busy = Event::Replicated { id: record.id, node: node.clone(), kept: false };
        self.call(node, busy, move |node, peer| async move {
            let kept = calls::replicate(peer, &record, &me).await;
            Event::Replicated { id: record.id, node, kept }
        })
    }

    fn deliver(&mut self, node: NodeId, record: Box<Record>) -> Option<Event> {
        let busy = Event::Delivered { id: record.id, node: node.clone(), outcome: Outcome::NotServed };
        self.call(node, busy, move |node, peer| async move {
            let outcome = calls::deliver(peer, &record).await;
            Event::Delivered { id: record.id, node, outcome }
        })
    }

    fn send(&self, record: Box<Record>, recall: bool, ask: Option<Ask>) {
        let (presence, desk) = (self.means.presence.clone(), self.desk.clone());
        self.means.tasks.spawn_small(async move {
            let (reply, answer) = oneshot::channel();
            let id = record.id;
            presence.tell(presence::Command::Hand { record, recall, reply }).await;
            let outcome = answer.await.unwrap_or(Outcome::NotServed);
            desk.happened(Event::SendEnded { id, outcome, ask }).await;
        });
    }

    /// Calls a peer beside the task. With too many calls to it waiting, `busy` is what became of this one: the machine
    /// tries again.
    fn call<F: Future<Output = Event> + Send>(
        &mut self,
        node: NodeId,
        busy: Event,
        call: impl FnOnce(NodeId, calls::Peer) -> F + Send + 'static,
    ) -> Option<Event> {
        let line = self.lines.entry(node.clone()).or_default();
        let Ok(place) = line.places.clone().try_acquire_owned() else { return Some(busy) };
        let calls = line.calls.clone();
        let channel = self.urls.get(&node).and_then(|url| self.means.channels.to(url));
        let peer = calls::Peer { channel, clock: line.clock.clone(), own: self.means.clock };
        let (desk, stopping) = (self.desk.clone(), self.means.tasks.stopping());
        self.means.tasks.spawn_small(async move {
            let _place = place;
            let _call = calls.acquire_owned().await;
            tokio::select! {
                event = call(node, peer) => desk.happened(event).await,
                () = stopping => {}
            }
        });
        None
    }
}

/// How a vehicle is seen, as far as commands are concerned.
fn sighting(state: &State, vehicle: &VehicleId) -> Sighting {
    sighting_of(state.sight(vehicle).filter(|sight| state.hears(sight)))
}

/// Whether nothing is known of a vehicle here, or only what a gateway said that cannot be asked.
fn gone(state: &State, vehicle: &VehicleId) -> bool {
    state.seen(vehicle).is_none_or(|seen| !state.hears(&seen))
}

fn sighting_of(sight: Option<Sight>) -> Sighting {
    match sight {
        Some(Sight { stale: None, known: Known::Online, owner, epoch, .. }) => Sighting::Connected { owner, epoch },
        Some(Sight { stale: None, known: Known::Idle | Known::Asleep, wake, .. }) if !wake.is_empty() => {
            Sighting::Wakeable
        }
        Some(_) | None => Sighting::Gone,
    }
}
