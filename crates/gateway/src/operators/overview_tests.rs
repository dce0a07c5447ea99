use super::agreements;
use waygate_core::time::Wall;
use waygate_wire::operator::{
    Agreement, GatewayLoad, GatewayView, HeldLog, Instant, LogAgreement, LogScope, U64Text, ViewStatus,
};

/// A copy: owner, incarnation, head, digest.
type Copy = (&'static str, u64, u64, u64);

fn view(seen_by: &str, copies: &[Copy]) -> GatewayView {
    let log = |(owner, incarnation, head, digest): &Copy| HeldLog {
        owner: (*owner).to_owned(),
        incarnation: U64Text(*incarnation),
        head: U64Text(*head),
        floor: U64Text(0),
        live: 1,
        tombstones: 0,
        digest: format!("{digest:016x}"),
        scope: LogScope::Detail,
    };
    GatewayView {
        seen_by: seen_by.to_owned(),
        region: seen_by.to_owned(),
        time: Instant(Wall(0)),
        load: GatewayLoad::default(),
        acked_records_total: 0,
        view: ViewStatus { complete: true, missing_regions: Vec::new() },
        gateways: Vec::new(),
        logs: copies.iter().map(log).collect(),
    }
}

fn of(a: &[Copy], b: &[Copy]) -> Vec<LogAgreement> {
    agreements(&[view("a", a), view("b", b)])
}

fn one(a: &[Copy], b: &[Copy]) -> (Agreement, Vec<String>) {
    let logs = of(a, b);
    assert_eq!(logs.len(), 1, "{logs:?}");
    (logs[0].agreement, logs[0].behind.clone())
}

#[test]
fn copies_that_go_equally_far_and_hold_the_same_are_equal() {
    assert_eq!(one(&[("a", 1, 7, 9)], &[("a", 1, 7, 9)]), (Agreement::Equal, Vec::new()));
}

#[test]
fn a_log_in_which_nothing_was_said_is_lacked_by_nobody() {
    assert_eq!(one(&[("a", 1, 0, 0)], &[]), (Agreement::Equal, Vec::new()));
}

#[test]
fn who_has_not_read_as_far_is_behind_and_named() {
    assert_eq!(one(&[("a", 1, 7, 9)], &[("a", 1, 6, 8)]), (Agreement::Behind, vec!["b".to_owned()]));
    assert_eq!(one(&[("a", 1, 7, 9)], &[]), (Agreement::Behind, vec!["b".to_owned()]));
}

#[test]
fn equal_heads_over_different_content_differ() {
    assert_eq!(one(&[("a", 1, 7, 9)], &[("a", 1, 7, 8)]).0, Agreement::Differs);
}

#[test]
fn a_log_of_an_earlier_life_need_not_be_held_by_all() {
    let logs = of(&[("a", 1, 7, 9), ("a", 2, 1, 1)], &[("a", 2, 1, 1)]);
    assert_eq!(logs.iter().map(|log| log.agreement).collect::<Vec<_>>(), [Agreement::Equal; 2]);
    let logs = of(&[("a", 1, 7, 9), ("a", 2, 1, 1)], &[("a", 1, 6, 9), ("a", 2, 1, 1)]);
    assert_eq!(logs[0].behind, ["b"], "but who holds it is compared");
}
