//! A vehicle that speaks JSON over TLS.

use super::pki::Pair;
use super::{PATIENCE, attach_request};
use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

pub struct Secured {
    socket: WebSocketStream<TlsStream<TcpStream>>,
    id: String,
}

/// Why there is no socket.
#[derive(Debug, PartialEq)]
pub enum Refused {
    /// The gateway answered with this status.
    Status(u16),
    /// The handshake failed, or the connection ended before an answer.
    Ended,
}

impl Secured {
    /// Dials, trusting `ca`, with a certificate of one's own or without.
    pub async fn connect(
        address: SocketAddr,
        id: &str,
        ca: &str,
        own: Option<&Pair>,
        headers: &[(&str, &str)],
    ) -> Result<Self, Refused> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match own {
            None => config.with_no_client_auth(),
            Some(pair) => {
                let chain = vec![CertificateDer::from_pem_slice(pair.cert.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
                config.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        let stream = connected.map_err(|_| Refused::Ended)?;
        let mut request = format!("wss://localhost:{}/v1/obu", address.port()).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "waygate.v1.json".parse().unwrap());
        for (name, value) in headers {
            let name: http::HeaderName = name.parse().unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, _)) => Ok(Self { socket, id: id.to_owned() }),
            Err(Error::Http(response)) => Err(Refused::Status(response.status().as_u16())),
            Err(_) => Err(Refused::Ended),
        }
    }

    /// Attaches; the answer.
    pub async fn ask(&mut self, changes: Value) -> Value {
        self.say(attach_request(&self.id.clone(), changes)).await;
        self.receive().await
    }

    pub async fn say(&mut self, message: Value) {
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    /// The next message, past the question for all signals.
    pub async fn receive(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.next().await {
                let message: Value = serde_json::from_str(&text).unwrap();
                if message["type"] != "snapshot_request" {
                    return message;
                }
            }
        }
    }

    /// The next ping; it is answered with the next read.
    pub async fn pinged(&mut self) {
        while !matches!(self.next().await, Message::Ping(_)) {}
    }

    /// The code of the Close frame, past whatever comes before it.
    pub async fn closed(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.next().await {
                return frame.map_or(1005, |frame| frame.code.into());
            }
        }
    }

    async fn next(&mut self) -> Message {
        tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("in time").expect("a frame").unwrap()
    }
}
