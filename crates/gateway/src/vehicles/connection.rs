//! One vehicle's connection, from the upgrade to the close.
//!
//! The task reads a message only while the session's window has room, so back-pressure reaches the socket. It
//! owns the ingest machine of the session; everything about presence is decided by the presence task, whose
//! letters it carries out. Nothing is acked here that the journal has not said is on disk.

mod admit;
mod moving;

use super::close::{code, code_of, linger, write_raw};
use super::frame_meter::Metered;
use super::keepalive::{Due, Keepalive};
use super::listener::{Held, limits as frame_limits};
use super::outgoing::{Opcode, Outgoing};
use super::telemetry::batches;
use super::{Edge, Peer, Transport};
use crate::journal::Job;
use crate::mailbox::{Letter, Mailbox};
use crate::peers::handover::BUDGET;
use crate::presence::{Command, count_refused};
use futures_util::{SinkExt, StreamExt};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Bytes, Error as WsError, Message, Utf8Bytes};
use waygate_core::cause::{OrderCause, RejectCause};
use waygate_core::cell::Cell;
use waygate_core::command::Command as CommandMessage;
use waygate_core::id::{ConnId, VehicleId};
use waygate_core::ingest::{Action, Event, Ingest};
use waygate_core::limits;
use waygate_core::message::{AttachAccept, AttachReject, AttachRequest, Downlink, ErrorReport, Uplink};
use waygate_core::ranges::SeqRanges;
use waygate_core::record::{Lane, SignalPath, Telemetry};
use waygate_core::redirect::Mover;
use waygate_core::session::Accepted;
use waygate_core::time::{Millis, Mono, Wall};
use waygate_wire::{Codec, WireError, error::code as error_code};

/// How long the AttachRequest may take after the upgrade.
const ATTACH: Duration = Duration::from_secs(5);

/// How long a vehicle may take to read what was written to it.
const WRITE: Duration = Duration::from_secs(10);

/// How long to wait for the other side's Close.
const CLOSING: Duration = Duration::from_secs(2);

/// How long a vehicle that said goodbye may keep its socket, to read its last acks.
const LEAVING: Duration = Duration::from_secs(3);

/// How long telemetry waits for what gateways before have stored: for their answer, and a second until that is on disk. What is
/// noted later is told later.
const GATHERING: Duration = Duration::from_secs(BUDGET.as_secs() + 1);

/// The largest message after which the library may keep its read buffer.
const BUFFER_KEPT_BYTES_MAX: usize = 2048;

/// Why the loop ends.
enum End {
    /// The socket is gone, or counts as gone.
    Gone,
    /// The vehicle closed it, and was answered.
    Closed,
    /// Close it with this code.
    Close(u16),
    /// The library stopped after an error of the vehicle: write the Close past it.
    Violated(u16),
}

struct Connection {
    socket: WebSocketStream<Metered<Transport>>,
    outgoing: Outgoing,
    codec: Codec,
    mailbox: Arc<Mailbox>,
    edge: Arc<Edge>,
    catalogue: Vec<SignalPath>,
    ingest: Option<Box<Ingest>>,
    /// Who it is, once its session stands.
    vehicle: Option<VehicleId>,
    /// When the session was accepted, and what the vehicle was told that the time was.
    accepted: (Mono, Wall),
    cell: Option<Cell>,
    mover: Mover,
    /// While other gateways are asked what they have stored of the spool: until when telemetry waits for that.
    gathering: Option<tokio::time::Instant>,
    /// The message that waits for its answer; nothing is read behind it.
    parked: Option<Bytes>,
    keepalive: Keepalive,
    /// Who asked whether the vehicle is there: answered with its next frame, dropped once the loss is told.
    probes: Vec<oneshot::Sender<()>>,
    /// When a vehicle that said goodbye is hung up on.
    leaving: Option<tokio::time::Instant>,
    /// Whether the library holds the buffer of a large frame, and nothing in it.
    swollen: bool,
}

