//! Serving: commands of other gateways are handed to vehicles here; what the vehicles say is told to those gateways.

use super::entry::Entry;
use super::hold::Source;
use super::{Action, Answer, Ask, Commands, Outcome, Progress, RETRY, RUN_GRACE, Record, Report};
use crate::command::{CommandId, CommandStatus};
use crate::id::{NodeId, RegionId, VehicleId};
use crate::limits::COMMANDS_HANDED_MAX;
use crate::time::{Millis, Mono};
use std::collections::{BTreeMap, BTreeSet};

/// How long a vehicle's word is offered to a gateway that does not take it.
const REPORT_KEPT: Millis = Millis::secs(600);

/// A command that was handed to a vehicle for others.
#[derive(Clone, Debug)]
struct Handed {
    vehicle: VehicleId,
    holders: BTreeSet<NodeId>,
    until: Mono,
}

/// A vehicle's word that others have to know.
#[derive(Clone, Debug)]
struct Told {
    report: Report,
    /// Who has not taken it, and is not being told.
    owed: BTreeSet<NodeId>,
    /// Who is being told, this or an earlier word, and how often.
    telling: BTreeMap<NodeId, u32>,
    /// Who was told, if it is not known who has the command: whoever is heard later is told too.
    asked: Option<BTreeSet<NodeId>>,
    until: Mono,
    at: Mono,
}

impl Told {
    fn tell(&mut self, nodes: BTreeSet<NodeId>, out: &mut Vec<Action>) {
        if nodes.is_empty() {
            return;
        }
        for node in &nodes {
            *self.telling.entry(node.clone()).or_default() += 1;
        }
        out.push(Action::Report(nodes, Box::new(self.report.clone())));
    }
}

/// What is served for others.
#[derive(Clone, Debug)]
pub(super) struct Serving {
    handed: BTreeMap<CommandId, Handed>,
    forget: BTreeSet<(Mono, CommandId)>,
    told: BTreeMap<CommandId, Told>,
    due: BTreeSet<(Mono, CommandId)>,
}

impl Serving {
    pub(super) const fn new() -> Self {
        Self { handed: BTreeMap::new(), forget: BTreeSet::new(), told: BTreeMap::new(), due: BTreeSet::new() }
    }

    pub(super) fn next_deadline(&self) -> Option<Mono> {
        let forget = self.forget.first().map(|(at, _)| *at);
        [forget, self.due.first().map(|(at, _)| *at)].into_iter().flatten().min()
    }

    fn hand(&mut self, record: &Record) {
        let id = record.id;
        if let Some(before) = self.handed.remove(&id) {
            self.forget.remove(&(before.until, id));
        }
        let until = record.expires() + RUN_GRACE;
        self.forget.insert((until, id));
        self.handed.insert(id, Handed { vehicle: record.vehicle.clone(), holders: record.holders(), until });
        while self.handed.len() > COMMANDS_HANDED_MAX
            && let Some((_, id)) = self.forget.pop_first()
        {
            self.handed.remove(&id);
        }
    }

    /// Tells the holders; if they are not known, everyone.
    fn tell(
        &mut self,
        now: Mono,
        holders: Option<BTreeSet<NodeId>>,
        peers: &BTreeMap<NodeId, RegionId>,
        report: Report,
        out: &mut Vec<Action>,
    ) {
        let id = report.status.id;
        let until = now + REPORT_KEPT;
        let telling = self.told.get(&id).map(|told| told.telling.clone()).unwrap_or_default();
        let everyone = || peers.keys().cloned().collect::<BTreeSet<_>>();
        let asked = holders.is_none().then(everyone);
        let nodes = holders.unwrap_or_else(everyone);
        let mut told = Told { report, owed: BTreeSet::new(), telling, asked, until, at: until };
        told.tell(nodes, out);
        self.put(id, told);
        while self.told.len() > COMMANDS_HANDED_MAX
            && let Some((_, id)) = self.due.pop_first()
        {
            self.told.remove(&id);
        }
    }

    fn put(&mut self, id: CommandId, told: Told) {
        if let Some(before) = self.told.get(&id) {
            self.due.remove(&(before.at, id));
        }
        self.due.insert((told.at, id));
        self.told.insert(id, told);
    }

