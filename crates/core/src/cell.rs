//! Tracking areas: H3 cells of resolution 5 and their ring of neighbours. The directory knows only of their parents.

use crate::record::Position;
use h3o::{CellIndex, LatLng, Resolution};
use std::fmt;
use std::num::NonZeroU32;

/// An H3 cell of resolution 5, about 253 km²; in the directory one of resolution 4, about 1770 km².
///
/// Every vehicle of a log has one, so it keeps what differs between such cells alone: resolution, base cell and five digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell(NonZeroU32);

/// The bits of an index below the fifth digit: all set, for finer digits are not used.
const UNUSED_BITS: u32 = 30;

/// The bits of an index above those kept: it is a cell, not an edge or a corner.
const MODE: u64 = 1 << 59;

impl Cell {
    /// The cell a position lies in; `None` off the globe.
    pub fn of(position: Position) -> Option<Self> {
        if !position.on_globe() {
            return None;
        }
        let at = LatLng::new(position.lat(), position.lon()).ok()?;
        Self::packed(at.to_cell(Resolution::Five))
    }

    /// Reads an index as sent or stored; `None` if it is no cell of resolution 5.
    pub fn from_index(index: u64) -> Option<Self> {
        let cell = CellIndex::try_from(index).ok()?;
        if cell.resolution() == Resolution::Five { Self::packed(cell) } else { None }
    }

    /// Reads an index that another gateway told, which may be of the directory's resolution.
    pub fn from_told(index: u64) -> Option<Self> {
        let cell = CellIndex::try_from(index).ok()?;
        if matches!(cell.resolution(), Resolution::Four | Resolution::Five) { Self::packed(cell) } else { None }
    }

    /// Of a cell of no finer resolution than 5. Never none: the resolution is among the bits that are kept.
    fn packed(cell: CellIndex) -> Option<Self> {
        NonZeroU32::new(((u64::from(cell) & !MODE) >> UNUSED_BITS) as u32).map(Self)
    }

    /// The cell of resolution 4 that it lies in.
    #[must_use]
    pub fn coarse(self) -> Self {
        let parent = CellIndex::try_from(self.index()).ok().and_then(|cell| cell.parent(Resolution::Four));
        parent.and_then(Self::packed).unwrap_or(self)
    }

    /// The H3 index.
    pub const fn index(self) -> u64 {
        MODE | (self.0.get() as u64) << UNUSED_BITS | ((1 << UNUSED_BITS) - 1)
    }

    /// The centre of the cell.
    pub fn centre(self) -> Position {
        match CellIndex::try_from(self.index()) {
            Ok(cell) => {
                let at = LatLng::from(cell);
                Position::from_degrees(at.lat(), at.lng())
            }
            Err(_) => Position { lat_e7: 0, lon_e7: 0 },
        }
    }

    /// The tracking area list: this cell first, then its ring of neighbours.
    pub fn tracking_areas(self) -> Vec<Self> {
        match CellIndex::try_from(self.index()) {
            Ok(cell) => cell.grid_disk::<Vec<_>>(1).into_iter().filter_map(Self::packed).collect(),
            Err(_) => vec![self],
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.index())
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
