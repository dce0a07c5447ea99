//! What this gateway answers others about vehicles that their region does not keep: from its own memory, asking no one.

use super::service::{PeerService, vehicle_id};
use std::collections::BTreeSet;
use tonic::{Request, Response, Status};
use waygate_core::id::{NodeId, VehicleId};
use waygate_core::view::Sight;
use waygate_wire::proto;
use waygate_wire::proto::directory_server::Directory;
use waygate_wire::sight::{known_to_proto, sight_to_proto};

/// Vehicles of one answer.
pub const VEHICLES_MAX: usize = 2048;

/// Vehicles looked at between two visits to the presence task.
const SCAN: usize = 2048;

#[tonic::async_trait]
impl Directory for PeerService {
    async fn locate(&self, request: Request<proto::LocateRequest>) -> Result<Response<proto::LocateReply>, Status> {
        let vehicle = vehicle_id(&request.into_inner().vehicle)?;
        let seen = self.presence.ask(move |state| state.seen(&vehicle)).await.ok_or_else(stopping)?;
        Ok(Response::new(proto::LocateReply { seen: seen.as_ref().map(sight_to_proto) }))
    }

    async fn vehicles(
        &self,
        request: Request<proto::VehiclesRequest>,
    ) -> Result<Response<proto::VehiclesReply>, Status> {
        let request = request.into_inner();
        let named = request.vehicles.iter().map(|vehicle| vehicle_id(vehicle)).collect::<Result<BTreeSet<_>, _>>()?;
        if named.len() > VEHICLES_MAX {
            return Err(Status::invalid_argument(format!("vehicles names over {VEHICLES_MAX}")));
        }
        let limit = (request.limit as usize).clamp(1, VEHICLES_MAX);
        let mut after = match request.after.as_str() {
            "" => None,
            after => Some(vehicle_id(after)?),
        };
        let (wanted, counts) = (Wanted::new(&request), after.is_none());
        let mut reply = proto::VehiclesReply::default();
        loop {
            let (wanted, named, from) = (wanted.clone(), named.clone(), after.clone());
            let room = limit - reply.vehicles.len();
            let page = self.presence.ask(move |state| {
                let (mut kept, mut total) = (Vec::new(), 0);
                let me = &state.node.view().me().id;
                let of = |owner: &NodeId| owner == me || wanted.unheard.contains(owner.as_str());
                let mut keep = |sight: Sight| {
                    if of(&sight.owner) && wanted.keeps(&sight) {
                        total += 1;
                        if kept.len() < room {
                            kept.push(sight_to_proto(&sight));
                        }
                    }
                };
                let next = if named.is_empty() {
                    state.scan_of(from.as_ref(), SCAN, of, keep)
                } else {
                    let above = |vehicle: &&VehicleId| from.as_ref().is_none_or(|from| *vehicle > from);
                    named.iter().filter(above).filter_map(|vehicle| state.seen(vehicle)).for_each(&mut keep);
                    None
                };
                (kept, total, next)
            });
            let (kept, total, next) = page.await.ok_or_else(stopping)?;
            reply.vehicles.extend(kept);
            reply.total += total;
            // Only the first page counts all.
            match next.filter(|_| counts || reply.vehicles.len() < limit) {
                Some(next) => after = Some(next),
                None => return Ok(Response::new(reply)),
            }
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
struct Wanted {
    states: Vec<u32>,
    regions: Vec<String>,
    text: String,
    unheard: BTreeSet<String>,
}

impl Wanted {
    fn new(request: &proto::VehiclesRequest) -> Self {
        let proto::VehiclesRequest { states, regions, text, unheard, .. } = request.clone();
        Self { states, regions, text, unheard: unheard.into_iter().collect() }
    }

    fn keeps(&self, sight: &Sight) -> bool {
        let shown = if sight.stale.is_some() { 0 } else { known_to_proto(sight.known) as u32 };
        let region = sight.region.as_ref().map(|region| region.as_str());
        (self.states.is_empty() || self.states.contains(&shown))
            && (self.regions.is_empty() || self.regions.iter().any(|asked| Some(asked.as_str()) == region))
            && sight.vehicle.as_str().to_ascii_lowercase().contains(&self.text)
    }
}

fn stopping() -> Status {
    Status::unavailable("the gateway stops")
}
