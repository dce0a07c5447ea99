//! Which gateways a vehicle is told of, and when it is sent to another region's.
//!
//! A vehicle is not sent away on a border but on leaving its tracking areas, and no more than once a minute a session: on a
//! road along a border it would otherwise hand over again and again. If no gateway of the other region is heard, it stays.

use crate::cell::Cell;
use crate::id::RegionId;
use crate::message::{GatewayAddress, Redirect, RedirectReason};
use crate::region_map::RegionMap;
use crate::time::{Millis, Mono};
use crate::view::{Liveness, View};

/// How long a session is not sent elsewhere again.
pub const MOVED_EVERY: Millis = Millis::secs(60);

/// The other gateways a vehicle may go to: heard, and not about to stop; those of this node's region first.
pub fn neighbours(view: &View) -> Vec<GatewayAddress> {
    let own = &view.me().region;
    let usable = view.nodes().filter(|node| matches!(node.liveness, Liveness::Alive { .. }) && !node.info.draining);
    let mut list: Vec<_> = usable
        .map(|node| GatewayAddress {
            region: node.info.region.as_str().to_owned(),
            url: node.info.vehicles_url.clone(),
        })
        .collect();
    list.sort_by_key(|gateway| gateway.region != own.as_str());
    list
}

/// Whose vehicles these are: this gateway's region among the areas of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Territory {
    own: RegionId,
    areas: RegionMap,
}

impl Territory {
    /// The region of this gateway, and the areas.
    pub fn new(own: RegionId, areas: RegionMap) -> Self {
        Self { own, areas }
    }

    /// The gateways in the order in which a vehicle there should try them: this region's, that of its place, the rest.
    pub fn in_order(&self, gateways: &[GatewayAddress], place: Option<Cell>) -> Vec<GatewayAddress> {
        let near = place.and_then(|cell| self.areas.region_of(cell)).map(RegionId::as_str);
        let mut list = gateways.to_vec();
        list.sort_by_key(|gateway| (gateway.region != self.own.as_str(), Some(gateway.region.as_str()) != near));
        list
    }

    /// The gateways of the other region that a cell belongs to; none if it is this one's, nobody's, or none is heard there.
    fn beyond(&self, gateways: &[GatewayAddress], cell: Cell) -> Vec<GatewayAddress> {
        match self.areas.region_of(cell).filter(|region| **region != self.own) {
            Some(region) => gateways.iter().filter(|gateway| gateway.region == region.as_str()).cloned().collect(),
            None => Vec::new(),
        }
    }
}

/// When one session was last sent elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mover {
    sent: Option<Mono>,
}

impl Mover {
    /// The vehicle is at `cell`; its tracking areas so far lie around `centre`. Where it is to go, if elsewhere.
    pub fn seen(
        &mut self,
        now: Mono,
        centre: Option<Cell>,
        cell: Cell,
        territory: &Territory,
        gateways: &[GatewayAddress],
    ) -> Option<Redirect> {
        let inside = centre.is_some_and(|centre| centre.tracking_areas().contains(&cell));
        if inside || self.sent.is_some_and(|sent| now.since(sent) < MOVED_EVERY) {
            return None;
        }
        let targets = territory.beyond(gateways, cell);
        if targets.is_empty() {
            return None;
        }
        self.sent = Some(now);
        Some(Redirect { targets, reason: RedirectReason::Moved, deadline: Millis(0) })
    }
}

#[cfg(test)]
#[path = "redirect_tests.rs"]
mod tests;
