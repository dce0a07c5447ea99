//! `GET /v1/vehicles/pending`, `POST /v1/vehicles/{id}/admit` and `POST /v1/vehicles/{id}/refuse`: which vehicles may attach.

use super::Operators;
use super::page::read;
use super::problem::Problem;
use super::query::{Parameters, vehicle_id};
use crate::enrolment::{DecideError, Decision};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use http::StatusCode;
use waygate_core::enrolment::{Entry, Standing, Undecided};
use waygate_core::id::{FleetId, VehicleId};
use waygate_wire::operator::{EnrolledList, EnrolledVehicle, Instant, NewDecision};

/// Vehicles of one page.
const PAGE_MAX: usize = 1000;

/// `GET /v1/vehicles/pending`
pub async fn pending(
    State(operators): State<Operators>,
    RawQuery(query): RawQuery,
) -> Result<Json<EnrolledList>, Problem> {
    let mut parameters = Parameters::read(query.as_deref())?;
    let limit = parameters.limit(100, PAGE_MAX)?;
    let standing = match parameters.text("standing") {
        None => Standing::Pending,
        Some(word) => Standing::of(&word).ok_or_else(|| {
            let known: Vec<_> = Standing::ALL.iter().map(|standing| standing.wire()).collect();
            Problem::parameter("standing", format!("standing {word:?} is not one of {}", known.join(", ")))
        })?,
    };
    let cursor = parameters.text("cursor").map(|text| {
        VehicleId::new(&text).map_err(|_| Problem::parameter("cursor", "cursor must be the next of an earlier answer"))
    });
    let cursor = cursor.transpose()?;
    parameters.done()?;
    let list = operators.own.enrolment.list(standing, cursor, limit).await;
    let (page, more) = list.ok_or_else(Problem::stopping)?;
    let next = page.last().filter(|_| more).map(|(vehicle, _)| vehicle.as_str().to_owned());
    Ok(Json(EnrolledList { vehicles: page.iter().map(|(vehicle, entry)| shown(vehicle, entry)).collect(), next }))
}

/// `POST /v1/vehicles/{id}/admit`
pub async fn admit(
    State(operators): State<Operators>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<Json<EnrolledVehicle>, Problem> {
    decide(&operators, true, id, query.as_deref(), &body).await
}

/// `POST /v1/vehicles/{id}/refuse`
pub async fn refuse(
    State(operators): State<Operators>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<Json<EnrolledVehicle>, Problem> {
    decide(&operators, false, id, query.as_deref(), &body).await
}

async fn decide(
    operators: &Operators,
    admit: bool,
    id: Result<Path<String>, PathRejection>,
    query: Option<&str>,
    body: &Bytes,
) -> Result<Json<EnrolledVehicle>, Problem> {
    let vehicle = vehicle_id(id)?;
    Parameters::read(query)?.done()?;
    let asked: NewDecision = read(body)?;
    let fleet = asked.fleet.map(|fleet| FleetId::new(&fleet)).transpose();
    let fleet = fleet.map_err(|error| Problem::parameter("fleet", error.to_string()))?;
    let decision = Decision { vehicle: vehicle.clone(), admit, fleet };
    match operators.own.enrolment.decide(decision).await {
        Ok(entry) => Ok(Json(shown(&vehicle, &entry))),
        Err(error @ DecideError::Undecided(Undecided::NoFleet)) => {
            Err(Problem::new(StatusCode::NOT_FOUND, format!("{vehicle}: {error}, {{\"fleet\": …}}")))
        }
        Err(error @ DecideError::Undecided(Undecided::Full)) => {
            Err(Problem::new(StatusCode::INSUFFICIENT_STORAGE, error.to_string()))
        }
        Err(error @ DecideError::NotKept(_)) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
        Err(DecideError::Stopping) => Err(Problem::stopping()),
    }
}

fn shown(vehicle: &VehicleId, entry: &Entry) -> EnrolledVehicle {
    let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    EnrolledVehicle {
        id: vehicle.as_str().to_owned(),
        fleet: entry.fleet.as_str().to_owned(),
        standing: entry.standing.wire().to_owned(),
        first_seen: Instant(entry.first),
        last_seen: Instant(entry.last),
        means: text(&entry.means),
        decided_at: text(&entry.by),
    }
}
