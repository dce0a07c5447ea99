//! The unit's program and the gateway's over TLS: by certificate and by token, and the operator who lets a vehicle in.
#![allow(clippy::unwrap_used)]

#[path = "../../gateway/tests/support/pki.rs"]
mod pki;
mod support;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pki::{Ca, Pair, vehicle};
use rcgen::{KeyPair, PKCS_ED25519, SigningKey};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use support::Gateway;
use support::unit::Unit;

/// A gateway with TLS for vehicles, and the files that go with it.
struct Bench {
    gateway: Gateway,
    ca: Ca,
    signer: KeyPair,
    dir: tempfile::TempDir,
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

impl Bench {
    fn start(admission: &str) -> Self {
        let (ca, dir) = (Ca::new("vehicles"), tempfile::tempdir().unwrap());
        let signer = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let at = |name: &str| dir.path().join(name);
        let Pair { cert, key, .. } = ca.issue("urn:other:gateway");
        let files =
            [("own.pem", cert), ("own.key", key), ("ca.pem", ca.pem()), ("issuer.pem", signer.public_key_pem())];
        files.iter().for_each(|(name, text)| std::fs::write(at(name), text).unwrap());
        let (cert, key, bundle, issuer) = (at("own.pem"), at("own.key"), at("ca.pem"), at("issuer.pem"));
        let more = format!(
            "[vehicles.tls]\ncert = {cert:?}\nkey = {key:?}\nca = {bundle:?}\n\
             [vehicles.identity]\nadmission = \"{admission}\"\n\
             [[vehicles.identity.keys]]\nkid = \"k1\"\nfile = {issuer:?}\n"
        );
        Self { gateway: Gateway::start_as(&more, "wss", &[]), ca, signer, dir }
    }

    /// Files with a vehicle's certificate and key.
    fn certificate(&self, id: &str) -> (PathBuf, PathBuf) {
        let Pair { cert, key, .. } = self.ca.issue(&vehicle("vans", id));
        let files = (self.dir.path().join(format!("{id}.pem")), self.dir.path().join(format!("{id}.key")));
        std::fs::write(&files.0, cert).unwrap();
        std::fs::write(&files.1, key).unwrap();
        files
    }

    /// A file with a vehicle's token.
    fn token(&self, id: &str) -> PathBuf {
        let exp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 60;
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let head = part(json!({"alg": "EdDSA", "kid": "k1"}));
        let body = part(json!({"sub": vehicle("vans", id), "aud": "waygate", "exp": exp}));
        let signature = self.signer.sign(format!("{head}.{body}").as_bytes()).unwrap();
        let file = self.dir.path().join(format!("{id}.jwt"));
        std::fs::write(&file, format!("{head}.{body}.{}\n", URL_SAFE_NO_PAD.encode(signature))).unwrap();
        file
    }

    fn unit(&self, id: &str, more: &[&str]) -> Unit {
        let ca = self.dir.path().join("ca.pem");
        Unit::start(&self.gateway.vehicles_url, id, &[&["--ca", path(&ca)], more].concat())
    }
}

#[test]
fn a_unit_attaches_by_its_certificate_or_its_token_and_as_no_other() {
    let bench = Bench::start("open");
    let (cert, key) = bench.certificate("LUX-1");
    let shows = ["--cert", path(&cert), "--key", path(&key)];
    bench.unit("LUX-1", &shows).says("attached");
    bench.unit("LUX-9", &shows).says("forbidden");
    let token = bench.token("LUX-2");
    bench.unit("LUX-2", &["--token-file", path(&token)]).says("attached");
    bench.unit("LUX-3", &[]).says("401");
}

#[test]
fn an_operator_lets_a_vehicle_in_that_waits() {
    let bench = Bench::start("listed");
    let token = bench.token("LUX-1");
    let shows = ["--token-file", path(&token)];
    bench.unit("LUX-1", &shows).says("unknown_vehicle");
    let waiting = bench.gateway.json(&["vehicles", "--pending"]);
    assert_eq!((&waiting["vehicles"][0]["id"], &waiting["vehicles"][0]["means"]), (&json!("LUX-1"), &json!("token")));
    let admitted = bench.gateway.json(&["admit", "LUX-1"]);
    assert_eq!(admitted["standing"], "admitted", "{admitted}");
    let unit = bench.unit("LUX-1", &shows);
    unit.says("attached");
    assert_eq!(bench.gateway.ask(&["vehicles", "--pending"]).status.code(), Some(1), "nobody waits");
    assert_eq!(bench.gateway.json(&["refuse", "LUX-1"])["standing"], "refused");
    unit.says("policy");
}
