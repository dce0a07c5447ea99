//! Vehicles that this region does not keep, asked of the gateways that serve them, at once and with a deadline.
//!
//! Only where home regions are configured and do not keep everything everywhere: else this gateway's own view has all.

use super::Operators;
use super::problem::Problem;
use super::vehicles::{Filter, Found, Peers};
use crate::peers::directory::VEHICLES_MAX;
use crate::peers::lookup::rank;
use crate::peers::overview::Asked;
use futures_util::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use waygate_core::homes::{Interest, Shard};
use waygate_core::id::{NodeId, VehicleId};
use waygate_core::time::Millis;
use waygate_core::view::{Liveness, Sight};
use waygate_wire::operator::State;
use waygate_wire::proto;
use waygate_wire::proto::directory_client::DirectoryClient;
use waygate_wire::sight::sight_from_proto;

/// How long a gateway may take.
const DEADLINE: Duration = Duration::from_secs(1);

/// What others told.
#[derive(Debug, Default)]
pub(super) struct Elsewhere {
    pub sights: Vec<Sight>,
    /// Gateways that told of all they serve.
    told: BTreeSet<NodeId>,
    total: u64,
    /// Regions with a gateway that did not answer.
    pub silent: BTreeSet<String>,
}

impl Operators {
    /// Whether there are vehicles that this gateway's view does not have; and the gateways that are not heard.
    async fn keeps_a_part(&self) -> Result<Option<Vec<String>>, Problem> {
        let asked = self.presence.ask(|state| {
            let view = state.node.view();
            let part = view.interest().is_some_and(|interest| *interest != Interest::ALL);
            let unheard = view.nodes().filter(|node| !matches!(node.liveness, Liveness::Own | Liveness::Alive { .. }));
            part.then(|| unheard.map(|node| node.info.id.as_str().to_owned()).collect())
        });
        asked.await.ok_or_else(Problem::stopping)
    }

    /// A page of vehicles, wherever they are kept; and regions with a gateway that did not answer.
    pub(super) async fn list(
        &self,
        filter: Filter,
        after: Option<VehicleId>,
        limit: usize,
        peers: &Peers,
    ) -> Result<(Found, BTreeSet<String>), Problem> {
        let Some(unheard) = self.keeps_a_part().await? else {
            return Ok((self.find(filter, after, limit, Arc::default()).await?, BTreeSet::new()));
        };
        // What is known of the vehicles of unheard gateways is kept in several regions: that cannot be counted.
        let countable = after.is_none() && unheard.is_empty();
        let request = proto::VehiclesRequest {
            after: after.as_ref().map(|after| after.as_str().to_owned()).unwrap_or_default(),
            limit: u32::try_from(limit + 1).unwrap_or(u32::MAX),
            states: filter.states.iter().map(|state| number_of(*state)).collect(),
            regions: filter.regions.clone(),
            text: filter.text.clone().unwrap_or_default(),
            vehicles: Vec::new(),
            unheard,
        };
        let elsewhere = self.ask_directory(&request, peers).await;
        let mut own = self.find(filter, after, limit, Arc::new(elsewhere.told.clone())).await?;
        let left = self.left_behind(&own.sights, peers).await?;
        own.sights.retain(|sight| !left.contains(&sight.vehicle));
        let countable = countable && elsewhere.silent.is_empty() && left.is_empty();
        let total = own.total.map(|own| own + elsewhere.total).filter(|_| countable);
        Ok((Found { total, ..page(own, elsewhere.sights, limit) }, elsewhere.silent))
    }

    /// Of these, vehicles that only a gateway which is gone speaks for here, and that another has by now.
    async fn left_behind(&self, sights: &[Sight], peers: &Peers) -> Result<BTreeSet<VehicleId>, Problem> {
        let kept =
            self.presence.ask(|state| state.node.view().interest().cloned()).await.ok_or_else(Problem::stopping)?;
        let kept = |vehicle: &VehicleId| kept.as_ref().is_none_or(|interest| interest.has(Shard::of(vehicle)));
        let last: BTreeMap<_, _> = sights
            .iter()
            .filter(|sight| sight.stale.is_some() && !kept(&sight.vehicle))
            .map(|sight| (sight.vehicle.clone(), sight.epoch))
            .collect();
        let now = self.seen_elsewhere(last.keys().cloned().collect(), peers).await?.sights;
        let newer = |sight: &Sight| last.get(&sight.vehicle).is_some_and(|epoch| sight.epoch > *epoch);
        Ok(now.into_iter().filter(newer).map(|sight| sight.vehicle).collect())
    }

