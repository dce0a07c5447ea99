//! Tokens of vehicles: a key made on the spot, its public half as a file, and what it signs.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ED25519};
use serde_json::{Value, json};

pub struct Issuer {
    pair: KeyPair,
    pub dir: tempfile::TempDir,
}

/// The name of a vehicle in the fleet of the tests.
pub fn name(vehicle: &str) -> String {
    format!("urn:waygate:vehicle:vans:{vehicle}")
}

impl Issuer {
    pub fn new() -> Self {
        let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("issuer.pem"), pair.public_key_pem()).unwrap();
        Self { pair, dir }
    }

    /// The section that has a gateway take tokens of this issuer.
    pub fn section(&self, more: &str) -> String {
        let file = self.dir.path().join("issuer.pem");
        format!("[vehicles.identity]\n{more}\n[[vehicles.identity.keys]]\nkid = \"k1\"\nfile = {file:?}\n")
    }

    /// A token for a vehicle, good for a minute.
    pub fn token(&self, vehicle: &str) -> String {
        self.signed(json!({}), vehicle)
    }

    /// A token with these claims changed.
    pub fn signed(&self, changes: Value, vehicle: &str) -> String {
        let now_s = super::now_ms() / 1000;
        let mut claims = json!({"sub": name(vehicle), "aud": "waygate", "exp": now_s + 60});
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let header = Header { kid: Some("k1".to_owned()), ..Header::new(Algorithm::EdDSA) };
        let key = EncodingKey::from_ed_der(&self.pair.serialize_der());
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    }

    /// A token that claims another algorithm, signed with what everybody has of the key.
    pub fn confused(&self, vehicle: &str) -> String {
        let claims = json!({"sub": name(vehicle), "aud": "waygate", "exp": super::now_ms() / 1000 + 60});
        let header = Header { kid: Some("k1".to_owned()), ..Header::new(Algorithm::HS256) };
        let key = EncodingKey::from_secret(self.pair.public_key_pem().as_bytes());
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    }

    /// A token that nobody signed.
    pub fn unsigned(&self, vehicle: &str) -> String {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = json!({"sub": name(vehicle), "aud": "waygate", "exp": super::now_ms() / 1000 + 60});
        format!("{}.{}.", part(json!({"alg": "none", "kid": "k1"})), part(claims))
    }
}
