//! What a convoy is told and what it answers: one JSON object a line, one answer to each line.

use crate::judge::Verdict;
use crate::ledger::Broken;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One line to a convoy: `{"do":"prefer","units":["V-1"],"gateways":["ws://…"]}`.
#[derive(Clone, Debug, Deserialize)]
pub struct Order {
    /// Which units it is about; `pause`, `sight` and `judge` are about all.
    #[serde(default)]
    pub(super) units: Vec<String>,
    #[serde(flatten)]
    pub(super) what: Task,
}

/// What is to be done.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(super) enum Task {
    /// Units begin to dial and report; each is a vehicle of its own name, or all are this one.
    Start {
        vehicle: Option<String>,
        gateways: Vec<String>,
        /// Between two records of one unit, milliseconds.
        report_ms: u64,
    },
    /// Other gateways from now on: a unit that has a session moves.
    Prefer { gateways: Vec<String> },
    /// After a goodbye: once more.
    Attach,
    /// A goodbye.
    Detach,
    /// No unit reports any more.
    Pause,
    /// How all units stand.
    Sight,
    /// Whether all that was promised is found at this operators' address.
    Judge { operator: String },
}

/// The answer to one line: one of these fields.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Reply {
    /// The order was carried out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub done: bool,
    /// It was not, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// How all units stand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units: Option<Vec<UnitSight>>,
    /// What was found of what was promised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<VerdictSight>,
}

impl Reply {
    pub(super) fn done() -> Self {
        Self { done: true, ..Self::default() }
    }

    pub(super) fn fault(why: String) -> Self {
        Self { fault: Some(why), ..Self::default() }
    }

    pub(super) fn sight(units: Vec<UnitSight>) -> Self {
        Self { units: Some(units), ..Self::default() }
    }

    pub(super) fn verdict(verdict: VerdictSight) -> Self {
        Self { verdict: Some(verdict), ..Self::default() }
    }
}

/// How one unit stands, as it knows itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UnitSight {
    /// As it was started.
    pub unit: String,
    /// Whose name it uses.
    pub vehicle: String,
    /// `waiting`, `connecting`, `attaching`, `attached`, `asleep`, `stopped`.
    pub state: String,
    /// The gateway it has a session with, or tries.
    pub gateway: String,
    /// Its session, decimal, if it has one.
    pub session: Option<String>,
    /// The epoch of its last accept, decimal.
    pub epoch: String,
    /// Records that nobody has promised anything for.
    pub unsettled: u64,
    /// Dials.
    pub attempts: u64,
    /// Accepts.
    pub attached: u64,
    /// Accepts that went on with the session that the unit had.
    pub resumed: u64,
    /// Times it was told that a newer session of its vehicle won.
    pub superseded: u64,
    /// Attaches refused, by cause.
    pub refused: BTreeMap<String, u64>,
    /// Sockets of sessions that were lost.
    pub lost: u64,
    /// Records given out.
    pub recorded: u64,
    /// Commands begun, by id: how often.
    pub begun: BTreeMap<String, u64>,
}

/// What a judge found, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VerdictSight {
    /// Vehicles looked at.
    pub vehicles: u64,
    /// Records acked as stored.
    pub acked: u64,
    /// Of these, found exactly once and as sent.
    pub kept: u64,
    /// Acked and not found exactly once.
    pub lost: u64,
    /// Findings other than lost records, of those listed by name: doubled, altered, invented.
    pub spoiled: u64,
    /// Vehicles that could not be looked at, and regions that did not answer.
    pub unseen: u64,
    /// All of it for a person.
    pub text: String,
}

impl VerdictSight {
    pub(super) fn of(verdict: Verdict) -> Self {
        let is_loss = |broken: &Broken| match broken {
            Broken::Lost { .. } => true,
            Broken::Doubled { .. }
            | Broken::StoredThoughRejected { .. }
            | Broken::Altered { .. }
            | Broken::Invented { .. } => false,
        };
        Self {
            vehicles: verdict.vehicles,
            acked: verdict.acked,
            kept: verdict.kept,
            lost: verdict.acked - verdict.kept,
            spoiled: verdict.listed.iter().filter(|(_, broken)| !is_loss(broken)).count() as u64,
            unseen: verdict.unanswered.len() as u64 + verdict.missing_regions.len() as u64,
            text: verdict.to_string(),
        }
    }
}
