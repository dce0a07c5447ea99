use super::Codec;
use crate::error::{Fault, WireError};
use crate::proto;
use prost::Message as _;
use waygate_core::cause::{DetachCause, OrderCause, RecordFault, RejectCause};
use waygate_core::cell::Cell;
use waygate_core::command::{Command, CommandId, CommandName, CommandStatus, Policy, VehicleVerdict};
use waygate_core::epoch::Epoch;
use waygate_core::id::{SessionId, SpoolId, VehicleId};
use waygate_core::limits;
use waygate_core::message::{
    AttachAccept, AttachKind, AttachReject, AttachRequest, Downlink, ErrorReport, GatewayAddress, Redirect,
    RedirectReason, Suspend, TelemetryAck, TrackingAccept, Uplink,
};
use waygate_core::ranges::SeqRanges;
use waygate_core::record::{Fix, Lane, Position, Record, SignalPath, SignalValue, SpoolReport, Telemetry};
use waygate_core::time::{Millis, Wall};
use waygate_core::timers::Timers;
use waygate_core::wake::{WakeChannel, WakeChannels};

// --- the messages of the design, word for word ---

const ATTACH_REQUEST: &str = r#"{"type":"attach_request","vehicle":"LUX-0042","kind":"initial","boot_id":"b1","spool":{"id":"8123372036854775807","oldest":"1","last":"0"},"position":{"lat":49.61,"lon":6.13}}"#;
const ATTACH_ACCEPT: &str = r#"{"type":"attach_accept","token":"AAH_","epoch":"114098400000000000","session":"77","server_time":"1795219200000","areas":["851fa443fffffff"],"timers":{"ping_s":30,"pong_s":15,"hold_s":30,"periodic_update_s":3240,"active_s":20,"sleep_s":86400},"window":{"records":4096,"bytes":1048576},"max_frame_bytes":262144,"ack_level":"committed","resume_from":"1","pending_commands":0,"gateways":[{"region":"lux-east","url":"ws://127.0.0.1:7703/v1/obu"}]}"#;
const TELEMETRY: &str = r#"{"type":"telemetry","first_seq":"1","records":[{"t":"1795219200000","lat":49.6101,"lon":6.1302,"speed":13.9,"heading":354.0,"signals":{"Vehicle.Powertrain.TractionBattery.StateOfCharge.Current":71.5}}]}"#;
const TELEMETRY_ACK: &str = r#"{"type":"telemetry_ack","spool":"8123372036854775807","through":"1","ranges":[],"level":"committed","rejected":[]}"#;
const DETACH: &str = r#"{"type":"detach","cause":"ignition_off"}"#;

fn attach_request() -> Uplink {
    Uplink::Attach(Box::new(AttachRequest {
        vehicle: VehicleId::new("LUX-0042").unwrap(),
        kind: AttachKind::Initial,
        token: None,
        boot_id: "b1".to_owned(),
        spool: SpoolReport { id: SpoolId(8_123_372_036_854_775_807), oldest: 1, last: 0, acked: SeqRanges::new() },
        position: Some(Position { lat_e7: 496_100_000, lon_e7: 61_300_000 }),
        clock: None,
        signals: vec![],
        wake: WakeChannels::NONE,
    }))
}

fn telemetry() -> Telemetry {
    let path = SignalPath::new("Vehicle.Powertrain.TractionBattery.StateOfCharge.Current").unwrap();
    let fix = Fix {
        position: Position { lat_e7: 496_101_000, lon_e7: 61_302_000 },
        alt_cm: None,
        speed_cms: Some(1390),
        heading_cdeg: Some(35_400),
        hdop_centi: None,
    };
    let signals = vec![(path, SignalValue::Number(71.5))];
    let record = Record { t: Wall(1_795_219_200_000), fix: Some(fix), signals };
    Telemetry { first_seq: 1, lane: Lane::Live, records: vec![record] }
}

