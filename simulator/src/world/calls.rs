//! Calls between gateways about commands: they take their time, get lost in a cut, and fail for the caller if no
//! answer comes. A copy crosses with its age; on the way it grows older unseen.

use super::network::Place;
use super::orders::{Waits, sighting};
use super::plant::Plant;
use super::run::{Event, World};
use waygate_core::commands::{Answer, Ask, Event as CommandEvent, Outcome, Record, Report, Step};
use waygate_core::id::NodeId;
use waygate_core::time::{Millis, Mono};

/// How long a call to a peer may take.
const CALL_MS: u64 = 2000;

/// A call under way: who made it, in which life, to whom, and what it is told if nothing comes.
#[derive(Clone, Debug)]
pub struct Call {
    caller: usize,
    number: u64,
    callee: usize,
    asked: Asked,
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    Replicate(waygate_core::command::CommandId),
    Deliver(waygate_core::command::CommandId),
    Report(waygate_core::command::CommandId),
}

/// What is asked of a peer.
#[derive(Clone, Debug)]
pub enum Body {
    /// Keep a copy, so old.
    Replicate(Box<Record>, Millis),
    /// Hand it to the vehicle, so old.
    Deliver(Box<Record>, Millis),
    /// What a vehicle said.
    Report(Box<Report>),
}

/// A copy on another clock, taken at `taken` there.
pub fn moved(record: &Record, taken: Mono) -> Record {
    let at = |at: Mono| Mono((taken.0 + at.0).saturating_sub(record.taken.0));
    let steps = record.steps.iter().map(|step| Step { at: at(step.at), ..step.clone() }).collect();
    Record { taken, steps, ..record.clone() }
}

impl World {
    /// Gives a peer a copy.
    pub fn call_replicate(&mut self, g: usize, to: &NodeId, record: Box<Record>) {
        if self.plant == Some(Plant::KeepEndsBack) && record.is_ended() {
            return;
        }
        let (asked, age) = (Asked::Replicate(record.id), self.age_of(g, &record));
        self.call(g, to, asked, Body::Replicate(record, age));
    }

    /// Has a peer hand a command to a vehicle.
    pub fn call_deliver(&mut self, g: usize, to: &NodeId, record: Box<Record>) {
        let (asked, age) = (Asked::Deliver(record.id), self.age_of(g, &record));
        self.call(g, to, asked, Body::Deliver(record, age));
    }

    /// Tells a peer what a vehicle said.
    pub fn call_report(&mut self, g: usize, to: &NodeId, report: Box<Report>) {
        if self.plant == Some(Plant::KeepWordsBack) {
            return;
        }
        self.call(g, to, Asked::Report(report.status.id), Body::Report(report));
    }

    fn age_of(&self, g: usize, record: &Record) -> Millis {
        match self.plant {
            Some(Plant::ForgetCommandAges) => Millis(0),
            _ => self.gateways[g].life.as_ref().map_or(Millis(0), |life| life.mono(self.now).since(record.taken)),
        }
    }

    fn call(&mut self, g: usize, to: &NodeId, asked: Asked, body: Body) {
        let Some(callee) = self.gateways.iter().position(|gateway| gateway.id == *to) else { return };
        let Some(number) = self.gateways[g].life.as_ref().map(|life| life.number) else { return };
        self.called += 1;
        let id = self.called;
        self.calls.insert(id, Call { caller: g, number, callee, asked });
        self.schedule(self.now + CALL_MS, Event::CallFailed(g, id));
        if self.reach_each_other(g, callee) {
            let at = self.now + self.call_latency_ms();
            self.schedule(at, Event::Called(callee, id, Box::new(body), self.now));
        }
    }

    /// Whether a call between two gateways comes through.
    pub fn reach_each_other(&self, a: usize, b: usize) -> bool {
        let (a, b) = (Place::Gateway(a), Place::Gateway(b));
        self.network.reaches(a, b) && self.network.reaches(b, a)
    }

    /// How long a call takes one way.
    pub fn call_latency_ms(&mut self) -> u64 {
        if self.dice.chance(3) { self.dice.between(200, 2500) } else { self.dice.between(1, 60) }
    }

