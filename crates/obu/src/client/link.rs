//! One socket to a gateway: dialled, used, closed. It decides nothing.

use super::credentials::Credentials;
use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::ServerName;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Utf8Bytes};
use tokio_util::either::Either;
use url::Url;
use waygate_core::limits::FRAME_BYTES_MAX;
use waygate_core::time::Millis;
use waygate_wire::Codec;

/// Bytes read from the socket at once: most messages to a vehicle are far smaller.
const READ_BUFFER_BYTES: usize = 4 * 1024;

/// A write that takes longer means that the way is gone.
const WRITE_WAIT: Duration = Duration::from_secs(15);

/// How long the other side may take to answer a Close.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// Longest text of a refusal that is shown, characters.
const REFUSAL_CHARS_MAX: usize = 200;

/// The way to a gateway, without TLS or with it. Boxed: the state of TLS is large.
type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

type Dial = Pin<Box<dyn Future<Output = Result<Socket, Refusal>> + Send>>;

/// Who dials.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) credentials: Arc<Credentials>,
    /// The address to dial from.
    pub(super) source: Option<IpAddr>,
}

/// The way to a gateway.
#[derive(Default)]
pub(super) enum Link {
    /// None.
    #[default]
    Absent,
    /// Being dialled.
    Dialling(Dial),
    /// Open.
    Open(Box<Socket>),
}

/// What comes over the link.
pub(super) enum Input {
    /// The dial has succeeded.
    Dialled,
    /// It has not.
    Refused(Refusal),
    /// A message.
    Frame(Bytes),
    /// Another sign of life.
    Sign,
    /// The socket has ended; the future lets go of it.
    Ended { code: Option<u16>, why: String, rest: Option<Closing> },
}

/// What remains to be done of a socket that is not used any more.
pub(super) type Closing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Why a dial has failed.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) why: String,
    /// When to come back, if the gateway said so.
    pub(super) retry_after: Option<Millis>,
}

impl From<String> for Refusal {
    fn from(why: String) -> Self {
        Self { why, retry_after: None }
    }
}

impl Link {
    /// Dials a gateway.
    pub(super) fn dial(gateway: String, codec: Codec, caller: &Caller) -> Self {
        Self::Dialling(Box::pin(dial(gateway, codec, caller.clone())))
    }

    /// The next thing that comes; never, if there is no link. Nothing is lost if it is dropped while it waits.
    pub(super) async fn next(&mut self) -> Input {
        match self {
            Self::Absent => std::future::pending().await,
            Self::Dialling(dial) => match dial.as_mut().await {
                Ok(socket) => {
                    *self = Self::Open(Box::new(socket));
                    Input::Dialled
                }
                Err(why) => {
                    *self = Self::Absent;
                    Input::Refused(why)
                }
            },
            Self::Open(socket) => {
                let mut input = socket.next().await;
                if let Input::Ended { rest, .. } = &mut input
                    && let Self::Open(socket) = std::mem::take(self)
                {
                    *rest = Some(Box::pin(socket.flush()));
                }
                input
            }
        }
    }

    /// Sends a message. An error means that the socket is lost.
    pub(super) async fn send(&mut self, codec: Codec, frame: Bytes) -> Result<(), String> {
        let Self::Open(socket) = self else {
            return Err("there is no socket".to_owned());
        };
        let sent = socket.send(codec, frame).await;
        if sent.is_err() {
            *self = Self::Absent;
        }
        sent
    }

    /// Lets go of the link; the future says goodbye to the other side.
    pub(super) fn close(&mut self, code: u16) -> Option<Closing> {
        match std::mem::take(self) {
            Self::Open(socket) => Some(Box::pin(socket.close(code))),
            Self::Absent | Self::Dialling(_) => None,
        }
    }
}

/// An open WebSocket.
pub(super) struct Socket(WebSocketStream<Stream>);

impl Socket {
    async fn next(&mut self) -> Input {
        match self.0.next().await {
            Some(Ok(Message::Text(text))) => Input::Frame(text.into()),
            Some(Ok(Message::Binary(bytes))) => Input::Frame(bytes),
            // A pong to a ping is sent by the library when the socket is read next.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Input::Sign,
            Some(Ok(Message::Close(frame))) => {
                let code = frame.as_ref().map(|frame| u16::from(frame.code));
                let why = match frame {
                    Some(frame) if frame.reason.is_empty() => format!("closed with {}", frame.code),
                    Some(frame) => format!("closed with {}: {}", frame.code, frame.reason),
                    None => "closed without a code".to_owned(),
                };
                Input::Ended { code, why, rest: None }
            }
            Some(Err(error)) => Input::Ended { code: None, why: error.to_string(), rest: None },
            None => Input::Ended { code: None, why: "the connection ended".to_owned(), rest: None },
        }
    }

