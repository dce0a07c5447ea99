//! Who belongs to the cluster, and who of them lives: SWIM with suspicion, by `foca`, in a machine without IO.
//!
//! A gateway asks the addresses it was given who answers there, announces itself to one of them and is told of the
//! rest. From then on everyone probes someone every period, through others where the direct way is cut; who answers nobody
//! is suspected, has some seconds to refute it, and is down then. Who was declared down and lives comes back under a
//! renewed identity. Down gateways keep being called, so that a healed cut is noticed without help.
//!
//! What is judged here is a gateway; no vehicle is ever named. What a gateway says of its vehicles is believed by its
//! presence stream alone ([`crate::sync`]).

mod event;
mod member;
mod own_time;
mod pace;
mod vitals;

pub use event::{Action, Counters, Event, Known, Packet, Standing};
pub use member::Member;
pub use own_time::{LATE, POLL};
pub use pace::{PACKET_BYTES_MAX, PROBE_PERIOD, PROBE_RTT, SUSPICION};
pub use vitals::{VITALS_PER_PACKET, Vitals, VitalsOf};

use crate::id::NodeId;
use crate::time::Mono;
use crate::view::NodeInfo;
use foca::{Codec, Foca, NoCustomBroadcast, Notification, State, Timer};
use own_time::OwnTime;
use rand_pcg::Pcg64;
use rand_pcg::rand_core::SeedableRng;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use vitals::Board;

/// Gateways in a cluster. What is heard of more is not kept.
pub const MEMBERS_MAX: usize = 1024;

/// Addresses that are asked who answers there.
pub const SEEDS_MAX: usize = 64;

/// How often a suspect is told that it is one, milliseconds, so that it can refute that.
const TELL_SUSPECT_MS: u64 = 1000;

/// How often some of those that are down are called, milliseconds.
const CALL_DOWN_MS: u64 = 3000;

/// How many of them.
const CALLED_DOWN: usize = 2;

/// How often whoever is known is called by a gateway to which nobody speaks, milliseconds.
const CALL_ANYONE_MS: u64 = 500;

/// How often a seed is asked whose gateway is not a member, milliseconds.
const ASK_SEED_MS: u64 = 2000;

/// How often one whose gateway is: it may have moved.
const ASK_AGAIN_MS: u64 = 30_000;

#[derive(Clone, Debug, Default)]
struct Seed {
    node: Option<NodeId>,
    ask_at: u64,
}

/// The membership of one gateway, in one life.
pub struct Membership<C> {
    foca: Swim<C>,
    codec: C,
    time: OwnTime,
    timers: BTreeMap<(u64, u64), Timer<Member>>,
    scheduled: u64,
    seeds: BTreeMap<String, Seed>,
    board: Board,
    known: BTreeMap<NodeId, Known>,
    call_at: u64,
    tell_suspects_at: u64,
    called_last: Option<NodeId>,
    /// Whether someone speaks to this node under its present identity; without, it probes nobody.
    connected: bool,
    left: bool,
    counters: Counters,
}

impl<C> fmt::Debug for Membership<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership").field("known", &self.known).field("seeds", &self.seeds).finish_non_exhaustive()
    }
}

