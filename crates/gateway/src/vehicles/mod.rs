//! The vehicles' edge: from an accepted socket to a session.

pub mod bearer;
pub mod certificate;
pub mod close;
pub mod connection;
pub mod frame_meter;
pub mod identity;
pub mod keepalive;
pub mod listener;
pub mod outgoing;
pub mod refusals;
pub mod revoked;
pub mod telemetry;
pub mod upgrade;

use self::identity::Identities;
use self::refusals::Refusals;
use crate::admission::Pressure;
use crate::clock::Clock;
use crate::commands::Desk;
use crate::enrolment::EnrolmentDesk;
use crate::journal::Job;
use crate::presence::Presence;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use waygate_core::credential::Credential;
use waygate_core::id::{ConnId, VehicleId};
use waygate_core::message::GatewayAddress;
use waygate_core::redirect::Territory;
use waygate_core::timers::Timers;
use waygate_core::wake_up;

/// A vehicle's socket, without TLS or with it. Boxed: the state of TLS is large, and those without it should not keep room
/// for it.
pub type Transport = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// The other side of a connection.
#[derive(Debug)]
pub struct Peer {
    /// The connection.
    pub conn: ConnId,
    /// Its address.
    pub from: IpAddr,
    /// Who it is; `None` where vehicles need not show it.
    pub who: Option<Arc<Credential>>,
}

/// What every connection shares.
#[derive(Debug)]
pub struct Edge {
    /// The clocks.
    pub clock: Clock,
    /// The way to the presence task.
    pub presence: Presence,
    /// The way to the commands task.
    pub desk: Desk,
    /// The way to the journal.
    pub journal: mpsc::Sender<Job>,
    /// The timers of sessions.
    pub timers: Timers,
    /// The areas of regions.
    pub territory: Arc<Territory>,
    /// Other gateways a vehicle may go to, as known now.
    pub neighbours: tokio::sync::watch::Receiver<Vec<GatewayAddress>>,
    /// What is known of the load.
    pub pressure: Arc<Pressure>,
    /// Who vehicles are, and what shows it.
    pub identities: Identities,
    /// Which vehicles operators admitted, if vehicles have to be.
    pub enrolment: Option<EnrolmentDesk>,
    /// Tells of those that were turned away.
    pub refusals: Arc<Refusals>,
    /// The cluster's key for wake-ups, if this gateway has a hook to send them by.
    pub wake_key: Option<Vec<u8>>,
}

impl Edge {
    /// What a vehicle is given to know its wake-ups by; empty if none are sent.
    fn wake_key_of(&self, vehicle: &VehicleId) -> Vec<u8> {
        self.wake_key.as_ref().map(|key| wake_up::key_for(key, vehicle).to_vec()).unwrap_or_default()
    }
}
