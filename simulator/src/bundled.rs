//! The trace that is part of the binary, so that the binary alone can show the whole.

use crate::fcd::{self, FcdError};
use crate::regions::Regions;
use crate::trace::Trace;

/// Five minutes of traffic in Luxembourg; where it comes from is told in `simulator/data/README.md`.
pub const LUXEMBOURG_FCD_GZ: &[u8] = include_bytes!("../data/luxembourg-small.fcd.xml.gz");

/// Where the two borders of its three regions run, degrees east: vehicles are spread over all of them, and
/// the city centre, where most of them meet, is a region of its own.
const LUXEMBOURG_BORDERS: [f64; 2] = [6.1215, 6.1345];

/// The three regions of the bundled trace, west to east.
pub fn regions(trace: &Trace) -> Regions {
    let bounds = trace.bounds();
    Regions::between(&LUXEMBOURG_BORDERS, (bounds.south_west.lat() + bounds.north_east.lat()) / 2.0)
}

/// Reads the bundled trace.
pub fn luxembourg() -> Result<Trace, FcdError> {
    fcd::read(LUXEMBOURG_FCD_GZ)
}
