//! Gateways find each other: the membership's packets on the modelled network, and what each thinks of whom.
//!
//! A packet is a small call: it gets lost if either direction is cut, and by chance; it comes late, and now and then twice.

use super::check::Check;
use super::plant::Plant;
use super::run::{Event, World};
use std::collections::BTreeMap;
use waygate_core::id::NodeId;
use waygate_core::membership::{Action, Event as MemberEvent, Known, Packet, Standing, Vitals};
use waygate_core::node::Event as NodeEvent;
use waygate_core::view::{Liveness, NodeInfo};
use waygate_wire::membership::{Membership, packet_from_proto, packet_to_proto};

/// A death must be known so soon, to a gateway that ran all the time.
const SUSPECTED_WITHIN_MS: u64 = 10_000;

/// How long one is waited for that does not answer.
const PROBE_MS: u64 = 1500;

/// Between two looks of the judge.
const LOOKS_APART_MS: u64 = 1000;

/// How long a gateway that is down is dialled.
const DIALLED_WHEN_DOWN_MS: u64 = 600_000;

/// Packets lost by chance, in a hundred.
const LOST_PERCENT: u64 = 1;

/// The membership of one gateway in one life, as the harness drives it.
#[derive(Debug)]
pub struct Members {
    /// The machine.
    pub machine: Membership,
    /// When it is polled next.
    polled_at: Option<u64>,
    /// Since when it could judge others.
    judges_since: u64,
}

impl Members {
    /// A life that begins.
    pub fn new(machine: Membership, now: u64) -> Self {
        Self { machine, polled_at: None, judges_since: now }
    }
}

impl World {
    /// The addresses that a gateway is given.
    pub fn seeds_of(&self, g: usize) -> Vec<String> {
        let count = self.gateways.len();
        let given: Vec<usize> = match self.settings.seeds {
            super::settings::Seeds::All => (0..count).collect(),
            super::settings::Seeds::One(one) => vec![one],
            super::settings::Seeds::Ring => vec![(g + 1) % count],
        };
        given.into_iter().map(|at| format!("http://{}", self.gateways[at].id)).collect()
    }

    /// Whether a gateway has a reason to dial another: it was given its address, or knows it for a member.
    pub fn is_dialled(&self, g: usize, peer: usize) -> bool {
        let Some(life) = self.gateways[g].life.as_ref() else { return false };
        let id = &self.gateways[peer].id;
        let mono = life.mono(self.now);
        let known = life.members.machine.member(id).is_some_and(|known| match known.standing {
            Standing::Alive | Standing::Suspect => true,
            Standing::Down => mono.since(known.since).0 < DIALLED_WHEN_DOWN_MS,
            Standing::Left => false,
        });
        known || self.seeds_of(g).contains(&format!("http://{id}"))
    }

    /// Gives the membership an event and does what it asks for.
    pub fn member(&mut self, g: usize, event: MemberEvent) {
        let now = self.now;
        let Some(life) = self.gateways[g].life.as_mut() else { return };
        let mono = life.mono(now);
        let mut out = Vec::new();
        life.members.machine.apply(mono, event, &mut out);
        for action in out {
            match action {
                Action::Send(to, packet) => self.send_packet(g, &to.info.id, packet),
                Action::Introduce(seed) => self.ask_seed(g, &seed),
                Action::MemberChanged(known) => self.think(g, *known),
                Action::MemberForgotten(node) => {
                    self.trace.note(now, format_args!("gateway {g} forgets member {node}"));
                }
                Action::Namesake(seed) => {
                    self.oracle
                        .expect(Check::MembersAgree, now, false, || format!("{seed} is a namesake of gateway {g}"));
                }
            }
        }
        self.poll_later(g);
    }