    /// Sends what the library still has to say: the Close that answers one.
    async fn flush(mut self: Box<Self>) {
        // If the socket is gone already, there is no one to answer.
        let _ = tokio::time::timeout(CLOSE_WAIT, self.0.flush()).await;
    }

    async fn send(&mut self, codec: Codec, frame: Bytes) -> Result<(), String> {
        let message = if codec.is_text() {
            Message::Text(Utf8Bytes::try_from(frame).map_err(|error| error.to_string())?)
        } else {
            Message::Binary(frame)
        };
        match tokio::time::timeout(WRITE_WAIT, self.0.send(message)).await {
            Ok(sent) => sent.map_err(|error| error.to_string()),
            Err(_) => Err(format!("nothing could be written for {} s", WRITE_WAIT.as_secs())),
        }
    }

    async fn close(mut self: Box<Self>, code: u16) {
        let close = async {
            let frame = CloseFrame { code: CloseCode::from(code), reason: Utf8Bytes::from_static("") };
            // To drop the socket with unread input would reset it, and what was sent last would be lost.
            if self.0.send(Message::Close(Some(frame))).await.is_ok() {
                while let Some(Ok(_)) = self.0.next().await {}
            }
        };
        let _ = tokio::time::timeout(CLOSE_WAIT, close).await;
    }
}

async fn dial(gateway: String, codec: Codec, caller: Caller) -> Result<Socket, Refusal> {
    let url = Url::parse(&gateway).map_err(|error| format!("{gateway:?} is no address: {error}"))?;
    let way = caller.credentials.way(&url).map_err(|what| format!("{gateway:?}: {what}"))?;
    let host = url.host_str().ok_or_else(|| format!("{gateway:?} names no host"))?.trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or(80);
    let stream = connect(host, port, caller.source).await.map_err(|error| error.to_string())?;
    let stream = match way.tls {
        None => Stream::Left(stream),
        Some(config) => {
            let name = ServerName::try_from(host.to_owned()).map_err(|error| format!("{gateway:?}: {error}"))?;
            let secured = TlsConnector::from(config).connect(name, stream).await;
            Stream::Right(Box::new(secured.map_err(|error| format!("no TLS with {gateway}: {error}"))?))
        }
    };
    let mut request = gateway.as_str().into_client_request().map_err(|error| error.to_string())?;
    let subprotocol = HeaderValue::from_static(codec.subprotocol());
    request.headers_mut().insert("sec-websocket-protocol", subprotocol);
    if let Some(authorization) = way.authorization {
        let mut value = HeaderValue::from_str(&authorization).map_err(|error| error.to_string())?;
        value.set_sensitive(true);
        request.headers_mut().insert("authorization", value);
    }
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(2 * FRAME_BYTES_MAX)
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX));
    match tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await {
        Ok((socket, _)) => Ok(Socket(socket)),
        Err(Error::Http(response)) => {
            let text = response.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            let text: String = text.trim().chars().take(REFUSAL_CHARS_MAX).collect();
            let why = format!("HTTP {} {text}", response.status());
            Err(Refusal { why, retry_after: retry_after(response.status(), response.headers()) })
        }
        Err(error) => Err(error.to_string().into()),
    }
}

/// When a gateway that is too busy wants to be asked again. A date instead of seconds is of no use without a clock.
fn retry_after(status: StatusCode, headers: &HeaderMap) -> Option<Millis> {
    let busy = matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
    let seconds = headers.get("retry-after").filter(|_| busy)?.to_str().ok()?.trim().parse::<u32>().ok()?;
    Some(Millis::secs(seconds.into()))
}

async fn connect(host: &str, port: u16, source: Option<IpAddr>) -> std::io::Result<TcpStream> {
    let stream = match source {
        None => TcpStream::connect((host, port)).await?,
        Some(source) => {
            let mut known = tokio::net::lookup_host((host, port)).await?;
            let to = known.find(|to| to.is_ipv4() == source.is_ipv4());
            let to =
                to.ok_or_else(|| std::io::Error::other(format!("{host} has no address of the kind of {source}")))?;
            let socket = if source.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            socket.bind(SocketAddr::new(source, 0))?;
            socket.connect(to).await?
        }
    };
    stream.set_nodelay(true)?;
    Ok(stream)
}