/// Serves a socket that was just upgraded until it ends.
pub fn run(
    socket: WebSocketStream<Metered<Transport>>,
    codec: Codec,
    peer: Peer,
    edge: Arc<Edge>,
    held: Held,
) -> impl Future<Output = ()> + Send {
    let Peer { conn, from, who } = peer;
    let mailbox = Arc::new(Mailbox::new(conn, edge.clock.now()).of(who));
    // Made outside the future, which would keep room for all that goes in.
    let connection = Box::new(Connection {
        socket,
        outgoing: Outgoing::default(),
        codec,
        mailbox,
        edge,
        catalogue: Vec::new(),
        ingest: None,
        vehicle: None,
        accepted: (Mono(0), Wall(0)),
        cell: None,
        mover: Mover::default(),
        gathering: None,
        parked: None,
        keepalive: Keepalive::default(),
        probes: Vec::new(),
        leaving: None,
        swollen: false,
    });
    attend(connection, (conn, from), held)
}

async fn attend(mut connection: Box<Connection>, (conn, from): (ConnId, IpAddr), mut held: Held) {
    // What runs seldom is boxed where it is awaited: an idle session keeps no room for it.
    let asked = match Box::pin(connection.await_attach()).await {
        Ok(request) => Box::pin(connection.admit(request, from)).await,
        Err(end) => Err(end),
    };
    let end = match asked {
        Ok(request) => {
            held.unattached = None;
            let edge = connection.edge.clone();
            if edge.presence.try_attach(connection.mailbox.clone(), request) {
                let end = connection.serve().await;
                Box::pin(edge.presence.tell(Command::Lost(conn))).await;
                connection.probes.clear();
                end
            } else {
                let (cause, backoff) = (RejectCause::Congestion, edge.pressure.refuse());
                Box::pin(connection.reject(cause, backoff, "too many vehicles attach at once")).await
            }
        }
        Err(end) => end,
    };
    Box::pin(connection.finish(end)).await;
    drop(held);
}

impl Connection {
    /// The first message, which must be an AttachRequest.
    async fn await_attach(&mut self) -> Result<Box<AttachRequest>, End> {
        let deadline = tokio::time::Instant::now() + ATTACH;
        loop {
            let Ok(next) = tokio::time::timeout_at(deadline, self.socket.next()).await else {
                return Err(self.reject(RejectCause::BadMessage, Millis(0), "no attach_request came within 5 s").await);
            };
            let Some(frame) = self.payload(next)? else { continue };
            match self.codec.decode_uplink(&frame, &[]) {
                Ok(Uplink::Attach(request)) => {
                    self.catalogue = request.signals.clone();
                    return Ok(request);
                }
                Ok(
                    Uplink::Telemetry(_)
                    | Uplink::TrackingUpdate(_)
                    | Uplink::Detach(_)
                    | Uplink::TimeRequest(_)
                    | Uplink::Suspend(_)
                    | Uplink::CommandStatus(_),
                ) => {
                    let text = "the first message must be an attach_request".to_owned();
                    let report =
                        ErrorReport { code: error_code::NOT_ATTACHED, fatal: true, text, refers_to: String::new() };
                    self.send(Downlink::Error(report)).await?;
                    return Err(End::Close(code::POLICY));
                }
                Err(error) if error.refers_to == "attach_request" => {
                    return Err(self.reject(RejectCause::BadMessage, Millis(0), &error.fault.to_string()).await);
                }
                Err(error) => self.complain(&error).await?,
            }
        }
    }

