//! A command as gateways keep it, and how two copies of it are joined.
//!
//! The join is a pure function of two copies: commutative, associative, idempotent. What was taken never changes;
//! everything else is a maximum, a minimum or a union, so two gateways that heard the same end up equal.

use super::word::{End, EndKind, Progress, Said, State};
use crate::command::{Command, CommandId, CommandName, Policy};
use crate::id::{NodeId, VehicleId};
use crate::limits::COMMAND_STEPS_MAX;
use crate::time::{Millis, Mono, Wall};
use std::collections::BTreeSet;

/// How far apart the ages of two copies may be. Every gateway that is told of a command may take it for a little older than it
/// is: for as long as the call may take that told the time. What is further apart is worth telling: a clock was set.
pub const AGES_APART: Millis = Millis(5000);

/// One step of a command. Ordered by time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    /// When, on the clock of the node that holds this copy.
    pub at: Mono,
    /// Where it stood from then on.
    pub state: State,
    /// The gateway at which it happened.
    pub gateway: NodeId,
    /// For a person.
    pub text: String,
}

/// A client's own name of a request, so that one repeated is not taken twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestKey {
    /// As the client gave it.
    pub key: String,
    /// Of the vehicle and the body.
    pub digest: u64,
}

/// A command as gateways keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its id.
    pub id: CommandId,
    /// For whom.
    pub vehicle: VehicleId,
    /// What to do.
    pub name: CommandName,
    /// With what: JSON.
    pub arguments: String,
    /// What is done while the vehicle cannot be given it.
    pub policy: Policy,
    /// Whether a vehicle without a socket is woken for it.
    pub wake: bool,
    /// When it was taken, on the clock of the node that holds this copy.
    pub taken: Mono,
    /// From then on, how long it may be begun.
    pub ttl: Millis,
    /// The gateway that took it.
    pub origin: NodeId,
    /// Who asked.
    pub by: String,
    /// The client's name of the request; known to the origin alone.
    pub request: Option<RequestKey>,
    /// Gateways of other regions that keep a copy.
    pub keepers: BTreeSet<NodeId>,
    /// Whether someone asked to cancel it.
    pub cancel: bool,
    /// Wake-ups that began and ended: odd while one is under way.
    pub wakes: u32,
    /// Whether this gateway was about to give it to the vehicle, when this was written. Its own affair: after a crash nobody
    /// may say that it was not sent.
    pub attempting: bool,
    /// How far it has come.
    pub progress: Progress,
    /// How it ended.
    pub end: Option<End>,
    /// How it came to where it stands, oldest first.
    pub steps: Vec<Step>,
}

impl Record {
    /// Where it stands. What gateways concluded without the vehicle does not hold against a copy that was sent.
    pub fn state(&self) -> State {
        match (&self.end, &self.progress) {
            (Some(_), _) if self.is_contradicted() => State::Unknown,
            (Some(end), _) => end.kind.state(),
            (None, Progress::Queued | Progress::Tried) if self.wakes % 2 == 1 => State::Paging,
            (None, Progress::Queued | Progress::Tried) => State::Queued,
            (None, Progress::Sent) => State::Sent,
            (None, Progress::Accepted(_)) => State::Accepted,
            (None, Progress::Running(..)) => State::Running,
        }
    }

    /// One gateway concluded that it was never sent, another sent it.
    fn is_contradicted(&self) -> bool {
        let concluded = self
            .end
            .as_ref()
            .is_some_and(|end| matches!(end.kind, EndKind::Expired | EndKind::NotReachable | EndKind::Cancelled));
        concluded && self.progress >= Progress::Tried
    }

