//! The feed: where vehicles are, from what was committed here and what peers tell while someone watches.
//!
//! One task owns the latest positions; batches enter after their commit, and only then. It never waits for a
//! reader. By device time the latest position wins, whatever arrived last.

use crate::live::{Live, Tick};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use waygate_core::id::VehicleId;
use waygate_store::Latest;

/// Messages that may wait.
const QUEUE_MAX: usize = 4096;

/// How often readers are told of positions.
const TICK: Duration = Duration::from_millis(500);

/// Vehicles of other gateways whose position is remembered; more are dropped, they come again.
const REMOTE_MAX: usize = 2_000_000;

/// A vehicle's latest position.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Whose.
    pub vehicle: VehicleId,
    /// Where and when.
    pub latest: Latest,
}

/// What a commit brought.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The latest position in it, if it has one.
    pub place: Option<Place>,
    /// How many records.
    pub records: u64,
}

/// Latest positions, by vehicle.
#[derive(Debug, Default)]
pub struct Places {
    own: BTreeMap<VehicleId, Latest>,
    remote: BTreeMap<VehicleId, Latest>,
}

impl Places {
    /// Where a vehicle is by the records stored here.
    pub fn own(&self, vehicle: &VehicleId) -> Option<Latest> {
        self.own.get(vehicle).copied()
    }

    /// Where a vehicle is by all that is known here.
    pub fn any(&self, vehicle: &VehicleId) -> Option<Latest> {
        let (own, remote) = (self.own.get(vehicle), self.remote.get(vehicle));
        [own, remote].into_iter().flatten().max_by_key(|latest| latest.t).copied()
    }

    /// Vehicles with records stored here, after `after`.
    pub fn own_after<'a>(
        &'a self,
        after: Option<&VehicleId>,
    ) -> impl Iterator<Item = (&'a VehicleId, &'a Latest)> + use<'a> {
        use std::ops::Bound;
        let from = after.cloned().map_or(Bound::Unbounded, Bound::Excluded);
        self.own.range((from, Bound::Unbounded))
    }

    /// Every vehicle with a position, by all that is known here.
    pub fn remote_all(&self) -> impl Iterator<Item = (&VehicleId, &Latest)> {
        self.remote.iter()
    }

    fn put(map: &mut BTreeMap<VehicleId, Latest>, place: Place) -> bool {
        match map.get_mut(&place.vehicle) {
            Some(held) if held.t >= place.latest.t => false,
            Some(held) => {
                *held = place.latest;
                true
            }
            None => {
                map.insert(place.vehicle, place.latest);
                true
            }
        }
    }
}

type Question = Box<dyn FnOnce(&Places) + Send>;

enum Message {
    Committed(Committed),
    Remote(Vec<Place>),
    Ask(Question),
}

/// The way to the feed task. Cheap to clone.
#[derive(Clone)]
pub struct Feed {
    queue: mpsc::Sender<Message>,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Feed")
    }
}

/// The task's state.
pub struct FeedTask {
    queue: mpsc::Receiver<Message>,
    live: Live,
    places: Places,
    own_changed: BTreeSet<VehicleId>,
    remote_changed: BTreeSet<VehicleId>,
}

impl std::fmt::Debug for FeedTask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FeedTask")
    }
}

impl Feed {
    /// A feed that knows what the store knew at start.
    pub fn new(live: Live, stored: Vec<Place>) -> (Self, FeedTask) {
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let own = stored.into_iter().map(|place| (place.vehicle, place.latest)).collect();
        let places = Places { own, remote: BTreeMap::new() };
        let task = FeedTask { queue, live, places, own_changed: BTreeSet::new(), remote_changed: BTreeSet::new() };
        (Self { queue: sender }, task)
    }

    /// A batch is on disk.
    pub async fn committed(&self, committed: Committed) {
        self.send(Message::Committed(committed)).await;
    }

    /// A peer told where vehicles are.
    pub async fn remote(&self, places: Vec<Place>) {
        self.send(Message::Remote(places)).await;
    }

    /// Asks the task; `None` if it has ended.
    pub async fn ask<T: Send + 'static>(&self, question: impl FnOnce(&Places) -> T + Send + 'static) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Ask(Box::new(move |places| {
            let _ = reply.send(question(places));
        })))
        .await;
        answer.await.ok()
    }

    async fn send(&self, message: Message) {
        if self.queue.send(message).await.is_err() {
            tracing::debug!("the feed has ended");
        }
    }
}

impl FeedTask {
    /// Runs until every sender is gone.
    pub async fn run(mut self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = self.queue.recv() => match message {
                    Some(message) => self.take(message),
                    None => return,
                },
                _ = tick.tick(), if self.has_changes() => self.tell(),
            }
        }
    }

    fn has_changes(&self) -> bool {
        !self.own_changed.is_empty() || !self.remote_changed.is_empty()
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Committed(committed) => {
                metrics::counter!("waygate_records_committed_total").increment(committed.records);
                if let Some(place) = committed.place {
                    let vehicle = place.vehicle.clone();
                    if Places::put(&mut self.places.own, place) && self.live.has_tick_readers() {
                        self.own_changed.insert(vehicle);
                    }
                }
            }
            Message::Remote(places) => {
                for place in places {
                    let known = self.places.remote.contains_key(&place.vehicle);
                    let vehicle = place.vehicle.clone();
                    if (known || self.places.remote.len() < REMOTE_MAX) && Places::put(&mut self.places.remote, place) {
                        self.remote_changed.insert(vehicle);
                    }
                }
            }
            Message::Ask(question) => question(&self.places),
        }
    }

    fn tell(&mut self) {
        let own = collect(&mut self.own_changed, &self.places.own);
        let remote = collect(&mut self.remote_changed, &self.places.remote);
        self.live.tick(Tick { own, remote });
    }
}

fn collect(changed: &mut BTreeSet<VehicleId>, places: &BTreeMap<VehicleId, Latest>) -> Vec<Place> {
    let place = |vehicle: VehicleId| places.get(&vehicle).map(|latest| Place { latest: *latest, vehicle });
    std::mem::take(changed).into_iter().filter_map(place).collect()
}
