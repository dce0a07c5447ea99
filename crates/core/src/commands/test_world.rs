//! Gateways, a network that delays and cuts, disks that fail, and one vehicle: enough to run commands to their ends.

use super::*;
use crate::command::VehicleVerdict;
use crate::limits::COMMANDS_OPEN_PER_VEHICLE_MAX;

pub const START: u64 = 1 << 40;
/// The longest way of a message; a copy's age is told too young by it.
pub const TRANSIT_MAX: u64 = 40;

pub fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

pub fn lux() -> VehicleId {
    VehicleId::new("LUX-1").unwrap()
}

pub fn order(policy: Policy, ttl_s: u64) -> Order {
    Order {
        vehicle: lux(),
        name: CommandName::new("lock").unwrap(),
        arguments: "{}".to_owned(),
        ttl: Millis::secs(ttl_s),
        policy,
        wake: true,
        by: "test".to_owned(),
        request: None,
    }
}

enum Happening {
    At(NodeId, Event),
    /// Whoever asked at a peer hears of it.
    Back(NodeId, Event, Ask),
    Vehicle(CommandId, bool),
    Says(CommandStatus),
}

struct Gateway {
    machine: Commands,
    disk: BTreeMap<CommandId, Record>,
    up: bool,
}

/// What a peer's call becomes at the caller.
#[derive(Clone)]
enum Call {
    Replicate(NodeId, CommandId, NodeId),
    Deliver(NodeId, CommandId, NodeId),
    Report(NodeId, CommandId, NodeId),
}

