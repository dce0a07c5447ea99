//! Who is at the other end of a connection, by its certificate.

use sha2::{Digest, Sha256};
use waygate_core::identity::Identity;

/// A verified peer. It goes as `Arc<Peer>` with every request as an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// What its certificate says who it is.
    pub identity: Identity,
    /// Its certificate and those between it and the CA, as revocation lists name them.
    pub issued: Box<[Issued]>,
}

/// How a certificate is named by a revocation list: who issued it, and its number there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Issued {
    /// The issuer's key.
    pub issuer: IssuerKey,
    /// The number, without leading zeros.
    pub serial: Box<[u8]>,
}

/// The SHA-256 of an issuer's public key: two CAs of one name are two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IssuerKey(pub [u8; 32]);

impl IssuerKey {
    /// Of the SubjectPublicKeyInfo, without the header around it.
    pub fn of_content(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }

    /// Of the SubjectPublicKeyInfo as it stands in a certificate.
    pub fn of_info(info: &[u8]) -> Self {
        Self::of_content(without_header(info).unwrap_or(info))
    }
}

/// A number without leading zeros: some write the one that keeps it positive, some do not.
pub fn stripped(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// What stands behind the tag and the length of an element in DER.
fn without_header(der: &[u8]) -> Option<&[u8]> {
    let length = *der.get(1)?;
    let more = if length < 0x80 { 0 } else { usize::from(length & 0x7f) };
    der.get(2 + more..)
}
