//! `GET /v1/regions`: what this gateway knows of every other, by region, and how old that is.

use super::Operators;
use super::problem::Problem;
use super::seen::gateway_view;
use axum::Json;
use axum::extract::State;
use std::collections::BTreeMap;
use waygate_wire::operator::{Gateway, GatewayView, Region, Regions, StateCounts};
use waygate_wire::proto;

/// `GET /v1/regions`
pub async fn list(State(operators): State<Operators>) -> Result<Json<Regions>, Problem> {
    operators.regions().await.map(Json).ok_or_else(Problem::stopping)
}

impl Operators {
    /// What this gateway knows of every other; `None` if it stops.
    pub async fn regions(&self) -> Option<Regions> {
        let view = self.own_view().await?;
        let counts = self.counted_elsewhere(&view).await?;
        Some(by_region(gateway_view(told(view, &counts))))
    }
}

/// With what other gateways count themselves, where this one does not keep all of their vehicles.
fn told(mut view: proto::ViewReply, counts: &BTreeMap<String, proto::Tally>) -> proto::ViewReply {
    for seen in &mut view.gateways {
        let id = seen.node.as_ref().map(|node| node.id.as_str()).unwrap_or_default();
        if let Some(count) = counts.get(id) {
            seen.vehicles = Some(*count);
        }
    }
    view
}

/// The same, by region.
pub fn by_region(view: GatewayView) -> Regions {
    let mut by_region: BTreeMap<String, Vec<Gateway>> = BTreeMap::new();
    let mut totals = StateCounts::default();
    for seen in view.gateways {
        add(&mut totals, &seen.gateway.vehicles);
        by_region.entry(seen.region).or_default().push(seen.gateway);
    }
    Regions {
        gateway: view.seen_by,
        region: view.region,
        time: view.time,
        regions: by_region.into_iter().map(|(region, gateways)| Region { region, gateways }).collect(),
        totals,
        acked_records_total: view.acked_records_total,
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
