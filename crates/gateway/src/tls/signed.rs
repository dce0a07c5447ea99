//! What a CA signed, as bytes: checked with the algorithms that certificates are checked with, and with no others.

use super::provider;
use x509_parser::asn1_rs::{Any, FromDer};

/// A signed structure of X.509: what was signed, with what, and the signature.
#[derive(Debug)]
pub struct Signed<'a> {
    message: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Signed<'a> {
    /// Of the whole in DER; `None` if it is none.
    pub fn read(der: &'a [u8]) -> Option<Self> {
        let (_, whole) = Any::from_der(der).ok()?;
        let (rest, _) = Any::from_der(whole.data).ok()?;
        let message = whole.data.get(..whole.data.len() - rest.len())?;
        let (rest, algorithm) = Any::from_der(rest).ok()?;
        let (_, signature) = Any::from_der(rest).ok()?;
        Some(Self { message, algorithm: algorithm.data, signature: bits(signature.data)? })
    }

    /// Whether the key of this public key info, given without its header, has signed it.
    pub fn is_by(&self, info: &[u8]) -> bool {
        let key = Any::from_der(info).ok().and_then(|(rest, kind)| {
            let (_, key) = Any::from_der(rest).ok()?;
            Some((kind.data, bits(key.data)?))
        });
        let Some((kind, key)) = key else { return false };
        provider().signature_verification_algorithms.all.iter().any(|known| {
            known.public_key_alg_id().as_ref() == kind
                && known.signature_alg_id().as_ref() == self.algorithm
                && known.verify_signature(key, self.message, self.signature).is_ok()
        })
    }
}

/// What a BIT STRING of whole bytes holds.
fn bits(content: &[u8]) -> Option<&[u8]> {
    content.split_first().filter(|(unused, _)| **unused == 0).map(|(_, bytes)| bytes)
}

#[cfg(test)]
#[path = "signed_tests.rs"]
mod tests;
