//! `GET /v1/stream`: live events as Server-Sent Events, resumable by `Last-Event-ID`.

use super::Operators;
use super::problem::Problem;
use super::query::Parameters;
use super::shape;
use crate::feed::Place;
use crate::live::{Change, Event, Reader, Tick};
use crate::peers::place::Area;
use axum::extract::{RawQuery, State};
use axum::response::Sse;
use axum::response::sse::{Event as SseEvent, KeepAlive};
use futures_util::Stream;
use http::HeaderMap;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use waygate_core::commands::Record;
use waygate_core::id::VehicleId;
use waygate_core::record::Position;
use waygate_wire::operator::{Hello, Instant, Missed, Positions, StreamEvent, Vehicle};

/// How often a comment keeps the stream alive.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// How often the regions are told, if anything happened.
const REGIONS: Duration = Duration::from_secs(1);

/// Events on their way to a reader; while it is full, the reader falls behind and is told how far.
const QUEUE: usize = 64;

/// Vehicles whose region is asked for at once, so that the presence task never serves one question for long.
const REGIONS_ASKED_MAX: usize = 1024;

/// Which events a reader wants.
#[derive(Clone, Debug)]
struct Filter {
    presence: bool,
    positions: bool,
    commands: bool,
    vehicles: BTreeSet<String>,
    regions: BTreeSet<String>,
    area: Option<Area>,
}

impl Filter {
    fn read(query: Option<&str>) -> Result<Self, Problem> {
        let mut parameters = Parameters::read(query)?;
        let kinds = parameters.list("kind")?;
        if let Some(unknown) = kinds.iter().find(|kind| !matches!(kind.as_str(), "presence" | "positions" | "commands"))
        {
            return Err(Problem::parameter(
                "kind",
                format!("kind {unknown:?} is not one of presence, positions, commands"),
            ));
        }
        let wants = |kind: &str| kinds.is_empty() || kinds.iter().any(|wanted| wanted == kind);
        let filter = Self {
            presence: wants("presence"),
            positions: wants("positions"),
            // Only for those who ask: readers of old do not know them.
            commands: kinds.iter().any(|wanted| wanted == "commands"),
            vehicles: parameters.list("vehicle")?.into_iter().collect(),
            regions: parameters.list("region")?.into_iter().collect(),
            area: parameters.bbox()?,
        };
        parameters.done()?;
        Ok(filter)
    }

    fn keeps_vehicle(&self, vehicle: &Vehicle) -> bool {
        self.presence
            && (self.vehicles.is_empty() || self.vehicles.contains(&vehicle.id))
            && (self.regions.is_empty() || self.regions.contains(&vehicle.region))
    }

    fn keeps_place(&self, place: &Place) -> bool {
        (self.vehicles.is_empty() || self.vehicles.contains(place.vehicle.as_str()))
            && self.area.is_none_or(|area| area.contains(place.latest.fix.position))
    }
}

