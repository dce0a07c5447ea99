//! Commands to vehicles: `POST` and `GET /v1/vehicles/{id}/commands`, `GET` and `DELETE /v1/commands/{id}`.
//!
//! A command is taken by the gateway that is asked. Any gateway finds it: among its own, or by asking all others at
//! once; regions that did not answer are named.

use super::problem::Problem;
use super::query::{Parameters, vehicle_id};
use super::vehicles::Peers;
use super::{Operators, shape};
use crate::peers::commands::{FOUND_MAX, NotCancelled, Unreadable, cancel as cancel_at, find};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, RawQuery, State};
use futures_util::future::join_all;
use http::header::LOCATION;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tonic::transport::Channel;
use waygate_core::command::{CommandId, CommandName, Policy};
use waygate_core::commands::{Answer, Order, Record, Refusal, RequestKey};
use waygate_core::id::VehicleId;
use waygate_core::limits::{
    COMMAND_JSON_BYTES_MAX, COMMAND_TEXT_BYTES_MAX, COMMAND_TTL_MS_MAX, COMMANDS_OPEN_MAX,
    COMMANDS_OPEN_PER_VEHICLE_MAX,
};
use waygate_core::time::Millis;
use waygate_wire::operator::{
    CommandInfo, CommandList, CommandPolicy, CommandState, CommandStepInfo, Durability, NewCommand,
};
use waygate_wire::proto;

/// Bytes of a body.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// How long the other gateways may take to find a command.
const DEADLINE: Duration = Duration::from_secs(1);

/// How long a command may take to the disk and to its keeper.
const PATIENCE: Duration = Duration::from_secs(10);

/// `POST /v1/vehicles/{id}/commands`
pub async fn take(
    State(operators): State<Operators>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, [(http::HeaderName, String); 1], Json<CommandInfo>), Problem> {
    let vehicle = vehicle_id(id)?;
    Parameters::read(query.as_deref())?.done()?;
    let body = body.ok().filter(|body| body.len() <= BODY_BYTES_MAX).ok_or_else(|| {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is longer than {BODY_BYTES_MAX} bytes"))
    })?;
    let order = order(vehicle, &headers, &body)?;
    if let Some(trouble) = operators.health.trouble() {
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("no command is taken: {trouble}")));
    }
    // Where it is has to be known when the command is taken: one that is to be done now ends at once if it is nowhere.
    operators.lookup().find(&order.vehicle).await.ok_or_else(Problem::stopping)?;
    let taken = tokio::time::timeout(PATIENCE, operators.commands.desk.take(order)).await.map_err(|_| {
        let detail = "the disk took too long; ask for the vehicle's commands to see whether it was taken";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    })?;
    match taken.ok_or_else(Problem::stopping)? {
        Answer::Stored(record) => {
            let Record { id, vehicle, name, .. } = &*record;
            tracing::info!(%id, %vehicle, name = name.as_str(), "a command is taken");
            let location = format!("/v1/commands/{id}");
            Ok((StatusCode::CREATED, [(LOCATION, location)], Json(operators.command_info(&record, Vec::new()))))
        }
        Answer::Refused(why) => Err(refused(why)),
        Answer::Delivery(_) => Err(Problem::stopping()),
    }
}

