//! The membership of whole clusters in virtual time, over the wire's datagrams: joining, dying, being slow, being cut off.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use waygate_core::id::{Incarnation, NodeId, RegionId};
use waygate_core::membership::{Action, Event, Member, Packet, Standing, Vitals};
use waygate_core::time::Mono;
use waygate_core::view::NodeInfo;
use waygate_wire::membership::{
    Membership, SwimCodec, member_from_proto, member_to_proto, packet_from_proto, packet_to_proto,
};

/// When every gateway must know of a death.
const SUSPECTED_WITHIN_MS: u64 = 10_000;

/// Within this after a heal all are members again.
const HEALED_WITHIN_MS: u64 = 15_000;

#[derive(Debug)]
enum Happens {
    Packet { to: usize, packet: Packet },
    Asked { from: usize, to: usize, seed: String },
    Told { to: usize, seed: String, member: Member },
    Polled { at: usize, life: u64 },
}

struct Gateway {
    machine: Membership,
    incarnation: u64,
    up: bool,
    /// Without a processor: what comes waits.
    stopped: bool,
    waiting: VecDeque<Happens>,
    /// What it thought of whom, and when.
    thought: Vec<(u64, String, Standing)>,
}

struct Cluster {
    now: u64,
    order: u64,
    queue: BTreeMap<(u64, u64), Happens>,
    gateways: Vec<Gateway>,
    cuts: BTreeSet<(usize, usize)>,
    loss_percent: u64,
    dice: u64,
    packets: u64,
    largest: usize,
}

fn name(at: usize) -> String {
    format!("g{at:03}")
}

fn info(at: usize, incarnation: u64) -> NodeInfo {
    NodeInfo {
        id: NodeId::new(&name(at)).unwrap(),
        region: RegionId::new(&format!("r{}", at / 4)).unwrap(),
        incarnation: Incarnation(incarnation),
        vehicles_url: format!("ws://{}.example:7701/v1/obu", name(at)),
        operators_url: format!("http://{}.example:7801", name(at)),
        draining: false,
        rest: Box::default(),
    }
}

fn address(at: usize) -> String {
    format!("http://{}.example:7801", name(at))
}

impl Cluster {
    /// So many gateways; `seed_of` says whose address each is given.
    fn new(count: usize, dice: u64, seeds_of: impl Fn(usize) -> Vec<usize>) -> Self {
        let mut cluster = Self {
            now: 0,
            order: 0,
            queue: BTreeMap::new(),
            gateways: Vec::new(),
            cuts: BTreeSet::new(),
            loss_percent: 0,
            dice: dice.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            packets: 0,
            largest: 0,
        };
        for at in 0..count {
            let chance = cluster.roll();
            let seeds = seeds_of(at).into_iter().map(address).collect();
            let machine = Membership::new(info(at, 1), seeds, SwimCodec, chance);
            cluster.gateways.push(Gateway {
                machine,
                incarnation: 1,
                up: true,
                stopped: false,
                waiting: VecDeque::new(),
                thought: Vec::new(),
            });
            cluster.give(at, Event::Polled);
            cluster.schedule(1, Happens::Polled { at, life: 1 });
        }
        cluster
    }

    fn joined(count: usize, dice: u64) -> Self {
        let mut cluster = Self::new(count, dice, |_| vec![0]);
        cluster.until("all have joined", 20_000, Self::all_alive);
        cluster.forget_thoughts();
        cluster
    }

