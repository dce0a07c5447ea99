//! Traffic that is like the real one, and the judge of what was made of it.
//!
//! [`movement`] says where each vehicle is, from a [`trace`] (SUMO floating-car data, [`fcd`]); [`regions`]
//! says which gateway that is near to. A [`driver`] decides what a vehicle does there, and the
//! [`fleet`] does it with the real client. Each vehicle's [`ledger`] remembers what was promised to it, and the
//! [`judge`] asks a gateway for all of it. A [`convoy`] stands still instead, where a test wants it.

pub mod bundled;
pub mod convoy;
pub mod driver;
pub mod fcd;
pub mod fleet;
pub mod judge;
pub mod latency;
pub mod ledger;
pub mod movement;
pub mod operator;
pub mod regions;
pub mod trace;
pub mod witness;
pub mod world;
