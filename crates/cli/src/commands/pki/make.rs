//! Makes keys, certificates and revocation lists. It reads and writes nothing.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, Error,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType,
    SerialNumber,
};
use time::{Duration, OffsetDateTime};
use waygate_gateway::tls::Identity;

/// How far before now a certificate begins: clocks differ.
const BEFORE: Duration = Duration::minutes(10);

/// When the next list is due, for those who care: gateways hold a list in force whatever its age.
const LIST_DAYS: i64 = 365;

/// Bytes of a certificate's number.
const SERIAL_BYTES: usize = 16;

/// A CA that can sign.
pub struct Authority(Issuer<'static, KeyPair>);

/// What a certificate is wanted for, beside its name.
pub struct Order {
    pub hosts: Vec<String>,
    pub days: u32,
}

/// A certificate and its key, as PEM.
pub struct Made {
    pub cert: String,
    pub key: String,
    pub serial: Vec<u8>,
}

/// The number of a certificate that was revoked, and when.
pub type Revoked = (Vec<u8>, OffsetDateTime);

fn fault(error: Error) -> String {
    format!("it cannot be made: {error}")
}

/// A number that no other certificate has, positive and without a leading zero.
fn serial() -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; SERIAL_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| format!("the system gives no random bits: {error}"))?;
    if let Some(first) = bytes.first_mut() {
        *first = *first & 0x7f | 0x40;
    }
    Ok(bytes)
}

fn valid(params: &mut CertificateParams, days: u32) {
    let now = OffsetDateTime::now_utc();
    params.not_before = now - BEFORE;
    params.not_after = now + Duration::days(i64::from(days));
}

impl Authority {
    /// A new one; its certificate and its key as PEM.
    pub fn make(name: &str, days: u32) -> Result<(Self, String, String), String> {
        let serial = serial()?;
        let mut params = CertificateParams::default();
        // Two CAs of one name could not be told apart by whoever goes by the name.
        let letters: String = serial.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        params.distinguished_name.push(DnType::CommonName, format!("{name} {letters}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        valid(&mut params, days);
        let key = KeyPair::generate().map_err(fault)?;
        let key_pem = key.serialize_pem();
        let issuer = CertifiedIssuer::self_signed(params, key).map_err(fault)?;
        let cert = issuer.pem();
        Ok((Self::load(&cert, &key_pem)?, cert, key_pem))
    }

    /// One that was made before.
    pub fn load(cert: &str, key: &str) -> Result<Self, String> {
        let key = KeyPair::from_pem(key).map_err(|error| format!("the CA's key cannot be read: {error}"))?;
        let issuer = Issuer::from_ca_cert_pem(cert, key);
        issuer.map(Self).map_err(|error| format!("the CA's certificate cannot be read: {error}"))
    }

    /// A certificate with a new key.
    pub fn issue(&self, identity: &Identity, order: &Order) -> Result<Made, String> {
        let mut params = CertificateParams::new(order.hosts.clone())
            .map_err(|error| format!("a host cannot be named in a certificate: {error}"))?;
        let name = identity.to_string();
        let uri = name.as_str().try_into().map_err(fault)?;
        params.subject_alt_names.push(SanType::URI(uri));
        let (called, usages) = match identity {
            Identity::Node { node, .. } => {
                (node.as_str(), vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth])
            }
            Identity::Vehicle { vehicle, .. } => (vehicle.as_str(), vec![ExtendedKeyUsagePurpose::ClientAuth]),
        };
        params.distinguished_name.push(DnType::CommonName, called);
        params.extended_key_usages = usages;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let serial = serial()?;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        valid(&mut params, order.days);
        let key = KeyPair::generate().map_err(fault)?;
        let cert = params.signed_by(&key, &self.0).map_err(fault)?;
        Ok(Made { cert: cert.pem(), key: key.serialize_pem(), serial })
    }

    /// A revocation list of these numbers.
    pub fn list(&self, number: u64, revoked: Vec<Revoked>) -> Result<String, String> {
        let now = OffsetDateTime::now_utc();
        let revoked = revoked.into_iter().map(|(serial, revocation_time)| RevokedCertParams {
            serial_number: SerialNumber::from_slice(&serial),
            revocation_time,
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: now - BEFORE,
            next_update: now + Duration::days(LIST_DAYS),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.0).and_then(|list| list.pem()).map_err(fault)
    }
}
