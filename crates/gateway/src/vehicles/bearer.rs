//! Tokens: JWTs signed with Ed25519, whose subject is a vehicle's name. Nothing is read that the signature does not cover,
//! but the two fields that say which key to check it with.
//!
//! What a token says of its own algorithm is not followed: there is one, and the keys are of no other kind.

use crate::config::KeyConfig;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use waygate_core::credential::{Credential, Means, Refusal, VehicleName};
use waygate_core::time::Wall;

/// The longest token, bytes.
const TOKEN_BYTES_MAX: usize = 4096;

/// The largest file with a key, bytes.
const KEY_BYTES_MAX: usize = 64 * 1024;

/// Public keys by name, and whom tokens must be for.
pub struct Keys {
    keys: BTreeMap<String, DecodingKey>,
    audience: String,
    leeway_s: u64,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys {:?} for {:?}", self.keys.keys(), self.audience)
    }
}

/// What is read of a token's head.
#[derive(Deserialize)]
struct Head {
    alg: Option<String>,
    kid: Option<String>,
    crit: Option<serde_json::Value>,
}

/// What is read of its body.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    aud: Audience,
    exp: f64,
    nbf: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn names(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Several(several) => several.iter().any(|one| one == audience),
        }
    }
}

impl Keys {
    /// Reads the keys; the text says which one cannot be read, and why.
    pub fn read(keys: &[KeyConfig], audience: &str, leeway_s: u64) -> Result<Self, String> {
        let mut read = BTreeMap::new();
        for KeyConfig { kid, file } in keys {
            let fault = |what: String| format!("kid {kid:?}, {}: {what}", file.display());
            let bytes = std::fs::read(file).map_err(|error| fault(error.to_string()))?;
            read.insert(kid.clone(), public_key(&bytes).map_err(fault)?);
        }
        Ok(Self { keys: read, audience: audience.to_owned(), leeway_s })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whose token it is, if it holds at this moment.
    pub fn check(&self, token: &str, now: Wall) -> Result<Credential, Refusal> {
        if token.len() > TOKEN_BYTES_MAX || token.split('.').count() != 3 {
            return Err(Refusal::TokenMalformed);
        }
        let head = token.split('.').next().and_then(|head| URL_SAFE_NO_PAD.decode(head).ok());
        let head: Head = head.and_then(|head| serde_json::from_slice(&head).ok()).ok_or(Refusal::TokenMalformed)?;
        if head.alg.as_deref() != Some("EdDSA") {
            return Err(Refusal::TokenAlgorithm);
        }
        // It names extensions that must be understood, and none is.
        if head.crit.is_some() {
            return Err(Refusal::TokenMalformed);
        }
        let kid = head.kid.ok_or(Refusal::TokenKey)?;
        let key = self.keys.get(&kid).ok_or(Refusal::TokenKey)?;
        let claims = signed(token, key)?;
        let now_s = now.0 as f64 / 1000.0;
        let leeway = self.leeway_s as f64;
        if !claims.aud.names(&self.audience) {
            return Err(Refusal::TokenAudience);
        }
        if claims.exp + leeway <= now_s {
            return Err(Refusal::TokenExpired);
        }
        if claims.nbf.is_some_and(|nbf| nbf > now_s + leeway) {
            return Err(Refusal::TokenEarly);
        }
        let name = VehicleName::parse(&claims.sub).map_err(|_| Refusal::TokenSubject)?;
        Ok(Credential { name, means: Means::Token(kid) })
    }
}

/// The claims of a token whose signature fits the key. Times and audience are checked by the gateway's own clock.
#[allow(clippy::wildcard_enum_match_arm, reason = "not our enum, and it may grow")]
fn signed(token: &str, key: &DecodingKey) -> Result<Claims, Refusal> {
    use jsonwebtoken::errors::ErrorKind;
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
    let decoded = jsonwebtoken::decode::<serde_json::Value>(token, key, &validation);
    let claims = decoded.map_err(|error| match error.kind() {
        ErrorKind::InvalidSignature => Refusal::TokenSignature,
        ErrorKind::InvalidAlgorithm => Refusal::TokenAlgorithm,
        _ => Refusal::TokenMalformed,
    })?;
    serde_json::from_value(claims.claims).map_err(|_| Refusal::TokenClaims)
}

/// Reads an Ed25519 public key, as PEM or as a JWK. A private one is refused: it has no business here.
#[allow(clippy::wildcard_enum_match_arm, reason = "not our enum, and it may grow")]
fn public_key(bytes: &[u8]) -> Result<DecodingKey, String> {
    if bytes.len() > KEY_BYTES_MAX {
        return Err(format!("has {} bytes, at most {KEY_BYTES_MAX}", bytes.len()));
    }
    let neither = "is no Ed25519 public key, neither as PEM (BEGIN PUBLIC KEY) nor as a JWK (kty OKP, crv Ed25519)";
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return DecodingKey::from_ed_pem(bytes).map_err(|_| neither.to_owned());
    }
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| format!("{neither}: {error}"))?;
    if value.get("d").is_some() {
        return Err("has the private key in it (d): give the public one, and consider this one known".to_owned());
    }
    let jwk: Jwk = serde_json::from_value(value).map_err(|error| format!("{neither}: {error}"))?;
    match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            DecodingKey::from_jwk(&jwk).map_err(|error| format!("{neither}: {error}"))
        }
        _ => Err(neither.to_owned()),
    }
}

#[cfg(test)]
#[path = "bearer_tests.rs"]
mod tests;
