//! What is due for a command: an end by time, a wake-up, an attempt to deliver it.

use super::entry::{Earliest, Entry};
use super::hold::{Source, cancelled};
use super::record::{MAYBE_GIVEN, NO_ANSWER};
use super::{
    ANSWER_GRACE, ATTEMPT_PATIENCE, Action, Commands, End, EndKind, KEEPER_DELAY, Outcome, Progress, RESEND, RETRY,
    RUN_GRACE, Record, Said, Sighting,
};
use crate::command::{CommandId, Policy};
use crate::epoch::Epoch;
use crate::id::{NodeId, VehicleId};
use crate::limits::WAKING_MAX;
use crate::time::{Millis, Mono};

/// What is due now.
enum Due {
    Nothing,
    Wake,
    End(End),
    Attempt(NodeId, Epoch),
    /// An attempt has had no outcome for too long.
    GiveUp,
}

impl Commands {
    /// Looks at one command, asks for what is due, notes when to look again.
    pub(super) fn tend(&mut self, now: Mono, id: CommandId, out: &mut Vec<Action>) {
        let mut due = Earliest::default();
        if self.entries.get(&id).is_some_and(|entry| entry.saved) {
            self.settle(now, id, &mut due, out);
            match self.judge(now, id, &mut due) {
                Due::Nothing => {}
                // Each of these looks again by itself.
                Due::Wake => return self.wake(now, id, out),
                Due::End(end) => {
                    return self.change(now, id, Source::Here, None, |record| record.end = Some(end), out);
                }
                Due::GiveUp => return self.delivered(now, id, Outcome::NoAnswer, out),
                Due::Attempt(owner, epoch) => return self.attempt(now, id, owner, epoch, out),
            }
        }
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if let Some(at) = entry.due {
            self.due.remove(&(at, id));
        }
        entry.due = due.0;
        self.due.extend(due.0.map(|at| (at, id)));
    }

    fn judge(&self, now: Mono, id: CommandId, due: &mut Earliest) -> Due {
        let Some(entry) = self.entries.get(&id) else { return Due::Nothing };
        let record = &entry.record;
        if record.attempting && entry.attempt.is_none() && (entry.saving.is_some() || entry.save_again.is_some()) {
            // That it is about to be sent is on its way to the disk.
            return Due::Nothing;
        }
        if let Some(since) = entry.attempt {
            return if due.reached(now, since + ATTEMPT_PATIENCE) { Due::GiveUp } else { Due::Nothing };
        }
        if record.is_ended() {
            return self.judge_recall(now, entry, due);
        }
        if let Some((_, until)) = entry.fresh {
            // Judged again then.
            let _ = due.reached(now, until);
        }
        let delay = self.delay(record);
        let (limit, end) = self.limit(now, entry);
        if due.reached(now, limit + delay) {
            return Due::End(end);
        }
        let Some(target) = self.targets.get(&record.vehicle) else { return Due::Nothing };
        let settled = if delay.0 == 0 { now } else { entry.changed.max(target.since) + delay };
        let unsent = record.progress < Progress::Sent;
        if record.cancel && record.progress == Progress::Queued && self.silent_holder(now, entry).is_none() {
            return if due.reached(now, settled) { Due::End(cancelled()) } else { Due::Nothing };
        }
        let wanted = record.cancel || (!record.progress.is_begun() && now < record.expires());
        match &target.sighting {
            Sighting::Connected { owner, epoch } if wanted => {
                self.judge_attempt(now, entry, owner, *epoch, settled, due)
            }
            Sighting::Connected { .. } => Due::Nothing,
            Sighting::Wakeable if record.wake && unsent && wanted && target.asleep.is_none() => {
                if target.waking && record.wakes % 2 == 1 {
                    return Due::Nothing;
                }
                // Another gateway's wake-up is believed for a while.
                let believed = if record.wakes % 2 == 1 && delay.0 > 0 { entry.changed + WAKING_MAX } else { settled };
                if due.reached(now, believed.max(target.wake_after)) { Due::Wake } else { Due::Nothing }
            }
            Sighting::Wakeable | Sighting::Gone => self.judge_reach(now, entry, due),
        }
    }