/// `GET /v1/stream`
pub async fn follow(
    State(operators): State<Operators>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<SseEvent, Infallible>>>, Problem> {
    let filter = Filter::read(query.as_deref())?;
    let last_id = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let reader = operators.live.read(last_id);
    let commands = filter.commands.then(|| operators.commands.desk.changes());
    let (sender, receiver) = mpsc::channel(QUEUE);
    let tasks = operators.tasks.clone();
    let stopping = tasks.stopping();
    let session = Session { operators, filter, sender, by_region: BTreeMap::new(), commands };
    tasks.spawn("stream", async move {
        tokio::select! {
            _ = session.run(reader) => {}
            () = stopping => {}
        }
    });
    let keepalive = KeepAlive::new().interval(KEEPALIVE);
    Ok(Sse::new(ReceiverStream::new(receiver)).keep_alive(keepalive))
}

/// The reader has hung up.
struct Gone;

struct Session {
    operators: Operators,
    filter: Filter,
    sender: mpsc::Sender<Result<SseEvent, Infallible>>,
    /// Which region last spoke for a vehicle, if positions are filtered by region.
    by_region: BTreeMap<String, String>,
    /// Commands kept here, if they are asked for.
    commands: Option<broadcast::Receiver<Arc<Record>>>,
}

impl Session {
    async fn run(mut self, mut reader: Reader) -> Result<(), Gone> {
        self.greet(&reader).await?;
        for event in std::mem::take(&mut reader.backlog) {
            self.tell(&event).await?;
        }
        let mut regions = tokio::time::interval(REGIONS);
        regions.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut changed = true;
        loop {
            tokio::select! {
                event = reader.events.recv() => {
                    changed = true;
                    match event {
                        Ok(event) => self.tell(&event).await?,
                        Err(RecvError::Lagged(events)) => {
                            // Some of them may have told of another region.
                            self.by_region.clear();
                            self.send(StreamEvent::Missed(Missed { events }), None).await?;
                        }
                        Err(RecvError::Closed) => return Ok(()),
                    }
                }
                tick = reader.ticks.recv(), if self.filter.positions => match tick {
                    Ok(tick) => self.tell_positions(&tick).await?,
                    // Only the latest counts, and it comes with the vehicle's next record.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return Ok(()),
                },
                command = next_command(&mut self.commands) => match command {
                    Ok(record) => self.tell_command(&record).await?,
                    Err(RecvError::Lagged(events)) => self.send(StreamEvent::Missed(Missed { events }), None).await?,
                    Err(RecvError::Closed) => return Ok(()),
                },
                _ = regions.tick(), if changed => {
                    changed = false;
                    if let Some(overview) = self.operators.regions().await {
                        self.send(StreamEvent::Regions(Box::new(overview)), None).await?;
                    }
                }
                () = self.sender.closed() => return Err(Gone),
            }
        }
    }

    async fn greet(&self, reader: &Reader) -> Result<(), Gone> {
        let me = self.operators.presence.ask(|state| state.node.view().me().clone()).await.ok_or(Gone)?;
        let hello = Hello {
            gateway: me.id.as_str().to_owned(),
            region: me.region.as_str().to_owned(),
            time: Instant(self.operators.clock.wall()),
        };
        self.send(StreamEvent::Hello(hello), None).await?;
        match reader.missed {
            Some(events) => self.send(StreamEvent::Missed(Missed { events }), None).await,
            None => Ok(()),
        }
    }

    async fn tell(&mut self, event: &Event) -> Result<(), Gone> {
        match &event.change {
            Change::Vehicle(vehicle) => {
                if !self.filter.regions.is_empty() {
                    self.by_region.insert(vehicle.id.clone(), vehicle.region.clone());
                }
                if !self.filter.keeps_vehicle(vehicle) || !self.in_area(vehicle).await {
                    return Ok(());
                }
                let id = self.operators.live.id_of(event);
                self.send(StreamEvent::Presence(vehicle.clone()), Some(id)).await
            }
            Change::Node(_, 0) => Ok(()),
            // The vehicles were not told one by one: it came while nobody read, or they are many.
            Change::Node(_, events) => self.send(StreamEvent::Missed(Missed { events: *events }), None).await,
        }
    }

    async fn tell_command(&self, record: &Record) -> Result<(), Gone> {
        if !self.filter.vehicles.is_empty() && !self.filter.vehicles.contains(record.vehicle.as_str()) {
            return Ok(());
        }
        let info = self.operators.command_info(record, Vec::new());
        self.send(StreamEvent::Command(Box::new(info)), None).await
    }

    async fn tell_positions(&mut self, tick: &Arc<Tick>) -> Result<(), Gone> {
        let places: Vec<&Place> =
            tick.own.iter().chain(&tick.remote).filter(|place| self.filter.keeps_place(place)).collect();
        if !self.filter.regions.is_empty() {
            self.learn_regions(&places).await?;
        }
        let regions = &self.filter.regions;
        let in_region = |place: &&&Place| {
            regions.is_empty()
                || self.by_region.get(place.vehicle.as_str()).is_some_and(|region| regions.contains(region))
        };
        let positions: Vec<_> = places.iter().filter(in_region).map(|place| shape::live_position(place)).collect();
        if positions.is_empty() {
            return Ok(());
        }
        self.send(StreamEvent::Positions(Positions { positions }), None).await
    }

    /// Asks for the region of vehicles that have not been told of since the stream was opened.
    async fn learn_regions(&mut self, places: &[&Place]) -> Result<(), Gone> {
        let new = |place: &&&Place| !self.by_region.contains_key(place.vehicle.as_str());
        let unknown: Vec<VehicleId> = places.iter().filter(new).map(|place| place.vehicle.clone()).collect();
        for some in unknown.chunks(REGIONS_ASKED_MAX) {
            let some = some.to_vec();
            let known = self.operators.presence.ask(move |state| {
                let region = |vehicle: &VehicleId| Some((vehicle.as_str().to_owned(), state.sight(vehicle)?.region?));
                some.iter().filter_map(region).collect::<Vec<_>>()
            });
            let known = known.await.ok_or(Gone)?;
            self.by_region.extend(known.into_iter().map(|(vehicle, region)| (vehicle, region.as_str().to_owned())));
        }
        Ok(())
    }

    /// With a bounding box, a vehicle counts where it was last seen; one without a position is told of.
    async fn in_area(&self, vehicle: &Vehicle) -> bool {
        let Some(area) = self.filter.area else {
            return true;
        };
        let Ok(id) = VehicleId::new(&vehicle.id) else {
            return true;
        };
        let position: Option<Position> =
            self.operators.feed.ask(move |places| places.any(&id)).await.flatten().map(|latest| latest.fix.position);
        position.is_none_or(|position| area.contains(position))
    }

    async fn send(&self, event: StreamEvent, id: Option<String>) -> Result<(), Gone> {
        let data = match event.data() {
            Ok(data) => data,
            Err(error) => {
                tracing::error!(%error, "a live event cannot be written");
                return Ok(());
            }
        };
        let mut sse = SseEvent::default().event(event.name()).data(data);
        if let Some(id) = id {
            sse = sse.id(id);
        }
        self.sender.send(Ok(sse)).await.map_err(|_| Gone)
    }
}

async fn next_command(commands: &mut Option<broadcast::Receiver<Arc<Record>>>) -> Result<Arc<Record>, RecvError> {
    match commands {
        Some(commands) => commands.recv().await,
        None => std::future::pending().await,
    }
}
