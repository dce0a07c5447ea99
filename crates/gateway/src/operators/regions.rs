//! `GET /v1/regions`: what this gateway knows of every other, and how old that is.

use super::Operators;
use super::problem::Problem;
use super::shape::{counts, secs};
use axum::Json;
use axum::extract::State;
use std::collections::BTreeMap;
use waygate_core::view::{Liveness, NodeStatus};
use waygate_wire::operator::{Gateway, GatewayStatus, Instant, Region, Regions, StateCounts, U64Text};

/// `GET /v1/regions`
pub async fn list(State(operators): State<Operators>) -> Result<Json<Regions>, Problem> {
    operators.regions().await.map(Json).ok_or_else(Problem::stopping)
}

impl Operators {
    /// What this gateway knows of every other; `None` if it stops.
    pub async fn regions(&self) -> Option<Regions> {
        let mut regions = self.presence.ask(overview).await?;
        regions.acked_records_total = self.reader.counts().map(|counts| counts.records).unwrap_or_default();
        Some(regions)
    }
}

fn overview(state: &crate::presence::State) -> Regions {
    let view = state.node.view();
    let mut by_region: BTreeMap<String, Vec<Gateway>> = BTreeMap::new();
    let mut totals = StateCounts::default();
    for node in view.nodes() {
        let gateway = gateway(state, node);
        add(&mut totals, &gateway.vehicles);
        by_region.entry(node.info.region.as_str().to_owned()).or_default().push(gateway);
    }
    Regions {
        gateway: view.me().id.as_str().to_owned(),
        region: view.me().region.as_str().to_owned(),
        time: Instant(state.clock.wall()),
        regions: by_region.into_iter().map(|(region, gateways)| Region { region, gateways }).collect(),
        totals,
        acked_records_total: 0,
    }
}

fn gateway(state: &crate::presence::State, node: &NodeStatus) -> Gateway {
    let now = state.clock.now();
    let view = state.node.view();
    let (status, heard) = match node.liveness {
        Liveness::Own => (GatewayStatus::Alive, None),
        Liveness::Alive { heard } => (GatewayStatus::Alive, Some(heard)),
        Liveness::Lost { since } => (GatewayStatus::Lost, Some(since)),
        Liveness::Unmet { .. } => (GatewayStatus::Unknown, None),
    };
    let link = state.node.link_to(&node.info.id);
    let lag_entries = link.map_or(0, |link| link.behind(view));
    let lag_s = match lag_entries {
        0 => link.map(|_| 0.0),
        _ => link.and_then(|link| link.level()).map(|level| secs(now.since(level))),
    };
    Gateway {
        id: node.info.id.as_str().to_owned(),
        is_self: node.liveness == Liveness::Own,
        status,
        draining: node.info.draining,
        incarnation: U64Text(node.info.incarnation.0),
        operators_url: node.info.operators_url.clone(),
        vehicles_url: node.info.vehicles_url.clone(),
        heard_ago_s: heard.map(|heard| secs(now.since(heard))),
        lag_entries,
        lag_s,
        stale_for_s: match node.liveness {
            Liveness::Lost { since } | Liveness::Unmet { since } => Some(secs(now.since(since))),
            Liveness::Own | Liveness::Alive { .. } => None,
        },
        vehicles: counts(view.tally(&node.info.id)),
    }
}

fn add(totals: &mut StateCounts, counts: &StateCounts) {
    totals.online += counts.online;
    totals.idle += counts.idle;
    totals.asleep += counts.asleep;
    totals.unreachable += counts.unreachable;
    totals.offline += counts.offline;
    totals.stale += counts.stale;
}
