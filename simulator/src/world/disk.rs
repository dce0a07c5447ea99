//! The modelled disk of one gateway, and the store on it.
//!
//! It answers as the real store does: writes wait for a group commit, are decided in order against what is
//! settled and fenced, and are on disk together or not at all. A crash loses what was not committed; of the
//! commit under way it may keep all or nothing. A commit can fail, with or without its bytes having reached
//! the platter. A disk that lies about a flush loses the last commit that it had confirmed.

use super::dice::Dice;
use std::collections::{BTreeMap, VecDeque};
use waygate_core::command::CommandId;
use waygate_core::commands::Record;
use waygate_core::epoch::Epoch;
use waygate_core::id::{ConnId, Incarnation, SessionId, SpoolId, VehicleId};
use waygate_core::ingest::{Ticket, Write};
use waygate_core::log::{Entry, LiveState};
use waygate_core::ranges::SeqRanges;
use waygate_core::time::{Millis, Wall};

/// Writes in one commit.
const COMMIT_WRITES_MAX: usize = 64;

/// One thing to be made durable.
#[derive(Clone, Debug)]
pub enum Request {
    /// A life of the gateway begins.
    Life(Incarnation),
    /// The state of a session.
    Session {
        /// Whose.
        vehicle: VehicleId,
        /// Its state; the contact in it is not kept.
        entry: Entry,
        /// The contact, on the gateway's clock.
        contact: Wall,
        /// The spool of an attach.
        spool: Option<SpoolId>,
        /// Whether an attach waits for it.
        answer: bool,
    },
    /// Records.
    Batch(ConnId, Ticket, Write),
    /// A command.
    Command {
        /// As it stands.
        record: Box<Record>,
        /// Its age.
        age: Millis,
        /// The gateway's clock.
        written: Wall,
    },
}

/// What became of a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// An attach is durable.
    Attached(VehicleId, SessionId, Epoch, SeqRanges),
    /// An attach is not.
    NotAttached(VehicleId, SessionId, Epoch),
    /// A batch is durable.
    Stored(ConnId, Ticket),
    /// Some of a batch was settled before; none of it was written.
    Overlapped(ConnId, Ticket, SeqRanges),
    /// A batch is not durable.
    NotStored(ConnId, Ticket),
    /// Whether a command is durable.
    Command(CommandId, bool),
}

/// One row of telemetry.
#[derive(Clone, Debug)]
pub struct Row {
    /// Whose.
    pub vehicle: VehicleId,
    /// Its spool.
    pub spool: SpoolId,
    /// Its number there.
    pub seq: u64,
    /// The record.
    pub record: waygate_core::record::Record,
}

/// What is on the platter.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// The last life begun.
    pub incarnation: Option<Incarnation>,
    /// Sessions, each with its contact.
    pub sessions: BTreeMap<VehicleId, (Entry, Wall)>,
    /// Stored and refused sequence numbers.
    pub settled: BTreeMap<(VehicleId, SpoolId), SeqRanges>,
    /// Every record, as often as it was written.
    pub rows: Vec<Row>,
    /// Commands, with their age when they were written and the clock then.
    pub commands: BTreeMap<CommandId, (Record, Millis, Wall)>,
}

/// A disk and the store on it.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    image: Image,
    /// The image without its last commit.
    older: Image,
    last: Vec<Request>,
    queue: VecDeque<Request>,
    commit: Vec<Request>,
    /// Commits that are going to fail.
    pub fail_next: u32,
    /// Each commit takes this much longer.
    pub slow_ms: u64,
    doubling: bool,
}

impl Disk {
    /// An empty disk; a `doubling` one stores again what it holds, as a planted fault.
    pub fn new(doubling: bool) -> Self {
        Self { doubling, ..Self::default() }
    }

    /// What is durable.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// Takes a request; it is durable once its answer says so.
    pub fn write(&mut self, request: Request) {
        self.queue.push_back(request);
    }

    /// Writes that wait, the commit under way included.
    pub fn waiting(&self) -> usize {
        self.queue.len() + self.commit.len()
    }

    /// Begins a commit if there is something to write and none is under way; says how long it takes.
    pub fn begin_commit(&mut self, dice: &mut Dice) -> Option<u64> {
        if self.queue.is_empty() || !self.commit.is_empty() {
            return None;
        }
        let count = self.queue.len().min(COMMIT_WRITES_MAX);
        self.commit = self.queue.drain(..count).collect();
        let usual = if dice.chance(3) { dice.between(50, 800) } else { dice.between(1, 12) };
        Some(usual + self.slow_ms)
    }

    /// The commit under way ends.
    pub fn end_commit(&mut self, dice: &mut Dice) -> Vec<Answer> {
        let requests = std::mem::take(&mut self.commit);
        if self.fail_next > 0 {
            self.fail_next -= 1;
            // The error may have come after the bytes were safe.
            if dice.chance(30) {
                self.settle(requests.clone());
            }
            return requests.into_iter().filter_map(refusal).collect();
        }
        self.settle(requests)
    }

