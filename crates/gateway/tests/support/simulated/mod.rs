//! Gateways' wiring on a simulated network: one thread, simulated time, everything that is random from one seed.
#![allow(dead_code, clippy::unwrap_used)]

mod cluster;
mod disk;
mod gateway;
mod net;
mod seen;

pub use cluster::{Cluster, vehicle_of};
