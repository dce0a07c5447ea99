//! What operators ask over HTTP, and the console.

pub mod assets;
pub mod commands;
mod elsewhere;
pub mod enrolment;
pub mod health;
pub mod history;
pub mod lines;
pub mod live_stream;
pub mod origin;
pub mod overview;
pub mod page;
pub mod problem;
pub mod query;
pub mod regions;
pub mod router;
pub mod seen;
pub mod shape;
pub mod telemetry;
pub mod timeline;
pub mod vehicles;

use crate::clock::Clock;
use crate::feed::Feed;
use crate::journal::Health;
use crate::live::Live;
use crate::peers::channels::Channels;
use crate::peers::commands::CommandService;
use crate::peers::membership::Ways;
use crate::peers::service::PeerService;
use crate::presence::Presence;
use crate::tasks::Tasks;
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::Arc;
use waygate_core::id::NodeId;
use waygate_store::Reader;

/// Everything an operator's question needs. Cheap to clone.
#[derive(Clone)]
pub struct Operators {
    /// The clocks.
    pub clock: Clock,
    /// The way to the presence task.
    pub presence: Presence,
    /// Latest positions.
    pub feed: Feed,
    /// Live events.
    pub live: Live,
    /// The store.
    pub reader: Reader,
    /// The peers.
    pub channels: Channels,
    /// What peers are answered about commands.
    pub commands: CommandService,
    /// This gateway's name.
    pub me: NodeId,
    /// What peers are answered, for questions this gateway answers by itself.
    pub own: PeerService,
    /// Whether the store takes writes.
    pub health: Arc<Health>,
    /// The membership.
    pub membership: Ways,
    /// Renders the metrics, if they are recorded.
    pub metrics: Option<PrometheusHandle>,
    /// Spawns.
    pub tasks: Tasks,
}

impl std::fmt::Debug for Operators {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Operators")
    }
}