    /// A life begins: its incarnation is durable when this returns.
    pub fn begin_life(&mut self, incarnation: Incarnation) {
        self.settle(vec![Request::Life(incarnation)]);
    }

    /// The disk is lost and an empty one is in its place. Returns what was on it.
    pub fn wipe(&mut self) -> Image {
        let lost = std::mem::take(&mut self.image);
        (self.older, self.last) = (Image::default(), Vec::new());
        lost
    }

    /// Commands are lost, as a planted fault.
    pub fn drop_commands(&mut self) {
        self.image.commands.clear();
    }

    /// The gateway is gone. With `rollback` the disk had lied about its last flush: that commit, which is
    /// returned, is lost too.
    pub fn crash(&mut self, rollback: bool, dice: &mut Dice) -> Vec<Request> {
        self.queue.clear();
        let under_way = std::mem::take(&mut self.commit);
        let mut lost = Vec::new();
        if rollback {
            self.image = self.older.clone();
            lost = std::mem::take(&mut self.last);
        } else if !under_way.is_empty() && dice.chance(40) {
            self.settle(under_way);
        }
        lost
    }

    fn settle(&mut self, requests: Vec<Request>) -> Vec<Answer> {
        for request in std::mem::take(&mut self.last) {
            self.older.apply(request, self.doubling);
        }
        let mut answers = Vec::new();
        for request in requests {
            self.last.push(request.clone());
            answers.extend(self.image.apply(request, self.doubling));
        }
        answers
    }
}

fn refusal(request: Request) -> Option<Answer> {
    match request {
        Request::Life(_) => None,
        Request::Session { vehicle, entry, answer, .. } => {
            answer.then_some(Answer::NotAttached(vehicle, entry.session, entry.epoch))
        }
        Request::Batch(conn, ticket, _) => Some(Answer::NotStored(conn, ticket)),
        Request::Command { record, .. } => Some(Answer::Command(record.id, false)),
    }
}

impl Image {
    /// Decides on a request and carries it out.
    fn apply(&mut self, request: Request, doubling: bool) -> Option<Answer> {
        match request {
            Request::Life(incarnation) => {
                self.incarnation = Some(incarnation);
                None
            }
            Request::Session { vehicle, entry, contact, spool, answer } => {
                let (session, epoch) = (entry.session, entry.epoch);
                if entry.state == LiveState::Removed {
                    self.sessions.remove(&vehicle);
                } else if self.fenced(&vehicle, epoch) {
                    return answer.then_some(Answer::NotAttached(vehicle, session, epoch));
                } else {
                    self.sessions.insert(vehicle.clone(), (entry, contact));
                }
                let spool = spool.filter(|_| !doubling);
                let settled = spool.and_then(|spool| self.settled.get(&(vehicle.clone(), spool))).cloned();
                answer.then(|| Answer::Attached(vehicle, session, epoch, settled.unwrap_or_default()))
            }
            Request::Batch(conn, ticket, write) => Some(self.store(conn, ticket, write, doubling)),
            Request::Command { record, age, written } => {
                let id = record.id;
                self.commands.insert(id, (*record, age, written));
                Some(Answer::Command(id, true))
            }
        }
    }

    /// A newer attach is known here.
    fn fenced(&self, vehicle: &VehicleId, epoch: Epoch) -> bool {
        self.sessions.get(vehicle).is_some_and(|(entry, _)| epoch < entry.epoch)
    }

    fn store(&mut self, conn: ConnId, ticket: Ticket, write: Write, doubling: bool) -> Answer {
        if self.fenced(&write.vehicle, write.epoch) {
            return Answer::NotStored(conn, ticket);
        }
        let settled = self.settled.entry((write.vehicle.clone(), write.spool)).or_default();
        let known = write.settled.iter().filter(|r| settled.overlaps(*r.start(), *r.end()));
        let known: SeqRanges = known.flat_map(|r| overlap(settled, *r.start(), *r.end())).collect();
        if known == write.settled && !doubling {
            return Answer::Stored(conn, ticket);
        }
        if !known.is_empty() && !doubling {
            return Answer::Overlapped(conn, ticket, known);
        }
        settled.extend(&write.settled);
        for run in write.runs {
            for (seq, record) in (run.first_seq..).zip(run.records) {
                self.rows.push(Row { vehicle: write.vehicle.clone(), spool: write.spool, seq, record });
            }
        }
        Answer::Stored(conn, ticket)
    }
}

/// The pieces of `set` between `first` and `last`.
fn overlap(set: &SeqRanges, first: u64, last: u64) -> Vec<(u64, u64)> {
    let inside = set.iter().filter(|r| *r.end() >= first && *r.start() <= last);
    inside.map(|r| ((*r.start()).max(first), (*r.end()).min(last))).collect()
}
