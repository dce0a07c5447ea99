//! Who the other gateways are.

mod send;
mod service;
mod task;

pub use service::MembershipService;
pub use task::{Letter, MembershipTask, Parts, Ways};

use tokio::sync::watch;

/// Tells which addresses to dial. Whether what a node says of its vehicles is believed is told by its stream.
pub trait Membership: Send + Sync + 'static {
    /// The other gateways, as they change.
    fn roster(&self) -> watch::Receiver<Roster>;
}

/// The other gateways, by their operators' addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// Whom to have a stream with.
    pub dial: Vec<String>,
    /// Addresses of the configuration at which no gateway has answered yet.
    pub unanswered: Vec<String>,
}

/// The roster as the membership's task keeps it; by itself, one that never changes.
#[derive(Clone, Debug)]
pub struct SharedRoster(watch::Sender<Roster>);

impl SharedRoster {
    /// To begin with, the addresses of the configuration.
    pub fn new(seeds: Vec<String>) -> Self {
        Self(watch::Sender::new(Roster { dial: seeds.clone(), unanswered: seeds }))
    }

    fn set(&self, roster: Roster) {
        self.0.send_if_modified(|kept| {
            let changed = *kept != roster;
            *kept = roster;
            changed
        });
    }
}

impl Membership for SharedRoster {
    fn roster(&self) -> watch::Receiver<Roster> {
        self.0.subscribe()
    }
}
