//! Where each vehicle of a fleet is at any time: a trace, multiplied or thinned, played in a loop.
//!
//! A pure function of (seed, vehicle, time): nothing is remembered between two questions, and the same
//! seed gives the same traffic. Vehicle `i` rides the track of one vehicle of the trace; once every track
//! is ridden, the next copies ride the same tracks at another time and a few metres beside.

use crate::trace::{Sample, Trace, Track};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use waygate_core::record::Position;

/// How far beside its track a copy rides, 1e-7 degrees: at most 12 m.
const BESIDE_E7: i32 = 1100;

/// Vehicles that enter or leave within a second of the trace when it begins and where it ends.
const EDGE_RATE: u64 = 500;

/// The shortest time over which vehicles enter and leave at the edges of the trace.
const EDGE_MS_MIN: u64 = 8_000;

/// A vehicle that is missing for longer than this, or three periods, has ended its trip.
const GAP_MS: u32 = 10_000;

/// Metres in 1e-7 degrees of latitude.
const E7_METRES: f64 = 0.011_132;

/// Movement under which there is no course, metres.
const COURSE_METRES_MIN: f64 = 0.3;

/// A vehicle on its way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sighting {
    /// Which round of the trace this is; a vehicle seen in another round is on another trip.
    pub round: u64,
    /// Where.
    pub position: Position,
    /// Metres a second.
    pub speed: f64,
    /// Degrees clockwise from north; none while it stands and the trace does not say.
    pub heading: Option<f64>,
}

/// How one vehicle rides.
#[derive(Clone, Copy, Debug)]
struct Ride {
    track: u32,
    shift_ms: u32,
    beside: (i32, i32),
    /// How long after the beginning of a round it enters, and how long before the end it leaves: not all at once.
    enter_ms: u32,
    leave_ms: u32,
}

/// A fleet's movement.
#[derive(Clone, Debug)]
pub struct Movement {
    trace: Arc<Trace>,
    rides: Vec<Ride>,
}

impl Movement {
    /// Gives each of `vehicles` a ride.
    pub fn new(trace: Arc<Trace>, vehicles: usize, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut order: Vec<u32> = (0..trace.vehicles() as u32).collect();
        order.shuffle(&mut rng);
        let duration_ms = trace.duration_ms();
        let edge_ms = (vehicles as u64 * 1000 / EDGE_RATE).max(EDGE_MS_MIN).min(u64::from(duration_ms / 8)) as u32;
        let rides = (0..vehicles)
            .map(|i| {
                let copy = i >= order.len();
                let mut beside = || if copy { rng.random_range(-BESIDE_E7..=BESIDE_E7) } else { 0 };
                Ride {
                    track: order[i % order.len()],
                    beside: (beside(), beside()),
                    shift_ms: if copy { rng.random_range(0..duration_ms) } else { 0 },
                    enter_ms: rng.random_range(0..=edge_ms),
                    leave_ms: rng.random_range(0..=edge_ms),
                }
            })
            .collect();
        Self { trace, rides }
    }

    /// How many vehicles there are.
    pub fn vehicles(&self) -> usize {
        self.rides.len()
    }

    /// Where a vehicle is `elapsed_ms` of the trace's time after the start; `None` while it is not on the road.
    pub fn at(&self, vehicle: usize, elapsed_ms: u64) -> Option<Sighting> {
        let ride = self.rides.get(vehicle)?;
        let duration_ms = u64::from(self.trace.duration_ms());
        let shifted_ms = elapsed_ms + u64::from(ride.shift_ms);
        let (round, t_ms) = (shifted_ms / duration_ms, (shifted_ms % duration_ms) as u32);
        let entered = t_ms >= ride.enter_ms && elapsed_ms >= u64::from(ride.enter_ms);
        if !entered || t_ms + ride.leave_ms >= self.trace.duration_ms() {
            return None;
        }
        let track = self.trace.track(ride.track as usize)?;
        let (position, speed, heading) = self.between(track, t_ms)?;
        let (north, east) = ride.beside;
        let position = Position { lat_e7: position.lat_e7 + north, lon_e7: position.lon_e7 + east };
        Some(Sighting { round, position, speed, heading })
    }

    fn between(&self, track: &Track, t_ms: u32) -> Option<(Position, f64, Option<f64>)> {
        let period_ms = self.trace.period_ms();
        let until = track.until(t_ms);
        let before = track.sample(until.checked_sub(1)?)?;
        let gap_ms = GAP_MS.max(period_ms.saturating_mul(3));
        match track.sample(until).filter(|after| after.t_ms - before.t_ms <= gap_ms) {
            Some(after) => Some(interpolate(before, after, t_ms)),
            // The last sample of a trip holds until the next one would have come.
            None if t_ms - before.t_ms < period_ms => {
                Some((before.position, before.speed.unwrap_or(0.0), before.heading))
            }
            None => None,
        }
    }
}

fn interpolate(before: Sample, after: Sample, t_ms: u32) -> (Position, f64, Option<f64>) {
    let span_ms = f64::from(after.t_ms - before.t_ms);
    let part = f64::from(t_ms - before.t_ms) / span_ms;
    let (a, b) = (before.position, after.position);
    let north = (f64::from(b.lat_e7) - f64::from(a.lat_e7)) * E7_METRES;
    let east = (f64::from(b.lon_e7) - f64::from(a.lon_e7)) * E7_METRES * a.lat().to_radians().cos();
    // Across the antimeridian the way between two longitudes is not the difference of their numbers.
    let crosses = a.lon_e7.abs_diff(b.lon_e7) > 1_800_000_000;
    let lerp = |from: i32, to: i32| (f64::from(from) + (f64::from(to) - f64::from(from)) * part).round() as i32;
    let position =
        if crosses { a } else { Position { lat_e7: lerp(a.lat_e7, b.lat_e7), lon_e7: lerp(a.lon_e7, b.lon_e7) } };
    let metres = if crosses { 0.0 } else { north.hypot(east) };
    let speed = match (before.speed, after.speed) {
        (Some(u), Some(v)) => u + (v - u) * part,
        (Some(u), None) | (None, Some(u)) => u,
        (None, None) => metres / (span_ms / 1000.0),
    };
    let course = (metres >= COURSE_METRES_MIN).then(|| east.atan2(north).to_degrees().rem_euclid(360.0));
    let heading = match (before.heading, after.heading) {
        (Some(u), Some(v)) => Some((u + ((v - u + 540.0).rem_euclid(360.0) - 180.0) * part).rem_euclid(360.0)),
        (Some(u), None) | (None, Some(u)) => Some(u),
        (None, None) => course,
    };
    (position, speed, heading)
}

#[cfg(test)]
#[path = "movement_tests.rs"]
mod tests;
