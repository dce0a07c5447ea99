//! Trust: certificates that are reloaded while connections stay, who a peer is by its certificate, and what was revoked.
//!
//! [`Certificates`] holds what was loaded last and hands it to each new handshake; [`Acceptor`] is the listening side,
//! [`Connector`](connect::Connector) the dialling one; [`Revocations`] holds the newest revocation list of each CA. Who is let in to what is decided by whoever
//! serves: here it is only found out who somebody is. TLS 1.3 alone is spoken. Nothing is resumed, so that no old ticket
//! stands in for a certificate that has been revoked since, and nothing is sent early.

pub mod accept;
pub mod certificates;
pub mod complaints;
pub mod connect;
pub mod fault;
pub mod files;
pub mod kept;
pub mod peer;
pub mod queue;
pub mod revocation;
pub mod serve;
pub mod signed;
pub mod trust;
pub mod verify;

#[cfg(test)]
#[path = "../../tests/support/pki.rs"]
pub(crate) mod pki;

pub use accept::{Accepted, Acceptor, HandshakeFault, Protocols};
pub use certificates::{Certificates, Owner};
pub use fault::Fault;
pub use files::{FileFault, Files};
pub use peer::Peer;
pub use revocation::Revocations;
pub use trust::{Trust, TrustFault};
pub use waygate_core::identity::Identity;

use rustls::crypto::CryptoProvider;
use std::sync::{Arc, OnceLock};

/// The cryptography that everything here uses; none is installed for the process.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider())).clone()
}