    /// A call reaches a gateway.
    pub fn on_called(&mut self, g: usize, id: u64, body: Body, sent: u64) {
        let caller = self.calls.get(&id).map(|call| call.caller);
        if caller.is_some_and(|caller| !self.reach_each_other(caller, g)) {
            return self.trace.reach("call lost");
        }
        let Some(life) = self.gateways[g].life.as_ref() else { return };
        let mono = life.mono(self.now);
        let from = caller.map(|caller| self.gateways[caller].id.clone());
        match &body {
            Body::Replicate(record, age) | Body::Deliver(record, age) => {
                self.oracle.orders.crossed(record.id, self.now - sent);
                let (id, state) = (record.id, record.state());
                let what = if matches!(body, Body::Deliver(..)) { "asked to deliver" } else { "given" };
                self.trace
                    .note(self.now, format_args!("gateway {g} is {what} {id} by {from:?}: {state:?}, {age:?} old"));
            }
            Body::Report(report) => {
                let (id, verdict) = (report.status.id, &report.status.verdict);
                self.trace.note(self.now, format_args!("gateway {g} is told of {id} by {from:?}: {verdict:?}"));
            }
        }
        let event = match body {
            Body::Replicate(record, age) => {
                let record = Box::new(moved(&record, mono.before(age)));
                let sighting = sighting(mono, life.node.view(), &record.vehicle);
                let Some(from) = from else { return };
                CommandEvent::ReplicaReceived { record, from, sighting, ask: self.ask(Waits::Peer(id)) }
            }
            Body::Deliver(record, age) => {
                let record = Box::new(moved(&record, mono.before(age)));
                CommandEvent::DeliverRequested { record, ask: self.ask(Waits::Peer(id)) }
            }
            Body::Report(report) => CommandEvent::ReportReceived { report: *report, ask: self.ask(Waits::Peer(id)) },
        };
        self.command(g, event);
    }

    /// Whoever asked is answered.
    pub fn answer_command(&mut self, g: usize, ask: Ask, answer: Answer) {
        match self.asks.remove(&ask) {
            Some(Waits::Operator) => self.judge_answer(g, &answer),
            Some(Waits::Peer(id)) => {
                let Some(call) = self.calls.get(&id).cloned() else { return };
                let node = self.gateways[call.callee].id.clone();
                let event = match (call.asked, answer) {
                    (Asked::Replicate(id), answer) => {
                        CommandEvent::Replicated { id, node, kept: matches!(answer, Answer::Stored(_)) }
                    }
                    (Asked::Deliver(id), Answer::Delivery(outcome)) => CommandEvent::Delivered { id, node, outcome },
                    (Asked::Deliver(id), Answer::Stored(_) | Answer::Refused(_)) => {
                        CommandEvent::Delivered { id, node, outcome: Outcome::NoAnswer }
                    }
                    (Asked::Report(id), answer) => {
                        // One that knows nothing of it need not be told again.
                        let settled = !matches!(answer, Answer::Refused(waygate_core::commands::Refusal::NotStored));
                        CommandEvent::ReportEnded { id, node, settled }
                    }
                };
                if self.reach_each_other(call.caller, g) {
                    let at = self.now + self.call_latency_ms();
                    self.schedule(at, Event::CallAnswered(call.caller, id, Box::new(event)));
                }
            }
            None => {}
        }
    }

    /// An answer arrives.
    pub fn on_call_answered(&mut self, id: u64, event: CommandEvent) {
        if let Some(call) = self.calls.remove(&id)
            && self.gateways[call.caller].life.as_ref().is_some_and(|life| life.number == call.number)
        {
            self.command(call.caller, event);
        }
    }

    /// No answer came.
    pub fn on_call_failed(&mut self, id: u64) {
        let Some(call) = self.calls.get(&id) else { return };
        let node = self.gateways[call.callee].id.clone();
        let event = match call.asked {
            Asked::Replicate(id) => CommandEvent::Replicated { id, node, kept: false },
            Asked::Deliver(id) => CommandEvent::Delivered { id, node, outcome: Outcome::NoAnswer },
            Asked::Report(id) => CommandEvent::ReportEnded { id, node, settled: false },
        };
        self.on_call_answered(id, event);
    }
}