#[test]
fn uplink_json_is_that_of_the_design() {
    let messages = [
        (ATTACH_REQUEST, attach_request()),
        (TELEMETRY, Uplink::Telemetry(telemetry())),
        (DETACH, Uplink::Detach(DetachCause::IgnitionOff)),
    ];
    for (json, message) in messages {
        assert_eq!(Codec::Json.decode_uplink(json.as_bytes(), &[]), Ok(message.clone()));
        assert_eq!(Codec::Json.encode_uplink(&message, &[]), json);
    }
}

#[test]
fn downlink_json_is_that_of_the_design() {
    let accept = Downlink::AttachAccept(Box::new(AttachAccept {
        token: vec![0, 1, 255],
        epoch: Epoch(114_098_400_000_000_000),
        session: SessionId(77),
        server_time: Wall(1_795_219_200_000),
        areas: vec![Cell::from_index(0x0851_fa44_3fff_ffff).unwrap()],
        timers: Timers::default(),
        window_records: 4096,
        window_bytes: 1_048_576,
        max_frame_bytes: 262_144,
        resume_from: 1,
        pending_commands: 0,
        gateways: vec![GatewayAddress { region: "lux-east".into(), url: "ws://127.0.0.1:7703/v1/obu".into() }],
        wake_key: Vec::new(),
    }));
    let spool = SpoolId(8_123_372_036_854_775_807);
    let ack = Downlink::TelemetryAck(TelemetryAck { spool, through: 1, ranges: SeqRanges::new(), rejected: vec![] });
    for (json, message) in [(ATTACH_ACCEPT, accept), (TELEMETRY_ACK, ack)] {
        assert_eq!(Codec::Json.encode_downlink(&message), json);
        assert_eq!(Codec::Json.decode_downlink(json.as_bytes()), Ok(message));
    }
}

