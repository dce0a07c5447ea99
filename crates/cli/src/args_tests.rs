use clap::CommandFactory;
use clap::error::ErrorKind;

use super::*;

fn parse(line: &str) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(std::iter::once("waygate").chain(line.split_whitespace()))
}

#[test]
fn the_command_line_contradicts_itself_nowhere() {
    Arguments::command().debug_assert();
}

#[test]
fn every_command_lists_the_exit_codes() {
    for command in Arguments::command().get_subcommands_mut() {
        let help = command.render_help().to_string();
        assert!(help.contains("no gateway answered"), "{} does not", command.get_name());
    }
}

#[test]
fn wrong_values_are_refused_before_anything_is_asked() {
    for line in [
        "vehicles --state lost",
        "vehicles --bbox 1,2,3",
        "vehicles --bbox 6,49,7,50 --near 49,6,10",
        "vehicles --limit 0",
        "vehicles --limit 5 --all",
        "vehicles --url wss://127.0.0.1:7801",
        "vehicles --url 127.0.0.1:7801",
        "vehicles --url http://user:secret@127.0.0.1:7801",
        "vehicles --timeout 0",
        "vehicle ../regions",
        "history A --format xml",
        "history A --json --format csv",
        "watch --kind everything",
        "watch --events 0",
        "timeline A --limit 0",
        "send A doors.lock --ttl 0s",
        "send A doors.lock --ttl 5w",
        "send A doors.lock --ttl NaN",
        "send A doors/lock --ttl 5s",
        "send A doors.lock not-json --ttl 5s",
        "send A doors.lock --ttl 5s --policy later",
        "command ../regions",
        "command 0193-77 --cancel --follow",
        "page A --wait 5m",
    ] {
        let refused = parse(line).map(|_| ()).unwrap_err();
        let kinds = [ErrorKind::ValueValidation, ErrorKind::InvalidValue, ErrorKind::ArgumentConflict];
        assert!(kinds.contains(&refused.kind()), "{line}: {refused}");
        assert_eq!(refused.exit_code(), i32::from(crate::exit::Exit::Usage.code()));
    }
}

#[test]
fn negative_coordinates_are_values_and_not_options() {
    let parsed = parse("vehicles --bbox -0.5,51.2,0.3,51.7 --state online,stale --region uk --region ie").unwrap();
    let Command::Vehicles(args) = parsed.command else { unreachable!("it was vehicles") };
    assert_eq!(args.bbox.as_deref(), Some("-0.5,51.2,0.3,51.7"));
    assert_eq!(args.filter.query(), [("state", "online,stale".to_owned()), ("region", "uk,ie".to_owned())]);
}

#[test]
fn a_command_needs_a_time_to_live_and_latest_wins_needs_a_key() {
    for line in ["send A doors.lock", "send A doors.lock --ttl 5s --policy latest-wins", "send A --ttl 5s"] {
        assert_eq!(parse(line).map(|_| ()).unwrap_err().kind(), ErrorKind::MissingRequiredArgument, "{line}");
    }
    let parsed = parse(r#"send A doors.lock {"side":1} --ttl 1.5m --policy latest-wins --key doors"#).unwrap();
    let Command::Send(args) = parsed.command else { unreachable!("it was send") };
    assert_eq!((args.ttl, args.key.as_deref()), (Duration::from_secs(90), Some("doors")));
    assert_eq!(args.arguments, Some(serde_json::json!({"side": 1})));
}

#[test]
fn a_span_has_a_unit_or_is_seconds() {
    for (text, seconds) in [("30", 30.0), ("0.5s", 0.5), ("15m", 900.0), ("2h", 7200.0), ("3d", 259_200.0)] {
        assert_eq!(span(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
    }
    for wrong in ["", "s", "-1s", "0", "inf", "400d", "1w", "é"] {
        assert!(span(wrong).is_err(), "{wrong}");
    }
}
