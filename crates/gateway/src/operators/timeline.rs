//! `GET /v1/vehicles/{id}/timeline`: the presence transitions of one vehicle, as all gateways together know them.
//!
//! Each gateway keeps what it came to know, in the order of its own clock. An answer prefers what the deciding gateway
//! kept, whose time is right, and of others' the earliest. Gateways differ in the time they give the same transition,
//! so a cursor also says what was shown of each gateway: a copy with another time is not shown again.

use super::Operators;
use super::problem::Problem;
use super::query::{Parameters, vehicle_id};
use crate::peers::timeline::{TRANSITIONS_MAX, ask, start_of};
use crate::timeline::FLAG_CLONED;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use futures_util::future::join_all;
use http::StatusCode;
use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use waygate_core::cause::DetachCause;
use waygate_core::id::{Incarnation, NodeId, VehicleId};
use waygate_core::log::LiveState;
use waygate_core::time::Wall;
use waygate_store::{TimelineKey, TransitionRecord};
use waygate_wire::operator::{self, Instant, Timeline, Transition, U64Text};

/// Transitions of one page.
const PAGE_MAX: usize = 1000;

/// Asked for beyond a page: those with the time of the last one shown come again.
const SLACK: u32 = 64;

/// What one gateway has of a vehicle's timeline, newest first.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Which gateway.
    pub node: NodeId,
    /// What it has.
    pub records: Vec<TransitionRecord>,
    /// Whether it has older ones.
    pub full: bool,
}

/// A life and a number in it: orders what one gateway says of a vehicle.
type Place = (Incarnation, u64);

/// A transition as it was found.
#[derive(Clone, Debug)]
struct Chosen {
    /// Whether the gateway that decided it tells it.
    first_hand: bool,
    /// The time by which it is paged: the latest that anyone tells, as pages go back in time and whoever heard of it
    /// earlier may tell of it only on a later one.
    rank: Wall,
    /// What is told, with the earliest time.
    record: TransitionRecord,
}

/// Where a timeline goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cursor {
    /// Everything shown stands at it or after it.
    before: TimelineKey,
    /// The lowest place shown of each gateway.
    shown: BTreeMap<NodeId, Place>,
}

