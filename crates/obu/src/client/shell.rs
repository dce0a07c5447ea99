//! The driver of one machine: takes the next event, applies it, performs what is asked for.

use super::latest::Latest;
use super::link::{Caller, Closing, Input, Refusal};
use super::links::Links;
use super::status::Status;
use super::{CATALOGUE_MAX, Config, Listener, settings, spool_state};
use crate::machine::{Action, Event, LinkId, Machine, Nap, Span};
use crate::notice::Notice;
use crate::spool::{Spool, SpoolError};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use waygate_core::cause::DetachCause;
use waygate_core::command::{CommandId, CommandStatus};
use waygate_core::message::Uplink;
use waygate_core::record::{Position, Record, SignalPath, Telemetry};
use waygate_core::time::{Mono, Wall};
use waygate_wire::Codec;

/// What the owner wants.
#[derive(Debug)]
pub(super) enum Command {
    Record(Record),
    Position(Position),
    Prefer(Vec<String>),
    Attach,
    Detach(DetachCause),
    Ignition(bool),
    Suspend(Nap),
    Woken(String),
    Begin(CommandId, oneshot::Sender<bool>),
    Said(CommandStatus),
}

/// A unit's task.
pub(super) struct Shell<S> {
    machine: Machine,
    spool: S,
    codec: Codec,
    caller: Caller,
    listener: Option<Listener>,
    status: watch::Sender<Status>,
    origin: Instant,
    links: Links,
    /// Sockets that were let go of and still say goodbye.
    closing: FuturesUnordered<Closing>,
    /// Signals seen so far.
    signals: Vec<SignalPath>,
    latest: Latest,
    /// Who wants to begin a command and waits for the answer.
    begins: BTreeMap<CommandId, oneshot::Sender<bool>>,
    actions: Vec<Action>,
    failed: bool,
}

impl<S: Spool> Shell<S> {
    pub(super) fn new(config: Config, spool: S, status: watch::Sender<Status>) -> Self {
        let mut signals = config.signals.clone();
        signals.truncate(CATALOGUE_MAX);
        Self {
            machine: Machine::new(settings(&config), spool_state(&spool)),
            spool,
            codec: config.codec,
            caller: Caller { credentials: config.credentials.into(), source: config.source },
            listener: config.listener,
            status,
            origin: Instant::now(),
            links: Links::default(),
            closing: FuturesUnordered::new(),
            signals,
            latest: Latest::default(),
            begins: BTreeMap::new(),
            actions: Vec::new(),
            failed: false,
        }
    }

