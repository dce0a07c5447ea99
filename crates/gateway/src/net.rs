//! Where connections come in: TCP of the system, or a network that a test simulates.
//!
//! The other half of the seam is [`Channels::over`](crate::peers::channels::Channels::over), where connections are made.
//! Both are chosen by type when a gateway is put together; nothing is looked up while it runs.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// One connection, before TLS.
pub trait Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// What is written is sent at once.
    fn send_at_once(&self) -> io::Result<()>;

    /// Resolves once there is something to read, or the end.
    fn readable(&mut self) -> impl Future<Output = io::Result<()>> + Send;
}

/// What connections come in at.
pub trait Listen: Send + 'static {
    /// A connection.
    type Socket: Socket;

    /// The next one, and from where.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Socket, SocketAddr)>> + Send;
}

impl Socket for TcpStream {
    fn send_at_once(&self) -> io::Result<()> {
        self.set_nodelay(true)
    }

    async fn readable(&mut self) -> io::Result<()> {
        Self::readable(self).await
    }
}

impl Listen for TcpListener {
    type Socket = TcpStream;

    fn accept(&self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send {
        Self::accept(self)
    }
}
