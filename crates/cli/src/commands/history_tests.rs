use super::*;

fn records() -> Vec<TelemetryRecord> {
    let page: waygate_wire::operator::TelemetryPage =
        serde_json::from_str(include_str!("../../tests/answers/telemetry.json")).unwrap();
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

/// What is printed of these lines, and how it ends.
async fn printed(format: Format, lines: &[Value]) -> (Result<Exit, Failure>, String, String) {
    use crate::api::server::{Answer, Server};
    let server = Server::start(vec![Answer::lines(lines)]).await;
    let args = HistoryArgs {
        id: "LUX-1".to_owned(),
        from: Moment::Ago(Duration::hours(1)),
        to: None,
        limit: 1000,
        all: true,
        format: Some(format),
        deadline: std::time::Duration::from_millis(1500),
        ask: server.ask(),
    };
    let (mut output, written) = Output::in_memory(false, 120);
    let exit = run(args, &mut output).await;
    output.flush().unwrap();
    (exit, written.text(), server.requests().concat())
}

#[tokio::test]
async fn records_are_printed_as_they_come_until_the_last_line() {
    let record = serde_json::to_value(&records()[0]).unwrap();
    let missing = json!([{"gateway": "east-1", "region": "east", "why": "it stops"}]);
    let end = json!({"end": {"records": 2, "complete": false, "next": null, "missing_regions": ["east"],
        "missing": missing, "held_bytes_peak": 1}});
    let lines = [record.clone(), record, end];
    let (exit, text, asked) = printed(Format::Ndjson, &lines).await;
    assert_eq!((exit.unwrap(), text.lines().count()), (Exit::Ok, 2));
    assert!(asked.contains("format=ndjson&deadline_s=1.5 "), "no limit is asked for: {asked}");
    let (exit, text, asked) = printed(Format::Json, &lines).await;
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((exit.unwrap(), &answer["missing"][0]["why"]), (Exit::Ok, &json!("it stops")));
    assert!(asked.contains("limit=1000000"), "{asked}");
}

#[tokio::test]
async fn an_answer_without_its_last_line_is_no_answer() {
    let record = serde_json::to_value(&records()[0]).unwrap();
    let (exit, text, _) = printed(Format::Ndjson, &[record]).await;
    assert_eq!(text.lines().count(), 1);
    assert!(exit.unwrap_err().message.contains("broke the answer off after 1 records"));
}
