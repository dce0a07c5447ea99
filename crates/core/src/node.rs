//! A gateway's presence, whole: its register of sessions, its view of everyone, and its links to the peers.
//!
//! One task owns a `Node`; the seeded world drives the very same code. It connects the machines: what the
//! register publishes goes into the own log, what peers send may outrank a session here, and a lost stream
//! makes its owner's vehicles read as stale.

mod losers;

use crate::epoch::Epoch;
use crate::homes::HomeRegions;
use crate::id::{Incarnation, NodeId, SessionId, VehicleId};
use crate::log::{LiveState, LogId};
use crate::membership::Standing;
use crate::registrar::{Event as RegistrarEvent, Registrar};
use crate::session::Action as SessionAction;
use crate::sync::{Counters, Fault, Frame, LOST_AFTER, Link, Room};
use crate::time::{Millis, Mono};
use crate::timers::Timers;
use crate::token::KeyRing;
use crate::view::{Known, Liveness, NodeInfo, Sight, View};
use std::collections::BTreeMap;

/// One open stream to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// What happens at a node.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// At the register. What the directory knows of a vehicle that attaches is filled in here.
    Session(RegistrarEvent),
    /// A stream to a peer was opened, by this node or by the peer.
    LinkOpened {
        /// Which.
        link: LinkId,
        /// Whether this node dialled it.
        dialled: bool,
    },
    /// A frame came.
    FrameReceived(LinkId, Frame),
    /// A stream can take frames.
    FlushDue {
        /// Which.
        link: LinkId,
        /// How many.
        room: Room,
    },
    /// A stream ended.
    LinkLost(LinkId),
    /// What the cluster thinks of a gateway in one life.
    MemberChanged(NodeInfo, Standing),
    /// A home region of the vehicle has the word of another gateway with a higher epoch: no one here waits for that.
    ToldOutranked {
        /// Which vehicle.
        vehicle: VehicleId,
        /// The session that lost, and its epoch.
        lost: (SessionId, Epoch),
        /// The winner's.
        by: Epoch,
        /// Whether the winner is detached.
        detached: bool,
    },
    /// This node is about to stop: its peers are told with the next frames.
    DrainBegun,
    /// Once a second or so: silence is noticed, tombstones expire.
    Ticked,
}

/// What a node asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Of a session; never [`SessionAction::Publish`], which ends here.
    Session(SessionAction),
    /// Send a frame.
    SendFrame(LinkId, Frame),
    /// End a stream, for this reason.
    HangUp(LinkId, HangUp),
    /// What is shown of a vehicle may have changed.
    VehicleChanged(VehicleId),
    /// Whether a node can be believed has changed, and with it what is shown of all its vehicles.
    NodeChanged(NodeId),
    /// Tell a gateway that a session of it lost: the winner's word does not come to it by itself.
    TellOutranked {
        /// That gateway.
        node: NodeId,
        /// Which vehicle.
        vehicle: VehicleId,
        /// The session that lost, and its epoch.
        lost: (SessionId, Epoch),
        /// The winner's.
        by: Epoch,
        /// Whether the winner is detached.
        detached: bool,
    },
    /// A peer knows this life of this node, or more of the present one than was ever said: its disk was lost and its clock
    /// set back. Nobody believes it until it begins a life after that one, which has to be written down first.
    Outlived(Incarnation),
}

/// Why a stream is ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HangUp {
    /// The peer broke the rules.
    Fault(Fault),
    /// There is another stream to the same peer.
    Twin,
    /// Nothing was heard for too long.
    Silent,
}

/// A gateway that is heard through others alone is lost once it is this long since one of them knew all that it said: they
/// lose it after five seconds, and tell what they know every five at the least.
pub const RELAYED_LOST_AFTER: Millis = Millis::secs(10);

/// How long tombstones are kept.
pub const TOMBSTONE_LIFE: Millis = Millis::secs(24 * 3600);

#[derive(Clone, Debug)]
struct Stream {
    link: Link,
    dialled: bool,
}

/// The presence of one gateway.
#[derive(Clone, Debug)]
pub struct Node {
    registrar: Registrar,
    view: View,
    streams: BTreeMap<LinkId, Stream>,
    peers: BTreeMap<NodeId, LinkId>,
    /// What happened on streams that have ended, by peer.
    ended: BTreeMap<NodeId, Counters>,
    /// When it last looked for what is overdue.
    ticked: Option<Mono>,
    /// When a gateway was last told that another has the vehicle.
    told: BTreeMap<VehicleId, Mono>,
    /// The vehicle up to which those that two gateways speak for were looked at.
    looked_at: Option<VehicleId>,
    /// The highest epoch that a home region named of a vehicle of which nothing as high is held here.
    outranked: BTreeMap<VehicleId, Epoch>,
}

