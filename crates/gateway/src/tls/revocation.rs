//! Which certificates have been taken back: the newest revocation list of each CA, wherever it came from.
//!
//! A list is taken if a CA that is trusted here signed it and its number is higher than that of the list held. So it does
//! not matter who brings it: a file, the data directory, another gateway. A list does not lose its force by age: what has
//! been revoked stays so until a newer list says otherwise.

use super::peer::{Issued, IssuerKey, Peer, stripped};
use super::signed::Signed;
use rustls::pki_types::TrustAnchor;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use x509_parser::prelude::{CertificateRevocationList, FromDer};

/// Bytes of one list: about 25 000 certificates.
pub const LIST_BYTES_MAX: usize = 1024 * 1024;

/// The lists held. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Revocations {
    lists: Arc<watch::Sender<Lists>>,
    anchors: Arc<Mutex<BTreeMap<&'static str, Vec<TrustAnchor<'static>>>>>,
}

/// By the CA that issued them.
type Lists = BTreeMap<IssuerKey, List>;

/// The numbers of lists, by CA.
pub type Held = BTreeMap<IssuerKey, Number>;

/// One CA's newest.
#[derive(Clone, Debug)]
struct List {
    number: Number,
    serials: Arc<BTreeSet<Box<[u8]>>>,
    der: Arc<[u8]>,
}

/// Orders the lists of one CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number(Box<[u8]>);

impl Number {
    /// Of bytes, the highest first.
    pub fn new(bytes: &[u8]) -> Self {
        Self(stripped(bytes).into())
    }

    /// The highest first.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0.len(), &self.0).cmp(&(other.0.len(), &other.0))
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// A list is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListFault {
    /// It is no list.
    #[error("the revocation list cannot be read")]
    Unreadable,
    /// It is too large.
    #[error(
        "the revocation list has {0} bytes, at most {LIST_BYTES_MAX} are allowed: replace the CA and drop the old one"
    )]
    TooLarge(usize),
    /// Nobody who is trusted signed it.
    #[error("the revocation list is not signed by a CA that is trusted here: add that CA to the bundle")]
    UnknownCa,
    /// It cannot be told whether it is newer.
    #[error("the revocation list has no number: make it with one (X.509 CRL number)")]
    NoNumber,
    /// It does not say all that it means.
    #[error("the revocation list covers a part only (a delta, or one of several): make one whole list a CA")]
    Partial,
}

impl Default for Revocations {
    fn default() -> Self {
        Self { lists: Arc::new(watch::Sender::new(Lists::new())), anchors: Arc::default() }
    }
}

impl Revocations {
    /// From now on takes lists of these CAs, instead of those that the same `who` trusted before.
    pub fn trust(&self, who: &'static str, anchors: Vec<TrustAnchor<'static>>) {
        self.anchors.lock().unwrap_or_else(PoisonError::into_inner).insert(who, anchors);
    }

    /// Takes a list if it is newer than the one held. Returns whether it was.
    pub fn take(&self, der: &[u8]) -> Result<bool, ListFault> {
        let trusted: Vec<_> = {
            let anchors = self.anchors.lock().unwrap_or_else(PoisonError::into_inner);
            anchors.values().flatten().cloned().collect()
        };
        self.take_from(der, &trusted)
    }

