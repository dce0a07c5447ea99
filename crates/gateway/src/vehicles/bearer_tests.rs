use super::*;
use crate::config::KeyConfig;
use jsonwebtoken::{EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ED25519};
use serde_json::{Value, json};

const NOW: Wall = Wall(1_795_219_200_000);
const SUB: &str = "urn:waygate:vehicle:vans:LUX-1";

struct Bench {
    pair: KeyPair,
    keys: Keys,
    _dir: tempfile::TempDir,
}

fn now_s() -> i64 {
    NOW.0 / 1000
}

fn good() -> Value {
    json!({"sub": SUB, "aud": "waygate", "exp": now_s() + 60})
}

/// The raw 32 bytes of a public key, as a JWK has them.
fn x(pair: &KeyPair) -> String {
    URL_SAFE_NO_PAD.encode(pair.public_key_raw())
}

fn bench() -> Bench {
    let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key.pem");
    std::fs::write(&file, pair.public_key_pem()).unwrap();
    let keys = Keys::read(&[KeyConfig { kid: "k1".to_owned(), file }], "waygate", 30).unwrap();
    Bench { pair, keys, _dir: dir }
}

fn head(kid: &str) -> Header {
    Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::EdDSA) }
}

fn sign(pair: &KeyPair, header: &Header, claims: &Value) -> String {
    let key = EncodingKey::from_ed_der(&pair.serialize_der());
    jsonwebtoken::encode(header, claims, &key).unwrap()
}

impl Bench {
    fn check(&self, claims: &Value) -> Result<Credential, Refusal> {
        self.keys.check(&sign(&self.pair, &head("k1"), claims), NOW)
    }

    fn refusal(&self, claims: &Value) -> Refusal {
        self.check(claims).unwrap_err()
    }
}