    fn roll(&mut self) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice
    }

    fn schedule(&mut self, after: u64, happens: Happens) {
        self.order += 1;
        self.queue.insert((self.now + after, self.order), happens);
    }

    fn reaches(&self, from: usize, to: usize) -> bool {
        !self.cuts.contains(&(from, to))
    }

    fn cut(&mut self, one: &[usize], other: &[usize]) {
        for (a, b) in one.iter().flat_map(|a| other.iter().map(move |b| (*a, *b))) {
            self.cuts.extend([(a, b), (b, a)]);
        }
    }

    fn send(&mut self, from: usize, to: usize, happens: Happens) {
        let (latency, lost) = (1 + self.roll() % 80, self.roll() % 100 < self.loss_percent);
        if self.reaches(from, to) && !lost {
            self.schedule(latency, happens);
        }
    }

    fn give(&mut self, at: usize, event: Event) {
        let mut out = Vec::new();
        self.gateways[at].machine.apply(Mono(self.now), event, &mut out);
        let index = |text: &str| text.trim_start_matches("http://")[1..4].parse::<usize>().unwrap();
        for action in out {
            match action {
                Action::Send(member, packet) => {
                    // As it crosses the wire.
                    let bytes = packet_to_proto(packet);
                    self.packets += 1;
                    self.largest = self.largest.max(prost::Message::encoded_len(&bytes));
                    let packet = packet_from_proto(bytes).unwrap();
                    let to = index(member.info.id.as_str());
                    self.send(at, to, Happens::Packet { to, packet });
                }
                Action::Introduce(seed) => {
                    let to = index(&seed);
                    self.send(at, to, Happens::Asked { from: at, to, seed });
                }
                Action::MemberChanged(known) => {
                    let thought = (self.now, known.member.info.id.to_string(), known.standing);
                    let thoughts = &mut self.gateways[at].thought;
                    let last = thoughts.iter().rev().find(|(_, node, _)| *node == thought.1);
                    if last.is_none_or(|(_, _, standing)| *standing != thought.2) {
                        thoughts.push(thought);
                    }
                }
                Action::MemberForgotten(_) => {}
                Action::Namesake(seed) => panic!("a namesake at {seed}"),
            }
        }
    }

    fn happen(&mut self, happens: Happens) {
        let at = match &happens {
            Happens::Packet { to, .. } | Happens::Asked { to, .. } | Happens::Told { to, .. } => *to,
            Happens::Polled { at, .. } => *at,
        };
        if self.gateways[at].stopped {
            return self.gateways[at].waiting.push_back(happens);
        }
        if !self.gateways[at].up {
            return;
        }
        match happens {
            Happens::Packet { to, packet } => self.give(to, Event::Received(packet)),
            Happens::Asked { from, to, seed } => {
                let me = member_to_proto(self.gateways[to].machine.me());
                let member = member_from_proto(Some(me)).unwrap();
                self.send(to, from, Happens::Told { to: from, seed, member });
            }
            Happens::Told { to, seed, member } => self.give(to, Event::Introduced { seed, member }),
            Happens::Polled { at, life } => {
                if life == self.gateways[at].incarnation {
                    self.give(at, Event::Polled);
                    let due = self.gateways[at].machine.next_deadline().map_or(1000, |due| due.0);
                    self.schedule(due.saturating_sub(self.now).max(1), Happens::Polled { at, life });
                }
            }
        }
    }

    fn run(&mut self, millis: u64) {
        let end = self.now + millis;
        while let Some((&(at, order), _)) = self.queue.first_key_value() {
            if at > end {
                break;
            }
            let happens = self.queue.remove(&(at, order)).unwrap();
            self.now = at;
            self.happen(happens);
        }
        self.now = end;
    }

    /// Runs until it is so, or fails. Returns how long it took.
    fn until(&mut self, what: &str, within: u64, mut is_so: impl FnMut(&Self) -> bool) -> u64 {
        let began = self.now;
        while !is_so(self) {
            assert!(self.now - began < within, "{what}: not within {within} ms\n{}", self.table());
            self.run(50);
        }
        self.now - began
    }

    fn kill(&mut self, at: usize) {
        self.gateways[at].up = false;
    }

    fn restart(&mut self, at: usize, seeds: &[usize]) {
        let (incarnation, chance) = (self.gateways[at].incarnation + 1, self.roll());
        let seeds = seeds.iter().map(|seed| address(*seed)).collect();
        let gateway = &mut self.gateways[at];
        gateway.machine = Membership::new(info(at, incarnation), seeds, SwimCodec, chance);
        gateway.incarnation = incarnation;
        gateway.up = true;
        self.give(at, Event::Polled);
        self.schedule(1, Happens::Polled { at, life: incarnation });
    }

    fn stop(&mut self, at: usize) {
        self.gateways[at].stopped = true;
    }

    /// It gets a processor again: its timers ring first, then it reads what came.
    fn go_on(&mut self, at: usize) {
        self.gateways[at].stopped = false;
        let waiting = std::mem::take(&mut self.gateways[at].waiting);
        let (polls, others): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|happens| matches!(happens, Happens::Polled { .. }));
        for happens in polls.into_iter().chain(others) {
            self.happen(happens);
        }
    }

    fn forget_thoughts(&mut self) {
        self.gateways.iter_mut().for_each(|gateway| gateway.thought.clear());
    }

    fn standing(&self, of: usize, at: usize) -> Option<Standing> {
        let id = NodeId::new(&name(of)).unwrap();
        let known = self.gateways[at].machine.member(&id)?;
        let present = known.member.info.incarnation.0 == self.gateways[of].incarnation;
        present.then_some(known.standing)
    }

    fn running(&self) -> Vec<usize> {
        (0..self.gateways.len()).filter(|at| self.gateways[*at].up).collect()
    }

    fn all_think(&self, of: usize, standing: impl Fn(Option<Standing>) -> bool) -> bool {
        self.running().into_iter().filter(|at| *at != of).all(|at| standing(self.standing(of, at)))
    }

    fn all_alive(&self) -> bool {
        self.running().into_iter().all(|of| self.all_think(of, |standing| standing == Some(Standing::Alive)))
    }

    fn table(&self) -> String {
        let row = |at: &usize| {
            let seen = (0..self.gateways.len()).map(|of| match self.standing(of, *at) {
                _ if of == *at => "·",
                None => "?",
                Some(Standing::Alive) => "A",
                Some(Standing::Suspect) => "S",
                Some(Standing::Down) => "D",
                Some(Standing::Left) => "L",
            });
            format!("{} {}\n", name(*at), seen.collect::<String>())
        };
        self.running().iter().map(row).collect()
    }

    /// Who ever thought ill of a gateway, and when first.
    fn accusers(&self, of: usize) -> Vec<(usize, u64)> {
        let ill = |thought: &&(u64, String, Standing)| thought.1 == name(of) && thought.2 > Standing::Alive;
        let first = |at: usize| self.gateways[at].thought.iter().find(ill).map(|thought| (at, thought.0));
        (0..self.gateways.len()).filter_map(first).collect()
    }
}