    fn poll_later(&mut self, g: usize) {
        if self.plant == Some(Plant::NeverProbe) {
            return;
        }
        let (now, pace) = (self.now, if self.night { 60_000 } else { 0 });
        let Some(life) = self.gateways[g].life.as_mut() else { return };
        let due = life.members.machine.next_deadline().map(|at| life.world_time(at).max(now + 1).max(now + pace));
        if let Some(at) = due.filter(|at| life.members.polled_at.is_none_or(|set| set > *at)) {
            life.members.polled_at = Some(at);
            let number = life.number;
            self.schedule(at, Event::MembersPolled(g, number, at));
        }
    }

    /// Time has passed for a membership.
    pub fn on_members_polled(&mut self, g: usize, at: u64) {
        if let Some(life) = self.gateways[g].life.as_mut()
            && life.members.polled_at == Some(at)
        {
            life.members.polled_at = None;
            self.member(g, MemberEvent::Polled);
        }
    }

    /// Once a second a gateway looks at itself and at whom it hears.
    pub fn tell_membership(&mut self, g: usize) {
        let Some(life) = self.gateways[g].life.as_ref() else { return };
        let view = life.node.view();
        let heard = |node: &&waygate_core::view::NodeStatus| matches!(node.liveness, Liveness::Alive { .. });
        let nodes: Vec<NodeInfo> = view.nodes().filter(heard).map(|node| node.info.clone()).collect();
        let log_head = view.log(&view.own_log_id()).map_or(0, waygate_core::log::Log::head);
        let vitals = Vitals { sessions: life.conns.len() as u64, log_head, ..life.members.machine.vitals() };
        self.member(g, MemberEvent::Changed(vitals));
        if self.plant != Some(Plant::ForgetTheDown) {
            nodes.into_iter().for_each(|node| self.member(g, MemberEvent::Met(node)));
        }
    }

    fn send_packet(&mut self, g: usize, to: &NodeId, packet: Packet) {
        let Some(peer) = self.gateways.iter().position(|gateway| gateway.id == *to) else { return };
        let down = |known: &Known| known.standing > Standing::Suspect;
        let life = self.gateways[g].life.as_ref();
        let is_down = life.and_then(|life| life.members.machine.member(to)).is_some_and(down);
        let forgotten = self.plant == Some(Plant::ForgetTheDown) && is_down;
        let deaf = self.plant == Some(Plant::DeafInCalm) && self.quiet && g == 0;
        if forgotten || deaf || !self.reach_each_other(g, peer) || self.dice.chance(LOST_PERCENT) {
            return;
        }
        for _ in 0..=u64::from(self.dice.chance(LOST_PERCENT)) {
            let at = self.now + self.call_latency_ms();
            self.schedule(at, Event::MemberPacket(g, peer, Box::new(packet.clone())));
        }
    }

    /// A packet arrives, as it crosses the wire.
    pub fn on_member_packet(&mut self, from: usize, g: usize, packet: Packet) {
        if !self.reach_each_other(from, g) {
            return self.trace.reach("packet lost");
        }
        let crossed = packet_from_proto(packet_to_proto(packet.clone()));
        self.oracle.expect(Check::WireIsFaithful, self.now, crossed.as_ref() == Ok(&packet), || {
            format!("{packet:?} was read as {crossed:?}")
        });
        self.member(g, MemberEvent::Received(packet));
    }

    fn ask_seed(&mut self, g: usize, seed: &str) {
        let peer = self.gateways.iter().position(|gateway| seed == format!("http://{}", gateway.id));
        let number = self.gateways[g].life.as_ref().map(|life| life.number);
        let forgotten = self.plant == Some(Plant::ForgetTheDown) && self.now > LOOKS_APART_MS * 20;
        let (Some(peer), Some(number), false) = (peer, number, forgotten) else { return };
        let at = self.now + self.call_latency_ms() + self.call_latency_ms();
        self.schedule(at, Event::Introduced(g, number, peer));
    }

    /// A seed said who answers there.
    pub fn on_introduced(&mut self, g: usize, peer: usize) {
        let stalled = self.gateways[peer].stalled_until > self.now;
        if stalled || !(g == peer || self.reach_each_other(g, peer)) {
            return;
        }
        let Some(member) = self.gateways[peer].life.as_ref().map(|life| life.members.machine.me().clone()) else {
            return;
        };
        let seed = format!("http://{}", self.gateways[peer].id);
        self.member(g, MemberEvent::Introduced { seed, member });
    }

