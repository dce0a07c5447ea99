//! Home regions: in one world of three the regions are told apart, and each vehicle is kept in some of them.
//!
//! Who should keep what is taken from the list that the world was given, not from what a gateway thinks that it keeps. A home
//! region's word to a gateway that lost a vehicle is a call like any other: it gets lost, comes late, and comes twice.

use super::dice::Dice;
use super::gateway::Gateway;
use super::network::Place;
use super::plant::Plant;
use super::run::{Event, World};
use super::settings::Settings;
use waygate_core::epoch::Epoch;
use waygate_core::homes::{HomeRegions, Part, Shard};
use waygate_core::id::{NodeId, RegionId, SessionId, VehicleId};
use waygate_core::limits::SYNC_BATCH_ENTRIES_MAX;
use waygate_core::log::{Entry, Log, LogId, Scope, Slot};
use waygate_core::node::{Event as NodeEvent, LinkId};
use waygate_core::registrar::Event as RegistrarEvent;
use waygate_core::sync::{AgedEntry, Batch, Cursor, Frame};
use waygate_core::time::Mono;
use waygate_core::view::{NodeInfo, View};

/// One world of so many has home regions.
const ONE_IN: u64 = 3;

/// Words of a home region that are lost by chance, in a hundred.
const LOST_PERCENT: u64 = 20;

/// Someone is told that a session of it lost.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Whose.
    pub vehicle: VehicleId,
    /// The session that lost, and its epoch.
    pub lost: (SessionId, Epoch),
    /// The winner's.
    pub by: Epoch,
    /// Whether it comes from a home region, which has the winner's word.
    pub recorded: bool,
    /// With that: whether the winner has left since.
    pub detached: bool,
}

impl Notice {
    /// What the node is told.
    pub fn event(self) -> NodeEvent {
        let Self { vehicle, lost, by, recorded, detached } = self;
        match recorded {
            true => NodeEvent::ToldOutranked { vehicle, lost, by, detached },
            false => NodeEvent::Session(RegistrarEvent::Superseded { vehicle, session: lost.0, epoch: lost.1, by }),
        }
    }
}

/// The region of a gateway, if there are so many.
pub fn region(g: usize, regions: usize) -> Option<RegionId> {
    RegionId::new(&format!("r{}", g % regions.max(1))).ok()
}

/// How many regions there are, and the homes among them. The worlds without are what they would be if there were none.
pub fn draw(seed: u64, gateways: usize) -> (usize, Option<HomeRegions>) {
    if seed % ONE_IN != 1 {
        return (gateways, None);
    }
    let mut dice = Dice::new(!seed);
    // In some, two gateways share a region.
    let regions = if dice.chance(60) { gateways } else { dice.between(2, gateways as u64) as usize };
    let kept = dice.between(1, regions as u64) as usize;
    let list = (0..regions).filter_map(|g| region(g, regions)).collect();
    (regions, HomeRegions::new(list, Some(kept)).ok())
}

/// The home regions that a gateway is given.
pub fn given(settings: &Settings, plant: Option<Plant>, g: usize) -> Option<HomeRegions> {
    let homes = settings.homes.clone()?;
    match plant {
        Some(Plant::KeepEverything) if g == 0 => HomeRegions::new(homes.regions().cloned().collect(), None).ok(),
        _ => Some(homes),
    }
}

/// Whether a region should know of a vehicle that one of `serving` has.
pub fn keeps(homes: Option<&HomeRegions>, region: &RegionId, serving: &RegionId, vehicle: &VehicleId) -> bool {
    homes.is_none_or(|homes| region == serving || homes.of(Shard::of(vehicle)).contains(&region))
}

/// What a gateway keeps of a log.
pub fn part_at(gateways: &[Gateway], g: usize, log: &LogId) -> Option<Part> {
    let interest = gateways[g].life.as_ref().and_then(|life| life.node.view().interest());
    let near = gateways.iter().any(|at| at.id == log.owner && at.region == gateways[g].region);
    match (log.scope, interest) {
        (Scope::Detail, None) => Some(Part::Whole),
        (Scope::Directory, None) => None,
        (Scope::Detail, Some(_)) => near.then_some(Part::Whole),
        (Scope::Directory, Some(_)) if near => Some(Part::Whole),
        (Scope::Directory, Some(interest)) => Some(Part::Shards(interest.clone())),
    }
}

