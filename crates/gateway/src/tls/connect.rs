//! The dialling side: connections to nodes of the cluster, and to nobody else.
//!
//! Whoever answers must show a certificate that names a node of the cluster's list. It need not name the host: hosts are
//! heard of from others, names are vouched for by a CA. A connection ends when the peer's certificate is revoked.

use super::accept::HandshakeFault;
use super::complaints::Complaints;
use super::peer::Peer;
use super::trust::Trust;
use super::verify::Side;
use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use waygate_core::identity::Identity;

/// The port of an address without one.
const PORT: u16 = 443;

/// Addresses whose peers are remembered: as many as there are channels.
const HEARD_MAX: usize = 1024;

/// Dials. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Connector {
    trust: Trust,
    heard: Arc<Heard>,
}

/// Who answered where.
#[derive(Debug, Default)]
struct Heard {
    peers: Mutex<BTreeMap<String, Arc<Peer>>>,
    complaints: Complaints,
}

/// There is no connection to a peer.
#[derive(Debug, thiserror::Error)]
pub enum DialFault {
    /// There is nobody.
    #[error("cannot be reached: {0}")]
    Unreachable(#[from] io::Error),
    /// The handshake failed.
    #[error(transparent)]
    Handshake(HandshakeFault),
    /// Somebody else is there.
    #[error("{0} answers, which is no node of this cluster: if it is one, add it to [cluster] nodes")]
    Unlisted(Identity),
    /// It is no address.
    #[error("this is no address of a peer")]
    Address,
}

impl Connector {
    /// Dials as this node.
    pub fn new(trust: Trust) -> Self {
        Self { trust, heard: Arc::default() }
    }

    /// Who answered at an address last.
    pub fn peer_at(&self, url: &str) -> Option<Arc<Peer>> {
        let authority = url.parse::<Uri>().ok()?.authority()?.to_string();
        self.heard.peers.lock().unwrap_or_else(PoisonError::into_inner).get(&authority).cloned()
    }

    /// The channel that asked for it gives it up in time.
    async fn dial(self, uri: Uri) -> Result<TokioIo<Severable>, DialFault> {
        let authority = uri.authority().map(ToString::to_string).ok_or(DialFault::Address)?;
        let connected = self.connect(&uri, &authority).await;
        if let Err(fault) = &connected {
            self.heard.complain(&authority, fault);
        }
        connected
    }

    async fn connect(&self, uri: &Uri, authority: &str) -> Result<TokioIo<Severable>, DialFault> {
        let host = uri.host().ok_or(DialFault::Address)?.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(|_| DialFault::Address)?;
        let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(PORT))).await?;
        stream.set_nodelay(true)?;
        let material = self.trust.certificates().material();
        let stream = TlsConnector::from(material.client()).connect(name, stream).await;
        let stream = stream.map_err(|error| DialFault::Handshake(HandshakeFault::of(error)))?;
        let peer = material.peer(stream.get_ref().1.peer_certificates(), Side::Server);
        let peer = peer.map_err(|fault| DialFault::Handshake(HandshakeFault::Refused(fault)))?;
        // A server always shows one: without it the handshake fails.
        let peer = peer.ok_or(DialFault::Address)?;
        if !self.trust.admits(&peer.identity) {
            return Err(DialFault::Unlisted(peer.identity.clone()));
        }
        self.heard.note(authority, peer.clone());
        let (revocations, watched) = (self.trust.certificates().revocations().clone(), peer.clone());
        let severed = Box::pin(async move { revocations.revoked(&watched).await });
        let (heard, authority) = (self.heard.clone(), authority.to_owned());
        Ok(TokioIo::new(Severable { stream, severed, peer, heard, authority, read: false }))
    }
}

impl Heard {
    fn note(&self, authority: &str, peer: Arc<Peer>) {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.len() >= HEARD_MAX && !peers.contains_key(authority) {
            peers.pop_first();
        }
        peers.insert(authority.to_owned(), peer);
    }

    fn complain(&self, authority: &str, fault: &DialFault) {
        let reason = match fault {
            // Cut links are the dialler's to tell.
            DialFault::Unreachable(_) | DialFault::Address | DialFault::Handshake(HandshakeFault::Broken(_)) => return,
            DialFault::Handshake(fault) => fault.label(),
            DialFault::Unlisted(_) => "unlisted",
        };
        metrics::counter!("waygate_tls_refused_total", "listener" => "dialler", "reason" => reason).increment(1);
        let fault = fault.to_string();
        if self.complaints.worth_saying(authority, &fault) {
            tracing::warn!(address = authority, "no connection to a peer: {fault}");
        }
    }
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<Severable>;
    type Error = DialFault;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, DialFault>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialFault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().dial(uri))
    }
}

/// A connection that ends when the peer's certificate is revoked.
pub struct Severable {
    stream: TlsStream<TcpStream>,
    severed: Pin<Box<dyn Future<Output = ()> + Send>>,
    peer: Arc<Peer>,
    heard: Arc<Heard>,
    authority: String,
    /// Whether the other side has said anything: until then it may still refuse this node's certificate.
    read: bool,
}

impl std::fmt::Debug for Severable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Severable({})", self.peer.identity)
    }
}

impl AsyncRead for Severable {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.severed.as_mut().poll(cx).is_ready() {
            tracing::warn!(peer = %this.peer.identity, "cut: its certificate has been revoked");
            metrics::counter!("waygate_revoked_connections_cut_total", "listener" => "dialler").increment(1);
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let read = ready!(Pin::new(&mut this.stream).poll_read(cx, buffer));
        Poll::Ready(match read {
            Ok(()) => {
                if !this.read {
                    this.read = true;
                    this.heard.complaints.forget(&this.authority);
                }
                Ok(())
            }
            Err(error) => {
                let fault = HandshakeFault::of(error);
                let text = fault.to_string();
                this.heard.complain(&this.authority, &DialFault::Handshake(fault));
                Err(io::Error::other(text))
            }
        })
    }
}

impl AsyncWrite for Severable {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
