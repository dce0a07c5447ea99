//! `GET /v1/vehicles` and `GET /v1/vehicles/{id}`.
//!
//! Presence comes from this gateway's own view, also while regions are cut off. Positions are telemetry: each
//! comes from the gateway that serves the vehicle, asked at once and with a deadline; who did not answer is named.

use super::Operators;
use super::problem::Problem;
use super::query::{Parameters, VEHICLES_MAX, vehicle_id};
use super::router::GRPC_MESSAGE_BYTES_MAX;
use super::shape;
use crate::feed::Place;
use crate::peers::directory::VEHICLES_MAX as SEEN_MAX;
use crate::peers::lookup::{Answer, Lookup};
use crate::peers::membership::Membership;
use crate::peers::place::{Area, from_proto};
use crate::presence::State as PresenceState;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use futures_util::future::join_all;
use http::StatusCode;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use waygate_core::id::{NodeId, VehicleId};
use waygate_core::time::Wall;
use waygate_core::view::{AgeKind, Liveness, Sight};
use waygate_wire::operator::{self, Instant, SignalReading, VehicleDetail, VehicleList, ViewStatus};
use waygate_wire::proto;
use waygate_wire::proto::telemetry_query_client::TelemetryQueryClient;

/// How long a peer may take.
const DEADLINE: Duration = Duration::from_secs(1);

/// Vehicles looked at between two visits to the presence task, so that it never serves one question for long.
const SCAN: usize = 2048;

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    pub states: Vec<operator::State>,
    pub regions: Vec<String>,
    pub text: Option<String>,
}

impl Filter {
    pub fn keeps(&self, sight: &Sight) -> bool {
        let shown = if sight.stale.is_some() { operator::State::Stale } else { shape::state(sight.known) };
        let region = sight.region.as_ref().map(|region| region.as_str());
        (self.states.is_empty() || self.states.contains(&shown))
            && (self.regions.is_empty() || self.regions.iter().any(|asked| Some(asked.as_str()) == region))
            && self.text.as_ref().is_none_or(|text| sight.vehicle.as_str().to_ascii_lowercase().contains(text))
    }
}

/// A page of sights in the order of their ids.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub sights: Vec<Sight>,
    pub next: Option<VehicleId>,
    pub total: Option<u64>,
}

/// `GET /v1/vehicles`
pub async fn list(State(operators): State<Operators>, RawQuery(query): RawQuery) -> Result<Json<VehicleList>, Problem> {
    let mut parameters = Parameters::read(query.as_deref())?;
    let limit = parameters.limit(100, VEHICLES_MAX)?;
    let filter =
        Filter { states: parameters.states()?, regions: parameters.list("region")?, text: parameters.search()? };
    let (bbox, near) = (parameters.bbox()?, parameters.near()?);
    let after = parameters.text("cursor").map(|cursor| VehicleId::new(&cursor)).transpose();
    let after = after.map_err(|_| Problem::parameter("cursor", "cursor must be the next of an earlier answer"))?;
    parameters.done()?;
    let areas: Vec<Area> = bbox.into_iter().chain(near).collect();
    let peers = operators.peers().await?;
    let (found, positions, missing) = if areas.is_empty() {
        let (found, unheard) = operators.list(filter, after, limit, &peers).await?;
        let (positions, mut missing) = operators.positions(&found.sights, &peers).await;
        missing.extend(unheard);
        (found, positions, missing)
    } else {
        operators.find_in(filter, areas, after, limit, &peers).await?
    };
    let vehicles = found.sights.iter().map(|sight| with_position(sight, positions.get(&sight.vehicle))).collect();
    let next = found.next.map(String::from);
    Ok(Json(VehicleList { vehicles, next, view: peers.view(missing), total: found.total }))
}

