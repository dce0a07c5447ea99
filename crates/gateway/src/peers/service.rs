//! What this gateway answers its peers over gRPC of what it stores; on presence see `sessions.rs`.

use super::history::give;
use super::place::{Area, to_proto};
use crate::enrolment::EnrolmentDesk;
use crate::feed::{Feed, Place};
use crate::live::Live;
use crate::operators::history::Places;
use crate::pager::Pager;
use crate::presence::Presence;
use crate::tasks::Tasks;
use futures_util::Stream;
use std::pin::Pin;
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use waygate_core::id::{SpoolId, VehicleId};
use waygate_core::record::SignalValue;
use waygate_core::time::Wall;
use waygate_store::Reader;
use waygate_wire::proto;
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

/// What a call answers with, piece by piece.
pub(super) type Outbound<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

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

pub(super) fn vehicle_id(text: &str) -> Result<VehicleId, Status> {
    VehicleId::new(text).map_err(|error| Status::invalid_argument(error.to_string()))
}
