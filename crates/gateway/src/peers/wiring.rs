//! What makes a gateway one of several: it answers its peers, finds them, and keeps a presence stream with each.
//!
//! All of it works without a store, so that tests run it as it is on a simulated network.

use super::dialer::Dialer;
use super::gate::{self, Gate};
use super::handover::{self, Errand};
use super::membership::{MembershipService, MembershipTask, Parts, Ways};
use super::meter;
use super::sessions::SessionService;
use super::stream::Streams;
use crate::operators::router::GRPC_MESSAGE_BYTES_MAX;
use axum::Router;
use tokio::sync::mpsc;
use tonic::service::Routes;
use waygate_core::membership::PACKET_BYTES_MAX;
use waygate_core::view::NodeInfo;
use waygate_wire::proto::handover_server::HandoverServer;
use waygate_wire::proto::membership_server::MembershipServer;
use waygate_wire::proto::presence_server::PresenceServer;

/// A gateway's part in the cluster, before it begins.
#[derive(Debug)]
pub struct Wiring {
    parts: Parts,
    streams: Streams,
    membership: MembershipTask,
    ways: Ways,
}

impl Wiring {
    /// Of a gateway that was given the addresses of some others.
    pub fn new(me: NodeInfo, seeds: &[String], chance: u64, parts: Parts) -> Self {
        let streams = Streams::new(parts.presence.clone());
        let (membership, ways) = MembershipTask::new(me, seeds, chance, parts.clone());
        Self { parts, streams, membership, ways }
    }

    /// The ways to the membership.
    pub fn ways(&self) -> &Ways {
        &self.ways
    }

    /// What peers are answered.
    pub fn routes(&self) -> Routes {
        let Parts { presence, tasks, .. } = self.parts.clone();
        let sessions = SessionService { presence, streams: self.streams.clone(), tasks };
        let membership = MembershipService { letters: self.ways.letters.clone(), me: self.ways.me.clone() };
        Routes::new(PresenceServer::new(sessions.clone()).max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX))
            .add_service(MembershipServer::new(membership).max_decoding_message_size(2 * PACKET_BYTES_MAX))
            .add_service(HandoverServer::new(sessions))
    }

    /// Begins: from now on it dials, is a member, and runs errands to other gateways.
    pub fn begin(self, errands: mpsc::Receiver<Errand>) {
        let Self { parts, streams, membership, ways } = self;
        let Parts { presence, channels, tasks, .. } = parts;
        tasks.spawn("handovers", {
            let run = handover::run(errands, presence.clone(), channels.clone(), tasks.clone());
            let stopping = tasks.stopping();
            async move {
                tokio::select! { () = run => {}, () = stopping => {} }
            }
        });
        let dialer = Dialer::new(presence, streams, channels, tasks.clone());
        tasks.spawn("dialer", dialer.run(ways.roster));
        tasks.spawn("membership", membership.run());
    }
}

/// gRPC for peers alone: the gate before it, its streams metered.
pub fn guarded(routes: Routes, gate: Gate) -> Router {
    // gRPC's own fallback would answer every unknown path.
    let grpc = routes.into_axum_router().reset_fallback().layer(axum::middleware::from_fn(meter::served));
    grpc.layer(axum::middleware::from_fn_with_state(gate, gate::check))
}
