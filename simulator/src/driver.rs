//! What one simulated vehicle does next: enters, reports, prefers another gateway, leaves.
//!
//! Plain synchronous decisions from where the vehicle is; the fleet performs them with the real client. It
//! knows regions by number and no gateway.

use crate::movement::Sighting;
use crate::regions::Regions;
use waygate_core::record::{Fix, Position, Record, SignalPath, SignalValue};
use waygate_core::time::Wall;

/// Every how many records the slow signals (odometer, charge) are part of one.
const SLOW_SIGNALS_EVERY: u32 = 10;

/// Percent of the battery used in a kilometre: 0.18 kWh of 60.
const CHARGE_PER_KM: f64 = 0.3;

/// A vehicle below this charge, in percent, is charged before its next trip.
const CHARGE_LOW: f64 = 12.0;

/// What such a vehicle leaves the charger with, in percent.
const CHARGE_FULL: f64 = 80.0;

/// Metres in 1e-7 degrees of latitude.
const E7_METRES: f64 = 0.011_132;

/// What a vehicle does.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// Its ignition goes on in this region.
    Enter {
        /// Counted from 0 in the west.
        region: usize,
    },
    /// It reports.
    Report(Record),
    /// It has driven into another region.
    Prefer {
        /// Counted from 0 in the west.
        region: usize,
    },
    /// Its ignition goes off.
    Leave,
}

/// The signals' paths, made once.
#[derive(Clone, Debug)]
pub struct Signals {
    speed: SignalPath,
    odometer: SignalPath,
    charge: SignalPath,
}

impl Signals {
    /// `None` if a path is none, which a test would have seen.
    pub fn new() -> Option<Self> {
        Some(Self {
            speed: SignalPath::new("Vehicle.Speed")?,
            odometer: SignalPath::new("Vehicle.TraveledDistance")?,
            charge: SignalPath::new("Vehicle.Powertrain.TractionBattery.StateOfCharge.Current")?,
        })
    }

    /// All of them.
    pub fn all(&self) -> [SignalPath; 3] {
        [self.speed.clone(), self.odometer.clone(), self.charge.clone()]
    }
}

/// A trip under way.
#[derive(Clone, Copy, Debug)]
struct Trip {
    round: u64,
    region: usize,
    last: Position,
}

/// One vehicle's driver.
#[derive(Clone, Debug)]
pub struct Driver {
    trip: Option<Trip>,
    odometer_m: f64,
    charge_percent: f64,
    reports: u32,
}

impl Driver {
    /// A parked vehicle.
    pub fn new(odometer_m: f64, charge_percent: f64) -> Self {
        Self { trip: None, odometer_m, charge_percent, reports: 0 }
    }

    /// The region it is in, while it is on a trip.
    pub fn region(&self) -> Option<usize> {
        self.trip.map(|trip| trip.region)
    }

    /// Decides from where the vehicle is now; `None` if it is not on the road.
    pub fn observe(
        &mut self,
        regions: &Regions,
        signals: &Signals,
        t: Wall,
        seen: Option<Sighting>,
        deeds: &mut Vec<Deed>,
    ) {
        let Some(seen) = seen else {
            if self.trip.take().is_some() {
                deeds.push(Deed::Leave);
            }
            return;
        };
        let trip = match self.trip {
            Some(trip) if trip.round == seen.round => self.go_on(trip, regions, seen, deeds),
            before => {
                // Another round of the trace is another trip, also if the pause between them was missed.
                if before.is_some() {
                    deeds.push(Deed::Leave);
                }
                self.enter(regions, seen, deeds)
            }
        };
        self.trip = Some(trip);
        deeds.push(Deed::Report(self.report(signals, t, seen)));
    }

    fn enter(&mut self, regions: &Regions, seen: Sighting, deeds: &mut Vec<Deed>) -> Trip {
        if self.charge_percent < CHARGE_LOW {
            self.charge_percent = CHARGE_FULL;
        }
        let region = regions.of(seen.position);
        self.reports = 0;
        deeds.push(Deed::Enter { region });
        Trip { round: seen.round, region, last: seen.position }
    }

    fn go_on(&mut self, trip: Trip, regions: &Regions, seen: Sighting, deeds: &mut Vec<Deed>) -> Trip {
        let metres = distance_m(trip.last, seen.position);
        self.odometer_m += metres;
        self.charge_percent = (self.charge_percent - metres / 1000.0 * CHARGE_PER_KM).max(1.0);
        let region = regions.after(trip.region, seen.position);
        if region != trip.region {
            deeds.push(Deed::Prefer { region });
        }
        Trip { round: trip.round, region, last: seen.position }
    }

    fn report(&mut self, signals: &Signals, t: Wall, seen: Sighting) -> Record {
        let kmh = (seen.speed * 3.6 * 10.0).round() / 10.0;
        let mut values = vec![(signals.speed.clone(), SignalValue::Number(kmh))];
        if self.reports.is_multiple_of(SLOW_SIGNALS_EVERY) {
            let charge = (self.charge_percent * 10.0).round() / 10.0;
            values.push((signals.odometer.clone(), SignalValue::Integer(self.odometer_m.round() as i64)));
            values.push((signals.charge.clone(), SignalValue::Number(charge)));
        }
        self.reports = self.reports.wrapping_add(1);
        let fix = Fix {
            position: seen.position,
            alt_cm: None,
            speed_cms: Some((seen.speed * 100.0).round().max(0.0) as u32),
            heading_cdeg: seen.heading.map(|h| (h * 100.0).round() as u16 % 36_000),
            hdop_centi: None,
        };
        Record { t, fix: Some(fix), signals: values }
    }
}

/// Good for the few metres between two reports.
fn distance_m(a: Position, b: Position) -> f64 {
    let north = (f64::from(b.lat_e7) - f64::from(a.lat_e7)) * E7_METRES;
    let east = (f64::from(b.lon_e7) - f64::from(a.lon_e7)) * E7_METRES * a.lat().to_radians().cos();
    north.hypot(east)
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