pub struct World {
    pub now: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    count: u64,
    gateways: BTreeMap<NodeId, Gateway>,
    calls: BTreeMap<Ask, Call>,
    pub answers: BTreeMap<Ask, Answer>,
    pub cut: BTreeSet<(NodeId, NodeId)>,
    pub at: Option<NodeId>,
    epoch: u64,
    wakeable: bool,
    pub wakes: usize,
    pub mute: bool,
    pub busy: bool,
    remembered: BTreeMap<CommandId, CommandStatus>,
    pub begun: Vec<CommandId>,
    pub sent: Vec<(CommandId, bool)>,
    pub disk_fails: bool,
    truth: BTreeMap<CommandId, Mono>,
    dice: u64,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let gateways = ["west", "east", "north"].map(|name| {
            let machine = Commands::new(node(name), RegionId::new(name).unwrap());
            (node(name), Gateway { machine, disk: BTreeMap::new(), up: true })
        });
        let mut world = Self {
            now: START,
            queue: BTreeMap::new(),
            count: 0,
            gateways: gateways.into_iter().collect(),
            calls: BTreeMap::new(),
            answers: BTreeMap::new(),
            cut: BTreeSet::new(),
            at: None,
            epoch: 1,
            wakeable: false,
            wakes: 0,
            mute: false,
            busy: false,
            remembered: BTreeMap::new(),
            begun: Vec::new(),
            sent: Vec::new(),
            disk_fails: false,
            truth: BTreeMap::new(),
            dice: seed | 1,
        };
        world.look();
        world
    }

    pub fn roll(&mut self, below: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice % below
    }

    fn reaches(&self, a: &NodeId, b: &NodeId) -> bool {
        let cut = self.cut.contains(&(a.clone(), b.clone())) || self.cut.contains(&(b.clone(), a.clone()));
        !cut && self.gateways[a].up && self.gateways[b].up
    }

    fn later(&mut self, after: u64, happening: Happening) {
        self.count += 1;
        self.queue.insert((self.now + after, self.count), happening);
    }

    /// Every gateway sees its peers and the vehicle as they are now.
    pub fn look(&mut self) {
        let names: Vec<NodeId> = self.gateways.keys().cloned().collect();
        for me in &names {
            let heard = names.iter().filter(|peer| *peer != me && self.reaches(me, peer));
            let peers = heard.map(|peer| (peer.clone(), RegionId::new(peer.as_str()).unwrap())).collect();
            self.apply(me, Event::PeersSeen(peers));
            let sighting = self.sighting(me);
            self.apply(me, Event::VehicleSeen(lux(), sighting));
        }
    }

    fn sighting(&self, me: &NodeId) -> Sighting {
        match &self.at {
            Some(at) if at == me || self.reaches(me, at) => {
                Sighting::Connected { owner: at.clone(), epoch: Epoch(self.epoch) }
            }
            None if self.wakeable => Sighting::Wakeable,
            Some(_) | None => Sighting::Gone,
        }
    }

    pub fn vehicle(&mut self, at: Option<&str>, wakeable: bool) {
        (self.at, self.wakeable) = (at.map(node), wakeable);
        self.epoch += 1;
        self.look();
    }

    /// The gateway dies; its disk stays.
    pub fn kill(&mut self, name: &str) {
        self.gateways.get_mut(&node(name)).unwrap().up = false;
        self.look();
    }

    /// Its clock is set back while it is down: what it kept seems to be younger.
    pub fn rejuvenate(&mut self, name: &str, by: Millis) {
        for record in self.gateways.get_mut(&node(name)).unwrap().disk.values_mut() {
            record.taken = record.taken + by;
        }
    }

    pub fn restart(&mut self, name: &str) {
        let now = Mono(self.now);
        let gateway = self.gateways.get_mut(&node(name)).unwrap();
        gateway.machine = Commands::new(node(name), RegionId::new(name).unwrap());
        gateway.up = true;
        let kept = gateway.disk.values().cloned().collect();
        let mut out = Vec::new();
        gateway.machine.apply(now, Event::Restored(kept), &mut out);
        self.perform(&node(name), out);
        self.look();
    }

    pub fn take(&mut self, at: &str, order: Order) -> Ask {
        self.count += 1;
        let ask = Ask(self.count);
        let sighting = self.sighting(&node(at));
        let (wall, random) = (Wall(1_795_219_200_000), u128::from(self.roll(u64::MAX)));
        self.apply(&node(at), Event::Taken { order: Box::new(order), sighting, wall, random, ask });
        ask
    }

    pub fn cancel(&mut self, at: &str, id: CommandId) -> Ask {
        self.count += 1;
        let ask = Ask(self.count);
        self.apply(&node(at), Event::CancelRequested { id, ask });
        ask
    }

    /// A wake-up ended with the vehicle, and nothing else was seen of that.
    pub fn is_woken(&mut self, me: &str) {
        self.apply(&node(me), Event::Woken(lux()));
    }

    pub fn wake_fails(&mut self) {
        for me in self.gateways.keys().cloned().collect::<Vec<_>>() {
            self.apply(&me, Event::WakeFailed(lux(), "nobody answered".to_owned()));
        }
    }

    pub fn says(&mut self, id: CommandId, verdict: VehicleVerdict) {
        let text = String::new();
        self.later(
            0,
            Happening::Says(CommandStatus { id, verdict, code: text.clone(), text: text.clone(), result: text }),
        );
    }

    pub fn stored(&self, ask: Ask) -> Record {
        match &self.answers[&ask] {
            Answer::Stored(record) => (**record).clone(),
            other @ (Answer::Delivery(_) | Answer::Refused(_)) => panic!("not stored but {other:?}"),
        }
    }

    pub fn record(&self, at: &str, id: CommandId) -> Option<&Record> {
        self.gateways[&node(at)].machine.record(id)
    }

    /// What it has on disk.
    pub fn kept(&self, at: &str, id: CommandId) -> &Record {
        &self.gateways[&node(at)].disk[&id]
    }

    pub fn machine(&self, at: &str) -> &Commands {
        &self.gateways[&node(at)].machine
    }

    /// Lets time pass.
    pub fn run(&mut self, span_ms: u64) {
        let until = self.now + span_ms;
        loop {
            let event = self.queue.first_key_value().map(|((at, _), _)| *at);
            let up = self.gateways.iter().filter(|(_, gateway)| gateway.up);
            let due =
                up.filter_map(|(id, gateway)| Some((gateway.machine.next_deadline()?.0.max(self.now), id.clone())));
            let due = due.min();
            match (event, due) {
                (Some(at), due) if at <= until && due.as_ref().is_none_or(|(then, _)| at <= *then) => {
                    self.now = at;
                    if let Some((_, happening)) = self.queue.pop_first() {
                        self.happen(happening);
                    }
                }
                (_, Some((at, id))) if at <= until => {
                    self.now = at;
                    self.apply(&id, Event::DeadlineReached);
                }
                _ => break,
            }
        }
        self.now = until;
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::At(to, event) => self.apply(&to, event),
            Happening::Back(to, event, ask) => {
                if self.calls.remove(&ask).is_some() {
                    self.apply(&to, event);
                }
            }
            Happening::Vehicle(id, recall) => self.receive(id, recall),
            Happening::Says(status) => {
                self.remembered.insert(status.id, status.clone());
                if let Some(at) = self.at.clone().filter(|_| !self.mute) {
                    self.apply(&at, Event::StatusHeard(lux(), status));
                }
            }
        }
    }

    fn receive(&mut self, id: CommandId, recall: bool) {
        self.sent.push((id, recall));
        match self.remembered.get(&id).cloned() {
            Some(status) => self.later(5, Happening::Says(status)),
            None if recall => self.says(id, VehicleVerdict::Cancelled),
            None => {
                self.begun.push(id);
                let (verdict, text) = (VehicleVerdict::Accepted, String::new());
                let said = CommandStatus { id, verdict, code: text.clone(), text: text.clone(), result: text };
                self.remembered.insert(id, said);
                self.says(id, VehicleVerdict::Accepted);
                if !self.busy {
                    let text = String::new();
                    let verdict = VehicleVerdict::Succeeded;
                    let said = CommandStatus { id, verdict, code: text.clone(), text: text.clone(), result: text };
                    self.later(200, Happening::Says(said));
                }
            }
        }
    }

    fn apply(&mut self, to: &NodeId, event: Event) {
        let now = Mono(self.now);
        let Some(gateway) = self.gateways.get_mut(to).filter(|gateway| gateway.up) else { return };
        if let Event::Persisted(id) = &event {
            let record = gateway.machine.entries.get(id).map(|entry| entry.record.clone());
            gateway.disk.extend(record.map(|record| (*id, record)));
        }
        let mut out = Vec::new();
        gateway.machine.apply(now, event, &mut out);
        self.perform(to, out);
        self.check(to);
    }

    fn perform(&mut self, me: &NodeId, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Persist(record) => {
                    if record.origin == *me {
                        self.truth.entry(record.id).or_insert(record.taken);
                    }
                    let fails = self.disk_fails;
                    let event = if fails { Event::PersistFailed(record.id) } else { Event::Persisted(record.id) };
                    self.later(3, Happening::At(me.clone(), event));
                }
                Action::Answer(ask, answer) => self.answer(me, ask, answer),
                Action::Replicate(to, record) => {
                    let call = Call::Replicate(me.clone(), record.id, to.clone());
                    self.call(me, &to, call, record);
                }
                Action::Deliver(to, record) => {
                    let call = Call::Deliver(me.clone(), record.id, to.clone());
                    self.call(me, &to, call, record);
                }
                Action::SendToVehicle { record, recall, ask } => self.send(me, &record, recall, ask),
                Action::Report(nodes, report) => {
                    for to in nodes {
                        let (ask, transit) = self.begin(Call::Report(me.clone(), report.status.id, to.clone()));
                        if self.reaches(me, &to) {
                            let event = Event::ReportReceived { report: (*report).clone(), ask };
                            self.later(transit, Happening::At(to, event));
                        }
                    }
                }
                Action::Wake(_) => self.wakes += 1,
                Action::Changed { record, was: _ } => {
                    assert!(self.gateways[me].disk.contains_key(&record.id), "told before it was on disk");
                }
            }
        }
    }

    /// A call, which fails for the caller unless it is answered.
    fn begin(&mut self, call: Call) -> (Ask, u64) {
        self.count += 1;
        let ask = Ask(self.count);
        let (caller, failed) = failed(&call);
        self.calls.insert(ask, call);
        self.later(2000, Happening::Back(caller, failed, ask));
        (ask, 1 + self.dice % TRANSIT_MAX)
    }

    fn call(&mut self, me: &NodeId, to: &NodeId, call: Call, mut record: Box<Record>) {
        let deliver = matches!(call, Call::Deliver(..));
        let (ask, transit) = self.begin(call);
        if !self.reaches(me, to) {
            return;
        }
        record.taken = record.taken + Millis(transit);
        let event = if deliver {
            Event::DeliverRequested { record, ask }
        } else {
            Event::ReplicaReceived { record, from: me.clone(), sighting: self.sighting(to), ask }
        };
        self.later(transit, Happening::At(to.clone(), event));
    }

    fn answer(&mut self, me: &NodeId, ask: Ask, answer: Answer) {
        if let Answer::Stored(record) = &answer {
            assert!(self.gateways[me].disk.contains_key(&record.id), "answered before it was on disk");
        }
        match self.calls.get(&ask).cloned() {
            None => {
                assert!(self.answers.insert(ask, answer).is_none(), "answered twice");
            }
            Some(Call::Replicate(to, id, node)) if self.reaches(&to, me) => {
                let kept = matches!(answer, Answer::Stored(_));
                self.later(5, Happening::Back(to, Event::Replicated { id, node, kept }, ask));
            }
            Some(Call::Deliver(to, id, node)) if self.reaches(&to, me) => {
                let Answer::Delivery(outcome) = answer else { panic!("no delivery: {answer:?}") };
                self.later(5, Happening::Back(to, Event::Delivered { id, node, outcome }, ask));
            }
            Some(Call::Report(to, id, node)) if self.reaches(&to, me) => {
                self.later(5, Happening::Back(to, Event::ReportEnded { id, node, settled: true }, ask));
            }
            Some(_) => {}
        }
    }

    fn send(&mut self, me: &NodeId, record: &Record, recall: bool, ask: Option<Ask>) {
        let id = record.id;
        let outcome = if self.at.as_ref() == Some(me) { Outcome::Sent } else { Outcome::NotServed };
        if outcome == Outcome::Sent {
            let age = Mono(self.now).since(self.truth[&id]);
            assert!(recall || age.0 < record.ttl.0 + 2 * TRANSIT_MAX, "sent after its time to live");
            self.later(10, Happening::Vehicle(id, recall));
        }
        self.later(1, Happening::At(me.clone(), Event::SendEnded { id, outcome, ask }));
    }

    fn check(&self, me: &NodeId) {
        let machine = &self.gateways[me].machine;
        let open = machine.entries.values().filter(|entry| !entry.record.is_ended());
        assert_eq!(open.count(), machine.open(), "the count of open commands is wrong");
        for (vehicle, target) in &machine.targets {
            assert!(target.open.len() <= COMMANDS_OPEN_PER_VEHICLE_MAX);
            let mut keys = BTreeSet::new();
            for record in machine.of(vehicle).filter(|record| !record.is_ended() && !record.progress.is_begun()) {
                let first = record.policy.key().is_none_or(|key| keys.insert(key.to_owned()));
                assert!(first, "two commands under one key wait at {me}");
            }
        }
    }

    /// Every command anywhere has ended, and its holders tell the same of it.
    pub fn check_ends(&self) {
        for (me, gateway) in &self.gateways {
            assert_eq!(gateway.machine.open(), 0, "{me} has commands that do not end");
            for (id, entry) in &gateway.machine.entries {
                for holder in entry.record.holders() {
                    let there = self.gateways[&holder].machine.record(*id);
                    let same = there.is_none_or(|there| there.tells_the_same(&entry.record));
                    assert!(same, "{me} and {holder} differ on {id}: {:?} {there:?}", entry.record);
                }
            }
        }
        let once: BTreeSet<_> = self.begun.iter().collect();
        assert_eq!(once.len(), self.begun.len(), "done twice");
    }
}

fn failed(call: &Call) -> (NodeId, Event) {
    match call.clone() {
        Call::Replicate(to, id, node) => (to, Event::Replicated { id, node, kept: false }),
        Call::Deliver(to, id, node) => (to, Event::Delivered { id, node, outcome: Outcome::NoAnswer }),
        Call::Report(to, id, node) => (to, Event::ReportEnded { id, node, settled: false }),
    }
}
