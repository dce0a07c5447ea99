//! What this gateway answers its peers of sessions: presence streams, and questions about vehicles that have moved.

use super::handover::Notice;
use super::meter::Meter;
use super::service::{Outbound, vehicle_id};
use super::stream::Streams;
use crate::presence::context::{Context, ContextRequest};
use crate::presence::{Command, Presence};
use crate::tasks::Tasks;
use crate::tls::Peer;
use futures_util::StreamExt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use tokio::sync::oneshot;
use tonic::{Request, Response, Status, Streaming};
use waygate_core::epoch::Epoch;
use waygate_core::id::{SessionId, SpoolId};
use waygate_wire::proto;
use waygate_wire::proto::handover_server::Handover as HandoverService;
use waygate_wire::proto::presence_server::Presence as PresenceService;

/// What it needs; no store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SessionService {
    /// The way to the presence task.
    pub presence: Presence,
    /// Opens streams.
    pub streams: Streams,
    /// Spawns.
    pub tasks: Tasks,
}

#[tonic::async_trait]
impl PresenceService for SessionService {
    type SyncStream = Outbound<proto::SyncFrame>;

    async fn sync(&self, request: Request<Streaming<proto::SyncFrame>>) -> Result<Response<Self::SyncStream>, Status> {
        let meter = request.extensions().get::<Meter>().cloned().unwrap_or_default();
        let opened = self.streams.open(false, meter).await;
        let (streams, stopping) = (self.streams.clone(), self.tasks.stopping());
        let speaker = request.extensions().get::<Arc<Peer>>().map(|peer| peer.identity.clone());
        let (link, meter, reader, hang_up) = (opened.link, opened.meter, opened.reader, opened.hang_up.clone());
        let inbound = request.into_inner();
        self.tasks.spawn("peer", async move {
            let stopped = hang_up.clone();
            tokio::select! {
                biased;
                () = stopping => stopped.cancel(),
                why = streams.read(link, &meter, reader, inbound, hang_up, speaker) => {
                    tracing::debug!(why, "a stream from a peer has ended");
                }
            }
        });
        let outbound = opened.outbound.encoded().map(Ok).take_until(opened.hang_up.cancelled_owned());
        Ok(Response::new(Box::pin(outbound)))
    }

    async fn supersede(
        &self,
        request: Request<proto::SupersedeRequest>,
    ) -> Result<Response<proto::SupersedeReply>, Status> {
        let notice = notice(request.into_inner())?;
        let (reply, answer) = oneshot::channel();
        self.presence.tell(Command::Supersede(notice, reply)).await;
        let applied = answer.await.map_err(|_| Status::unavailable("the gateway stops"))?;
        Ok(Response::new(proto::SupersedeReply { applied }))
    }
}

#[tonic::async_trait]
impl HandoverService for SessionService {
    async fn fetch_context(
        &self,
        request: Request<proto::ContextRequest>,
    ) -> Result<Response<proto::ContextReply>, Status> {
        let request = request.into_inner();
        let lost = request.lost.ok_or_else(|| Status::invalid_argument("lost is missing"))?;
        let (reply, answer) = oneshot::channel();
        let context = ContextRequest { notice: notice(lost)?, spool: SpoolId(request.spool), reply };
        self.presence.tell(Command::Context(context)).await;
        let context = answer.await.map_err(|_| Status::unavailable("the journal is busy, or the gateway stops"))?;
        let span = |range: RangeInclusive<u64>| proto::SeqSpan { first: *range.start(), last: *range.end() };
        Ok(Response::new(match context {
            Context::Settled(settled) => {
                proto::ContextReply { applied: true, settled: settled.iter().map(span).collect(), later_epoch: 0 }
            }
            Context::Refused => proto::ContextReply::default(),
            Context::Later(epoch) => proto::ContextReply { later_epoch: epoch.0, ..Default::default() },
        }))
    }
}

fn notice(request: proto::SupersedeRequest) -> Result<Notice, Status> {
    Ok(Notice {
        vehicle: vehicle_id(&request.vehicle)?,
        session: SessionId(request.session),
        epoch: Epoch(request.epoch),
        by: Epoch(request.by_epoch),
        recorded: request.recorded,
        detached: request.detached,
    })
}
