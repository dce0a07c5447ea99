use super::*;
use serde_json::json;

/// What `observer` says of the others: status and seconds since it heard of them.
fn answer(observer: &str, others: &[(&str, &str, f64)]) -> Regions {
    let counts = json!({"online": 5, "idle": 0, "asleep": 0, "unreachable": 0, "offline": 1, "stale": 0});
    let gateway = |name: &str, is_self: bool, status: &str, ago: f64| {
        json!({"region": format!("lux-{name}"), "gateways": [{"id": format!("lux-{name}"), "self": is_self,
            "status": status, "incarnation": "1", "operators_url": "", "vehicles_url": "", "heard_ago_s": ago,
            "lag_entries": 0, "lag_s": null, "stale_for_s": null, "vehicles": counts}]})
    };
    let regions: Vec<_> = std::iter::once(gateway(observer, true, "alive", 0.0))
        .chain(others.iter().map(|(name, status, ago)| gateway(name, false, status, *ago)))
        .collect();
    serde_json::from_value(json!({"gateway": format!("lux-{observer}"), "region": "r", "regions": regions,
        "time": "2026-11-21T02:00:00.000Z", "totals": counts, "acked_records_total": 3}))
    .unwrap()
}

/// Three gateways that hear each other.
pub fn all_well() -> Knowledge {
    Knowledge {
        answers: vec![
            ("west", Some(answer("west", &[("centre", "alive", 0.1), ("east", "alive", 0.1)]))),
            ("centre", Some(answer("centre", &[("west", "alive", 0.1), ("east", "alive", 0.1)]))),
            ("east", Some(answer("east", &[("west", "alive", 0.1), ("centre", "alive", 0.1)]))),
        ],
    }
}

#[test]
fn all_is_well() {
    let knowledge = all_well();
    assert_eq!(knowledge.words(), "west↔centre ok · west↔east ok · centre↔east ok");
    assert!(knowledge.is_whole());
    assert_eq!(knowledge.totals().unwrap().online, 5);
}

#[test]
fn a_killed_gateway_is_named_with_the_time_since_it_was_heard() {
    let knowledge = Knowledge {
        answers: vec![
            ("west", Some(answer("west", &[("centre", "alive", 0.1), ("east", "lost", 4.2)]))),
            ("centre", Some(answer("centre", &[("west", "alive", 0.1), ("east", "lost", 3.9)]))),
            ("east", None),
        ],
    };
    assert_eq!(knowledge.words(), "west↔centre ok · east lost 4 s");
    assert!(!knowledge.is_whole());
}

#[test]
fn one_that_was_killed_just_now_does_not_answer_and_is_not_yet_lost() {
    let knowledge = Knowledge {
        answers: vec![
            ("west", None),
            ("centre", Some(answer("centre", &[("west", "alive", 0.3), ("east", "alive", 0.1)]))),
            ("east", Some(answer("east", &[("west", "alive", 0.3), ("centre", "alive", 0.1)]))),
        ],
    };
    assert_eq!(knowledge.words(), "west does not answer · centre↔east ok");
    assert_eq!(knowledge.totals().unwrap().offline, 1, "from the next one that answers");
}

#[test]
fn a_view_that_is_cut_off_on_one_side_says_whose() {
    let knowledge = Knowledge {
        answers: vec![
            ("west", Some(answer("west", &[("centre", "lost", 7.0)]))),
            ("centre", Some(answer("centre", &[("west", "alive", 0.1), ("east", "alive", 0.1)]))),
            ("east", Some(answer("east", &[("west", "unknown", 0.1), ("centre", "alive", 0.1)]))),
        ],
    };
    assert_eq!(
        knowledge.words(),
        "west lost centre 7 s · west has not met east, east has not met west 0 s · centre↔east ok".replace(" 0 s", "")
    );
    assert!(!knowledge.is_whole());
}
