//! The membership's task: owns the machine of the core, gives it what comes and performs what it asks for.

use super::send::Sender;
use super::{Roster, SharedRoster};
use crate::clock::Clock;
use crate::peers::channels::Channels;
use crate::presence::{Command, Presence, State};
use crate::tasks::Tasks;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use waygate_core::id::NodeId;
use waygate_core::membership::{Action, Event, Known, Member, Packet, Standing, Vitals};
use waygate_core::time::Millis;
use waygate_core::view::{Liveness, NodeInfo};
use waygate_wire::membership::{Membership, SwimCodec};

/// Packets that wait to be read; more are lost.
const PACKETS_MAX: usize = 1024;

/// How often this gateway looks at itself, and at whom it has a stream with.
const LOOK: Duration = Duration::from_secs(1);

/// How long a gateway that is down is dialled as before. Later it is only called, by a packet now and then.
const DIALLED_WHEN_DOWN: Millis = Millis::secs(600);

/// How long what is said at the end may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// Something for the task.
#[derive(Debug)]
pub enum Letter {
    /// From another gateway.
    Packet(Packet),
    /// Who answers at an address.
    Introduced {
        /// The address.
        seed: String,
        /// Who.
        member: Member,
    },
    /// The gateway stops, now; answered once the others were told.
    Leave(oneshot::Sender<()>),
}

/// What the task works with. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The clocks.
    pub clock: Clock,
    /// Told who is thought of how, and asked who is heard.
    pub presence: Presence,
    /// Ways to other gateways.
    pub channels: Channels,
    /// Spawns.
    pub tasks: Tasks,
    /// Sockets that this gateway takes.
    pub sockets_max: usize,
}

/// The task.
#[derive(Debug)]
pub struct MembershipTask {
    machine: Membership,
    parts: Parts,
    sender: Sender,
    letters: mpsc::Receiver<Letter>,
    own_letters: mpsc::Sender<Letter>,
    me: watch::Sender<Member>,
    roster: SharedRoster,
    /// What was logged of whom.
    told: BTreeMap<NodeId, (Member, Standing)>,
    /// Configured addresses, and whether a gateway answered there.
    seeds: BTreeMap<String, bool>,
    renewals: u64,
}

/// The ends of the task that others hold.
#[derive(Clone, Debug)]
pub struct Ways {
    /// To it.
    pub letters: mpsc::Sender<Letter>,
    /// This gateway, as the others know it.
    pub me: watch::Receiver<Member>,
    /// Whom to have a stream with.
    pub roster: SharedRoster,
}

impl Ways {
    /// Tells the others that this gateway stops. Resolves once they were told, or after this long.
    pub async fn leave(&self, patience: Duration) {
        let (told, others_know) = oneshot::channel();
        if self.letters.try_send(Letter::Leave(told)).is_ok() {
            // An error is an end as well.
            let _ = tokio::time::timeout(patience, others_know).await;
        }
    }
}

impl MembershipTask {
    /// A gateway that was given these addresses.
    pub fn new(me: NodeInfo, seeds: &[String], chance: u64, parts: Parts) -> (Self, Ways) {
        let machine = Membership::new(me, seeds.to_vec(), SwimCodec, chance);
        let (own_letters, letters) = mpsc::channel(PACKETS_MAX);
        let (me, me_now) = watch::channel(machine.me().clone());
        let roster = SharedRoster::new(seeds.to_vec());
        let ways = Ways { letters: own_letters.clone(), me: me_now, roster: roster.clone() };
        let sender = Sender::new(parts.channels.clone(), parts.tasks.clone());
        let seeds = seeds.iter().map(|seed| (seed.clone(), false)).collect();
        (
            Self {
                machine,
                parts,
                sender,
                letters,
                own_letters,
                me,
                roster,
                told: BTreeMap::new(),
                seeds,
                renewals: 0,
            },
            ways,
        )
    }

    /// Runs until the gateway stops.
    pub async fn run(mut self) {
        let stopping = self.parts.tasks.stopping();
        tokio::pin!(stopping);
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        self.apply(Event::Polled).await;
        loop {
            let deadline = self.machine.next_deadline().map(|at| self.parts.clock.instant(at));
            tokio::select! {
                biased;
                // What has come is read before anyone is judged.
                Some(letter) = self.letters.recv() => match letter {
                    Letter::Packet(packet) => self.apply(Event::Received(packet)).await,
                    Letter::Introduced { seed, member } => {
                        self.seeds.insert(seed.clone(), true);
                        self.apply(Event::Introduced { seed, member }).await;
                        self.write_roster();
                    }
                    Letter::Leave(told) => {
                        self.apply(Event::Leave).await;
                        let _ = tokio::time::timeout(GOODBYE, self.sender.sent()).await;
                        let _ = told.send(());
                    }
                },
                () = crate::presence::sleep_until(deadline), if deadline.is_some() => self.apply(Event::Polled).await,
                _ = look.tick() => self.look().await,
                () = &mut stopping => return,
            }
        }
    }