    /// Policy `now` fails if the vehicle is not reached now. Only the origin says so: a keeper that is cut off
    /// sees nobody.
    fn judge_reach(&self, now: Mono, entry: &Entry, due: &mut Earliest) -> Due {
        let record = &entry.record;
        let alone = record.origin == self.me && self.silent_holder(now, entry).is_none();
        let fails = record.policy == Policy::Now && alone && record.progress == Progress::Queued;
        let target = self.targets.get(&record.vehicle).filter(|target| fails && !(target.waking && record.wake));
        match target {
            Some(target) if due.reached(now, entry.judge_after) => {
                let text = target.asleep.as_deref().unwrap_or("the vehicle is not connected and cannot be woken");
                Due::End(End { kind: EndKind::NotReachable, said: Said::of("not_reachable", text) })
            }
            Some(_) | None => Due::Nothing,
        }
    }

    /// At once on a new attach, else when the last attempt is long enough ago. Sending again is the origin's first.
    fn judge_attempt(
        &self,
        now: Mono,
        entry: &Entry,
        owner: &NodeId,
        epoch: Epoch,
        settled: Mono,
        due: &mut Earliest,
    ) -> Due {
        let fresh = entry.sent_to.as_ref().is_some_and(|(node, then)| (node, *then) != (owner, epoch));
        let delay = self.delay(&entry.record);
        let again = entry.try_after + delay;
        let at = if fresh && delay.0 == 0 { settled } else { settled.max(again) };
        if due.reached(now, at) { Due::Attempt(owner.clone(), epoch) } else { Due::Nothing }
    }

    /// A command that was sent and ended without the vehicle: once, it is told not to begin it.
    fn judge_recall(&self, now: Mono, entry: &Entry, due: &mut Earliest) -> Due {
        let record = &entry.record;
        let ended = record.end.as_ref().is_some_and(|end| end.kind == EndKind::Cancelled);
        let wanted = ended && !entry.recalled && record.progress >= Progress::Tried && now < record.expires();
        let place = match self.targets.get(&record.vehicle).map(|target| &target.sighting) {
            Some(Sighting::Connected { owner, epoch }) => Some((owner.clone(), *epoch)),
            Some(Sighting::Wakeable | Sighting::Gone) => None,
            None => entry.sent_to.clone(),
        };
        match place.filter(|_| wanted) {
            Some((owner, epoch)) if due.reached(now, entry.try_after.max(entry.changed + self.delay(record))) => {
                Due::Attempt(owner, epoch)
            }
            Some(_) | None => Due::Nothing,
        }
    }

    /// Another gateway that has the command, may send it, and is not heard, or has not had the time to say what it knows.
    pub(super) fn silent_holder(&self, now: Mono, entry: &Entry) -> Option<NodeId> {
        let fresh = entry.fresh.as_ref().filter(|(_, until)| now < *until).map(|(node, _)| node.clone());
        let silent = |node: &NodeId| *node != self.me && !self.peers.contains_key(node);
        fresh.or_else(|| entry.record.holders().into_iter().find(silent))
    }

    /// When a command ends by itself, and how. A holder that is not heard may have sent it: then nobody can say here that
    /// it was not.
    fn limit(&self, now: Mono, entry: &Entry) -> (Mono, End) {
        let record = &entry.record;
        let end = |kind, code, text| End { kind, said: Said::of(code, text) };
        match &record.progress {
            Progress::Queued if let Some(node) = self.silent_holder(now, entry) => {
                let text = format!("{node}, which has it too, is not heard: it may have sent it");
                (record.expires() + ANSWER_GRACE, end(EndKind::Unknown, "holder_lost", &text))
            }
            Progress::Queued => {
                (record.expires(), end(EndKind::Expired, "expired", "its time to live ended before it could be sent"))
            }
            Progress::Tried => (record.expires() + ANSWER_GRACE, end(EndKind::Unknown, "no_answer", MAYBE_GIVEN)),
            Progress::Sent => (record.expires() + ANSWER_GRACE, end(EndKind::Unknown, "no_answer", NO_ANSWER)),
            Progress::Accepted(_) | Progress::Running(..) => {
                let text = "the vehicle began it and its end was not heard in time";
                (record.expires() + RUN_GRACE, end(EndKind::Unknown, "no_end", text))
            }
        }
    }

    /// How long this gateway lets the origin go first.
    fn delay(&self, record: &Record) -> Millis {
        if record.origin == self.me || !self.peers.contains_key(&record.origin) { Millis(0) } else { KEEPER_DELAY }
    }

