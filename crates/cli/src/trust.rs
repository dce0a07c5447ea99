//! Whom an operator's command trusts: the CA of the gateway that it asks over https.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use waygate_gateway::tls::provider;

/// The CAs of one file.
#[derive(Clone, Debug)]
pub struct Bundle(Arc<RootCertStore>);

impl Bundle {
    /// Reads a PEM file.
    pub fn read(path: &str) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        let certificates =
            CertificateDer::pem_file_iter(path).map_err(|error| format!("it cannot be read: {error}"))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| format!("it is no PEM that can be read: {error}"))?;
            roots.add(certificate).map_err(|error| format!("a certificate in it is no CA's: {error}"))?;
        }
        if roots.is_empty() {
            return Err("it holds no certificate: give the CA's, as PEM".to_owned());
        }
        Ok(Self(Arc::new(roots)))
    }
}

/// What TLS a command speaks. Without a bundle nobody is trusted.
pub fn client(bundle: Option<&Bundle>) -> ClientConfig {
    let roots = bundle.map_or_else(|| Arc::new(RootCertStore::empty()), |bundle| bundle.0.clone());
    // The provider supports every version that rustls has: this does not fail.
    let versions = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[&rustls::version::TLS13]);
    versions.expect("the provider supports TLS 1.3").with_root_certificates(roots).with_no_client_auth()
}