#[test]
fn sleep_and_commands_have_this_json() {
    let id: CommandId = "0191e0c8-3f5a-7c1e-b2a4-5d0f6a7b8c9d".parse().unwrap();
    let suspend = Suspend {
        active: Millis::secs(20),
        sleep: Millis::secs(3600),
        wake: [WakeChannel::Mqtt].into_iter().collect(),
    };
    let done = CommandStatus {
        id,
        verdict: VehicleVerdict::Succeeded,
        code: String::new(),
        text: "locked".to_owned(),
        result: r#"{"doors":4}"#.to_owned(),
    };
    let uplinks = [
        (r#"{"type":"suspend","active_s":20,"sleep_s":3600,"wake":["mqtt"]}"#, Uplink::Suspend(suspend)),
        (
            r#"{"type":"command_status","id":"0191e0c8-3f5a-7c1e-b2a4-5d0f6a7b8c9d","state":"succeeded","text":"locked","result":{"doors":4}}"#,
            Uplink::CommandStatus(done),
        ),
    ];
    for (json, message) in uplinks {
        assert_eq!(Codec::Json.encode_uplink(&message, &[]), json);
        assert_eq!(Codec::Json.decode_uplink(json.as_bytes(), &[]), Ok(message));
    }
    let command = Command {
        id,
        name: CommandName::new("doors.lock").unwrap(),
        arguments: r#"{"all":true}"#.to_owned(),
        issued: Wall(1_795_219_200_000),
        ttl: Millis(30_000),
        sent: Wall(1_795_219_200_500),
        policy: Policy::Queue,
    };
    let targets = vec![GatewayAddress { region: "lux-east".into(), url: "ws://127.0.0.1:7703/v1/obu".into() }];
    let redirect = Redirect { targets, reason: RedirectReason::Moved, deadline: Millis(0) };
    let downlinks = [
        (
            r#"{"type":"command","id":"0191e0c8-3f5a-7c1e-b2a4-5d0f6a7b8c9d","name":"doors.lock","arguments":{"all":true},"issued":"1795219200000","ttl_ms":30000,"sent":"1795219200500","policy":"queue"}"#,
            Downlink::Command(Box::new(command)),
        ),
        (r#"{"type":"command_cancel","id":"0191e0c8-3f5a-7c1e-b2a4-5d0f6a7b8c9d"}"#, Downlink::CommandCancel(id)),
        (r#"{"type":"snapshot_request","signals":[]}"#, Downlink::SnapshotRequest(Vec::new())),
        (
            r#"{"type":"redirect","targets":[{"region":"lux-east","url":"ws://127.0.0.1:7703/v1/obu"}],"reason":"moved","deadline_ms":0}"#,
            Downlink::Redirect(redirect),
        ),
    ];
    for (json, message) in downlinks {
        assert_eq!(Codec::Json.encode_downlink(&message), json);
        assert_eq!(Codec::Json.decode_downlink(json.as_bytes()), Ok(message));
    }
}

#[test]
fn a_command_that_is_none_is_refused_with_its_field() {
    let faults = [
        (r#"{"type":"command_status","id":"x","state":"accepted"}"#, "id: a command id must be a UUID"),
        (
            r#"{"type":"command_status","id":"0191e0c8-3f5a-7c1e-b2a4-5d0f6a7b8c9d","state":"pondering"}"#,
            "state: unknown variant",
        ),
    ];
    for (json, text) in faults {
        let error = Codec::Json.decode_uplink(json.as_bytes(), &[]).unwrap_err();
        assert_eq!(error.refers_to, "command_status");
        assert!(error.fault.to_string().starts_with(text), "{}", error.fault);
    }
}

#[test]
fn the_rest_of_the_downlink_has_this_json() {
    let reject = AttachReject {
        cause: RejectCause::Congestion,
        backoff: Millis(1500),
        redirect: vec![],
        text: "too many attaches".to_owned(),
    };
    let error = ErrorReport {
        code: "malformed",
        fatal: false,
        text: "records[3].lat: is missing beside lon".to_owned(),
        refers_to: "telemetry".to_owned(),
    };
    let ack = TelemetryAck {
        spool: SpoolId(7),
        through: 1,
        ranges: [(3, 5)].into_iter().collect(),
        rejected: vec![(4, RecordFault::TimeInFuture)],
    };
    let messages = [
        Downlink::AttachReject(reject),
        Downlink::TelemetryAck(ack),
        Downlink::TrackingAccept(TrackingAccept { areas: vec![], timers: Timers::default(), gateways: vec![] }),
        Downlink::DetachOrder { cause: OrderCause::Superseded, reattach: false },
        Downlink::TimeReply { sent: Wall(-5), server_time: Wall(1_795_219_200_000) },
        Downlink::Error(error),
        Downlink::FlowControl { pause: Millis(200), reason: "the disk is slow".to_owned() },
    ];
    let json = messages.map(|m| String::from_utf8(Codec::Json.encode_downlink(&m).to_vec()).unwrap());
    insta::assert_snapshot!(json.join("\n"), @r#"
    {"type":"attach_reject","cause":"congestion","class":"retry_same","backoff_ms":1500,"redirect":[],"text":"too many attaches"}
    {"type":"telemetry_ack","spool":"7","through":"1","ranges":[{"first":"3","last":"5"}],"level":"committed","rejected":[{"seq":"4","reason":"time_in_future"}]}
    {"type":"tracking_accept","areas":[],"timers":{"ping_s":30,"pong_s":15,"hold_s":30,"periodic_update_s":3240,"active_s":20,"sleep_s":86400},"gateways":[]}
    {"type":"detach_order","cause":"superseded","reattach":false}
    {"type":"time_reply","sent":"-5","server_time":"1795219200000"}
    {"type":"error","code":"malformed","fatal":false,"text":"records[3].lat: is missing beside lon","refers_to":"telemetry"}
    {"type":"flow_control","pause_ms":200,"reason":"the disk is slow"}
    "#);
}

/// The worked example of docs/protocol.md.
const WORKED_EXAMPLE: &str = "12 46 08 01 10 03 22 0a 12 08 80 e0 b8 b6 bf 68 d0 0f 2a 0a 12 08 90 9a 8f d9 03 b0 13 14 \
    32 09 12 07 e0 93 bb 3a e7 02 00 42 06 12 04 dc 15 14 14 4a 07 12 05 90 a9 04 27 00 \
    5a 0c 08 01 1a 02 00 02 2a 04 0a 02 64 02";

#[test]
fn the_worked_example_of_the_documentation_is_what_is_written_and_read() {
    let speed = SignalPath::new("Vehicle.Speed").unwrap();
    let record = |t, lat_e7, lon_e7, speed_cms, heading, signal: Option<i64>| {
        let position = Position { lat_e7, lon_e7 };
        let fix =
            Fix { position, alt_cm: None, speed_cms: Some(speed_cms), heading_cdeg: Some(heading), hdop_centi: None };
        let signals = signal.map(|v| (speed.clone(), SignalValue::Integer(v))).into_iter().collect();
        Record { t: Wall(t), fix: Some(fix), signals }
    };
    let records = vec![
        record(1_795_219_200_000, 496_101_000, 61_302_000, 1390, 35_400, Some(50)),
        record(1_795_219_201_000, 496_102_240, 61_301_820, 1400, 35_380, None),
        record(1_795_219_202_000, 496_103_490, 61_301_640, 1410, 35_380, Some(51)),
    ];
    let message = Uplink::Telemetry(Telemetry { first_seq: 1, lane: Lane::Live, records });
    let bytes: Vec<u8> = WORKED_EXAMPLE.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    let catalogue = [speed.clone()];
    assert_eq!(Codec::Proto.encode_uplink(&message, &catalogue), bytes);
    assert_eq!(Codec::Proto.decode_uplink(&bytes, &catalogue), Ok(message));
    // The page shows the same bytes, with words between them.
    let page = include_str!("../../../docs/protocol.md");
    let from = page.find("12 46   ").unwrap();
    let block = &page[from..from + page[from..].find("```").unwrap()];
    let shown: Vec<&str> = block.lines().flat_map(shown_bytes).collect();
    assert_eq!(shown, WORKED_EXAMPLE.split_whitespace().collect::<Vec<_>>());
}

/// The pairs of hexadecimal digits that a line begins with.
fn shown_bytes(line: &str) -> impl Iterator<Item = &str> {
    line.split_whitespace().take_while(|word| word.len() == 2 && u8::from_str_radix(word, 16).is_ok())
}

// --- what is tolerated ---

fn json(text: &str) -> Result<Uplink, WireError> {
    Codec::Json.decode_uplink(text.as_bytes(), &[])
}

fn records(text: &str) -> Telemetry {
    let Uplink::Telemetry(telemetry) = json(text).unwrap() else { panic!("{text} is no telemetry") };
    telemetry
}

#[test]
fn integers_are_taken_as_numbers_too_and_unknown_fields_are_ignored() {
    let text = r#"{"colour":[{"red":1}],"type":"telemetry","records":[{"t":5,"seq":7,"mood":null},{"t":"6"}]}"#;
    let telemetry = records(text);
    assert_eq!((telemetry.first_seq, telemetry.last_seq()), (7, 8));
    assert_eq!(telemetry.records[1].t, Wall(6));
}

#[test]
fn what_makes_one_record_unusable_does_not_fail_the_message() {
    let text = r#"{"type":"telemetry","first_seq":1,"records":[
        {"t":1,"lat":91.5,"lon":500,"heading":360,"speed":-1},
        {"t":1,"lat":1e300,"lon":-1e300,"heading":359.999,"hdop":1e9,"alt":1e12},
        {"t":1,"signals":{"no path":1,"Vehicle.A":[1],"Vehicle.B":null}}]}"#;
    let telemetry = records(text);
    let fix = telemetry.records[0].fix.unwrap();
    assert!(!fix.position.on_globe());
    assert_eq!(fix.heading_cdeg, Some(u16::MAX));
    assert_eq!(fix.speed_cms, Some(u32::MAX));
    let fix = telemetry.records[1].fix.unwrap();
    assert_eq!(fix.position, Position { lat_e7: i32::MAX, lon_e7: i32::MIN });
    assert_eq!(fix.heading_cdeg, Some(0));
    let bad = &telemetry.records[2].signals;
    assert!(bad.iter().all(|(_, value)| matches!(value, SignalValue::Number(v) if v.is_nan())), "{bad:?}");
    assert!(!bad.is_empty());
}

#[test]
fn columns_out_of_range_saturate_so_that_only_their_record_is_refused() {
    use crate::proto::{Column, Telemetry};
    let one = |value: i64| Some(Column { rows: vec![], values: vec![value] });
    let message = Telemetry {
        first_seq: 1,
        count: 1,
        t_ms: one(5),
        lat_e7: one(i64::MAX),
        lon_e7: one(i64::MIN),
        speed_cms: one(-1),
        heading_cdeg: one(70_000),
        ..Telemetry::default()
    };
    let telemetry = crate::telemetry_from_proto(message, &[]).unwrap();
    let fix = telemetry.records[0].fix.unwrap();
    assert_eq!(fix.position, Position { lat_e7: i32::MAX, lon_e7: i32::MIN });
    assert_eq!((fix.speed_cms, fix.heading_cdeg), (Some(u32::MAX), Some(u16::MAX)));
}

#[test]
fn times_in_a_steady_rhythm_need_two_values_and_no_more_are_taken_than_rows() {
    use crate::proto::{Column, Telemetry};
    let message = |values: Vec<i64>| Telemetry {
        first_seq: 1,
        count: 4,
        t_ms: Some(Column { rows: vec![], values }),
        ..Telemetry::default()
    };
    let telemetry = crate::telemetry_from_proto(message(vec![5000, 1000]), &[]).unwrap();
    let times: Vec<i64> = telemetry.records.iter().map(|r| r.t.0).collect();
    assert_eq!(times, [5000, 6000, 7000, 8000]);
    assert_eq!(crate::telemetry_to_proto(&telemetry, &[]), message(vec![5000, 1000]));
    let too_many = crate::telemetry_from_proto(message(vec![1; 5]), &[]).unwrap_err();
    assert_eq!(too_many.to_string(), "telemetry: t_ms.values: has 5 values for 4 rows");
    let none = crate::telemetry_from_proto(message(vec![]), &[]).unwrap_err();
    assert_eq!(none.to_string(), "telemetry: t_ms.values: has 0 values for 4 rows");
}

#[test]
fn of_a_signal_given_twice_the_last_value_counts() {
    let text = r#"{"type":"telemetry","first_seq":1,"records":[{"t":1,"signals":{"B":1,"A":1,"A":2}}]}"#;
    let path = |p| SignalPath::new(p).unwrap();
    let expected = vec![(path("A"), SignalValue::Integer(2)), (path("B"), SignalValue::Integer(1))];
    assert_eq!(records(text).records[0].signals, expected);
}

// --- what is refused, and how it is said ---

#[test]
fn a_malformed_json_message_is_refused_naming_the_message_and_the_field() {
    let many = format!(r#"{{"type":"telemetry","first_seq":1,"records":[{}]}}"#, vec![r#"{"t":1}"#; 4097].join(","));
    let cases = [
        (r#"{"type":"telemetry","records":[{"t":1}]}"#, "telemetry: first_seq: is missing"),
        (r#"{"type":"telemetry","first_seq":1,"records":[]}"#, "telemetry: records: there must be at least one record"),
        (
            r#"{"type":"telemetry","first_seq":1,"records":[{"t":1},{"t":2,"lon":1}]}"#,
            "telemetry: records[1].lat: is missing beside lon",
        ),
        (
            r#"{"type":"telemetry","first_seq":1,"records":[{"t":1},{"t":2,"speed":1}]}"#,
            "telemetry: records[1].lat: is missing: alt, speed, heading and hdop belong to a position",
        ),
        (
            r#"{"type":"telemetry","first_seq":1,"records":[{"t":1},{"seq":3,"t":2}]}"#,
            "telemetry: records[1].seq: is 3 where 2 follows: records of a message are consecutive",
        ),
        (
            r#"{"type":"telemetry","first_seq":0,"records":[{"t":1}]}"#,
            "telemetry: first_seq: sequence numbers start at 1 and end below 2^64",
        ),
        (
            r#"{"type":"telemetry","first_seq":"18446744073709551615","records":[{"t":1}]}"#,
            "telemetry: first_seq: sequence numbers start at 1 and end below 2^64",
        ),
        (
            r#"{"type":"telemetry","first_seq":1,"records":[{"t":1,"lat":"49","lon":6}]}"#,
            "telemetry: records[0].lat: invalid type: string \"49\", expected f64",
        ),
        (
            r#"{"type":"attach_request","vehicle":"a b","spool":{"id":1}}"#,
            "attach_request: vehicle: a vehicle id must be 1 to 64 characters out of A-Z a-z 0-9 . _ -",
        ),
        (
            r#"{"type":"attach_request","vehicle":"a","spool":{"id":1,"acked":[{"first":2,"last":1}]}}"#,
            "attach_request: spool.acked[0]: first (2) lies after last (1)",
        ),
        (
            r#"{"type":"attach_request","vehicle":"a","spool":{"id":1},"signals":["Vehicle.Speed","a b"]}"#,
            "attach_request: signals[1]: is not a signal's path",
        ),
        (
            r#"{"type":"attach_request","vehicle":"a","spool":{"id":1},"token":"+"}"#,
            "attach_request: token: is not base64url",
        ),
        (r#"{"type":"weather"}"#, "weather: this message is not known here"),
        (r#"{"kind":"telemetry"}"#, ": type: is missing"),
        (many.as_str(), "telemetry: records: has more than 4096 entries"),
    ];
    for (text, expected) in cases {
        let said = json(text).unwrap_err().to_string();
        // What serde found is followed by its place in the text.
        assert_eq!(said.split(" at line").next(), Some(expected));
    }
}

#[test]
fn only_a_frame_that_cannot_be_read_at_all_is_fatal() {
    let report = |frame: &[u8], codec: Codec| {
        let report = codec.decode_uplink(frame, &[]).unwrap_err().report();
        (report.code, report.fatal)
    };
    assert_eq!(report(b"hello", Codec::Json), ("unreadable", true));
    assert_eq!(report(br#"{"type":"detach""#, Codec::Json), ("unreadable", true));
    assert_eq!(report(br#"{"type":"hibernate"}"#, Codec::Json), ("unknown_message", false));
    assert_eq!(report(br#"{"type":"telemetry"}"#, Codec::Json), ("malformed", false));
    assert_eq!(report(&[0x0f], Codec::Proto), ("unreadable", true));
    assert_eq!(report(&[0x12, 0x7f], Codec::Proto), ("unreadable", true));
    // Field 15, of a later version, with an empty message in it.
    assert_eq!(report(&[0x7a, 0x00], Codec::Proto), ("unknown_message", false));
    assert_eq!(report(&[0x12, 0x00], Codec::Proto), ("malformed", false));
}

#[test]
fn an_answer_does_not_echo_a_long_text() {
    let long = "x".repeat(100_000);
    let error = json(&format!(r#"{{"type":"{long}"}}"#)).unwrap_err();
    assert!(error.refers_to.len() < 300, "{}", error.refers_to.len());
    let error = json(&format!(r#"{{"type":"attach_request","kind":"{long}"}}"#)).unwrap_err();
    assert!(error.report().text.len() < 1000);
}

#[test]
fn a_frame_beyond_the_limit_is_refused_unread() {
    let frame = vec![b' '; limits::FRAME_BYTES_MAX + 1];
    for codec in Codec::ALL {
        let error = codec.decode_uplink(&frame, &[]).unwrap_err();
        assert!(matches!(error.fault, Fault::Malformed(_)), "{error}");
    }
}

#[test]
fn counts_are_checked_before_they_cost_memory() {
    let refused = |frame: Vec<u8>, expected: &str| {
        let error = Codec::Proto.decode_uplink(&frame, &[]).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    // Field `number` of a message with this payload.
    let field = |number: u8, payload: &[u8]| {
        let mut bytes = vec![number << 3 | 2];
        prost::encode_length_delimiter(payload.len(), &mut bytes).unwrap();
        bytes.extend_from_slice(payload);
        bytes
    };
    let empty_columns = field(11, &[]).repeat(4097);
    refused(field(2, &empty_columns), "telemetry: signals: has 4097 entries, at most 4096 are taken");
    let long_column = field(4, &field(2, &[0; 4097]));
    refused(field(2, &long_column), "telemetry: t_ms: has 4097 entries, at most 4096 are taken");
    let pieces = field(2, &field(4, &field(2, &[0; 2049]))).repeat(2);
    refused(pieces, "telemetry: t_ms: has 4098 entries, at most 4096 are taken");
    let texts = field(11, &field(7, &field(1, &[]).repeat(4097)));
    refused(field(2, &texts), "telemetry: signals: has 4097 entries, at most 4096 are taken");
    let ranges = field(5, &field(4, &[]).repeat(1025));
    refused(field(1, &ranges), "attach_request: spool.acked: has 1025 entries, at most 1024 are taken");
    let catalogue = field(9, &[]).repeat(4097);
    refused(field(1, &catalogue), "attach_request: signals: has 4097 entries, at most 4096 are taken");
}

/// What both forms make of the same message of a vehicle.
fn in_both_forms(json: &str, proto: proto::uplink::Message) -> [Result<Uplink, WireError>; 2] {
    let frame = proto::Uplink { message: Some(proto) }.encode_to_vec();
    [Codec::Json.decode_uplink(json.as_bytes(), &[]), Codec::Proto.decode_uplink(&frame, &[])]
}

fn status_in_both_forms(percent: u32, result: &str) -> [Result<Uplink, WireError>; 2] {
    let id = "0191e0c8-3f5a-7c1e-b2a4-5d0f6a7b8c9d";
    let told = if result.is_empty() { "null" } else { result };
    let json =
        format!(r#"{{"type":"command_status","id":"{id}","state":"running","percent":{percent},"result":{told}}}"#);
    let id = id.parse::<CommandId>().unwrap().to_bytes().to_vec();
    let state = proto::CommandState::Running.into();
    let status = proto::CommandStatus { id, state, percent, result: result.to_owned(), ..Default::default() };
    in_both_forms(&json, proto::uplink::Message::CommandStatus(status))
}

#[test]
fn a_result_that_could_not_be_told_in_json_is_refused_in_both_forms_and_the_session_goes_on() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for result in ["1e999".to_owned(), "[-1e999]".to_owned(), r#"{"a":"\ud800"}"#.to_owned(), nested(121), nested(200)]
    {
        for read in status_in_both_forms(1, &result) {
            let report = read.unwrap_err().report();
            assert_eq!((report.code, report.fatal, report.refers_to.as_str()), ("malformed", false, "command_status"));
            assert!(report.text.starts_with("result"), "{}", report.text);
        }
    }
    for result in ["1e308".to_owned(), nested(120)] {
        let [json, proto] = status_in_both_forms(1, &result).map(Result::unwrap);
        for message in [&json, &proto] {
            let told = Codec::Json.encode_uplink(message, &[]);
            assert_eq!(Codec::Json.decode_uplink(&told, &[]).as_ref(), Ok(&json), "what was taken is told");
        }
    }
}

#[test]
fn more_than_all_of_a_command_counts_as_all_in_both_forms() {
    for (percent, expected) in [(100, 100), (101, 100), (300, 100), (u32::MAX, 100), (99, 99)] {
        for read in status_in_both_forms(percent, "") {
            let Ok(Uplink::CommandStatus(status)) = read else { panic!("{read:?}") };
            assert_eq!(status.verdict, VehicleVerdict::Running(expected));
        }
    }
}

#[test]
fn a_list_of_wake_channels_is_bounded_in_both_forms() {
    let suspend = |count: usize| {
        let json = format!(r#"{{"type":"suspend","wake":[{}]}}"#, vec![r#""sms""#; count].join(","));
        let wake = vec![proto::WakeChannel::Sms.into(); count];
        in_both_forms(&json, proto::uplink::Message::Suspend(proto::Suspend { wake, ..Default::default() }))
    };
    let attach = |count: usize| {
        let wake = vec![r#""sms""#; count].join(",");
        let json = format!(r#"{{"type":"attach_request","vehicle":"a","spool":{{"id":1}},"wake":[{wake}]}}"#);
        let spool = Some(proto::Spool { id: 1, oldest: 1, ..Default::default() });
        let wake = vec![proto::WakeChannel::Sms.into(); count];
        let request = proto::AttachRequest { vehicle: "a".to_owned(), spool, wake, ..Default::default() };
        in_both_forms(&json, proto::uplink::Message::AttachRequest(request))
    };
    for read in [suspend(64), attach(64)].into_iter().flatten() {
        assert!(read.is_ok(), "{read:?}");
    }
    for read in [suspend(65), attach(65)].into_iter().flatten() {
        let error = read.unwrap_err().to_string();
        assert!(error.contains("wake: has "), "{error}");
    }
}

#[test]
fn a_cause_of_a_later_version_keeps_its_class() {
    for (class, stand_in) in [
        ("retry_same", RejectCause::Congestion),
        ("retry_other", RejectCause::Draining),
        ("fix_then_retry", RejectCause::BadMessage),
        ("stop", RejectCause::Forbidden),
    ] {
        let text = format!(r#"{{"type":"attach_reject","cause":"new","class":"{class}","text":"why"}}"#);
        let decoded = Codec::Json.decode_downlink(text.as_bytes()).unwrap();
        let Downlink::AttachReject(reject) = decoded else { panic!("{text} is no reject") };
        assert_eq!((reject.cause, reject.text.as_str()), (stand_in, "new: why"));
    }
}

#[test]
fn a_json_message_with_more_columns_than_can_be_read_again_is_refused() {
    let record = |n: usize| {
        let signals: serde_json::Map<_, _> = (0..500).map(|s| (format!("S{n}.{s}"), 1.into())).collect();
        serde_json::json!({"t": "1795219200000", "signals": signals})
    };
    let message = |records: usize| {
        let records: Vec<_> = (0..records).map(record).collect();
        serde_json::json!({"type": "telemetry", "first_seq": "1", "records": records}).to_string()
    };
    let taken = Codec::Json.decode_uplink(message(8).as_bytes(), &[]).unwrap();
    let Uplink::Telemetry(telemetry) = taken else { panic!("{taken:?}") };
    assert!(crate::decode_columns(&crate::encode_columns(&telemetry)).unwrap() == telemetry);
    let refused = Codec::Json.decode_uplink(message(9).as_bytes(), &[]).err().map(|error| error.to_string());
    assert!(refused.as_ref().is_some_and(|text| text.contains("more than 4096 different signals")), "{refused:?}");
}
