use super::*;

fn name(text: &str) -> VehicleName {
    VehicleName::parse(text).unwrap()
}

fn credential(vehicle: &str, means: Means) -> Credential {
    Credential { name: name(&format!("urn:waygate:vehicle:vans:{vehicle}")), means }
}

fn id(serial: u8) -> Box<[CertificateId]> {
    Box::new([CertificateId { issuer: Box::new([1]), serial: Box::new([serial]) }])
}

fn certificate(vehicle: &str) -> Option<Result<Credential, Refusal>> {
    Some(Ok(credential(vehicle, Means::Certificate(id(7)))))
}

fn token(vehicle: &str) -> Option<Result<Credential, Refusal>> {
    Some(Ok(credential(vehicle, Means::Token("k1".to_owned()))))
}

fn header(vehicle: &str) -> Option<Result<Credential, Refusal>> {
    Some(Ok(credential(vehicle, Means::Proxy(Box::default()))))
}

fn all() -> Rules {
    Rules { certificates: true, tokens: true, proxies: true, fleets: BTreeSet::new() }
}

fn decided(rules: &Rules, offer: Offer) -> Result<Option<String>, Refusal> {
    let who = rules.decide(offer)?;
    Ok(who.map(|who| format!("{} by {}", who.name.vehicle, who.means.wire())))
}

#[test]
fn a_name_is_read_and_written_alike_and_nothing_else_is_one() {
    let text = "urn:waygate:vehicle:vans:LUX-0042";
    assert_eq!(name(text).to_string(), text);
    assert_eq!((name(text).fleet.as_str(), name(text).vehicle.as_str()), ("vans", "LUX-0042"));
    let wrong = [
        "",
        "LUX-0042",
        "urn:waygate:vehicle:LUX-0042",
        "urn:waygate:vehicle::LUX-0042",
        "urn:waygate:vehicle:vans:",
        "urn:waygate:vehicle:vans:a:b",
        "urn:waygate:node:west:west-1",
        "URN:waygate:vehicle:vans:LUX-0042",
        "urn:waygate:vehicle:vans:LUX 42",
        " urn:waygate:vehicle:vans:LUX-0042",
        "urn:waygate:vehicle:vans:LUX-0042\0",
    ];
    for text in wrong {
        assert_eq!(VehicleName::parse(text), Err(InvalidName), "{text:?}");
    }
}

#[test]
fn without_credentials_configured_this_machine_alone_is_let_in_and_says_nothing() {
    let open = Rules::default();
    assert_eq!(decided(&open, Offer { local: true, ..Offer::default() }), Ok(None));
    assert_eq!(decided(&open, Offer::default()), Err(Refusal::NotLocal));
    let offer = Offer { local: true, token: token("A"), ..Offer::default() };
    assert_eq!(decided(&open, offer), Err(Refusal::Uncheckable));
    let offer = Offer { local: true, header: header("A"), ..Offer::default() };
    assert_eq!(decided(&open, offer), Err(Refusal::NotAProxy));
}

#[test]
fn with_any_source_configured_this_machine_has_to_show_who_it_is_too() {
    for rules in [
        Rules { certificates: true, ..Rules::default() },
        Rules { tokens: true, ..Rules::default() },
        Rules { proxies: true, ..Rules::default() },
    ] {
        assert_eq!(decided(&rules, Offer { local: true, ..Offer::default() }), Err(Refusal::Missing), "{rules:?}");
        let offer = Offer { local: true, from_proxy: rules.proxies, ..Offer::default() };
        assert_eq!(decided(&rules, offer), Err(Refusal::Missing), "{rules:?}");
    }
}

#[test]
fn each_source_counts_alone() {
    let offer = Offer { certificate: certificate("A"), ..Offer::default() };
    assert_eq!(decided(&all(), offer), Ok(Some("A by certificate".to_owned())));
    let offer = Offer { token: token("A"), ..Offer::default() };
    assert_eq!(decided(&all(), offer), Ok(Some("A by token".to_owned())));
    let offer = Offer { from_proxy: true, header: header("A"), ..Offer::default() };
    assert_eq!(decided(&all(), offer), Ok(Some("A by proxy".to_owned())));
    // A proxy passes the token on of a vehicle that has no certificate.
    let offer = Offer { from_proxy: true, token: token("A"), ..Offer::default() };
    assert_eq!(decided(&all(), offer), Ok(Some("A by token".to_owned())));
}

