//! Commands in the seeded world: operators who order, what gateways see of vehicles, and the way to a vehicle.
//!
//! The machine of each gateway is the core's own. Its calls to peers are in `calls.rs`, the judge of commands in
//! `verdicts.rs`.

use super::calls::moved;
use super::disk::Request;
use super::network::{Payload, Place};
use super::plant::Plant;
use super::run::{Event, World};
use super::vehicle::Input;
use waygate_core::command::{CommandId, CommandName, Policy};
use waygate_core::commands::{Action, Ask, Event as CommandEvent, Order, Outcome, Record, Sighting};
use waygate_core::id::VehicleId;
use waygate_core::message::Downlink;
use waygate_core::node::Action as NodeAction;
use waygate_core::session::Phase;
use waygate_core::time::{Millis, Mono, Wall};
use waygate_core::view::{Known, Liveness, View};

/// How long a wake-up is waited for.
const WAKE_MS: u64 = 20_000;

/// Who waits for an answer of a gateway's machine.
#[derive(Clone, Copy, Debug)]
pub enum Waits {
    /// An operator.
    Operator,
    /// A peer, by the number of its call.
    Peer(u64),
}

/// How a vehicle is seen at a gateway.
pub fn sighting(now: Mono, view: &View, vehicle: &VehicleId) -> Sighting {
    match view.sight(now, vehicle).filter(|sight| sight.stale.is_none() && !view.is_relayed(&sight.owner)) {
        Some(sight) if sight.known == Known::Online => Sighting::Connected { owner: sight.owner, epoch: sight.epoch },
        Some(sight) if matches!(sight.known, Known::Idle | Known::Asleep) && !sight.wake.is_empty() => {
            Sighting::Wakeable
        }
        Some(_) | None => Sighting::Gone,
    }
}

impl World {
    /// An operator asks some gateway for a command to some vehicle, and some gateway to cancel another.
    pub fn on_order(&mut self, again: bool) {
        let g = self.dice.index(self.gateways.len());
        let ttl = Millis(self.dice.between(1, 60) * 1000);
        let policy = match self.dice.below(4) {
            0 => Policy::Now,
            1 => Policy::LatestWins("k".to_owned()),
            _ => Policy::Queue,
        };
        self.order(g, policy, ttl);
        if self.dice.chance(15)
            && let Some(id) = self.oracle.orders.some(self.dice.number())
        {
            let (g, ask) = (self.dice.index(self.gateways.len()), self.ask(Waits::Operator));
            self.command(g, CommandEvent::CancelRequested { id, ask });
        }
        if again && self.now < self.storm_ends && !self.night {
            let next = self.now + self.dice.between(1000, 8000);
            self.schedule(next, Event::Ordered(true));
        }
    }

    /// Someone orders something of some vehicle.
    pub fn order(&mut self, g: usize, policy: Policy, ttl: Millis) {
        let vehicle = self.vehicles[self.dice.index(self.settings.vehicles)].id.clone();
        let random = u128::from(self.dice.number()) << 64 | u128::from(self.dice.number());
        let wake = self.dice.chance(70);
        let wall = self.gateways[g].wall(self.now);
        let (Some(life), Some(name)) = (self.gateways[g].life.as_ref(), CommandName::new("lock")) else { return };
        let sighting = sighting(life.mono(self.now), life.node.view(), &vehicle);
        let (arguments, by, request) = (String::new(), String::new(), None);
        let order = Box::new(Order { vehicle, name, arguments, ttl, policy, wake, by, request });
        let ask = self.ask(Waits::Operator);
        self.command(g, CommandEvent::Taken { order, sighting, wall, random, ask });
    }

    /// A number for whoever waits.
    pub fn ask(&mut self, waits: Waits) -> Ask {
        self.asked += 1;
        self.asks.insert(Ask(self.asked), waits);
        Ask(self.asked)
    }

    /// Gives the machine of a gateway an event and does what it asks for.
    pub fn command(&mut self, g: usize, event: CommandEvent) {
        let mut waiting = vec![event];
        while let Some(event) = waiting.pop() {
            let now = self.now;
            let Some(life) = self.gateways[g].life.as_mut() else { return };
            let (mono, mut out) = (life.mono(now), Vec::new());
            life.commands.apply(mono, event, &mut out);
            for action in out {
                waiting.extend(self.perform_command(g, action));
            }
        }
        self.settle_command_deadline(g);
    }

    fn settle_command_deadline(&mut self, g: usize) {
        let now = self.now;
        let Some(life) = self.gateways[g].life.as_mut() else { return };
        let due = life.commands.next_deadline().map(|at| life.world_time(at));
        if let Some(at) = due.filter(|at| life.command_deadline.is_none_or(|set| set > *at)) {
            life.command_deadline = Some(at);
            let number = life.number;
            self.schedule(at.max(now), Event::CommandDeadline(g, number));
        }
    }

    /// The deadline of a gateway's commands has come.
    pub fn on_command_deadline(&mut self, g: usize) {
        if let Some(life) = self.gateways[g].life.as_mut() {
            life.command_deadline = None;
        }
        if self.plant == Some(Plant::CommandsNeverEnd) {
            return;
        }
        self.command(g, CommandEvent::DeadlineReached);
    }

