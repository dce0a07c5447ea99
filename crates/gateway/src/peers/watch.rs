//! Positions of other regions, for as long as someone here watches.
//!
//! Nothing is asked while nobody looks: positions are telemetry, they do not travel with presence.

use super::channels::Channels;
use super::place::from_proto;
use crate::feed::Feed;
use crate::live::Live;
use crate::presence::Presence;
use crate::tasks::Tasks;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use waygate_core::id::NodeId;
use waygate_core::view::Liveness;
use waygate_wire::proto::WatchRequest;
use waygate_wire::proto::telemetry_query_client::TelemetryQueryClient;

/// How often it is looked whether anyone watches.
const LOOK: Duration = Duration::from_millis(500);

/// How long the streams outlast the last viewer.
const LINGER: Duration = Duration::from_secs(30);

/// Keeps a stream of positions with every peer while there are viewers.
pub async fn run(live: Live, feed: Feed, presence: Presence, channels: Channels, tasks: Tasks) {
    let stopping = tasks.stopping();
    tokio::pin!(stopping);
    let mut watching: BTreeMap<NodeId, tokio_util::sync::DropGuard> = BTreeMap::new();
    let mut ended: BTreeMap<NodeId, tokio_util::sync::CancellationToken> = BTreeMap::new();
    let mut viewed = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = &mut stopping => return,
        }
        if live.viewers() > 0 {
            viewed = Some(Instant::now());
        }
        if viewed.is_none_or(|at: Instant| at.elapsed() > LINGER) {
            watching.clear();
            ended.clear();
            continue;
        }
        watching.retain(|node, _| ended.get(node).is_some_and(|done| !done.is_cancelled()));
        let alive = presence.ask(|state| {
            let alive = state.node.view().nodes().filter(|node| matches!(node.liveness, Liveness::Alive { .. }));
            alive.map(|node| (node.info.id.clone(), node.info.operators_url.clone())).collect::<Vec<_>>()
        });
        for (node, url) in alive.await.unwrap_or_default() {
            if watching.contains_key(&node) {
                continue;
            }
            let Some(channel) = channels.to(&url) else { continue };
            let (stop, done) = (tokio_util::sync::CancellationToken::new(), tokio_util::sync::CancellationToken::new());
            let follow = follow(TelemetryQueryClient::new(channel), feed.clone());
            let (stopped, end) = (stop.clone(), done.clone());
            tasks.spawn("watch", async move {
                tokio::select! {
                    () = follow => {}
                    () = stopped.cancelled() => {}
                }
                end.cancel();
            });
            watching.insert(node.clone(), stop.drop_guard());
            ended.insert(node, done);
        }
    }
}

async fn follow(mut client: TelemetryQueryClient<tonic::transport::Channel>, feed: Feed) {
    let mut stream = match client.watch(WatchRequest {}).await {
        Ok(response) => response.into_inner(),
        Err(status) => return tracing::debug!(message = status.message(), "a peer does not tell positions"),
    };
    while let Ok(Some(batch)) = stream.message().await {
        feed.remote(batch.positions.iter().filter_map(from_proto).collect()).await;
    }
}
