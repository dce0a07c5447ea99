use super::{Side, Verifier};
use crate::tls::fault::Fault;
use crate::tls::pki::{Ca, Pair, node, self_signed, vehicle};
use crate::tls::revocation::Revocations;
use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};

fn anchors(cas: &[&Ca]) -> Vec<TrustAnchor<'static>> {
    let anchor = |ca: &&Ca| {
        let certificate = CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap();
        webpki::anchor_from_trusted_cert(&certificate).unwrap().to_owned()
    };
    cas.iter().map(anchor).collect()
}

fn verifier(cas: &[&Ca]) -> Verifier {
    Verifier::new(anchors(cas), Revocations::default())
}

/// What a verifier says of a chain, on either side.
fn said_of(verifier: &Verifier, chain: &[&str]) -> Result<String, Fault> {
    let chain: Vec<_> = chain.iter().map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).collect();
    let client = verifier.peer(&chain, Side::Client, UnixTime::now());
    assert_eq!(client, verifier.peer(&chain, Side::Server, UnixTime::now()));
    client.map(|peer| peer.identity.to_string())
}

fn said(ca: &Ca, pair: &Pair) -> Result<String, Fault> {
    said_of(&verifier(&[ca]), &[&pair.cert])
}

#[test]
fn a_certificate_of_a_trusted_ca_says_who_it_is_for() {
    let ca = Ca::new("one");
    for name in [node("west", "west-1"), vehicle("vans", "LUX-1")] {
        assert_eq!(said(&ca, &ca.issue(&name)), Ok(name));
    }
}

#[test]
fn while_two_cas_overlap_the_certificates_of_both_are_taken() {
    let (old, new) = (Ca::new("one"), Ca::new("two"));
    let both = verifier(&[&old, &new]);
    let name = node("west", "west-1");
    for ca in [&old, &new] {
        assert_eq!(said_of(&both, &[&ca.issue(&name).cert]), Ok(name.clone()));
    }
    assert_eq!(said_of(&verifier(&[&new]), &[&old.issue(&name).cert]), Err(Fault::UnknownCa));
}

#[test]
fn a_certificate_from_below_a_trusted_ca_is_taken_with_its_chain() {
    let root = Ca::new("root");
    let below = root.below("below");
    let name = node("west", "west-1");
    let own = below.issue(&name);
    let verifier = verifier(&[&root]);
    assert_eq!(said_of(&verifier, &[&own.cert, &below.pem()]), Ok(name));
    assert_eq!(said_of(&verifier, &[&own.cert]), Err(Fault::UnknownCa));
}

#[test]
fn each_kind_of_bad_certificate_is_refused_for_what_is_bad_about_it() {
    let (ca, other) = (Ca::new("one"), Ca::new("one"));
    let name = node("west", "west-1");
    let label = |pair: &Pair| said(&ca, pair).unwrap_err().label();
    // A CA of the same name is another one all the same: its signature does not fit.
    assert!(["unknown_ca", "bad_signature"].contains(&label(&other.issue(&name))));
    assert_eq!(label(&Ca::new("two").issue(&name)), "unknown_ca");
    assert_eq!(label(&self_signed(&name)), "self_signed");
    assert_eq!(label(&ca.issue_with(&name, |params| params.not_after = date_time_ymd(2020, 1, 1))), "expired");
    assert_eq!(label(&ca.issue_with(&name, |params| params.not_before = date_time_ymd(2090, 1, 1))), "not_yet_valid");
    let for_mail = |params: &mut rcgen::CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
    };
    assert_eq!(label(&ca.issue_with(&name, for_mail)), "wrong_usage");
    let as_ca = |params: &mut rcgen::CertificateParams| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    assert_eq!(label(&ca.issue_with(&name, as_ca)), "is_ca");
    assert_eq!(label(&ca.issue("https://example.org/")), "no_name");
    assert_eq!(label(&ca.issue("urn:waygate:node:west")), "no_name");
    let second = |params: &mut rcgen::CertificateParams| {
        params.subject_alt_names.push(rcgen::SanType::URI(node("east", "east-1").try_into().unwrap()));
    };
    assert_eq!(label(&ca.issue_with(&name, second)), "no_name");
}

#[test]
fn a_certificate_for_one_side_only_is_refused_on_the_other() {
    let ca = Ca::new("one");
    let server_only = |params: &mut rcgen::CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    };
    let pair = ca.issue_with(&node("west", "west-1"), server_only);
    let chain = [CertificateDer::from(pair.der)];
    let verifier = verifier(&[&ca]);
    assert!(verifier.peer(&chain, Side::Server, UnixTime::now()).is_ok());
    assert_eq!(verifier.peer(&chain, Side::Client, UnixTime::now()), Err(Fault::WrongUsage));
}

#[test]
fn what_is_on_a_list_is_refused_and_so_is_what_an_issuer_on_a_list_has_issued() {
    let root = Ca::new("root");
    let below = root.below("below");
    let (name, revocations) = (node("west", "west-1"), Revocations::default());
    revocations.trust("test", anchors(&[&root, &below]));
    let verifier = Verifier::new(anchors(&[&root]), revocations.clone());
    let (first, second) = (root.issue(&name), root.issue(&name));
    assert_eq!(revocations.take(&root.list(1, &[first.serial]).1), Ok(true));
    assert_eq!(said_of(&verifier, &[&first.cert]), Err(Fault::Revoked));
    assert_eq!(said_of(&verifier, &[&second.cert]), Ok(name.clone()));
    // The number of one CA's certificate says nothing of another's.
    let own = below.issue(&name);
    assert_eq!(revocations.take(&root.list(2, &[own.serial]).1), Ok(true));
    assert_eq!(said_of(&verifier, &[&own.cert, &below.pem()]), Ok(name));
    assert_eq!(said_of(&verifier, &[&first.cert]).unwrap(), node("west", "west-1"), "the newer list does not name it");
    assert_eq!(revocations.take(&below.list(1, &[own.serial]).1), Ok(true));
    assert_eq!(said_of(&verifier, &[&own.cert, &below.pem()]), Err(Fault::Revoked));
}

#[test]
fn nothing_that_is_no_certificate_is_taken() {
    let verifier = verifier(&[&Ca::new("one")]);
    assert!(verifier.peer(&[], Side::Client, UnixTime::now()).is_err());
    for bytes in [vec![], vec![0x30, 0x80], vec![0xff; 300]] {
        assert!(verifier.peer(&[CertificateDer::from(bytes)], Side::Client, UnixTime::now()).is_err());
    }
}