#[test]
fn the_header_counts_from_proxies_only_whatever_else_is_shown() {
    let offer = Offer { local: true, header: header("A"), ..Offer::default() };
    assert_eq!(decided(&all(), offer), Err(Refusal::NotAProxy));
    let offer = Offer { certificate: certificate("A"), header: header("A"), ..Offer::default() };
    assert_eq!(decided(&all(), offer), Err(Refusal::NotAProxy));
    // Nor does it matter what is in it.
    let offer = Offer { token: token("A"), header: Some(Err(Refusal::ProxyHeader)), ..Offer::default() };
    assert_eq!(decided(&all(), offer), Err(Refusal::NotAProxy));
}

#[test]
fn sources_must_agree_and_a_bad_one_is_not_passed_over() {
    let both = |token| Offer { certificate: certificate("A"), token, ..Offer::default() };
    assert_eq!(decided(&all(), both(token("A"))), Ok(Some("A by certificate".to_owned())));
    assert_eq!(decided(&all(), both(token("B"))), Err(Refusal::Contradiction));
    let expired = Some(Err(Refusal::TokenExpired));
    assert_eq!(decided(&all(), both(expired)), Err(Refusal::TokenExpired));
    let offer = Offer { from_proxy: true, header: header("A"), token: token("B"), ..Offer::default() };
    assert_eq!(decided(&all(), offer), Err(Refusal::Contradiction));
    let offer = Offer { from_proxy: true, header: header("A"), certificate: certificate("B"), ..Offer::default() };
    assert_eq!(decided(&all(), offer), Err(Refusal::Contradiction));
    // The same vehicle id in another fleet is another vehicle.
    let other = Credential { name: name("urn:waygate:vehicle:cars:A"), means: Means::Token("k1".to_owned()) };
    assert_eq!(decided(&all(), both(Some(Ok(other)))), Err(Refusal::Contradiction));
}

#[test]
fn a_token_without_keys_to_check_it_is_refused_also_beside_a_certificate() {
    let rules = Rules { certificates: true, ..Rules::default() };
    let offer = Offer { certificate: certificate("A"), token: token("A"), ..Offer::default() };
    assert_eq!(decided(&rules, offer), Err(Refusal::Uncheckable));
}

#[test]
fn fleets_that_are_not_served_are_refused() {
    let fleets = BTreeSet::from([FleetId::new("cars").unwrap()]);
    let rules = Rules { fleets, ..all() };
    let offer = Offer { token: token("A"), ..Offer::default() };
    assert_eq!(decided(&rules, offer.clone()), Err(Refusal::Fleet));
    let rules = Rules { fleets: BTreeSet::from([FleetId::new("vans").unwrap()]), ..all() };
    assert_eq!(decided(&rules, offer), Ok(Some("A by token".to_owned())));
}

#[test]
fn every_refusal_has_a_word_of_its_own() {
    let words: BTreeSet<_> = Refusal::ALL.iter().map(|refusal| refusal.wire()).collect();
    assert_eq!(words.len(), Refusal::ALL.len());
}

#[test]
fn bars_hold_against_the_certificate_and_against_the_vehicle() {
    let revoked = Arc::new(id(7).iter().cloned().collect());
    let refused = Arc::new(BTreeSet::from([VehicleId::new("B").unwrap()]));
    let bars = Bars { revoked, refused };
    let shown = |means| credential("A", means);
    let a = VehicleId::new("A").unwrap();
    assert_eq!(bars.against(&a, Some(&shown(Means::Certificate(id(7))))), Some(Bar::Revoked));
    assert_eq!(bars.against(&a, Some(&shown(Means::Proxy(id(7))))), Some(Bar::Revoked));
    // The vehicle's next certificate has another number.
    assert_eq!(bars.against(&a, Some(&shown(Means::Certificate(id(8))))), None);
    assert_eq!(bars.against(&a, Some(&shown(Means::Token("k1".to_owned())))), None);
    assert_eq!(bars.against(&VehicleId::new("B").unwrap(), None), Some(Bar::Refused));
}
