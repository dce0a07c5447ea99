//! CAs and certificates, made when a test wants them.
#![allow(dead_code, clippy::unwrap_used)]

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
    date_time_ymd,
};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A CA.
pub struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub struct Pair {
    pub cert: String,
    pub key: String,
    pub der: Vec<u8>,
    pub serial: u64,
}

/// Numbers of certificates, never twice.
static SERIALS: AtomicU64 = AtomicU64::new(1000);

/// The name of a gateway.
pub fn node(region: &str, node: &str) -> String {
    format!("urn:waygate:node:{region}:{node}")
}

/// The name of a vehicle.
pub fn vehicle(fleet: &str, vehicle: &str) -> String {
    format!("urn:waygate:vehicle:{fleet}:{vehicle}")
}

fn uri(name: &str) -> SanType {
    SanType::URI(name.try_into().unwrap())
}

fn serial() -> u64 {
    SERIALS.fetch_add(1, Ordering::Relaxed)
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.serial_number = Some(SerialNumber::from(serial()));
    params
}

fn leaf_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "a peer");
    params.subject_alt_names.push(uri(name));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}

impl Ca {
    pub fn new(name: &str) -> Self {
        Self { issuer: CertifiedIssuer::self_signed(ca_params(name), KeyPair::generate().unwrap()).unwrap() }
    }

    /// One that another has issued.
    pub fn below(&self, name: &str) -> Self {
        let issuer = CertifiedIssuer::signed_by(ca_params(name), KeyPair::generate().unwrap(), &self.issuer);
        Self { issuer: issuer.unwrap() }
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub fn issue(&self, name: &str) -> Pair {
        self.issue_with(name, |_| {})
    }

    pub fn issue_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let (key, serial) = (KeyPair::generate().unwrap(), serial());
        let mut params = leaf_params(name);
        params.serial_number = Some(SerialNumber::from(serial));
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let der = certificate.der().to_vec();
        Pair { cert: certificate.pem(), key: key.serialize_pem(), der, serial }
    }

    /// A revocation list, as PEM and as DER.
    pub fn list(&self, number: u64, serials: &[u64]) -> (String, Vec<u8>) {
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2026, 1, 2),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&self.issuer).unwrap();
        (list.pem().unwrap(), list.der().to_vec())
    }
}

/// One that nobody has issued.
pub fn self_signed(name: &str) -> Pair {
    let key = KeyPair::generate().unwrap();
    let certificate = leaf_params(name).self_signed(&key).unwrap();
    Pair { cert: certificate.pem(), key: key.serialize_pem(), der: certificate.der().to_vec(), serial: 0 }
}

/// Where the files of one peer lie.
#[derive(Clone, Debug)]
pub struct Folder {
    pub cert: PathBuf,
    pub key: PathBuf,
    pub ca: PathBuf,
    pub crl: PathBuf,
}

impl Folder {
    /// Writes a pair and a bundle there.
    pub fn write(dir: &Path, pair: &Pair, bundle: &str) -> Self {
        let at = |name: &str| dir.join(name);
        let folder = Self { cert: at("node.pem"), key: at("node.key"), ca: at("ca.pem"), crl: at("crl.pem") };
        folder.renew(pair);
        std::fs::write(&folder.ca, bundle).unwrap();
        folder
    }

    /// Replaces the pair.
    pub fn renew(&self, pair: &Pair) {
        std::fs::write(&self.cert, &pair.cert).unwrap();
        std::fs::write(&self.key, &pair.key).unwrap();
    }
}
