use super::{Identity, InvalidIdentity, NodePattern};
use proptest::prelude::*;

fn name(text: &str) -> Identity {
    Identity::parse(text).unwrap()
}

#[test]
fn a_name_is_read_as_it_is_written() {
    for text in ["urn:waygate:node:west:west-1", "urn:waygate:vehicle:vans:LUX-0042"] {
        assert_eq!(name(text).to_string(), text);
    }
}

#[test]
fn what_is_no_name_is_refused() {
    let not_names = [
        "",
        "urn:waygate:",
        "urn:waygate:node:west",
        "urn:waygate:node:west:west-1:more",
        "urn:waygate:node::west-1",
        "urn:waygate:node:west:",
        "urn:waygate:node:*:*",
        "urn:waygate:operator:west:anna",
        "urn:waygate:NODE:west:west-1",
        "URN:waygate:node:west:west-1",
        "urn:waygate:node:west:we st",
        "urn:waygate:node:west:west-1\n",
        "spiffe://waygate/node/west/west-1",
    ];
    for text in not_names {
        assert!(Identity::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_certificate_speaks_for_exactly_one_name_and_others_uris_do_not_matter() {
    let node = "urn:waygate:node:west:west-1";
    assert_eq!(Identity::among(["spiffe://mesh/west", node]), Ok(name(node)));
    assert_eq!(Identity::among(["spiffe://mesh/west"]), Err(InvalidIdentity::Missing));
    assert_eq!(Identity::among([node, "urn:waygate:vehicle:vans:LUX-1"]), Err(InvalidIdentity::Several));
    assert_eq!(Identity::among([node, "urn:waygate:node:"]), Err(InvalidIdentity::Several));
}

#[test]
fn a_pattern_admits_the_gateways_it_means_and_never_a_vehicle() {
    let (west, east) = (name("urn:waygate:node:west:one"), name("urn:waygate:node:east:one"));
    let vehicle = name("urn:waygate:vehicle:west:one");
    let admits = |pattern: &str, who: &Identity| NodePattern::parse(pattern).unwrap().admits(who);
    assert!(admits("urn:waygate:node:*:*", &west) && admits("urn:waygate:node:*:*", &east));
    assert!(admits("urn:waygate:node:west:*", &west) && !admits("urn:waygate:node:west:*", &east));
    assert!(admits("urn:waygate:node:west:one", &west) && !admits("urn:waygate:node:west:two", &west));
    assert!(admits("urn:waygate:node:*:one", &east));
    assert!(!admits("urn:waygate:node:*:*", &vehicle) && !NodePattern::ANY.admits(&vehicle));
}

#[test]
fn a_pattern_is_of_gateways_and_has_no_half_stars() {
    for text in ["*", "urn:waygate:*:*:*", "urn:waygate:vehicle:*:*", "urn:waygate:node:we*:*", "urn:waygate:node:*"] {
        assert!(NodePattern::parse(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_reading_a_name_fail_otherwise_than_with_an_error(text in ".{0,80}") {
        if let Ok(identity) = Identity::parse(&text) {
            prop_assert_eq!(identity.to_string(), text);
        }
    }
}
