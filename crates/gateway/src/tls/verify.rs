//! Finds out whom a certificate speaks for: signed by a CA that is trusted here, in its time, for this use, not revoked,
//! with one name of ours. The host a gateway was reached at does not matter: its name does.

use super::fault::Fault;
use super::peer::{Issued, IssuerKey, Peer, stripped};
use super::provider;
use super::revocation::Revocations;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::verify_tls13_signature;
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use waygate_core::identity::Identity;
use webpki::{EndEntityCert, KeyUsage};

/// Which side shows the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that dialled.
    Client,
    /// The one that listens.
    Server,
}

/// Checks certificates against CAs and revocation lists.
#[derive(Debug)]
pub struct Verifier {
    anchors: Vec<TrustAnchor<'static>>,
    revocations: Revocations,
}

impl Verifier {
    /// Trusts these CAs.
    pub fn new(anchors: Vec<TrustAnchor<'static>>, revocations: Revocations) -> Self {
        Self { anchors, revocations }
    }

    /// Whom the certificates of a handshake speak for: the first is the peer's own.
    pub fn peer(&self, chain: &[CertificateDer<'_>], side: Side, now: UnixTime) -> Result<Peer, Fault> {
        let (own, between) = chain.split_first().ok_or_else(|| Fault::Unusable("there is none".to_owned()))?;
        let certificate = EndEntityCert::try_from(own)?;
        let algorithms = provider().signature_verification_algorithms.all;
        let usage = match side {
            Side::Client => KeyUsage::client_auth(),
            Side::Server => KeyUsage::server_auth(),
        };
        let path = certificate.verify_for_usage(algorithms, &self.anchors, between, now, usage, None, None);
        let path = path.map_err(|error| {
            let nobody = error == webpki::Error::UnknownIssuer && certificate.issuer() == certificate.subject();
            if nobody { Fault::SelfSigned } else { error.into() }
        })?;
        let mut serials = vec![stripped(certificate.serial())];
        let mut issuers = Vec::new();
        for one in path.intermediate_certificates() {
            serials.push(stripped(one.serial()));
            issuers.push(IssuerKey::of_info(&one.subject_public_key_info()));
        }
        issuers.push(IssuerKey::of_content(&path.anchor().subject_public_key_info));
        let issued = serials.into_iter().zip(issuers).map(|(serial, issuer)| Issued { issuer, serial: serial.into() });
        let issued: Box<[Issued]> = issued.collect();
        if self.revocations.revoke(&issued) {
            return Err(Fault::Revoked);
        }
        let identity = Identity::among(certificate.valid_uri_names()).map_err(Fault::Name)?;
        Ok(Peer { identity, issued })
    }

    fn check(
        &self,
        own: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        side: Side,
        now: UnixTime,
    ) -> Result<(), Error> {
        let chain: Vec<_> = std::iter::once(own.clone()).chain(between.iter().cloned()).collect();
        self.peer(&chain, side, now).map(drop).map_err(Error::from)
    }
}

/// Of a handshake that was signed with something older than TLS 1.3.
fn too_old() -> Error {
    Error::General("TLS 1.2 is not spoken here".to_owned())
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity, intermediates, Side::Client, now)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(too_old())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity, intermediates, Side::Server, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(too_old())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
