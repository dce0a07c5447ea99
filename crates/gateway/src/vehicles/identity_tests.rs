use super::*;
use crate::clock::Clock;
use crate::config::{AdmissionMode, ProxyConfig};
use http::HeaderValue;

const NAME: &str = "urn:waygate:vehicle:vans:LUX-1";

fn behind(from: &[&str]) -> Identities {
    let from = from.iter().map(|from| (*from).to_owned()).collect();
    let proxy = Some(ProxyConfig { from, header: "x-waygate-identity".to_owned(), ca: None, crl: None });
    Identities::read(&IdentityConfig { proxy, ..IdentityConfig::default() }, false, &Revocations::default()).unwrap()
}

fn says(values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append("x-waygate-identity", HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn who(identities: &Identities, headers: &HeaderMap, from: &str) -> Result<Option<String>, Refusal> {
    let who = identities.who(headers, from.parse().unwrap(), None, Wall(0), &Refusals::new(Clock::start()))?;
    Ok(who.map(|who| who.name.to_string()))
}

#[test]
fn a_proxy_is_believed_and_its_neighbour_is_not() {
    let identities = behind(&["10.1.0.0/16", "2001:db8::7"]);
    for from in ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::7"] {
        assert_eq!(who(&identities, &says(&[NAME]), from), Ok(Some(NAME.to_owned())), "{from}");
        assert_eq!(who(&identities, &says(&[]), from), Err(Refusal::Missing), "{from}");
    }
    for from in ["10.2.0.1", "2001:db8::8", "127.0.0.1"] {
        assert_eq!(who(&identities, &says(&[NAME]), from), Err(Refusal::NotAProxy), "{from}");
        assert_eq!(who(&identities, &says(&[]), from), Err(Refusal::Missing), "{from}");
    }
}

#[test]
fn a_proxy_must_say_one_name_once() {
    let identities = behind(&["127.0.0.1"]);
    let two = says(&[NAME, "urn:waygate:vehicle:vans:LUX-2"]);
    assert_eq!(who(&identities, &two, "127.0.0.1"), Err(Refusal::ProxyHeader));
    for value in ["", "LUX-1", "urn:waygate:node:west:west-1", &format!("{NAME},{NAME}")] {
        assert_eq!(who(&identities, &says(&[value]), "127.0.0.1"), Err(Refusal::ProxyHeader), "{value:?}");
    }
}

#[test]
fn without_a_proxy_configured_nobody_behind_one_is_taken_for_this_machine() {
    let open = Identities::read(&IdentityConfig::default(), false, &Revocations::default()).unwrap();
    assert_eq!(who(&open, &says(&[]), "127.0.0.1"), Ok(None));
    assert_eq!(who(&open, &says(&[NAME]), "127.0.0.1"), Err(Refusal::Forwarded));
    let mut passed_on = HeaderMap::new();
    passed_on.insert("x-forwarded-for", HeaderValue::from_static("192.0.2.1"));
    assert_eq!(who(&open, &passed_on, "127.0.0.1"), Err(Refusal::Forwarded));
}

#[test]
fn a_network_with_bits_behind_its_prefix_or_none_at_all_is_refused() {
    for from in ["10.1.2.3/8", "10.1.0.0/33", "everyone", ""] {
        let proxy =
            ProxyConfig { from: vec![from.to_owned()], header: "x-waygate-identity".to_owned(), ca: None, crl: None };
        let config = IdentityConfig { proxy: Some(proxy), ..IdentityConfig::default() };
        let text = Identities::read(&config, false, &Revocations::default()).unwrap_err().to_string();
        assert!(text.contains("[vehicles.identity.proxy] from") && text.contains(from), "{text}");
    }
}

#[test]
fn the_proxys_header_is_not_the_one_of_tokens() {
    for header in ["Authorization", "no header", ""] {
        let proxy = ProxyConfig { from: vec!["127.0.0.1".to_owned()], header: header.to_owned(), ca: None, crl: None };
        let config = IdentityConfig { proxy: Some(proxy), admission: AdmissionMode::Open, ..IdentityConfig::default() };
        assert!(Identities::read(&config, false, &Revocations::default()).is_err(), "{header:?}");
    }
}