    fn perform_command(&mut self, g: usize, action: Action) -> Option<CommandEvent> {
        match action {
            Action::Persist(record) => return self.persist_command(g, record),
            Action::Answer(ask, answer) => self.answer_command(g, ask, answer),
            Action::Replicate(to, record) => self.call_replicate(g, &to, record),
            Action::Deliver(to, record) => self.call_deliver(g, &to, record),
            Action::Report(nodes, report) => {
                for to in nodes {
                    self.call_report(g, &to, report.clone());
                }
            }
            Action::SendToVehicle { record, recall, ask } => return Some(self.send_command(g, &record, recall, ask)),
            Action::Wake(vehicle) => self.wake(g, vehicle),
            Action::Changed { record, was } => {
                let (id, now) = (record.id, record.state());
                self.trace.note(self.now, format_args!("gateway {g} shows {id} as {now:?}, before {was:?}"));
                self.judge_told(g, &record);
            }
        }
        None
    }

    fn persist_command(&mut self, g: usize, record: Box<Record>) -> Option<CommandEvent> {
        let id = record.id;
        let life = self.gateways[g].life.as_ref()?;
        let age = life.mono(self.now).since(record.taken);
        if record.origin == self.gateways[g].id {
            self.oracle.orders.taken(self.now.saturating_sub(age.0), &record);
        }
        let written = self.gateways[g].wall(self.now);
        self.to_disk(g, Request::Command { record, age, written });
        (self.plant == Some(Plant::AnswerBeforeDisk)).then_some(CommandEvent::Persisted(id))
    }

    /// Commands that a gateway's disk kept, on the clock of its new life. They are never younger than they were.
    pub fn kept_commands(&self, g: usize, now: Mono, wall: Wall) -> Vec<Record> {
        let kept = self.gateways[g].disk.image().commands.values();
        let restored = kept.map(|(record, age, written)| {
            let since = Millis(u64::try_from(wall.0.saturating_sub(written.0)).unwrap_or(0));
            moved(record, now.before(*age + since))
        });
        restored.collect()
    }

    fn send_command(&mut self, g: usize, record: &Record, recall: bool, ask: Option<Ask>) -> CommandEvent {
        let (now, id) = (self.now, record.id);
        let sent = self.gateways[g].life.as_ref().and_then(|life| {
            let session = life.node.registrar().session(&record.vehicle)?;
            let Phase::Connected(conn) = session.phase() else { return None };
            let (accepted_at, server_time) = life.conns.get(&conn)?.accepted?;
            let message = match recall {
                true => Some(Downlink::CommandCancel(id)),
                false => record.to_send(life.mono(now)).map(|mut command| {
                    command.sent = server_time + Millis(now - accepted_at);
                    Downlink::Command(Box::new(command))
                }),
            };
            Some((conn, message))
        });
        let outcome = match sent {
            Some((conn, Some(message))) => {
                self.trace.note(now, format_args!("gateway {g} hands {id} over on {}", conn.0));
                self.send(conn.0, Place::Gateway(g), Payload::Downlink(Box::new(message)));
                Outcome::Sent
            }
            Some((_, None)) => Outcome::Expired,
            None => Outcome::NotServed,
        };
        CommandEvent::SendEnded { id, outcome, ask }
    }

    /// A wake-up reaches the vehicle or does not.
    fn wake(&mut self, g: usize, vehicle: VehicleId) {
        let Some(number) = self.gateways[g].life.as_ref().map(|life| life.number) else { return };
        self.trace.reach("wake-up");
        let units: Vec<usize> = (0..self.vehicles.len()).filter(|u| self.vehicles[*u].id == vehicle).collect();
        for u in units {
            if self.dice.chance(70) {
                let at = self.now + self.dice.between(500, 8000);
                self.schedule(at, Event::Woken(u));
            }
        }
        self.schedule(self.now + WAKE_MS, Event::WakeEnded(g, number, vehicle));
    }

    /// A wake-up arrives.
    pub fn on_woken(&mut self, u: usize) {
        if self.vehicles[u].on {
            self.input(u, Input::Woken);
        }
    }

    /// What a gateway sees of vehicles after something happened at its node.
    pub fn look_at_vehicles(&mut self, g: usize, actions: &[NodeAction]) {
        let Some(life) = self.gateways[g].life.as_ref() else { return };
        let (mono, view) = (life.mono(self.now), life.node.view());
        let all = actions.iter().any(|action| matches!(action, NodeAction::NodeChanged(_)));
        let changed = |vehicle: &&VehicleId| {
            all || actions.iter().any(|action| matches!(action, NodeAction::VehicleChanged(v) if v == *vehicle))
        };
        let vehicles = life.commands.vehicles().filter(changed);
        let mut seen: Vec<CommandEvent> =
            vehicles.map(|v| CommandEvent::VehicleSeen(v.clone(), sighting(mono, view, v))).collect();
        if all {
            let alive = view.nodes().filter(|node| matches!(node.liveness, Liveness::Alive { .. }));
            let peers = alive.map(|node| (node.info.id.clone(), node.info.region.clone())).collect();
            seen.insert(0, CommandEvent::PeersSeen(peers));
        }
        for event in seen {
            self.command(g, event);
        }
    }

    /// Whether a gateway's disk holds a command.
    pub fn holds_command(&self, g: usize, id: CommandId) -> bool {
        self.gateways[g].disk.image().commands.contains_key(&id)
    }
}
