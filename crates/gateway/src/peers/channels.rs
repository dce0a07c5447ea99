//! gRPC channels to peers, one an address, connected when first used.
//!
//! How a connection is made is given at the start: TCP of the system, with or without TLS, or what a test simulates.

use crate::tls::Trust;
use crate::tls::connect::Connector;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};
use waygate_core::identity::Identity;

/// How long a connection may take, with its handshake where TLS is spoken: one packet may be lost on the way, which costs a
/// second, and three round trips of 600 ms fit in as well.
const CONNECT: Duration = Duration::from_secs(3);

/// How often a connection is probed, and how long the answer may take.
const PROBE: Duration = Duration::from_secs(5);

/// Addresses that are kept.
const CHANNELS_MAX: usize = 1024;

/// Makes a channel that connects when it is first used.
type Connect = dyn Fn(Endpoint) -> Channel + Send + Sync;

/// Channels by address. Cheap to clone.
#[derive(Clone)]
pub struct Channels {
    channels: Arc<Mutex<BTreeMap<String, Channel>>>,
    connect: Arc<Connect>,
    /// Knows who answered where, if peers show certificates.
    trusted: Option<Connector>,
}

impl std::fmt::Debug for Channels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channels").field("trusted", &self.trusted).finish_non_exhaustive()
    }
}

impl Channels {
    /// With TLS if there is trust, else without.
    pub fn new(trust: Option<Trust>) -> Self {
        let trusted = trust.map(Connector::new);
        let Some(connector) = trusted.clone() else { return Self::over(|endpoint| endpoint.connect_lazy()) };
        let channels = Self::over(move |endpoint| endpoint.connect_with_connector_lazy(connector.clone()));
        Self { trusted, ..channels }
    }

    /// Without TLS, over connections that are made like this.
    pub fn over(connect: impl Fn(Endpoint) -> Channel + Send + Sync + 'static) -> Self {
        Self { channels: Arc::default(), connect: Arc::new(connect), trusted: None }
    }

    /// Whether peers show certificates.
    pub fn are_trusted(&self) -> bool {
        self.trusted.is_some()
    }

    /// Who answered at an address last, by its certificate.
    pub fn speaker(&self, url: &str) -> Option<Identity> {
        Some(self.trusted.as_ref()?.peer_at(url)?.identity.clone())
    }

    /// The channel to an address; `None` if it is none, or if it is not one for TLS where that is spoken.
    pub fn to(&self, url: &str) -> Option<Channel> {
        if url.starts_with("https://") != self.are_trusted() {
            return None;
        }
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = channels.get(url) {
            return Some(channel.clone());
        }
        let endpoint = Endpoint::from_shared(url.to_owned())
            .ok()?
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(PROBE)
            .keep_alive_timeout(PROBE)
            .keep_alive_while_idle(true)
            .tcp_nodelay(true);
        let channel = (self.connect)(endpoint);
        if channels.len() >= CHANNELS_MAX {
            channels.pop_first();
        }
        channels.insert(url.to_owned(), channel.clone());
        Some(channel)
    }
}
