//! What the presence task owns, as it is asked about.

use super::Link;
use super::found::Found;
use crate::admission::Gate;
use crate::clock::Clock;
use crate::mailbox::{Letter, Mailbox};
use crate::peers::meter::Passed;
use std::collections::BTreeMap;
use std::sync::Arc;
use waygate_core::commands::{Outcome, Record};
use waygate_core::credential::Bars;
use waygate_core::homes::HomeRegions;
use waygate_core::id::{ConnId, NodeId, VehicleId};
use waygate_core::membership::Vitals;
use waygate_core::message::Downlink;
use waygate_core::node::{LinkId, Node};
use waygate_core::session::{Phase, Session};
use waygate_core::time::Millis;
use waygate_core::view::{AgeKind, Sight};

/// What the task owns.
#[derive(Debug)]
pub struct State {
    /// The core.
    pub node: Node,
    /// The clocks.
    pub clock: Clock,
    /// Load control.
    pub gate: Gate,
    /// Who may have no session.
    pub bars: Bars,
    pub(super) mailboxes: BTreeMap<ConnId, Arc<Mailbox>>,
    pub(super) links: BTreeMap<LinkId, Link>,
    /// What passed on streams that have ended, by peer.
    pub(super) ended: BTreeMap<NodeId, Passed>,
    /// What each gateway said last of itself, this one among them; as many as are members.
    pub(super) said: BTreeMap<NodeId, Vitals>,
    /// Vehicles that are not kept here and were looked for.
    pub(super) found: Found,
}

impl State {
    /// What is shown of a vehicle; of one that is not kept here, what others showed lately.
    pub fn sight(&self, vehicle: &VehicleId) -> Option<Sight> {
        // What is kept here may be the last word of a gateway that is gone.
        let found = || self.found.sight(self.clock.now(), vehicle);
        match self.seen(vehicle) {
            Some(seen) if seen.stale.is_none() => Some(seen),
            Some(seen) => Some(found().filter(|found| found.epoch > seen.epoch).unwrap_or(seen)),
            None => found(),
        }
    }

    /// Whether the gateway that serves a vehicle can be asked: what it says is known, and it is heard itself, not through
    /// others alone.
    pub fn hears(&self, sight: &Sight) -> bool {
        sight.stale.is_none() && !self.node.view().is_relayed(&sight.owner)
    }

    /// What this gateway knows of a vehicle by itself.
    pub fn seen(&self, vehicle: &VehicleId) -> Option<Sight> {
        self.node.view().sight(self.clock.now(), vehicle).map(|sight| self.measured(sight))
    }

    /// Vehicles after `after`, at most `scan_max` looked at; where to go on.
    pub fn scan(&self, after: Option<&VehicleId>, scan_max: usize, mut keep: impl FnMut(Sight)) -> Option<VehicleId> {
        self.node.view().scan(self.clock.now(), after, scan_max, |sight| keep(self.measured(sight)))
    }

    /// The same of those alone that certain gateways speak for.
    pub fn scan_of(
        &self,
        after: Option<&VehicleId>,
        scan_max: usize,
        of: impl Fn(&NodeId) -> bool,
        mut keep: impl FnMut(Sight),
    ) -> Option<VehicleId> {
        self.node.view().scan_of(self.clock.now(), after, scan_max, of, |sight| keep(self.measured(sight)))
    }

    /// Since the last frame of a vehicle that is served here; `None` if it is not.
    pub fn contact_age(&self, vehicle: &VehicleId) -> Option<Millis> {
        let standing = |session: &&Session| !matches!(session.phase(), Phase::Yielded(..));
        let session = self.node.registrar().session(vehicle).filter(standing)?;
        let heard = self.mailbox_of(vehicle).map(|mailbox| mailbox.last_heard());
        let contact = heard.or_else(|| session.entry().map(|entry| entry.contact))?;
        Some(self.clock.now().since(contact))
    }

    /// Peers that were given other home regions than this gateway, or none where it has some.
    pub(super) fn peers_with_other_homes(&self) -> impl Iterator<Item = &NodeId> {
        let view = self.node.view();
        let own = view.homes().map(HomeRegions::fingerprint);
        let peers = view.nodes().map(|node| &node.info.id);
        peers.filter(move |id| self.node.link_to(id).is_some_and(|link| link.homes_of_peer() != own))
    }

    /// Whether this gateway is about to stop.
    pub fn draining(&self) -> bool {
        self.node.view().me().draining
    }

    /// The mailbox of the connection that a vehicle's session has at this moment.
    pub(super) fn mailbox_of(&self, vehicle: &VehicleId) -> Option<&Arc<Mailbox>> {
        self.node.registrar().session(vehicle)?.conns()[0].and_then(|conn| self.mailboxes.get(&conn))
    }

    /// How many sockets are attached.
    pub fn sockets(&self) -> usize {
        self.mailboxes.len()
    }

    /// What passed between this gateway and a peer, on all streams of this life.
    pub fn passed(&self, peer: &NodeId) -> Passed {
        let standing = self.links.values().filter(|link| link.meter.peer() == Some(peer));
        let ended = self.ended.get(peer).copied().unwrap_or_default();
        standing.map(|link| link.meter.passed()).fold(ended, |sum, passed| sum + passed)
    }

    /// What a gateway said last of itself, as the membership heard it.
    pub fn said(&self, node: &NodeId) -> Option<Vitals> {
        self.said.get(node).copied()
    }

    pub(super) fn note_said(&mut self, node: NodeId, said: Option<Vitals>) {
        match said {
            Some(said) => {
                self.said.insert(node, said);
            }
            None => {
                self.said.remove(&node);
            }
        }
    }

    /// A stream has ended; what passed on it stays counted.
    pub(super) fn forget_link(&mut self, id: LinkId) -> Option<Link> {
        let link = self.links.remove(&id)?;
        if let Some(peer) = link.meter.peer() {
            let ended = self.ended.entry(peer.clone()).or_default();
            *ended = *ended + link.meter.passed();
        }
        Some(link)
    }

    /// A vehicle connected here was heard more lately than its log entry says.
    fn measured(&self, mut sight: Sight) -> Sight {
        if sight.owner == self.node.view().me().id
            && let Some(age) = self.contact_age(&sight.vehicle)
        {
            sight.age = age.min(sight.age);
            sight.age_kind = AgeKind::Measured;
        }
        sight
    }
    /// Hands a command to the vehicle's socket, or calls it back. Looked at as late as possible: nothing is put into the
    /// mailbox after its time to live.
    pub(super) fn hand(&self, record: &Record, recall: bool) -> Outcome {
        let Some(mailbox) = self.mailbox_of(&record.vehicle) else { return Outcome::NotServed };
        let now = self.clock.now();
        let letter = match record.to_send(now) {
            _ if recall => Letter::Send(Downlink::CommandCancel(record.id)),
            Some(command) => Letter::Command(Box::new(command), now),
            None => return Outcome::Expired,
        };
        if mailbox.offer(letter) { Outcome::Sent } else { Outcome::NotServed }
    }
}
