//! Traffic that is like the real one, and the judge of what was made of it.
//!
//! Movement comes from a [`trace`] (SUMO floating-car data, [`fcd`]).

pub mod bundled;
pub mod fcd;
pub mod trace;
