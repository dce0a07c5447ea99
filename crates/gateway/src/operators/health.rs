//! `/healthz`, `/readyz`, `/metrics`.

use super::Operators;
use super::problem::Problem;
use super::regions::by_region;
use super::seen::gateway_view;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use std::collections::BTreeMap;
use waygate_wire::operator::{Readiness, SeenGateway};

/// The process lives and answers.
pub async fn live() -> &'static str {
    "ok\n"
}

/// Whether the gateway can do its work: take records and keep them. Lost peers do not make it unready.
pub async fn ready(State(operators): State<Operators>) -> Response {
    let mut checks = BTreeMap::new();
    let trouble = operators.health.trouble();
    checks.insert("store".to_owned(), trouble.unwrap_or("ok").to_owned());
    // Without an answer it has stopped.
    let draining = operators.presence.ask(|state| state.draining()).await;
    let presence = match draining {
        Some(false) => "ok",
        Some(true) => "draining: vehicles are sent elsewhere, the gateway is about to stop",
        None => "the gateway stops",
    };
    checks.insert("presence".to_owned(), presence.to_owned());
    let missing = operators.peers().await.map(|peers| peers.missing).unwrap_or_default();
    let peers = match missing.len() {
        0 => "ok".to_owned(),
        _ => format!("not heard: {}", missing.into_iter().collect::<Vec<_>>().join(", ")),
    };
    checks.insert("peers".to_owned(), peers);
    let ready = trouble.is_none() && draining == Some(false) && !operators.tasks.is_stopping();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, checks })).into_response()
}

/// Prometheus text.
pub async fn metrics(State(operators): State<Operators>) -> Result<Response, Problem> {
    let Some(handle) = operators.metrics.clone() else {
        return Err(Problem::new(StatusCode::NOT_FOUND, "metrics are not recorded in this process"));
    };
    operators.measure().await;
    handle.run_upkeep();
    let kind = [("content-type", "text/plain; version=0.0.4; charset=utf-8")];
    Ok((kind, handle.render()).into_response())
}

impl Operators {
    /// Sets the gauges that are read rather than counted.
    async fn measure(&self) {
        if let Ok(counts) = self.reader.counts() {
            metrics::gauge!("waygate_store_records").set(counts.records as f64);
            metrics::gauge!("waygate_store_batches").set(counts.batches as f64);
            metrics::gauge!("waygate_store_file_bytes").set(counts.file_bytes as f64);
            metrics::gauge!("waygate_store_wal_bytes").set(counts.wal_bytes as f64);
            metrics::gauge!("waygate_store_disk_free_bytes").set(counts.disk_free_bytes as f64);
        }
        let figures = self.presence.ask(|state| {
            let load = (state.gate.waiting(), state.gate.rate());
            (state.sockets(), load, state.node.counters())
        });
        if let Some((sockets, (queue, rate), counters)) = figures.await {
            metrics::gauge!("waygate_attach_queue").set(queue as f64);
            metrics::gauge!("waygate_attach_rate").set(rate);
            metrics::gauge!("waygate_vehicle_sockets").set(sockets as f64);
            metrics::counter!("waygate_sync_entries_sent_total").absolute(counters.entries_sent);
            metrics::counter!("waygate_sync_entries_received_total").absolute(counters.entries_received);
            metrics::counter!("waygate_sync_snapshots_sent_total").absolute(counters.snapshots_sent);
            metrics::counter!("waygate_sync_gaps_total").absolute(counters.gaps);
            metrics::counter!("waygate_sync_digest_mismatches_total").absolute(counters.digest_mismatches);
            metrics::counter!("waygate_sync_entries_mended_total").absolute(counters.entries_mended);
        }
        if let Some(view) = self.own_view().await.map(gateway_view) {
            view.gateways.iter().for_each(measure_link);
            let states = by_region(view).totals;
            for (state, count) in [
                ("online", states.online),
                ("idle", states.idle),
                ("asleep", states.asleep),
                ("unreachable", states.unreachable),
                ("offline", states.offline),
                ("stale", states.stale),
            ] {
                metrics::gauge!("waygate_vehicles", "state" => state).set(count as f64);
            }
        }
    }
}

/// Sets what is known of the way to another gateway. What is not known now is no number.
fn measure_link(seen: &SeenGateway) {
    let (gateway, Some(link)) = (&seen.gateway, &seen.gateway.link) else { return };
    let peer = || gateway.id.clone();
    let known = |value: Option<f64>| value.unwrap_or(f64::NAN);
    let behind = link.up.then_some(gateway.lag_entries as f64);
    metrics::gauge!("waygate_peer_up", "peer" => peer()).set(if link.up { 1.0 } else { 0.0 });
    metrics::gauge!("waygate_peer_behind_entries", "peer" => peer()).set(known(behind));
    metrics::gauge!("waygate_peer_behind_seconds", "peer" => peer()).set(known(gateway.lag_s));
    metrics::gauge!("waygate_peer_ahead_entries", "peer" => peer()).set(known(link.ahead_entries.map(|n| n as f64)));
    metrics::gauge!("waygate_peer_ahead_seconds", "peer" => peer()).set(known(link.ahead_s));
    metrics::gauge!("waygate_peer_audit_age_seconds", "peer" => peer()).set(known(link.audit.equal_ago_s));
    metrics::counter!("waygate_peer_bytes_sent_total", "peer" => peer()).absolute(link.bytes_sent);
    metrics::counter!("waygate_peer_bytes_received_total", "peer" => peer()).absolute(link.bytes_received);
    metrics::counter!("waygate_peer_digest_mismatches_total", "peer" => peer()).absolute(link.audit.mismatches);
}
