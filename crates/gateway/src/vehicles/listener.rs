//! The vehicles' listener: accepts sockets, lets HTTP be spoken by hyper, and hands over what was upgraded.
//!
//! Every limit is checked before memory is spent on a session: open sockets, sockets of one address that have
//! not attached, the time until the upgrade.

use super::frame_meter::Metered;
use super::identity::Shown;
use super::upgrade::{Accepted, Refused, check};
use super::{Edge, Peer, Transport, certificate, connection};
use crate::tasks::Tasks;
use crate::tls::{Acceptor, HandshakeFault};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use waygate_core::credential::Refusal;
use waygate_core::id::ConnId;
use waygate_core::limits::FRAME_BYTES_MAX;
use waygate_wire::operator::Problem;

/// How long a socket may take from the first byte to the upgrade.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Held by each session for reading. It decides the memory of an idle one.
const READ_BUFFER_BYTES: usize = 1024;

/// Bytes waiting for a vehicle that does not read.
const WRITE_BUFFER_BYTES_MAX: usize = 1024 * 1024;

/// Sockets beyond the limits that are answered at once; more are dropped without an answer.
const REFUSALS_MAX: usize = 256;

/// How long to wait after the system had no more descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts vehicles' sockets.
#[derive(Debug)]
pub struct Listener {
    edge: Arc<Edge>,
    tasks: Tasks,
    /// If TLS is spoken.
    tls: Option<Acceptor>,
    sockets: Arc<Semaphore>,
    unattached: Arc<Unattached>,
    refusals: Arc<Semaphore>,
    next_conn: AtomicU64,
}

/// Sockets that have not attached yet, by address.
#[derive(Debug)]
pub struct Unattached {
    max: usize,
    by_address: Mutex<BTreeMap<IpAddr, usize>>,
}

/// One such socket; counted while it lives.
#[derive(Debug)]
pub struct Place {
    unattached: Arc<Unattached>,
    address: IpAddr,
}

impl Unattached {
    fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = by_address.entry(address).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        Some(Place { unattached: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut by_address = self.unattached.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}

/// What a socket holds of the limits until it ends.
#[derive(Debug)]
pub struct Held {
    /// Of all sockets.
    pub socket: OwnedSemaphorePermit,
    /// Of those that have not attached; given back at the attach.
    pub unattached: Option<Place>,
}

impl Listener {
    /// A listener with these limits.
    pub fn new(
        edge: Arc<Edge>,
        tasks: Tasks,
        tls: Option<Acceptor>,
        sockets_max: usize,
        unattached_per_address_max: usize,
    ) -> Self {
        let unattached = Unattached { max: unattached_per_address_max, by_address: Mutex::default() };
        Self {
            edge,
            tasks,
            tls,
            sockets: Arc::new(Semaphore::new(sockets_max.min(Semaphore::MAX_PERMITS))),
            unattached: Arc::new(unattached),
            refusals: Arc::new(Semaphore::new(REFUSALS_MAX)),
            next_conn: AtomicU64::new(1),
        }
    }

    /// Accepts until the gateway stops.
    pub async fn run(self, listener: TcpListener) {
        let this = Arc::new(self);
        let stopping = this.tasks.stopping();
        tokio::pin!(stopping);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut stopping => return,
            };
            match accepted {
                Ok((stream, from)) => {
                    let task = this.clone().serve(stream, from);
                    this.tasks.spawn_small(task);
                }
                Err(error) => {
                    tracing::error!(%error, "cannot accept vehicles; is the limit of open files reached?");
                    metrics::counter!("waygate_accept_failures_total").increment(1);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn serve(self: Arc<Self>, stream: TcpStream, from: SocketAddr) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a socket was gone before it was served");
            return;
        }
        // Counted from the first moment: a socket on which nothing is ever asked holds a descriptor too.
        let held = self.admit(from.ip());
        let refusal = held.is_none().then(|| self.refusals.clone().try_acquire_owned().ok());
        if let Some(None) = refusal {
            metrics::counter!("waygate_sockets_dropped_total").increment(1);
            return;
        }
        let deadline = tokio::time::Instant::now() + HANDSHAKE;
        // Boxed, as below.
        let Some((stream, certificate)) = Box::pin(self.secured(stream, from)).await else { return };
        let this = self.clone();
        // There is one request on a socket: a refusal closes it, an upgrade ends HTTP on it.
        let once = Mutex::new((held, certificate));
        let service = service_fn(move |request| {
            let (held, certificate) = std::mem::take(&mut *once.lock().unwrap_or_else(PoisonError::into_inner));
            let response = this.respond(request, from, held, certificate);
            async move { Ok::<_, Infallible>(response) }
        });
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HANDSHAKE).max_buf_size(HEAD_BYTES_MAX);
        // Boxed: the future is large and short-lived, the task that awaits it is not.
        let connection = Box::pin(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
        match tokio::time::timeout_at(deadline, connection).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, %from, "a request could not be served"),
            Err(_) => tracing::debug!(%from, "a socket took too long until the upgrade"),
        }
    }