/// `GET /v1/vehicles/{id}`
pub async fn one(
    State(operators): State<Operators>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<VehicleDetail>, Problem> {
    let vehicle = vehicle_id(id)?;
    Parameters::read(query.as_deref())?.done()?;
    let Answer { sight, silent } = operators.lookup().find(&vehicle).await.ok_or_else(Problem::stopping)?;
    let Some(sight) = sight else {
        return Err(operators.unknown(&vehicle, silent).await?);
    };
    let peers = operators.peers().await?;
    let (positions, mut missing) = operators.positions(std::slice::from_ref(&sight), &peers).await;
    missing.extend(silent);
    let told = positions.get(&vehicle);
    Ok(Json(VehicleDetail {
        vehicle: with_position(&sight, told),
        signals: told.map(|told| signals(&told.signals)).unwrap_or_default(),
        waiting_commands: operators.commands.desk.waiting(&vehicle).into(),
        view: peers.view(missing),
    }))
}

/// The other gateways, as this one sees them now.
#[derive(Debug, Default)]
pub struct Peers {
    /// Those that are heard: id, region, address.
    pub alive: Vec<(String, String, String)>,
    /// Regions or addresses that are not.
    pub missing: BTreeSet<String>,
}

impl Peers {
    /// As they are seen now; `unanswered` are configured addresses where nobody was met.
    pub fn seen<'a>(state: &PresenceState, unanswered: impl IntoIterator<Item = &'a String>) -> Self {
        let mut peers = Self::default();
        let mut met = BTreeSet::new();
        for node in state.node.view().nodes() {
            let info = &node.info;
            met.insert(info.operators_url.clone());
            let region = info.region.as_str().to_owned();
            match node.liveness {
                Liveness::Own => {}
                Liveness::Alive { .. } => {
                    peers.alive.push((info.id.as_str().to_owned(), region, info.operators_url.clone()));
                }
                Liveness::Relayed { .. } | Liveness::Lost { .. } | Liveness::Unmet { .. } => {
                    peers.missing.insert(region);
                }
            }
        }
        // A configured peer that was never heard has no name yet: its address stands for it.
        peers.missing.extend(unanswered.into_iter().filter(|seed| !met.contains(*seed)).cloned());
        peers
    }

    /// What an answer covers, if these regions did not answer either.
    pub fn view(&self, unanswered: BTreeSet<String>) -> ViewStatus {
        let missing: BTreeSet<_> = self.missing.iter().cloned().chain(unanswered).collect();
        ViewStatus { complete: missing.is_empty(), missing_regions: missing.into_iter().collect() }
    }
}

/// What a peer told of a vehicle's position.
type Told = BTreeMap<VehicleId, proto::LatestPosition>;

impl Operators {
    /// Configured addresses where nobody was met.
    pub(super) fn unanswered(&self) -> Vec<String> {
        self.membership.roster.roster().borrow().unanswered.to_vec()
    }

    /// The other gateways, as this one sees them now.
    pub async fn peers(&self) -> Result<Peers, Problem> {
        let unanswered = self.unanswered();
        let peers = self.presence.ask(move |state| Peers::seen(state, &unanswered));
        peers.await.ok_or_else(Problem::stopping)
    }

    /// The way to look for a vehicle.
    pub(super) fn lookup(&self) -> Lookup {
        Lookup { presence: self.presence.clone(), channels: self.channels.clone() }
    }

    /// The answer about a vehicle that there is no record of, nor at anyone but these regions.
    pub(super) async fn unknown(&self, vehicle: &VehicleId, silent: BTreeSet<String>) -> Result<Problem, Problem> {
        let missing = self.peers().await?.view(silent).missing_regions;
        let detail = match missing.as_slice() {
            [] => format!("no gateway knows a vehicle {vehicle}"),
            regions => format!("{vehicle} is not known here, and {} cannot be asked", regions.join(", ")),
        };
        Ok(Problem::new(StatusCode::NOT_FOUND, detail).missing(missing))
    }

    /// A page of vehicles from the view.
    /// Of gateways named in `told` they are left out: these told of them themselves.
    pub(super) async fn find(
        &self,
        filter: Filter,
        mut after: Option<VehicleId>,
        limit: usize,
        told: Arc<BTreeSet<NodeId>>,
    ) -> Result<Found, Problem> {
        let counting = after.is_none();
        let mut found = Found { total: counting.then_some(0), ..Found::default() };
        loop {
            let (filter, from, told) = (filter.clone(), after.clone(), told.clone());
            let room = limit.saturating_sub(found.sights.len());
            let scanned = self.presence.ask(move |state| {
                let (mut kept, mut matches) = (Vec::new(), 0);
                let next = state.scan(from.as_ref(), SCAN, |sight| {
                    if filter.keeps(&sight) && !told.contains(&sight.owner) {
                        matches += 1;
                        if kept.len() <= room {
                            kept.push(sight);
                        }
                    }
                });
                (kept, matches, next)
            });
            let (kept, matches, next) = scanned.await.ok_or_else(Problem::stopping)?;
            found.sights.extend(kept);
            if let Some(total) = &mut found.total {
                *total += matches;
            }
            let full = found.sights.len() > limit;
            if full {
                found.sights.truncate(limit);
                found.next = found.sights.last().map(|sight| sight.vehicle.clone());
            }
            // The first page counts all matches; later ones stop when they are full.
            if next.is_none() || (full && !counting) {
                return Ok(found);
            }
            after = next;
        }
    }

