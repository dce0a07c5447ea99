//! What this gateway answers its peers over gRPC.

use super::handover::Notice;
use super::history::give;
use super::meter::Meter;
use super::place::{Area, to_proto};
use super::stream::{Streams, encode};
use crate::enrolment::EnrolmentDesk;
use crate::feed::{Feed, Place};
use crate::live::Live;
use crate::operators::history::Places;
use crate::pager::Pager;
use crate::presence::leaving::ContextRequest;
use crate::presence::{Command, Presence};
use crate::tasks::Tasks;
use crate::tls::Peer;
use futures_util::{Stream, StreamExt};
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use waygate_core::epoch::Epoch;
use waygate_core::id::{SessionId, SpoolId, VehicleId};
use waygate_core::ranges::SeqRanges;
use waygate_core::record::SignalValue;
use waygate_core::time::Wall;
use waygate_store::Reader;
use waygate_wire::proto;
use waygate_wire::proto::handover_server::Handover as HandoverService;
use waygate_wire::proto::presence_server::Presence as PresenceService;
use waygate_wire::proto::telemetry_query_server::TelemetryQuery as TelemetryService;

/// Vehicles of one question.
const VEHICLES_MAX: usize = 1000;

/// Positions looked at between two visits to the feed's task.
const SCAN: usize = 4096;

/// Batches of positions on their way to a peer.
const WATCHED_MAX: usize = 4;

/// Everything a peer's question needs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PeerService {
    /// The way to the presence task.
    pub presence: Presence,
    /// Opens streams.
    pub streams: Streams,
    /// Latest positions.
    pub feed: Feed,
    /// Live positions.
    pub live: Live,
    /// Pages.
    pub pager: Pager,
    /// Which vehicles may attach.
    pub enrolment: EnrolmentDesk,
    /// The store.
    pub reader: Reader,
    /// How many histories may be under way.
    pub histories: Places,
    /// Spawns.
    pub tasks: Tasks,
}

