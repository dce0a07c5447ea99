//! The presence task: owns the node of the core, gives it what happens and performs what it asks for.
//!
//! It never waits for a disk, a vehicle or a peer: writes that find the journal busy are kept, one a vehicle;
//! a stream without room is not written to; an attach that would wait too long is told to come later.

use crate::admission::Gate;
use crate::clock::Clock;
use crate::journal::{Answer, Job};
use crate::live::{Change, Live};
use crate::mailbox::{Letter, Mailbox};
use crate::peers::supersede::Notice;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use waygate_core::admission::{Class, Verdict};
use waygate_core::cause::{DetachCause, RejectCause};
use waygate_core::cell::Cell;
use waygate_core::id::{ConnId, NodeId, SessionId, VehicleId};
use waygate_core::log::{Entry, LiveState};
use waygate_core::message::{AttachReject, AttachRequest, Downlink, Suspend};
use waygate_core::node::{Action, Event, HangUp, LinkId, Node};
use waygate_core::registrar::Event as RegistrarEvent;
use waygate_core::session::Action as SessionAction;
use waygate_core::sync::Frame;
use waygate_core::time::{Millis, Mono, Wall};
use waygate_core::view::{AgeKind, Liveness, Sight};
use waygate_core::wake::WakeChannels;
use waygate_store::{PresenceRecord, Write};

/// Commands that may wait; beyond it, whoever asks waits, or is told of congestion.
pub const COMMANDS_MAX: usize = 4096;

/// Attaches on their way to disk at once.
pub const ATTACHES_MAX: usize = 4096;

/// How often streams to peers are given what is new.
const FLUSH: Duration = Duration::from_millis(100);

/// A flag of a stored state: two units seem to use the identity.
const FLAG_CLONED: u8 = 1;

/// How often silence is looked for.
const TICK: Duration = Duration::from_secs(1);

/// Something for the presence task.
pub enum Command {
    /// A vehicle asks for a session.
    Attach(Arc<Mailbox>, Box<AttachRequest>),
    /// A vehicle is in another tracking area.
    Moved(ConnId, Cell),
    /// A vehicle said goodbye.
    Detach(ConnId, DetachCause),
    /// A vehicle goes to sleep once its socket ends.
    Suspend(ConnId, Suspend),
    /// A connection has ended.
    Lost(ConnId),
    /// A stream to a peer was opened.
    LinkOpened(LinkId, Link),
    /// A peer sent a frame.
    FrameReceived(LinkId, Frame),
    /// A stream ended.
    LinkLost(LinkId),
    /// Another gateway says that a session lost.
    Supersede(Notice, oneshot::Sender<bool>),
    /// A question.
    Ask(Box<dyn FnOnce(&State) + Send>),
    /// The gateway stops: every vehicle is sent away.
    Drain,
}

/// The gateway's end of a stream to a peer.
#[derive(Debug)]
pub struct Link {
    /// Whether this node dialled it.
    pub dialled: bool,
    /// Takes frames for the peer.
    pub frames: mpsc::Sender<Frame>,
    /// Ends the stream.
    pub hang_up: tokio_util::sync::CancellationToken,
}

/// The way to the presence task. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Presence {
    commands: mpsc::Sender<Command>,
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Command")
    }
}

impl Presence {
    /// A way to a task that reads `commands`.
    pub fn new(commands: mpsc::Sender<Command>) -> Self {
        Self { commands }
    }

    /// Asks for a session; `false` if the task cannot even be asked.
    pub fn try_attach(&self, mailbox: Arc<Mailbox>, request: Box<AttachRequest>) -> bool {
        self.commands.try_send(Command::Attach(mailbox, request)).is_ok()
    }

    /// Gives the task a command, waiting for room.
    pub async fn tell(&self, command: Command) {
        if self.commands.send(command).await.is_err() {
            tracing::debug!("the presence task has ended");
        }
    }

    /// Asks the task; `None` if it has ended. The question must be answered quickly.
    pub async fn ask<T: Send + 'static>(&self, question: impl FnOnce(&State) -> T + Send + 'static) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Ask(Box::new(move |state| {
            let _ = reply.send(question(state));
        }));
        self.tell(command).await;
        answer.await.ok()
    }
}

