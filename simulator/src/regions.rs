//! Which region a vehicle is in: bands of longitude, west to east, with some inertia at the borders.
//!
//! Owned by the fleet; it knows places only, no gateways.

use crate::trace::Trace;
use waygate_core::record::Position;

/// How far beyond a border a vehicle must be before it changes region: on a road along a border it would
/// otherwise hand over again and again.
const INERTIA_METRES: f64 = 120.0;

/// Metres in a degree of latitude, and of longitude at the equator.
const DEGREE_METRES: f64 = 111_320.0;

/// Bands of longitude.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regions {
    borders_e7: Vec<i32>,
    inertia_e7: i32,
}

impl Regions {
    /// Bands between these borders, in degrees east. `latitude` says how wide a degree is there.
    pub fn between(borders: &[f64], latitude: f64) -> Self {
        let mut borders_e7: Vec<i32> = borders.iter().map(|&b| Position::from_degrees(latitude, b).lon_e7).collect();
        borders_e7.sort_unstable();
        let degrees = INERTIA_METRES / (DEGREE_METRES * latitude.to_radians().cos().max(0.01));
        // Of a narrow band a part must remain that is beyond doubt.
        let narrowest_e7 = borders_e7.windows(2).map(|w| w[1].abs_diff(w[0])).min().unwrap_or(u32::MAX);
        let inertia_e7 = ((degrees * 1e7) as u32).min(narrowest_e7 / 4) as i32;
        Self { borders_e7, inertia_e7 }
    }

    /// As many bands as `count`, each with the same number of the trace's samples.
    pub fn spread(trace: &Trace, count: usize) -> Self {
        let mut lons: Vec<i32> = trace.tracks().iter().flat_map(|t| t.longitudes_e7()).copied().collect();
        let borders: Vec<f64> = (1..count)
            .map(|i| {
                let nth = i * lons.len() / count;
                let (_, &mut border, _) = lons.select_nth_unstable(nth);
                f64::from(border) / 1e7
            })
            .collect();
        let bounds = trace.bounds();
        Self::between(&borders, (bounds.south_west.lat() + bounds.north_east.lat()) / 2.0)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.borders_e7.len() + 1
    }

    /// The region of a place, counted from 0 in the west.
    pub fn of(&self, place: Position) -> usize {
        self.borders_e7.partition_point(|&b| b <= place.lon_e7)
    }

    /// The region of a vehicle that was in `current` so far.
    pub fn after(&self, current: usize, place: Position) -> usize {
        let west = current.checked_sub(1).and_then(|i| self.borders_e7.get(i));
        let east = self.borders_e7.get(current);
        let left = west.is_some_and(|&b| place.lon_e7 < b.saturating_sub(self.inertia_e7))
            || east.is_some_and(|&b| place.lon_e7 >= b.saturating_add(self.inertia_e7));
        if left { self.of(place) } else { current }
    }
}

#[cfg(test)]
#[path = "regions_tests.rs"]
mod tests;