    /// The same, of these CAs.
    pub fn take_from(&self, der: &[u8], anchors: &[TrustAnchor<'_>]) -> Result<bool, ListFault> {
        let (issuer, list) = read(der, anchors)?;
        Ok(self.lists.send_if_modified(|lists| {
            let newer = lists.get(&issuer).is_none_or(|held| held.number < list.number);
            if newer {
                // Said before anyone acts on it, so that the log reads in order.
                let number = crate::config::to_hex(list.number.bytes());
                tracing::info!(number, revoked = list.serials.len(), "a newer revocation list is in force");
                lists.insert(issuer, list);
            }
            newer
        }))
    }

    /// Which lists are held.
    pub fn held(&self) -> Held {
        self.lists.borrow().iter().map(|(issuer, list)| (*issuer, list.number.clone())).collect()
    }

    /// The lists held that are newer than these, or of other CAs.
    pub fn newer_than(&self, held: &Held) -> Vec<Arc<[u8]>> {
        let lists = self.lists.borrow();
        let newer = lists.iter().filter(|(issuer, list)| held.get(*issuer).is_none_or(|number| *number < list.number));
        newer.map(|(_, list)| list.der.clone()).collect()
    }

    /// Tells when there is a newer list.
    pub fn changes(&self) -> Changes {
        Changes(self.lists.subscribe())
    }

    /// Whether one of these certificates is on a list.
    pub fn revoke(&self, issued: &[Issued]) -> bool {
        listed(&self.lists.borrow(), issued)
    }

    /// Resolves once the peer's certificate, or one between it and the CA, is on a list: its connection is to be cut.
    pub async fn revoked(&self, peer: &Peer) {
        let mut lists = self.lists.subscribe();
        // The sender lives as long as `self`: this does not fail.
        let _ = lists.wait_for(|lists| listed(lists, &peer.issued)).await;
    }

    /// Every certificate on a list.
    pub fn all(&self) -> Vec<Issued> {
        let lists = self.lists.borrow();
        let of = |(issuer, list): (&IssuerKey, &List)| {
            let issuer = *issuer;
            list.serials.iter().map(move |serial| Issued { issuer, serial: serial.clone() }).collect::<Vec<_>>()
        };
        lists.iter().flat_map(of).collect()
    }
}

/// A list and the CA that it is of.
fn read(der: &[u8], anchors: &[TrustAnchor<'_>]) -> Result<(IssuerKey, List), ListFault> {
    if der.len() > LIST_BYTES_MAX {
        return Err(ListFault::TooLarge(der.len()));
    }
    let (rest, crl) = CertificateRevocationList::from_der(der).map_err(|_| ListFault::Unreadable)?;
    if !rest.is_empty() {
        return Err(ListFault::Unreadable);
    }
    // It names its algorithm twice, the second time unsigned.
    if crl.tbs_cert_list.signature != crl.signature_algorithm {
        return Err(ListFault::Unreadable);
    }
    let issuer = signer(&crl, der, anchors).ok_or(ListFault::UnknownCa)?;
    let critical = crl.extensions().iter().any(|extension| extension.critical);
    let entries = crl.iter_revoked_certificates();
    if critical || entries.flat_map(|entry| entry.extensions()).any(|extension| extension.critical) {
        return Err(ListFault::Partial);
    }
    let number = crl.crl_number().ok_or(ListFault::NoNumber)?;
    let serials = crl.iter_revoked_certificates().map(|entry| stripped(entry.raw_serial()).into());
    let list =
        List { number: Number::new(&number.to_bytes_be()), serials: Arc::new(serials.collect()), der: der.into() };
    Ok((issuer, list))
}

/// The CA trusted here whose key fits the signature.
fn signer(crl: &CertificateRevocationList<'_>, der: &[u8], anchors: &[TrustAnchor<'_>]) -> Option<IssuerKey> {
    let issuer = crl.issuer().as_raw();
    let signed = Signed::read(der)?;
    let anchor = anchors.iter().find(|anchor| {
        // The name is compared as it is written, without its header, as an anchor has it.
        let named = issuer.ends_with(&anchor.subject);
        named && signed.is_by(&anchor.subject_public_key_info)
    });
    anchor.map(|anchor| IssuerKey::of_content(&anchor.subject_public_key_info))
}

/// Tells when there is a newer list.
#[derive(Debug)]
pub struct Changes(watch::Receiver<Lists>);

impl Changes {
    /// Waits for one that is newer than those at the last call. An error means that nobody holds lists any more.
    pub async fn changed(&mut self) -> Result<(), watch::error::RecvError> {
        self.0.changed().await
    }

    /// As if there were one now.
    pub fn mark_changed(&mut self) {
        self.0.mark_changed();
    }
}

fn listed(lists: &Lists, issued: &[Issued]) -> bool {
    issued.iter().any(|one| lists.get(&one.issuer).is_some_and(|list| list.serials.contains(&one.serial)))
}

#[cfg(test)]
#[path = "revocation_tests.rs"]
mod tests;
