//! Tells the gateway that served a vehicle before that its session lost. The quickest of three ways it learns
//! so; the others are the winning entry and its own keepalive.

use super::channels::Channels;
use crate::presence::Presence;
use std::time::Duration;
use tokio::sync::mpsc;
use waygate_core::epoch::Epoch;
use waygate_core::id::{NodeId, SessionId, VehicleId};
use waygate_wire::proto::SupersedeRequest;
use waygate_wire::proto::presence_client::PresenceClient;

/// Notices that may wait; more are left to gossip.
pub const NOTICES_MAX: usize = 1024;

/// How long a peer may take.
const DEADLINE: Duration = Duration::from_secs(2);

/// A session that lost, and against which epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whose.
    pub vehicle: VehicleId,
    /// The session that lost.
    pub session: SessionId,
    /// Its epoch.
    pub epoch: Epoch,
    /// The winner's.
    pub by: Epoch,
}

/// Sends notices until the presence task ends.
pub async fn run(mut notices: mpsc::Receiver<(NodeId, Notice)>, presence: Presence, channels: Channels) {
    while let Some((node, notice)) = notices.recv().await {
        let url = presence.ask({
            let node = node.clone();
            move |state| {
                let linked = state.node.link_to(&node).is_some();
                state.node.view().node(&node).filter(|_| linked).map(|status| status.info.operators_url.clone())
            }
        });
        let Some(channel) = url.await.flatten().and_then(|url| channels.to(&url)) else {
            continue;
        };
        let request = SupersedeRequest {
            vehicle: notice.vehicle.into(),
            session: notice.session.0,
            epoch: notice.epoch.0,
            by_epoch: notice.by.0,
        };
        let mut client = PresenceClient::new(channel);
        match tokio::time::timeout(DEADLINE, client.supersede(request)).await {
            Ok(Ok(_)) => {}
            Ok(Err(status)) => tracing::debug!(%node, message = status.message(), "a notice was not taken"),
            Err(_) => tracing::debug!(%node, "a notice was not answered in time"),
        }
    }
}
