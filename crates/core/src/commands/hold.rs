//! Holding commands: they come in, are made durable, copied, changed and in the end forgotten.

use super::entry::{AGAIN, Earliest, Entry, Keeping};
use super::word::heard;
use super::{
    Action, Answer, Ask, Commands, ENDED_APART, End, EndKind, HOLDER_PATIENCE, KEEPER_CONFIRMS, KEEPER_SOUGHT,
    KEEPER_WAIT, Order, Progress, RESEND, RESTORE_PATIENCE, RETRY, Record, Refusal, Report, Said, Sighting, Step,
    Target,
};
use crate::command::CommandId;
use crate::id::{NodeId, RegionId, VehicleId};
use crate::limits::{COMMAND_STEP_TEXT_BYTES_MAX, COMMANDS_OPEN_MAX, COMMANDS_OPEN_PER_VEHICLE_MAX};
use crate::time::{Millis, Mono, Wall};
use std::collections::{BTreeMap, BTreeSet};

/// Where a change comes from: who has to be told of it follows from that.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'a> {
    /// It was decided or heard here: every holder is told.
    Here,
    /// Here, as the vehicle was not woken: why not.
    Unwoken(&'a str),
    /// A gateway heard the vehicle and tells every holder itself; an end is told once more, to be sure.
    Report(&'a NodeId),
    /// Another holder: what it lacks is told to it. The origin tells the others, who may not know of each other.
    Replica(Option<&'a NodeId>),
}

impl Commands {
    pub(super) fn take(
        &mut self,
        now: Mono,
        order: Order,
        sighting: Sighting,
        (wall, random): (Wall, u128),
        ask: Ask,
        out: &mut Vec<Action>,
    ) {
        let known = order.request.as_ref().and_then(|request| {
            let (digest, id) = self.requests.get(&request.key)?;
            Some((*digest == request.digest, *id))
        });
        match known {
            Some((true, id)) => return self.answer_again(id, ask, out),
            Some((false, _)) => return out.push(Action::Answer(ask, Answer::Refused(Refusal::KeyReused))),
            None => {}
        }
        if let Some(refusal) = self.full(&order.vehicle) {
            return out.push(Action::Answer(ask, Answer::Refused(refusal)));
        }
        // Ids given out here rise, whatever the clock does: which of two commands is the later one is read from them.
        self.issued = wall.max(Wall(self.issued.0 + 1));
        let mut record = Record {
            id: CommandId::new(self.issued, random),
            vehicle: order.vehicle,
            name: order.name,
            arguments: order.arguments,
            policy: order.policy,
            wake: order.wake,
            taken: now,
            ttl: order.ttl,
            origin: self.me.clone(),
            by: order.by,
            request: order.request,
            keepers: BTreeSet::new(),
            cancel: false,
            attempting: false,
            wakes: 0,
            progress: Progress::Queued,
            end: None,
            steps: Vec::new(),
        };
        record.step(Step { at: now, state: record.state(), gateway: self.me.clone(), text: String::new() });
        let id = record.id;
        self.insert(now, Entry::new(record, now), sighting);
        self.save(id, Some(ask), out);
    }

    fn full(&self, vehicle: &VehicleId) -> Option<Refusal> {
        let here = self.targets.get(vehicle).map_or(0, |target| target.open.len());
        if here >= COMMANDS_OPEN_PER_VEHICLE_MAX {
            return Some(Refusal::VehicleFull);
        }
        (self.open >= COMMANDS_OPEN_MAX).then_some(Refusal::GatewayFull)
    }

    /// The same request once more: it is answered when the first is.
    fn answer_again(&mut self, id: CommandId, ask: Ask, out: &mut Vec<Action>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if let (false, Some(asks)) = (entry.saved, &mut entry.saving) {
            asks.push(ask);
        } else if let Some(keeping) = &mut entry.keeping
            && !keeping.asks.is_empty()
        {
            keeping.asks.push(ask);
        } else {
            out.push(Action::Answer(ask, Answer::Stored(Box::new(entry.record.clone()))));
        }
    }

    pub(super) fn receive(
        &mut self,
        now: Mono,
        record: Record,
        from: NodeId,
        sighting: Sighting,
        ask: Ask,
        out: &mut Vec<Action>,
    ) {
        let id = record.id;
        let refuse = |refusal| Action::Answer(ask, Answer::Refused(refusal));
        match self.entries.get(&id).map(|entry| entry.record.vehicle == record.vehicle) {
            Some(false) => return out.push(refuse(Refusal::NotFound)),
            Some(true) => {
                self.change(now, id, Source::Replica(Some(&from)), Some(ask), |mine| mine.merge(&record), out);
                if let Some(entry) = self.entries.get(&id).filter(|entry| entry.saved)
                    && !entry.record.tells_the_same(&record)
                {
                    out.push(Action::Replicate(from, entry.told()));
                }
                return;
            }
            None => {}
        }
        if !record.is_ended()
            && let Some(refusal) = self.full(&record.vehicle)
        {
            return out.push(refuse(refusal));
        }
        let mut entry = Entry::new(record, now);
        if from == entry.record.origin {
            // The answer may get lost: once, later, the origin is told that the copy is here.
            entry.owed.insert(from);
            entry.owed_after = now + KEEPER_CONFIRMS;
        }
        self.insert(now, entry, sighting);
        self.save(id, Some(ask), out);
    }

    pub(super) fn restore(&mut self, now: Mono, mut records: Vec<Record>, out: &mut Vec<Action>) {
        // Of two under one key the later counts.
        records.sort_by_key(|record| record.id);
        for record in records {
            let id = record.id;
            self.issued = self.issued.max(record.issued());
            let mut entry = Entry::new(record, now);
            if std::mem::take(&mut entry.record.attempting) {
                entry.record.progress = entry.record.progress.max(Progress::Tried);
            }
            entry.saved = true;
            entry.judge_after = now + RESTORE_PATIENCE;
            entry.seek = !entry.record.is_ended();
            entry.owed = entry.record.holders();
            entry.owed.remove(&self.me);
            let (vehicle, policy) = (entry.record.vehicle.clone(), entry.record.policy.clone());
            self.insert(now, entry, Sighting::Gone);
            self.replace(now, &vehicle, policy.key(), out);
            self.tend(now, id, out);
        }
    }

    fn insert(&mut self, now: Mono, mut entry: Entry, sighting: Sighting) {
        let (id, vehicle) = (entry.record.id, entry.record.vehicle.clone());
        self.of_vehicle.entry(vehicle.clone()).or_default().insert(id);
        if let Some(request) = &entry.record.request {
            self.requests.insert(request.key.clone(), (request.digest, id));
        }
        if entry.record.is_ended() {
            entry.ended = Some(now);
            self.ended.insert((now, id));
        } else {
            self.open += 1;
            let target = self.targets.entry(vehicle).or_insert_with(|| Target {
                sighting,
                since: now,
                waking: false,
                wake_after: Mono(0),
                asleep: None,
                open: BTreeSet::new(),
            });
            target.open.insert(id);
            // Someone wants the vehicle anew: it is worth another wake-up.
            target.asleep = None;
        }
        self.entries.insert(id, entry);
        self.bound_ended();
    }

    /// Begins a write, or notes that another must follow the one under way.
    pub(super) fn save(&mut self, id: CommandId, ask: Option<Ask>, out: &mut Vec<Action>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.save_again = None;
        if entry.saving.is_some() {
            entry.unsaved.get_or_insert_default().extend(ask);
        } else {
            entry.saving = Some(ask.into_iter().collect());
            out.push(Action::Persist(Box::new(entry.record.clone())));
        }
    }

    pub(super) fn persisted(&mut self, now: Mono, id: CommandId, out: &mut Vec<Action>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let asks = entry.saving.take().unwrap_or_default();
        if let Some(next) = entry.unsaved.take() {
            entry.saving = Some(next);
            out.push(Action::Persist(Box::new(entry.record.clone())));
        }
        if std::mem::replace(&mut entry.saved, true) {
            answer(&asks, &entry.record, out);
            return self.tend(now, id, out);
        }
        out.push(Action::Changed { record: Box::new(entry.record.clone()), was: None });
        let (vehicle, policy) = (entry.record.vehicle.clone(), entry.record.policy.clone());
        if entry.record.origin == self.me && entry.record.keepers.is_empty() {
            self.seek_keeper(now, id, BTreeSet::new(), asks, now + KEEPER_WAIT, out);
        } else {
            answer(&asks, &entry.record, out);
        }
        self.replace(now, &vehicle, policy.key(), out);
        self.tend(now, id, out);
    }

    pub(super) fn persist_failed(&mut self, now: Mono, id: CommandId, out: &mut Vec<Action>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let asks = entry.saving.take().into_iter().chain(entry.unsaved.take()).flatten();
        out.extend(asks.map(|ask| Action::Answer(ask, Answer::Refused(Refusal::NotStored))));
        if entry.saved {
            entry.save_again = Some(now + AGAIN);
            self.tend(now, id, out);
        } else {
            self.forget(id);
        }
    }

    /// Asks the next gateway of another region to keep a copy; answers if there is none.
    fn seek_keeper(
        &mut self,
        now: Mono,
        id: CommandId,
        mut tried: BTreeSet<NodeId>,
        asks: Vec<Ask>,
        until: Mono,
        out: &mut Vec<Action>,
    ) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let others: Vec<&NodeId> = (self.peers.iter())
            .filter(|(node, region)| **region != self.region && !tried.contains(*node))
            .map(|(node, _)| node)
            .collect();
        // By the id's random bits, so that not all copies go to the same one.
        let chosen = (!others.is_empty()).then(|| others[(id.0 % others.len() as u128) as usize].clone());
        let Some(node) = chosen else {
            entry.keeping = None;
            entry.seek_after = (!tried.is_empty()).then(|| now + KEEPER_SOUGHT);
            return answer(&asks, &entry.record, out);
        };
        tried.insert(node.clone());
        entry.keeping = Some(Keeping { node: node.clone(), since: now, until, tried, asks });
        out.push(Action::Replicate(node, entry.told()));
    }

    pub(super) fn replicated(&mut self, now: Mono, id: CommandId, node: NodeId, kept: bool, out: &mut Vec<Action>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let asked = entry.keeping.take_if(|keeping| keeping.node == node);
        match (kept, asked) {
            (true, asked) => {
                let mut asks = Vec::new();
                if let Some(keeping) = asked {
                    if entry.changed >= keeping.since {
                        entry.owed.insert(node.clone());
                    }
                    asks = keeping.asks;
                }
                let region = self.peers.get(&node).is_none_or(|region| *region != self.region);
                if region && node != entry.record.origin && entry.record.keepers.insert(node) {
                    self.save(id, None, out);
                }
                if let Some(entry) = self.entries.get(&id) {
                    answer(&asks, &entry.record, out);
                }
            }
            (false, Some(Keeping { tried, asks, until, .. })) => {
                self.seek_keeper(now, id, tried, asks, until, out);
            }
            (false, None) => {
                entry.owed.insert(node);
                entry.owed_after = now + RETRY;
            }
        }
        self.tend(now, id, out);
    }

    /// Changes a record; what follows from that is asked for.
    pub(super) fn change(
        &mut self,
        now: Mono,
        id: CommandId,
        source: Source<'_>,
        ask: Option<Ask>,
        edit: impl FnOnce(&mut Record),
        out: &mut Vec<Action>,
    ) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let before = entry.record.clone();
        edit(&mut entry.record);
        if entry.record.tells_the_same(&before) {
            match ask {
                Some(ask) if entry.saved && entry.saving.is_none() => answer(&[ask], &entry.record, out),
                Some(ask) => self.save(id, Some(ask), out),
                None => {}
            }
            return;
        }
        if entry.record.end.is_some() && entry.attempt.is_none() {
            // The attempt that was noted does not begin.
            entry.record.attempting = false;
        }
        entry.changed = now;
        let state = entry.record.state();
        let place = match source {
            Source::Here | Source::Unwoken(_) => Some(&self.me),
            Source::Report(gateway) => Some(gateway),
            Source::Replica(_) => None,
        };
        if let Some(gateway) = place.filter(|_| state != before.state()) {
            let why = if let Source::Unwoken(why) = source { why.to_owned() } else { entry.record.said().text };
            let text = shortened(why);
            entry.record.step(Step { at: now, state, gateway: gateway.clone(), text });
        }
        if entry.record.is_recalled() && !before.is_recalled() {
            entry.try_after = now;
        } else if matches!(source, Source::Replica(_))
            && entry.record.progress >= Progress::Sent
            && before.progress < Progress::Sent
        {
            entry.try_after = now + RESEND;
            entry.sent_to = match self.targets.get(&before.vehicle).map(|target| &target.sighting) {
                Some(Sighting::Connected { owner, epoch }) => Some((owner.clone(), *epoch)),
                Some(Sighting::Wakeable | Sighting::Gone) | None => None,
            };
        }
        let (saved, ended) = (entry.saved, entry.record.end != before.end);
        let mine = entry.record.origin == self.me;
        let shown =
            saved.then(|| Action::Changed { record: Box::new(entry.record.clone()), was: Some(before.state()) });
        if before.end.is_none() && ended {
            self.close(now, id);
        }
        self.save(id, ask, out);
        out.extend(shown);
        let tell = match source {
            Source::Here | Source::Unwoken(_) => true,
            Source::Report(_) => ended,
            Source::Replica(_) => mine,
        };
        if saved && tell {
            let knows = if let Source::Replica(from) = source { from } else { None };
            self.tell_holders(id, knows, out);
        }
        self.tend(now, id, out);
    }

    /// Tells the other holders what is known here; those that are not heard, once they are.
    fn tell_holders(&mut self, id: CommandId, knows: Option<&NodeId>, out: &mut Vec<Action>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        for node in entry.record.holders() {
            if node == self.me || knows == Some(&node) {
                continue;
            }
            if self.peers.contains_key(&node) {
                entry.owed.remove(&node);
                out.push(Action::Replicate(node, entry.told()));
            } else {
                entry.owed.insert(node);
            }
        }
    }

    pub(super) fn cancel(&mut self, now: Mono, id: CommandId, ask: Ask, out: &mut Vec<Action>) {
        let Some(entry) = self.entries.get(&id).filter(|entry| entry.saved) else {
            return out.push(Action::Answer(ask, Answer::Refused(Refusal::NotFound)));
        };
        if entry.record.is_ended() {
            return answer(&[ask], &entry.record, out);
        }
        // With nothing under way at the origin, and no holder that may have acted unheard, nobody has sent it; else the
        // vehicle's word decides.
        let mine = entry.record.origin == self.me && entry.attempt.is_none();
        let unsent = mine && self.silent_holder(now, entry).is_none();
        let edit = |record: &mut Record| {
            record.cancel = true;
            if unsent && record.progress == Progress::Queued {
                record.end = Some(cancelled());
            }
        };
        self.change(now, id, Source::Here, Some(ask), edit, out);
    }

    /// Of the commands to a vehicle under one key only the latest goes on; one that was begun is let be.
    fn replace(&mut self, now: Mono, vehicle: &VehicleId, key: Option<&str>, out: &mut Vec<Action>) {
        let Some(key) = key else { return };
        let open = self.targets.get(vehicle).into_iter().flat_map(|target| &target.open);
        let mut same: Vec<CommandId> = open
            .filter(|id| self.record(**id).is_some_and(|record| record.policy.key() == Some(key)))
            .copied()
            .collect();
        same.pop();
        for id in same {
            if self.record(id).is_some_and(|record| !record.progress.is_begun()) {
                let said = Said::of("replaced", "a later command with the same key took its place");
                let end = End { kind: EndKind::Cancelled, said };
                self.change(now, id, Source::Here, None, |record| record.end = Some(end), out);
            }
        }
    }

    pub(super) fn report_received(&mut self, now: Mono, report: &Report, ask: Ask, out: &mut Vec<Action>) {
        let known = self.entries.get(&report.status.id).filter(|entry| entry.record.vehicle == report.vehicle);
        if known.is_none() {
            return out.push(Action::Answer(ask, Answer::Refused(Refusal::NotFound)));
        }
        self.hear(now, Source::Report(&report.gateway), &report.status, Some(ask), out);
    }

    /// The vehicle's word.
    pub(super) fn hear(
        &mut self,
        now: Mono,
        source: Source<'_>,
        status: &crate::command::CommandStatus,
        ask: Option<Ask>,
        out: &mut Vec<Action>,
    ) {
        let (progress, end) = heard(status);
        let edit = |record: &mut Record| {
            if progress > record.progress {
                record.progress = progress;
            }
            if end > record.end {
                record.end = end;
            }
        };
        self.change(now, status.id, source, ask, edit, out);
    }

    pub(super) fn peers_seen(&mut self, now: Mono, peers: BTreeMap<NodeId, RegionId>, out: &mut Vec<Action>) {
        let fresh: BTreeSet<NodeId> = peers.keys().filter(|node| !self.peers.contains_key(node)).cloned().collect();
        if peers == std::mem::replace(&mut self.peers, peers.clone()) {
            return;
        }
        let ids: Vec<CommandId> = self.entries.keys().copied().collect();
        let mut after_others = Millis(0);
        for id in ids {
            if let Some(entry) = self.entries.get_mut(&id) {
                if let Some(node) = entry.record.holders().into_iter().find(|node| fresh.contains(node)) {
                    entry.fresh = Some((node, now + HOLDER_PATIENCE));
                }
                entry.seek |= !fresh.is_empty() && !entry.record.is_ended();
                entry.owed_after = now;
                if entry.record.is_ended() && entry.owed.iter().any(|node| peers.contains_key(node)) {
                    entry.owed_after = now + after_others;
                    after_others = after_others + ENDED_APART;
                }
            }
            self.tend(now, id, out);
        }
        self.serving.peers_seen(now, &self.peers, out);
    }

    /// What is owed to others: an answer, a copy, a write.
    pub(super) fn settle(&mut self, now: Mono, id: CommandId, due: &mut Earliest, out: &mut Vec<Action>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if let Some(keeping) = &mut entry.keeping
            && !keeping.asks.is_empty()
            && due.reached(now, keeping.until)
        {
            let asks = std::mem::take(&mut keeping.asks);
            answer(&asks, &entry.record, out);
        }
        let owed = entry.owed.iter().any(|node| self.peers.contains_key(node));
        if owed && due.reached(now, entry.owed_after) {
            let heard: Vec<NodeId> = entry.owed.iter().filter(|node| self.peers.contains_key(*node)).cloned().collect();
            for node in heard {
                entry.owed.remove(&node);
                out.push(Action::Replicate(node, entry.told()));
            }
        }
        let seek_after = entry.seek_after.filter(|_| !entry.record.is_ended());
        let sought = seek_after.is_some_and(|at| due.reached(now, at));
        let seek = std::mem::take(&mut entry.seek) || sought;
        let alone = entry.record.origin == self.me && entry.record.keepers.is_empty() && entry.keeping.is_none();
        let again = entry.save_again;
        if seek && alone {
            entry.seek_after = None;
            self.seek_keeper(now, id, BTreeSet::new(), Vec::new(), now, out);
        }
        if again.is_some_and(|at| due.reached(now, at)) {
            self.save(id, None, out);
        }
    }

    /// The commands to a vehicle that have not ended.
    pub(super) fn open_of(&self, vehicle: &VehicleId) -> Vec<CommandId> {
        self.targets.get(vehicle).map(|target| target.open.iter().copied().collect()).unwrap_or_default()
    }
}

/// The text of a step, cut to its bound.
fn shortened(mut text: String) -> String {
    let cut = (0..=COMMAND_STEP_TEXT_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at));
    text.truncate(cut.unwrap_or_default());
    text
}

/// How a command ends that was cancelled before it was sent.
pub(super) fn cancelled() -> End {
    End { kind: EndKind::Cancelled, said: Said::of("cancelled", "it was cancelled before it was sent") }
}

fn answer(asks: &[Ask], record: &Record, out: &mut Vec<Action>) {
    out.extend(asks.iter().map(|ask| Action::Answer(*ask, Answer::Stored(Box::new(record.clone())))));
}
