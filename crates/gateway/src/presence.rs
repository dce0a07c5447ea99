//! The presence task: owns the node of the core, gives it what happens and performs what it asks for.
//!
//! It never waits for a disk, a vehicle or a peer: writes that find the journal busy are kept, one a vehicle;
//! a stream without room is not written to; an attach that would wait too long is told to come later.

mod bars;
mod command;
pub mod context;
mod found;
mod leaving;
mod pace;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub mod sight_rig;
mod state;

pub use command::{Barred, Command, Link, Presence};
pub use state::State;

use self::context::Gathering;
use self::found::Found;
use self::leaving::Draining;
use self::pace::Pace;
use crate::admission::Gate;
use crate::clock::Clock;
use crate::journal::{Answer, Job};
use crate::live::{Change, Live};
use crate::mailbox::{Letter, Mailbox};
use crate::peers::handover::{Errand, Notice};
use crate::timeline::{FLAG_CLONED, News, Timeline};
use crate::vehicles::refusals::Refusals;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use waygate_core::admission::{Class, Verdict};
use waygate_core::cause::{DetachCause, RejectCause};
use waygate_core::credential::Bars;
use waygate_core::drain::Event as DrainEvent;
use waygate_core::id::{ConnId, Incarnation, NodeId, SessionId, VehicleId};
use waygate_core::log::{Entry, LiveState};
use waygate_core::message::{AttachReject, AttachRequest, Downlink};
use waygate_core::node::{Action, Event, HangUp, LinkId, Node};
use waygate_core::redirect::Territory;
use waygate_core::registrar::Event as RegistrarEvent;
use waygate_core::session::{Action as SessionAction, Phase, Session};
use waygate_core::sync::Room;
use waygate_core::time::{Millis, Mono, Wall};
use waygate_core::view::{Liveness, Tally};
use waygate_core::wake::WakeChannels;
use waygate_store::{PresenceRecord, Write};

/// Commands that may wait; beyond it, whoever asks waits, or is told of congestion.
pub const COMMANDS_MAX: usize = 4096;

/// Attaches on their way to disk at once.
pub const ATTACHES_MAX: usize = 4096;

/// How often silence is looked for.
const TICK: Duration = Duration::from_secs(1);

/// A vehicle that was silent for longer is asked for the present value of all its signals when it is back.
const SNAPSHOT_AFTER: Millis = Millis::secs(10 * 60);

/// Where what the task wants done is done.
#[derive(Debug)]
pub struct Outlets {
    /// Makes it durable.
    pub journal: mpsc::Sender<Job>,
    /// Asks other gateways.
    pub errands: mpsc::Sender<Errand>,
    /// Tells those who watch.
    pub live: Live,
    /// Tells of vehicles that were turned away.
    pub refusals: Arc<Refusals>,
}

/// The task.
#[derive(Debug)]
pub struct PresenceTask {
    state: State,
    commands: mpsc::Receiver<Command>,
    answers: mpsc::Receiver<Answer>,
    journal: mpsc::Sender<Job>,
    errands: mpsc::Sender<Errand>,
    territory: Arc<Territory>,
    live: Live,
    gathering: Gathering,
    unsaved: BTreeMap<VehicleId, Entry>,
    pace: Pace,
    vanished: BTreeSet<VehicleId>,
    draining: Option<Draining>,
    timeline: Option<Timeline>,
    outlived: Option<watch::Sender<Option<Incarnation>>>,
    /// Attaches under way of vehicles that were not heard for long.
    back: BTreeSet<ConnId>,
    refusals: Arc<Refusals>,
}

impl PresenceTask {
    #[allow(clippy::too_many_arguments, reason = "the two ends of every queue, each given once")]
    /// A task over a node whose earlier life is restored already.
    pub fn new(
        node: Node,
        clock: Clock,
        commands: mpsc::Receiver<Command>,
        answers: mpsc::Receiver<Answer>,
        outlets: Outlets,
        territory: Arc<Territory>,
        gate: Gate,
    ) -> Self {
        let Outlets { journal, errands, live, refusals } = outlets;
        let (mailboxes, links, ended) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (bars, said) = (Bars::default(), BTreeMap::new());
        let found = Found::default();
        let state = State { node, clock, gate, bars, mailboxes, links, ended, said, found };
        Self {
            state,
            commands,
            answers,
            journal,
            errands,
            territory,
            live,
            gathering: Gathering::default(),
            unsaved: BTreeMap::new(),
            pace: Pace::default(),
            vanished: BTreeSet::new(),
            draining: None,
            timeline: None,
            outlived: None,
            back: BTreeSet::new(),
            refusals,
        }
    }

    /// Timelines are kept of what changes, from what the node knows already on.
    #[must_use]
    pub fn keeping(mut self, news: mpsc::Sender<News>) -> Self {
        self.timeline = Some(Timeline::new(news, self.state.node.view()));
        self
    }