    /// Looks at this gateway, and whether one is heard that is not held for a member.
    async fn look(&mut self) {
        let looked = self.parts.presence.ask(|state: &State| {
            let heard = |node: &&waygate_core::view::NodeStatus| matches!(node.liveness, Liveness::Alive { .. });
            let view = state.node.view();
            let nodes: Vec<NodeInfo> = view.nodes().filter(heard).map(|node| node.info.clone()).collect();
            let head = view.log(&view.own_log_id()).map_or(0, waygate_core::log::Log::head);
            (nodes, head, state.sockets(), state.draining())
        });
        let Some((heard, log_head, sockets, draining)) = looked.await else { return };
        let load = sockets.saturating_mul(1000) / self.parts.sockets_max.max(1);
        let leaving = self.machine.vitals().leaving;
        let sessions = sockets as u64;
        let vitals = Vitals { draining, leaving, sessions, load: load as u32, log_head };
        self.apply(Event::Changed(vitals)).await;
        self.parts.presence.tell(Command::Said(self.machine.me().info.id.clone(), Some(vitals))).await;
        for node in heard {
            self.apply(Event::Met(node)).await;
        }
        self.sender.tidy();
        self.write_roster();
        self.measure();
    }

    async fn apply(&mut self, event: Event) {
        let mut actions = Vec::new();
        self.machine.apply(self.parts.clock.now(), event, &mut actions);
        let mut changed = false;
        for action in actions {
            match action {
                Action::Send(to, packet) => self.sender.send(&to, packet),
                Action::Introduce(seed) => {
                    self.sender.ask(&self.machine.me().clone(), seed, self.own_letters.clone());
                }
                Action::MemberChanged(known) => {
                    changed = true;
                    self.tell(*known).await;
                }
                Action::MemberForgotten(node) => {
                    changed = true;
                    self.told.remove(&node);
                    self.parts.presence.tell(Command::Said(node.clone(), None)).await;
                    tracing::info!(%node, "a gateway that was down for a day is forgotten by the membership");
                }
                Action::Namesake(seed) => {
                    let id = &self.machine.me().info.id;
                    tracing::error!(seed, "the gateway there calls itself {id} too: node ids must be unique");
                }
            }
        }
        if changed {
            self.write_roster();
        }
        if self.machine.counters().renewals != self.renewals {
            self.renewals = self.machine.counters().renewals;
            self.me.send_replace(self.machine.me().clone());
            tracing::warn!("this gateway was held for dead by others; it has told them that it lives");
        }
    }

    async fn tell(&mut self, known: Known) {
        let Known { member, standing, vitals, .. } = known;
        let (node, region) = (&member.info.id, &member.info.region);
        let before = self.told.insert(node.clone(), (member.clone(), standing));
        if before.is_none_or(|before| before != (member.clone(), standing)) {
            match standing {
                Standing::Alive => tracing::info!(%node, %region, url = member.info.operators_url, "a member"),
                Standing::Suspect => tracing::warn!(%node, %region, "a member is suspected: it answers nobody"),
                Standing::Down => tracing::warn!(%node, %region, "a member is down"),
                Standing::Left => tracing::info!(%node, %region, "a member has left"),
            }
        }
        self.parts.presence.tell(Command::Said(node.clone(), vitals)).await;
        let draining = vitals.is_some_and(|said| said.draining);
        let info = NodeInfo { draining, ..NodeInfo::clone(&member.info) };
        self.parts.presence.tell(Command::Member(info, standing)).await;
    }

    /// Whom to dial: who answers, who did until lately, and the addresses of the configuration.
    fn write_roster(&self) {
        let now = self.parts.clock.now();
        let wanted = |known: &&Known| match known.standing {
            Standing::Alive | Standing::Suspect => true,
            Standing::Down => now.since(known.since) < DIALLED_WHEN_DOWN,
            Standing::Left => false,
        };
        let members = self.machine.members().filter(wanted).map(|known| known.member.info.operators_url.clone());
        let me = &self.machine.me().info.operators_url;
        let mut dial: Vec<String> = members.chain(self.seeds.keys().cloned()).filter(|address| address != me).collect();
        dial.sort_unstable();
        dial.dedup();
        let unanswered = self.seeds.iter().filter(|(_, answered)| !**answered).map(|(seed, _)| seed.clone()).collect();
        self.roster.set(Roster { dial, unanswered });
    }

    fn measure(&self) {
        let mut counts = BTreeMap::from([("alive", 0_u32), ("suspect", 0), ("down", 0), ("left", 0)]);
        for known in self.machine.members() {
            *counts.entry(name_of(known.standing)).or_default() += 1;
        }
        for (standing, count) in counts {
            metrics::gauge!("waygate_members", "standing" => standing).set(count);
        }
        let counters = self.machine.counters();
        metrics::counter!("waygate_membership_packets_sent_total").absolute(counters.sent);
        metrics::counter!("waygate_membership_packets_received_total").absolute(counters.received);
        metrics::counter!("waygate_membership_packets_unreadable_total").absolute(counters.unreadable);
        metrics::counter!("waygate_membership_renewals_total").absolute(counters.renewals);
        metrics::gauge!("waygate_membership_doubt").set(self.machine.doubt() as f64);
    }
}

/// What metrics call it.
const fn name_of(standing: Standing) -> &'static str {
    match standing {
        Standing::Alive => "alive",
        Standing::Suspect => "suspect",
        Standing::Down => "down",
        Standing::Left => "left",
    }
}