    /// Carries out letters, reads messages and keeps the socket alive until something ends it.
    async fn serve(&mut self) -> End {
        loop {
            let ready = self.parked.is_none() && self.ingest.as_ref().is_some_and(|ingest| ingest.ready());
            let now = self.edge.clock.now();
            if std::mem::take(&mut self.swollen)
                && let Err(end) = Box::pin(self.renew()).await
            {
                return end;
            }
            if self.leaving.is_some_and(|at| at <= tokio::time::Instant::now()) {
                return End::Close(code::NORMAL);
            }
            if self.gathering.is_some_and(|until| until <= tokio::time::Instant::now()) {
                match Box::pin(self.gathered(SeqRanges::new())).await {
                    // The socket may be read again.
                    Ok(()) => continue,
                    Err(end) => return end,
                }
            }
            // A vehicle that is not read cannot be blamed for silence.
            let due = match self.ingest {
                Some(_) if ready => self.keepalive.due(now, self.mailbox.last_heard(), &self.edge.timers),
                _ => Due::Wait(now + self.edge.timers.ping + self.edge.timers.pong),
            };
            let wake = match due {
                Due::Wait(at) => {
                    let ends = self.leaving.into_iter().chain(self.gathering);
                    ends.fold(self.edge.clock.instant(at), std::cmp::min)
                }
                Due::Lost => return End::Gone,
                Due::Ping => {
                    if let Err(end) = Box::pin(self.ping()).await {
                        return end;
                    }
                    self.keepalive.asked(now);
                    continue;
                }
            };
            let result = tokio::select! {
                biased;
                () = self.mailbox.arrived() => Box::pin(self.carry_out()).await,
                next = self.socket.next(), if ready => match self.payload(next) {
                    Ok(Some(frame)) if self.gathering.is_some() => {
                        self.parked = Some(frame);
                        Ok(())
                    }
                    Ok(Some(frame)) => Box::pin(self.receive(frame)).await,
                    Ok(None) => Ok(()),
                    Err(end) => Err(end),
                },
                () = tokio::time::sleep_until(wake) => Ok(()),
            };
            if let Err(end) = result {
                return end;
            }
        }
    }

