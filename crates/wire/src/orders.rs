//! Commands between gateways and in their stores: `peer.proto` ⇄ the core's records.
//!
//! Points in time are written as ages and read against the reader's own clock. Strength is never lost: a word of a
//! later version that is not known here makes the record unreadable rather than weaker.

use crate::command::{command_id, command_json, command_name, command_text};
use crate::error::{FieldFault, at_most};
use crate::proto;
use prost::Message;
use waygate_core::command::Policy;
use waygate_core::commands::{End, EndKind, Outcome, Progress, Record, Report, RequestKey, Said, State, Step};
use waygate_core::id::{NodeId, VehicleId};
use waygate_core::limits::{COMMAND_STEPS_MAX, COMMAND_TTL_MS_MAX};
use waygate_core::time::{BootMoment, Millis, Mono};

/// Gateways that keep one command; more than a few is a mistake.
const KEEPERS_MAX: usize = 16;

/// Writes a record, `now` on the clock of the node that holds it.
pub fn record_to_proto(record: &Record, now: Mono) -> proto::CommandRecord {
    let policy = match record.policy {
        Policy::Now => proto::CommandPolicy::Now,
        Policy::Queue => proto::CommandPolicy::Queue,
        Policy::LatestWins(_) => proto::CommandPolicy::LatestWins,
    };
    let step = |step: &Step| proto::CommandStep {
        state: step.state.number(),
        age_ms: now.since(step.at).0,
        gateway: step.gateway.as_str().to_owned(),
        text: step.text.clone(),
    };
    let (request_key, request_digest) =
        record.request.as_ref().map(|request| (request.key.clone(), request.digest)).unwrap_or_default();
    proto::CommandRecord {
        id: record.id.to_bytes().to_vec(),
        vehicle: record.vehicle.as_str().to_owned(),
        name: record.name.as_str().to_owned(),
        arguments: record.arguments.clone(),
        policy: policy.into(),
        key: record.policy.key().unwrap_or_default().to_owned(),
        wake: record.wake,
        age_ms: now.since(record.taken).0,
        ttl_ms: record.ttl.0,
        origin: record.origin.as_str().to_owned(),
        keepers: record.keepers.iter().map(|node| node.as_str().to_owned()).collect(),
        by: record.by.clone(),
        cancel: record.cancel,
        wakes: record.wakes,
        progress: Some(progress_to_proto(&record.progress)),
        end: record.end.as_ref().map(|end| word(end.kind.number(), 0, &end.said)),
        steps: record.steps.iter().map(step).collect(),
        request_key,
        request_digest,
        attempting: record.attempting,
        written: None,
    }
}

/// Reads a record, written at `now` on the clock of the node that reads it.
pub fn record_from_proto(m: proto::CommandRecord, now: Mono) -> Result<Record, FieldFault> {
    at_most("keepers", m.keepers.len(), KEEPERS_MAX)?;
    at_most("steps", m.steps.len(), COMMAND_STEPS_MAX)?;
    if m.ttl_ms == 0 || m.ttl_ms > COMMAND_TTL_MS_MAX {
        return Err(FieldFault::at("ttl_ms", format!("must be 1 to {COMMAND_TTL_MS_MAX}")));
    }
    let policy = match proto::CommandPolicy::try_from(m.policy) {
        Ok(proto::CommandPolicy::Now) => Policy::Now,
        Ok(proto::CommandPolicy::Queue) => Policy::Queue,
        Ok(proto::CommandPolicy::LatestWins) => Policy::LatestWins(command_text("key", m.key)?),
        Err(_) => return Err(FieldFault::at("policy", format!("{} is not known here", m.policy))),
    };
    let progress = m.progress.ok_or_else(|| FieldFault::at("progress", "is missing"))?;
    let step = |step: proto::CommandStep| {
        let state = State::from_number(step.state).ok_or_else(|| unknown("steps.state", step.state))?;
        let gateway = node("steps.gateway", &step.gateway)?;
        Ok(Step { at: now.before(Millis(step.age_ms)), state, gateway, text: command_text("steps.text", step.text)? })
    };
    let request = (!m.request_key.is_empty()).then_some((m.request_key, m.request_digest));
    Ok(Record {
        id: command_id(&m.id)?,
        vehicle: vehicle(&m.vehicle)?,
        name: command_name(&m.name)?,
        arguments: command_json("arguments", m.arguments)?,
        policy,
        wake: m.wake,
        taken: now.before(Millis(m.age_ms)),
        ttl: Millis(m.ttl_ms),
        origin: node("origin", &m.origin)?,
        by: command_text("by", m.by)?,
        request: request.map(|(key, digest)| RequestKey { key, digest }),
        keepers: m.keepers.iter().map(|keeper| node("keepers", keeper)).collect::<Result<_, _>>()?,
        attempting: m.attempting,
        cancel: m.cancel,
        wakes: m.wakes,
        progress: progress_from_proto(progress).map_err(|fault| fault.under("progress"))?,
        end: m.end.map(end_from_proto).transpose().map_err(|fault| fault.under("end"))?,
        steps: m.steps.into_iter().map(step).collect::<Result<_, FieldFault>>()?,
    })
}

