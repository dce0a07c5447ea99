//! What a unit shows a gateway to say who it is, and which gateways it believes.
//!
//! Everything is read anew for each dial: a certificate or token that was replaced is used from the next one on.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use url::{Host, Url};

/// The largest file or text, bytes: a chain of certificates is far below.
const BYTES_MAX: u64 = 256 * 1024;

/// Where something stands that is shown.
#[derive(Clone)]
pub enum Source {
    /// In a file.
    File(PathBuf),
    /// In memory.
    Text(Arc<str>),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Text(_) => f.write_str("a text"),
        }
    }
}

impl Source {
    fn read(&self) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok(text.as_ref().to_owned()),
            Self::File(path) => {
                let fault = |what: String| format!("{}: {what}", path.display());
                let bytes = std::fs::metadata(path).map_err(|error| fault(error.to_string()))?.len();
                if bytes > BYTES_MAX {
                    return Err(fault(format!("has {bytes} bytes, at most {BYTES_MAX}: is it the right file?")));
                }
                std::fs::read_to_string(path).map_err(|error| fault(error.to_string()))
            }
        }
    }
}

/// What a unit shows, and whom it believes. Nothing by default: gateways on its own machine ask for nothing.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// The CAs whose gateways are believed, PEM. Without them no `wss://` address is dialled.
    pub ca: Option<Source>,
    /// The unit's certificate, with those between it and the CA, and its key; PEM.
    pub certificate: Option<(Source, Source)>,
    /// A token, sent with every dial.
    pub token: Option<Source>,
}

/// How a gateway is dialled.
pub(super) struct Way {
    /// The value of `Authorization`.
    pub(super) authorization: Option<String>,
    /// If TLS is spoken.
    pub(super) tls: Option<Arc<ClientConfig>>,
}

impl Credentials {
    /// Says what is wrong with them, as far as that can be seen before a gateway is asked.
    pub fn check(&self) -> Result<(), String> {
        if self.certificate.is_some() && self.ca.is_none() {
            return Err("a certificate is shown over TLS only: say which CA gateways are believed by".to_owned());
        }
        if self.ca.is_some() {
            self.client()?;
        }
        self.authorization().map(drop)
    }

    /// How to dial an address, or why not.
    pub(super) fn way(&self, url: &Url) -> Result<Way, String> {
        match url.scheme() {
            "wss" => Ok(Way { authorization: self.authorization()?, tls: Some(self.client()?) }),
            "ws" if self.is_empty() || is_this_machine(url) => {
                Ok(Way { authorization: self.authorization()?, tls: None })
            }
            // Whoever sends a unit there may be after its token, or its data.
            "ws" => {
                Err("a unit with credentials dials ws:// on its own machine only; elsewhere wss:// is wanted"
                    .to_owned())
            }
            other => Err(format!("{other}:// is not ws:// or wss://")),
        }
    }

    fn is_empty(&self) -> bool {
        self.ca.is_none() && self.certificate.is_none() && self.token.is_none()
    }

    fn authorization(&self) -> Result<Option<String>, String> {
        let Some(token) = &self.token else { return Ok(None) };
        let text = token.read()?;
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("{token:?}: holds no token: it must be one line of letters, digits and . - _"));
        }
        Ok(Some(format!("Bearer {text}")))
    }

    fn client(&self) -> Result<Arc<ClientConfig>, String> {
        let ca = self.ca.as_ref().ok_or("wss:// needs to know by which CA gateways are believed")?;
        let mut roots = RootCertStore::empty();
        for certificate in certificates(ca)? {
            roots.add(certificate).map_err(|error| format!("{ca:?}: {error}"))?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots);
        let mut config = match &self.certificate {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate)?;
                let private = PrivateKeyDer::from_pem_slice(key.read()?.as_bytes())
                    .map_err(|error| format!("{key:?}: holds no private key that can be read: {error}"))?;
                let unfit = |error| format!("{key:?} cannot be used with {certificate:?}: {error}");
                config.with_client_auth_cert(chain, private).map_err(unfit)?
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn certificates(source: &Source) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = source.read()?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let read = read.map_err(|error| format!("{source:?}: is no PEM that can be read: {error}"))?;
    if read.is_empty() { Err(format!("{source:?}: holds no certificate: it must be PEM")) } else { Ok(read) }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
#[path = "credentials_tests.rs"]
mod tests;
