use super::*;

fn records() -> Vec<TelemetryRecord> {
    let page: TelemetryPage = serde_json::from_str(include_str!("../../tests/answers/telemetry.json")).unwrap();
    page.records
}

#[test]
fn records_are_a_table() {
    insta::assert_snapshot!(grid(&records()).lines(120, false).join("\n"));
}

#[test]
fn records_are_csv_with_units_in_the_headings() {
    let lines: Vec<_> = records().iter().map(csv_line).collect();
    insta::assert_snapshot!(format!("{CSV_HEADINGS}\n{}", lines.join("\n")));
    let columns = CSV_HEADINGS.split(',').count();
    assert_eq!(lines[1].split(',').count(), columns);
}

#[test]
fn a_time_is_given_as_such_or_as_so_long_ago() {
    assert_eq!(moment("15m"), Ok(Moment::Ago(Duration::minutes(15))));
    assert_eq!(moment("3d"), Ok(Moment::Ago(Duration::days(3))));
    let at = OffsetDateTime::from_unix_timestamp(1_795_226_400).unwrap();
    assert_eq!(moment("2026-11-21T02:00:00Z"), Ok(Moment::At(at)));
    assert_eq!(moment("2026-11-21T03:00:00+01:00").map(|m| m.at(at)), Ok(at));
    for wrong in ["", "m", "15", "-5m", "5w", "yesterday", "2026-11-21", "é"] {
        assert!(moment(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_time_before_everything_is_the_beginning() {
    let now = OffsetDateTime::from_unix_timestamp(1_795_226_400).unwrap();
    let ages = moment("4294967295d").unwrap();
    assert!(ages.at(now) < now);
    assert!(rfc3339(ages.at(now)).is_ok());
}
