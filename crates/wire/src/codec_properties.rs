//! What holds for every message: it survives both forms, and no bytes make decoding panic.

use super::Codec;
use crate::telemetry::{decode_columns, encode_columns};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use std::collections::BTreeMap;
use waygate_core::cause::{DetachCause, OrderCause, RecordFault, RejectCause};
use waygate_core::cell::Cell;
use waygate_core::command::{Command, CommandId, CommandName, CommandStatus, Policy, VehicleVerdict};
use waygate_core::epoch::Epoch;
use waygate_core::id::{SessionId, SpoolId, VehicleId};
use waygate_core::message::{
    AttachAccept, AttachKind, AttachReject, AttachRequest, Downlink, ErrorReport, GatewayAddress, Redirect,
    RedirectReason, Suspend, TelemetryAck, TrackingAccept, TrackingCause, TrackingUpdate, Uplink,
};
use waygate_core::ranges::SeqRanges;
use waygate_core::record::{Fix, Lane, Position, Record, SignalPath, SignalValue, SpoolReport, Telemetry};
use waygate_core::time::{Millis, Wall};
use waygate_core::timers::Timers;
use waygate_core::wake::WakeChannels;

prop_compose! {
    fn position()(lat_e7 in any::<i32>(), lon_e7 in any::<i32>()) -> Position {
        Position { lat_e7, lon_e7 }
    }
}

prop_compose! {
    fn fix()(
        position in position(),
        alt_cm in option::of(any::<i32>()),
        speed_cms in option::of(any::<u32>()),
        heading_cdeg in option::of(0u16..36_000),
        hdop_centi in option::of(any::<u16>()),
    ) -> Fix {
        Fix { position, alt_cm, speed_cms, heading_cdeg, hdop_centi }
    }
}

fn value() -> impl Strategy<Value = SignalValue> {
    prop_oneof![
        any::<f64>().prop_filter("JSON has finite numbers", |v| v.is_finite()).prop_map(SignalValue::Number),
        any::<i64>().prop_map(SignalValue::Integer),
        any::<bool>().prop_map(SignalValue::Flag),
        ".{0,20}".prop_map(SignalValue::Text),
    ]
}

fn path() -> impl Strategy<Value = SignalPath> {
    prop_oneof!["Vehicle\\.[A-C]", "[A-Za-z0-9_.]{1,20}"].prop_map(|p| SignalPath::new(&p).unwrap())
}

prop_compose! {
    fn record()(
        t in any::<i64>(),
        fix in option::of(fix()),
        signals in btree_map(path(), value(), 0..4),
    ) -> Record {
        Record { t: Wall(t), fix, signals: BTreeMap::into_iter(signals).collect() }
    }
}

prop_compose! {
    fn batch()(
        first_seq in 1u64..u64::MAX - 100,
        lane in prop_oneof![Just(Lane::Live), Just(Lane::Backfill)],
        records in vec(record(), 1..20),
    ) -> Telemetry {
        Telemetry { first_seq, lane, records }
    }
}

fn ranges() -> impl Strategy<Value = SeqRanges> {
    vec((any::<u64>(), any::<u64>()), 0..4)
        .prop_map(|pairs| pairs.into_iter().map(|(a, b)| (a.min(b), a.max(b))).collect())
}

fn wake() -> impl Strategy<Value = WakeChannels> {
    (0u8..4).prop_map(WakeChannels::from_bits)
}

/// JSON as it is written by serde, or none.
fn json() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        any::<i64>().prop_map(|n| serde_json::json!({"open": n, "list": [true, null, "x\u{e9}"]}).to_string()),
        any::<f64>()
            .prop_filter("JSON has finite numbers", |v| v.is_finite())
            .prop_map(|v| serde_json::json!(v).to_string()),
    ]
}

prop_compose! {
    fn command_status()(
        id in any::<u128>().prop_map(CommandId),
        verdict in prop_oneof![
            Just(VehicleVerdict::Accepted), Just(VehicleVerdict::Rejected), (0u8..101).prop_map(VehicleVerdict::Running),
            Just(VehicleVerdict::Succeeded), Just(VehicleVerdict::Failed), Just(VehicleVerdict::Duplicate),
            Just(VehicleVerdict::Expired), Just(VehicleVerdict::Cancelled),
        ],
        (code, text, result) in (".{0,8}", ".{0,8}", json()),
    ) -> CommandStatus {
        CommandStatus { id, verdict, code, text, result }
    }
}

