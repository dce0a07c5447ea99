//! Commands at one gateway: those it took, those it keeps for others, those it handed to vehicles.
//!
//! The gateway that took a command is its *origin*. Before it answers, the command is on its disk and it has
//! tried to put a copy on a gateway of another region, the *keeper*. Both see it through: who sees the vehicle
//! connected has it delivered by the gateway that serves it, the origin at once, a keeper once nothing has changed for
//! [`KEEPER_DELAY`]. A command may be sent twice; the vehicle does it once.
//!
//! Nothing is answered, sent or told before the command is on disk. It is never sent after its time to live, and
//! every command ends: by the vehicle's word, or by what the gateways can conclude without it.

mod ended;
mod entry;
mod hold;
mod record;
mod serve;
mod tend;
mod word;

pub use record::{Record, RequestKey, Step};
pub use word::{End, EndKind, Progress, Said, State};

use crate::command::{CommandId, CommandName, CommandStatus, Policy};
use crate::epoch::Epoch;
use crate::id::{NodeId, RegionId, VehicleId};
use crate::time::{Millis, Mono, Wall};
use entry::Entry;
use serve::Serving;
use std::collections::{BTreeMap, BTreeSet};

/// How long the answer to the operator waits for a keeper.
pub const KEEPER_WAIT: Millis = Millis(1000);

/// How long a keeper sees nothing change before it acts: the origin comes first.
pub const KEEPER_DELAY: Millis = Millis(3000);

/// How long after it took a copy a keeper tells the origin that it has it, whatever became of its answer.
pub const KEEPER_CONFIRMS: Millis = Millis(5000);

/// Once no gateway of another region took a copy, they are asked again after this.
pub const KEEPER_SOUGHT: Millis = Millis::secs(30);

/// A vehicle that was sent a command and says nothing is sent it again after this.
pub const RESEND: Millis = Millis(10_000);

/// How long after a holder is heard again it may take until it has told what it knows.
pub const HOLDER_PATIENCE: Millis = Millis(5000);

/// Between copies of ended commands that are told to a holder once it is heard: those that are open come first.
pub const ENDED_APART: Millis = Millis(10);

/// After an attempt that did not reach the vehicle, the next.
pub const RETRY: Millis = Millis(2000);

/// An attempt without an outcome for so long counts as one without an answer.
pub const ATTEMPT_PATIENCE: Millis = Millis(5000);

/// How long after its time to live a command that was sent may still be answered.
pub const ANSWER_GRACE: Millis = Millis::secs(60);

/// How long after its time to live a command that was begun may still end.
pub const RUN_GRACE: Millis = Millis::secs(3600);

/// How long after a restart a vehicle that is not seen may still appear, before `now` gives up.
pub const RESTORE_PATIENCE: Millis = Millis::secs(10);

/// How long an ended command stays in memory, and a request's key known.
pub const ENDED_KEPT: Millis = Millis::secs(24 * 3600);

/// Who waits for an answer; the driver's own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ask(pub u64);

/// A command, as an operator asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// For whom.
    pub vehicle: VehicleId,
    /// What to do.
    pub name: CommandName,
    /// With what: JSON.
    pub arguments: String,
    /// How long it may be begun.
    pub ttl: Millis,
    /// What is done while the vehicle cannot be given it.
    pub policy: Policy,
    /// Whether a vehicle without a socket is woken for it.
    pub wake: bool,
    /// Who asks.
    pub by: String,
    /// The client's name of the request.
    pub request: Option<RequestKey>,
}

/// How a vehicle is seen in the view of this gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// It has a socket, at this gateway, since the attach of this epoch.
    Connected {
        /// The serving gateway.
        owner: NodeId,
        /// Of its attach.
        epoch: Epoch,
    },
    /// It has no socket, and can be woken.
    Wakeable,
    /// It cannot be reached, or nobody knows.
    Gone,
}

/// What a vehicle said of a command, as the gateway that heard it tells others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which vehicle said it.
    pub vehicle: VehicleId,
    /// What it said.
    pub status: CommandStatus,
    /// The gateway that heard it.
    pub gateway: NodeId,
}