/// What the task owns.
#[derive(Debug)]
pub struct State {
    /// The core.
    pub node: Node,
    /// The clocks.
    pub clock: Clock,
    /// Load control.
    pub gate: Gate,
    mailboxes: BTreeMap<ConnId, Arc<Mailbox>>,
    links: BTreeMap<LinkId, Link>,
}

impl State {
    /// What is shown of a vehicle.
    pub fn sight(&self, vehicle: &VehicleId) -> Option<Sight> {
        self.node.view().sight(self.clock.now(), vehicle).map(|sight| self.measured(sight))
    }

    /// Vehicles after `after`, at most `scan_max` looked at; where to go on.
    pub fn scan(&self, after: Option<&VehicleId>, scan_max: usize, mut keep: impl FnMut(Sight)) -> Option<VehicleId> {
        self.node.view().scan(self.clock.now(), after, scan_max, |sight| keep(self.measured(sight)))
    }

    /// Since the last frame of a vehicle that is served here; `None` if it is not.
    pub fn contact_age(&self, vehicle: &VehicleId) -> Option<Millis> {
        let session = self.node.registrar().session(vehicle)?;
        let heard = session.conns()[0].and_then(|conn| self.mailboxes.get(&conn)).map(|mailbox| mailbox.last_heard());
        let contact = heard.or_else(|| session.entry().map(|entry| entry.contact))?;
        Some(self.clock.now().since(contact))
    }

    /// How many sockets are attached.
    pub fn sockets(&self) -> usize {
        self.mailboxes.len()
    }

    /// A vehicle connected here was heard more lately than its log entry says.
    fn measured(&self, mut sight: Sight) -> Sight {
        if sight.owner == self.node.view().me().id
            && let Some(age) = self.contact_age(&sight.vehicle)
        {
            sight.age = age.min(sight.age);
            sight.age_kind = AgeKind::Measured;
        }
        sight
    }
}

/// The task.
#[derive(Debug)]
pub struct PresenceTask {
    state: State,
    commands: mpsc::Receiver<Command>,
    answers: mpsc::Receiver<Answer>,
    journal: mpsc::Sender<Job>,
    notices: mpsc::Sender<(NodeId, Notice)>,
    live: Live,
    unsaved: BTreeMap<VehicleId, Entry>,
    vanished: BTreeSet<VehicleId>,
    draining: bool,
}

impl PresenceTask {
    #[allow(clippy::too_many_arguments, reason = "the two ends of every queue, each given once")]
    /// A task over a node whose earlier life is restored already.
    pub fn new(
        node: Node,
        clock: Clock,
        commands: mpsc::Receiver<Command>,
        answers: mpsc::Receiver<Answer>,
        journal: mpsc::Sender<Job>,
        notices: mpsc::Sender<(NodeId, Notice)>,
        live: Live,
        gate: Gate,
    ) -> Self {
        let state = State { node, clock, gate, mailboxes: BTreeMap::new(), links: BTreeMap::new() };
        Self {
            state,
            commands,
            answers,
            journal,
            notices,
            live,
            unsaved: BTreeMap::new(),
            vanished: BTreeSet::new(),
            draining: false,
        }
    }

