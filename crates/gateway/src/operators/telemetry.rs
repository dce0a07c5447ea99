//! `GET /v1/vehicles/{id}/telemetry`: a vehicle's records, whichever gateways hold them, as a page or as lines.

use super::Operators;
use super::history::{Key, Merge, Patience, RETRY_AFTER_S, Source, Span};
use super::lines;
use super::problem::Problem;
use super::query::{Parameters, vehicle_id};
use super::shape;
use crate::peers::history::{of_peer, own};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, StatusCode};
use std::collections::BTreeSet;
use std::time::Duration;
use waygate_core::id::VehicleId;
use waygate_core::time::Wall;
use waygate_wire::operator::{MissingSource, TelemetryPage};
use waygate_wire::proto;

/// Records of one page.
const RECORDS_MAX: usize = 10_000;

/// Records that are given as lines: as many as there are.
const LINES_MAX: usize = usize::MAX;

/// How long a gateway may keep the answer waiting, if the question does not say.
const DEADLINE: Duration = Duration::from_secs(3);

/// The longest that it may be allowed: an export over a link that comes and goes.
const DEADLINE_MAX_S: f64 = 3600.0;

/// What is asked for.
#[derive(Clone, Debug)]
struct Question {
    vehicle: VehicleId,
    span: Span,
    limit: usize,
    lines: bool,
    deadline: Duration,
}

/// `GET /v1/vehicles/{id}/telemetry`
pub async fn list(
    State(operators): State<Operators>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let question = read(vehicle_id(id)?, query.as_deref(), headers.get(ACCEPT))?;
    let (limit, lines) = (question.limit, question.lines);
    let (merge, missing) = operators.history(question).await?;
    if lines {
        return Ok(lines::answer(merge, missing, limit, &operators.tasks));
    }
    Ok(Json(page(merge, missing, limit).await).into_response())
}

fn read(vehicle: VehicleId, query: Option<&str>, accept: Option<&HeaderValue>) -> Result<Question, Problem> {
    let mut parameters = Parameters::read(query)?;
    let accepts_lines = || accept.and_then(|kind| kind.to_str().ok()).is_some_and(|kind| kind.starts_with(lines::KIND));
    let lines = match parameters.text("format").as_deref() {
        None => accepts_lines(),
        Some("json") => false,
        Some("ndjson") => true,
        Some(other) => {
            return Err(Problem::parameter("format", format!("format is {other:?}; it must be json or ndjson")));
        }
    };
    let limit = if lines { parameters.limit(LINES_MAX, LINES_MAX)? } else { parameters.limit(1000, RECORDS_MAX)? };
    let from = parameters.time("from")?.map_or(Wall(i64::MIN), |time| time.0);
    let to = parameters.time("to")?.map_or(Wall(i64::MAX), |time| time.0);
    let after = parameters.text("cursor").map(|cursor| read_cursor(&cursor)).transpose()?;
    let deadline = parameters.seconds("deadline_s", DEADLINE_MAX_S)?.unwrap_or(DEADLINE);
    parameters.done()?;
    if from > to {
        return Err(Problem::parameter("from", "from lies after to"));
    }
    Ok(Question { vehicle, span: Span { from, to, after }, limit, lines, deadline })
}

async fn page(mut merge: Merge, missing: Vec<MissingSource>, limit: usize) -> TelemetryPage {
    let (mut records, mut last, mut next) = (Vec::new(), None, None);
    while let Some((key, row)) = merge.next().await {
        if records.len() == limit {
            next = last.map(write_cursor);
            break;
        }
        records.push(shape::record(key.spool, key.seq, row.received, row.record));
        last = Some(key);
    }
    TelemetryPage { records, next, missing_regions: regions(missing.iter().cloned().chain(merge.missing())) }
}

/// The regions of those who are missing, each once.
pub fn regions(missing: impl Iterator<Item = MissingSource>) -> Vec<String> {
    missing.map(|missing| missing.region).collect::<BTreeSet<_>>().into_iter().collect()
}

impl Operators {
    /// The records of a vehicle, nothing of them read yet, and who is known to be missing already.
    async fn history(&self, question: Question) -> Result<(Merge, Vec<MissingSource>), Problem> {
        let Question { vehicle, span, lines, deadline, .. } = question;
        let places = &self.own.histories;
        let place = if lines { places.export() } else { places.page() };
        let place = place.ok_or_else(|| {
            let what = "this gateway gives as many histories as it may; ask again, or ask another";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, what).retry_after(RETRY_AFTER_S)
        })?;
        let peers = self.peers().await?;
        let me = self.presence.ask(|state| state.node.view().me().clone()).await.ok_or_else(Problem::stopping)?;
        let unheard = |region: &String| MissingSource {
            gateway: None,
            region: region.clone(),
            why: "it is not heard".to_owned(),
        };
        let mut missing: Vec<_> = peers.missing.iter().map(unheard).collect();
        let (reader, named) = (self.reader.clone(), vehicle.clone());
        let open = move |after| own(reader.clone(), named.clone(), (span.from, span.to), after);
        let name = (me.id.as_str().to_owned(), me.region.as_str().to_owned());
        let mut sources = vec![Source::new(name, span, None, open)];
        let patience = if lines { Patience::earning(deadline) } else { Patience::strict(deadline) };
        for (id, region, url) in peers.alive {
            let Some(channel) = self.channels.to(&url) else {
                let why = format!("{url} is no address of a gateway");
                missing.push(MissingSource { gateway: Some(id), region, why });
                continue;
            };
            let vehicle = vehicle.clone();
            let open = move |after| of_peer(channel.clone(), request(&vehicle, span, after));
            sources.push(Source::new((id, region), span, Some(patience), open));
        }
        Ok((Merge::new(sources).at(place), missing))
    }
}

fn request(vehicle: &VehicleId, span: Span, after: Option<Key>) -> proto::HistoryRequest {
    proto::HistoryRequest {
        vehicle: vehicle.as_str().to_owned(),
        from_ms: span.from.0,
        to_ms: span.to.0,
        limit: 0,
        has_after: after.is_some(),
        after_t_ms: after.map_or(0, |key| key.t.0),
        after_spool: after.map_or(0, |key| key.spool),
        after_seq: after.map_or(0, |key| key.seq),
    }
}

/// Where an answer goes on.
pub fn write_cursor(key: Key) -> String {
    format!("{}.{}.{}", key.t.0, key.spool, key.seq)
}

fn read_cursor(text: &str) -> Result<Key, Problem> {
    let mut parts = text.split('.');
    let key = (|| {
        let key = Key {
            t: Wall(parts.next()?.parse().ok()?),
            spool: parts.next()?.parse().ok()?,
            seq: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(key)
    })();
    key.ok_or_else(|| Problem::parameter("cursor", "cursor must be the next of an earlier answer"))
}
