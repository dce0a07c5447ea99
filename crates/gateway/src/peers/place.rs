//! Latest positions between gateways: `LatestPosition` ⇄ the feed's places, and areas they are asked for by.

use crate::feed::Place;
use geo::{Distance, Haversine, Point};
use waygate_core::id::VehicleId;
use waygate_core::record::{Fix, Position};
use waygate_core::time::Wall;
use waygate_store::Latest;
use waygate_wire::proto;

/// Writes a place for a peer.
pub fn to_proto(place: &Place) -> proto::LatestPosition {
    let Place { vehicle, latest } = place;
    let fix = latest.fix;
    proto::LatestPosition {
        vehicle: vehicle.as_str().to_owned(),
        t_ms: latest.t.0,
        lat_e7: fix.position.lat_e7,
        lon_e7: fix.position.lon_e7,
        speed_cms: fix.speed_cms.unwrap_or_default(),
        heading_cdeg: fix.heading_cdeg.unwrap_or_default().into(),
        contact_age_ms: 0,
        serving: false,
        has_speed: fix.speed_cms.is_some(),
        has_heading: fix.heading_cdeg.is_some(),
        signals: Vec::new(),
    }
}

/// Reads a place a peer told of; `None` if it is none.
pub fn from_proto(told: &proto::LatestPosition) -> Option<Place> {
    let position = Position { lat_e7: told.lat_e7, lon_e7: told.lon_e7 };
    let heading = told.has_heading.then_some(told.heading_cdeg);
    let fix = Fix {
        position,
        alt_cm: None,
        speed_cms: told.has_speed.then_some(told.speed_cms),
        heading_cdeg: heading.and_then(|heading| u16::try_from(heading).ok()),
        hdop_centi: None,
    };
    let latest = Latest { t: Wall(told.t_ms), fix };
    position.on_globe().then_some(Place { vehicle: VehicleId::new(&told.vehicle).ok()?, latest })
}

/// Where vehicles are looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Area {
    /// Degrees; `west > east` crosses the antimeridian.
    Box {
        /// Degrees east.
        west: f64,
        /// Degrees north.
        south: f64,
        /// Degrees east.
        east: f64,
        /// Degrees north.
        north: f64,
    },
    /// Great-circle distance.
    Near {
        /// Degrees north.
        lat: f64,
        /// Degrees east.
        lon: f64,
        /// How far.
        metres: f64,
    },
}

impl Area {
    /// Whether a position lies in it.
    pub fn contains(&self, position: Position) -> bool {
        let (lat, lon) = (position.lat(), position.lon());
        match *self {
            Self::Box { west, south, east, north } => {
                let across = if west <= east { west <= lon && lon <= east } else { lon >= west || lon <= east };
                across && south <= lat && lat <= north
            }
            Self::Near { lat: at_lat, lon: at_lon, metres } => {
                Haversine.distance(Point::new(lon, lat), Point::new(at_lon, at_lat)) <= metres
            }
        }
    }

    /// For a peer.
    pub fn to_proto(self) -> proto::Area {
        match self {
            Self::Box { west, south, east, north } => {
                proto::Area { west, south, east, north, ..proto::Area::default() }
            }
            Self::Near { lat, lon, metres } => proto::Area { lat, lon, metres, ..proto::Area::default() },
        }
    }

    /// As a peer asked.
    pub fn from_proto(area: &proto::Area) -> Self {
        if area.metres > 0.0 {
            Self::Near { lat: area.lat, lon: area.lon, metres: area.metres }
        } else {
            Self::Box { west: area.west, south: area.south, east: area.east, north: area.north }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Area;
    use waygate_core::record::Position;

    #[test]
    fn a_box_may_cross_the_antimeridian() {
        let area = Area::Box { west: 170.0, south: -10.0, east: -170.0, north: 10.0 };
        assert!(area.contains(Position::from_degrees(0.0, 175.0)));
        assert!(area.contains(Position::from_degrees(0.0, -175.0)));
        assert!(!area.contains(Position::from_degrees(0.0, 0.0)));
        assert!(!area.contains(Position::from_degrees(11.0, 175.0)));
    }

    #[test]
    fn near_is_measured_on_the_great_circle() {
        let area = Area::Near { lat: 49.6, lon: 6.1, metres: 1000.0 };
        assert!(area.contains(Position::from_degrees(49.608, 6.1)));
        assert!(!area.contains(Position::from_degrees(49.610, 6.1)));
    }
}
