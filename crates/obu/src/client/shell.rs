//! The driver of one machine: takes the next event, applies it, performs what is asked for.

use super::link::{Input, Link};
use super::status::Status;
use super::{CATALOGUE_MAX, Config, Listener, settings, spool_state};
use crate::machine::{Action, Event, Machine, Span};
use crate::notice::Notice;
use crate::spool::{Spool, SpoolError};
use std::collections::VecDeque;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use waygate_core::cause::DetachCause;
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
}

type Closing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A unit's task.
pub(super) struct Shell<S> {
    machine: Machine,
    spool: S,
    codec: Codec,
    source: Option<IpAddr>,
    listener: Option<Listener>,
    status: watch::Sender<Status>,
    origin: Instant,
    link: Link,
    /// A socket that was let go of and still says goodbye.
    closing: Option<Closing>,
    /// Signals seen so far.
    signals: Vec<SignalPath>,
    /// Those of them that were agreed on at the last attach.
    catalogue: Vec<SignalPath>,
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
            source: config.source,
            listener: config.listener,
            status,
            origin: Instant::now(),
            link: Link::Absent,
            closing: None,
            signals,
            catalogue: Vec::new(),
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
                input = self.link.next() => self.take(input).await,
                () = until(deadline) => self.apply(Event::DeadlineReached { random: rand::random() }).await,
                () = finish(&mut self.closing) => self.closing = None,
            }
        }
        // Without a goodbye: the gateway sees a socket that is lost.
        drop(self.link);
        if let Some(closing) = self.closing {
            closing.await;
        }
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Record(record) => self.keep(record).await,
            Command::Position(position) => self.apply(Event::PositionChanged(position)).await,
            Command::Prefer(gateways) => self.apply(Event::GatewaysPreferred(gateways)).await,
            Command::Attach => self.apply(Event::AttachRequested).await,
            Command::Detach(cause) => self.apply(Event::DetachRequested(cause)).await,
            Command::Ignition(on) => self.apply(Event::IgnitionSwitched(on)).await,
        }
    }

    async fn keep(&mut self, record: Record) {
        for (path, _) in &record.signals {
            if self.signals.len() < CATALOGUE_MAX && !self.signals.contains(path) {
                self.signals.push(path.clone());
            }
        }
        let appended = match self.spool.append(wall_clock(), &record) {
            Ok(appended) => appended,
            Err(error) => return self.fail(&error),
        };
        self.status.send_modify(|status| status.counters.recorded += 1);
        let position = record.fix.map(|fix| fix.position);
        self.apply(Event::RecordAdded { seq: appended.seq, position }).await;
        if !appended.dropped.is_empty() {
            let seqs = appended.dropped;
            self.notify(&Notice::RecordsDropped { seqs: seqs.clone(), why: "the spool is full or they are too old" });
            self.apply(Event::RecordsDropped(seqs)).await;
        }
    }

    async fn take(&mut self, input: Input) {
        let random = rand::random();
        match input {
            Input::Dialled => {
                self.catalogue.clone_from(&self.signals);
                self.apply(Event::Connected { wall: wall_clock(), signals: self.signals.clone() }).await;
            }
            Input::Refused(why) => self.apply(Event::ConnectFailed { why, random }).await,
            Input::Sign => self.apply(Event::FrameReceived).await,
            Input::Ended { code, why } => self.apply(Event::SocketLost { code, why, random }).await,
            Input::Frame(frame) => {
                self.apply(Event::FrameReceived).await;
                match self.codec.decode_downlink(&frame) {
                    Ok(message) => self.apply(Event::MessageReceived { message, random }).await,
                    // A message of a later version is passed over.
                    Err(error) if error.is_unknown_message() => {}
                    Err(error) => self.notify(&Notice::MessageUnreadable { why: error.to_string() }),
                }
            }
        }
    }

    async fn apply(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
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
            Action::Connect { gateway } => self.link = Link::dial(gateway, self.codec, self.source),
            Action::Send(message) => {
                let frame = self.codec.encode_uplink(&message, &self.catalogue);
                let sent = self.link.send(self.codec, frame).await;
                events.extend(sent.err().map(lost));
            }
            Action::SendRecords { span, bytes_max } => match self.send_records(span, bytes_max).await {
                Ok(event) => events.extend(event),
                Err(error) => self.fail(&error),
            },
            Action::Close { code } => self.closing = self.link.close(code).or(self.closing.take()),
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
            Action::Notify(notice) => self.notify(&notice),
        }
    }

    /// Sends records, and gives the events that follow from it.
    async fn send_records(&mut self, span: Span, bytes_max: usize) -> Result<Vec<Event>, SpoolError> {
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
        let frame = self.codec.encode_uplink(&Uplink::Telemetry(telemetry), &self.catalogue);
        let bytes = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        events.push(match self.link.send(self.codec, frame).await {
            Ok(()) => Event::RecordsSent { first, last, bytes },
            Err(why) => lost(why),
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

fn lost(why: String) -> Event {
    Event::SocketLost { code: None, why, random: rand::random() }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

async fn finish(closing: &mut Option<Closing>) {
    match closing {
        Some(closing) => closing.as_mut().await,
        None => std::future::pending().await,
    }
}

/// The unit's clock.
fn wall_clock() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