prop_compose! {
    fn command()(
        id in any::<u128>().prop_map(CommandId),
        name in "[A-Za-z0-9._-]{1,64}",
        arguments in json(),
        issued in any::<i64>().prop_map(Wall),
        ttl in any::<u32>().prop_map(|ms| Millis(ms.into())),
        sent in any::<i64>().prop_map(Wall),
        policy in prop_oneof![Just(Policy::Now), Just(Policy::Queue), ".{0,8}".prop_map(Policy::LatestWins)],
    ) -> Command {
        Command { id, name: CommandName::new(&name).unwrap(), arguments, issued, ttl, sent, policy }
    }
}

prop_compose! {
    fn redirect()(
        targets in gateways(),
        reason in prop_oneof![
            Just(RedirectReason::Moved), Just(RedirectReason::Draining), Just(RedirectReason::Balance)
        ],
        deadline in any::<u32>().prop_map(|ms| Millis(ms.into())),
    ) -> Redirect {
        Redirect { targets, reason, deadline }
    }
}

prop_compose! {
    fn attach()(
        vehicle in "[A-Za-z0-9._-]{1,64}",
        kind in prop_oneof![
            Just(AttachKind::Initial), Just(AttachKind::Resume), Just(AttachKind::Handover), Just(AttachKind::Paged)
        ],
        token in option::of(vec(any::<u8>(), 1..64)),
        boot_id in ".{0,16}",
        (id, oldest, last, acked) in (any::<u64>(), any::<u64>(), any::<u64>(), ranges()),
        position in option::of(position()),
        clock in option::of((1i64..).prop_map(Wall)),
        signals in vec(path(), 0..4),
        wake in wake(),
    ) -> AttachRequest {
        let vehicle = VehicleId::new(&vehicle).unwrap();
        let spool = SpoolReport { id: SpoolId(id), oldest, last, acked };
        AttachRequest { vehicle, kind, token, boot_id, spool, position, clock, signals, wake }
    }
}

fn uplink() -> impl Strategy<Value = Uplink> {
    let tracking = prop_oneof![Just(TrackingCause::Moved), Just(TrackingCause::Periodic), Just(TrackingCause::Access)];
    let detach = prop_oneof![
        Just(DetachCause::IgnitionOff),
        Just(DetachCause::Service),
        Just(DetachCause::Shutdown),
        Just(DetachCause::Handover),
        Just(DetachCause::Unspecified),
    ];
    prop_oneof![
        attach().prop_map(|m| Uplink::Attach(Box::new(m))),
        batch().prop_map(Uplink::Telemetry),
        (tracking, option::of(position()))
            .prop_map(|(cause, position)| Uplink::TrackingUpdate(TrackingUpdate { cause, position })),
        detach.prop_map(Uplink::Detach),
        any::<i64>().prop_map(|ms| Uplink::TimeRequest(Wall(ms))),
        (any::<u32>(), any::<u32>(), wake()).prop_map(|(active, sleep, wake)| {
            let secs = |s: u32| Millis::secs(s.into());
            Uplink::Suspend(Suspend { active: secs(active), sleep: secs(sleep), wake })
        }),
        command_status().prop_map(Uplink::CommandStatus),
    ]
}

prop_compose! {
    fn timers()(
        (ping, pong, hold, periodic) in any::<(u32, u32, u32, u32)>(), active in 1u32.., sleep in 1u32..
    ) -> Timers {
        let secs = |s: u32| Millis::secs(s.into());
        Timers {
            ping: secs(ping), pong: secs(pong), hold: secs(hold), periodic_update: secs(periodic), active: secs(active),
            sleep: secs(sleep), ..Timers::default()
        }
    }
}

fn gateways() -> impl Strategy<Value = Vec<GatewayAddress>> {
    vec((".{0,8}", ".{0,8}").prop_map(|(region, url)| GatewayAddress { region, url }), 0..3)
}

fn areas() -> impl Strategy<Value = Vec<Cell>> {
    (-90.0..90.0, -180.0..180.0)
        .prop_map(|(lat, lon)| Cell::of(Position::from_degrees(lat, lon)).unwrap().tracking_areas())
}

prop_compose! {
    fn accept()(
        token in vec(any::<u8>(), 0..64),
        (epoch, session, server_time, resume_from) in (any::<u64>(), any::<u64>(), any::<i64>(), any::<u64>()),
        areas in areas(),
        timers in timers(),
        (window_records, window_bytes, max_frame_bytes, pending_commands) in any::<(u32, u32, u32, u32)>(),
        gateways in gateways(),
        wake_key in prop_oneof![Just(Vec::new()), vec(any::<u8>(), 16)],
    ) -> AttachAccept {
        AttachAccept {
            token, epoch: Epoch(epoch), session: SessionId(session), server_time: Wall(server_time), areas, timers,
            window_records, window_bytes, max_frame_bytes, resume_from, pending_commands, gateways, wake_key,
        }
    }
}

