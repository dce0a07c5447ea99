//! Traffic that is like the real one, and the judge of what was made of it.
//!
//! [`movement`] says where each vehicle is, from a [`trace`] (SUMO floating-car data, [`fcd`]); [`regions`]
//! says which gateway that is near to.

pub mod bundled;
pub mod fcd;
pub mod movement;
pub mod regions;
pub mod trace;
