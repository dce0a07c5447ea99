//! Tracking areas: H3 cells of resolution 5 and their ring of neighbours. The directory knows only of their parents.

use crate::record::Position;
use h3o::{CellIndex, LatLng, Resolution};
use std::fmt;

/// An H3 cell of resolution 5, about 253 km²; in the directory one of resolution 4, about 1770 km².
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell(u64);

impl Cell {
    /// The cell a position lies in; `None` off the globe.
    pub fn of(position: Position) -> Option<Self> {
        if !position.on_globe() {
            return None;
        }
        let at = LatLng::new(position.lat(), position.lon()).ok()?;
        Some(Self(at.to_cell(Resolution::Five).into()))
    }

    /// Reads an index as sent or stored; `None` if it is no cell of resolution 5.
    pub fn from_index(index: u64) -> Option<Self> {
        let cell = CellIndex::try_from(index).ok()?;
        (cell.resolution() == Resolution::Five).then_some(Self(index))
    }

    /// Reads an index that another gateway told, which may be of the directory's resolution.
    pub fn from_told(index: u64) -> Option<Self> {
        let cell = CellIndex::try_from(index).ok()?;
        matches!(cell.resolution(), Resolution::Four | Resolution::Five).then_some(Self(index))
    }

    /// The cell of resolution 4 that it lies in.
    #[must_use]
    pub fn coarse(self) -> Self {
        let parent = CellIndex::try_from(self.0).ok().and_then(|cell| cell.parent(Resolution::Four));
        parent.map_or(self, |parent| Self(parent.into()))
    }

    /// The H3 index.
    pub const fn index(self) -> u64 {
        self.0
    }

    /// The centre of the cell.
    pub fn centre(self) -> Position {
        match CellIndex::try_from(self.0) {
            Ok(cell) => {
                let at = LatLng::from(cell);
                Position::from_degrees(at.lat(), at.lng())
            }
            Err(_) => Position { lat_e7: 0, lon_e7: 0 },
        }
    }

    /// The tracking area list: this cell first, then its ring of neighbours.
    pub fn tracking_areas(self) -> Vec<Self> {
        match CellIndex::try_from(self.0) {
            Ok(cell) => cell.grid_disk::<Vec<_>>(1).into_iter().map(|c| Self(c.into())).collect(),
            Err(_) => vec![self],
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
#[path = "cell_tests.rs"]
mod tests;
