//! The judge of commands: what was taken, what units really did, and what gateways tell of it.

use super::check::Check;
use super::oracle::Oracle;
use super::run::World;
use std::collections::BTreeMap;
use waygate_core::command::{CommandId, Policy, VehicleVerdict};
use waygate_core::commands::{ANSWER_GRACE, Answer, ENDED_KEPT, EndKind, RUN_GRACE, Record, State};
use waygate_core::id::NodeId;
use waygate_core::time::{Millis, Mono};

/// Two gateways may have grown a copy younger on its way: origin to keeper, keeper to the serving one.
const HOPS: u64 = 2;
/// What is due is done within this.
const SLACK_MS: u64 = 10_000;

/// A command that was taken.
#[derive(Clone, Debug)]
struct Order {
    origin: NodeId,
    taken_at: u64,
    ttl: Millis,
    /// The longest time a copy of it was on its way.
    transit_max_ms: u64,
    /// Gateways on whose disks it is, as an operator was told.
    promised: Vec<String>,
    /// Which units began it, in which of their memories, and when.
    begun: Vec<(usize, u64, u64)>,
    /// What units said of it, in the order in which they did.
    words: Vec<Word>,
}

/// What a unit said of a command.
#[derive(Clone, Copy, Debug)]
struct Word {
    unit: usize,
    /// In which of its memories and of its lives.
    memory: u64,
    boots: u64,
    verdict: VehicleVerdict,
    at: u64,
}

/// Whether a unit says thereby that it has not begun a command and never will.
const fn refuses(verdict: VehicleVerdict) -> bool {
    match verdict {
        VehicleVerdict::Rejected | VehicleVerdict::Expired | VehicleVerdict::Cancelled => true,
        VehicleVerdict::Accepted
        | VehicleVerdict::Running(_)
        | VehicleVerdict::Succeeded
        | VehicleVerdict::Failed
        | VehicleVerdict::Duplicate => false,
    }
}

/// What gateways make of a last word; `None` if it is none.
const fn end_of(verdict: VehicleVerdict) -> Option<EndKind> {
    match verdict {
        VehicleVerdict::Accepted | VehicleVerdict::Running(_) => None,
        VehicleVerdict::Rejected => Some(EndKind::Rejected),
        VehicleVerdict::Succeeded => Some(EndKind::Succeeded),
        VehicleVerdict::Failed => Some(EndKind::Failed),
        VehicleVerdict::Duplicate => Some(EndKind::Unknown),
        VehicleVerdict::Expired => Some(EndKind::VehicleExpired),
        VehicleVerdict::Cancelled => Some(EndKind::VehicleCancelled),
    }
}

/// Every command.
#[derive(Clone, Debug, Default)]
pub struct Orders {
    all: BTreeMap<CommandId, Order>,
}

impl Orders {
    /// One that was taken, by chance.
    pub fn some(&self, random: u64) -> Option<CommandId> {
        let count = self.all.len() as u64;
        self.all.keys().nth((random % count.max(1)) as usize).copied()
    }

    /// A gateway takes a command.
    pub fn taken(&mut self, at: u64, record: &Record) {
        self.all.entry(record.id).or_insert_with(|| Order {
            origin: record.origin.clone(),
            taken_at: at,
            ttl: record.ttl,
            transit_max_ms: 0,
            promised: Vec::new(),
            begun: Vec::new(),
            words: Vec::new(),
        });
    }

    /// A copy reached a gateway after so long.
    pub fn crossed(&mut self, id: CommandId, after_ms: u64) {
        if let Some(order) = self.all.get_mut(&id) {
            order.transit_max_ms = order.transit_max_ms.max(after_ms);
        }
    }
}

impl Oracle {
    /// A unit begins what it was told.
    pub fn command_begun(&mut self, now: u64, unit: usize, memory: u64, id: CommandId) {
        let Some(order) = self.orders.all.get_mut(&id) else {
            return self.expect(Check::CommandOnce, now, false, || format!("unit {unit} does {id}, which nobody took"));
        };
        let once = !order.begun.iter().any(|(u, m, _)| (*u, *m) == (unit, memory));
        let refused = order.refused_by(unit, memory);
        order.begun.push((unit, memory, now));
        let (age_ms, ttl_ms) = (now - order.taken_at, order.ttl.0);
        let slack_ms = HOPS * order.transit_max_ms;
        self.expect(Check::CommandOnce, now, once, || format!("unit {unit} does {id} again"));
        self.expect(Check::RefusedIsNotBegun, now, refused.is_none(), || {
            format!("unit {unit} begins {id}, of which it said {refused:?}")
        });
        // What a gateway whose clock was set back kept on its disk cannot be dated.
        if self.ages_are_known {
            self.expect(Check::CommandInTime, now, age_ms <= ttl_ms + slack_ms, || {
                format!("unit {unit} begins {id} after {age_ms} ms; it had {ttl_ms} ms, and {slack_ms} ms for its copies' way")
            });
        }
    }

