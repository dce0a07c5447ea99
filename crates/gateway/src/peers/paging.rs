//! Pages and orders for snapshots that another gateway sends here, because this one serves the vehicle.

use super::service::{PeerService, vehicle_id};
use crate::pager::Place;
use crate::presence::{Command, Presence};
use std::time::Duration;
use tokio::sync::oneshot;
use tonic::{Request, Response, Status};
use waygate_core::id::VehicleId;
use waygate_core::limits::{SIGNALS_MAX, WAKING_MAX};
use waygate_core::message::Downlink;
use waygate_core::record::SignalPath;
use waygate_wire::operator::PageOutcome;
use waygate_wire::proto;
use waygate_wire::proto::paging_server::Paging as PagingService;

/// The longest a page may take: the whole schedule of wake-ups.
pub const WAIT_MAX: Duration = Duration::from_millis(WAKING_MAX.0);

/// How long it may take to write to a vehicle's socket.
const WRITE: Duration = Duration::from_secs(2);

#[tonic::async_trait]
impl PagingService for PeerService {
    async fn page(&self, request: Request<proto::PageRequest>) -> Result<Response<proto::PageReply>, Status> {
        let request = request.into_inner();
        let vehicle = vehicle_id(&request.vehicle)?;
        let not_served = proto::PageReply { outcome: proto::PageOutcome::NotServed.into(), ..Default::default() };
        if !self.serves(&vehicle).await? {
            return Ok(Response::new(not_served));
        }
        let wait = Duration::from_millis(request.wait_ms.into()).min(WAIT_MAX);
        let reply = self.pager.here(vehicle, wait, request.wake).await;
        let reply = reply.ok_or_else(|| Status::unavailable("the gateway stops"))?;
        let outcome = match reply.outcome {
            PageOutcome::Reachable => proto::PageOutcome::Reachable,
            PageOutcome::Woken => proto::PageOutcome::Woken,
            PageOutcome::Unreachable => proto::PageOutcome::Unreachable,
        };
        Ok(Response::new(proto::PageReply {
            outcome: outcome.into(),
            took_ms: reply.took.0,
            detail: reply.detail,
            gateway: reply.gateway.unwrap_or_default(),
        }))
    }

    async fn snapshot(&self, request: Request<proto::SnapshotOrder>) -> Result<Response<proto::SnapshotReply>, Status> {
        let request = request.into_inner();
        let vehicle = vehicle_id(&request.vehicle)?;
        if request.signals.len() > SIGNALS_MAX {
            return Err(Status::invalid_argument("too many signals"));
        }
        let signals = request.signals.iter().map(|path| SignalPath::new(path)).collect::<Option<Vec<_>>>();
        let signals = signals.ok_or_else(|| Status::invalid_argument("a signal is no path"))?;
        let served = self.serves(&vehicle).await?;
        let requested = served && snapshot_here(&self.presence, vehicle, signals).await;
        Ok(Response::new(proto::SnapshotReply { served, requested }))
    }
}

impl PeerService {
    async fn serves(&self, vehicle: &VehicleId) -> Result<bool, Status> {
        let place = Place::find(&self.presence, vehicle).await;
        Ok(place.ok_or_else(|| Status::unavailable("the gateway stops"))? == Place::Here)
    }
}

/// Asks a vehicle for its signals. Returns whether that was written to its socket here.
pub async fn snapshot_here(presence: &Presence, vehicle: VehicleId, signals: Vec<SignalPath>) -> bool {
    let (written, done) = oneshot::channel();
    let message = Downlink::SnapshotRequest(signals);
    presence.tell(Command::SendTo { vehicle, message, written }).await;
    matches!(tokio::time::timeout(WRITE, done).await, Ok(Ok(())))
}
