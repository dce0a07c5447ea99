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
use waygate_core::epoch::Epoch;
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

/// How long the gateway that serves a vehicle may take for what only it knows, within that.
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
        let begun = Instant::now();
        let (homes, late) = (begun + HOMES, begun + SEARCH);
        let all: Vec<_> = plan.homes.iter().chain(&plan.others).cloned().collect();
        let mut search = Search::new(vehicle, &self.channels, sight, plan.regions);
        search.ask(&plan.homes, homes, Search::seems_found).await;
        if !search.is_confirmed(&all, late).await {
            // Homes that were slow have their time, too; what is told first may be old, so all are heard.
            search.ask(&all, late, |search| search.certain).await;
        }
        let found = search.answer();
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
    /// What is kept here: the last word of a gateway that is gone, or nothing.
    here: Option<Sight>,
    best: Option<Sight>,
    /// Whether the gateway that serves it told that itself.
    certain: bool,
    /// Of which nobody has answered.
    regions: BTreeSet<String>,
}

impl<'a> Search<'a> {
    fn new(vehicle: &'a VehicleId, channels: &'a Channels, here: Option<Sight>, regions: BTreeSet<String>) -> Self {
        Self { vehicle, channels, best: here.clone(), here, certain: false, regions }
    }

    fn seems_found(&self) -> bool {
        self.best.as_ref().is_some_and(|sight| sight.stale.is_none())
    }

    /// Asks these at once, until that is enough or it is too late.
    async fn ask(&mut self, gateways: &[Asked], deadline: Instant, enough: impl Fn(&Self) -> bool) {
        let mut answers: FuturesUnordered<_> =
            gateways.iter().map(|asked| locate(self.channels, asked, self.vehicle, deadline)).collect();
        while let Some((asked, answer)) = answers.next().await {
            if let Some(seen) = answer {
                self.take(asked, seen);
            }
            if enough(self) {
                return;
            }
        }
    }

    fn take(&mut self, asked: &Asked, seen: Option<Sight>) {
        self.regions.remove(asked.region.as_str());
        let own = seen.as_ref().is_some_and(|sight| sight.owner == asked.id);
        let newer = |sight: &Sight| self.best.as_ref().is_none_or(|best| rank(sight) > rank(best));
        if seen.as_ref().is_some_and(newer) {
            (self.best, self.certain) = (seen, own);
        } else if own && rank_of(&seen) == rank_of(&self.best) {
            // It says the same, and with it what only it knows.
            (self.best, self.certain) = (seen, true);
        }
    }

    /// Has the gateway that is said to serve the vehicle say so itself. What it does not confirm is not believed as long as
    /// others can be asked; if it does not answer, what others say stands.
    async fn is_confirmed(&mut self, all: &[Asked], late: Instant) -> bool {
        let Some(best) = self.best.clone().filter(|sight| sight.stale.is_none()) else { return false };
        let Some(owner) = all.iter().find(|asked| asked.id == best.owner) else { return true };
        let until = late.min(Instant::now() + DETAIL);
        match locate(self.channels, owner, self.vehicle, until).await.1 {
            None => true,
            Some(said) => self.hear(owner, said),
        }
    }

    /// What the gateway says that was said to serve the vehicle. Returns whether it does.
    fn hear(&mut self, owner: &Asked, said: Option<Sight>) -> bool {
        if said.is_none() {
            self.best = self.here.clone();
        }
        self.take(owner, said);
        self.certain
    }

    /// What was told by whoever serves it rests on nobody else.
    fn answer(self) -> Answer {
        let silent = if self.seems_found() { BTreeSet::new() } else { self.regions };
        Answer { sight: self.best, silent }
    }
}

/// The later attach counts; of one attach, what is not stale.
pub fn rank(sight: &Sight) -> (Epoch, bool) {
    (sight.epoch, sight.stale.is_none())
}

fn rank_of(sight: &Option<Sight>) -> Option<(Epoch, bool)> {
    sight.as_ref().map(rank)
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

#[cfg(test)]
#[path = "lookup_tests.rs"]
mod tests;