    /// The socket after its handshake, and who it is by that; as it is where no TLS is spoken.
    async fn secured(&self, stream: TcpStream, from: SocketAddr) -> Option<(Transport, Shown)> {
        let Some(tls) = &self.tls else { return Some((Transport::Left(stream), None)) };
        // A proxy stands for many vehicles, and is trusted with more than places.
        let counted = Some(from.ip()).filter(|from| !self.edge.identities.is_proxy(*from));
        match tls.accept(stream, counted).await {
            Ok(accepted) => {
                let certificate = accepted.peer.map(|peer| certificate::shown(&peer));
                Some((Transport::Right(Box::new(accepted.stream)), certificate))
            }
            Err(HandshakeFault::Refused(fault)) => {
                let (word, text) = (certificate::word(&fault), format!("its certificate {fault}"));
                self.edge.refusals.tell(word, Some(from.ip()), None, &text);
                None
            }
            Err(
                fault @ (HandshakeFault::Late
                | HandshakeFault::NotTls
                | HandshakeFault::Rejected(_)
                | HandshakeFault::Broken(_)),
            ) => {
                fault.log("vehicles", from);
                None
            }
        }
    }

    fn respond(
        self: &Arc<Self>,
        mut request: Request<Incoming>,
        from: SocketAddr,
        held: Option<Held>,
        certificate: Shown,
    ) -> Response<Full<Bytes>> {
        let edge = &self.edge;
        let who = |headers: &http::HeaderMap| {
            edge.identities.who(headers, from.ip(), certificate, edge.clock.wall(), &edge.refusals)
        };
        let accepted = match check(&request, who) {
            Ok(accepted) => accepted,
            Err(refused) => {
                // What is wrong with a certificate that a proxy passes on has been told already.
                if let Some(refusal) = refused.identity.filter(|refusal| *refusal != Refusal::ProxyCertificate) {
                    edge.refusals.tell(refusal.wire(), Some(from.ip()), None, refusal.text());
                }
                return refuse(&refused);
            }
        };
        let Some(held) = held else {
            return refuse(&Refused {
                status: StatusCode::SERVICE_UNAVAILABLE,
                header: Some(("retry-after", self.edge.pressure.retry_after_s().to_string().into())),
                detail: "this gateway holds as many sockets as it may".to_owned(),
                identity: None,
            });
        };
        let conn = ConnId(self.next_conn.fetch_add(1, Ordering::Relaxed));
        let upgrade = hyper::upgrade::on(&mut request);
        let Accepted { codec, accept, who } = accepted;
        let edge = self.edge.clone();
        self.tasks.spawn_small(async move {
            let upgraded = match upgrade.await {
                Ok(upgraded) => upgraded,
                Err(error) => return tracing::debug!(%error, "an upgrade did not come about"),
            };
            let Some((stream, early)) = unwrap(upgraded) else {
                return tracing::error!("an upgraded socket is not the stream it was accepted as");
            };
            let socket = WebSocketStream::from_partially_read(stream, early, Role::Server, Some(limits())).await;
            let peer = Peer { conn, from: from.ip(), who };
            Box::pin(connection::run(socket, codec, peer, edge, held)).await;
        });
        switching(codec.subprotocol(), &accept)
    }

    fn admit(&self, address: IpAddr) -> Option<Held> {
        let socket = self.sockets.clone().try_acquire_owned().ok()?;
        let unattached = Some(self.unattached.take(address)?);
        Some(Held { socket, unattached })
    }
}

/// The socket itself, and what was read behind the request. What HTTP needed for both, over 8 KiB, is given back
/// here: it must not live as long as the session.
fn unwrap(upgraded: hyper::upgrade::Upgraded) -> Option<(Metered<Transport>, Vec<u8>)> {
    let parts = upgraded.downcast::<TokioIo<Transport>>().ok()?;
    let early = parts.read_buf.to_vec();
    Some((Metered::new(parts.io.into_inner(), &early), early))
}

/// Of frames and messages, and of what the library keeps for them.
pub fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX))
}

fn switching(subprotocol: &'static str, accept: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-accept", accept),
        ("sec-websocket-protocol", subprotocol),
    ];
    for (name, value) in headers {
        if let Ok(value) = http::HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn refuse(refused: &Refused) -> Response<Full<Bytes>> {
    metrics::counter!("waygate_upgrades_refused_total", "status" => refused.status.as_str().to_owned()).increment(1);
    let problem = Problem {
        kind: "about:blank".to_owned(),
        title: refused.status.canonical_reason().unwrap_or_default().to_owned(),
        status: refused.status.as_u16(),
        detail: refused.detail.clone(),
        parameter: None,
        missing_regions: None,
    };
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = refused.status;
    let headers = response.headers_mut();
    headers.insert("content-type", http::HeaderValue::from_static("application/problem+json"));
    // Whoever was refused starts over on a socket of its own.
    let connection =
        if refused.header.as_ref().is_some_and(|(name, _)| *name == "upgrade") { "upgrade, close" } else { "close" };
    headers.insert("connection", http::HeaderValue::from_static(connection));
    if let Some((name, value)) = &refused.header
        && let Ok(value) = http::HeaderValue::from_str(value)
    {
        headers.insert(*name, value);
    }
    response
}
