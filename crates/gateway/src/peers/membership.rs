//! Who the other gateways are.

use tokio::sync::watch;

/// Tells which addresses to dial. Whether a node lives is told by its stream.
pub trait Membership: Send + Sync + 'static {
    /// The operators' addresses of the other gateways, as they change.
    fn addresses(&self) -> watch::Receiver<Vec<String>>;
}

/// A list from the configuration, which never changes.
#[derive(Debug)]
pub struct Configured(watch::Sender<Vec<String>>);

impl Configured {
    /// This list.
    pub fn new(addresses: Vec<String>) -> Self {
        Self(watch::Sender::new(addresses))
    }
}

impl Membership for Configured {
    fn addresses(&self) -> watch::Receiver<Vec<String>> {
        self.0.subscribe()
    }
}
