//! Asks the gateway that served a vehicle before what it has stored of it, and tells it with that that its session lost.
//!
//! The quickest of three ways it learns so; the others are the winning entry and its own keepalive. The answer is wanted
//! so that no record is stored at both; without one, after two seconds, the vehicle's telemetry is taken all the same, and
//! what is stored twice then is shown once.

use super::channels::Channels;
use crate::presence::context::Context;
use crate::presence::{Command, Presence};
use crate::tasks::Tasks;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use waygate_core::epoch::Epoch;
use waygate_core::id::{NodeId, SessionId, SpoolId, VehicleId};
use waygate_core::ranges::SeqRanges;
use waygate_wire::proto::handover_client::HandoverClient;
use waygate_wire::proto::presence_client::PresenceClient;
use waygate_wire::proto::{ContextReply, ContextRequest, SupersedeRequest};

/// Errands that may wait; of more, telemetry is taken without asking, and the old session is left to gossip.
pub const ERRANDS_MAX: usize = 1024;

/// Errands under way at once.
const UNDER_WAY_MAX: usize = 256;

/// How long a vehicle's telemetry waits for the answer.
pub const BUDGET: Duration = Duration::from_secs(2);

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
    /// Whether the directory has the winner's word, so that no one has to wait for it.
    pub recorded: bool,
    /// With that: whether the winner has left since.
    pub detached: bool,
}

impl Notice {
    fn to_proto(&self) -> SupersedeRequest {
        SupersedeRequest {
            vehicle: self.vehicle.as_str().to_owned(),
            session: self.session.0,
            epoch: self.epoch.0,
            by_epoch: self.by.0,
            recorded: self.recorded,
            detached: self.detached,
        }
    }
}

/// One question to another gateway, or only the word that its session lost.
#[derive(Debug)]
pub struct Errand {
    /// Which gateway.
    pub node: NodeId,
    /// What it is told.
    pub notice: Notice,
    /// What it is asked about; `None` if it is only told.
    pub spool: Option<SpoolId>,
    /// Until when.
    pub until: Instant,
}

/// Runs errands until the presence task ends.
pub async fn run(mut errands: mpsc::Receiver<Errand>, presence: Presence, channels: Channels, tasks: Tasks) {
    let room = Arc::new(Semaphore::new(UNDER_WAY_MAX));
    while let Some(errand) = errands.recv().await {
        let permit = tokio::time::timeout_at(errand.until, room.clone().acquire_owned()).await;
        let Ok(Ok(permit)) = permit else {
            errand.end(None, &presence).await;
            continue;
        };
        let (presence, channels) = (presence.clone(), channels.clone());
        tasks.spawn_small(async move {
            let asked = tokio::time::timeout_at(errand.until, errand.ask(&presence, &channels)).await;
            errand.end(asked.ok().flatten(), &presence).await;
            drop(permit);
        });
    }
}

impl Errand {
    async fn ask(&self, presence: &Presence, channels: &Channels) -> Option<ContextReply> {
        let node = self.node.clone();
        let url = presence.ask(move |state| {
            let linked = state.node.link_to(&node).is_some();
            state.node.view().node(&node).filter(|_| linked).map(|status| status.info.operators_url.clone())
        });
        let channel = channels.to(&url.await.flatten()?)?;
        let lost = self.notice.to_proto();
        let Some(spool) = self.spool else {
            let told = PresenceClient::new(channel).supersede(lost).await;
            let reply = told.inspect_err(|status| {
                tracing::debug!(node = %self.node, message = status.message(), "a gateway was not told that a session of it lost");
            });
            let applied = reply.ok()?.into_inner().applied;
            return Some(ContextReply { applied, ..ContextReply::default() });
        };
        let request = ContextRequest { lost: Some(lost), spool: spool.0 };
        match HandoverClient::new(channel).fetch_context(request).await {
            Ok(reply) => Some(reply.into_inner()),
            Err(status) => {
                tracing::debug!(node = %self.node, message = status.message(), "a handover's context was not told");
                None
            }
        }
    }

    /// It is over; whoever waits for an answer gets one, whatever happened.
    async fn end(self, reply: Option<ContextReply>, presence: &Presence) {
        let (how, context) = match reply {
            Some(reply) if reply.applied => ("fetched", Some(Context::Settled(settled(&reply)))),
            Some(reply) if reply.later_epoch > 0 => ("refused", Some(Context::Later(Epoch(reply.later_epoch)))),
            Some(_) => ("refused", Some(Context::Refused)),
            None => ("unanswered", None),
        };
        count(self.spool, how);
        if let Some(spool) = self.spool {
            presence.tell(Command::Gathered { notice: self.notice, spool, context }).await;
        }
    }
}

/// Counts what became of an errand.
pub fn count(spool: Option<SpoolId>, how: &'static str) {
    match spool {
        Some(_) => metrics::counter!("waygate_handovers_total", "context" => how).increment(1),
        None => metrics::counter!("waygate_losers_told_total").increment(1),
    }
}

fn settled(reply: &ContextReply) -> SeqRanges {
    reply.settled.iter().map(|span| (span.first, span.last)).collect()
}
