//! The presence transitions of one vehicle.

use super::{Instant, State, U64Text};
use serde::{Deserialize, Serialize};

/// `GET /v1/vehicles/{id}/timeline`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// Newest first.
    pub transitions: Vec<Transition>,
    /// The cursor of the next page, of older ones.
    pub next: Option<String>,
    /// Regions that did not answer.
    pub missing_regions: Vec<String>,
}

/// What a gateway said of the vehicle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// When, by the clock of the gateway that decided it if it answered, otherwise of the one that heard of it first.
    pub at: Instant,
    /// The state from then on; `unknown` where that gateway let the vehicle go.
    pub state: State,
    /// Why, for `offline`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The region of the gateway that decided it.
    pub region: String,
    /// That gateway.
    pub gateway: String,
    /// Which of its lives.
    pub incarnation: U64Text,
    /// The attach it belongs to.
    pub epoch: U64Text,
    /// The session it belongs to.
    pub session: U64Text,
    /// The tracking area, an H3 cell of resolution 5 in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<String>,
    /// Whether two units seemed to use the identity.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cloned: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}