impl Node {
    /// A node that serves no one and knows no one.
    pub fn new(me: NodeInfo, timers: Timers, keys: KeyRing) -> Self {
        Self {
            registrar: Registrar::new(me.clone(), timers, keys),
            view: View::new(me, timers),
            streams: BTreeMap::new(),
            peers: BTreeMap::new(),
            ended: BTreeMap::new(),
            ticked: None,
            told: BTreeMap::new(),
            looked_at: None,
            outranked: BTreeMap::new(),
        }
    }

    /// Other regions are told no more than the directory, as these home regions say. Set before anything happens.
    #[must_use]
    pub fn with_homes(mut self, homes: Option<HomeRegions>) -> Self {
        if let Some(homes) = homes {
            self.view.set_homes(homes);
        }
        self
    }

    /// The register.
    pub fn registrar(&self) -> &Registrar {
        &self.registrar
    }

    /// The view.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The stream to a peer, if one stands.
    pub fn link_to(&self, peer: &NodeId) -> Option<&Link> {
        self.peers.get(peer).and_then(|id| self.streams.get(id)).map(|stream| &stream.link)
    }

    /// What happened on all streams together.
    pub fn counters(&self) -> Counters {
        let standing = self.streams.values().map(|stream| stream.link.counters());
        self.ended.values().copied().chain(standing).fold(Counters::default(), sum)
    }

    /// What happened on all streams to one peer, in all its lives.
    pub fn counters_with(&self, peer: &NodeId) -> Counters {
        let standing = self.streams_to(peer).filter_map(|id| self.streams.get(&id));
        let ended = self.ended.get(peer).copied().unwrap_or_default();
        standing.map(|stream| stream.link.counters()).fold(ended, sum)
    }