    /// A unit says something of it, or is told by its owner what to say.
    pub fn command_said(&mut self, now: u64, unit: usize, life: (u64, u64), id: CommandId, verdict: VehicleVerdict) {
        let (memory, boots) = life;
        let Some(order) = self.orders.all.get_mut(&id) else { return };
        let begun = order.begun.iter().any(|(u, m, _)| (*u, *m) == (unit, memory));
        order.words.push(Word { unit, memory, boots, verdict, at: now });
        if refuses(verdict) {
            self.expect(Check::RefusedIsNotBegun, now, !begun, || {
                format!("unit {unit} says {verdict:?} of {id}, which it has begun")
            });
        }
    }
}

impl Order {
    fn refused_by(&self, unit: usize, memory: u64) -> Option<VehicleVerdict> {
        let words = self.words.iter().filter(|word| (word.unit, word.memory) == (unit, memory));
        words.map(|word| word.verdict).find(|verdict| refuses(*verdict))
    }
}

impl World {
    /// An operator is answered: it is on the disks that the answer names.
    pub fn judge_answer(&mut self, g: usize, answer: &Answer) {
        let Answer::Stored(record) = answer else { return };
        // Another holder may name one that is just being asked.
        if record.origin != self.gateways[g].id {
            return;
        }
        let holders = record.holders();
        let lied = self.oracle.promises.lied_commands.contains(&record.id);
        if !record.keepers.is_empty() {
            self.trace.reach("safe command");
        }
        let holds = |node: &NodeId| {
            let at = self.gateways.iter().position(|gateway| gateway.id == *node);
            // A disk that lied about this very command has lost it again.
            lied || at.is_some_and(|at| self.holds_command(at, record.id))
        };
        // A keeper was told of another one while that was still being asked, and has told it on: the one is enough.
        let safe = record.keepers.is_empty() || record.keepers.iter().any(holds);
        let promised: Vec<_> = holders.iter().filter(|node| holds(node)).map(|node| node.as_str().to_owned()).collect();
        self.oracle.expect(Check::CommandAfterCommit, self.now, safe && holds(&record.origin), || {
            format!("gateway {g} answers {} as kept by {holders:?}; it is on the disks of {promised:?}", record.id)
        });
        if let Some(order) = self.oracle.orders.all.get_mut(&record.id) {
            order.promised = promised;
        }
    }

    /// A gateway tells of a command what is on its disk.
    pub fn judge_told(&mut self, g: usize, record: &Record) {
        let kept = self.holds_command(g, record.id);
        self.oracle.expect(Check::CommandAfterCommit, self.now, kept, || {
            format!("gateway {g} tells of {} and has it not on its disk", record.id)
        });
        self.judge_end_told(g, record);
    }

    /// An end is what a vehicle has said by then, or what gateways may conclude without it.
    fn judge_end_told(&mut self, g: usize, record: &Record) {
        let Some(end) = &record.end else { return };
        let Some(order) = self.oracle.orders.all.get(&record.id) else { return };
        let said = order.words.iter().any(|word| end_of(word.verdict) == Some(end.kind));
        let now = self.gateways[g].life.as_ref().map(|life| life.mono(self.now));
        let right = match end.kind {
            EndKind::Succeeded
            | EndKind::Failed
            | EndKind::VehicleExpired
            | EndKind::VehicleCancelled
            | EndKind::Rejected => said,
            // Ages that a gateway may count too high make an end early.
            EndKind::Expired => now.is_some_and(|now| now >= record.expires()),
            EndKind::NotReachable => record.policy == Policy::Now,
            EndKind::Cancelled => record.cancel || record.policy.key().is_some(),
            EndKind::Unknown => true,
        };
        let words = order.words.clone();
        self.oracle.expect(Check::EndsAreTrue, self.now, right, || {
            format!("gateway {g} tells {record:?}; units said {words:?}")
        });
    }

    /// What was promised to operators is on disks; nothing outlives its time; no end is made up.
    pub fn audit_commands(&mut self) {
        self.audit_promised();
        for g in 0..self.gateways.len() {
            let Some(life) = self.gateways[g].life.as_ref() else { continue };
            if self.gateways[g].stalled_until > self.now {
                continue;
            }
            let (now, since) = (life.mono(self.now), self.gateways[g].stalled_until.max(self.oracle.eyes[g].since));
            let records: Vec<Record> =
                life.commands.vehicles().flat_map(|vehicle| life.commands.of(vehicle)).cloned().collect();
            for record in records.iter().filter(|record| !record.is_ended()) {
                let grace = if record.progress.is_begun() { RUN_GRACE } else { ANSWER_GRACE };
                let in_time = now <= record.expires() + grace + Millis(SLACK_MS);
                let awake = self.now - since > SLACK_MS;
                self.oracle.expect(Check::CommandsEnd, self.now, in_time || !awake, || {
                    format!("gateway {g} still has {record:?} open, it is {now:?}")
                });
            }
        }
    }

