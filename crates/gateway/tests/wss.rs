//! Vehicles over TLS: a certificate lets its vehicle in and no other, and every one that does not hold is refused for its
//! reason, also in the middle of a session.
#![allow(clippy::unwrap_used)]

mod support;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, date_time_ymd};
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;
use support::issuer::Issuer;
use support::pki::{Ca, Pair, node, self_signed, vehicle};
use support::wss::{Refused, Secured};
use support::{PATIENCE, Running, Vehicle, eventually, start_limited};

/// A gateway that speaks TLS with vehicles, and who issues for it.
struct Edge {
    west: Running,
    ca: Ca,
    crl: PathBuf,
    _dir: tempfile::TempDir,
}

impl Edge {
    async fn start(more: &str) -> Self {
        let (ca, dir) = (Ca::new("vehicles"), tempfile::tempdir().unwrap());
        let at = |name: &str| dir.path().join(name);
        let own = ca.issue("urn:other:gateway");
        let (cert, key, bundle, crl) = (at("own.pem"), at("own.key"), at("ca.pem"), at("crl.pem"));
        for (path, text) in [(&cert, own.cert), (&key, own.key), (&bundle, ca.pem()), (&crl, ca.list(1, &[]).0)] {
            std::fs::write(path, text).unwrap();
        }
        let tls = format!("[vehicles.tls]\ncert = {cert:?}\nkey = {key:?}\nca = {bundle:?}\ncrl = {crl:?}\n");
        let west = start_limited(&(tls + more)).await;
        Self { west, ca, crl, _dir: dir }
    }

    async fn connect(&self, id: &str, own: Option<&Pair>, headers: &[(&str, &str)]) -> Result<Secured, Refused> {
        Secured::connect(self.west.vehicles(), id, &self.ca.pem(), own, headers).await
    }

    fn issue(&self, id: &str) -> Pair {
        self.ca.issue(&vehicle("vans", id))
    }

    fn issue_with(&self, change: impl FnOnce(&mut CertificateParams)) -> Pair {
        self.ca.issue_with(&vehicle("vans", "LUX-1"), change)
    }

    async fn turned_away(&self, reason: &str) -> u64 {
        let (_, metrics) = support::get_text(self.west.operators(), "/metrics").await;
        let line = format!("waygate_vehicles_turned_away_total{{reason=\"{reason}\"}} ");
        metrics.lines().find_map(|read| read.strip_prefix(line.as_str())).map_or(0, |count| count.parse().unwrap())
    }

    /// A certificate that does not even lead to a request.
    async fn refuses(&self, pair: &Pair, reason: &str) {
        let before = self.turned_away(reason).await;
        let refused = self.connect("LUX-1", Some(pair), &[]).await.err();
        assert_eq!(refused, Some(Refused::Ended), "{reason}");
        let started = Instant::now();
        while self.turned_away(reason).await == before {
            assert!(started.elapsed() < PATIENCE, "{reason} is not counted");
        }
    }
}

#[tokio::test]
async fn a_certificate_lets_its_vehicle_in_and_no_other() {
    let edge = Edge::start("").await;
    let pair = edge.issue("LUX-1");
    let mut secured = edge.connect("LUX-1", Some(&pair), &[]).await.unwrap();
    let accept = secured.ask(json!({})).await;
    assert_eq!(accept["type"], "attach_accept", "{accept}");
    let records = vec![support::record(1, 49.61, 6.13)];
    secured.say(json!({"type": "telemetry", "first_seq": "1", "records": records})).await;
    assert_eq!(secured.receive().await["type"], "telemetry_ack");
    let shown = eventually(edge.west.operators(), "/v1/vehicles/LUX-1", |shown| shown["state"] == "online").await;
    assert_eq!(shown["position"]["lat"], 49.61, "{shown}");

    let mut other = edge.connect("LUX-2", Some(&pair), &[]).await.unwrap();
    let reject = other.ask(json!({})).await;
    assert_eq!(reject["cause"], "forbidden", "{reject}");
    assert_eq!(other.closed().await, 4300);
    edge.west.gateway.shutdown().await;
}

