//! The vehicles' edge: from an accepted socket to a session.

pub mod close;
pub mod connection;
pub mod frame_meter;
pub mod keepalive;
pub mod listener;
pub mod outgoing;
pub mod telemetry;
pub mod upgrade;

use crate::admission::Pressure;
use crate::clock::Clock;
use crate::journal::Job;
use crate::presence::Presence;
use std::sync::Arc;
use tokio::sync::mpsc;
use waygate_core::message::GatewayAddress;
use waygate_core::timers::Timers;

/// What every connection shares.
#[derive(Debug)]
pub struct Edge {
    /// The clocks.
    pub clock: Clock,
    /// The way to the presence task.
    pub presence: Presence,
    /// The way to the journal.
    pub journal: mpsc::Sender<Job>,
    /// The timers of sessions.
    pub timers: Timers,
    /// Other gateways a vehicle may go to, as known when it attaches.
    pub neighbours: tokio::sync::watch::Receiver<Vec<GatewayAddress>>,
    /// What is known of the load.
    pub pressure: Arc<Pressure>,
}