/// How an attempt to hand a command to its vehicle went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is on the vehicle's socket.
    Sent,
    /// The vehicle has no socket there.
    NotServed,
    /// It came there too late.
    Expired,
    /// The gateway did not answer: perhaps it was sent.
    NoAnswer,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An operator asks for a command.
    Taken {
        /// What for.
        order: Box<Order>,
        /// How the vehicle is seen.
        sighting: Sighting,
        /// This node's clock, for the id.
        wall: Wall,
        /// For the id.
        random: u128,
        /// Who waits.
        ask: Ask,
    },
    /// A record is on disk.
    Persisted(CommandId),
    /// A record could not be made durable.
    PersistFailed(CommandId),
    /// A peer was asked to keep a copy: whether it has it on disk.
    Replicated {
        /// Of which.
        id: CommandId,
        /// The peer.
        node: NodeId,
        /// Whether it keeps it.
        kept: bool,
    },
    /// A peer asks to keep a copy, or tells what became of one.
    ReplicaReceived {
        /// The copy.
        record: Box<Record>,
        /// The peer.
        from: NodeId,
        /// How the vehicle is seen here.
        sighting: Sighting,
        /// Who waits.
        ask: Ask,
    },
    /// A vehicle is seen otherwise than before.
    VehicleSeen(VehicleId, Sighting),
    /// A peer was asked to deliver.
    Delivered {
        /// Which.
        id: CommandId,
        /// By whom.
        node: NodeId,
        /// How it went.
        outcome: Outcome,
    },
    /// A peer asks to hand a command to a vehicle here, or to call it back.
    DeliverRequested {
        /// The command.
        record: Box<Record>,
        /// Who waits.
        ask: Ask,
    },
    /// [`Action::SendToVehicle`] was performed.
    SendEnded {
        /// Which.
        id: CommandId,
        /// How it went.
        outcome: Outcome,
        /// The peer that waits, if one asked for it.
        ask: Option<Ask>,
    },
    /// A vehicle connected here said something of a command.
    StatusHeard(VehicleId, CommandStatus),
    /// A peer tells what a vehicle said.
    ReportReceived {
        /// What.
        report: Report,
        /// Who waits.
        ask: Ask,
    },
    /// A peer was told what a vehicle said: whether it took it, or need not be told again.
    ReportEnded {
        /// Of which.
        id: CommandId,
        /// The peer.
        node: NodeId,
        /// Whether that is settled.
        settled: bool,
    },
    /// Someone asks to cancel a command.
    CancelRequested {
        /// Which.
        id: CommandId,
        /// Who waits.
        ask: Ask,
    },
    /// A wake-up ended, and the vehicle came. If it is not seen as connected it has left again.
    Woken(VehicleId),
    /// A wake-up ended without the vehicle, and why.
    WakeFailed(VehicleId, String),
    /// Which peers are heard, and their regions.
    PeersSeen(BTreeMap<NodeId, RegionId>),
    /// What the disk kept of the life before.
    Restored(Vec<Record>),
    /// The deadline passed.
    DeadlineReached,
}

/// An answer to whoever asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is on disk, so.
    Stored(Box<Record>),
    /// A delivery that a peer asked for.
    Delivery(Outcome),
    /// It was not done.
    Refused(Refusal),
}

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too many commands to this vehicle have not ended.
    VehicleFull,
    /// Too many commands here have not ended.
    GatewayFull,
    /// The request's key was used with another body.
    KeyReused,
    /// The disk did not take it.
    NotStored,
    /// No such command here.
    NotFound,
}

/// What is asked for. Performed in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make it durable; [`Event::Persisted`] or [`Event::PersistFailed`] must follow.
    Persist(Box<Record>),
    /// Answer.
    Answer(Ask, Answer),
    /// Give a peer a copy; [`Event::Replicated`] must follow.
    Replicate(NodeId, Box<Record>),
    /// Have a peer hand it to the vehicle, or call it back; [`Event::Delivered`] must follow.
    Deliver(NodeId, Box<Record>),
    /// Hand it to the vehicle's socket here; [`Event::SendEnded`] must follow.
    SendToVehicle {
        /// What.
        record: Box<Record>,
        /// To call it back instead.
        recall: bool,
        /// The peer that waits for the outcome.
        ask: Option<Ask>,
    },
    /// Tell peers what a vehicle said; [`Event::ReportEnded`] must follow for each.
    Report(BTreeSet<NodeId>, Box<Report>),
    /// Wake a vehicle. Its attach is seen; if it does not come, [`Event::WakeFailed`] must follow.
    Wake(VehicleId),
    /// What is shown of it has changed; all of it is on disk or on its way there.
    Changed {
        /// As it is now.
        record: Box<Record>,
        /// What was shown before; nothing if it is new here.
        was: Option<State>,
    },
}