/// `GET /v1/vehicles/{id}/commands`
pub async fn list(
    State(operators): State<Operators>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<CommandList>, Problem> {
    let vehicle = vehicle_id(id)?;
    let mut parameters = Parameters::read(query.as_deref())?;
    let limit = parameters.limit(FOUND_MAX, FOUND_MAX)?;
    parameters.done()?;
    let own = operators.commands.of(&vehicle, limit).await.map_err(unreadable)?;
    let request = proto::FindCommands { id: Vec::new(), vehicle: vehicle.as_str().to_owned(), limit: limit as u32 };
    let clock = operators.clock;
    let ask = |channel| {
        let request = request.clone();
        async move { find(channel, request, &clock).await }
    };
    let (told, missing) = operators.ask_everyone(ask).await?;
    let mut joined = BTreeMap::new();
    for record in own.into_iter().chain(told) {
        join(&mut joined, record);
    }
    let newest = joined.values().rev().take(limit);
    let commands = newest.map(|record| operators.command_info(record, Vec::new())).collect();
    Ok(Json(CommandList { commands, missing_regions: missing }))
}

/// `GET /v1/commands/{id}`
pub async fn one(
    State(operators): State<Operators>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<CommandInfo>, Problem> {
    let id = command_id(id)?;
    Parameters::read(query.as_deref())?.done()?;
    if let Some(record) = operators.commands.one(id).await.map_err(unreadable)? {
        return Ok(Json(operators.command_info(&record, Vec::new())));
    }
    let request = proto::FindCommands { id: id.to_bytes().to_vec(), ..proto::FindCommands::default() };
    let clock = operators.clock;
    let ask = |channel| {
        let request = request.clone();
        async move { find(channel, request, &clock).await }
    };
    let told = operators.ask_everyone(ask).await?;
    operators.found(id, told)
}

/// `DELETE /v1/commands/{id}`
pub async fn cancel(
    State(operators): State<Operators>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<CommandInfo>, Problem> {
    let id = command_id(id)?;
    Parameters::read(query.as_deref())?.done()?;
    let here = tokio::time::timeout(PATIENCE, operators.commands.cancelled(id)).await.map_err(|_| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the disk took too long; ask for the command to see where it is")
    })?;
    let info = match here.ok_or_else(Problem::stopping)?.map_err(not_cancelled)? {
        Some(record) => Json(operators.command_info(&record, Vec::new())),
        None => {
            let clock = operators.clock;
            let ask = |channel| async move { cancel_at(channel, id, &clock).await };
            let told = operators.ask_everyone(ask).await?;
            operators.found(id, told)?
        }
    };
    tracing::info!(%id, vehicle = info.vehicle, name = info.name, state = info.state.name(), "a cancel was asked for");
    Ok(info)
}

impl Operators {
    /// Asks all other gateways at once; what they told, and the regions that did not.
    async fn ask_everyone<F>(&self, ask: impl Fn(Option<Channel>) -> F) -> Result<(Vec<Record>, Vec<String>), Problem>
    where
        F: Future<Output = Option<Vec<Record>>>,
    {
        let peers: Peers = self.peers().await?;
        let calls = peers.alive.iter().map(|(_, region, url)| {
            let call = ask(self.channels.to(url));
            async move { tokio::time::timeout(DEADLINE, call).await.ok().flatten().ok_or(region.clone()) }
        });
        let (mut told, mut unanswered) = (Vec::new(), BTreeSet::new());
        for reply in join_all(calls).await {
            match reply {
                Ok(records) => told.extend(records),
                Err(region) => drop(unanswered.insert(region)),
            }
        }
        Ok((told, peers.view(unanswered).missing_regions))
    }

    fn found(&self, id: CommandId, told: (Vec<Record>, Vec<String>)) -> Result<Json<CommandInfo>, Problem> {
        let (told, missing) = told;
        let mut joined = BTreeMap::new();
        told.into_iter().filter(|record| record.id == id).for_each(|record| join(&mut joined, record));
        match joined.pop_first() {
            Some((_, record)) => Ok(Json(self.command_info(&record, missing))),
            None => {
                let detail = match missing.as_slice() {
                    [] => format!("no gateway knows a command {id}"),
                    regions => format!("{id} is not known here, and {} cannot be asked", regions.join(", ")),
                };
                Err(Problem::new(StatusCode::NOT_FOUND, detail).missing(missing))
            }
        }
    }

    /// A command as it is shown.
    pub fn command_info(&self, record: &Record, missing_regions: Vec<String>) -> CommandInfo {
        let now = self.clock.now();
        let json = |text: &str| serde_json::from_str::<Value>(text).ok();
        let said = record.said();
        let durability = if record.keepers.is_empty() { Durability::Local } else { Durability::Safe };
        CommandInfo {
            id: record.id.to_string(),
            vehicle: record.vehicle.as_str().to_owned(),
            name: record.name.as_str().to_owned(),
            arguments: json(&record.arguments),
            policy: match record.policy {
                Policy::Now => CommandPolicy::Now,
                Policy::Queue => CommandPolicy::Queue,
                Policy::LatestWins(_) => CommandPolicy::LatestWins,
            },
            key: record.policy.key().map(str::to_owned),
            state: record.state().into(),
            ended: record.is_ended(),
            durability: (record.origin == self.me).then_some(durability),
            age_s: shape::secs(now.since(record.taken)),
            ttl_s: shape::secs(record.ttl),
            expires_in_s: shape::secs(record.expires().since(now)),
            percent: record.percent(),
            code: said.code,
            text: said.text,
            result: json(&said.result),
            origin: record.origin.as_str().to_owned(),
            steps: record
                .steps
                .iter()
                .map(|step| CommandStepInfo {
                    state: CommandState::from(step.state),
                    age_s: shape::secs(now.since(step.at)),
                    gateway: step.gateway.as_str().to_owned(),
                    text: step.text.clone(),
                })
                .collect(),
            missing_regions,
        }
    }
}

fn join(joined: &mut BTreeMap<CommandId, Record>, record: Record) {
    match joined.get_mut(&record.id) {
        Some(known) => known.merge(&record),
        None => drop(joined.insert(record.id, record)),
    }
}

/// What the body and the headers ask for.
fn order(vehicle: VehicleId, headers: &HeaderMap, body: &[u8]) -> Result<Order, Problem> {
    let asked: NewCommand = serde_json::from_slice(body).map_err(|error| {
        // serde names the field in backticks.
        let text = error.to_string();
        let field = text.split('`').nth(1).map(str::to_owned);
        let detail = format!("the body is not a command: {text}");
        field
            .map_or_else(|| Problem::new(StatusCode::BAD_REQUEST, &detail), |field| Problem::parameter(&field, &detail))
    })?;
    let name = CommandName::new(&asked.name);
    let name =
        name.ok_or_else(|| Problem::parameter("name", "name must be 1 to 64 characters out of A-Z a-z 0-9 . _ -"))?;
    let ttl_ms = (asked.ttl_s * 1000.0).ceil();
    if !(ttl_ms >= 1.0 && ttl_ms <= COMMAND_TTL_MS_MAX as f64) {
        let detail = format!("ttl_s must be above 0 and at most {}", COMMAND_TTL_MS_MAX / 1000);
        return Err(Problem::parameter("ttl_s", detail));
    }
    let arguments = asked.arguments.map(|value| value.to_string()).unwrap_or_default();
    if arguments.len() > COMMAND_JSON_BYTES_MAX {
        let detail = format!("arguments have {} bytes of JSON, at most {COMMAND_JSON_BYTES_MAX}", arguments.len());
        return Err(Problem::parameter("arguments", detail));
    }
    if !waygate_wire::is_command_json(&arguments) {
        let most = waygate_wire::COMMAND_JSON_DEPTH_MAX;
        let detail = format!("arguments are nested too deep: lists and objects in each other may be {most} deep");
        return Err(Problem::parameter("arguments", detail));
    }
    let policy = match (asked.policy, asked.key) {
        (CommandPolicy::Now, None) => Policy::Now,
        (CommandPolicy::Queue, None) => Policy::Queue,
        (CommandPolicy::LatestWins, Some(key)) if (1..=COMMAND_TEXT_BYTES_MAX).contains(&key.len()) => {
            Policy::LatestWins(key)
        }
        (CommandPolicy::LatestWins, _) => {
            let detail = format!("policy latest_wins needs a key of 1 to {COMMAND_TEXT_BYTES_MAX} bytes");
            return Err(Problem::parameter("key", detail));
        }
        (CommandPolicy::Now | CommandPolicy::Queue, Some(_)) => {
            return Err(Problem::parameter("key", "key is of policy latest_wins alone"));
        }
    };
    let request = request_key(&vehicle, headers, body)?;
    let by = "http".to_owned();
    Ok(Order { vehicle, name, arguments, ttl: Millis(ttl_ms as u64), policy, wake: asked.wake, by, request })
}

/// The client's own name of the request: `Idempotency-Key`.
fn request_key(vehicle: &VehicleId, headers: &HeaderMap, body: &[u8]) -> Result<Option<RequestKey>, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| (1..=COMMAND_TEXT_BYTES_MAX).contains(&key.len()));
    let key = key.ok_or_else(|| {
        let detail = format!("Idempotency-Key must be 1 to {COMMAND_TEXT_BYTES_MAX} printable ASCII characters");
        Problem::parameter("Idempotency-Key", detail)
    })?;
    // FNV-1a: it tells a repeated request from a mistaken one, and guards against nothing else.
    let bytes = vehicle.as_str().bytes().chain([0]).chain(body.iter().copied());
    let digest = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    Ok(Some(RequestKey { key: key.to_owned(), digest }))
}

