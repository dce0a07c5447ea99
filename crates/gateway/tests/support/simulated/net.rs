//! The simulated network as the gateway sees it: where it listens, and how it dials.

use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::{Channel, Endpoint};
use turmoil::net::{TcpListener, TcpStream};
use waygate_gateway::net::{Listen, Socket};

/// Where every gateway listens for peers.
pub const PORT: u16 = 7000;

/// What a gateway is dialled by.
pub fn url(name: &str) -> String {
    format!("http://{name}:{PORT}")
}

/// A channel whose connections are simulated.
pub fn dial(endpoint: Endpoint) -> Channel {
    endpoint.connect_with_connector_lazy(tower::service_fn(|uri: http::Uri| async move {
        let host = uri.host().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(PORT))).await?;
        Ok::<_, io::Error>(TokioIo::new(stream))
    }))
}

/// Listens on a simulated host.
pub struct Door(TcpListener);

impl Door {
    pub async fn open() -> io::Result<Self> {
        Ok(Self(TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?))
    }
}

impl Listen for Door {
    type Socket = Line;

    async fn accept(&self) -> io::Result<(Line, SocketAddr)> {
        let (stream, from) = self.0.accept().await?;
        Ok((Line(stream), from))
    }
}

/// A simulated connection.
pub struct Line(TcpStream);

impl Socket for Line {
    fn send_at_once(&self) -> io::Result<()> {
        self.0.set_nodelay(true)
    }

    async fn readable(&mut self) -> io::Result<()> {
        let mut byte = [0];
        poll_fn(|cx| {
            let mut byte = ReadBuf::new(&mut byte);
            ready!(self.0.poll_peek(cx, &mut byte))?;
            Poll::Ready(Ok(()))
        })
        .await
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
