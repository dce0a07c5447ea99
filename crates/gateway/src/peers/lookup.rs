//! Looks for a vehicle that this region does not keep: in the regions that are its homes, then at everyone that is heard.
//!
//! All within a second. Who did not answer is named, so that "not found" says what it rests on. What is found is
//! remembered by the presence task for a moment: a page or a command that follows goes to the same gateway.

use super::channels::Channels;
use crate::presence::{Command, Presence, State};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;
use waygate_core::homes::Shard;
use waygate_core::id::{NodeId, RegionId, VehicleId};
use waygate_core::time::Millis;
use waygate_core::view::{Liveness, Sight};
use waygate_wire::proto;
use waygate_wire::proto::directory_client::DirectoryClient;
use waygate_wire::sight::sight_from_proto;

/// How long the home regions may take before everyone is asked.
const HOMES: Duration = Duration::from_millis(400);

/// How long the search may take in all.
const SEARCH: Duration = Duration::from_secs(1);

/// How long the gateway that serves a vehicle may take for what only it knows, beside that.
const DETAIL: Duration = Duration::from_millis(300);

/// Gateways of one home region that are asked.
const ASKED_A_HOME: usize = 2;

/// The way to look for vehicles. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// The way to the presence task.
    pub presence: Presence,
    /// The peers.
    pub channels: Channels,
}

/// What a search came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// What is shown of the vehicle, if anyone knows of it.
    pub sight: Option<Sight>,
    /// Regions out of which nobody answered.
    pub silent: BTreeSet<String>,
}

/// A gateway to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    id: NodeId,
    region: RegionId,
    url: String,
}

/// Whom to ask.
#[derive(Debug, Default)]
struct Plan {
    homes: Vec<Asked>,
    others: Vec<Asked>,
    /// Regions of the list, of which somebody has to answer.
    regions: BTreeSet<String>,
}

impl Lookup {
    /// What is known of a vehicle, here or anywhere; `None` if the gateway stops.
    pub async fn find(&self, vehicle: &VehicleId) -> Option<Answer> {
        let asked = vehicle.clone();
        let (sight, plan) = self.presence.ask(move |state| (state.seen(&asked), plan(state, &asked))).await?;
        let Some(plan) = plan else { return Some(Answer { sight, silent: BTreeSet::new() }) };
        if sight.as_ref().is_some_and(|sight| sight.stale.is_none()) {
            return Some(Answer { sight, silent: BTreeSet::new() });
        }
        let mut search = Search { vehicle, channels: &self.channels, best: sight, regions: plan.regions };
        let begun = Instant::now();
        search.ask(&plan.homes, begun + HOMES).await;
        if !search.is_over() {
            search.ask(&plan.others, begun + SEARCH).await;
        }
        let all: Vec<_> = plan.homes.into_iter().chain(plan.others).collect();
        let found = search.finish(&all).await;
        if let Some(sight) = &found.sight {
            self.presence.tell(Command::Found(Box::new(sight.clone()))).await;
        }
        Some(found)
    }
}

/// A search under way.
struct Search<'a> {
    vehicle: &'a VehicleId,
    channels: &'a Channels,
    best: Option<Sight>,
    /// Of which nobody has answered.
    regions: BTreeSet<String>,
}

impl Search<'_> {
    fn is_over(&self) -> bool {
        self.best.as_ref().is_some_and(|sight| sight.stale.is_none())
    }

    /// Asks these at once, until one of them knows or it is too late.
    async fn ask(&mut self, gateways: &[Asked], deadline: Instant) {
        let mut answers: FuturesUnordered<_> =
            gateways.iter().map(|asked| locate(self.channels, asked, self.vehicle, deadline)).collect();
        while let Some((asked, answer)) = answers.next().await {
            let Some(seen) = answer else { continue };
            self.regions.remove(asked.region.as_str());
            self.best = better(self.best.take(), seen);
            if self.is_over() {
                return;
            }
        }
    }

    /// Has the gateway that serves the vehicle say what only it knows.
    async fn finish(mut self, all: &[Asked]) -> Answer {
        let owner = self.best.as_ref().filter(|sight| sight.stale.is_none()).map(|sight| sight.owner.clone());
        if let Some(owner) = owner.and_then(|owner| all.iter().find(|asked| asked.id == owner)) {
            let detail = locate(self.channels, owner, self.vehicle, Instant::now() + DETAIL).await.1.flatten();
            let own = detail.filter(|sight| sight.owner == owner.id);
            let newer = |own: &Sight| self.best.as_ref().is_none_or(|best| own.epoch >= best.epoch);
            if let Some(own) = own.filter(newer) {
                self.best = Some(own);
            }
        }
        // What was found for certain rests on nobody else.
        let silent = if self.is_over() { BTreeSet::new() } else { self.regions };
        Answer { sight: self.best, silent }
    }
}

/// The later attach counts; of one attach, what is not stale.
fn better(a: Option<Sight>, b: Option<Sight>) -> Option<Sight> {
    let rank = |sight: &Sight| (sight.epoch, sight.stale.is_none());
    [a, b].into_iter().flatten().max_by_key(rank)
}

/// What one gateway knows; the outer option is `None` if it does not say.
async fn locate<'a>(
    channels: &Channels,
    asked: &'a Asked,
    vehicle: &VehicleId,
    deadline: Instant,
) -> (&'a Asked, Option<Option<Sight>>) {
    let begun = Instant::now();
    let Some(channel) = channels.to(&asked.url) else { return (asked, None) };
    let mut client = DirectoryClient::new(channel);
    let request = proto::LocateRequest { vehicle: vehicle.as_str().to_owned() };
    let Ok(Ok(reply)) = tokio::time::timeout_at(deadline, client.locate(request)).await else { return (asked, None) };
    let way = Millis(begun.elapsed().as_millis() as u64);
    let seen = reply.into_inner().seen.map(|seen| sight_from_proto(&seen, way)).transpose();
    (asked, seen.ok().map(|seen| seen.filter(|sight| sight.vehicle == *vehicle)))
}

/// Whom to ask of a vehicle; `None` if there is nobody who may know more than this gateway.
fn plan(state: &State, vehicle: &VehicleId) -> Option<Plan> {
    let view = state.node.view();
    let shard = Shard::of(vehicle);
    let homes = view.homes().filter(|_| view.interest().is_some_and(|interest| !interest.has(shard)))?;
    let home_regions: Vec<&RegionId> = homes.of(shard);
    let own = &view.me().region;
    let regions = homes.regions().filter(|region| *region != own).map(|region| region.as_str().to_owned()).collect();
    let mut plan = Plan { regions, ..Plan::default() };
    for node in view.nodes() {
        let info = &node.info;
        if !matches!(node.liveness, Liveness::Alive { .. }) {
            continue;
        }
        let asked = Asked { id: info.id.clone(), region: info.region.clone(), url: info.operators_url.clone() };
        let of_region = plan.homes.iter().filter(|home| home.region == info.region).count();
        if home_regions.contains(&&info.region) && of_region < ASKED_A_HOME {
            plan.homes.push(asked);
        } else {
            plan.others.push(asked);
        }
    }
    Some(plan)
}