    /// Vehicles within all of these areas, as the gateways that serve them say.
    async fn find_in(
        &self,
        filter: Filter,
        areas: Vec<Area>,
        after: Option<VehicleId>,
        limit: usize,
        peers: &Peers,
    ) -> Result<(Found, Told, BTreeSet<String>), Problem> {
        let Some(first) = areas.first().copied() else {
            return Ok((Found::default(), Told::new(), BTreeSet::new()));
        };
        let request = proto::LatestRequest {
            vehicles: Vec::new(),
            area: Some(first.to_proto()),
            limit: VEHICLES_MAX as u32,
            after: after.as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default(),
        };
        let own = self.own.latest_in(first, after.clone(), VEHICLES_MAX).await;
        let (mut replies, mut missing) = self.ask_all(&request, peers).await;
        replies.push(own);
        // Beyond the last vehicle of a reply that was cut short, nothing is known yet.
        let cut = replies.iter().filter(|reply| reply.more).filter_map(|reply| reply.positions.last());
        let mut horizon = cut.map(|position| position.vehicle.clone()).min();
        let mut told = collect(replies);
        // Vehicles of lost gateways are not told by anyone: their last position known here stands.
        told.extend(self.remembered(first, after.as_ref()).await);
        told.retain(|vehicle, position| {
            let place = waygate_core::record::Position { lat_e7: position.lat_e7, lon_e7: position.lon_e7 };
            horizon.as_deref().is_none_or(|horizon| vehicle.as_str() <= horizon)
                && areas.iter().all(|area| area.contains(place))
        });
        let vehicles: Vec<VehicleId> = told.keys().cloned().collect();
        let sights = self
            .presence
            .ask(move |state| vehicles.iter().filter_map(|vehicle| state.seen(vehicle)).collect::<Vec<_>>());
        let mut sights = sights.await.ok_or_else(Problem::stopping)?;
        let known: BTreeSet<_> = sights.iter().map(|sight| sight.vehicle.clone()).collect();
        let mut unknown: Vec<_> = told.keys().filter(|vehicle| !known.contains(*vehicle)).cloned().collect();
        if unknown.len() > SEEN_MAX {
            // The others come with the next page.
            unknown.truncate(SEEN_MAX);
            let last = unknown.last().map(|vehicle| vehicle.as_str().to_owned());
            horizon = [horizon, last].into_iter().flatten().min();
            sights.retain(|sight| horizon.as_deref().is_none_or(|horizon| sight.vehicle.as_str() <= horizon));
        }
        let elsewhere = self.seen_elsewhere(unknown, peers).await?;
        missing.extend(elsewhere.silent);
        sights.extend(elsewhere.sights);
        sights.retain(|sight| filter.keeps(sight));
        sights.sort_by(|a, b| a.vehicle.cmp(&b.vehicle));
        let next = if sights.len() > limit {
            sights.truncate(limit);
            sights.last().map(|sight| sight.vehicle.clone())
        } else {
            horizon.and_then(|id| VehicleId::new(&id).ok())
        };
        Ok((Found { sights, next, total: None }, told, missing))
    }

    /// Positions told while someone watched, of vehicles whose gateway cannot be asked now.
    async fn remembered(&self, area: Area, after: Option<&VehicleId>) -> Told {
        let after = after.cloned();
        let places = self.feed.ask(move |places| {
            let inside = places.remote_all().filter(|(vehicle, latest)| {
                area.contains(latest.fix.position) && after.as_ref().is_none_or(|after| *vehicle > after)
            });
            inside.map(|(vehicle, latest)| Place { vehicle: vehicle.clone(), latest: *latest }).collect::<Vec<_>>()
        });
        let places = places.await.unwrap_or_default();
        let unheard = self.presence.ask(move |state| {
            let unheard = |place: &Place| state.sight(&place.vehicle).is_some_and(|sight| !state.hears(&sight));
            places.into_iter().filter(unheard).collect::<Vec<_>>()
        });
        let told = |place: Place| (place.vehicle.clone(), crate::peers::place::to_proto(&place));
        unheard.await.unwrap_or_default().into_iter().map(told).collect()
    }

