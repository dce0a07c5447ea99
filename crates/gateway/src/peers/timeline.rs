//! Timelines between gateways: what this one answers, and what the others are asked.

use super::service::PeerService;
use crate::operators::timeline::Answer;
use std::time::Duration;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use waygate_core::cell::Cell;
use waygate_core::epoch::Epoch;
use waygate_core::id::{Incarnation, NodeId, RegionId, SessionId, VehicleId};
use waygate_core::time::Wall;
use waygate_store::{TimelineKey, TransitionRecord};
use waygate_wire::proto;
use waygate_wire::proto::timeline_client::TimelineClient;
use waygate_wire::proto::timeline_server::Timeline as TimelineService;

/// Transitions of one answer.
pub const TRANSITIONS_MAX: u32 = 2048;

/// How long a peer may take.
const DEADLINE: Duration = Duration::from_secs(1);

/// The smallest id of a node.
const FIRST_NODE: &str = "-";

#[tonic::async_trait]
impl TimelineService for PeerService {
    async fn list(&self, request: Request<proto::TimelineRequest>) -> Result<Response<proto::TimelineReply>, Status> {
        let request = request.into_inner();
        let invalid = |error: waygate_core::id::InvalidId| Status::invalid_argument(error.to_string());
        let vehicle = VehicleId::new(&request.vehicle).map_err(invalid)?;
        let before = Some(Wall(request.before_ms)).filter(|before| before.0 != 0).and_then(start_of);
        let limit = request.limit.clamp(1, TRANSITIONS_MAX);
        let records = self.reader.timeline(&vehicle, before, limit).await.map_err(|error| {
            tracing::error!(%error, "a timeline cannot be read");
            Status::internal("the store cannot be read")
        })?;
        Ok(Response::new(proto::TimelineReply { entries: records.into_iter().map(to_proto).collect() }))
    }
}

/// Where the timeline goes on before a time.
pub fn start_of(before: Wall) -> Option<TimelineKey> {
    Some((before, NodeId::new(FIRST_NODE).ok()?, Incarnation(0), 0))
}

/// What a peer has of a vehicle; `None` if it does not answer in time.
pub async fn ask(
    channel: Channel,
    node: NodeId,
    vehicle: &VehicleId,
    before: Option<Wall>,
    limit: u32,
) -> Option<Answer> {
    let request = proto::TimelineRequest {
        vehicle: vehicle.as_str().to_owned(),
        limit,
        before_ms: before.map_or(0, |before| before.0),
    };
    let mut client = TimelineClient::new(channel);
    let reply = tokio::time::timeout(DEADLINE, client.list(request)).await.ok()?.ok()?.into_inner();
    // Cut short is what has as many as were asked for, also where this version cannot read all of them.
    let full = reply.entries.len() >= limit as usize;
    let records = reply.entries.into_iter().filter_map(|entry| from_proto(vehicle, entry)).collect();
    Some(Answer { node, records, full })
}

fn to_proto(record: TransitionRecord) -> proto::TimelineEntry {
    proto::TimelineEntry {
        at_ms: record.at.0,
        owner: record.owner.as_str().to_owned(),
        region: record.region.as_str().to_owned(),
        incarnation: record.incarnation.0,
        seq: record.seq,
        epoch: record.epoch.0,
        session: record.session.0,
        // Numbered alike: a test holds the two together.
        state: record.state.into(),
        cause: record.cause,
        cell: record.cell.map_or(0, Cell::index),
        flags: record.flags.into(),
    }
}

fn from_proto(vehicle: &VehicleId, entry: proto::TimelineEntry) -> Option<TransitionRecord> {
    Some(TransitionRecord {
        vehicle: vehicle.clone(),
        at: Wall(entry.at_ms),
        owner: NodeId::new(&entry.owner).ok()?,
        region: RegionId::new(&entry.region).ok()?,
        incarnation: Incarnation(entry.incarnation),
        seq: entry.seq,
        epoch: Epoch(entry.epoch),
        session: SessionId(entry.session),
        state: u8::try_from(entry.state).ok()?,
        cause: entry.cause,
        cell: Cell::from_told(entry.cell),
        // Bits beyond these are of a later version.
        flags: (entry.flags & 0xff) as u8,
    })
}

#[cfg(test)]
mod tests {
    use waygate_core::log::LiveState;
    use waygate_wire::proto::EntryState;

    #[test]
    fn states_are_numbered_alike_in_the_core_and_between_gateways() {
        let named = |state| match state {
            LiveState::Connected => EntryState::Connected,
            LiveState::Idle => EntryState::Idle,
            LiveState::Asleep => EntryState::Asleep,
            LiveState::Unreachable => EntryState::Unreachable,
            LiveState::Detached => EntryState::Detached,
            LiveState::Removed => EntryState::Removed,
        };
        for state in LiveState::ALL {
            assert_eq!(i32::from(state.number()), named(*state) as i32);
        }
    }
}