    /// What was said last.
    pub fn said(&self) -> Said {
        match (&self.end, &self.progress) {
            (Some(_), Progress::Tried) if self.is_contradicted() => Said::of("no_answer", MAYBE_GIVEN),
            (Some(_), _) if self.is_contradicted() => Said::of("no_answer", NO_ANSWER),
            (Some(end), _) => end.said.clone(),
            (None, Progress::Accepted(said) | Progress::Running(_, said)) => said.clone(),
            (None, Progress::Queued | Progress::Tried | Progress::Sent) => Said::default(),
        }
    }

    /// How far the vehicle is, if it says.
    pub const fn percent(&self) -> Option<u8> {
        match &self.progress {
            Progress::Running(percent @ 1.., _) => Some(*percent),
            Progress::Running(0, _) | Progress::Queued | Progress::Tried | Progress::Sent | Progress::Accepted(_) => {
                None
            }
        }
    }

    /// Whether nothing more will become of it, but for a late word of the vehicle.
    pub const fn is_ended(&self) -> bool {
        self.end.is_some()
    }

    /// From then on it must not be begun.
    pub fn expires(&self) -> Mono {
        self.taken + self.ttl
    }

    /// When it was taken, by the origin's clock; for people. The id carries it.
    pub const fn issued(&self) -> Wall {
        Wall((self.id.0 >> 80) as i64)
    }

    /// The gateways that see it through.
    pub fn holders(&self) -> BTreeSet<NodeId> {
        self.keepers.iter().chain([&self.origin]).cloned().collect()
    }

    /// As the vehicle is given it; `None` once it must not be begun.
    pub fn to_send(&self, now: Mono) -> Option<Command> {
        let ttl = Millis(self.expires().0.saturating_sub(now.0));
        (ttl.0 > 0).then(|| Command {
            id: self.id,
            name: self.name.clone(),
            arguments: self.arguments.clone(),
            issued: self.issued(),
            ttl,
            // The connection knows what its accept told.
            sent: Wall(0),
            policy: self.policy.clone(),
        })
    }

    /// Whether two copies tell the same, of how long ago it was about the same.
    pub fn tells_the_same(&self, other: &Self) -> bool {
        self.taken.since(other.taken).max(other.taken.since(self.taken)) <= AGES_APART
            && (&self.keepers, self.cancel, self.wakes, &self.progress, &self.end)
                == (&other.keepers, other.cancel, other.wakes, &other.progress, &other.end)
    }

    /// Joins another copy of the same command into this one.
    pub fn merge(&mut self, other: &Self) {
        self.taken = self.taken.min(other.taken);
        self.request = self.request.take().max(other.request.clone());
        self.keepers.extend(other.keepers.iter().cloned());
        self.cancel |= other.cancel;
        self.wakes = self.wakes.max(other.wakes);
        if other.progress > self.progress {
            self.progress = other.progress.clone();
        }
        if other.end > self.end {
            self.end = other.end.clone();
        }
        for step in &other.steps {
            self.step(step.clone());
        }
    }

    /// Adds a step, the earliest telling of each; beyond the bound the latest are dropped. That a command waits again, as its
    /// vehicle was not woken, is another step than that it waits.
    pub(super) fn step(&mut self, step: Step) {
        let again = |step: &Step| step.state == State::Queued && !step.text.is_empty();
        let same =
            |known: &Step| (known.state, &known.gateway, again(known)) == (step.state, &step.gateway, again(&step));
        match self.steps.iter_mut().find(|known| same(known)) {
            Some(known) if step < *known => *known = step,
            Some(_) => {}
            None => self.steps.push(step),
        }
        self.steps.sort();
        self.steps.truncate(COMMAND_STEPS_MAX);
    }
}

/// What a person is told of a command of which nobody knows whether it was sent.
pub(super) const MAYBE_GIVEN: &str = "it may have been given to the vehicle: whoever was asked to did not say";

/// What a person is told of a command that was sent and of which nothing more was heard.
pub(super) const NO_ANSWER: &str = "it was given to the vehicle and no answer came in time";

#[cfg(test)]
#[path = "record_tests.rs"]
pub(super) mod tests;
