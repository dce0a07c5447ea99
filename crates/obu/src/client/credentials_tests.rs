use super::*;

fn text(text: &str) -> Option<Source> {
    Some(Source::Text(text.into()))
}

fn way(credentials: &Credentials, url: &str) -> Result<Option<String>, String> {
    credentials.way(&Url::parse(url).unwrap()).map(|way| way.authorization)
}

#[test]
fn a_token_is_sent_over_tls_or_to_this_machine_and_nowhere_else() {
    let credentials = Credentials { token: text("a.b.c\n"), ..Credentials::default() };
    for url in ["ws://127.0.0.1:7701/v1/obu", "ws://[::1]:7701/v1/obu", "ws://localhost:7701/v1/obu"] {
        assert_eq!(way(&credentials, url), Ok(Some("Bearer a.b.c".to_owned())), "{url}");
    }
    for url in ["ws://192.0.2.7:7701/v1/obu", "ws://gateway.example/v1/obu", "ws://localhost.example/v1/obu"] {
        assert!(way(&credentials, url).unwrap_err().contains("wss://"), "{url}");
    }
}

#[test]
fn a_unit_that_believes_only_gateways_of_a_ca_is_not_sent_elsewhere_without_tls() {
    let credentials = Credentials { ca: text("-----BEGIN CERTIFICATE-----"), ..Credentials::default() };
    assert!(way(&credentials, "ws://192.0.2.7/v1/obu").is_err());
    assert_eq!(
        way(&Credentials::default(), "ws://192.0.2.7/v1/obu"),
        Ok(None),
        "one without credentials has no secret"
    );
}

#[test]
fn what_cannot_be_used_is_told_before_a_gateway_is_asked() {
    let pair = |certificate, key| Some((Source::Text(certificate), Source::Text(key)));
    let none = Credentials::default;
    for (credentials, says) in [
        (Credentials { certificate: pair("".into(), "".into()), ..none() }, "which CA"),
        (Credentials { ca: text("nothing"), ..none() }, "no certificate"),
        (Credentials { ca: Some(Source::File("/nothing/there.pem".into())), ..none() }, "/nothing/there.pem"),
        (Credentials { token: text(" \n"), ..none() }, "no token"),
        (Credentials { token: text("a b"), ..none() }, "no token"),
    ] {
        let what = credentials.check().unwrap_err();
        assert!(what.contains(says), "{what}");
    }
    assert!(way(&none(), "wss://gateway.example/v1/obu").unwrap_err().contains("CA"));
    assert!(way(&none(), "http://gateway.example/v1/obu").is_err());
}

#[test]
fn nothing_secret_is_shown_by_accident() {
    let credentials = Credentials { token: text("s3cret"), ..Credentials::default() };
    assert!(!format!("{credentials:?}").contains("s3cret"));
}