#[test]
fn a_gateway_that_knows_any_one_other_joins_and_all_know_all() {
    // Each is given another one: a chain, a star, and a ring.
    let chain = |at: usize| if at == 0 { vec![] } else { vec![at - 1] };
    let star = |_: usize| vec![7];
    let ring = |at: usize| vec![(at + 1) % 24];
    for (dice, seeds_of) in [(1, &chain as &dyn Fn(usize) -> Vec<usize>), (2, &star), (3, &ring)] {
        let mut cluster = Cluster::new(24, dice, seeds_of);
        cluster.until("all know all", 20_000, Cluster::all_alive);
    }
}

#[test]
fn a_killed_gateway_is_suspected_by_every_other_within_ten_seconds() {
    for (count, dice) in [(2, 1), (3, 2), (5, 3), (12, 4), (12, 5), (40, 6)] {
        let mut cluster = Cluster::joined(count, dice);
        cluster.loss_percent = 3;
        cluster.kill(count / 2);
        let suspected = |standing: Option<Standing>| standing.is_none_or(|standing| standing > Standing::Alive);
        cluster.until("the dead is suspected", SUSPECTED_WITHIN_MS, |c| c.all_think(count / 2, suspected));
        cluster.until("the dead is down", 20_000, |c| c.all_think(count / 2, |s| s == Some(Standing::Down)));
        assert!(
            cluster.running().iter().all(|at| cluster
                .accusers(*at)
                .iter()
                .all(|(by, _)| cluster.standing(*at, *by) == Some(Standing::Alive)))
        );
    }
}

#[test]
fn a_gateway_that_restarts_at_once_is_a_member_again_in_its_new_life() {
    for dice in 1..6 {
        let mut cluster = Cluster::joined(6, dice);
        cluster.kill(2);
        cluster.run(300 * dice);
        cluster.restart(2, &[4]);
        cluster.until("it is back", 10_000, Cluster::all_alive);
    }
}

#[test]
fn a_gateway_that_was_down_for_long_comes_back() {
    let mut cluster = Cluster::joined(6, 9);
    cluster.kill(0);
    cluster.run(600_000);
    cluster.restart(0, &[3]);
    cluster.until("it is back", 10_000, Cluster::all_alive);
}

#[test]
fn a_gateway_that_leaves_is_known_to_have_left() {
    for dice in 1..6 {
        let mut cluster = Cluster::joined(12, dice);
        cluster.give(5, Event::Leave);
        assert_eq!(cluster.gateways[5].machine.next_deadline(), None, "a gateway that has left waits for nothing");
        // What it said last is on its way; then it is gone.
        cluster.kill(5);
        cluster.until("it has left", 5000, |c| c.all_think(5, |standing| standing == Some(Standing::Left)));
        let suspected = |gateway: &Gateway| gateway.thought.iter().any(|thought| thought.2 == Standing::Suspect);
        assert!(!cluster.gateways.iter().any(suspected));
        cluster.restart(5, &[0]);
        cluster.until("it is back", 10_000, Cluster::all_alive);
    }
}

