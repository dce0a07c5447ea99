//! Commands between gateways: what this one answers, and how it calls others.

use crate::clock::Clock;
use crate::commands::{Desk, rows};
use crate::peers::moment::{OwnClock, PeerClock};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use waygate_core::command::CommandId;
use waygate_core::commands::{Answer, Outcome, Record, Refusal, Report};
use waygate_core::id::{NodeId, VehicleId};
use waygate_store::Reader;
use waygate_wire::error::FieldFault;
use waygate_wire::orders::{
    outcome_from_proto, outcome_to_proto, record_from_proto, record_to_proto, report_from_proto, report_to_proto,
};
use waygate_wire::proto;
use waygate_wire::proto::commands_client::CommandsClient;
use waygate_wire::proto::commands_server::Commands;

/// How long a peer may take: an operator waits for a copy, and a delivery that takes longer may have happened.
const DEADLINE: Duration = Duration::from_secs(2);

/// Commands of one answer.
pub const FOUND_MAX: usize = 100;

/// What peers are answered about commands. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CommandService {
    /// The clocks.
    pub clock: OwnClock,
    /// The way to the commands task.
    pub desk: Desk,
    /// The store.
    pub reader: Reader,
}

fn malformed(fault: FieldFault) -> Status {
    Status::invalid_argument(fault.to_string())
}

fn stopping() -> Status {
    Status::unavailable("the gateway stops")
}

fn ack(answer: Option<Answer>) -> Result<Response<proto::CommandAck>, Status> {
    Ok(Response::new(match answer.ok_or_else(stopping)? {
        Answer::Stored(_) | Answer::Delivery(_) => proto::CommandAck { taken: true, ..Default::default() },
        Answer::Refused(why) => {
            proto::CommandAck { taken: false, detail: format!("{why:?}"), unknown: why == Refusal::NotFound }
        }
    }))
}

#[tonic::async_trait]
impl Commands for CommandService {
    async fn read_clock(&self, _: Request<proto::ClockRequest>) -> Result<Response<proto::ClockReply>, Status> {
        Ok(Response::new(self.clock.read()))
    }

    async fn replicate(
        &self,
        request: Request<proto::ReplicateCommand>,
    ) -> Result<Response<proto::CommandAck>, Status> {
        let request = request.into_inner();
        let from = NodeId::new(&request.from).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let record = request.command.ok_or_else(|| Status::invalid_argument("command: is missing"))?;
        let record = record_from_proto(record, self.clock.when(request.sent)?).map_err(malformed)?;
        ack(self.desk.keep(Box::new(record), from).await)
    }

    async fn deliver(&self, request: Request<proto::DeliverCommand>) -> Result<Response<proto::DeliverReply>, Status> {
        let request = request.into_inner();
        let record = request.command.ok_or_else(|| Status::invalid_argument("command: is missing"))?;
        let record = record_from_proto(record, self.clock.when(request.sent)?).map_err(malformed)?;
        let outcome = match self.desk.deliver(Box::new(record)).await.ok_or_else(stopping)? {
            Answer::Delivery(outcome) => outcome,
            Answer::Stored(_) | Answer::Refused(_) => return Err(Status::internal("no delivery was answered")),
        };
        Ok(Response::new(proto::DeliverReply { outcome: outcome_to_proto(outcome).into() }))
    }

    async fn report(&self, request: Request<proto::CommandReport>) -> Result<Response<proto::CommandAck>, Status> {
        ack(self.desk.report(report_from_proto(request.into_inner()).map_err(malformed)?).await)
    }

    async fn find(&self, request: Request<proto::FindCommands>) -> Result<Response<proto::FoundCommands>, Status> {
        let request = request.into_inner();
        let records = match CommandId::from_bytes(&request.id) {
            Some(id) => self.one(id).await.map(|record| record.into_iter().collect()),
            None => {
                let vehicle = VehicleId::new(&request.vehicle);
                let vehicle = vehicle.map_err(|error| Status::invalid_argument(error.to_string()))?;
                self.of(&vehicle, (request.limit as usize).clamp(1, FOUND_MAX)).await
            }
        };
        let records = records.map_err(unreadable)?;
        Ok(self.found(&records))
    }