type Outbound<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl PresenceService for PeerService {
    type SyncStream = Outbound<proto::SyncFrame>;

    async fn sync(&self, request: Request<Streaming<proto::SyncFrame>>) -> Result<Response<Self::SyncStream>, Status> {
        let meter = request.extensions().get::<Meter>().cloned().unwrap_or_default();
        let opened = self.streams.open(false, meter).await;
        let (streams, stopping) = (self.streams.clone(), self.tasks.stopping());
        let speaker = request.extensions().get::<Arc<Peer>>().map(|peer| peer.identity.clone());
        let (link, meter, hang_up) = (opened.link, opened.meter, opened.hang_up.clone());
        let inbound = request.into_inner();
        self.tasks.spawn("peer", async move {
            let stopped = hang_up.clone();
            tokio::select! {
                why = streams.read(link, &meter, inbound, hang_up, speaker) => {
                    tracing::debug!(why, "a stream from a peer has ended");
                }
                () = stopping => stopped.cancel(),
            }
        });
        let outbound = encode(opened.outbound).map(Ok).take_until(opened.hang_up.cancelled_owned());
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
impl HandoverService for PeerService {
    async fn fetch_context(
        &self,
        request: Request<proto::ContextRequest>,
    ) -> Result<Response<proto::ContextReply>, Status> {
        let request = request.into_inner();
        let lost = request.lost.ok_or_else(|| Status::invalid_argument("lost is missing"))?;
        let (reply, answer) = oneshot::channel();
        let context = ContextRequest { notice: notice(lost)?, spool: SpoolId(request.spool), reply };
        self.presence.tell(Command::Context(context)).await;
        let settled = answer.await.map_err(|_| Status::unavailable("the journal is busy, or the gateway stops"))?;
        let span = |range: RangeInclusive<u64>| proto::SeqSpan { first: *range.start(), last: *range.end() };
        Ok(Response::new(proto::ContextReply {
            applied: settled.is_some(),
            settled: settled.iter().flat_map(SeqRanges::iter).map(span).collect(),
        }))
    }
}

#[tonic::async_trait]
impl TelemetryService for PeerService {
    type HistoryStream = Outbound<proto::HistoryChunk>;
    type WatchStream = Outbound<proto::WatchBatch>;

    async fn history(&self, request: Request<proto::HistoryRequest>) -> Result<Response<Self::HistoryStream>, Status> {
        let request = request.into_inner();
        let vehicle = vehicle_id(&request.vehicle)?;
        let after =
            request.has_after.then_some((Wall(request.after_t_ms), SpoolId(request.after_spool), request.after_seq));
        let full = || Status::resource_exhausted("it gives as many histories as it may");
        let place = self.histories.given().ok_or_else(full)?;
        let history = self.reader.history(&vehicle, Wall(request.from_ms), Wall(request.to_ms), after).await;
        let history = history.map_err(|error| {
            tracing::error!(%error, "history cannot be read");
            Status::internal("the store cannot be read")
        })?;
        Ok(Response::new(give(history, place, &self.tasks)))
    }

    async fn latest(&self, request: Request<proto::LatestRequest>) -> Result<Response<proto::LatestReply>, Status> {
        let request = request.into_inner();
        let reply = match &request.area {
            Some(area) => {
                let after = match request.after.as_str() {
                    "" => None,
                    after => Some(vehicle_id(after)?),
                };
                let limit = (request.limit as usize).clamp(1, VEHICLES_MAX);
                self.latest_in(Area::from_proto(area), after, limit).await
            }
            None => {
                let vehicles = request.vehicles.iter().take(VEHICLES_MAX).map(|id| vehicle_id(id));
                self.latest_of(vehicles.collect::<Result<Vec<_>, _>>()?).await
            }
        };
        Ok(Response::new(reply))
    }

    async fn watch(&self, _request: Request<proto::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let mut ticks = self.live.ticks();
        let stopping = self.tasks.stopping();
        let batches = async_stream(move |sender| async move {
            loop {
                match ticks.recv().await {
                    Ok(tick) if tick.own.is_empty() => {}
                    Ok(tick) => {
                        let positions = tick.own.iter().map(to_proto).collect();
                        if sender.send(Ok(proto::WatchBatch { positions })).await.is_err() {
                            return;
                        }
                    }
                    // Only the latest counts: what was missed is overtaken.
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return,
                }
            }
        });
        let (stream, task) = batches;
        self.tasks.spawn("watched", async move {
            tokio::select! {
                () = task => {}
                () = stopping => {}
            }
        });
        Ok(Response::new(Box::pin(stream)))
    }
}

/// A stream fed by a task.
fn async_stream<T, F>(task: impl FnOnce(mpsc::Sender<T>) -> F) -> (ReceiverStream<T>, F) {
    let (sender, receiver) = mpsc::channel(WATCHED_MAX);
    (ReceiverStream::new(receiver), task(sender))
}

impl PeerService {
    /// Positions of these vehicles, where records of them are stored or a session of them is served here.
    pub async fn latest_of(&self, vehicles: Vec<VehicleId>) -> proto::LatestReply {
        let single = (vehicles.len() == 1).then(|| vehicles.first().cloned()).flatten();
        let places = self.feed.ask(move |places| {
            let place = |vehicle: VehicleId| places.own(&vehicle).map(|latest| Place { vehicle, latest });
            vehicles.into_iter().filter_map(place).collect::<Vec<_>>()
        });
        let mut positions = self.contacts(places.await.unwrap_or_default(), false).await;
        if let (Some(vehicle), Some(position)) = (single, positions.first_mut()) {
            position.signals = self.signals(&vehicle).await;
        }
        proto::LatestReply { positions, more: false }
    }

    /// Positions of vehicles served here that lie in an area, after a vehicle.
    pub async fn latest_in(&self, area: Area, mut after: Option<VehicleId>, limit: usize) -> proto::LatestReply {
        let mut positions = Vec::new();
        loop {
            let from = after.clone();
            let scanned = self.feed.ask(move |places| {
                let mut last = None;
                let mut seen = 0;
                let mut inside = Vec::new();
                for (vehicle, latest) in places.own_after(from.as_ref()).take(SCAN) {
                    seen += 1;
                    last = Some(vehicle.clone());
                    if area.contains(latest.fix.position) {
                        inside.push(Place { vehicle: vehicle.clone(), latest: *latest });
                    }
                }
                (inside, last.filter(|_| seen == SCAN))
            });
            let (inside, last) = scanned.await.unwrap_or_default();
            positions.extend(self.contacts(inside, true).await);
            if positions.len() > limit {
                positions.truncate(limit);
                return proto::LatestReply { positions, more: true };
            }
            if last.is_none() {
                return proto::LatestReply { positions, more: false };
            }
            after = last;
        }
    }

    /// Adds when each vehicle was last heard. With `serving`, leaves out those that are not served here.
    async fn contacts(&self, places: Vec<Place>, serving: bool) -> Vec<proto::LatestPosition> {
        let positions = self.presence.ask(move |state| {
            let position = |place: &Place| {
                let age = state.contact_age(&place.vehicle);
                let position = proto::LatestPosition {
                    contact_age_ms: age.unwrap_or_default().0,
                    serving: age.is_some(),
                    ..to_proto(place)
                };
                (position.serving || !serving).then_some(position)
            };
            places.iter().filter_map(position).collect::<Vec<_>>()
        });
        positions.await.unwrap_or_default()
    }

    /// The latest value of each signal stored here.
    pub async fn signals(&self, vehicle: &VehicleId) -> Vec<proto::LatestSignal> {
        let signals = match self.reader.latest_signals(vehicle).await {
            Ok(signals) => signals,
            Err(error) => {
                tracing::error!(%error, "signals cannot be read");
                return Vec::new();
            }
        };
        let write = |(path, t, value): (waygate_core::record::SignalPath, Wall, SignalValue)| proto::LatestSignal {
            path: path.as_str().to_owned(),
            t_ms: t.0,
            json: crate::operators::shape::value(&value).to_string(),
        };
        signals.into_iter().map(write).collect()
    }
}

fn notice(request: proto::SupersedeRequest) -> Result<Notice, Status> {
    Ok(Notice {
        vehicle: vehicle_id(&request.vehicle)?,
        session: SessionId(request.session),
        epoch: Epoch(request.epoch),
        by: Epoch(request.by_epoch),
        recorded: request.recorded,
    })
}

pub(super) fn vehicle_id(text: &str) -> Result<VehicleId, Status> {
    VehicleId::new(text).map_err(|error| Status::invalid_argument(error.to_string()))
}