/// `GET /v1/vehicles/{id}/timeline`
pub async fn list(
    State(operators): State<Operators>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<Timeline>, Problem> {
    let vehicle = vehicle_id(id)?;
    let mut parameters = Parameters::read(query.as_deref())?;
    let limit = parameters.limit(100, PAGE_MAX)?;
    let cursor = parameters.text("cursor").map(|text| {
        let fault = || Problem::parameter("cursor", "cursor must be the next of an earlier answer");
        Cursor::read(&text).ok_or_else(fault)
    });
    let cursor = cursor.transpose()?;
    parameters.done()?;
    let (answers, missing) = operators.timelines(&vehicle, cursor.as_ref(), limit).await?;
    let missing_regions: Vec<String> = missing.into_iter().collect();
    let (records, next) = merge(answers, cursor.as_ref(), limit);
    if records.is_empty() && cursor.is_none() {
        let known = operators.lookup().find(&vehicle).await.ok_or_else(Problem::stopping)?.sight.is_some();
        if !known {
            let detail = format!("no gateway that answered knows a vehicle {vehicle}");
            return Err(Problem::new(StatusCode::NOT_FOUND, detail).missing(missing_regions));
        }
    }
    let transitions = records.iter().filter_map(transition).collect();
    Ok(Json(Timeline { transitions, next: next.map(|cursor| cursor.write()), missing_regions }))
}

impl Operators {
    /// What this gateway and all that are heard have, and the regions that did not answer.
    async fn timelines(
        &self,
        vehicle: &VehicleId,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<(Vec<Answer>, BTreeSet<String>), Problem> {
        let peers = self.peers().await?;
        let me = self.presence.ask(|state| state.node.view().me().id.clone()).await.ok_or_else(Problem::stopping)?;
        let before = cursor.map(|cursor| Wall(cursor.before.0.0.saturating_add(1)));
        let limit = (limit as u32 + SLACK).min(TRANSITIONS_MAX);
        let asked = peers.alive.iter().map(|(id, region, url)| async move {
            let (channel, node) = (self.channels.to(url).ok_or(region)?, NodeId::new(id).map_err(|_| region)?);
            ask(channel, node, vehicle, before, limit).await.ok_or(region)
        });
        let own = self.reader.timeline(vehicle, before.and_then(start_of), limit);
        let (asked, own) = futures_util::future::join(join_all(asked), own).await;
        let records = own.map_err(|error| {
            tracing::error!(%error, "a timeline cannot be read");
            Problem::unreadable()
        })?;
        let mut answers = vec![Answer { node: me, full: records.len() >= limit as usize, records }];
        let mut missing = peers.missing.clone();
        for answer in asked {
            match answer {
                Ok(answer) => answers.push(answer),
                Err(region) => drop(missing.insert(region.clone())),
            }
        }
        Ok((answers, missing))
    }
}

/// One page of what these gateways have, newest first, each transition once; and where to go on.
fn merge(answers: Vec<Answer>, cursor: Option<&Cursor>, limit: usize) -> (Vec<TransitionRecord>, Option<Cursor>) {
    let place = |record: &TransitionRecord| (record.incarnation, record.seq);
    // What a gateway has beyond its answer may stand anywhere before its last.
    let cut = answers.iter().filter(|answer| answer.full).filter_map(|answer| answer.records.last());
    let horizon = cut.map(|record| record.at).max();
    let own = |answer: &Answer, record: &TransitionRecord| record.owner == answer.node;
    let floors: BTreeMap<NodeId, Option<Place>> = answers
        .iter()
        .filter(|answer| answer.full)
        .map(|answer| {
            let said = answer.records.iter().filter(|record| own(answer, record));
            (answer.node.clone(), said.map(place).min())
        })
        .collect();
    let mut chosen: BTreeMap<(NodeId, Place), Chosen> = BTreeMap::new();
    for answer in &answers {
        for record in &answer.records {
            let told = Chosen { first_hand: own(answer, record), rank: record.at, record: record.clone() };
            match chosen.entry((record.owner.clone(), place(record))) {
                Entry::Vacant(vacant) => drop(vacant.insert(told)),
                Entry::Occupied(mut held) => held.get_mut().join(told),
            }
        }
    }
    let wanted = |told: &Chosen| {
        let record = &told.record;
        let shown = cursor.and_then(|cursor| cursor.shown.get(&record.owner));
        // A copy of what its own gateway tells only on a later page, or told on an earlier one, waits or is past.
        let copied = || {
            shown.is_none_or(|shown| place(record) < *shown)
                && floors.get(&record.owner).is_none_or(|floor| floor.is_some_and(|floor| place(record) > floor))
        };
        cursor.is_none_or(|cursor| told.key() < cursor.before)
            && horizon.is_none_or(|horizon| told.rank > horizon)
            && (told.first_hand || copied())
    };
    let mut page: Vec<Chosen> = chosen.into_values().filter(wanted).collect();
    page.sort_by_cached_key(|told| Reverse(told.key()));
    let more = page.len() > limit;
    page.truncate(limit);
    let before = match (more, horizon) {
        (true, _) => page.last().map(Chosen::key),
        (false, Some(horizon)) => start_of(Wall(horizon.0.saturating_add(1))),
        (false, None) => None,
    };
    let mut records: Vec<TransitionRecord> = page.into_iter().map(|told| told.record).collect();
    records.sort_by_cached_key(|record| Reverse(record.key()));
    let mut shown = cursor.map(|cursor| cursor.shown.clone()).unwrap_or_default();
    for record in &records {
        let lowest = shown.entry(record.owner.clone()).or_insert_with(|| place(record));
        *lowest = place(record).min(*lowest);
    }
    (records, before.map(|before| Cursor { before, shown }))
}

impl Chosen {
    /// Where it is paged.
    fn key(&self) -> TimelineKey {
        (self.rank, self.record.owner.clone(), self.record.incarnation, self.record.seq)
    }

    /// Another answer tells the same.
    fn join(&mut self, other: Self) {
        match (self.first_hand, other.first_hand) {
            (true, _) => {}
            (false, true) => *self = other,
            (false, false) => {
                self.rank = self.rank.max(other.rank);
                self.record.at = self.record.at.min(other.record.at);
            }
        }
    }
}

impl Cursor {
    fn write(&self) -> String {
        let (at, owner, incarnation, seq) = &self.before;
        let mut text = format!("{}:{owner}:{}:{seq}", at.0, incarnation.0);
        for (node, (incarnation, seq)) in &self.shown {
            text += &format!(",{node}:{}:{seq}", incarnation.0);
        }
        text
    }

    fn read(text: &str) -> Option<Self> {
        let place = |text: &str| {
            let mut parts = text.split(':');
            let node = NodeId::new(parts.next()?).ok()?;
            let place = (Incarnation(parts.next()?.parse().ok()?), parts.next()?.parse().ok()?);
            parts.next().is_none().then_some((node, place))
        };
        let mut parts = text.split(',');
        let (at, rest) = parts.next()?.split_once(':')?;
        let (owner, (incarnation, seq)) = place(rest)?;
        let before = (Wall(at.parse().ok()?), owner, incarnation, seq);
        Some(Self { before, shown: parts.map(place).collect::<Option<_>>()? })
    }
}

/// As it is told; `None` for a state of a later version.
fn transition(record: &TransitionRecord) -> Option<Transition> {
    let state = match LiveState::from_number(record.state)? {
        LiveState::Connected => operator::State::Online,
        LiveState::Idle => operator::State::Idle,
        LiveState::Asleep => operator::State::Asleep,
        LiveState::Unreachable => operator::State::Unreachable,
        LiveState::Detached => operator::State::Offline,
        LiveState::Removed => operator::State::Unknown,
    };
    Some(Transition {
        at: Instant(record.at),
        state,
        cause: DetachCause::from_number(record.cause).map(|cause| cause.wire().to_owned()),
        region: record.region.as_str().to_owned(),
        gateway: record.owner.as_str().to_owned(),
        incarnation: U64Text(record.incarnation.0),
        epoch: U64Text(record.epoch.0),
        session: U64Text(record.session.0),
        cell: record.cell.map(|cell| cell.to_string()),
        cloned: record.flags & FLAG_CLONED != 0,
    })
}

#[cfg(test)]
#[path = "timeline_tests.rs"]
mod tests;