/// A record as bytes, for the store.
pub fn record_to_bytes(record: &Record, now: Mono, written: Option<BootMoment>) -> Vec<u8> {
    let moment = |BootMoment { boot, at }| proto::BootMoment { boot: boot.to_be_bytes().to_vec(), ms: at.0 };
    proto::CommandRecord { written: written.map(moment), ..record_to_proto(record, now) }.encode_to_vec()
}

/// Reads what [`record_to_bytes`] wrote. `then` is told when that was, if it was noted, and gives it on this node's present
/// clock.
pub fn record_from_bytes(bytes: &[u8], then: impl FnOnce(Option<BootMoment>) -> Mono) -> Result<Record, FieldFault> {
    let record = proto::CommandRecord::decode(bytes).map_err(|error| FieldFault::at("", error.to_string()))?;
    let moment = |moment: &proto::BootMoment| {
        let boot = u128::from_be_bytes(moment.boot.as_slice().try_into().ok()?);
        Some(BootMoment { boot, at: Millis(moment.ms) })
    };
    let then = then(record.written.as_ref().and_then(moment));
    record_from_proto(record, then)
}

/// Writes a report.
pub fn report_to_proto(report: &Report) -> proto::CommandReport {
    proto::CommandReport {
        vehicle: report.vehicle.as_str().to_owned(),
        status: Some((&report.status).into()),
        gateway: report.gateway.as_str().to_owned(),
    }
}

/// Reads a report.
pub fn report_from_proto(m: proto::CommandReport) -> Result<Report, FieldFault> {
    let status = m.status.ok_or_else(|| FieldFault::at("status", "is missing"))?;
    Ok(Report {
        vehicle: vehicle(&m.vehicle)?,
        status: status.try_into().map_err(|fault: FieldFault| fault.under("status"))?,
        gateway: node("gateway", &m.gateway)?,
    })
}

/// How a delivery went, for the gateway that asked.
pub const fn outcome_to_proto(outcome: Outcome) -> proto::DeliverOutcome {
    match outcome {
        Outcome::Sent => proto::DeliverOutcome::Sent,
        Outcome::NotServed => proto::DeliverOutcome::NotServed,
        Outcome::Expired => proto::DeliverOutcome::Expired,
        Outcome::NoAnswer => proto::DeliverOutcome::Unspecified,
    }
}

/// How a delivery went, as told; what is not known here may have been sent.
pub fn outcome_from_proto(number: i32) -> Outcome {
    match proto::DeliverOutcome::try_from(number) {
        Ok(proto::DeliverOutcome::Sent) => Outcome::Sent,
        Ok(proto::DeliverOutcome::NotServed) => Outcome::NotServed,
        Ok(proto::DeliverOutcome::Expired) => Outcome::Expired,
        Ok(proto::DeliverOutcome::Unspecified) | Err(_) => Outcome::NoAnswer,
    }
}

fn word(number: u32, percent: u8, said: &Said) -> proto::CommandWord {
    let Said { code, text, result } = said.clone();
    proto::CommandWord { number, percent: percent.into(), code, text, result }
}

fn progress_to_proto(progress: &Progress) -> proto::CommandWord {
    match progress {
        Progress::Queued | Progress::Tried | Progress::Sent => word(progress.number(), 0, &Said::default()),
        Progress::Accepted(said) => word(progress.number(), 0, said),
        Progress::Running(percent, said) => word(progress.number(), *percent, said),
    }
}

fn said(word: proto::CommandWord) -> Result<Said, FieldFault> {
    let (code, text) = (command_text("code", word.code)?, command_text("text", word.text)?);
    Ok(Said { code, text, result: command_json("result", word.result)? })
}

fn progress_from_proto(word: proto::CommandWord) -> Result<Progress, FieldFault> {
    let (number, percent) = (word.number, word.percent.min(100) as u8);
    Progress::from_number(number, percent, said(word)?).ok_or_else(|| unknown("number", number))
}

fn end_from_proto(word: proto::CommandWord) -> Result<End, FieldFault> {
    let kind = EndKind::from_number(word.number).ok_or_else(|| unknown("number", word.number))?;
    Ok(End { kind, said: said(word)? })
}

fn unknown(path: &str, number: u32) -> FieldFault {
    FieldFault::at(path, format!("{number} is not known here"))
}

fn node(path: &str, id: &str) -> Result<NodeId, FieldFault> {
    NodeId::new(id).map_err(|error| FieldFault::at(path, error.to_string()))
}

fn vehicle(id: &str) -> Result<VehicleId, FieldFault> {
    VehicleId::new(id).map_err(|error| FieldFault::at("vehicle", error.to_string()))
}

#[cfg(test)]
#[path = "orders_tests.rs"]
mod tests;