fn with(changes: Value) -> Value {
    let mut claims = good();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

#[test]
fn a_good_token_says_who_it_is_and_which_key_stands_for_it() {
    let credential = bench().check(&good()).unwrap();
    assert_eq!(credential.name.to_string(), SUB);
    assert_eq!(credential.means, Means::Token("k1".to_owned()));
}

#[test]
fn times_hold_with_the_leeway_and_not_beyond() {
    let bench = bench();
    for (claims, refusal) in [
        (json!({"exp": now_s() - 29}), None),
        (json!({"exp": now_s() - 30}), Some(Refusal::TokenExpired)),
        (json!({"exp": now_s() as f64 - 29.5}), None),
        (json!({"exp": -1e300}), Some(Refusal::TokenExpired)),
        (json!({"nbf": now_s() + 30}), None),
        (json!({"nbf": now_s() + 31}), Some(Refusal::TokenEarly)),
    ] {
        assert_eq!(bench.check(&with(claims.clone())).err(), refusal, "{claims}");
    }
}

#[test]
fn audience_and_subject_must_be_the_ones_meant() {
    let bench = bench();
    assert!(bench.check(&with(json!({"aud": ["other", "waygate"]}))).is_ok());
    for (claims, refusal) in [
        (json!({"aud": "other"}), Refusal::TokenAudience),
        (json!({"aud": []}), Refusal::TokenAudience),
        (json!({"aud": "waygate2"}), Refusal::TokenAudience),
        (json!({"sub": "LUX-1"}), Refusal::TokenSubject),
        (json!({"sub": "urn:waygate:node:west:west-1"}), Refusal::TokenSubject),
    ] {
        assert_eq!(bench.refusal(&with(claims.clone())), refusal, "{claims}");
    }
}

#[test]
fn a_token_without_an_end_an_audience_or_a_subject_is_refused() {
    let bench = bench();
    for claims in [
        json!({"exp": null}),
        json!({"aud": null}),
        json!({"sub": null}),
        json!({"exp": "tomorrow"}),
        json!({"nbf": "today"}),
        json!({"sub": 7}),
    ] {
        assert_eq!(bench.refusal(&with(claims.clone())), Refusal::TokenClaims, "{claims}");
    }
}

#[test]
fn a_key_that_is_not_named_or_not_known_or_another_one_checks_nothing() {
    let bench = bench();
    let nameless = sign(&bench.pair, &Header::new(Algorithm::EdDSA), &good());
    assert_eq!(bench.keys.check(&nameless, NOW), Err(Refusal::TokenKey));
    let unknown = sign(&bench.pair, &head("k2"), &good());
    assert_eq!(bench.keys.check(&unknown, NOW), Err(Refusal::TokenKey));
    let other = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let forged = sign(&other, &head("k1"), &good());
    assert_eq!(bench.keys.check(&forged, NOW), Err(Refusal::TokenSignature));
}

#[test]
fn what_was_changed_after_it_was_signed_is_refused() {
    let bench = bench();
    let token = sign(&bench.pair, &head("k1"), &good());
    let parts: Vec<_> = token.split('.').collect();
    let other = URL_SAFE_NO_PAD.encode(with(json!({"sub": "urn:waygate:vehicle:vans:LUX-2"})).to_string());
    let changed = format!("{}.{other}.{}", parts[0], parts[2]);
    assert_eq!(bench.keys.check(&changed, NOW), Err(Refusal::TokenSignature));
    let unsigned = format!("{}.{}.", parts[0], parts[1]);
    assert_eq!(bench.keys.check(&unsigned, NOW), Err(Refusal::TokenSignature));
}

#[test]
fn the_token_does_not_choose_the_algorithm() {
    let bench = bench();
    let body = URL_SAFE_NO_PAD.encode(good().to_string());
    for alg in ["none", "None", "HS256", "RS256", "ES256", "eddsa"] {
        let head = URL_SAFE_NO_PAD.encode(json!({"alg": alg, "kid": "k1"}).to_string());
        for signature in ["", "AAAA"] {
            let token = format!("{head}.{body}.{signature}");
            assert_eq!(bench.keys.check(&token, NOW), Err(Refusal::TokenAlgorithm), "{alg}");
        }
    }
    // The classic: the public key, which everyone has, taken for a secret that only the issuer has.
    for secret in [bench.pair.public_key_pem().into_bytes(), bench.pair.public_key_raw().to_vec()] {
        let header = Header { kid: Some("k1".to_owned()), ..Header::new(Algorithm::HS256) };
        let token = jsonwebtoken::encode(&header, &good(), &EncodingKey::from_secret(&secret)).unwrap();
        assert_eq!(bench.keys.check(&token, NOW), Err(Refusal::TokenAlgorithm));
        // And with a head that says what is expected.
        let head = URL_SAFE_NO_PAD.encode(json!({"alg": "EdDSA", "kid": "k1"}).to_string());
        let (_, rest) = token.split_once('.').unwrap();
        assert_eq!(bench.keys.check(&format!("{head}.{rest}"), NOW), Err(Refusal::TokenSignature));
    }
}

#[test]
fn what_is_no_token_is_refused_without_a_look_at_a_key() {
    let bench = bench();
    let long = format!("{}.{}.{}", "a".repeat(2000), "b".repeat(2000), "c".repeat(2000));
    for token in ["", "a", "a.b", "a.b.c", "a.b.c.d", "..", &long] {
        assert_eq!(bench.keys.check(token, NOW), Err(Refusal::TokenMalformed), "{token:?}");
    }
    // An extension that must be understood.
    let header = Header { crit: Some(vec!["b64".to_owned()]), ..head("k1") };
    let token = sign(&bench.pair, &header, &good());
    assert_eq!(bench.keys.check(&token, NOW), Err(Refusal::TokenMalformed));
}

#[test]
fn a_jwk_is_as_good_as_a_pem_and_nothing_but_a_public_ed25519_key_is_taken() {
    let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    let read = |content: &str| {
        std::fs::write(&file, content).unwrap();
        Keys::read(&[KeyConfig { kid: "k1".to_owned(), file: file.clone() }], "waygate", 30)
    };
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": x(&pair)});
    let keys = read(&jwk.to_string()).unwrap();
    assert!(keys.check(&sign(&pair, &head("k1"), &good()), NOW).is_ok());

    let p256 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let mut private = jwk.clone();
    private["d"] = json!("AAAA");
    let wrong = [
        pair.serialize_pem(),
        p256.public_key_pem(),
        private.to_string(),
        json!({"kty": "OKP", "crv": "X25519", "x": x(&pair)}).to_string(),
        json!({"kty": "oct", "k": "AAAA"}).to_string(),
        "nothing".to_owned(),
        String::new(),
    ];
    for content in wrong {
        let text = read(&content).unwrap_err();
        assert!(text.contains("kid \"k1\"") && text.contains("key"), "{text}");
        assert!(!text.contains("AAAA"), "no key is shown: {text}");
    }
}
