use super::Signed;
use crate::tls::revocation::{ListFault, Revocations};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};

/// A CA with a key of RSA, 2048 bits.
const CA: &str = "-----BEGIN CERTIFICATE-----
MIIC7DCCAdSgAwIBAgIUQ1qcpgDSMGMCvymzJ/A7OYk7u2IwDQYJKoZIhvcNAQEL
BQAwDjEMMAoGA1UEAwwDb25lMB4XDTI2MTEyNjIyMjYxOFoXDTM2MTEyMzIyMjYx
OFowDjEMMAoGA1UEAwwDb25lMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKC
AQEA4gYdbOjRJobb10YN57U65v3Jit+irpZ7/ZQDPYK9E1k+PKIVl6cTD2JVNJSS
qn0l/nFJtehbV9pURYyrWVZsU88qF/dmhFwMxRPlH369lEmqqPqBdlTrTH+TR68Q
0El3PRFZikOUlctRcWm2LruQTWqjDjNQk1JFH0BS2hYwgxL9xxMoiM3trwBNYXht
xrnBO5J5VRhG/mIlyLt9Rc0eNbhoF1VD8rjVIQRkskTWKR70N7Mkedzz5ouaT6+/
dBbWjoEwFmW7DimM0Uzy5DpZlPy+Bb+0Txc2GKYeDnSwn9KmdC5uud+ly8sWFga1
RfjNKnI6+1BQx/nCZ/pmWHirmwIDAQABo0IwQDAPBgNVHRMBAf8EBTADAQH/MA4G
A1UdDwEB/wQEAwIBBjAdBgNVHQ4EFgQUADPAA2pNCngvdqDdRFhQWpTR3x4wDQYJ
KoZIhvcNAQELBQADggEBADzf5BYKNy6//M4/PgGDgsa6IqI8bhmD+C0dXjfLzRRZ
cUKiuHLdKsuk1CgIRZ1hvf3oo/XccJH6ERwKbxVXqTmtS0zaIwmUHfJH5rohCLQS
gV4RjpiXpzhOEIwFIdhFcHQ1MfRo1W53Lt7NwYCuyxHZs2xx1mh4F66RwnCIdHbo
uT2Ftn92INlvSo79BDYwXCCg5/hPQJbdl4yJzO7+F/ox5N30DeTjZCggidpeQNcp
FIHcLMl0/ymVq3wrGJ39SJ1Toy5VvrIE+gOGhwjGnR3K7ZcVc9J7brYCgcc2zDKI
mjS14FZSbSyo9wTdgDObYmUGmAQYGUgnEnVzRKqeDVA=
-----END CERTIFICATE-----";

/// Its list number 1, signed with SHA-256.
const WITH_SHA256: &str = "-----BEGIN X509 CRL-----
MIIBhzBxAgEBMA0GCSqGSIb3DQEBCwUAMA4xDDAKBgNVBAMMA29uZRcNMjYxMTI2
MjIyNjE4WhcNMjYxMjI2MjIyNjE4WqAvMC0wHwYDVR0jBBgwFoAUADPAA2pNCngv
dqDdRFhQWpTR3x4wCgYDVR0UBAMCAQEwDQYJKoZIhvcNAQELBQADggEBACrEszPp
g3PY7IexMZrIRcsPkHC2Bw1aogbU1d9wne8kkda8cRS+dnM9AqZvVV59J84r/71I
7akv2UibEqf+BRHUMR5GGd83ku178ewTKUbEaVK6GWWgpD6KDK8tc/NVSbDwOn2G
UcDdxBA/5eyKBSAvOQf/rMjwqnPXDAtkoV6nwMs3rOsZbx3ScLedzo8rlAuYz2ZK
ltJfaiv3bckoNOIT67g26yoJP5Cg7+Va8tIL8F6qLqsQ55uoqARtDkQe65mtp53N
JsXAub8oznNhaRmfm23S+z8YGK3iA3+eX8H4xtkkuF/e6g399qCxfAK2PxuiZxd0
zmez1/0DYe0pKF4=
-----END X509 CRL-----";

/// Its list number 2, signed with SHA-1.
const WITH_SHA1: &str = "-----BEGIN X509 CRL-----
MIIBhzBxAgEBMA0GCSqGSIb3DQEBBQUAMA4xDDAKBgNVBAMMA29uZRcNMjYxMTI2
MjIyNjE4WhcNMjYxMjI2MjIyNjE4WqAvMC0wHwYDVR0jBBgwFoAUADPAA2pNCngv
dqDdRFhQWpTR3x4wCgYDVR0UBAMCAQIwDQYJKoZIhvcNAQEFBQADggEBAMCpFkPq
Po0FwFnk+F8TYsp4fV7/qZI3JxRJ+W3pjrnJt3mhZRj70vvBQkN315uxtyHubNNF
5/irTpdVlzKGEMn758EXQ+cW7Yh6ez/wjK2XkwV068DCctpAlazRRjkUwRrB67tK
j3f21SgxEl0Zbhm9ZuzEpiUZsQ7E8Zeq7rxhJo/SZ7I4leXbkF20bxkF29jgQh71
7eKHsZ9rKf6DEQ1lwqE1D5CiwyUWPzX22tyy10Q8WiVh9Zg3FUWwzzFsMSbluxJy
8l4Vrr07GvHrAeHs673D8fCCaQFyBFJ+PO53cqXqUNKcpVQd5DRtwf5RtNTe9YA7
+Ki8/S4WtG73VfU=
-----END X509 CRL-----";

fn list(pem: &str) -> Vec<u8> {
    CertificateRevocationListDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}

#[test]
fn a_list_is_taken_if_a_certificate_signed_like_it_would_be() {
    let certificate = CertificateDer::from_pem_slice(CA.as_bytes()).unwrap();
    let revocations = Revocations::default();
    revocations.trust("test", vec![webpki::anchor_from_trusted_cert(&certificate).unwrap().to_owned()]);
    assert_eq!(revocations.take(&list(WITH_SHA256)), Ok(true));
    assert_eq!(revocations.take(&list(WITH_SHA1)), Err(ListFault::UnknownCa));
}

#[test]
fn what_is_no_signed_structure_is_none() {
    let whole = list(WITH_SHA256);
    assert!(Signed::read(&whole).is_some());
    for length in 0..whole.len() {
        assert!(Signed::read(&whole[..length]).is_none(), "the first {length} bytes");
    }
    assert!(Signed::read(&[0x30, 0]).is_none());
    assert!(!Signed::read(&whole).unwrap().is_by(&[]));
}