    async fn cancel(&self, request: Request<proto::CancelCommand>) -> Result<Response<proto::FoundCommands>, Status> {
        let id = CommandId::from_bytes(&request.into_inner().id);
        let id = id.ok_or_else(|| Status::invalid_argument("id: must have 16 bytes, a UUID"))?;
        match self.cancelled(id).await.ok_or_else(stopping)? {
            Ok(record) => Ok(self.found(&record.into_iter().collect::<Vec<_>>())),
            Err(NotCancelled::Refused(_)) => Err(Status::unavailable("it cannot be stored now")),
            Err(NotCancelled::Unreadable(Unreadable)) => Err(unreadable(Unreadable)),
        }
    }
}

/// The store cannot be read; the log says why.
#[derive(Debug)]
pub struct Unreadable;

/// A command was not cancelled.
#[derive(Debug)]
pub enum NotCancelled {
    /// That it is to be could not be stored.
    Refused(Refusal),
    /// Whether it is kept here is not known.
    Unreadable(Unreadable),
}

fn unreadable(Unreadable: Unreadable) -> Status {
    Status::internal("the store cannot be read")
}

impl CommandService {
    fn found(&self, records: &[Record]) -> Response<proto::FoundCommands> {
        let now = self.clock.clock.now();
        let commands = records.iter().map(|record| record_to_proto(record, now)).collect();
        Response::new(proto::FoundCommands { commands })
    }

    /// A command that is kept here, in memory or in the store.
    pub async fn one(&self, id: CommandId) -> Result<Option<Record>, Unreadable> {
        if let Some(record) = self.desk.ask(move |commands| commands.record(id).cloned()).await.flatten() {
            return Ok(Some(record));
        }
        let row = self.reader.command(id.0).await.map_err(|error| {
            tracing::error!(%error, "a command cannot be read");
            Unreadable
        })?;
        Ok(row.and_then(|row| rows::record(&self.clock.clock, &row)))
    }

    /// Commands to a vehicle that are kept here, newest first.
    pub async fn of(&self, vehicle: &VehicleId, limit: usize) -> Result<Vec<Record>, Unreadable> {
        let rows = self.reader.commands_of(vehicle, limit as u32).await.map_err(|error| {
            tracing::error!(%error, "commands cannot be read");
            Unreadable
        })?;
        let asked = vehicle.clone();
        let known = self.desk.ask(move |commands| commands.of(&asked).take(limit).cloned().collect::<Vec<_>>()).await;
        let mut found = known.unwrap_or_default();
        for record in rows.iter().filter_map(|row| rows::record(&self.clock.clock, row)) {
            if found.iter().all(|known| known.id != record.id) {
                found.push(record);
            }
        }
        found.sort_by_key(|record| std::cmp::Reverse(record.id));
        found.truncate(limit);
        Ok(found)
    }

    /// Cancels a command that is kept here; `None` within if it is not. One that had ended stays as it is.
    pub async fn cancelled(&self, id: CommandId) -> Option<Result<Option<Record>, NotCancelled>> {
        match self.desk.cancel(id).await? {
            Answer::Stored(record) => Some(Ok(Some(*record))),
            Answer::Refused(Refusal::NotFound) => Some(self.one(id).await.map_err(NotCancelled::Unreadable)),
            Answer::Refused(why) => Some(Err(NotCancelled::Refused(why))),
            Answer::Delivery(_) => None,
        }
    }
}

/// A peer that is called.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The way to it, if there is one.
    pub channel: Option<Channel>,
    /// Its clock.
    pub clock: PeerClock,
    /// This gateway's.
    pub own: Clock,
}

