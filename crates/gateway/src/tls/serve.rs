//! Serves HTTP/1.1 and HTTP/2 with or without TLS, and tells each request who asks: `Arc<Peer>` among its extensions.

use super::accept::{Accepted, Acceptor};
use super::peer::Peer;
use crate::net::{Listen, Socket};
use crate::tasks::Tasks;
use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The listener's name in logs and metrics.
const LISTENER: &str = "operators";

/// Open connections; more are dropped. Live streams and peers hold one each.
const CONNECTIONS_MAX: usize = 8192;

/// How long the head of a request may take over HTTP/1.1, and how long a connection may wait for the next one.
const HEAD: Duration = Duration::from_secs(30);

/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// Requests under way on one HTTP/2 connection: a peer's calls all go over one.
const STREAMS_MAX: u32 = 1024;

/// Streams that were reset by the other side before they were taken up; beyond it the connection ends.
const RESETS_MAX: usize = 64;

/// How often an HTTP/2 connection is probed, and how long the answer may take.
const PROBE: Duration = Duration::from_secs(20);

/// How long to wait after the system had no more descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long what is under way on a connection may take to end when the gateway stops.
const FAREWELL: Duration = Duration::from_secs(4);

/// Accepts until the gateway stops.
pub async fn serve(listener: impl Listen, tls: Option<Acceptor>, router: Router, tasks: Tasks) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let stopping = tasks.stopping();
    tokio::pin!(stopping);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stopping => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, from)) => {
                let Ok(place) = places.clone().try_acquire_owned() else {
                    metrics::counter!("waygate_sockets_dropped_total").increment(1);
                    continue;
                };
                let serve = serve_one(stream, from, tls.clone(), router.clone(), tasks.clone(), place);
                tasks.spawn("connection", serve);
            }
            Err(error) => {
                tracing::error!(%error, "cannot accept operators and peers; is the limit of open files reached?");
                metrics::counter!("waygate_accept_failures_total").increment(1);
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_one(
    stream: impl Socket,
    from: SocketAddr,
    tls: Option<Acceptor>,
    router: Router,
    tasks: Tasks,
    _place: OwnedSemaphorePermit,
) {
    // Answers of several small writes would wait for acknowledgements of TCP otherwise, 40 ms each.
    if let Err(error) = stream.send_at_once() {
        return tracing::debug!(%error, "a connection was gone before it was served");
    }
    let Some(tls) = tls else {
        return speak(TokioIo::new(stream), from, None, router, tasks).await;
    };
    let accepted = tokio::select! {
        accepted = tls.accept(stream, Some(from.ip())) => accepted,
        () = tasks.stopping() => return,
    };
    let Accepted { stream, peer } = match accepted {
        Ok(accepted) => accepted,
        Err(fault) => return fault.log(LISTENER, from),
    };
    let speak = speak(TokioIo::new(stream), from, peer.clone(), router, tasks);
    let Some(peer) = peer else { return speak.await };
    tokio::select! {
        () = speak => {}
        () = tls.certificates().revocations().revoked(&peer) => {
            tracing::warn!(peer = %peer.identity, %from, "cut: its certificate has been revoked");
            metrics::counter!("waygate_revoked_connections_cut_total", "listener" => LISTENER).increment(1);
        }
    }
}

/// Answers requests until the connection ends.
async fn speak<Io>(io: Io, from: SocketAddr, peer: Option<Arc<Peer>>, router: Router, tasks: Tasks)
where
    Io: Read + Write + Unpin + Send + 'static,
{
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        if let Some(peer) = &peer {
            request.extensions_mut().insert(peer.clone());
        }
        router.call(request)
    });
    let mut http = Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES_MAX);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .keep_alive_interval(PROBE)
        .keep_alive_timeout(PROBE);
    let connection = http.serve_connection_with_upgrades(io, service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        biased;
        () = tasks.stopping() => {
            connection.as_mut().graceful_shutdown();
            // A peer that is gone without a word would hold the stop up.
            match tokio::time::timeout(FAREWELL, connection).await {
                Ok(ended) => ended,
                Err(_) => return tracing::debug!(%from, "a connection was dropped: what was under way did not end"),
            }
        }
        ended = connection.as_mut() => ended,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %from, "a connection broke");
    }
}