#[test]
fn a_cut_between_two_gateways_is_no_reason_to_think_ill_of_either() {
    for (dice, one_way) in [(1, false), (2, true), (3, false), (4, true)] {
        let mut cluster = Cluster::joined(6, dice);
        cluster.cuts.insert((1, 2));
        if !one_way {
            cluster.cuts.insert((2, 1));
        }
        cluster.run(120_000);
        for of in 0..6 {
            let accusers = cluster.accusers(of);
            assert!(accusers.is_empty(), "{of} was accused by {accusers:?}, dice {dice}");
        }
    }
}

/// What a gateway tells another that it holds for dead.
fn held_for_dead(cluster: &Cluster, by: usize, of: usize) -> Event {
    let (src, dst) = (cluster.gateways[by].machine.me().clone(), cluster.gateways[of].machine.me().clone());
    let header = foca::Header { src, src_incarnation: 0, dst, message: foca::Message::TurnUndead };
    let mut swim = Vec::new();
    foca::Codec::encode_header(&mut SwimCodec, &header, &mut swim).unwrap();
    Event::Received(Packet { swim, vitals: Vec::new() })
}

#[test]
fn gateways_that_hold_each_other_for_dead_at_once_find_each_other_again() {
    for count in [2, 3, 6] {
        let mut cluster = Cluster::joined(count, 1);
        cluster.loss_percent = 5;
        let told: Vec<_> = (0..count).map(|of| held_for_dead(&cluster, (of + 1) % count, of)).collect();
        for (of, event) in told.into_iter().enumerate() {
            cluster.give(of, event);
        }
        assert!(cluster.gateways.iter().all(|gateway| gateway.machine.counters().renewals == 1));
        cluster.until("they know each other as they are now", 5000, |cluster| {
            let me = |at: usize| cluster.gateways[at].machine.me();
            let knows = |at: usize, of: usize| {
                cluster.gateways[at].machine.member(&me(of).info.id).is_some_and(|known| known.member == *me(of))
            };
            (0..count).all(|at| (0..count).all(|of| at == of || knows(at, of)))
        });
        // And they probe each other.
        cluster.kill(1);
        cluster.until("the dead is suspected", SUSPECTED_WITHIN_MS, |c| c.all_think(1, |s| s > Some(Standing::Alive)));
    }
}

#[test]
fn who_refutes_a_suspicion_is_told_nothing_else() {
    let mut refuted = 0;
    for dice in 1..9 {
        let mut cluster = Cluster::joined(4, dice);
        cluster.cut(&[2], &[0, 1, 3]);
        cluster.until("it is suspected", SUSPECTED_WITHIN_MS, |c| c.all_think(2, |s| s == Some(Standing::Suspect)));
        cluster.cuts.clear();
        cluster.until("it has refuted that", 5000, Cluster::all_alive);
        cluster.run(30_000);
        // Of some the time was up before they could.
        let down = |gateway: &Gateway| gateway.thought.iter().any(|thought| thought.2 == Standing::Down);
        let renewals: u64 = cluster.gateways.iter().map(|gateway| gateway.machine.counters().renewals).sum();
        if !cluster.gateways.iter().any(down) {
            refuted += 1;
            assert_eq!(renewals, 0, "dice {dice}");
        }
    }
    assert!(refuted >= 4, "only {refuted}");
}

#[test]
fn a_gateway_without_a_processor_accuses_nobody_and_is_a_member_again_after() {
    for (dice, millis) in [(1, 2000), (2, 5000), (3, 20_000), (4, 60_000)] {
        let mut cluster = Cluster::joined(7, dice);
        cluster.stop(3);
        cluster.run(millis);
        cluster.forget_thoughts();
        let resumed = cluster.now;
        cluster.go_on(3);
        cluster.until("it is a member again", HEALED_WITHIN_MS, Cluster::all_alive);
        cluster.run(30_000);
        for of in (0..7).filter(|of| *of != 3) {
            let accusers = cluster.accusers(of);
            assert!(accusers.is_empty(), "{of} was accused by {accusers:?} after {resumed}, dice {dice}");
        }
    }
}