    /// Whoever ends this life is told if peers know of a later one.
    #[must_use]
    pub fn telling(mut self, outlived: watch::Sender<Option<Incarnation>>) -> Self {
        self.outlived = Some(outlived);
        self
    }

    /// Runs until every way to it is gone.
    pub async fn run(mut self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let deadline = self.state.node.next_deadline().map(|at| self.state.clock.instant(at));
            let drain = self.drain_deadline();
            let busy = !self.state.links.is_empty() || !self.unsaved.is_empty();
            let flush = busy.then(|| self.state.clock.instant(self.pace.due(self.state.node.view().own_head())));
            tokio::select! {
                biased;
                // What is paced comes first: however many commands wait, heartbeats leave and holds expire in time.
                _ = tick.tick() => self.tick(),
                () = sleep_until(flush), if busy => self.flush(),
                () = sleep_until(deadline), if deadline.is_some() => {
                    self.register(RegistrarEvent::DeadlineReached);
                }
                () = sleep_until(drain), if drain.is_some() => self.drain_on(),
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
                self.drive_drain(DrainEvent::Left(conn));
                self.back.remove(&conn);
            }
            Command::Bar(barred) => self.bar(barred),
            Command::LinkOpened(id, link) => {
                let dialled = link.dialled;
                self.state.links.insert(id, link);
                self.apply(Event::LinkOpened { link: id, dialled });
                self.flush();
            }
            Command::FrameReceived(link, frame) => self.apply(Event::FrameReceived(link, frame)),
            Command::LinkLost(link) => {
                self.state.forget_link(link);
                self.apply(Event::LinkLost(link));
            }
            Command::Said(node, said) => self.state.note_said(node, said),
            Command::Member(info, standing) => self.apply(Event::MemberChanged(info, standing)),
            Command::Supersede(notice, reply) => {
                let Notice { vehicle, session, epoch, by, recorded, detached } = notice;
                let before = self.state.node.registrar().session(&vehicle).is_some();
                if recorded {
                    let (told, lost) = (vehicle.clone(), (session, epoch));
                    self.apply(Event::ToldOutranked { vehicle: told, lost, by, detached });
                } else {
                    self.register(RegistrarEvent::Superseded { vehicle: vehicle.clone(), session, epoch, by });
                }
                let served = |session: &Session| !matches!(session.phase(), Phase::Yielded(..));
                let applied = before && !self.state.node.registrar().session(&vehicle).is_some_and(served);
                let _ = reply.send(applied);
            }
            Command::Probe(vehicle, asker) => {
                if let Some(mailbox) = self.state.mailbox_of(&vehicle) {
                    // Without room it is dropped, and counts as one that the vehicle did not read.
                    mailbox.offer(Letter::Probe(asker));
                }
            }
            Command::SendTo { vehicle, message, written } => {
                if let Some(mailbox) = self.state.mailbox_of(&vehicle) {
                    mailbox.offer(Letter::Deliver(message, written));
                }
            }
            Command::Hand { record, recall, reply } => {
                let _ = reply.send(self.state.hand(&record, recall));
            }
            Command::Found(sight) => self.state.found.note(self.state.clock.now(), *sight),
            Command::Ask(question) => question(&self.state),
            Command::Context(request) => self.tell_context(request),
            Command::Gathered { notice, spool, context } => self.gathered(&notice, spool, context),
            Command::Drain(window, done) => self.drain(window, done),
            Command::SendAway => self.send_all_away(),
        }
    }

    fn attach(&mut self, mailbox: Arc<Mailbox>, request: Box<AttachRequest>) {
        let conn = mailbox.conn();
        if self.turned_away(&mailbox, &request.vehicle) {
            return;
        }
        if self.state.draining() {
            count_refused(RejectCause::Draining);
            mailbox.put(Letter::Send(self.refuse_while_draining(&request)));
            return mailbox.put(Letter::Close(RejectCause::Draining.close_code()));
        }
        let resumes = self.state.node.registrar().resumes(&request);
        let class = if resumes { Class::Resume } else { Class::Other };
        let room = self.journal.capacity() > 0;
        if let Verdict::Refused { backoff } = self.state.gate.ask(self.state.clock.now(), class, room) {
            return refuse(&mailbox, RejectCause::Congestion, backoff, "too many vehicles attach at once");
        }
        if self.state.seen(&request.vehicle).is_none_or(|sight| sight.age > SNAPSHOT_AFTER) {
            self.back.insert(conn);
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
        let of = vehicle.clone();
        self.register(match settled {
            Some(settled) => RegistrarEvent::Persisted { vehicle, session, epoch, settled },
            None => RegistrarEvent::PersistFailed { vehicle, session, epoch },
        });
        self.decided(&of);
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
            Action::Outlived(life) => self.note_outlived(life),
            Action::TellOutranked { node, vehicle, lost: (session, epoch), by, detached } => {
                let notice = Notice { vehicle, session, epoch, by, recorded: true, detached };
                self.fetch(node, notice, None);
            }
        }
    }

    /// Every peer says so with every sign of life: it is told once.
    fn note_outlived(&self, life: Incarnation) {
        let Some(outlived) = &self.outlived else { return };
        let news = outlived.send_if_modified(|known| {
            let news = known.is_none_or(|known| known < life);
            *known = (*known).max(Some(life));
            news
        });
        if news {
            tracing::error!(
                life = life.0,
                "peers know a life of this node that its store does not: no one believes this one"
            );
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
            SessionAction::Accept(conn, mut accepted) => {
                metrics::counter!("waygate_attaches_total").increment(1);
                let token = self.state.node.registrar().token(&accepted.vehicle, accepted.session, accepted.epoch);
                let vehicle = accepted.vehicle.clone();
                accepted.gathers = self.gathering.begins(&vehicle, (conn, accepted.spool.id), accepted.gathers);
                let outage = self.back.remove(&conn) || (accepted.settled.is_empty() && !accepted.gathers);
                self.send(conn, Letter::Accept(accepted, token));
                if outage {
                    self.send(conn, Letter::Send(Downlink::SnapshotRequest(Vec::new())));
                }
                self.live.attached(vehicle);
                self.drive_drain(DrainEvent::Joined(conn));
            }
            SessionAction::Close(conn, code) => self.send(conn, Letter::Close(code)),
            SessionAction::Supersede { node, vehicle, session, epoch, by, spool } => {
                let notice = Notice { vehicle, session, epoch, by, recorded: false, detached: false };
                self.fetch(node, notice, Some(spool));
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
        if let Some(link) = self.state.forget_link(link) {
            link.hang_up.cancel();
        }
    }

    /// Tells those who watch what is shown now. A vehicle that nobody speaks for may be between two gateways: the
    /// old one has let go and the new one's entry is on its way. It is told as unknown at the next tick if it still is.
    fn show(&mut self, vehicle: &VehicleId) {
        if let Some(timeline) = &mut self.timeline {
            timeline.changed(self.state.node.view(), vehicle, self.state.clock.wall());
        }
        match self.state.seen(vehicle) {
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
        if let Some(timeline) = &mut self.timeline {
            timeline.tick(self.state.node.view(), self.state.clock.wall());
        }
        metrics::gauge!("waygate_peers_with_other_homes").set(self.state.peers_with_other_homes().count() as f64);
        for vehicle in std::mem::take(&mut self.vanished) {
            if self.state.seen(&vehicle).is_none() {
                self.live.publish(Change::Vehicle(Box::new(crate::operators::shape::unknown(&vehicle))));
            }
        }
    }

    /// What is shown of all vehicles of a node changed at once; told one by one only to those who watch.
    fn show_node(&self, node: &NodeId) {
        if let Some(status) = self.state.node.view().node(node) {
            let (region, incarnation) = (&status.info.region, status.info.incarnation.0);
            match status.liveness {
                Liveness::Alive { .. } => {
                    tracing::info!(%node, %region, incarnation, "peer is heard");
                    if self.state.peers_with_other_homes().any(|other| other == node) {
                        let what = "peer has other [cluster] regions or homes: each looks for vehicles where they are not kept";
                        tracing::warn!(%node, %region, "{what}; give all gateways the same list");
                    }
                }
                Liveness::Relayed { .. } => {
                    tracing::warn!(%node, %region, "peer is not heard, and others pass on what it says");
                }
                Liveness::Lost { .. } => {
                    tracing::warn!(%node, %region, "peer is lost: its vehicles read as stale");
                }
                Liveness::Own | Liveness::Unmet { .. } => {}
            }
        }
        let vehicles = all(self.state.node.view().tally(node));
        if !self.live.tells_each(vehicles) {
            return self.live.publish(Change::Node(node.clone(), vehicles));
        }
        self.live.publish(Change::Node(node.clone(), 0));
        let mut changed = Vec::new();
        let told = |sight| changed.push(crate::operators::shape::vehicle(&sight));
        self.state.scan_of(None, usize::MAX, |owner| owner == node, told);
        for vehicle in changed {
            self.live.publish(Change::Vehicle(Box::new(vehicle)));
        }
    }

    fn flush(&mut self) {
        self.pace.looked(self.state.clock.now(), self.state.node.view().own_head());
        let room = |link: &Link| Room { free: link.frames.capacity(), capacity: link.frames.max_capacity() };
        let rooms: Vec<_> = self.state.links.iter().map(|(id, link)| (*id, room(link))).collect();
        for (link, room) in rooms {
            if room.free > 0 {
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

/// All vehicles of a count.
fn all(tally: Tally) -> u64 {
    let Tally { online, idle, asleep, unreachable, offline, stale } = tally;
    online + idle + asleep + unreachable + offline + stale
}

fn wall_of(clock: &Clock, at: Mono) -> Wall {
    clock.wall() - clock.now().since(at)
}

/// Sleeps until then, or for ever.
pub async fn sleep_until(deadline: Option<tokio::time::Instant>) {
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

#[cfg(test)]
#[path = "presence_tests.rs"]
mod tests;
