use super::{AdmissionMode, IdentityConfig, KeyConfig, ProxyConfig};

fn refused(identity: &IdentityConfig, certificates: bool) -> Option<String> {
    identity.check(certificates).err().map(|fault| fault.to_string())
}

fn listed() -> IdentityConfig {
    IdentityConfig { admission: AdmissionMode::Listed, ..IdentityConfig::default() }
}

fn of_fleets() -> IdentityConfig {
    IdentityConfig { fleets: vec!["north".to_owned()], ..IdentityConfig::default() }
}

#[test]
fn who_may_attach_cannot_be_said_where_nobody_shows_who_it_is() {
    for (identity, key) in [(listed(), "admission"), (of_fleets(), "fleets")] {
        let text = refused(&identity, false).unwrap();
        assert!(text.contains(&format!("[vehicles.identity] {key}: says who may attach")), "{text}");
        for remedy in
            ["[vehicles.tls]", "[[vehicles.identity.keys]]", "[vehicles.identity.proxy]", "leave this key out"]
        {
            assert!(text.contains(remedy), "{remedy}: {text}");
        }
    }
    assert_eq!(refused(&IdentityConfig::default(), false), None);
}

#[test]
fn each_way_to_show_who_one_is_is_enough_to_say_who_may_attach() {
    for identity in [listed(), of_fleets()] {
        assert_eq!(refused(&identity, true), None, "certificates");
        let key = KeyConfig { kid: "1".to_owned(), file: "key.pem".into() };
        assert_eq!(refused(&IdentityConfig { keys: vec![key], ..identity.clone() }, false), None, "tokens");
        let from = vec!["10.0.0.1".to_owned()];
        let proxy = ProxyConfig { from, header: "x-identity".to_owned(), ca: None, crl: None };
        assert_eq!(refused(&IdentityConfig { proxy: Some(proxy), ..identity }, false), None, "a proxy");
    }
}
