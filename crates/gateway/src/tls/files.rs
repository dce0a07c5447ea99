//! The files that certificates, keys and CAs are read from.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, TrustAnchor};
use std::path::{Path, PathBuf};

/// Certificates of one file: a chain, or a bundle of CAs.
const CERTIFICATES_MAX: usize = 64;

/// Bytes of one file; a bundle of [`CERTIFICATES_MAX`] is far below, a list of `LIST_BYTES_MAX` fits as text.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Where the files lie, all of them PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The own certificate, and behind it those between it and the CA.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The CAs whose certificates are taken: several while one takes the place of another.
    pub ca: PathBuf,
    /// Revocation lists of these CAs, if there are any.
    pub crl: Option<PathBuf>,
}

/// A file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub struct FileFault {
    /// Which.
    pub path: PathBuf,
    /// What is wrong and what to do.
    pub what: String,
}

impl FileFault {
    /// Of this file.
    pub fn new(path: &Path, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), what: what.into() }
    }
}

/// What the files held when they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    cert: Vec<u8>,
    key: Vec<u8>,
    ca: Vec<u8>,
    crl: Vec<u8>,
}

impl Files {
    /// Reads all of them.
    pub fn read(&self) -> Result<Bytes, FileFault> {
        let crl = self.crl.as_deref().map(read).transpose()?.unwrap_or_default();
        Ok(Bytes { cert: read(&self.cert)?, key: read(&self.key)?, ca: read(&self.ca)?, crl })
    }

    /// The own certificate with its chain.
    pub fn chain(&self, bytes: &Bytes) -> Result<Vec<CertificateDer<'static>>, FileFault> {
        certificates(&self.cert, &bytes.cert)
    }

    /// The own key.
    pub fn private_key(&self, bytes: &Bytes) -> Result<PrivateKeyDer<'static>, FileFault> {
        PrivateKeyDer::from_pem_slice(&bytes.key).map_err(|error| {
            let what =
                format!("holds no private key that can be read ({error}): it must be PEM, PKCS#8, SEC1 or PKCS#1");
            FileFault::new(&self.key, what)
        })
    }

    /// The CAs.
    pub fn anchors(&self, bytes: &Bytes) -> Result<Vec<TrustAnchor<'static>>, FileFault> {
        anchors(&self.ca, &bytes.ca)
    }

    /// The revocation lists.
    pub fn lists(&self, bytes: &Bytes) -> Result<Vec<CertificateRevocationListDer<'static>>, FileFault> {
        let Some(path) = &self.crl else { return Ok(Vec::new()) };
        lists(path, &bytes.crl)
    }
}

/// The CAs of a file by itself.
pub fn anchors_of(path: &Path) -> Result<Vec<TrustAnchor<'static>>, FileFault> {
    anchors(path, &read(path)?)
}

/// The revocation lists of a file by itself.
pub fn lists_of(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, FileFault> {
    lists(path, &read(path)?)
}

fn anchors(path: &Path, pem: &[u8]) -> Result<Vec<TrustAnchor<'static>>, FileFault> {
    let mut anchors = Vec::new();
    for (certificate, number) in certificates(path, pem)?.iter().zip(1..) {
        let anchor = webpki::anchor_from_trusted_cert(certificate)
            .map_err(|error| FileFault::new(path, format!("certificate {number} is no CA's: {error:?}")))?;
        anchors.push(anchor.to_owned());
    }
    Ok(anchors)
}

fn lists(path: &Path, pem: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, FileFault> {
    let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(pem).collect();
    let lists = lists.map_err(|error| FileFault::new(path, format!("is no PEM that can be read: {error}")))?;
    if lists.is_empty() {
        return Err(FileFault::new(path, "holds no revocation list: it must be PEM, with BEGIN X509 CRL"));
    }
    Ok(lists)
}

/// A file of at most [`FILE_BYTES_MAX`].
fn read(path: &Path) -> Result<Vec<u8>, FileFault> {
    let unreadable = |error: std::io::Error| FileFault::new(path, format!("cannot be read: {error}"));
    if std::fs::metadata(path).map_err(unreadable)?.len() > FILE_BYTES_MAX {
        return Err(FileFault::new(path, format!("is larger than {FILE_BYTES_MAX} bytes: is it the right file?")));
    }
    std::fs::read(path).map_err(unreadable)
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, FileFault> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let read = read.map_err(|error| FileFault::new(path, format!("is no PEM that can be read: {error}")))?;
    match read.len() {
        0 => Err(FileFault::new(path, "holds no certificate: it must be PEM, with BEGIN CERTIFICATE")),
        1..=CERTIFICATES_MAX => Ok(read),
        more => Err(FileFault::new(path, format!("holds {more} certificates, at most {CERTIFICATES_MAX} are allowed"))),
    }
}
