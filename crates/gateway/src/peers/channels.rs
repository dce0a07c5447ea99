//! gRPC channels to peers, one an address, connected when first used.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(2);

/// How often a connection is probed, and how long the answer may take.
const PROBE: Duration = Duration::from_secs(5);

/// Addresses that are kept.
const CHANNELS_MAX: usize = 1024;

/// Channels by address. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Channels(Arc<Mutex<BTreeMap<String, Channel>>>);

impl Channels {
    /// The channel to an address; `None` if it is none.
    pub fn to(&self, url: &str) -> Option<Channel> {
        let mut channels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = channels.get(url) {
            return Some(channel.clone());
        }
        let channel = Endpoint::from_shared(url.to_owned())
            .ok()?
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(PROBE)
            .keep_alive_timeout(PROBE)
            .keep_alive_while_idle(true)
            .tcp_nodelay(true)
            .connect_lazy();
        if channels.len() >= CHANNELS_MAX {
            channels.pop_first();
        }
        channels.insert(url.to_owned(), channel.clone());
        Some(channel)
    }
}