#[test]
fn a_gateway_that_gets_a_processor_only_now_and_then_doubts_itself_and_accuses_nobody() {
    for (dice, apart) in [(1, 1000), (2, 1700), (3, 2500), (4, 4000)] {
        let mut cluster = Cluster::joined(7, dice);
        for _ in 0..60_000 / apart {
            cluster.stop(3);
            cluster.run(apart);
            cluster.go_on(3);
        }
        assert!(cluster.gateways[3].machine.doubt() > 0);
        for of in (0..7).filter(|of| *of != 3) {
            let accusers = cluster.accusers(of);
            assert!(accusers.is_empty(), "{of} was accused by {accusers:?}, dice {dice}");
        }
        cluster.until("it is a member again", HEALED_WITHIN_MS, Cluster::all_alive);
        cluster.run(30_000);
        assert_eq!(cluster.gateways[3].machine.doubt(), 0);
    }
}

#[test]
fn a_healed_partition_finds_itself_again_without_help() {
    for (dice, one, other) in
        [(1, vec![0, 1], vec![2, 3, 4]), (2, vec![0], vec![1, 2, 3, 4]), (3, vec![0, 2, 4], vec![1, 3])]
    {
        // Of the seeds only the first gateway's address is known, and that one is gone for good.
        let mut cluster = Cluster::joined(6, dice);
        cluster.kill(5);
        cluster.cut(&one, &other);
        cluster.run(180_000);
        assert!(one.iter().all(|at| other.iter().all(|of| cluster.standing(*of, *at) == Some(Standing::Down))));
        cluster.cuts.clear();
        cluster.until("all are members again", HEALED_WITHIN_MS, Cluster::all_alive);
    }
}

#[test]
fn two_gateways_whose_seed_is_gone_for_good_find_each_other_after_a_cut() {
    let mut cluster = Cluster::joined(3, 1);
    cluster.kill(0);
    cluster.run(60_000);
    cluster.cut(&[1], &[2]);
    cluster.run(120_000);
    cluster.cuts.clear();
    cluster.until("both are members again", HEALED_WITHIN_MS, Cluster::all_alive);
}

#[test]
fn a_cluster_that_loses_one_packet_in_ten_stays_together() {
    let mut cluster = Cluster::joined(12, 3);
    cluster.loss_percent = 10;
    cluster.run(300_000);
    let down = |gateway: &Gateway| gateway.thought.iter().any(|thought| thought.2 == Standing::Down);
    assert!(!cluster.gateways.iter().any(down), "{}", cluster.table());
}

#[test]
fn what_a_gateway_says_of_itself_reaches_all() {
    for dice in 1..5 {
        what_one_says_reaches_all(Cluster::joined(40, dice));
    }
}

fn what_one_says_reaches_all(mut cluster: Cluster) {
    let said = Vitals { draining: true, sessions: 1234, load: 77, log_head: 9_999_999, leaving: false };
    cluster.give(11, Event::Changed(said));
    let id = NodeId::new(&name(11)).unwrap();
    cluster.until("all know", 10_000, |c| {
        let knows = |at: usize| c.gateways[at].machine.member(&id).is_some_and(|known| known.vitals == Some(said));
        (0..40).filter(|at| *at != 11).all(knows)
    });
}

#[test]
fn a_stream_that_stands_brings_back_a_gateway_that_was_held_for_dead() {
    let mut cluster = Cluster::joined(2, 5);
    cluster.cut(&[0], &[1]);
    cluster.run(60_000);
    cluster.cuts.clear();
    cluster.give(0, Event::Met(info(1, 1)));
    cluster.give(1, Event::Met(info(0, 1)));
    cluster.until("both are members again", 2000, Cluster::all_alive);
}

#[test]
fn the_traffic_of_a_quiet_cluster_does_not_grow_with_its_size() {
    let rate = |count| {
        let mut cluster = Cluster::joined(count, 1);
        cluster.run(60_000);
        let before = cluster.packets;
        cluster.run(60_000);
        assert!(cluster.largest < waygate_core::membership::PACKET_BYTES_MAX + 2048);
        (cluster.packets - before) as f64 / count as f64 / 60.0
    };
    let (small, large) = (rate(5), rate(30));
    assert!(large < 2.0 * small + 1.0, "{small:.1} packets a second and gateway with 5, {large:.1} with 30");
}

#[test]
fn the_same_dice_give_the_same_history() {
    let history = || {
        let mut cluster = Cluster::joined(9, 77);
        cluster.kill(4);
        cluster.run(30_000);
        cluster.gateways.iter().map(|gateway| gateway.thought.clone()).collect::<Vec<_>>()
    };
    assert_eq!(history(), history());
}