/// What is known of a vehicle with commands that have not ended.
#[derive(Clone, Debug)]
struct Target {
    sighting: Sighting,
    since: Mono,
    waking: bool,
    /// No wake-up begins before this.
    wake_after: Mono,
    /// Why the last wake-up failed, until the vehicle is seen otherwise.
    asleep: Option<String>,
    open: BTreeSet<CommandId>,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Commands {
    me: NodeId,
    region: RegionId,
    entries: BTreeMap<CommandId, Entry>,
    of_vehicle: BTreeMap<VehicleId, BTreeSet<CommandId>>,
    targets: BTreeMap<VehicleId, Target>,
    open: usize,
    due: BTreeSet<(Mono, CommandId)>,
    ended: BTreeSet<(Mono, CommandId)>,
    requests: BTreeMap<String, (u64, CommandId)>,
    peers: BTreeMap<NodeId, RegionId>,
    serving: Serving,
    issued: Wall,
}

impl Commands {
    /// A gateway that knows no command yet.
    pub const fn new(me: NodeId, region: RegionId) -> Self {
        Self {
            me,
            region,
            entries: BTreeMap::new(),
            of_vehicle: BTreeMap::new(),
            targets: BTreeMap::new(),
            open: 0,
            due: BTreeSet::new(),
            ended: BTreeSet::new(),
            requests: BTreeMap::new(),
            peers: BTreeMap::new(),
            serving: Serving::new(),
            issued: Wall(0),
        }
    }

    /// Takes what happened; appends what is to be done.
    pub fn apply(&mut self, now: Mono, event: Event, out: &mut Vec<Action>) {
        match event {
            Event::Taken { order, sighting, wall, random, ask } => {
                self.take(now, *order, sighting, (wall, random), ask, out);
            }
            Event::Persisted(id) => self.persisted(now, id, out),
            Event::PersistFailed(id) => self.persist_failed(now, id, out),
            Event::Replicated { id, node, kept } => self.replicated(now, id, node, kept, out),
            Event::ReplicaReceived { record, from, sighting, ask } => {
                self.receive(now, *record, from, sighting, ask, out);
            }
            Event::VehicleSeen(vehicle, sighting) => self.seen(now, &vehicle, sighting, out),
            Event::Delivered { id, outcome, node: _ } => self.delivered(now, id, outcome, out),
            Event::DeliverRequested { record, ask } => self.deliver_here(now, record, ask, out),
            Event::SendEnded { id, outcome, ask } => self.send_ended(now, id, outcome, ask, out),
            Event::StatusHeard(vehicle, status) => self.status_heard(now, vehicle, status, out),
            Event::ReportReceived { report, ask } => self.report_received(now, &report, ask, out),
            Event::ReportEnded { id, node, settled } => self.serving.report_ended(now, id, &node, settled),
            Event::CancelRequested { id, ask } => self.cancel(now, id, ask, out),
            Event::Woken(vehicle) => self.woken(now, &vehicle, out),
            Event::WakeFailed(vehicle, why) => self.wake_failed(now, &vehicle, &why, out),
            Event::PeersSeen(peers) => self.peers_seen(now, peers, out),
            Event::Restored(records) => self.restore(now, records, out),
            Event::DeadlineReached => self.deadline_reached(now, out),
        }
    }

    /// When [`Event::DeadlineReached`] is due.
    pub fn next_deadline(&self) -> Option<Mono> {
        let due = self.due.first().map(|(at, _)| *at);
        let forget = self.ended.first().map(|(at, _)| *at + ENDED_KEPT);
        [due, forget, self.serving.next_deadline()].into_iter().flatten().min()
    }

    /// A command that is kept here and on disk.
    pub fn record(&self, id: CommandId) -> Option<&Record> {
        self.entries.get(&id).filter(|entry| entry.saved).map(|entry| &entry.record)
    }

    /// The commands to a vehicle that are kept here, newest first.
    pub fn of(&self, vehicle: &VehicleId) -> impl Iterator<Item = &Record> {
        let ids = self.of_vehicle.get(vehicle).into_iter().flatten().rev();
        ids.filter_map(|id| self.record(*id))
    }

    /// Vehicles with commands that have not ended.
    pub fn vehicles(&self) -> impl Iterator<Item = &VehicleId> {
        self.targets.keys()
    }

    /// Whether a vehicle has commands that have not ended.
    pub fn waits_for(&self, vehicle: &VehicleId) -> bool {
        self.targets.contains_key(vehicle)
    }

    /// How many commands have not ended.
    pub const fn open(&self) -> usize {
        self.open
    }

    /// Commands to a vehicle that it has not been heard to begin.
    pub fn waiting(&self, vehicle: &VehicleId) -> usize {
        let open = self.targets.get(vehicle).into_iter().flat_map(|target| &target.open);
        open.filter_map(|id| self.record(*id)).filter(|record| !record.progress.is_begun()).count()
    }

    fn deadline_reached(&mut self, now: Mono, out: &mut Vec<Action>) {
        while let Some((at, id)) = self.due.first().copied()
            && at <= now
        {
            self.due.pop_first();
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.due = None;
            }
            self.tend(now, id, out);
        }
        while let Some((at, id)) = self.ended.first().copied()
            && at + ENDED_KEPT <= now
        {
            self.forget(id);
        }
        self.serving.deadline_reached(now, &self.peers, out);
    }
}

#[cfg(test)]
#[path = "commands/test_world.rs"]
mod world;

#[cfg(test)]
#[path = "commands_tests.rs"]
mod tests;