#[tokio::test]
async fn certificates_that_do_not_hold_are_refused_each_for_its_reason() {
    let edge = Edge::start("").await;
    let name = vehicle("vans", "LUX-1");
    let expired = edge.issue_with(|params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    edge.refuses(&expired, "certificate_expired").await;
    let early = edge.issue_with(|params| {
        params.not_before = date_time_ymd(4000, 1, 1);
        params.not_after = date_time_ymd(4001, 1, 1);
    });
    edge.refuses(&early, "certificate_early").await;
    let usage = |params: &mut CertificateParams| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    edge.refuses(&edge.issue_with(usage), "certificate_usage").await;
    edge.refuses(&self_signed(&name), "certificate_self_signed").await;
    edge.refuses(&Ca::new("others").issue(&name), "certificate_unknown_ca").await;
    let nameless = |params: &mut CertificateParams| params.subject_alt_names.clear();
    edge.refuses(&edge.issue_with(nameless), "certificate_name").await;
    // A gateway's certificate of the same CA makes no vehicle.
    let gateway = edge.ca.issue(&node("west", "west-1"));
    assert_eq!(edge.connect("LUX-1", Some(&gateway), &[]).await.err(), Some(Refused::Status(403)));
    edge.west.gateway.shutdown().await;
}

#[tokio::test]
async fn without_a_certificate_a_token_is_enough_and_nothing_is_not() {
    let issuer = Issuer::new();
    let edge = Edge::start(&issuer.section("")).await;
    assert_eq!(edge.connect("LUX-1", None, &[]).await.err(), Some(Refused::Status(401)));
    let token = format!("Bearer {}", issuer.token("LUX-1"));
    let shows = [("authorization", token.as_str())];
    let accept = edge.connect("LUX-1", None, &shows).await.unwrap().ask(json!({})).await;
    assert_eq!(accept["type"], "attach_accept", "{accept}");
    // Both, and they name two vehicles.
    let other = edge.issue("LUX-2");
    assert_eq!(edge.connect("LUX-1", Some(&other), &shows).await.err(), Some(Refused::Status(403)));
    edge.west.gateway.shutdown().await;
}

#[tokio::test]
async fn what_is_not_tls_is_not_answered() {
    let edge = Edge::start("").await;
    let mut raw = support::raw::Raw::connect(edge.west.vehicles()).await;
    raw.send(&support::raw::good_head()).await;
    raw.ended().await;
    edge.west.gateway.shutdown().await;
}

#[tokio::test]
async fn a_revocation_cuts_the_session_and_leaves_the_others() {
    let edge = Edge::start("").await;
    let (pair, other) = (edge.issue("LUX-1"), edge.issue("LUX-2"));
    let mut secured = edge.connect("LUX-1", Some(&pair), &[]).await.unwrap();
    let accept = secured.ask(json!({})).await;
    let mut stays = edge.connect("LUX-2", Some(&other), &[]).await.unwrap();
    stays.ask(json!({})).await;

    std::fs::write(&edge.crl, edge.ca.list(2, &[pair.serial]).0).unwrap();
    edge.west.gateway.reload();
    let order = secured.receive().await;
    assert_eq!((&order["type"], &order["cause"]), (&json!("detach_order"), &json!("revoked")), "{order}");
    assert_eq!(secured.closed().await, 4403);
    let shown = eventually(edge.west.operators(), "/v1/vehicles/LUX-1", |shown| shown["state"] == "offline").await;
    assert_eq!(shown["cause"], "revoked", "{shown}");
    edge.refuses(&pair, "certificate_revoked").await;
    stays.say(json!({"type": "time_request", "sent": "1"})).await;
    assert_eq!(stays.receive().await["type"], "time_reply");

    // With another certificate it may go on, but the session that was cut is over.
    let renewed = edge.issue("LUX-1");
    let resume = json!({"kind": "resume", "token": accept["token"]});
    let again = edge.connect("LUX-1", Some(&renewed), &[]).await.unwrap().ask(resume).await;
    assert_eq!(again["type"], "attach_accept", "{again}");
    assert_ne!(again["session"], accept["session"]);
    edge.west.gateway.shutdown().await;
}

fn escaped(pem: &str) -> String {
    let escape = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(byte).into(),
        byte => format!("%{byte:02X}"),
    };
    pem.bytes().map(escape).collect()
}

#[tokio::test]
async fn a_certificate_that_a_proxy_passes_on_is_checked_here_again_and_can_be_revoked() {
    let (ca, dir) = (Ca::new("vehicles"), tempfile::tempdir().unwrap());
    let (bundle, crl) = (dir.path().join("ca.pem"), dir.path().join("crl.pem"));
    let (pair, taken_back) = (ca.issue(&vehicle("vans", "LUX-1")), ca.issue(&vehicle("vans", "LUX-2")));
    std::fs::write(&bundle, ca.pem()).unwrap();
    std::fs::write(&crl, ca.list(1, &[taken_back.serial]).0).unwrap();
    let proxy = "[vehicles.identity.proxy]\nfrom = [\"127.0.0.1\"]\n";
    let west = start_limited(&format!("{proxy}ca = {bundle:?}\ncrl = {crl:?}\n")).await;
    let connect =
        async |value: &str| Vehicle::connect_with(west.vehicles(), "LUX-1", &[("x-waygate-identity", value)]).await;
    let accept = connect(&escaped(&pair.cert)).await.unwrap().ask(json!({})).await;
    assert_eq!(accept["type"], "attach_accept", "{accept}");
    let stranger = Ca::new("others").issue(&vehicle("vans", "LUX-1"));
    // A name alone is not enough where certificates are meant.
    for value in [escaped(&stranger.cert), escaped(&taken_back.cert), vehicle("vans", "LUX-1")] {
        let (status, text) = connect(&value).await.err().unwrap();
        assert_eq!(status, 403, "{text}");
    }
    west.gateway.shutdown().await;
}
