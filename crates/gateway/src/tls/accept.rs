//! The listening side of a handshake: in bounded time, a bounded number at once.

use super::certificates::Certificates;
use super::complaints::Complaints;
use super::fault::Fault;
use super::peer::Peer;
use super::queue::Queue;
use super::verify::Side;
use crate::net::Socket;
use rustls::{AlertDescription, InvalidMessage};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a handshake may take, with the wait for its turn.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Handshakes at once: each holds some 40 KiB while it lasts. Others wait for their turn.
const HANDSHAKES_MAX: usize = 1024;

/// Of these, as many of one address, so that it cannot take all: an eighth. With 200 ms each that is 640 vehicles a second.
const HANDSHAKES_PER_ADDRESS_MAX: usize = 128;

/// What a listener speaks, as ALPN names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocols {
    /// HTTP/2 and HTTP/1.1: operators and peers.
    Web,
    /// HTTP/1.1 alone: vehicles, whose WebSocket begins with it.
    Http1,
}

impl Protocols {
    /// The names, the one preferred first.
    pub fn alpn(self) -> Vec<Vec<u8>> {
        match self {
            Self::Web => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Self::Http1 => vec![b"http/1.1".to_vec()],
        }
    }
}

/// Does handshakes for one listener. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Acceptor {
    certificates: Certificates,
    protocols: Protocols,
    queue: Queue,
}

/// A connection after its handshake.
#[derive(Debug)]
pub struct Accepted<S = TcpStream> {
    /// What is read and written.
    pub stream: TlsStream<S>,
    /// Who it is; `None` if no certificate was shown.
    pub peer: Option<Arc<Peer>>,
}

/// A handshake did not come about.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeFault {
    /// It took too long, or too many others were before it.
    #[error("the handshake took longer than {} s", HANDSHAKE.as_secs())]
    Late,
    /// Something else was spoken.
    #[error("what came is not TLS: this address is asked with https:// or wss://")]
    NotTls,
    /// The peer's certificate was refused here.
    #[error("its certificate {0}")]
    Refused(Fault),
    /// The own certificate was refused there.
    #[error("the other side refuses this gateway's certificate or what it offers: {0:?}")]
    Rejected(AlertDescription),
    /// The connection broke, or the two have no version or cipher in common.
    #[error("{0}")]
    Broken(io::Error),
}

impl HandshakeFault {
    /// Reads what a handshake failed with.
    pub fn of(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidCertificate(fault)) => Self::Refused(fault.into()),
            Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => Self::NotTls,
            Some(rustls::Error::AlertReceived(alert)) => Self::Rejected(*alert),
            Some(_) | None => Self::Broken(error),
        }
    }

    /// For a metric.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::NotTls => "not_tls",
            Self::Refused(fault) => fault.label(),
            Self::Rejected(_) => "rejected_by_peer",
            Self::Broken(_) => "broken",
        }
    }

    /// Says in the log what happened on a listener, without a name: whose it was is not known.
    pub fn log(&self, listener: &'static str, from: std::net::SocketAddr) {
        static SAID: Complaints = Complaints::new();
        metrics::counter!("waygate_tls_refused_total", "listener" => listener, "reason" => self.label()).increment(1);
        match self {
            Self::Refused(fault) => {
                if SAID.worth_saying(&format!("{listener} {}", from.ip()), fault.label()) {
                    tracing::warn!(listener, %from, "refused: its certificate {fault}");
                }
            }
            Self::NotTls | Self::Rejected(_) => tracing::info!(listener, %from, "no handshake: {self}"),
            Self::Late | Self::Broken(_) => tracing::debug!(listener, %from, "no handshake: {self}"),
        }
    }
}

impl Acceptor {
    /// Shows these certificates and checks those that are shown.
    pub fn new(certificates: Certificates, protocols: Protocols) -> Self {
        Self::with_queue(certificates, protocols, Queue::new(HANDSHAKES_MAX, HANDSHAKES_PER_ADDRESS_MAX))
    }

    /// The same, with another queue.
    pub fn with_queue(certificates: Certificates, protocols: Protocols, queue: Queue) -> Self {
        Self { certificates, protocols, queue }
    }

    /// The certificates that it shows.
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// Does one handshake, counted with those of its address; with none, that of a proxy, it is not. A certificate that is
    /// shown must be good; none need be shown.
    pub async fn accept<S: Socket>(&self, stream: S, from: Option<IpAddr>) -> Result<Accepted<S>, HandshakeFault> {
        let accepted = tokio::time::timeout(HANDSHAKE, self.shake(stream, from)).await;
        accepted.unwrap_or(Err(HandshakeFault::Late))
    }

    async fn shake<S: Socket>(&self, mut stream: S, from: Option<IpAddr>) -> Result<Accepted<S>, HandshakeFault> {
        // Who says nothing takes nobody's place.
        stream.readable().await.map_err(HandshakeFault::Broken)?;
        let _turn = self.queue.turn(from).await.ok_or(HandshakeFault::Late)?;
        let material = self.certificates.material();
        let acceptor = TlsAcceptor::from(material.server(self.protocols));
        let stream = acceptor.accept(stream).await.map_err(HandshakeFault::of)?;
        let peer = material.peer(stream.get_ref().1.peer_certificates(), Side::Client);
        Ok(Accepted { peer: peer.map_err(HandshakeFault::Refused)?, stream })
    }
}