fn command_id(id: Result<Path<String>, PathRejection>) -> Result<CommandId, Problem> {
    let id = id.ok().and_then(|Path(id)| id.parse().ok());
    id.ok_or_else(|| Problem::parameter("id", waygate_core::command::BadCommandId.to_string()))
}

fn unreadable(Unreadable: Unreadable) -> Problem {
    Problem::unreadable()
}

fn not_cancelled(why: NotCancelled) -> Problem {
    match why {
        NotCancelled::Refused(why) => refused(why),
        NotCancelled::Unreadable(why) => unreadable(why),
    }
}

fn refused(why: Refusal) -> Problem {
    match why {
        Refusal::VehicleFull => {
            let detail = format!(
                "{COMMANDS_OPEN_PER_VEHICLE_MAX} commands to this vehicle have not ended; cancel some, or wait"
            );
            Problem::new(StatusCode::TOO_MANY_REQUESTS, detail)
        }
        Refusal::GatewayFull => {
            let detail =
                format!("{COMMANDS_OPEN_MAX} commands at this gateway have not ended; ask another gateway, or wait");
            Problem::new(StatusCode::TOO_MANY_REQUESTS, detail)
        }
        Refusal::KeyReused => {
            let detail = "this Idempotency-Key was used for another command; use a new key for a new command";
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
        }
        Refusal::NotStored => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the disk did not take it; the gateway's log says why")
        }
        Refusal::NotFound => Problem::new(StatusCode::NOT_FOUND, "no such command here"),
    }
}
