//! The operators' and peers' plane: HTTP and gRPC on one listener.

use super::origin::{self, Names};
use super::problem::Problem;
use super::{
    Operators, assets, commands, enrolment, health, live_stream, overview, page, regions, telemetry, timeline, vehicles,
};
use crate::peers::gate::Gate;
use crate::peers::revocation::Lists;
use crate::peers::wiring::guarded;
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::ALLOW;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use tonic::service::Routes;
use waygate_wire::proto::commands_server::CommandsServer;
use waygate_wire::proto::directory_server::DirectoryServer;
use waygate_wire::proto::enrolment_server::EnrolmentServer;
use waygate_wire::proto::overview_server::OverviewServer;
use waygate_wire::proto::paging_server::PagingServer;
use waygate_wire::proto::revocation_server::RevocationServer;
use waygate_wire::proto::telemetry_query_server::TelemetryQueryServer;
use waygate_wire::proto::timeline_server::TimelineServer;

/// Bytes of one gRPC message: a chunk of history has a mebibyte and a batch at most.
pub const GRPC_MESSAGE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Every route: those of peers that need no store, and the rest.
pub fn router(operators: Operators, peers: Routes, names: Names, gate: Gate, lists: Lists) -> Router {
    let service = operators.own.clone();
    let grpc = peers
        .add_service(EnrolmentServer::new(service.clone()))
        .add_service(DirectoryServer::new(service.clone()).max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX))
        .add_service(TimelineServer::new(service.clone()))
        .add_service(PagingServer::new(service.clone()).max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX))
        .add_service(CommandsServer::new(operators.commands.clone()))
        .add_service(RevocationServer::new(lists).max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX))
        .add_service(OverviewServer::new(operators.clone()))
        .add_service(TelemetryQueryServer::new(service).max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX));
    let api = Router::new()
        .route("/v1/vehicles", get(vehicles::list))
        .route("/v1/vehicles/pending", get(enrolment::pending))
        .route("/v1/vehicles/{id}", get(vehicles::one))
        .route("/v1/vehicles/{id}/admit", post(enrolment::admit))
        .route("/v1/vehicles/{id}/refuse", post(enrolment::refuse))
        .route("/v1/vehicles/{id}/telemetry", get(telemetry::list))
        .route("/v1/vehicles/{id}/timeline", get(timeline::list))
        .route("/v1/vehicles/{id}/page", post(page::page))
        .route("/v1/vehicles/{id}/snapshot", post(page::snapshot))
        .route("/v1/vehicles/{id}/commands", get(commands::list).post(commands::take))
        .route("/v1/commands/{id}", get(commands::one).delete(commands::cancel))
        .route("/v1/stream", get(live_stream::follow))
        .route("/v1/regions", get(regions::list))
        .route("/v1/gateways", get(overview::own))
        .route("/v1/views", get(overview::all))
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .layer(axum::extract::DefaultBodyLimit::max(commands::BODY_BYTES_MAX))
        .method_not_allowed_fallback(not_allowed)
        .with_state(operators);
    guarded(grpc, gate).merge(api).fallback(unknown).layer(axum::middleware::from_fn_with_state(names, origin::check))
}

async fn unknown(method: Method, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    if method != Method::GET && method != Method::HEAD {
        let mut response = not_allowed().await.into_response();
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET,HEAD"));
        return Ok(response);
    }
    if uri.path().starts_with("/v1/") {
        return Err(Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at {}", uri.path())));
    }
    assets::serve(&uri, &headers)
}

async fn not_allowed() -> Problem {
    let detail = "this is not answered here; the Allow header names the methods that are";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}