    fn attempt(&mut self, now: Mono, id: CommandId, owner: NodeId, epoch: Epoch, out: &mut Vec<Action>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if entry.record.progress == Progress::Queued && !entry.record.attempting && !entry.record.is_ended() {
            entry.record.attempting = true;
            return self.save(id, None, out);
        }
        entry.attempt = Some(now);
        entry.sent_to = Some((owner.clone(), epoch));
        entry.recalled = entry.record.is_recalled();
        let record = entry.told();
        if owner == self.me {
            let recall = record.is_recalled();
            out.push(Action::SendToVehicle { record, recall, ask: None });
        } else {
            out.push(Action::Deliver(owner, record));
        }
        self.tend(now, id, out);
    }

    pub(super) fn delivered(&mut self, now: Mono, id: CommandId, outcome: Outcome, out: &mut Vec<Action>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if entry.attempt.take().is_none() && outcome != Outcome::Sent {
            return;
        }
        let (after, progress) = match outcome {
            // It was called back, and not given.
            Outcome::Sent if entry.recalled => (RESEND, Progress::Queued),
            // What was called back meanwhile is called back at once.
            Outcome::Sent if entry.record.is_recalled() => (Millis(0), Progress::Sent),
            Outcome::Sent => (RESEND, Progress::Sent),
            Outcome::NotServed | Outcome::Expired => (RETRY, Progress::Queued),
            Outcome::NoAnswer => (RETRY, Progress::Tried),
        };
        entry.recalled &= outcome == Outcome::Sent;
        entry.try_after = now + after;
        let noted = std::mem::take(&mut entry.record.attempting);
        if noted && progress == Progress::Queued {
            self.save(id, None, out);
        }
        let Some(entry) = self.entries.get(&id) else { return };
        if progress > entry.record.progress {
            self.change(now, id, Source::Here, None, |record| record.progress = progress, out);
        }
        self.tend(now, id, out);
    }

    fn wake(&mut self, now: Mono, id: CommandId, out: &mut Vec<Action>) {
        let Some(vehicle) = self.entries.get(&id).map(|entry| entry.record.vehicle.clone()) else { return };
        let Some(target) = self.targets.get_mut(&vehicle) else { return };
        // One at a time a vehicle; later commands join.
        if !std::mem::replace(&mut target.waking, true) {
            out.push(Action::Wake(vehicle.clone()));
        }
        for id in self.open_of(&vehicle) {
            let edit = |record: &mut Record| {
                if record.wake && record.progress < Progress::Sent {
                    record.wakes |= 1;
                }
            };
            if self.entries.get(&id).is_some_and(|entry| entry.saved) {
                self.change(now, id, Source::Here, None, edit, out);
            }
        }
        self.tend(now, id, out);
    }

    pub(super) fn woken(&mut self, now: Mono, vehicle: &VehicleId, out: &mut Vec<Action>) {
        let Some(target) = self.targets.get_mut(vehicle).filter(|target| target.waking) else { return };
        target.waking = false;
        // Its gateway's word on the attach may take a moment longer than the end of the wake-up.
        target.wake_after = now + RETRY;
        self.wake_over(now, vehicle, Source::Here, out);
    }

    pub(super) fn wake_failed(&mut self, now: Mono, vehicle: &VehicleId, why: &str, out: &mut Vec<Action>) {
        let Some(target) = self.targets.get_mut(vehicle) else { return };
        target.waking = false;
        target.asleep = Some(why.to_owned());
        self.wake_over(now, vehicle, Source::Unwoken(why), out);
    }

    pub(super) fn seen(&mut self, now: Mono, vehicle: &VehicleId, sighting: Sighting, out: &mut Vec<Action>) {
        let Some(target) = self.targets.get_mut(vehicle).filter(|target| target.sighting != sighting) else { return };
        let connected = matches!(sighting, Sighting::Connected { .. });
        (target.sighting, target.since) = (sighting, now);
        target.asleep = None;
        if connected {
            target.waking = false;
            self.wake_over(now, vehicle, Source::Here, out);
        } else {
            for id in self.open_of(vehicle) {
                self.tend(now, id, out);
            }
        }
    }

    /// No wake-up is under way any more.
    fn wake_over(&mut self, now: Mono, vehicle: &VehicleId, source: Source<'_>, out: &mut Vec<Action>) {
        for id in self.open_of(vehicle) {
            let edit = |record: &mut Record| record.wakes += record.wakes % 2;
            self.change(now, id, source, None, edit, out);
            self.tend(now, id, out);
        }
    }
}

impl Record {
    /// Whether the vehicle is to be told not to begin it.
    pub(super) fn is_recalled(&self) -> bool {
        self.cancel || self.end.as_ref().is_some_and(|end| end.kind == EndKind::Cancelled)
    }
}