fn downlink() -> impl Strategy<Value = Downlink> {
    let fault = prop_oneof![
        Just(RecordFault::PositionOutsideGlobe),
        Just(RecordFault::TimeInFuture),
        Just(RecordFault::TimeBeforeRetention),
        Just(RecordFault::BadSignal),
        Just(RecordFault::BadHeading),
        Just(RecordFault::BadSpeed),
    ];
    let ack = (any::<u64>(), any::<u64>(), ranges(), vec((any::<u64>(), fault), 0..4)).prop_map(
        |(spool, through, ranges, rejected)| TelemetryAck { spool: SpoolId(spool), through, ranges, rejected },
    );
    let reject = (0..RejectCause::ALL.len(), any::<u32>(), gateways(), ".{0,20}").prop_map(
        |(cause, backoff, redirect, text)| AttachReject {
            cause: RejectCause::ALL[cause],
            backoff: Millis(backoff.into()),
            redirect,
            text,
        },
    );
    let order = (0..OrderCause::ALL.len()).prop_map(|cause| OrderCause::ALL[cause]);
    let error = (any::<bool>(), ".{0,20}", ".{0,20}").prop_map(|(fatal, text, refers_to)| ErrorReport {
        code: "malformed",
        fatal,
        text,
        refers_to,
    });
    prop_oneof![
        accept().prop_map(|m| Downlink::AttachAccept(Box::new(m))),
        reject.prop_map(Downlink::AttachReject),
        ack.prop_map(Downlink::TelemetryAck),
        (areas(), timers(), gateways())
            .prop_map(|(areas, timers, gateways)| Downlink::TrackingAccept(TrackingAccept { areas, timers, gateways })),
        (order, any::<bool>()).prop_map(|(cause, reattach)| Downlink::DetachOrder { cause, reattach }),
        any::<(i64, i64)>().prop_map(|(a, b)| Downlink::TimeReply { sent: Wall(a), server_time: Wall(b) }),
        error.prop_map(Downlink::Error),
        (any::<u32>(), ".{0,20}").prop_map(|(ms, reason)| Downlink::FlowControl { pause: Millis(ms.into()), reason }),
        command().prop_map(|command| Downlink::Command(Box::new(command))),
        any::<u128>().prop_map(|id| Downlink::CommandCancel(CommandId(id))),
        vec(path(), 0..4).prop_map(Downlink::SnapshotRequest),
        redirect().prop_map(Downlink::Redirect),
    ]
}

proptest! {
    #[test]
    fn every_uplink_survives_both_forms(message in uplink(), catalogue in vec(path(), 0..4)) {
        for codec in Codec::ALL {
            let frame = codec.encode_uplink(&message, &catalogue);
            prop_assert_eq!(codec.decode_uplink(&frame, &catalogue), Ok(message.clone()));
        }
    }

    #[test]
    fn every_downlink_survives_both_forms(message in downlink()) {
        for codec in Codec::ALL {
            let frame = codec.encode_downlink(&message);
            prop_assert_eq!(codec.decode_downlink(&frame), Ok(message.clone()));
        }
    }

    #[test]
    fn stored_columns_stand_by_themselves(batch in batch()) {
        prop_assert_eq!(decode_columns(&encode_columns(&batch)), Ok(batch));
    }

    #[test]
    fn no_bytes_make_decoding_panic(bytes in vec(any::<u8>(), 0..200)) {
        for codec in Codec::ALL {
            let _ = codec.decode_uplink(&bytes, &[]);
            let _ = codec.decode_downlink(&bytes);
        }
        let _ = decode_columns(&bytes);
    }

    #[test]
    fn no_changed_bytes_make_decoding_panic(
        message in uplink(),
        answer in downlink(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        for codec in Codec::ALL {
            for frame in [codec.encode_uplink(&message, &[]), codec.encode_downlink(&answer)] {
                let mut bytes = frame.to_vec();
                for (at, byte) in &changes {
                    let at = at.index(bytes.len().max(1));
                    if let Some(changed) = bytes.get_mut(at) {
                        *changed = *byte;
                    }
                }
                let _ = codec.decode_uplink(&bytes, &[]);
                let _ = codec.decode_downlink(&bytes);
                let _ = decode_columns(&bytes);
                bytes.truncate(cut.index(bytes.len() + 1));
                let _ = codec.decode_uplink(&bytes, &[]);
                let _ = codec.decode_downlink(&bytes);
            }
        }
    }
}
