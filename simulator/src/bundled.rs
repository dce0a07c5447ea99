//! The trace that is part of the binary, so that the binary alone can show the whole.

use crate::fcd::{self, FcdError};
use crate::trace::Trace;

/// Five minutes of traffic in Luxembourg; where it comes from is told in `simulator/data/README.md`.
pub const LUXEMBOURG_FCD_GZ: &[u8] = include_bytes!("../data/luxembourg-small.fcd.xml.gz");

/// Where the two borders of its three regions run, degrees east: vehicles are spread over all of them, and
/// the city centre, where most of them meet, is a region of its own.
pub const LUXEMBOURG_BORDERS: [f64; 2] = [6.1215, 6.1345];

/// Reads the bundled trace.
pub fn luxembourg() -> Result<Trace, FcdError> {
    fcd::read(LUXEMBOURG_FCD_GZ)
}
