//! What the screen knows: the vehicles, the regions and what changed last. It does no IO and reads no clock.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use waygate_wire::operator::{AgeKind, LivePosition, Position, Regions, StreamEvent, Vehicle};

use crate::commands::watch::feed::News;
use crate::commands::watch::lines::presence_words;

/// Changes kept for the bottom of the screen; no screen is taller.
const CHANGES_MAX: usize = 200;

/// A vehicle as last told, and when that was.
#[derive(Clone, Debug)]
struct Known {
    vehicle: Vehicle,
    told: Instant,
}

/// A line at the bottom: when, and what changed.
#[derive(Clone, Debug)]
pub struct Change {
    pub at: Instant,
    pub text: String,
}

/// The picture so far.
#[derive(Debug, Default)]
pub struct Model {
    vehicles: BTreeMap<String, Known>,
    pub regions: Option<Regions>,
    pub changes: VecDeque<Change>,
    /// Why the stream is not there now.
    pub broken: Option<String>,
}

impl Model {
    /// Takes in what the stream brought.
    pub fn take(&mut self, now: Instant, news: News) {
        match news {
            News::Listed { vehicles, regions } => {
                self.broken = None;
                self.regions = Some(*regions);
                self.vehicles =
                    vehicles.into_iter().map(|vehicle| (vehicle.id.clone(), Known { vehicle, told: now })).collect();
            }
            News::Event { event, .. } => {
                self.broken = None;
                if let Some(event) = event {
                    self.event(now, event);
                }
            }
            News::Broken(why) => self.broken = Some(why),
            News::Ended(error) => self.broken = Some(error.to_string()),
        }
    }

    /// How many vehicles are known.
    pub fn len(&self) -> usize {
        self.vehicles.len()
    }

    /// A part of the vehicles, by id, with ages grown to now.
    pub fn window(&self, now: Instant, skip: usize, take: usize) -> Vec<Vehicle> {
        let grown = |known: &Known| {
            let mut vehicle = known.vehicle.clone();
            vehicle.age_s += now.saturating_duration_since(known.told).as_secs_f64();
            vehicle
        };
        self.vehicles.values().skip(skip).take(take).map(grown).collect()
    }

    fn event(&mut self, now: Instant, event: StreamEvent) {
        match event {
            StreamEvent::Hello(hello) => {
                self.change(now, format!("connected to {} in {}", hello.gateway, hello.region))
            }
            StreamEvent::Presence(vehicle) => self.presence(now, *vehicle),
            StreamEvent::Positions(positions) => {
                for position in &positions.positions {
                    self.position(now, position);
                }
            }
            // Not asked for.
            StreamEvent::Command(_) => {}
            StreamEvent::Regions(regions) => self.regions = Some(*regions),
            StreamEvent::Missed(missed) => {
                self.change(now, format!("{} events were missed; listed again", missed.events))
            }
        }
    }

    fn presence(&mut self, now: Instant, mut vehicle: Vehicle) {
        self.change(now, presence_words(&vehicle));
        if vehicle.position.is_none() {
            vehicle.position = self.vehicles.get(&vehicle.id).and_then(|known| known.vehicle.position);
        }
        self.vehicles.insert(vehicle.id.clone(), Known { vehicle, told: now });
    }

    /// Moves a vehicle that is known; one that is not will be told by a presence event.
    fn position(&mut self, now: Instant, live: &LivePosition) {
        let Some(known) = self.vehicles.get_mut(&live.id) else { return };
        let Some(t) = instant(live.t) else { return };
        known.vehicle.position =
            Some(Position { lat: live.lat, lon: live.lon, t, speed: live.speed, heading: live.heading });
        known.vehicle.age_s = 0.0;
        known.vehicle.age_kind = AgeKind::Measured;
        known.told = now;
    }

    fn change(&mut self, at: Instant, text: String) {
        self.changes.push_front(Change { at, text });
        self.changes.truncate(CHANGES_MAX);
    }
}

impl Change {
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.at)
    }
}

/// Milliseconds since 1970 as the API writes a time.
fn instant(unix_ms: i64) -> Option<waygate_wire::operator::Instant> {
    serde_json::from_value(serde_json::Value::String(rfc3339(unix_ms)?)).ok()
}

fn rfc3339(unix_ms: i64) -> Option<String> {
    let at = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000).ok()?;
    at.format(&time::format_description::well_known::Rfc3339).ok()
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
