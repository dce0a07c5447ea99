//! How a WebSocket is ended: the library's errors as the close codes of RFC 6455, and the frame that says so.

use tokio::io::AsyncWriteExt;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;

/// Close codes that this gateway sends by itself, beside those of the causes.
pub mod code {
    /// A frame that RFC 6455 does not allow.
    pub const PROTOCOL: u16 = 1002;
    /// A binary frame where text is spoken, or the other way round.
    pub const UNSUPPORTED: u16 = 1003;
    /// Text that is not UTF-8, or a frame that cannot be read as the subprotocol's message.
    pub const UNREADABLE: u16 = 1007;
    /// A message where it does not belong.
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
pub async fn write_raw<S>(socket: &mut WebSocketStream<S>, code: u16)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let [high, low] = code.to_be_bytes();
    // FIN and opcode 8; the payload is the code, unmasked as from a server.
    let frame = [0x88, 2, high, low];
    let stream = socket.get_mut();
    if stream.write_all(&frame).await.is_ok() {
        let _ = stream.shutdown().await;
    }
}