    fn audit_promised(&mut self) {
        let mut lacking = Vec::new();
        let lied = &self.oracle.promises.lied_commands;
        for (id, order) in self.oracle.orders.all.iter().filter(|(id, _)| !lied.contains(id)) {
            for (g, gateway) in self.gateways.iter().enumerate() {
                if order.promised.iter().any(|node| *node == *gateway.id.as_str()) && !self.holds_command(g, *id) {
                    lacking.push((*id, g));
                }
            }
        }
        self.oracle.expect(Check::CommandIsKept, self.now, lacking.is_empty(), || {
            format!("operators were told that these are kept there: {lacking:?}")
        });
    }

    /// After the storm: every command has ended, its holders tell the same, and what they tell is what happened.
    pub fn judge_commands(&mut self) {
        self.audit_commands();
        self.judge_words();
        let mut told: BTreeMap<CommandId, (usize, Record)> = BTreeMap::new();
        for g in 0..self.gateways.len() {
            let Some(life) = self.gateways[g].life.as_ref() else { continue };
            let ids: Vec<CommandId> = self.oracle.orders.all.keys().copied().collect();
            let records: Vec<Record> = ids.iter().filter_map(|id| life.commands.record(*id)).cloned().collect();
            let now = life.mono(self.now);
            for record in records {
                self.judge_end_of(g, now, &record);
                if let Some((other, before)) = told.get(&record.id) {
                    let lied = self.oracle.promises.lied_commands.contains(&record.id);
                    let same = lied || (before.state(), &before.end) == (record.state(), &record.end);
                    let other = *other;
                    let before = before.clone();
                    self.oracle.expect(Check::CommandsAgree, self.now, same, || {
                        format!("gateway {g} tells {record:?}, gateway {other} {before:?}")
                    });
                }
                told.insert(record.id, (g, record));
            }
        }
    }

    fn judge_end_of(&mut self, g: usize, now: Mono, record: &Record) {
        let ended = record.is_ended() || record.progress.is_begun();
        let over = now > record.expires() + ANSWER_GRACE + Millis(SLACK_MS);
        self.oracle.expect(Check::CommandsEnd, self.now, ended || !over, || {
            format!("gateway {g} has {record:?}, which does not end")
        });
        let Some(order) = self.oracle.orders.all.get(&record.id).cloned() else { return };
        let begun = !order.begun.is_empty();
        if begun {
            self.trace.reach("command done");
        }
        self.judge_end_told(g, record);
        let Some(end) = &record.end else { return };
        // What a vehicle said of itself is true of that vehicle: another one with its name, or the same one before it lost
        // its memory, may have begun it.
        let concluded = match end.kind {
            EndKind::Expired | EndKind::NotReachable | EndKind::Cancelled => record.state() != State::Unknown,
            EndKind::Unknown
            | EndKind::VehicleExpired
            | EndKind::VehicleCancelled
            | EndKind::Rejected
            | EndKind::Failed
            | EndKind::Succeeded => false,
        };
        self.trace.reach(match end.kind {
            EndKind::VehicleExpired => "command expired at the vehicle",
            EndKind::VehicleCancelled => "command cancelled at the vehicle",
            EndKind::Rejected => "command rejected",
            EndKind::Unknown => "command unknown",
            EndKind::Expired | EndKind::NotReachable | EndKind::Cancelled | EndKind::Failed | EndKind::Succeeded => {
                "command ended"
            }
        });
        // A disk that lied about this very command may have lost that it was sent.
        let lied = self.oracle.promises.lied_commands.contains(&record.id);
        // Whoever handed it over was cut off for longer than that is kept.
        let forgotten = self.now - order.taken_at >= ENDED_KEPT.0;
        self.oracle.expect(Check::EndsAreTrue, self.now, !begun || !concluded || lied || forgotten, || {
            format!("gateway {g} tells {record:?}; units began it {:?} and said {:?}", order.begun, order.words)
        });
    }

    /// A real unit says its last word until a gateway has heard it, and gateways tell each other until all have it. Only
    /// what is in memory alone can get lost: by a reboot of the unit, by the end of a gateway, by a night.
    fn judge_words(&mut self) {
        let since = self.last_death.max(self.awake_since);
        for (id, order) in self.oracle.orders.all.clone() {
            let lied = self.oracle.promises.lied_commands.contains(&id);
            let Some(g) = self.gateways.iter().position(|gateway| gateway.id == order.origin).filter(|_| !lied) else {
                continue;
            };
            let told = self.gateways[g].life.as_ref().and_then(|life| life.commands.record(id)).cloned();
            for word in order.words.iter().filter(|word| word.at >= since) {
                let unit = &self.vehicles[word.unit];
                let lives = unit.on && unit.boots() == word.boots && !unit.clone && unit.unit.repeats_last_words();
                let Some(end) = end_of(word.verdict).filter(|_| lives) else { continue };
                let heard = told.as_ref().and_then(|record| record.end.as_ref()).is_some_and(|known| known.kind >= end);
                self.oracle.expect(Check::LastWordsArrive, self.now, heard, || {
                    format!("a unit said {word:?} of {id}, its origin {g} tells {told:?}")
                });
            }
        }
    }
}
