use super::{Accepted, Refused};
use crate::clock::Clock;
use crate::config::IdentityConfig;
use crate::tls::Revocations;
use crate::vehicles::identity::Identities;
use crate::vehicles::refusals::Refusals;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use waygate_core::time::Wall;
use waygate_wire::Codec;

const GOOD: &[(&str, &str)] = &[
    ("host", "localhost"),
    ("connection", "keep-alive, Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("sec-websocket-protocol", "chat, waygate.v1.json"),
];

fn headers(changes: &[(&str, Option<&str>)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in GOOD {
        map.insert(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    }
    for (name, value) in changes {
        let name: HeaderName = name.parse().unwrap();
        match value {
            Some(value) => drop(map.insert(name, HeaderValue::from_str(value).unwrap())),
            None => drop(map.remove(name)),
        }
    }
    map
}

fn check(uri: &str, changes: &[(&str, Option<&str>)], from: &str) -> Result<Accepted, Refused> {
    let mut request = Request::get(uri).body(()).unwrap();
    *request.headers_mut() = headers(changes);
    let refusals = Refusals::new(Clock::start());
    let open = Identities::read(&IdentityConfig::default(), false, &Revocations::default()).unwrap();
    super::check(&request, |headers| open.who(headers, from.parse().unwrap(), None, Wall(0), &refusals))
}

fn refusal(uri: &str, changes: &[(&str, Option<&str>)], from: &str) -> Refused {
    check(uri, changes, from).unwrap_err()
}

#[test]
fn a_good_request_is_accepted_with_the_key_of_the_rfc() {
    let accepted = check("/v1/obu", &[], "127.0.0.1").unwrap();
    assert_eq!(accepted.codec, Codec::Json);
    assert_eq!(accepted.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn every_bad_request_has_its_status() {
    let cases: &[(&str, &str, Option<&str>, StatusCode)] = &[
        ("no upgrade", "upgrade", None, StatusCode::UPGRADE_REQUIRED),
        ("no connection token", "connection", Some("close"), StatusCode::UPGRADE_REQUIRED),
        ("an old version", "sec-websocket-version", Some("8"), StatusCode::UPGRADE_REQUIRED),
        ("no key", "sec-websocket-key", None, StatusCode::BAD_REQUEST),
        ("a short key", "sec-websocket-key", Some("c2hvcnQ="), StatusCode::BAD_REQUEST),
        ("no subprotocol", "sec-websocket-protocol", None, StatusCode::BAD_REQUEST),
        ("an unknown subprotocol", "sec-websocket-protocol", Some("mqtt"), StatusCode::BAD_REQUEST),
        ("a web page", "origin", Some("https://example.org"), StatusCode::FORBIDDEN),
        ("credentials nobody can check", "authorization", Some("Bearer x"), StatusCode::UNAUTHORIZED),
    ];
    for (what, name, value, status) in cases {
        assert_eq!(refusal("/v1/obu", &[(name, *value)], "127.0.0.1").status, *status, "{what}");
    }
    assert_eq!(refusal("/v1/obu?token=x", &[], "127.0.0.1").status, StatusCode::BAD_REQUEST);
    assert_eq!(refusal("/other", &[], "127.0.0.1").status, StatusCode::NOT_FOUND);
    assert_eq!(refusal("/v1/obu", &[], "192.0.2.7").status, StatusCode::UNAUTHORIZED);
}

#[test]
fn this_machine_is_let_in_over_both_families() {
    for from in ["127.0.0.9", "::1", "::ffff:127.0.0.1"] {
        assert!(check("/v1/obu", &[], from).is_ok());
    }
}
