//! Compares what gateways promised with what they serve: every acked record must be found exactly once,
//! by asking any gateway over its operator API.

use crate::ledger::{Audit, AuditOutcome, Broken, VehicleLedger};
use crate::operator::{AskError, Operator};
use std::collections::BTreeSet;
use std::fmt;
use tokio::task::JoinSet;
use waygate_core::id::{SpoolId, VehicleId};
use waygate_wire::operator::{Instant, TelemetryPage};

/// Records asked for at a time: the most the API gives.
const PAGE_RECORDS: usize = 10_000;

/// Vehicles asked about at the same time.
const VEHICLES_AT_A_TIME: usize = 8;

/// Findings a verdict lists by name; all are counted.
const LISTED_MAX: usize = 50;

/// What became of all promises.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Vehicles whose history was held against their ledger.
    pub vehicles: u64,
    /// Records acked as stored.
    pub acked: u64,
    /// Of these, found exactly once and with the time they were sent with.
    pub kept: u64,
    /// Found although their ack did not arrive, which is allowed.
    pub unacked: u64,
    /// Records refused for good.
    pub rejected: u64,
    /// How many promises were not kept.
    pub broken: u64,
    /// The first of them, by name.
    pub listed: Vec<(VehicleId, Broken)>,
    /// Vehicles that could not be looked at, and why; at most as many as are listed.
    pub unanswered: Vec<(VehicleId, String)>,
    /// Regions that did not take part in an answer: what they hold was not seen.
    pub missing_regions: BTreeSet<String>,
}

impl Verdict {
    /// Whether every promise was looked at and kept.
    pub fn holds(&self) -> bool {
        self.broken == 0 && self.unanswered.is_empty() && self.missing_regions.is_empty() && self.kept == self.acked
    }

    fn add(&mut self, ledger: &VehicleLedger, outcome: AuditOutcome) {
        self.kept += outcome.kept;
        self.unacked += outcome.unacked;
        self.broken += outcome.broken.len() as u64;
        let room = LISTED_MAX.saturating_sub(self.listed.len());
        self.listed.extend(outcome.broken.into_iter().take(room).map(|b| (ledger.vehicle().clone(), b)));
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.holds() {
            write!(f, "{} acked records of {} vehicles: each found exactly once", self.acked, self.vehicles)?;
        } else {
            write!(f, "{} of {} acked records found exactly once", self.kept, self.acked)?;
        }
        if self.unacked > 0 {
            write!(f, " ({} more whose ack did not arrive)", self.unacked)?;
        }
        if self.rejected > 0 {
            write!(f, " ({} refused for good)", self.rejected)?;
        }
        for region in &self.missing_regions {
            write!(f, "\n  region {region} did not answer: what it holds was not seen")?;
        }
        for (vehicle, broken) in &self.listed {
            write!(f, "\n  {vehicle}: {broken}")?;
        }
        if self.broken > self.listed.len() as u64 {
            write!(f, "\n  and {} more like these", self.broken - self.listed.len() as u64)?;
        }
        for (vehicle, why) in &self.unanswered {
            write!(f, "\n  {vehicle}: not looked at: {why}")?;
        }
        Ok(())
    }
}

/// Looks every vehicle's history up at a gateway and compares.
pub async fn judge(operator: &Operator, ledgers: Vec<VehicleLedger>) -> Verdict {
    let mut verdict = Verdict::default();
    let mut waiting = ledgers.into_iter();
    let mut asking = JoinSet::new();
    loop {
        while asking.len() < VEHICLES_AT_A_TIME {
            let Some(ledger) = waiting.next() else { break };
            verdict.vehicles += 1;
            verdict.acked += ledger.acked();
            verdict.rejected += ledger.rejected();
            let operator = operator.clone();
            asking.spawn(async move {
                let looked = look(&operator, &ledger).await;
                (ledger, looked)
            });
        }
        match asking.join_next().await {
            None => break,
            Some(Ok((ledger, Ok((outcome, missing))))) => {
                verdict.add(&ledger, outcome);
                verdict.missing_regions.extend(missing);
            }
            // A vehicle of which nothing was acked may be unknown everywhere.
            Some(Ok((ledger, Err(AskError::Refused { status, .. })))) if status == 404 && ledger.acked() == 0 => {}
            Some(Ok((ledger, Err(why)))) => verdict.unanswered.push((ledger.vehicle().clone(), why.to_string())),
            // Only a panic ends a look early, and what it would have found is then missing from `kept`.
            Some(Err(ended)) => tracing::error!(%ended, "a look at a vehicle's history ended early"),
        }
    }
    verdict.unanswered.truncate(LISTED_MAX);
    verdict
}

async fn look(operator: &Operator, ledger: &VehicleLedger) -> Result<(AuditOutcome, BTreeSet<String>), AskError> {
    let mut audit = Audit::new(ledger);
    let mut missing = BTreeSet::new();
    let mut cursor: Option<String> = None;
    loop {
        let path = page_path(ledger, cursor.as_deref());
        let page: TelemetryPage = operator.ask(&path).await?;
        missing.extend(page.missing_regions);
        for record in page.records {
            audit.found(SpoolId(record.spool.0), record.seq.0, record.t.0);
        }
        match page.next {
            // A cursor that stays where it is would be followed for ever.
            Some(next) if cursor.as_ref() == Some(&next) => {
                let why = format!("the cursor {next:?} leads to itself");
                return Err(AskError::NotTheApi { url: format!("{}{path}", operator.base()), why });
            }
            Some(next) => cursor = Some(next),
            None => return Ok((audit.finish(), missing)),
        }
    }
}

fn page_path(ledger: &VehicleLedger, cursor: Option<&str>) -> String {
    let (vehicle, (from, to)) = (ledger.vehicle(), ledger.span());
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("from", &Instant(from).to_string()).append_pair("to", &Instant(to).to_string());
    query.append_pair("limit", &PAGE_RECORDS.to_string());
    if let Some(cursor) = cursor {
        query.append_pair("cursor", cursor);
    }
    format!("/v1/vehicles/{vehicle}/telemetry?{}", query.finish())
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