    pub(super) fn report_ended(&mut self, now: Mono, id: CommandId, node: &NodeId, settled: bool) {
        let Some(told) = self.told.get_mut(&id) else { return };
        if let Some(calls) = told.telling.get_mut(node) {
            *calls -= 1;
            if *calls == 0 {
                told.telling.remove(node);
            }
        }
        if !settled {
            let mut told = told.clone();
            told.owed.insert(node.clone());
            told.at = now + RETRY;
            self.put(id, told);
        } else if told.owed.is_empty() && told.telling.is_empty() && told.asked.is_none() {
            self.due.remove(&(told.at, id));
            self.told.remove(&id);
        }
    }

    pub(super) fn peers_seen(&mut self, now: Mono, peers: &BTreeMap<NodeId, RegionId>, out: &mut Vec<Action>) {
        let lacks = |asked: &BTreeSet<NodeId>| peers.keys().any(|node| !asked.contains(node));
        let owes = |told: &Told| !told.owed.is_empty() || told.asked.as_ref().is_some_and(lacks);
        let owing: Vec<CommandId> = self.told.iter().filter(|(_, told)| owes(told)).map(|(id, _)| *id).collect();
        for id in owing {
            self.tell_again(now, id, peers, out);
        }
    }

    pub(super) fn deadline_reached(&mut self, now: Mono, peers: &BTreeMap<NodeId, RegionId>, out: &mut Vec<Action>) {
        while let Some((at, id)) = self.forget.first().copied()
            && at <= now
        {
            self.forget.pop_first();
            self.handed.remove(&id);
        }
        while let Some((at, id)) = self.due.first().copied()
            && at <= now
        {
            self.tell_again(now, id, peers, out);
        }
    }

    fn tell_again(&mut self, now: Mono, id: CommandId, peers: &BTreeMap<NodeId, RegionId>, out: &mut Vec<Action>) {
        let Some(mut told) = self.told.get(&id).cloned() else { return };
        if now >= told.until {
            self.due.remove(&(told.at, id));
            self.told.remove(&id);
            return;
        }
        if let Some(asked) = &mut told.asked {
            told.owed.extend(peers.keys().filter(|node| asked.insert((*node).clone())).cloned());
        }
        let (heard, silent): (BTreeSet<_>, _) =
            std::mem::take(&mut told.owed).into_iter().partition(|node| peers.contains_key(node));
        if !heard.is_empty() {
            told.tell(heard, out);
        }
        // Those that are not heard are told when they are.
        told.owed = silent;
        told.at = told.until;
        self.put(id, told);
    }
}

impl Commands {
    pub(super) fn deliver_here(&mut self, now: Mono, record: Box<Record>, ask: Ask, out: &mut Vec<Action>) {
        self.change(now, record.id, Source::Replica(None), None, |mine| mine.merge(&record), out);
        // What is known here besides counts: it may have been cancelled.
        let record = self.entries.get(&record.id).map_or(record, Entry::told);
        let recall = record.is_recalled();
        if !recall && record.to_send(now).is_none() {
            return out.push(Action::Answer(ask, Answer::Delivery(Outcome::Expired)));
        }
        self.serving.hand(&record);
        out.push(Action::SendToVehicle { record, recall, ask: Some(ask) });
    }

    pub(super) fn send_ended(
        &mut self,
        now: Mono,
        id: CommandId,
        outcome: Outcome,
        ask: Option<Ask>,
        out: &mut Vec<Action>,
    ) {
        let Some(ask) = ask else { return self.delivered(now, id, outcome, out) };
        out.push(Action::Answer(ask, Answer::Delivery(outcome)));
        if outcome == Outcome::Sent {
            // Should this be a holder too: the one that asked tells the others.
            let edit = |record: &mut Record| {
                if !record.is_recalled() {
                    record.progress = record.progress.clone().max(Progress::Sent);
                }
            };
            self.change(now, id, Source::Replica(None), None, edit, out);
        }
    }

    pub(super) fn status_heard(&mut self, now: Mono, vehicle: VehicleId, status: CommandStatus, out: &mut Vec<Action>) {
        let id = status.id;
        if let Some(entry) = self.entries.get(&id) {
            // No vehicle speaks for another.
            if entry.record.vehicle == vehicle {
                self.hear(now, Source::Here, &status, None, out);
            }
            return;
        }
        let holders = match self.serving.handed.get(&id) {
            Some(handed) if handed.vehicle == vehicle => Some(handed.holders.clone()),
            Some(_) => return,
            // It was sent while the vehicle was elsewhere. Those that have it may not be heard just now.
            None => None,
        };
        let report = Report { vehicle, status, gateway: self.me.clone() };
        self.serving.tell(now, holders, &self.peers, report, out);
    }
}
