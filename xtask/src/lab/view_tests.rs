use super::*;
use serde_json::json;

fn view(state: &str) -> View {
    let vehicle = json!({"state": state, "gateway": "r1", "epoch": "7", "age_s": 3.5, "cause": null});
    View { vehicles: [("V-1".to_owned(), fields(&vehicle, FIELDS))].into(), ..View::default() }
}

#[test]
fn views_that_differ_have_other_hashes_and_the_difference_is_named() {
    let (online, idle) = (view("online"), view("idle"));
    assert_eq!(online.hash(), view("online").hash());
    assert_ne!(online.hash(), idle.hash());
    assert_eq!(online.difference(&view("online")), None);
    let difference = online.difference(&idle).unwrap();
    assert!(difference.contains("V-1") && difference.contains("idle"), "{difference}");
    let mut more = online.clone();
    more.logs.insert("r1/3".to_owned(), fields(&json!({"head": 9, "digest": "a"}), LOG_FIELDS));
    assert_ne!(online.hash(), more.hash());
    assert!(online.difference(&more).unwrap().contains("log of r1/3"));
}

#[test]
fn what_may_differ_between_gateways_is_not_part_of_a_view() {
    let aged = json!({"state": "online", "gateway": "r1", "epoch": "7", "age_s": 99, "view_age_s": 1, "position": {}});
    assert_eq!(fields(&aged, FIELDS), view("online").vehicles["V-1"]);
}