    fn think(&mut self, g: usize, known: Known) {
        let Known { member, standing, .. } = known;
        let id = member.info.id.clone();
        self.trace.note(
            self.now,
            format_args!("gateway {g} thinks of {id} {} {}: {standing:?}", member.info.incarnation.0, member.renewal),
        );
        match standing {
            Standing::Alive => {}
            Standing::Suspect => self.trace.reach("suspected member"),
            Standing::Down => {
                self.trace.reach("member down");
                let life = self.gateways.iter().find(|gateway| gateway.id == id).and_then(|at| at.life.as_ref());
                let lives = life.is_some_and(|life| life.node.view().me().incarnation == member.info.incarnation);
                self.downed += u64::from(lives);
            }
            Standing::Left => self.trace.reach("member left"),
        }
        let present = self.gateways[g].life.as_ref().and_then(|life| life.node.view().node(&id));
        let later = present.is_some_and(|known| known.info.incarnation < member.info.incarnation);
        if !(later && self.plant == Some(Plant::IgnoreLaterLives)) {
            self.drive(g, NodeEvent::MemberChanged(NodeInfo::clone(&member.info), standing));
        }
    }

    /// Who is dead is suspected in time by every gateway that ran and did not doubt itself.
    pub fn audit_members(&mut self, g: usize) {
        let now = self.now;
        let drowsy = self.drowsy_ms() > 0;
        let running: BTreeMap<NodeId, bool> =
            self.gateways.iter().map(|gateway| (gateway.id.clone(), gateway.life.is_some())).collect();
        // One that is cut off just then tries all the others in vain first: nobody tells it.
        let alone_ms = PROBE_MS * (self.gateways.len() as u64 - 3);
        let died: Vec<(NodeId, u64)> = self.gateways.iter().map(|at| (at.id.clone(), at.died_at)).collect();
        let Some(life) = self.gateways[g].life.as_mut() else { return };
        if drowsy || life.members.machine.doubt() > 0 {
            life.members.judges_since = now;
        }
        let since = life.members.judges_since;
        let held = life.members.machine.members().filter(|known| known.standing == Standing::Alive);
        // Of some it was told only lately.
        let alive: BTreeMap<NodeId, u64> =
            held.map(|known| (known.member.info.id.clone(), life.world_time(known.since))).collect();
        for (id, died_at) in died {
            let told_at = alive.get(&id).copied();
            let began = died_at.max(since).max(told_at.unwrap_or(0));
            let in_time = now.saturating_sub(began) <= SUSPECTED_WITHIN_MS + alone_ms + LOOKS_APART_MS;
            let believed = !running[&id] && told_at.is_some();
            self.oracle.expect(Check::DeadIsSuspected, now, in_time || !believed, || {
                format!("gateway {g}, which judges since {since}, holds {id} for alive, which died at {died_at}")
            });
        }
    }

    /// A gateway that ran late judges from here on.
    pub fn judge_again(&mut self, g: usize) {
        if let Some(life) = self.gateways[g].life.as_mut() {
            life.members.judges_since = self.now;
        }
    }

    /// Why the gateways do not know each other yet, if they do not.
    pub fn strangers(&self) -> Option<String> {
        for (g, gateway) in self.gateways.iter().enumerate() {
            let life = gateway.life.as_ref()?;
            for (other, peer) in self.gateways.iter().enumerate().filter(|(other, _)| *other != g) {
                let present = peer.life.as_ref()?.node.view().me().incarnation;
                let known = life.members.machine.member(&peer.id);
                let right = known.is_some_and(|k| {
                    k.member.info.incarnation == present && matches!(k.standing, Standing::Alive | Standing::Suspect)
                });
                if !right {
                    return Some(format!("gateway {g} knows {other} as {known:?}, it lives in {}", present.0));
                }
            }
        }
        None
    }
}
