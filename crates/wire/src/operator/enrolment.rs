//! Which vehicles may attach.

use super::Instant;
use serde::{Deserialize, Serialize};

/// A vehicle that asked to be admitted, or was decided on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnrolledVehicle {
    /// Which.
    pub id: String,
    /// The fleet that it showed, or was decided on for.
    pub fleet: String,
    /// `pending`, `admitted` or `refused`.
    pub standing: String,
    /// When it asked first.
    pub first_seen: Instant,
    /// When it asked last before it was decided on, within a minute.
    pub last_seen: Instant,
    /// What it showed: `certificate`, `token` or `proxy`; `None` if it was decided on unseen.
    pub means: Option<String>,
    /// The gateway at which it was decided on.
    pub decided_at: Option<String>,
}

/// `GET /v1/vehicles/pending`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnrolledList {
    /// By name.
    pub vehicles: Vec<EnrolledVehicle>,
    /// Where the list goes on.
    pub next: Option<String>,
}

/// `POST /v1/vehicles/{id}/admit` and `…/refuse`; an empty body decides on the vehicle in the fleet that it showed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NewDecision {
    /// Its fleet, if it never asked or belongs to another one.
    pub fleet: Option<String>,
}