    /// Starts the library anew over the same socket: it would keep the buffer of the largest frame for as long as
    /// the session lives. Nothing was read since the end of that frame.
    async fn renew(&mut self) -> Result<(), End> {
        self.flush().await?;
        let stream = self.socket.get_mut().moved();
        self.socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(frame_limits())).await;
        Ok(())
    }

    /// The message of a frame, if it carries one of ours.
    fn payload(&mut self, next: Option<Result<Message, WsError>>) -> Result<Option<Bytes>, End> {
        let message = match next {
            None => return Err(End::Closed),
            Some(Err(_)) if self.socket.get_ref().exceeded() => return Err(End::Violated(code::POLICY)),
            Some(Err(error)) => return Err(code_of(&error).map_or(End::Gone, End::Violated)),
            Some(Ok(message)) => message,
        };
        self.mailbox.heard(self.edge.clock.now());
        self.keepalive.heard();
        for asker in self.probes.drain(..) {
            let _ = asker.send(());
        }
        self.swollen |= message.len() > BUFFER_KEPT_BYTES_MAX && self.socket.get_ref().at_end();
        match message {
            Message::Text(text) if self.codec.is_text() => Ok(Some(text.into())),
            Message::Binary(bytes) if !self.codec.is_text() => Ok(Some(bytes)),
            Message::Text(_) | Message::Binary(_) => Err(End::Close(code::UNSUPPORTED)),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(None),
            // The library answers it by itself; the stream then ends.
            Message::Close(_) => Ok(None),
        }
    }

    async fn carry_out(&mut self) -> Result<(), End> {
        let mut close = None;
        let mut delivered = Vec::new();
        for letter in self.mailbox.take() {
            match letter {
                Letter::Send(message) => self.feed(&message),
                Letter::Deliver(message, written) => {
                    self.feed(&message);
                    delivered.push(written);
                }
                Letter::Command(command, at) => self.command(command, at),
                Letter::Probe(asker) => {
                    self.keepalive.probe();
                    self.probes.push(asker);
                }
                Letter::Accept(accepted, token) => self.accept(*accepted, token),
                Letter::Close(code) => close = Some(code),
                Letter::Gathered(settled) => self.gathered(settled).await?,
                Letter::Persisted(ticket) => self.ingest(Event::Persisted(ticket)).await?,
                Letter::Overlapped(ticket, settled) => self.ingest(Event::Overlapped(ticket, settled)).await?,
                Letter::Fenced => {
                    let cause = OrderCause::Superseded;
                    self.feed(&Downlink::DetachOrder { cause, reattach: false });
                    close = Some(cause.close_code());
                }
                Letter::PersistFailed(ticket) => self.ingest(Event::PersistFailed(ticket)).await?,
            }
        }
        // One ack for all that was persisted since the last, in one write.
        if let Some(ack) = self.ingest.as_mut().and_then(|ingest| ingest.ack()) {
            self.feed(&Downlink::TelemetryAck(ack));
        }
        self.flush().await?;
        for written in delivered {
            let _ = written.send(());
        }
        close.map_or(Ok(()), |code| Err(End::Close(code)))
    }

    fn accept(&mut self, accepted: Accepted, token: Vec<u8>) {
        let ingest = Ingest::new(&accepted);
        self.accepted = (self.edge.clock.now(), self.edge.clock.wall());
        self.cell = accepted.cell;
        self.gathering = accepted.gathers.then(|| tokio::time::Instant::now() + GATHERING);
        let message = AttachAccept {
            token,
            epoch: accepted.epoch,
            session: accepted.session,
            server_time: self.accepted.1,
            areas: accepted.cell.map(Cell::tracking_areas).unwrap_or_default(),
            timers: self.edge.timers,
            window_records: limits::WINDOW_RECORDS_MAX,
            window_bytes: limits::WINDOW_BYTES_MAX,
            max_frame_bytes: limits::FRAME_BYTES_MAX as u32,
            resume_from: ingest.resume_from(),
            pending_commands: self.edge.desk.waiting(&accepted.vehicle),
            gateways: self.gateways(),
            wake_key: self.edge.wake_key_of(&accepted.vehicle),
        };
        self.ingest = Some(Box::new(ingest));
        self.vehicle = Some(accepted.vehicle.clone());
        tracing::debug!(vehicle = %accepted.vehicle, conn = self.mailbox.conn().0, "attached");
        self.feed(&Downlink::AttachAccept(Box::new(message)));
        self.redirect_from(accepted.centre);
    }

    /// Sends a command, dated on the clock that the accept told: the wall clock may have been set since.
    fn command(&mut self, mut command: Box<CommandMessage>, at: Mono) {
        let (accepted, server_time) = self.accepted;
        command.sent = server_time + at.since(accepted);
        self.feed(&Downlink::Command(command));
    }

    async fn receive(&mut self, frame: Bytes) -> Result<(), End> {
        let message = match self.codec.decode_uplink(&frame, &self.catalogue) {
            Ok(message) => message,
            Err(error) => return self.complain(&error).await,
        };
        match message {
            Uplink::Telemetry(telemetry) => self.take(telemetry, frame.len()).await,
            Uplink::TrackingUpdate(update) => {
                let cell = update.position.and_then(Cell::of);
                self.track(cell.or(self.cell)).await
            }
            Uplink::Detach(cause) => {
                self.edge.presence.tell(Command::Detach(self.mailbox.conn(), cause)).await;
                self.leaving.get_or_insert_with(|| tokio::time::Instant::now() + LEAVING);
                Ok(())
            }
            Uplink::Suspend(suspend) => {
                self.edge.presence.tell(Command::Suspend(self.mailbox.conn(), suspend)).await;
                Ok(())
            }
            Uplink::CommandStatus(status) => {
                if let Some(vehicle) = self.vehicle.clone() {
                    self.edge.desk.heard(vehicle, status).await;
                }
                Ok(())
            }
            Uplink::TimeRequest(sent) => {
                self.send(Downlink::TimeReply { sent, server_time: self.edge.clock.wall() }).await
            }
            Uplink::Attach(_) => {
                let text = "this socket has a session already".to_owned();
                let refers_to = "attach_request".to_owned();
                let report = ErrorReport { code: error_code::ALREADY_ATTACHED, fatal: true, text, refers_to };
                self.send(Downlink::Error(report)).await?;
                Err(End::Close(code::POLICY))
            }
        }
    }

    async fn take(&mut self, telemetry: Telemetry, wire_bytes: usize) -> Result<(), End> {
        // A backlog tells of places that the vehicle has left.
        let newest = telemetry.records.iter().rev().find_map(|record| record.fix.map(|fix| fix.position));
        let position = newest.filter(|_| telemetry.lane == Lane::Live);
        let wall = self.edge.clock.wall();
        self.ingest(Event::Received { telemetry, wire_bytes, wall }).await?;
        if let Some(ack) = self.ingest.as_mut().and_then(|ingest| ingest.ack()) {
            self.send(Downlink::TelemetryAck(ack)).await?;
        }
        self.follow(position).await
    }

    async fn ingest(&mut self, event: Event) -> Result<(), End> {
        let Some(ingest) = self.ingest.as_mut() else {
            return Ok(());
        };
        let mut actions = Vec::new();
        match ingest.apply(event, &mut actions) {
            Ok(tally) => {
                if tally.refused + tally.repeated > 0 {
                    metrics::counter!("waygate_records_refused_total").increment(tally.refused.into());
                    metrics::counter!("waygate_records_repeated_total").increment(tally.repeated.into());
                }
            }
            Err(refusal) => {
                let (text, refers_to) = (refusal.to_string(), "telemetry".to_owned());
                let report = ErrorReport { code: error_code::MALFORMED, fatal: false, text, refers_to };
                self.send(Downlink::Error(report)).await?;
            }
        }
        for action in actions {
            match action {
                Action::Persist(ticket, write) => {
                    let (writes, committed) = batches(&write);
                    let mailbox = self.mailbox.clone();
                    let job = Job::Batches { writes, committed, mailbox, ticket };
                    self.edge.journal.send(job).await.map_err(|_| End::Close(code::INTERNAL))?;
                }
                Action::Abandon => return Err(End::Close(code::INTERNAL)),
            }
        }
        Ok(())
    }

    /// Tells the vehicle what was wrong with a message.
    async fn complain(&mut self, error: &WireError) -> Result<(), End> {
        let report = error.report();
        let fatal = report.fatal;
        metrics::counter!("waygate_messages_refused_total", "code" => report.code).increment(1);
        self.send(Downlink::Error(report)).await?;
        if fatal { Err(End::Close(code::UNREADABLE)) } else { Ok(()) }
    }

    async fn reject(&mut self, cause: RejectCause, backoff: Millis, text: &str) -> End {
        count_refused(cause);
        let reject = AttachReject { cause, backoff, redirect: Vec::new(), text: text.to_owned() };
        match self.send(Downlink::AttachReject(reject)).await {
            Ok(()) => End::Close(cause.close_code()),
            Err(end) => end,
        }
    }

    async fn send(&mut self, message: Downlink) -> Result<(), End> {
        self.feed(&message);
        self.flush().await
    }

    /// Puts a message to those that wait for the next write.
    fn feed(&mut self, message: &Downlink) {
        let opcode = if self.codec.is_text() { Opcode::Text } else { Opcode::Binary };
        self.outgoing.push(opcode, &self.codec.encode_downlink(message));
    }

    async fn ping(&mut self) -> Result<(), End> {
        self.outgoing.push(Opcode::Ping, &[]);
        self.flush().await
    }

    /// Writes what waits, behind whatever the library has to answer by itself.
    async fn flush(&mut self) -> Result<(), End> {
        let writing = async {
            self.socket.flush().await.map_err(|_| End::Gone)?;
            match self.outgoing.is_empty() {
                true => Ok(()),
                false => self.outgoing.write(self.socket.get_mut()).await.map_err(|_| End::Gone),
            }
        };
        tokio::time::timeout(WRITE, writing).await.map_err(|_| End::Gone)?
    }

    /// Closes the socket as the end demands, and waits a little for the other side.
    async fn finish(&mut self, end: End) {
        let closing = async {
            match end {
                End::Gone => return,
                End::Closed => {}
                End::Violated(code) => {
                    if write_raw(self.socket.get_mut(), code).await.is_err() {
                        return;
                    }
                }
                End::Close(code) => {
                    let frame = CloseFrame { code: code.into(), reason: Utf8Bytes::default() };
                    if self.socket.close(Some(frame)).await.is_ok() {
                        while let Some(Ok(_)) = self.socket.next().await {}
                    }
                }
            }
            if let Some(stream) = self.socket.get_mut().uncounted() {
                linger(stream).await;
            }
        };
        let _ = tokio::time::timeout(CLOSING, closing).await;
    }
}