/// Whether what a log says is shown. The directory of the own region is only passed on.
pub fn is_shown(view: &View, log: &LogId) -> bool {
    let near = view.node(&log.owner).is_some_and(|owner| owner.info.region == view.me().region);
    log.scope == Scope::Detail || !near
}

impl World {
    /// The region of a gateway.
    pub fn region_of(&self, node: &NodeId) -> Option<&RegionId> {
        self.gateways.iter().find(|gateway| gateway.id == *node).map(|gateway| &gateway.region)
    }

    /// Whether a gateway should show a vehicle that is at another.
    pub fn keeps(&self, g: usize, owner: &NodeId, vehicle: &VehicleId) -> bool {
        let serving = self.region_of(owner);
        serving.is_some_and(|at| keeps(self.settings.homes.as_ref(), &self.gateways[g].region, at, vehicle))
    }

    /// Tells a gateway that a session of it lost.
    pub fn tell_loser(&mut self, g: usize, node: &NodeId, notice: Notice) {
        let Some(other) = self.gateways.iter().position(|gateway| gateway.id == *node) else { return };
        if notice.recorded {
            self.trace.reach("told by a home region");
            if self.plant == Some(Plant::KeepLosersIgnorant) || self.dice.chance(LOST_PERCENT) {
                return;
            }
        }
        // A call that does not get through is not tried again; one that does may be late, and come twice.
        if self.network.reaches(Place::Gateway(g), Place::Gateway(other)) {
            let at = self.now + self.dice.between(1, 80);
            self.schedule(at, Event::Supersede(other, notice.clone()));
        }
        if self.dice.chance(30) {
            let late = self.now + self.dice.between(500, 60_000);
            self.schedule(late, Event::Supersede(other, notice));
        }
    }

    /// What a relay that does not heed what it keeps would send beside what it holds: all that it has of the directories of
    /// others, as if it were all that there is.
    pub fn passed_on_with_less(&self, g: usize, link: LinkId, frame: &Frame) -> Vec<Frame> {
        let planted = self.plant == Some(Plant::PassOnLess) && matches!(frame, Frame::Cursors { .. });
        let Some(life) = self.gateways[g].life.as_ref().filter(|_| planted) else { return Vec::new() };
        let Some(peer) = life.links.get(&link).map(|stream| &self.gateways[stream.peer].id) else { return Vec::new() };
        let view = life.node.view();
        let others = view.logs().filter(|log| {
            let id = log.id();
            id.scope == Scope::Directory && is_shown(view, id) && id.owner != *peer && log.head() > 0
        });
        let batch = |log: &Log| {
            let id = log.id();
            let owner = NodeInfo { incarnation: id.incarnation, ..view.node(&id.owner).map(|node| node.info.clone())? };
            let piece = log.suffix(0, SYNC_BATCH_ENTRIES_MAX, &Part::Whole);
            let entries = piece.entries.into_iter().map(|(vehicle, slot)| aged(life.mono(self.now), vehicle, slot));
            let (from, to, entries) = (piece.from, piece.to, entries.collect());
            Some(Frame::Batch(Box::new(Batch { owner, scope: id.scope, from, to, entries, snapshot_end: None })))
        };
        others.filter_map(batch).collect()
    }
}

fn aged(now: Mono, vehicle: VehicleId, slot: Slot) -> AgedEntry {
    let Slot { seq, entry } = slot;
    let Entry { epoch, session, state, cause, cell, contact, sleep, wake, cloned } = entry;
    let (age, rest) = (now.since(contact), None);
    AgedEntry { vehicle, seq, epoch, session, state, cause, cell, age, sleep, wake, cloned, rest }
}

/// Says of the directories that nothing was said there up to where they are.
pub fn blank_all(cursors: &mut [Cursor]) {
    for cursor in cursors.iter_mut().filter(|cursor| cursor.log.scope == Scope::Directory) {
        cursor.blank_from = Some(0);
    }
}
