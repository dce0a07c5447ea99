//! What a unit does with commands: each once, in time, and it says what became of it.

use super::vehicle::{Moment, Output};
use std::collections::BTreeMap;
use waygate_core::command::{ClockTie, Command, CommandId, CommandStatus, VehicleVerdict};
use waygate_core::message::Uplink;
use waygate_core::time::{Millis, Mono};

/// A unit's memory of commands, which outlives a reboot, and what it is at.
#[derive(Clone, Debug, Default)]
pub struct Hands {
    /// The last word on each, if it is remembered.
    known: BTreeMap<CommandId, Option<VehicleVerdict>>,
    work: Work,
    /// As planted faults.
    pub faults: Faults,
}

/// What a unit gets wrong, if that is planted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// It does not remember what it was told to do.
    pub forgetful: bool,
    /// It says of what it has begun that it was cancelled.
    pub denies: bool,
}

impl Hands {
    /// What it knew is lost.
    pub fn forget(&mut self) {
        *self = Self { faults: self.faults, ..Self::default() };
    }

    /// After a reboot it knows what it began, and no more.
    pub fn drop_work(&mut self) {
        for id in std::mem::take(&mut self.work).0.into_values() {
            self.known.insert(id, None);
        }
    }

    /// When something is done.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.work.next_deadline()
    }

    /// A command came.
    pub fn take(&mut self, at: Moment, command: &Command, tie: Option<ClockTie>, out: &mut Vec<Output>) {
        let id = command.id;
        if let Some(word) = self.known.get(&id).filter(|_| !self.faults.forgetful) {
            return out.push(say(id, word.unwrap_or(VehicleVerdict::Duplicate)));
        }
        let left = tie.map_or(command.ttl, |tie| command.ttl_left(at.now, tie));
        if left == Millis(0) {
            self.known.insert(id, Some(VehicleVerdict::Expired));
            return out.push(say(id, VehicleVerdict::Expired));
        }
        out.push(Output::Begin(id));
        self.known.insert(id, Some(VehicleVerdict::Accepted));
        out.push(say(id, VehicleVerdict::Accepted));
        self.work.begin(at, id);
    }

    /// A command is not to be begun.
    pub fn recall(&mut self, id: CommandId, out: &mut Vec<Output>) {
        if self.faults.denies {
            return out.push(say(id, VehicleVerdict::Cancelled));
        }
        let word = self.known.entry(id).or_insert(Some(VehicleVerdict::Cancelled));
        out.push(say(id, word.unwrap_or(VehicleVerdict::Duplicate)));
    }

    /// What is done by now.
    pub fn finish(&mut self, at: Moment, out: &mut Vec<Output>) {
        for status in self.work.finish(at) {
            self.known.insert(status.id, Some(status.verdict));
            out.push(Output::End(status.id, status.verdict));
            out.push(Output::Send(Uplink::CommandStatus(status)));
        }
    }
}

/// What is being done, and when it is done.
#[derive(Clone, Debug, Default)]
pub struct Work(BTreeMap<Mono, CommandId>);

impl Work {
    /// When something is done.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.0.first_key_value().map(|(at, _)| *at)
    }

    /// It takes a while.
    pub fn begin(&mut self, at: Moment, id: CommandId) {
        let mut done = at.now + Millis(1 + at.chance % 8000);
        while self.0.contains_key(&done) {
            done = done + Millis(1);
        }
        self.0.insert(done, id);
    }

    /// What is done by now, and how it went.
    pub fn finish(&mut self, at: Moment) -> Vec<CommandStatus> {
        let mut ended = Vec::new();
        while let Some(entry) = self.0.first_entry().filter(|entry| *entry.key() <= at.now) {
            let failed = (at.chance + ended.len() as u64).is_multiple_of(5);
            ended.push(said(entry.remove(), if failed { VehicleVerdict::Failed } else { VehicleVerdict::Succeeded }));
        }
        ended
    }
}

fn say(id: CommandId, verdict: VehicleVerdict) -> Output {
    Output::Send(Uplink::CommandStatus(said(id, verdict)))
}

fn said(id: CommandId, verdict: VehicleVerdict) -> CommandStatus {
    let (code, text, result) = (String::new(), String::new(), String::new());
    CommandStatus { id, verdict, code, text, result }
}
