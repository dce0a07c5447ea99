//! How a WebSocket is ended: the library's errors as the close codes of RFC 6455, and the frame that says so.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;

/// Bytes that are read from a socket after its end was written: several of the largest messages.
const LINGER_BYTES_MAX: usize = 1024 * 1024;

/// Read at once.
const LINGER_READ_BYTES: usize = 4096;

/// Close codes that this gateway sends by itself, beside those of the causes.
pub mod code {
    /// A session that was detached has come to its end.
    pub const NORMAL: u16 = 1000;
    /// A frame that RFC 6455 does not allow.
    pub const PROTOCOL: u16 = 1002;
    /// A binary frame where text is spoken, or the other way round.
    pub const UNSUPPORTED: u16 = 1003;
    /// Text that is not UTF-8, or a frame that cannot be read as the subprotocol's message.
    pub const UNREADABLE: u16 = 1007;
    /// A message where it does not belong, or in more fragments than it may have.
    pub const POLICY: u16 = 1008;
    /// A message beyond the limit.
    pub const TOO_BIG: u16 = 1009;
    /// Something failed here; what is not acked must be sent again.
    pub const INTERNAL: u16 = 1011;
}

/// The close code that answers an error of the WebSocket; `None` if the socket is gone.
pub fn code_of(error: &Error) -> Option<u16> {
    match error {
        Error::Capacity(_) => Some(code::TOO_BIG),
        Error::Utf8(_) => Some(code::UNREADABLE),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some(code::PROTOCOL),
        // The others concern handshakes and clients, or mean that the socket is gone.
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Io(_)
        | Error::Tls(_)
        | Error::WriteBufferFull(_)
        | Error::AttackAttempt
        | Error::Url(_)
        | Error::Http(_)
        | Error::HttpFormat(_) => None,
    }
}

/// Writes a Close frame past the library, which writes nothing more once it has seen an error.
pub async fn write_raw<S>(stream: &mut S, code: u16) -> std::io::Result<()>
where
    S: AsyncWrite + Unpin,
{
    let [high, low] = code.to_be_bytes();
    // FIN and opcode 8; the payload is the code, unmasked as from a server.
    stream.write_all(&[0x88, 2, high, low]).await
}

/// Ends the stream so that what was written is read: a socket dropped with unread input is reset, and a reset
/// may overtake the Close frame. Reads on until the other side ends it too, or has sent more than is waited for.
pub async fn linger<S>(stream: &mut S)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut bytes = vec![0; LINGER_READ_BYTES];
    let mut left = LINGER_BYTES_MAX;
    while left > 0 {
        match stream.read(&mut bytes).await {
            Ok(0) | Err(_) => return,
            Ok(count) => left = left.saturating_sub(count),
        }
    }
}