    /// Where these vehicles are: those of this gateway from its own records, others from theirs.
    async fn positions(&self, sights: &[Sight], peers: &Peers) -> (Told, BTreeSet<String>) {
        let vehicles: Vec<VehicleId> = sights.iter().map(|sight| sight.vehicle.clone()).collect();
        let own = self.own.latest_of(vehicles.clone()).await;
        let request = proto::LatestRequest {
            vehicles: vehicles.iter().map(|vehicle| vehicle.as_str().to_owned()).collect(),
            ..proto::LatestRequest::default()
        };
        let (mut replies, missing) =
            if vehicles.is_empty() { (Vec::new(), BTreeSet::new()) } else { self.ask_all(&request, peers).await };
        replies.push(own);
        let mut told = collect(replies);
        let remembered = self.feed.ask(move |places| {
            let place = |vehicle: VehicleId| places.any(&vehicle).map(|latest| Place { vehicle, latest });
            vehicles.into_iter().filter_map(place).collect::<Vec<_>>()
        });
        for place in remembered.await.unwrap_or_default() {
            told.entry(place.vehicle.clone()).or_insert_with(|| crate::peers::place::to_proto(&place));
        }
        (told, missing)
    }

    async fn ask_all(
        &self,
        request: &proto::LatestRequest,
        peers: &Peers,
    ) -> (Vec<proto::LatestReply>, BTreeSet<String>) {
        let ask = |(_, region, url): &(String, String, String)| {
            let (channel, region, request) = (self.channels.to(url), region.clone(), request.clone());
            async move {
                let reply = match channel {
                    Some(channel) => {
                        let mut client =
                            TelemetryQueryClient::new(channel).max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX);
                        tokio::time::timeout(DEADLINE, async move { client.latest(request).await }).await
                    }
                    None => return Err(region),
                };
                match reply {
                    Ok(Ok(reply)) => Ok(reply.into_inner()),
                    Ok(Err(_)) | Err(_) => Err(region),
                }
            }
        };
        let (mut replies, mut missing) = (Vec::new(), BTreeSet::new());
        for reply in join_all(peers.alive.iter().map(ask)).await {
            match reply {
                Ok(reply) => replies.push(reply),
                Err(region) => drop(missing.insert(region)),
            }
        }
        (replies, missing)
    }
}

/// One position a vehicle: that of the gateway which serves it, or else the latest.
fn collect(replies: Vec<proto::LatestReply>) -> Told {
    let mut told = Told::new();
    for position in replies.into_iter().flat_map(|reply| reply.positions) {
        let Ok(vehicle) = VehicleId::new(&position.vehicle) else { continue };
        match told.get_mut(&vehicle) {
            Some(held) => {
                let (older, newer) = if held.t_ms >= position.t_ms { (&position, &*held) } else { (&*held, &position) };
                let serving = [older, newer].into_iter().find(|one| one.serving);
                let contact_age_ms = serving.map_or(0, |one| one.contact_age_ms);
                let merged = proto::LatestPosition { serving: serving.is_some(), contact_age_ms, ..newer.clone() };
                *held = merged;
            }
            None => {
                told.insert(vehicle, position);
            }
        }
    }
    told
}

fn with_position(sight: &Sight, told: Option<&proto::LatestPosition>) -> operator::Vehicle {
    let mut sight = sight.clone();
    if let Some(told) = told.filter(|told| told.serving && sight.stale.is_none()) {
        sight.age = waygate_core::time::Millis(told.contact_age_ms).min(sight.age);
        sight.age_kind = AgeKind::Measured;
    }
    let mut vehicle = shape::vehicle(&sight);
    vehicle.position = told.and_then(from_proto).map(|place| shape::position(&place.latest));
    vehicle
}

fn signals(told: &[proto::LatestSignal]) -> BTreeMap<String, SignalReading> {
    let read = |signal: &proto::LatestSignal| {
        let value = serde_json::from_str(&signal.json).ok()?;
        Some((signal.path.clone(), SignalReading { value, t: Instant(Wall(signal.t_ms)) }))
    };
    told.iter().filter_map(read).collect()
}
