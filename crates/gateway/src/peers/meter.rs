//! How many bytes pass between this gateway and each peer on their presence streams.
//!
//! Counted where they pass, at the bodies of the call: frames as they are encoded, each with the length before it, and
//! whatever a later version puts into them. What HTTP/2 and TLS add is not.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes};
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use tonic::transport::Channel;
use tower::{Service, ServiceExt};
use waygate_core::id::NodeId;

/// The call that is a presence stream.
const SYNC: &str = "/waygate.v1.Presence/Sync";

/// Bytes of one stream, or of all to one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// To the peer.
    pub sent: u64,
    /// From the peer.
    pub received: u64,
}

impl std::ops::Add for Passed {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { sent: self.sent + other.sent, received: self.received + other.received }
    }
}

/// Counts what passes on one stream. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    peer: OnceLock<NodeId>,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Meter {
    /// The peer said who it is.
    pub fn name(&self, peer: &NodeId) {
        // A second hello ends the stream; the first name stands.
        let _ = self.0.peer.set(peer.clone());
    }

    /// Who is at the other end, once it said so.
    pub fn peer(&self) -> Option<&NodeId> {
        self.0.peer.get()
    }

    /// What has passed.
    pub fn passed(&self) -> Passed {
        let (sent, received) = (&self.0.sent, &self.0.received);
        Passed { sent: sent.load(Ordering::Relaxed), received: received.load(Ordering::Relaxed) }
    }

    fn counting<B>(&self, body: B, of: fn(&Counts) -> &AtomicU64) -> impl Body<Data = Bytes, Error = B::Error> + use<B>
    where
        B: Body<Data = Bytes>,
    {
        let counts = self.0.clone();
        body.map_frame(move |frame| {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            of(&counts).fetch_add(bytes as u64, Ordering::Relaxed);
            frame
        })
    }
}

fn sent(counts: &Counts) -> &AtomicU64 {
    &counts.sent
}

fn received(counts: &Counts) -> &AtomicU64 {
    &counts.received
}

/// A channel whose calls are counted.
pub fn dialled(
    channel: Channel,
    meter: &Meter,
) -> impl Service<
    http::Request<tonic::body::Body>,
    Response = http::Response<tonic::body::Body>,
    Error = tonic::transport::Error,
    Future: Future + Send,
> {
    let (out, back) = (meter.clone(), meter.clone());
    channel
        .map_request(move |request: http::Request<tonic::body::Body>| {
            request.map(|body| tonic::body::Body::new(out.counting(body, sent)))
        })
        .map_response(move |response: http::Response<tonic::body::Body>| {
            response.map(|body| tonic::body::Body::new(back.counting(body, received)))
        })
}

/// Counts the streams that peers open; the call finds its meter among the request's extensions.
pub async fn served(mut request: Request, next: Next) -> Response {
    if request.uri().path() != SYNC {
        return next.run(request).await;
    }
    let meter = Meter::default();
    request.extensions_mut().insert(meter.clone());
    let request = request.map(|body| axum::body::Body::new(meter.counting(body, received)));
    next.run(request).await.map(|body| axum::body::Body::new(meter.counting(body, sent)))
}
