use super::{LIST_BYTES_MAX, ListFault, Number, Revocations};
use crate::tls::peer::{Issued, IssuerKey, Peer};
use crate::tls::pki::{self, Ca};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::time::Duration;
use waygate_core::identity::Identity;

/// Trusts this CA; how its certificates are named by lists.
fn trusting(ca: &Ca) -> (Revocations, IssuerKey) {
    let certificate = CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap();
    let anchor = webpki::anchor_from_trusted_cert(&certificate).unwrap().to_owned();
    let issuer = IssuerKey::of_content(&anchor.subject_public_key_info);
    let revocations = Revocations::default();
    revocations.trust("test", vec![anchor]);
    (revocations, issuer)
}

fn issued(issuer: IssuerKey, serial: u64) -> Issued {
    Issued { issuer, serial: super::stripped(&serial.to_be_bytes()).into() }
}

#[test]
fn the_list_with_the_highest_number_is_in_force_whatever_comes_when() {
    let ca = Ca::new("one");
    let (revocations, issuer) = trusting(&ca);
    assert_eq!(revocations.take(&ca.list(300, &[7]).1), Ok(true));
    for (number, serials) in [(300, vec![]), (299, vec![]), (2, vec![8])] {
        assert_eq!(revocations.take(&ca.list(number, &serials).1), Ok(false), "{number}");
    }
    assert!(revocations.revoke(&[issued(issuer, 7)]) && !revocations.revoke(&[issued(issuer, 8)]));
    assert_eq!(revocations.take(&ca.list(301, &[7, 8]).1), Ok(true));
    assert!(revocations.revoke(&[issued(issuer, 6), issued(issuer, 8)]));
}

#[test]
fn numbers_are_ordered_as_numbers() {
    let ordered =
        [Number::new(&[]), Number::new(&[1]), Number::new(&[0, 2]), Number::new(&[255]), Number::new(&[1, 0])];
    assert!(ordered.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(Number::new(&[0, 0, 3]), Number::new(&[3]));
}

#[test]
fn a_list_that_no_trusted_ca_has_signed_is_not_taken() {
    let ca = Ca::new("one");
    let (revocations, issuer) = trusting(&ca);
    for other in [Ca::new("two"), Ca::new("one")] {
        assert_eq!(revocations.take(&other.list(9, &[7]).1), Err(ListFault::UnknownCa));
    }
    let mut changed = ca.list(9, &[7]).1;
    let at = changed.len() - 20;
    changed[at] ^= 1;
    assert!(revocations.take(&changed).is_err());
    assert!(!revocations.revoke(&[issued(issuer, 7)]));
}

#[test]
fn what_is_no_list_is_not_taken_whatever_it_is() {
    let ca = Ca::new("one");
    let (revocations, _) = trusting(&ca);
    let list = ca.list(1, &[7]).1;
    for length in 0..list.len() {
        assert!(revocations.take(&list[..length]).is_err(), "the first {length} bytes");
    }
    assert_eq!(revocations.take(&[list, vec![0]].concat()), Err(ListFault::Unreadable));
    assert_eq!(revocations.take(&vec![0; LIST_BYTES_MAX + 1]), Err(ListFault::TooLarge(LIST_BYTES_MAX + 1)));
}

#[test]
fn a_ca_that_is_trusted_no_more_revokes_nothing_new() {
    let (old, new) = (Ca::new("one"), Ca::new("two"));
    let (revocations, issuer) = trusting(&old);
    assert_eq!(revocations.take(&old.list(1, &[7]).1), Ok(true));
    let certificate = CertificateDer::from_pem_slice(new.pem().as_bytes()).unwrap();
    revocations.trust("test", vec![webpki::anchor_from_trusted_cert(&certificate).unwrap().to_owned()]);
    assert_eq!(revocations.take(&old.list(2, &[]).1), Err(ListFault::UnknownCa));
    assert!(revocations.revoke(&[issued(issuer, 7)]), "what was revoked stays so");
    assert_eq!(revocations.take(&new.list(1, &[7]).1), Ok(true));
}

#[tokio::test]
async fn a_live_connection_learns_of_its_revocation_at_once_and_only_of_its_own() {
    let ca = Ca::new("one");
    let (revocations, issuer) = trusting(&ca);
    let identity = Identity::parse(&pki::node("west", "west-1")).unwrap();
    let peer = Peer { identity, issued: [issued(issuer, 7)].into() };
    let waiting = revocations.revoked(&peer);
    tokio::pin!(waiting);
    revocations.take(&ca.list(1, &[8]).1).unwrap();
    assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    revocations.take(&ca.list(2, &[7, 8]).1).unwrap();
    tokio::time::timeout(Duration::from_secs(5), waiting).await.expect("it is cut");
    tokio::time::timeout(Duration::from_secs(5), revocations.revoked(&peer))
        .await
        .expect("and one that comes later too");
}