    /// Runs until every way to it is gone.
    pub async fn run(mut self) {
        let mut flush = tokio::time::interval(FLUSH);
        flush.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let deadline = self.state.node.next_deadline().map(|at| self.state.clock.instant(at));
            tokio::select! {
                biased;
                // What is paced comes first: however many commands wait, heartbeats leave and holds expire in time.
                _ = tick.tick() => self.tick(),
                _ = flush.tick(), if !self.state.links.is_empty() || !self.unsaved.is_empty() => self.flush(),
                () = sleep_until(deadline), if deadline.is_some() => {
                    self.register(RegistrarEvent::DeadlineReached);
                }
                Some(answer) = self.answers.recv() => self.answered(answer),
                command = self.commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => return self.flush(),
                },
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Attach(mailbox, request) => self.attach(mailbox, request),
            Command::Moved(conn, cell) => self.register(RegistrarEvent::Moved(conn, cell)),
            Command::Detach(conn, cause) => self.register(RegistrarEvent::DetachRequested(conn, cause)),
            Command::Suspend(conn, suspend) => {
                self.register(RegistrarEvent::SuspendRequested(conn, suspend.sleep, suspend.wake));
            }
            Command::Lost(conn) => {
                let now = self.state.clock.now();
                let contact = self.state.mailboxes.get(&conn).map_or(now, |mailbox| mailbox.last_heard());
                self.register(RegistrarEvent::SocketLost { conn, contact });
                self.state.mailboxes.remove(&conn);
            }
            Command::LinkOpened(id, link) => {
                let dialled = link.dialled;
                self.state.links.insert(id, link);
                self.apply(Event::LinkOpened { link: id, dialled });
                self.flush();
            }
            Command::FrameReceived(link, frame) => self.apply(Event::FrameReceived(link, frame)),
            Command::LinkLost(link) => {
                self.state.links.remove(&link);
                self.apply(Event::LinkLost(link));
            }
            Command::Supersede(notice, reply) => {
                let Notice { vehicle, session, epoch, by } = notice;
                let before = self.state.node.registrar().session(&vehicle).is_some();
                self.register(RegistrarEvent::Superseded { vehicle: vehicle.clone(), session, epoch, by });
                let applied = before && self.state.node.registrar().session(&vehicle).is_none();
                let _ = reply.send(applied);
            }
            Command::Ask(question) => question(&self.state),
            Command::Drain => self.drain(),
        }
    }

    fn attach(&mut self, mailbox: Arc<Mailbox>, request: Box<AttachRequest>) {
        let conn = mailbox.conn();
        if self.draining {
            return refuse(&mailbox, RejectCause::Draining, Millis(0), "this gateway stops");
        }
        let resumes = self.state.node.registrar().resumes(&request);
        let class = if resumes { Class::Resume } else { Class::Other };
        let room = self.journal.capacity() > 0;
        if let Verdict::Refused { backoff } = self.state.gate.ask(self.state.clock.now(), class, room) {
            return refuse(&mailbox, RejectCause::Congestion, backoff, "too many vehicles attach at once");
        }
        self.state.mailboxes.insert(conn, mailbox);
        let mut random = [0; 8];
        if let Err(error) = getrandom::fill(&mut random) {
            tracing::error!(%error, "no random bits: the attach is refused");
            return self.send(conn, Letter::Close(1011));
        }
        let (wall, fresh) = (self.state.clock.wall(), SessionId(u64::from_le_bytes(random)));
        let (known, connected_elsewhere) = (None, false);
        self.register(RegistrarEvent::AttachRequested { conn, request, known, connected_elsewhere, wall, fresh });
    }

    fn answered(&mut self, answer: Answer) {
        let Answer { vehicle, session, epoch, settled } = answer;
        self.state.gate.answered(self.state.clock.now(), settled.is_some());
        self.register(match settled {
            Some(settled) => RegistrarEvent::Persisted { vehicle, session, epoch, settled },
            None => RegistrarEvent::PersistFailed { vehicle, session, epoch },
        });
    }

    fn register(&mut self, event: RegistrarEvent) {
        self.apply(Event::Session(event));
    }

    fn apply(&mut self, event: Event) {
        let mut actions = Vec::new();
        self.state.node.apply(self.state.clock.now(), event, &mut actions);
        for action in actions {
            self.perform(action);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Session(action) => self.perform_session(action),
            Action::SendFrame(link, frame) => {
                // There was room when the frame was asked for; without it the peer is gone.
                if self.state.links.get(&link).is_none_or(|link| link.frames.try_send(frame).is_err()) {
                    tracing::debug!(link = link.0, "a frame was not sent: the stream has ended");
                }
            }
            Action::HangUp(link, why) => self.hang_up(link, &why),
            Action::VehicleChanged(vehicle) => self.show(&vehicle),
            Action::NodeChanged(node) => self.show_node(&node),
        }
    }

    fn perform_session(&mut self, action: SessionAction) {
        match action {
            SessionAction::Persist { vehicle, entry, spool: Some(spool), answer: true } => {
                let (session, epoch) = (entry.session, entry.epoch);
                let presence = self.record(&vehicle, &entry, Some(spool));
                let write = Write::Attach { presence, spool };
                let job = Job::Presence { write, answer: Some((vehicle.clone(), session, epoch)) };
                if self.state.gate.waiting() < ATTACHES_MAX as u64 && self.journal.try_send(job).is_ok() {
                    // What was to be saved of it is overtaken.
                    self.unsaved.remove(&vehicle);
                    self.state.gate.begun(self.state.clock.now());
                } else {
                    self.register(RegistrarEvent::PersistFailed { vehicle, session, epoch });
                }
            }
            SessionAction::Persist { vehicle, entry, .. } => {
                self.unsaved.insert(vehicle, entry);
            }
            SessionAction::Send(conn, message) => {
                if let Downlink::AttachReject(reject) = &message {
                    count_refused(reject.cause);
                }
                self.send(conn, Letter::Send(message));
            }
            SessionAction::Accept(conn, accepted) => {
                metrics::counter!("waygate_attaches_total").increment(1);
                let token = self.state.node.registrar().token(&accepted.vehicle, accepted.session, accepted.epoch);
                self.send(conn, Letter::Accept(accepted, token));
            }
            SessionAction::Close(conn, code) => self.send(conn, Letter::Close(code)),
            SessionAction::Supersede { node, vehicle, session, epoch, by } => {
                // Best effort: the winning entry tells the same by gossip.
                let _ = self.notices.try_send((node, Notice { vehicle, session, epoch, by }));
            }
            SessionAction::ReportClone(vehicle) => {
                metrics::counter!("waygate_cloned_identities_total").increment(1);
                tracing::warn!(%vehicle, "there seem to be several of this vehicle: they push each other out");
            }
            // The node publishes by itself.
            SessionAction::Publish(..) => {}
        }
    }

    fn send(&self, conn: ConnId, letter: Letter) {
        if let Some(mailbox) = self.state.mailboxes.get(&conn) {
            mailbox.put(letter);
        }
    }

    fn hang_up(&mut self, link: LinkId, why: &HangUp) {
        match why {
            HangUp::Fault(fault) => tracing::warn!(link = link.0, %fault, "a peer is hung up on"),
            HangUp::Twin => tracing::debug!(link = link.0, "there are two streams to a peer; one ends"),
            HangUp::Silent => tracing::warn!(link = link.0, "a peer is silent; its stream ends"),
        }
        if let Some(link) = self.state.links.remove(&link) {
            link.hang_up.cancel();
        }
    }

    /// Tells those who watch what is shown now. A vehicle that nobody speaks for may be between two gateways: the
    /// old one has let go and the new one's entry is on its way. It is told as unknown at the next tick if it still is.
    fn show(&mut self, vehicle: &VehicleId) {
        match self.state.sight(vehicle) {
            Some(sight) => {
                self.vanished.remove(vehicle);
                self.live.publish(Change::Vehicle(Box::new(crate::operators::shape::vehicle(&sight))));
            }
            None => drop(self.vanished.insert(vehicle.clone())),
        }
    }

    fn tick(&mut self) {
        self.state.gate.share(self.state.clock.now());
        self.apply(Event::Ticked);
        for vehicle in std::mem::take(&mut self.vanished) {
            if self.state.sight(&vehicle).is_none() {
                self.live.publish(Change::Vehicle(Box::new(crate::operators::shape::unknown(&vehicle))));
            }
        }
    }

    /// What is shown of all vehicles of a node changed at once; told one by one only to those who watch.
    fn show_node(&self, node: &NodeId) {
        if let Some(status) = self.state.node.view().node(node) {
            let (region, incarnation) = (&status.info.region, status.info.incarnation.0);
            match status.liveness {
                Liveness::Alive { .. } => tracing::info!(%node, %region, incarnation, "peer is heard"),
                Liveness::Lost { .. } => {
                    tracing::warn!(%node, %region, "peer is lost: its vehicles read as stale");
                }
                Liveness::Own | Liveness::Unmet { .. } => {}
            }
        }
        if self.live.viewers() == 0 {
            let tally = self.state.node.view().tally(node);
            let vehicles = tally.online + tally.idle + tally.unreachable + tally.offline + tally.stale;
            return self.live.publish(Change::Node(node.clone(), vehicles));
        }
        self.live.publish(Change::Node(node.clone(), 0));
        let mut changed = Vec::new();
        self.state.scan(None, usize::MAX, |sight| {
            if sight.owner == *node {
                changed.push(crate::operators::shape::vehicle(&sight));
            }
        });
        for vehicle in changed {
            self.live.publish(Change::Vehicle(Box::new(vehicle)));
        }
    }

    fn flush(&mut self) {
        let rooms: Vec<_> = self.state.links.iter().map(|(id, link)| (*id, link.frames.capacity())).collect();
        for (link, room) in rooms {
            if room > 0 {
                self.apply(Event::FlushDue { link, room });
            }
        }
        while let Some((vehicle, entry)) = self.unsaved.pop_first() {
            let write = match entry.state {
                LiveState::Removed => Write::Forget { vehicle: vehicle.clone() },
                LiveState::Connected
                | LiveState::Idle
                | LiveState::Asleep
                | LiveState::Unreachable
                | LiveState::Detached => Write::Presence(self.record(&vehicle, &entry, None)),
            };
            if self.journal.try_send(Job::Presence { write, answer: None }).is_err() {
                self.unsaved.insert(vehicle, entry);
                break;
            }
        }
    }

    fn record(&self, vehicle: &VehicleId, entry: &Entry, spool: Option<waygate_core::id::SpoolId>) -> PresenceRecord {
        PresenceRecord {
            vehicle: vehicle.clone(),
            epoch: entry.epoch,
            session: entry.session,
            state: entry.state.number(),
            cause: entry.cause.map_or(0, DetachCause::number),
            cell: entry.cell,
            contact: wall_of(&self.state.clock, entry.contact),
            spool,
            sleep: entry.sleep,
            wake: entry.wake.bits(),
            flags: if entry.cloned { FLAG_CLONED } else { 0 },
        }
    }

    fn drain(&mut self) {
        self.draining = true;
        let mut orders = Vec::new();
        for conn in self.state.mailboxes.keys() {
            waygate_core::session::order(*conn, waygate_core::cause::OrderCause::Draining, true, &mut orders);
        }
        for action in orders {
            self.perform_session(action);
        }
        self.flush();
    }
}

