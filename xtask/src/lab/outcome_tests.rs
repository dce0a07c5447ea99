use super::*;

fn outcome(held: bool) -> Outcome {
    let condition = Condition { what: "all views are equal".to_owned(), held, saw: "r1 and r2 differ".to_owned() };
    Outcome {
        scenario: "split".to_owned(),
        conditions: vec![condition],
        converged: Some(Duration::from_millis(2500)),
        link_bytes: [(("r1".to_owned(), "r2".to_owned()), 12_345)].into(),
        peak_kb: [("r1".to_owned(), 20_000)].into(),
        folder: Some("somewhere".into()),
        ..Outcome::default()
    }
}

#[test]
fn a_scenario_passes_if_it_has_conditions_and_all_held() {
    assert!(outcome(true).passed());
    assert!(!outcome(false).passed());
    assert!(!Outcome { conditions: Vec::new(), ..outcome(true) }.passed());
    assert!(!Outcome { fault: Some("ended early".to_owned()), ..outcome(true) }.passed());
}

#[test]
fn the_table_says_what_did_not_hold_and_where_the_logs_are() {
    let text = table(&[outcome(true), outcome(false)]);
    assert!(text.contains("2.5 s") && text.contains("12 kB r1→r2") && text.contains("20 MB"), "{text}");
    assert!(text.contains("FAILED") && text.contains("r1 and r2 differ") && text.contains("logs are in somewhere"));
    let json = outcome(false).json();
    assert_eq!((&json["passed"], &json["converged_s"]), (&json!(false), &json!(2.5)));
    assert_eq!(json["links"][0]["bytes"], 12_345);
}
