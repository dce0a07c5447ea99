//! Vehicles' certificates: from a handshake, or passed on by a proxy, to a vehicle's name and what a revocation list calls
//! them.

use crate::tasks::Tasks;
use crate::tls::certificates::LOOK;
use crate::tls::files::{FileFault, anchors_of, lists_of};
use crate::tls::verify::{Side, Verifier};
use crate::tls::{Fault, Peer, Revocations};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use std::path::{Path, PathBuf};
use waygate_core::credential::{CertificateId, Credential, Means, Refusal, VehicleName};

/// How the CAs of proxied certificates are known among those whose revocation lists are taken.
const SECTION: &str = "vehicles.identity.proxy";

/// Whose socket it is, by the certificate of its handshake.
pub fn shown(peer: &Peer) -> Result<Credential, Refusal> {
    let name = VehicleName::of(&peer.identity).ok_or(Refusal::CertificateName)?;
    Ok(Credential { name, means: Means::Certificate(ids(peer)) })
}

fn ids(peer: &Peer) -> Box<[CertificateId]> {
    peer.issued.iter().map(id).collect()
}

/// As a revocation list names it.
pub fn id(issued: &crate::tls::peer::Issued) -> CertificateId {
    CertificateId { issuer: issued.issuer.0.into(), serial: issued.serial.clone() }
}

/// The word for a certificate that is refused.
pub fn word(fault: &Fault) -> &'static str {
    match fault {
        Fault::UnknownCa => "certificate_unknown_ca",
        Fault::SelfSigned => "certificate_self_signed",
        Fault::Expired(_) => "certificate_expired",
        Fault::NotYetValid(_) => "certificate_early",
        Fault::WrongUsage => "certificate_usage",
        Fault::IsCa => "certificate_of_ca",
        Fault::Revoked => "certificate_revoked",
        Fault::Name(_) | Fault::Another { .. } => "certificate_name",
        Fault::BadSignature => "certificate_signature",
        Fault::Unusable(_) => "certificate_unusable",
    }
}

/// Checks certificates that a proxy passes on: it has seen that their owner has the key, the rest is looked at here again.
#[derive(Debug)]
pub struct Proxied(Verifier);

impl Proxied {
    /// Trusts the CAs of a file, and takes their revocation lists.
    pub fn load(ca: &Path, crl: Option<&Path>, revocations: &Revocations) -> Result<Self, FileFault> {
        let anchors = anchors_of(ca)?;
        if let Some(path) = crl {
            take(path, &anchors, revocations)?;
        }
        revocations.trust(SECTION, anchors.clone());
        Ok(Self(Verifier::new(anchors, revocations.clone())))
    }

    /// Whose certificate it is.
    pub fn check(&self, certificate: CertificateDer<'_>) -> Result<Credential, Fault> {
        let peer = self.0.peer(&[certificate], Side::Client, UnixTime::now())?;
        let name = VehicleName::of(&peer.identity);
        let name = name.ok_or(Fault::Name(waygate_core::identity::InvalidIdentity::Missing))?;
        Ok(Credential { name, means: Means::Proxy(ids(&peer)) })
    }
}

fn take(path: &Path, anchors: &[TrustAnchor<'_>], revocations: &Revocations) -> Result<(), FileFault> {
    for list in lists_of(path)? {
        let taken = revocations.take_from(&list, anchors);
        taken.map_err(|fault| FileFault::new(path, fault.to_string()))?;
    }
    Ok(())
}

/// Takes newer lists of a proxy's CAs whenever their file changes, until the gateway stops. One that cannot be used changes
/// nothing, and is told of once.
pub async fn follow(ca: PathBuf, crl: PathBuf, revocations: Revocations, tasks: Tasks) {
    let stopping = tasks.stopping();
    tokio::pin!(stopping);
    let mut said = String::new();
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = &mut stopping => return,
        }
        let (ca, crl, revocations) = (ca.clone(), crl.clone(), revocations.clone());
        let looked = tokio::task::spawn_blocking(move || take(&crl, &anchors_of(&ca)?, &revocations)).await;
        let fault =
            looked.map_or_else(|_| String::new(), |taken| taken.err().map_or_else(String::new, |e| e.to_string()));
        if !fault.is_empty() && fault != said {
            tracing::error!("[vehicles.identity.proxy] crl: {fault}; the lists read before stay in force");
        }
        said = fault;
    }
}

/// A certificate in a header: PEM with percent signs, as nginx's `$ssl_client_escaped_cert` has it, or DER in base64 between
/// colons (RFC 9440).
pub fn of_header(value: &str) -> Option<CertificateDer<'static>> {
    if let Some(base64) = value.strip_prefix(':') {
        return Some(STANDARD.decode(base64.strip_suffix(':')?).ok()?.into());
    }
    let pem = unescaped(value)?;
    let mut certificates = CertificateDer::pem_slice_iter(&pem);
    let only = certificates.next()?.ok()?;
    certificates.next().is_none().then_some(only)
}

fn unescaped(value: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut read) = (Vec::new(), value.bytes());
    while let Some(byte) = read.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(read.next()?).to_digit(16);
                (digit()? << 4 | digit()?) as u8
            }
            byte => byte,
        });
    }
    Some(bytes)
}

#[cfg(test)]
#[path = "certificate_tests.rs"]
mod tests;
