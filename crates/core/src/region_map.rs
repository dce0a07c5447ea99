//! Which region a tracking area belongs to.
//!
//! Made once, from the configuration, and never changed. A cell has one region or none: it belongs to the one whose area
//! holds its centre, so that borders need no agreement beyond the areas themselves.

use crate::cell::Cell;
use crate::id::RegionId;
use h3o::{CellIndex, Resolution};
use std::str::FromStr;

/// Cells of all areas together: 250 million km², more than there is land, in 16 MB.
pub const AREA_CELLS_MAX: usize = 1_000_000;

/// Regions that have an area.
pub const REGIONS_MAX: usize = 1024;

/// The areas of regions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegionMap {
    regions: Vec<RegionId>,
    /// In the order of the cells; the number is a place in `regions`.
    cells: Vec<(Cell, u16)>,
}

/// Areas contradict each other, or are too much.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RegionMapError {
    /// Two areas hold the centre of one cell.
    #[error(
        "cell {cell} (centre {lat:.5}, {lon:.5}) lies in the areas of both {one} and {other}: it can belong to one only"
    )]
    Contested {
        /// Which cell.
        cell: Cell,
        /// Degrees north.
        lat: f64,
        /// Degrees east.
        lon: f64,
        /// One region.
        one: RegionId,
        /// The other.
        other: RegionId,
    },
    /// More cells than are kept.
    #[error("the areas have {count} cells of resolution 5; {AREA_CELLS_MAX} are kept at most")]
    TooLarge {
        /// How many there are.
        count: usize,
    },
    /// More regions than are kept.
    #[error("{count} regions have an area; {REGIONS_MAX} are kept at most")]
    TooMany {
        /// How many there are.
        count: usize,
    },
}

/// A text names no area.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CellFault {
    /// It is no H3 index.
    #[error("{0:?} is no H3 cell: 15 hexadecimal digits such as 851fa443fffffff")]
    NotACell(String),
    /// It is finer than a tracking area.
    #[error("{0:?} is a cell of resolution {1}: an area is made of cells of resolution 5 or coarser")]
    TooFine(String, u8),
}

impl RegionMap {
    /// The map of these areas.
    pub fn new(areas: Vec<(RegionId, Vec<Cell>)>) -> Result<Self, RegionMapError> {
        let count = areas.iter().map(|(_, cells)| cells.len()).sum();
        if count > AREA_CELLS_MAX {
            return Err(RegionMapError::TooLarge { count });
        }
        if areas.len() > REGIONS_MAX {
            return Err(RegionMapError::TooMany { count: areas.len() });
        }
        let mut map = Self { regions: Vec::with_capacity(areas.len()), cells: Vec::with_capacity(count) };
        for (region, cells) in areas {
            let at = match map.regions.iter().position(|known| *known == region) {
                Some(at) => at,
                None => {
                    map.regions.push(region);
                    map.regions.len() - 1
                }
            };
            map.cells.extend(cells.into_iter().map(|cell| (cell, at as u16)));
        }
        map.cells.sort_unstable();
        map.cells.dedup();
        match map.cells.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => {
                let (cell, centre) = (pair[0].0, pair[0].0.centre());
                let [one, other] = [pair[0].1, pair[1].1].map(|at| map.regions[usize::from(at)].clone());
                Err(RegionMapError::Contested { cell, lat: centre.lat(), lon: centre.lon(), one, other })
            }
            None => Ok(map),
        }
    }

    /// The region whose area a cell belongs to.
    pub fn region_of(&self, cell: Cell) -> Option<&RegionId> {
        let at = self.cells.binary_search_by_key(&cell, |(cell, _)| *cell).ok()?;
        self.regions.get(usize::from(self.cells[at].1))
    }

    /// How many cells have a region.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether no region has an area.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }
}

/// The tracking areas of a cell of resolution 5 or coarser, as written in a configuration.
pub fn tracking_areas_of(text: &str) -> Result<impl Iterator<Item = Cell>, CellFault> {
    let cell = CellIndex::from_str(text).map_err(|_| CellFault::NotACell(text.to_owned()))?;
    if cell.resolution() > Resolution::Five {
        return Err(CellFault::TooFine(text.to_owned(), cell.resolution().into()));
    }
    Ok(cell.children(Resolution::Five).filter_map(|child| Cell::from_index(child.into())))
}

#[cfg(test)]
#[path = "region_map_tests.rs"]
mod tests;