impl<C: Codec<Member> + Clone> Membership<C>
where
    C::Error: std::error::Error,
{
    /// A gateway that knows nobody. The seed of chance decides whom it probes when.
    pub fn new(me: NodeInfo, seeds: Vec<String>, codec: C, chance: u64) -> Self {
        let board = Board::new(me.id.clone(), me.incarnation);
        let rng = Pcg64::seed_from_u64(chance);
        Self {
            foca: Foca::new(Member::new(me), pace::config(), rng, codec.clone()),
            codec,
            time: OwnTime::default(),
            timers: BTreeMap::new(),
            scheduled: 0,
            seeds: seeds.into_iter().take(SEEDS_MAX).map(|seed| (seed, Seed::default())).collect(),
            board,
            known: BTreeMap::new(),
            call_at: 0,
            tell_suspects_at: 0,
            called_last: None,
            connected: false,
            left: false,
            counters: Counters::default(),
        }
    }

    /// This node, as the others know it.
    pub fn me(&self) -> &Member {
        self.foca.identity()
    }

    /// What this node said last of itself.
    pub fn vitals(&self) -> Vitals {
        self.board.own()
    }

    /// Every other gateway that is known.
    pub fn members(&self) -> impl Iterator<Item = &Known> {
        self.known.values()
    }

    /// One of them.
    pub fn member(&self, node: &NodeId) -> Option<&Known> {
        self.known.get(node)
    }

    /// What happened.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// By how much this node doubts itself, 0 not at all: it ran too late to judge others.
    pub fn doubt(&self) -> u64 {
        self.time.doubt()
    }

    /// When it must be polled next.
    pub fn next_deadline(&self) -> Option<Mono> {
        if self.left {
            return None;
        }
        let timer = self.timers.first_key_value().map(|((at, _), _)| *at);
        let seed = self.seeds.values().map(|seed| seed.ask_at).min();
        self.time.when(timer.into_iter().chain(seed).chain([self.call_at, self.tell_suspects_at]).min())
    }

    /// The machine.
    pub fn apply(&mut self, now: Mono, event: Event, out: &mut Vec<Action>) {
        self.time.advance(now);
        if self.left {
            return;
        }
        match event {
            Event::Received(packet) => self.receive(packet, out),
            Event::Introduced { seed, member } => self.introduced(seed, member, out),
            Event::Met(info) => self.call(Member::new(info), out),
            Event::Changed(vitals) => self.board.set(vitals),
            Event::Leave => self.leave(out),
            Event::Polled => {}
        }
        self.keep_time(out);
        self.look_round(now, out);
    }

    fn receive(&mut self, packet: Packet, out: &mut Vec<Action>) {
        self.counters.received += 1;
        for said in packet.vitals.into_iter().take(1 + VITALS_PER_PACKET) {
            self.board.note(said);
        }
        self.swim(out, |foca, effects| foca.handle_data(&packet.swim, effects));
    }

    fn introduced(&mut self, seed: String, member: Member, out: &mut Vec<Action>) {
        let me = self.me().info.clone();
        if let Some(asked) = self.seeds.get_mut(&seed) {
            asked.node = Some(member.info.id.clone());
        }
        match member.info.id == me.id {
            // The list may name this node, too.
            true if member.info.incarnation == me.incarnation => {}
            true => out.push(Action::Namesake(seed)),
            false => self.call(member, out),
        }
    }

    /// Announces this node to another, unless that is a member in this life or a later one.
    fn call(&mut self, member: Member, out: &mut Vec<Action>) {
        let active = |known: &Known| known.standing <= Standing::Suspect;
        let is_known = |known: &&Known| known.member.info.incarnation >= member.info.incarnation && active(known);
        if member.info.id == self.me().info.id || self.known.get(&member.info.id).filter(is_known).is_some() {
            return;
        }
        self.swim(out, |foca, effects| foca.announce(member, effects));
    }

    fn leave(&mut self, out: &mut Vec<Action>) {
        self.board.set(Vitals { leaving: true, ..self.board.own() });
        self.swim(out, |foca, effects| foca.leave_cluster(effects));
        self.left = true;
    }

    /// Does what is due by the time that this node trusts.
    fn keep_time(&mut self, out: &mut Vec<Action>) {
        let now = self.time.now();
        while let Some(due) = self.timers.first_entry().filter(|due| due.key().0 <= now) {
            let timer = due.remove();
            if self.is_refuted(&timer) {
                continue;
            }
            self.swim(out, |foca, effects| foca.handle_timer(timer, effects));
        }
        self.ask_seeds(now, out);
        if self.tell_suspects_at <= now {
            self.tell_suspects_at = now + TELL_SUSPECT_MS;
            self.tell_suspects(out);
        }
        if self.call_at <= now {
            self.call_at = now + if self.connected { CALL_DOWN_MS } else { CALL_ANYONE_MS };
            self.call_some(out);
        }
    }

    /// Whether a suspicion whose time is up was refuted meanwhile. The protocol would leave the member alone, and tell it all
    /// the same that it is held for dead.
    fn is_refuted(&self, timer: &Timer<Member>) -> bool {
        let Timer::ChangeSuspectToDown { member_id, incarnation, .. } = timer else { return false };
        let still = |member: &foca::Member<Member>| {
            member.id() == member_id && member.state() == State::Suspect && member.incarnation() == *incarnation
        };
        !self.foca.iter_members().any(still)
    }

    fn ask_seeds(&mut self, now: u64, out: &mut Vec<Action>) {
        let me = self.foca.identity().info.id.clone();
        let known = &self.known;
        let is_member = |node: &NodeId| known.get(node).is_some_and(|known| known.standing <= Standing::Suspect);
        for (address, seed) in &mut self.seeds {
            if seed.ask_at <= now {
                let settled = seed.node.as_ref().is_some_and(|node| *node == me || is_member(node));
                seed.ask_at = now + if settled { ASK_AGAIN_MS } else { ASK_SEED_MS };
                out.push(Action::Introduce(address.clone()));
            }
        }
    }

    /// The protocol passes a suspicion on to some, and a limited number of times: the suspect may never hear of it, and a
    /// node that came back under another name has forgotten that it must be told.
    fn tell_suspects(&mut self, out: &mut Vec<Action>) {
        let suspects: Vec<_> =
            self.foca.iter_members().filter(|member| member.state() == State::Suspect).cloned().collect();
        for suspect in suspects {
            let header = foca::Header {
                src: self.me().clone(),
                // What is known of this node's own refutations is no news.
                src_incarnation: 0,
                dst: suspect.id().clone(),
                message: foca::Message::Gossip,
            };
            let mut swim = Vec::new();
            let written = self.codec.encode_header(&header, &mut swim).and_then(|()| {
                swim.extend(1_u16.to_be_bytes());
                self.codec.encode_member(&suspect, &mut swim)
            });
            if written.is_ok() {
                self.counters.sent += 1;
                out.push(Action::Send(header.dst, Packet { swim, vitals: self.board.tell() }));
            }
        }
    }

    /// Some of those that are down are called, in turn: after a cut nobody else may be left who would. Anyone is called as long
    /// as nobody speaks to this node: two that hold each other for dead at once come back under names neither has heard.
    fn call_some(&mut self, out: &mut Vec<Action>) {
        let connected = self.connected;
        let is_called = |known: &&Known| !connected || known.standing > Standing::Suspect;
        let last = self.called_last.take();
        let after = self.known.values().filter(is_called).filter(|known| Some(&known.member.info.id) > last.as_ref());
        let before = self.known.values().filter(is_called).filter(|known| Some(&known.member.info.id) <= last.as_ref());
        let called: Vec<Member> = after.chain(before).take(CALLED_DOWN).map(|known| known.member.clone()).collect();
        self.called_last = called.last().map(|member| member.info.id.clone());
        for member in called {
            self.swim(out, |foca, effects| foca.announce(member, effects));
        }
    }

    /// Lets the protocol act, and takes over what it wants done.
    fn swim(&mut self, out: &mut Vec<Action>, act: impl FnOnce(&mut Swim<C>, &mut Effects) -> Result<(), foca::Error>) {
        let mut effects = Effects::default();
        if let Err(foca::Error::Decode(_) | foca::Error::DataTooBig | foca::Error::MalformedPacket) =
            act(&mut self.foca, &mut effects)
        {
            self.counters.unreadable += 1;
        }
        for (timer, after) in effects.timers {
            self.scheduled += 1;
            let after = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            self.timers.insert((self.time.now().saturating_add(after), self.scheduled), timer);
        }
        for (to, swim) in effects.sent {
            self.counters.sent += 1;
            out.push(Action::Send(to, Packet { swim, vitals: self.board.tell() }));
        }
        if let Some(connected) = effects.connected {
            self.connected = connected;
            self.call_at = if connected { self.call_at } else { self.time.now() };
        }
        self.counters.renewals += effects.renewals;
    }

    /// Tells what is thought of whom now, where that has changed.
    fn look_round(&mut self, now: Mono, out: &mut Vec<Action>) {
        let mut forgotten: Vec<NodeId> = self.known.keys().cloned().collect();
        for state in self.foca.iter_membership_state() {
            let member = state.id();
            forgotten.retain(|node| *node != member.info.id);
            let vitals = self.board.of(&member.info.id, member.info.incarnation);
            let standing = match state.state() {
                State::Alive => Standing::Alive,
                State::Suspect => Standing::Suspect,
                State::Down if vitals.is_some_and(|said| said.leaving) => Standing::Left,
                State::Down => Standing::Down,
            };
            let before = self.known.get(&member.info.id);
            if before.is_none() && self.known.len() >= MEMBERS_MAX {
                continue;
            }
            let same = |known: &&Known| (&known.member, known.standing, known.vitals) == (member, standing, vitals);
            if before.filter(same).is_none() {
                let since = before.filter(|known| known.standing == standing).map_or(now, |known| known.since);
                let known = Known { member: member.clone(), standing, vitals, since };
                self.known.insert(member.info.id.clone(), known.clone());
                out.push(Action::MemberChanged(Box::new(known)));
            }
        }
        for node in forgotten {
            self.known.remove(&node);
            self.board.forget(&node);
            out.push(Action::MemberForgotten(node));
        }
    }
}

type Swim<C> = Foca<Member, C, Pcg64, NoCustomBroadcast>;

/// What the protocol wants done.
#[derive(Default)]
struct Effects {
    sent: Vec<(Member, Vec<u8>)>,
    timers: Vec<(Timer<Member>, Duration)>,
    connected: Option<bool>,
    renewals: u64,
}

impl foca::Runtime<Member> for Effects {
    fn notify(&mut self, notification: Notification<'_, Member>) {
        match notification {
            Notification::Active => self.connected = Some(true),
            Notification::Idle | Notification::Defunct => self.connected = Some(false),
            Notification::Rejoin(_) => {
                self.connected = Some(false);
                self.renewals += 1;
            }
            Notification::MemberUp(_) | Notification::MemberDown(_) | Notification::Rename(..) => {}
        }
    }

    fn send_to(&mut self, to: Member, data: &[u8]) {
        self.sent.push((to, data.to_vec()));
    }

    fn submit_after(&mut self, timer: Timer<Member>, after: Duration) {
        self.timers.push((timer, after));
    }
}
