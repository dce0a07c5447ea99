//! `GET /v1/vehicles/{id}/telemetry`: a vehicle's records, whichever gateways hold them.

use super::Operators;
use super::history::{Key, Merge, Source};
use super::problem::Problem;
use super::query::{Parameters, vehicle_id};
use super::router::GRPC_MESSAGE_BYTES_MAX;
use super::shape;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use futures_util::future::join_all;
use std::collections::BTreeSet;
use std::time::Duration;
use waygate_core::id::{SpoolId, VehicleId};
use waygate_core::time::Wall;
use waygate_wire::operator::TelemetryPage;
use waygate_wire::proto;
use waygate_wire::proto::telemetry_query_client::TelemetryQueryClient;

/// Records of one page.
const RECORDS_MAX: usize = 10_000;

/// How long a peer may take to begin.
const DEADLINE: Duration = Duration::from_secs(2);

/// `GET /v1/vehicles/{id}/telemetry`
pub async fn list(
    State(operators): State<Operators>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<TelemetryPage>, Problem> {
    let vehicle = vehicle_id(id)?;
    let mut parameters = Parameters::read(query.as_deref())?;
    let limit = parameters.limit(1000, RECORDS_MAX)?;
    let from = parameters.time("from")?.map_or(Wall(i64::MIN), |time| time.0);
    let to = parameters.time("to")?.map_or(Wall(i64::MAX), |time| time.0);
    let after = parameters.text("cursor").map(|cursor| read_cursor(&cursor)).transpose()?;
    parameters.done()?;
    if from > to {
        return Err(Problem::parameter("from", "from lies after to"));
    }
    let (mut merge, mut missing) = operators.history(&vehicle, from, to, after, limit).await?;
    let (mut records, mut last, mut next) = (Vec::new(), None, None);
    while let Some((key, row)) = merge.next().await {
        if records.len() == limit {
            next = last.map(write_cursor);
            break;
        }
        records.push(shape::record(key.spool, key.seq, row.received, row.record));
        last = Some(key);
    }
    missing.extend(merge.lost);
    Ok(Json(TelemetryPage { records, next, missing_regions: missing.into_iter().collect() }))
}

impl Operators {
    async fn history(
        &self,
        vehicle: &VehicleId,
        from: Wall,
        to: Wall,
        after: Option<Key>,
        limit: usize,
    ) -> Result<(Merge, BTreeSet<String>), Problem> {
        let peers = self.peers().await?;
        let mut missing = peers.missing.clone();
        let request = proto::HistoryRequest {
            vehicle: vehicle.as_str().to_owned(),
            from_ms: from.0,
            to_ms: to.0,
            limit: limit as u32,
            has_after: after.is_some(),
            after_t_ms: after.map_or(0, |key| key.t.0),
            after_spool: after.map_or(0, |key| key.spool),
            after_seq: after.map_or(0, |key| key.seq),
        };
        let ask = |(_, region, url): &(String, String, String)| {
            let (channel, region, request) = (self.channels.to(url), region.clone(), request.clone());
            async move {
                let Some(channel) = channel else { return Err(region) };
                let mut client = TelemetryQueryClient::new(channel).max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX);
                match tokio::time::timeout(DEADLINE, client.history(request)).await {
                    Ok(Ok(response)) => Ok(Source::peer(region, response.into_inner())),
                    Ok(Err(_)) | Err(_) => Err(region),
                }
            }
        };
        let start = after.map(|key| (key.t, SpoolId(key.spool), key.seq));
        let own = self.reader.history(vehicle, from, to, start).await.map_err(|error| {
            tracing::error!(%error, "history cannot be read");
            Problem::unreadable()
        })?;
        let mut sources = vec![Source::own("this gateway".to_owned(), own)];
        for answer in join_all(peers.alive.iter().map(ask)).await {
            match answer {
                Ok(source) => sources.push(source),
                Err(region) => drop(missing.insert(region)),
            }
        }
        Ok((Merge::new(sources, from, to, after), missing))
    }
}

fn write_cursor(key: Key) -> String {
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