    /// When the register's next deadline is due.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.registrar.next_deadline()
    }

    /// The machine.
    pub fn apply(&mut self, now: Mono, event: Event, out: &mut Vec<Action>) {
        match event {
            Event::Session(event) => self.register(now, event, out),
            Event::LinkOpened { link, dialled } => {
                self.streams.insert(link, Stream { link: Link::new(now), dialled });
            }
            Event::FrameReceived(id, frame) => self.receive(now, id, frame, out),
            Event::FlushDue { link: id, room } => {
                if self.stood_still(now) {
                    return;
                }
                if let Some(stream) = self.streams.get_mut(&id) {
                    let mut frames = Vec::new();
                    stream.link.pump(now, room, &self.view, &mut frames);
                    out.extend(frames.into_iter().map(|frame| Action::SendFrame(id, frame)));
                }
            }
            Event::LinkLost(id) => self.lose(now, id, out),
            Event::MemberChanged(info, standing) => {
                let node = info.id.clone();
                if self.view.note_standing(now, info, standing) {
                    out.push(Action::NodeChanged(node));
                }
            }
            Event::ToldOutranked { vehicle, lost, by, detached } => {
                self.told_outranked(now, vehicle, lost, (by, detached), out);
            }
            Event::DrainBegun => {
                self.view.drain();
                out.push(Action::NodeChanged(self.view.me().id.clone()));
            }
            Event::Ticked => {
                self.ticked = Some(now);
                let outdated = |link: &Link| link.is_outdated(now).then_some(HangUp::Fault(Fault::OldLife));
                let over = |link: &Link| outdated(link).or(link.silent(now).then_some(HangUp::Silent));
                let over = self.streams.iter().filter_map(|(id, s)| over(&s.link).map(|why| (*id, why)));
                for (id, why) in over.collect::<Vec<_>>() {
                    out.push(Action::HangUp(id, why));
                    self.lose(now, id, out);
                }
                let lost = self.view.lose_relayed(now.before(RELAYED_LOST_AFTER));
                out.extend(lost.into_iter().map(Action::NodeChanged));
                self.register(now, RegistrarEvent::Ticked, out);
                self.view.expire_tombstones(now, TOMBSTONE_LIFE);
                self.tell_losers(now, out);
            }
        }
    }

    /// Whether this process was without a processor for so long that it has to look at what it missed before it
    /// shows a sign of life: its peers would take what it knew before for what it knows now.
    fn stood_still(&self, now: Mono) -> bool {
        self.ticked.is_some_and(|ticked| now.since(ticked) >= LOST_AFTER)
    }

    fn register(&mut self, now: Mono, mut event: RegistrarEvent, out: &mut Vec<Action>) {
        if let RegistrarEvent::AttachRequested { request, known, connected_elsewhere, .. } = &mut event {
            let told = self.outranked.get(&request.vehicle).copied();
            *known = self.view.known_epoch(&request.vehicle).max(told).max(*known);
            let elsewhere = |sight: &Sight| sight.owner != self.view.me().id && sight.stale.is_none();
            let sight = self.view.sight(now, &request.vehicle).filter(elsewhere);
            *connected_elsewhere |= sight.is_some_and(|sight| sight.known == Known::Online);
        }
        let mut published = Vec::new();
        if let RegistrarEvent::PersistFailed { vehicle, .. } = &event {
            // The attach that failed may have been what kept a session that lost.
            published.push(vehicle.clone());
        }
        let mut actions = Vec::new();
        self.registrar.apply(now, event, &mut actions);
        for action in actions {
            match action {
                SessionAction::Publish(vehicle, entry) => {
                    self.view.publish(now, vehicle.clone(), entry);
                    out.push(Action::VehicleChanged(vehicle.clone()));
                    published.push(vehicle);
                }
                action @ (SessionAction::Persist { .. }
                | SessionAction::Send(..)
                | SessionAction::Accept(..)
                | SessionAction::Close(..)
                | SessionAction::ReportClone(_)
                | SessionAction::Supersede { .. }) => out.push(Action::Session(action)),
            }
        }
        // What was published may have lost already against an entry that came before it.
        for vehicle in published {
            if self.outranked.get(&vehicle).is_some_and(|by| self.view.known_epoch(&vehicle) >= Some(*by)) {
                self.outranked.remove(&vehicle);
            }
            self.yield_if_outranked(now, vehicle, out);
        }
    }

    fn receive(&mut self, now: Mono, id: LinkId, frame: Frame, out: &mut Vec<Action>) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let (hello, about) = match &frame {
            Frame::Hello { node, .. } => (true, Some(node.id.clone())),
            Frame::Batch(batch) => (false, Some(batch.owner.id.clone())),
            Frame::Cursors { nodes, .. } => (false, nodes.first().map(|node| node.id.clone())),
            Frame::Audit(_) => (false, None),
        };
        match stream.link.receive(now, frame, &mut self.view) {
            Ok(received) => {
                if received.nodes_changed {
                    out.extend(about.map(Action::NodeChanged));
                }
                out.extend(received.outlived.map(Action::Outlived));
                if let Some(peer) = stream.link.peer().cloned() {
                    self.view.note_spoken(now, &peer);
                    let level = stream.link.level();
                    if hello {
                        self.settle_twins(now, id, &peer.id);
                    } else {
                        self.end_twins(id, &peer.id, out);
                    }
                    self.believe(now, &peer, level, out);
                }
                for (log, level) in received.passed_on {
                    self.believe_relayed(now, &log, level, out);
                }
                for vehicle in received.changed {
                    out.push(Action::VehicleChanged(vehicle.clone()));
                    self.yield_if_outranked(now, vehicle, out);
                }
            }
            Err(fault) => {
                out.push(Action::HangUp(id, HangUp::Fault(fault)));
                self.lose(now, id, out);
            }
        }
    }

    /// A gateway that is not heard is believed as long as one that hears it has lately told all that it said.
    fn believe_relayed(&mut self, now: Mono, log: &LogId, level: Mono, out: &mut Vec<Action>) {
        if now.since(level) >= RELAYED_LOST_AFTER {
            return;
        }
        if self.view.vouch(log, level) {
            out.push(Action::NodeChanged(log.owner.clone()));
        }
        if self.view.node(&log.owner).is_some_and(|node| node.liveness == Liveness::Relayed { heard: level }) {
            self.void_before(now, &log.owner, log.incarnation, out);
        }
    }

    /// All that the node said in this life is held: what it said before is void.
    fn void_before(&mut self, now: Mono, node: &NodeId, life: Incarnation, out: &mut Vec<Action>) {
        for vehicle in self.view.void_lives_before(node, life) {
            out.push(Action::VehicleChanged(vehicle.clone()));
            self.yield_if_outranked(now, vehicle, out);
        }
    }

    /// A peer is believed in its present life, and only once its log is held up to where it stood when the stream began:
    /// what is held from before a cut says nothing of now.
    fn believe(&mut self, now: Mono, peer: &NodeInfo, level: Option<Mono>, out: &mut Vec<Action>) {
        let present = self.view.node(&peer.id).is_some_and(|known| known.info.incarnation == peer.incarnation);
        if let Some(heard) = level.filter(|_| present)
            && self.view.set_liveness(&peer.id, Liveness::Alive { heard })
        {
            out.push(Action::NodeChanged(peer.id.clone()));
        }
        if present && level.is_some() {
            self.void_before(now, &peer.id, peer.incarnation, out);
        }
    }

    /// Of two streams to the same peer that of its later life counts, then the one dialled by the lower id; of equals,
    /// the newer one.
    fn settle_twins(&mut self, now: Mono, id: LinkId, peer: &NodeId) {
        let lower_dials = self.view.me().id < *peer;
        let life = |stream: &Stream| stream.link.peer().map(|info| info.incarnation);
        let preferred = |stream: &Stream| stream.dialled == lower_dials;
        let old = self.peers.get(peer).filter(|other| **other != id).and_then(|other| self.streams.get(other));
        let stays = |old: &Stream, new: &Stream| {
            life(old) >= life(new) && preferred(old) && !preferred(new) && !old.link.silent(now)
        };
        if !old.zip(self.streams.get(&id)).is_some_and(|(old, new)| stays(old, new)) {
            self.peers.insert(peer.clone(), id);
        }
    }

    /// Hangs up what stands beside the stream that counts, once a frame after its hello came on that: then the peer has
    /// read this node's hello on it, too, and does not take the end of the other for a loss.
    fn end_twins(&mut self, id: LinkId, peer: &NodeId, out: &mut Vec<Action>) {
        if self.streams.len() == self.peers.len() || self.peers.get(peer) != Some(&id) {
            return;
        }
        for twin in self.streams_to(peer).filter(|twin| *twin != id).collect::<Vec<_>>() {
            out.push(Action::HangUp(twin, HangUp::Twin));
            self.forget(twin);
        }
    }

    fn streams_to(&self, peer: &NodeId) -> impl Iterator<Item = LinkId> {
        let to = |stream: &Stream| stream.link.peer().is_some_and(|info| info.id == *peer);
        self.streams.iter().filter(move |(_, stream)| to(stream)).map(|(id, _)| *id)
    }

    fn lose(&mut self, now: Mono, id: LinkId, out: &mut Vec<Action>) {
        let Some(stream) = self.forget(id) else {
            return;
        };
        let Some(peer) = stream.link.peer().map(|info| info.id.clone()) else {
            return;
        };
        if self.peers.get(&peer) != Some(&id) {
            return;
        }
        self.peers.remove(&peer);
        let twin = self.streams_to(&peer).last();
        self.peers.extend(twin.map(|twin| (peer.clone(), twin)));
        let present = self.view.node(&peer).map(|known| known.info.incarnation);
        let heard = |twin: &Stream| {
            let life = twin.link.peer().map(|info| info.incarnation);
            life == present && twin.link.level().is_some() && !twin.link.silent(now)
        };
        if twin.and_then(|twin| self.streams.get(&twin)).is_some_and(heard) {
            return;
        }
        // Without it the peer was not believed on this stream: then nothing changes.
        let Some(status) = self.view.node(&peer) else { return };
        if let Liveness::Alive { heard } = status.liveness {
            let stays = status.standing != Some(Standing::Left);
            let fresh = |at: &Mono| stays && *at > heard && now.since(*at) < RELAYED_LOST_AFTER;
            let passed_on = status.passed_on.filter(fresh);
            let lost = passed_on.map_or(Liveness::Lost { since: heard }, |heard| Liveness::Relayed { heard });
            if self.view.set_liveness(&peer, lost) {
                out.push(Action::NodeChanged(peer));
            }
        }
    }

    fn forget(&mut self, id: LinkId) -> Option<Stream> {
        let mut stream = self.streams.remove(&id)?;
        stream.link.abandon(&mut self.view);
        // Before its hello nothing is counted.
        if let Some(peer) = stream.link.peer() {
            let ended = self.ended.entry(peer.id.clone()).or_default();
            *ended = sum(*ended, stream.link.counters());
        }
        Some(stream)
    }

    fn yield_if_outranked(&mut self, now: Mono, vehicle: VehicleId, out: &mut Vec<Action>) {
        if self.registrar.session(&vehicle).is_none() {
            return;
        }
        let own = self.view.own_log_id();
        if let Some((_, slot)) = self.view.winner(&vehicle).filter(|(id, _)| **id != own) {
            let (by, detached) = (slot.entry.epoch, slot.entry.state == LiveState::Detached);
            self.register(now, RegistrarEvent::Outranked { vehicle, by, detached }, out);
        }
    }
}

fn sum(a: Counters, b: Counters) -> Counters {
    Counters {
        entries_sent: a.entries_sent + b.entries_sent,
        entries_received: a.entries_received + b.entries_received,
        snapshots_sent: a.snapshots_sent + b.snapshots_sent,
        gaps: a.gaps + b.gaps,
        digest_mismatches: a.digest_mismatches + b.digest_mismatches,
        entries_mended: a.entries_mended + b.entries_mended,
    }
}

#[cfg(test)]
#[path = "node_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "node_relayed_tests.rs"]
mod relayed_tests;