    /// What the gateways that serve these vehicles show of them.
    pub(super) async fn seen_elsewhere(&self, vehicles: Vec<VehicleId>, peers: &Peers) -> Result<Elsewhere, Problem> {
        let Some(unheard) = self.keeps_a_part().await?.filter(|_| !vehicles.is_empty()) else {
            return Ok(Elsewhere::default());
        };
        let vehicles = vehicles.into_iter().take(VEHICLES_MAX).map(String::from).collect();
        let request = proto::VehiclesRequest {
            vehicles,
            unheard,
            limit: VEHICLES_MAX as u32,
            ..proto::VehiclesRequest::default()
        };
        let mut elsewhere = self.ask_directory(&request, peers).await;
        elsewhere.sights = merged(Vec::new(), elsewhere.sights);
        Ok(elsewhere)
    }

    /// How many vehicles each gateway counts itself, where this one does not keep all of them.
    pub(super) async fn counted_elsewhere(&self, view: &proto::ViewReply) -> Option<BTreeMap<String, proto::Tally>> {
        if self.keeps_a_part().await.ok()?.is_none() {
            return Some(BTreeMap::new());
        }
        let heard = |seen: &&proto::SeenGateway| !seen.own && seen.status() == proto::GatewayStatus::Alive;
        let nodes = view.gateways.iter().filter(heard).filter_map(|seen| seen.node.as_ref());
        let asked = nodes
            .map(|node| Asked { node: Some((node.id.clone(), node.region.clone())), url: node.operators_url.clone() });
        let (views, _) = self.views_of(asked.collect()).await;
        let own = |view: &proto::ViewReply| {
            let seen = view.gateways.iter().find(|seen| seen.own)?;
            Some((seen.node.as_ref()?.id.clone(), seen.vehicles?))
        };
        Some(views.iter().filter_map(own).collect())
    }

    async fn ask_directory(&self, request: &proto::VehiclesRequest, peers: &Peers) -> Elsewhere {
        let begun = Instant::now();
        let ask = |(id, region, url): &(String, String, String)| {
            let (channel, id, region, request) =
                (self.channels.to(url), NodeId::new(id).ok(), region.clone(), request.clone());
            async move {
                let mut client = DirectoryClient::new(channel.ok_or(region.clone())?);
                let reply = tokio::time::timeout(DEADLINE, client.vehicles(request)).await;
                let reply = reply.ok().and_then(Result::ok).ok_or(region)?.into_inner();
                Ok::<_, String>((id, reply))
            }
        };
        let mut elsewhere = Elsewhere::default();
        for answer in join_all(peers.alive.iter().map(ask)).await {
            match answer {
                Ok((id, reply)) => {
                    let way = Millis(begun.elapsed().as_millis() as u64);
                    elsewhere.told.extend(id);
                    elsewhere.total += reply.total;
                    elsewhere.sights.extend(reply.vehicles.iter().filter_map(|seen| sight_from_proto(seen, way).ok()));
                }
                Err(region) => drop(elsewhere.silent.insert(region)),
            }
        }
        elsewhere
    }
}

/// A page of both. Beyond where the own part was cut off nothing is shown yet: there is more of it.
fn page(own: Found, elsewhere: Vec<Sight>, limit: usize) -> Found {
    let mut sights = merged(own.sights, elsewhere);
    sights.retain(|sight| own.next.as_ref().is_none_or(|next| sight.vehicle <= *next));
    let mut next = own.next;
    if sights.len() > limit {
        sights.truncate(limit);
        next = sights.last().map(|sight| sight.vehicle.clone());
    }
    Found { sights, next, total: None }
}

/// In the order of their ids, each vehicle once: as the gateway of its latest attach shows it.
fn merged(a: Vec<Sight>, b: Vec<Sight>) -> Vec<Sight> {
    let mut sights: BTreeMap<VehicleId, Sight> = BTreeMap::new();
    for sight in a.into_iter().chain(b) {
        match sights.get(&sight.vehicle) {
            Some(held) if rank(held) >= rank(&sight) => {}
            Some(_) | None => drop(sights.insert(sight.vehicle.clone(), sight)),
        }
    }
    sights.into_values().collect()
}

/// The number of a state between gateways; 0 for stale. Of what is unknown there is nothing.
fn number_of(state: State) -> u32 {
    let known = match state {
        State::Online => proto::KnownState::Online,
        State::Idle => proto::KnownState::Idle,
        State::Asleep => proto::KnownState::Asleep,
        State::Unreachable => proto::KnownState::Unreachable,
        State::Offline => proto::KnownState::Offline,
        State::Stale => return 0,
        State::Unknown => return u32::MAX,
    };
    known as u32
}

#[cfg(test)]
#[path = "elsewhere_tests.rs"]
mod tests;