/// Rejects an attach before anything is kept of it.
fn refuse(mailbox: &Mailbox, cause: RejectCause, backoff: Millis, text: &str) {
    count_refused(cause);
    let reject = AttachReject { cause, backoff, redirect: Vec::new(), text: text.to_owned() };
    mailbox.put(Letter::Send(Downlink::AttachReject(reject)));
    mailbox.put(Letter::Close(cause.close_code()));
}

/// Counts an attach that was rejected.
pub fn count_refused(cause: RejectCause) {
    metrics::counter!("waygate_attaches_refused_total", "cause" => cause.wire()).increment(1);
}

fn wall_of(clock: &Clock, at: Mono) -> Wall {
    clock.wall() - clock.now().since(at)
}

async fn sleep_until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// What the store kept of a vehicle, for the node's new life; `None` if it cannot be read.
pub fn restored(clock: &Clock, record: &PresenceRecord) -> Option<(VehicleId, Entry)> {
    let entry = Entry {
        epoch: record.epoch,
        session: record.session,
        state: LiveState::from_number(record.state)?,
        cause: DetachCause::from_number(record.cause),
        cell: record.cell,
        contact: clock.mono_of(record.contact),
        sleep: record.sleep,
        wake: WakeChannels::from_bits(record.wake),
        cloned: record.flags & FLAG_CLONED != 0,
    };
    Some((record.vehicle.clone(), entry))
}
