//! `POST /v1/vehicles/{id}/page` and `POST /v1/vehicles/{id}/snapshot`: what is asked of a vehicle itself.

use super::Operators;
use super::problem::Problem;
use super::query::{Parameters, vehicle_id};
use crate::pager::{PageReply, Place};
use crate::peers::paging::{WAIT_MAX, snapshot_here};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use http::StatusCode;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::time::Duration;
use waygate_core::id::VehicleId;
use waygate_core::limits::SIGNALS_MAX;
use waygate_core::record::SignalPath;
use waygate_wire::operator::{NewPage, NewSnapshot, Page, Snapshot};

/// `POST /v1/vehicles/{id}/page`
pub async fn page(
    State(operators): State<Operators>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<Json<Page>, Problem> {
    let vehicle = vehicle_id(id)?;
    Parameters::read(query.as_deref())?.done()?;
    let asked: NewPage = read(&body)?;
    let wait = Duration::try_from_secs_f64(asked.wait_s).ok().filter(|wait| *wait <= WAIT_MAX);
    let wait = wait.ok_or_else(|| {
        Problem::parameter("wait_s", format!("wait_s is {}; it must be 0 to {}", asked.wait_s, WAIT_MAX.as_secs()))
    })?;
    operators.place(&vehicle).await?;
    let reply = operators.own.pager.page(&vehicle, wait, asked.wake).await.ok_or_else(Problem::stopping)?;
    let PageReply { outcome, took, gateway, detail } = reply;
    let took_s = super::shape::secs(took);
    Ok(Json(Page { vehicle: vehicle.as_str().to_owned(), outcome, took_s, gateway, detail }))
}

/// `POST /v1/vehicles/{id}/snapshot`
pub async fn snapshot(
    State(operators): State<Operators>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<(StatusCode, Json<Snapshot>), Problem> {
    let vehicle = vehicle_id(id)?;
    Parameters::read(query.as_deref())?.done()?;
    let asked: NewSnapshot = read(&body)?;
    if asked.signals.len() > SIGNALS_MAX {
        return Err(Problem::parameter("signals", format!("signals names over {SIGNALS_MAX}; leave it out for all")));
    }
    let signals = asked.signals.iter().map(|path| SignalPath::new(path)).collect::<Option<Vec<_>>>();
    let signals =
        signals.ok_or_else(|| Problem::parameter("signals", "signals must be paths, such as Vehicle.Speed"))?;
    let conflict = |detail: String| Problem::new(StatusCode::CONFLICT, detail);
    let (requested, gateway) = match operators.place(&vehicle).await? {
        Place::Here => {
            let me = operators.presence.ask(|state| state.node.view().me().id.clone());
            let me = me.await.ok_or_else(Problem::stopping)?;
            (snapshot_here(&operators.presence, vehicle.clone(), signals).await, me)
        }
        Place::There(node, url) => match operators.own.pager.snapshot_there(&url, &vehicle, asked.signals).await {
            Ok(asked) => (asked == Some(true), node),
            Err(error) => return Err(conflict(format!("{node} serves {vehicle} and did not answer: {error}"))),
        },
        Place::Unheard(node) => {
            return Err(conflict(format!("{vehicle} was last served by {node}, which is not heard")));
        }
        Place::Unknown => return Err(operators.unknown(&vehicle, BTreeSet::new()).await?),
    };
    if !requested {
        let way = format!("page it first: POST /v1/vehicles/{vehicle}/page");
        return Err(conflict(format!("{vehicle} has no socket at {gateway} that could be written to; {way}")));
    }
    let gateway = gateway.as_str().to_owned();
    Ok((StatusCode::ACCEPTED, Json(Snapshot { requested, gateway })))
}

/// A body as JSON; an empty one asks with the defaults.
pub(super) fn read<T: DeserializeOwned + Default>(body: &Bytes) -> Result<T, Problem> {
    if body.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body)
        .map_err(|error| Problem::parameter("body", format!("the body cannot be read: {error}")))
}

impl Operators {
    /// Where a vehicle is served; a problem if there is no record of it.
    async fn place(&self, vehicle: &VehicleId) -> Result<Place, Problem> {
        let silent = self.lookup().find(vehicle).await.ok_or_else(Problem::stopping)?.silent;
        match Place::find(&self.presence, vehicle).await.ok_or_else(Problem::stopping)? {
            Place::Unknown => Err(self.unknown(vehicle, silent).await?),
            place @ (Place::Here | Place::There(..) | Place::Unheard(_)) => Ok(place),
        }
    }
}