    /// Runs until the handle is gone or the spool fails.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        self.apply(Event::AttachRequested).await;
        while !self.failed {
            let deadline = self.machine.next_deadline().map(|at| self.origin + Duration::from_millis(at.0));
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => break,
                },
                (link, input) = self.links.next() => self.take(link, input).await,
                () = until(deadline) => self.apply(Event::DeadlineReached { random: rand::random() }).await,
                Some(()) = self.closing.next() => {}
            }
        }
        // Without a goodbye: the gateway sees a socket that is lost.
        drop(self.links);
        while self.closing.next().await.is_some() {}
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Record(record) => self.keep(record).await,
            Command::Position(position) => self.apply(Event::PositionChanged(position)).await,
            Command::Prefer(gateways) => self.apply(Event::GatewaysPreferred(gateways)).await,
            Command::Attach => self.apply(Event::AttachRequested).await,
            Command::Detach(cause) => self.apply(Event::DetachRequested(cause)).await,
            Command::Ignition(on) => self.apply(Event::IgnitionSwitched(on)).await,
            Command::Suspend(nap) => self.apply(Event::SuspendRequested(nap)).await,
            Command::Woken(payload) => self.apply(Event::Woken { payload }).await,
            Command::Begin(id, answer) => {
                self.begins.insert(id, answer);
                self.apply(Event::BeginAsked(id)).await;
            }
            Command::Said(status) => self.apply(Event::CommandSaid(status)).await,
        }
    }

    async fn keep(&mut self, record: Record) {
        let events = self.append(&record);
        self.apply_all(events).await;
    }

    /// Adds a record to the spool, and gives the events that follow from it.
    fn append(&mut self, record: &Record) -> VecDeque<Event> {
        for (path, _) in &record.signals {
            if self.signals.len() < CATALOGUE_MAX && !self.signals.contains(path) {
                self.signals.push(path.clone());
            }
        }
        self.latest.note(record);
        let mut events = VecDeque::new();
        let appended = match self.spool.append(wall_clock(), record) {
            Ok(appended) => appended,
            Err(error) => {
                self.fail(&error);
                return events;
            }
        };
        self.status.send_modify(|status| status.counters.recorded += 1);
        let position = record.fix.map(|fix| fix.position);
        events.push_back(Event::RecordAdded { seq: appended.seq, position });
        if !appended.dropped.is_empty() {
            let seqs = appended.dropped;
            self.notify(&Notice::RecordsDropped { seqs: seqs.clone(), why: "the spool is full or they are too old" });
            events.push_back(Event::RecordsDropped(seqs));
        }
        events
    }

    async fn take(&mut self, link: LinkId, input: Input) {
        let random = rand::random();
        match input {
            Input::Dialled => {
                self.links.agree(link, &self.signals);
                self.apply(Event::Connected { link, wall: wall_clock(), signals: self.signals.clone() }).await;
            }
            Input::Refused(refusal) => {
                let Refusal { why, retry_after } = refusal;
                self.apply(Event::ConnectFailed { link, why, retry_after, random }).await;
            }
            Input::Sign => self.apply(Event::FrameReceived { link }).await,
            Input::Ended { code, why, rest } => {
                self.closing.extend(rest);
                self.apply(Event::SocketLost { link, code, why, random }).await;
            }
            Input::Frame(frame) => {
                self.apply(Event::FrameReceived { link }).await;
                match self.codec.decode_downlink(&frame) {
                    Ok(message) => self.apply(Event::MessageReceived { link, message, random }).await,
                    // A message of a later version is passed over.
                    Err(error) if error.is_unknown_message() => {}
                    Err(error) => self.notify(&Notice::MessageUnreadable { why: error.to_string() }),
                }
            }
        }
    }

    async fn apply(&mut self, event: Event) {
        self.apply_all(VecDeque::from([event])).await;
    }

    async fn apply_all(&mut self, mut events: VecDeque<Event>) {
        while let Some(event) = events.pop_front() {
            let now = Mono(u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX));
            let mut actions = std::mem::take(&mut self.actions);
            self.machine.apply(now, event, &mut actions);
            for action in actions.drain(..) {
                if !self.failed {
                    self.perform(action, &mut events).await;
                }
            }
            self.actions = actions;
        }
        self.publish();
    }

    async fn perform(&mut self, action: Action, events: &mut VecDeque<Event>) {
        match action {
            Action::Connect { link, gateway } => self.links.dial(link, gateway, self.codec, &self.caller),
            Action::Send { link, message } => {
                let frame = self.codec.encode_uplink(&message, self.links.catalogue(link));
                let sent = self.links.send(link, self.codec, frame).await;
                events.extend(sent.err().map(|why| lost(link, why)));
            }
            Action::SendRecords { link, span, bytes_max } => match self.send_records(link, span, bytes_max).await {
                Ok(event) => events.extend(event),
                Err(error) => self.fail(&error),
            },
            Action::Close { link, code } => self.closing.extend(self.links.close(link, code)),
            Action::Settle { seqs, rejected } => {
                if let Err(error) = self.spool.settle(&seqs, &rejected) {
                    self.fail(&error);
                }
            }
            Action::KeepToken(token) => {
                if let Err(error) = self.spool.keep_token(token) {
                    self.fail(&error);
                }
            }
            Action::RememberCommand(id) => {
                if let Err(error) = self.spool.remember_command(id) {
                    self.fail(&error);
                }
            }
            Action::AnswerBegin { id, granted } => {
                // Who does not wait any more does not begin it either.
                let _ = self.begins.remove(&id).map(|answer| answer.send(granted));
            }
            Action::Snapshot(signals) => {
                for record in self.latest.snapshot(wall_clock(), &signals) {
                    events.extend(self.append(&record));
                }
            }
            Action::Notify(notice) => self.notify(&notice),
        }
    }

    /// Sends records, and gives the events that follow from it.
    async fn send_records(&mut self, link: LinkId, span: Span, bytes_max: usize) -> Result<Vec<Event>, SpoolError> {
        // A number that a gateway has seen must survive a power cut.
        self.spool.sync()?;
        let reading = self.spool.read(span.first, span.last, bytes_max)?;
        let mut events = Vec::new();
        if !reading.lost.is_empty() {
            let seqs = reading.lost;
            self.notify(&Notice::RecordsDropped { seqs: seqs.clone(), why: "the disk has lost them" });
            events.push(Event::RecordsDropped(seqs));
        }
        let telemetry = Telemetry { first_seq: span.first, lane: span.lane, records: reading.records };
        if telemetry.records.is_empty() {
            events.push(Event::RecordsUnread);
            return Ok(events);
        }
        let (first, last) = (telemetry.first_seq, telemetry.last_seq());
        let frame = self.codec.encode_uplink(&Uplink::Telemetry(telemetry), self.links.catalogue(link));
        let bytes = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        events.push(match self.links.send(link, self.codec, frame).await {
            Ok(()) => Event::RecordsSent { first, last, bytes },
            Err(why) => lost(link, why),
        });
        Ok(events)
    }

    fn notify(&self, notice: &Notice) {
        tracing::debug!(?notice, "unit");
        self.status.send_if_modified(|status| {
            status.counters.count(notice);
            if let Notice::Attached { session, .. } = notice {
                status.session = Some(*session);
            }
            // Told once all that follows from an event is done.
            false
        });
        if let Some(listener) = &self.listener {
            listener(notice);
        }
    }

    fn publish(&self) {
        self.status.send_modify(|status| {
            status.state = self.machine.state();
            status.unsettled = self.machine.unsettled();
            if status.gateway != self.machine.gateway() {
                self.machine.gateway().clone_into(&mut status.gateway);
            }
            if status.state != crate::machine::State::Attached {
                status.session = None;
            }
        });
    }

    fn fail(&mut self, error: &SpoolError) {
        let mut why = error.to_string();
        if let Some(source) = std::error::Error::source(error) {
            why = format!("{why}: {source}");
        }
        tracing::error!(why, "the spool has failed");
        self.failed = true;
        self.notify(&Notice::SpoolFailed { why });
    }
}

fn lost(link: LinkId, why: String) -> Event {
    Event::SocketLost { link, code: None, why, random: rand::random() }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The unit's clock.
fn wall_clock() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