/// Calls a peer with a moment on its clock; once more if that is the clock of an earlier life of it, as such a call has no
/// effect. `None` if the peer does not tell its clock.
async fn timely<T, F: Future<Output = Result<T, Status>>>(
    peer: &Peer,
    client: &CommandsClient<Channel>,
    call: impl Fn(CommandsClient<Channel>, proto::Moment) -> F,
) -> Option<Result<T, Status>> {
    let mut refused = None;
    for _ in 0..2 {
        let moment = peer.clock.moment(&mut client.clone(), &peer.own).await.ok()?;
        match call(client.clone(), moment).await {
            Err(status) if peer.clock.refused(&status) => refused = Some(Err(status)),
            answer => return Some(answer),
        }
    }
    refused
}

/// Gives a peer a copy: whether it has it on disk.
pub async fn replicate(peer: Peer, record: &Record, me: &NodeId) -> bool {
    let Some(client) = peer.channel.clone().map(CommandsClient::new) else { return false };
    let call = |mut client: CommandsClient<Channel>, sent| {
        let command = Some(record_to_proto(record, peer.own.now()));
        let request = proto::ReplicateCommand { command, from: me.as_str().to_owned(), sent: Some(sent) };
        async move { client.replicate(request).await }
    };
    match tokio::time::timeout(DEADLINE, timely(&peer, &client, call)).await {
        Ok(Some(Ok(reply))) => reply.into_inner().taken,
        Ok(Some(Err(status))) => {
            tracing::debug!(message = status.message(), "a peer did not take a copy of a command");
            false
        }
        Ok(None) | Err(_) => false,
    }
}

/// Has a peer hand a command to its vehicle.
pub async fn deliver(peer: Peer, record: &Record) -> Outcome {
    let Some(client) = peer.channel.clone().map(CommandsClient::new) else { return Outcome::NotServed };
    let called = AtomicBool::new(false);
    let call = |mut client: CommandsClient<Channel>, sent| {
        called.store(true, Ordering::Relaxed);
        let command = Some(record_to_proto(record, peer.own.now()));
        let request = proto::DeliverCommand { command, sent: Some(sent) };
        async move { client.deliver(request).await }
    };
    match tokio::time::timeout(DEADLINE, timely(&peer, &client, call)).await {
        Ok(Some(Ok(reply))) => outcome_from_proto(reply.into_inner().outcome),
        Ok(Some(Err(status))) if peer.clock.refused(&status) => Outcome::NotServed,
        Ok(Some(Err(status))) => {
            tracing::debug!(message = status.message(), "a peer did not deliver a command");
            Outcome::NoAnswer
        }
        // A call that was made may have been heard.
        Ok(None) | Err(_) if called.load(Ordering::Relaxed) => Outcome::NoAnswer,
        Ok(None) | Err(_) => Outcome::NotServed,
    }
}

/// Tells a peer what a vehicle said: whether it need not be told again.
pub async fn report(channel: Option<Channel>, report: &Report) -> bool {
    let Some(mut client) = channel.map(CommandsClient::new) else { return false };
    let request = report_to_proto(report);
    match tokio::time::timeout(DEADLINE, client.report(request)).await {
        Ok(Ok(reply)) => {
            let ack = reply.into_inner();
            ack.taken || ack.unknown
        }
        Ok(Err(_)) | Err(_) => false,
    }
}

/// Asks a peer for commands; `None` if it did not answer.
pub async fn find(channel: Option<Channel>, request: proto::FindCommands, clock: &Clock) -> Option<Vec<Record>> {
    let reply = channel.map(CommandsClient::new)?.find(request).await.ok()?;
    Some(read(reply.into_inner(), clock))
}

/// Asks a peer to cancel a command; `None` if it did not answer.
pub async fn cancel(channel: Option<Channel>, id: CommandId, clock: &Clock) -> Option<Vec<Record>> {
    let request = proto::CancelCommand { id: id.to_bytes().to_vec(), by: String::new() };
    let reply = channel.map(CommandsClient::new)?.cancel(request).await.ok()?;
    Some(read(reply.into_inner(), clock))
}

fn read(found: proto::FoundCommands, clock: &Clock) -> Vec<Record> {
    let now = clock.now();
    found.commands.into_iter().filter_map(|record| record_from_proto(record, now).ok()).collect()
}
