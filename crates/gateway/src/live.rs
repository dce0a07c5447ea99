//! Live events for those who watch: presence as it changes, and where vehicles are.
//!
//! Presence events are numbered and the last of them kept, so that a reader that was cut off goes on where it
//! was. Positions are not kept: only the latest counts. A reader that is too slow is told how many it missed.

use crate::feed::Place;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::broadcast;
use waygate_core::id::{Incarnation, NodeId, VehicleId};
use waygate_wire::operator::Vehicle;

/// Presence events kept for readers that come back, and held for a slow one.
const EVENTS_KEPT: usize = 4096;

/// Attaches held for a slow reader.
const ATTACHES_KEPT: usize = 1024;

/// Position ticks held for a slow reader: a few seconds.
const TICKS_KEPT: usize = 16;

/// What a presence event says.
#[derive(Clone, Debug)]
pub enum Change {
    /// A vehicle's state, or what is shown of it.
    Vehicle(Box<Vehicle>),
    /// A gateway was found, lost or restarted. Its vehicles are told one by one if anyone reads; if not, this
    /// many were not told of.
    Node(NodeId, u64),
}

/// A numbered presence event.
#[derive(Debug)]
pub struct Event {
    /// From 1, within this life of the gateway.
    pub number: u64,
    /// What it says.
    pub change: Change,
}

/// Latest positions since the last tick.
#[derive(Debug)]
pub struct Tick {
    /// Of vehicles whose records are stored here.
    pub own: Vec<Place>,
    /// Of others, as their gateways told.
    pub remote: Vec<Place>,
}

/// Where live events come from. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Live {
    incarnation: Incarnation,
    events: broadcast::Sender<Arc<Event>>,
    ticks: broadcast::Sender<Arc<Tick>>,
    attaches: broadcast::Sender<VehicleId>,
    kept: Arc<Mutex<VecDeque<Arc<Event>>>>,
    viewers: Arc<AtomicUsize>,
}

/// One reader of live events; counted as a viewer while it lives.
#[derive(Debug)]
pub struct Reader {
    /// Events that came while it was away.
    pub backlog: Vec<Arc<Event>>,
    /// How many more it missed, if it was away too long or reads of another life.
    pub missed: Option<u64>,
    /// Presence events from now on.
    pub events: broadcast::Receiver<Arc<Event>>,
    /// Positions from now on.
    pub ticks: broadcast::Receiver<Arc<Tick>>,
    viewers: Arc<AtomicUsize>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.viewers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Live {
    /// Nothing has happened yet in this life.
    pub fn new(incarnation: Incarnation) -> Self {
        Self {
            incarnation,
            events: broadcast::channel(EVENTS_KEPT).0,
            ticks: broadcast::channel(TICKS_KEPT).0,
            attaches: broadcast::channel(ATTACHES_KEPT).0,
            kept: Arc::default(),
            viewers: Arc::default(),
        }
    }

    /// How many read with positions of all regions.
    pub fn viewers(&self) -> usize {
        self.viewers.load(Ordering::Relaxed)
    }

    /// Whether so many changes at once are told one by one. If nobody reads, or a reader would lose much else over them, it is
    /// told how many there are, and asks for them.
    pub fn tells_each(&self, changes: u64) -> bool {
        self.viewers() > 0 && changes <= (EVENTS_KEPT / 2) as u64
    }

    /// Whether anyone takes position ticks.
    pub fn has_tick_readers(&self) -> bool {
        self.ticks.receiver_count() > 0
    }

    /// Tells everyone of a change. Called by the presence task alone, so numbers rise in order.
    pub fn publish(&self, change: Change) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let number = kept.back().map_or(1, |event| event.number + 1);
        let event = Arc::new(Event { number, change });
        if kept.len() == EVENTS_KEPT {
            kept.pop_front();
        }
        kept.push_back(event.clone());
        // No reader is no error.
        let _ = self.events.send(event);
    }

    /// Tells everyone where vehicles are.
    pub fn tick(&self, tick: Tick) {
        let _ = self.ticks.send(Arc::new(tick));
    }

    /// Tells of an attach here; also of a resume, which changes nothing of what is shown.
    pub fn attached(&self, vehicle: VehicleId) {
        let _ = self.attaches.send(vehicle);
    }

    /// Attaches here, as they are accepted.
    pub fn attaches(&self) -> broadcast::Receiver<VehicleId> {
        self.attaches.subscribe()
    }

    /// Presence events alone, for a task of this gateway: it is no viewer.
    pub fn changes(&self) -> broadcast::Receiver<Arc<Event>> {
        self.events.subscribe()
    }

    /// Position ticks alone, for a peer.
    pub fn ticks(&self) -> broadcast::Receiver<Arc<Tick>> {
        self.ticks.subscribe()
    }

    /// The id of an event, by which a reader resumes.
    pub fn id_of(&self, event: &Event) -> String {
        format!("{}-{}", self.incarnation.0, event.number)
    }

    /// Starts reading, after the event with this id if one is given.
    pub fn read(&self, last_id: Option<&str>) -> Reader {
        // Under the lock nothing is published between what is kept and what will come.
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        self.viewers.fetch_add(1, Ordering::Relaxed);
        let (backlog, missed) = match last_id {
            None => (Vec::new(), None),
            Some(id) => self.since(&kept, id),
        };
        let (events, ticks) = (self.events.subscribe(), self.ticks.subscribe());
        Reader { backlog, missed, events, ticks, viewers: self.viewers.clone() }
    }

    fn since(&self, kept: &VecDeque<Arc<Event>>, id: &str) -> (Vec<Arc<Event>>, Option<u64>) {
        let newest = kept.back().map_or(0, |event| event.number);
        let number = id
            .split_once('-')
            .filter(|(life, _)| *life == self.incarnation.0.to_string())
            .and_then(|(_, number)| number.parse::<u64>().ok())
            .filter(|number| *number <= newest);
        let Some(number) = number else {
            // Of another life: all there is may have been missed.
            return (Vec::new(), Some(newest.max(1)));
        };
        let oldest = kept.front().map_or(1, |event| event.number);
        if number + 1 < oldest {
            return (Vec::new(), Some(newest - number));
        }
        (kept.iter().filter(|event| event.number > number).cloned().collect(), None)
    }
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
