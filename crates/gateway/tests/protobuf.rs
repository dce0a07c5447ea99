//! The protobuf subprotocol over a real socket, from the attach to the records served.
#![allow(clippy::unwrap_used)]

mod support;

use support::raw::{BINARY, PING, PONG, Raw, frame};
use support::{Running, now_ms, start};
use waygate_core::cause::{DetachCause, RecordFault};
use waygate_core::id::{SpoolId, VehicleId};
use waygate_core::message::{AttachKind, AttachRequest, Downlink, TrackingCause, TrackingUpdate, Uplink};
use waygate_core::ranges::SeqRanges;
use waygate_core::record::{Fix, Lane, Position, Record, SignalPath, SignalValue, SpoolReport, Telemetry};
use waygate_core::time::Wall;
use waygate_wire::Codec;

struct Vehicle {
    raw: Raw,
    catalogue: Vec<SignalPath>,
}

impl Vehicle {
    async fn connect(west: &Running) -> Self {
        let catalogue = ["Vehicle.Speed", "Vehicle.IsMoving", "Vehicle.Driver.Name", "Vehicle.Odometer"];
        let catalogue = catalogue.iter().map(|path| SignalPath::new(path).unwrap()).collect();
        Self { raw: Raw::upgraded(west.vehicles(), "waygate.v1.proto").await, catalogue }
    }

    async fn say(&mut self, message: &Uplink) {
        let bytes = Codec::Proto.encode_uplink(message, &self.catalogue);
        self.raw.send(&frame(BINARY, &bytes)).await;
    }

    /// The next message, but for the snapshot that is asked for after an attach with a new spool.
    async fn hear(&mut self) -> Downlink {
        loop {
            match self.raw.frame().await.expect("a frame before the end") {
                (BINARY, payload) => {
                    let message = Codec::Proto.decode_downlink(&payload).unwrap();
                    if !matches!(message, Downlink::SnapshotRequest(_)) {
                        return message;
                    }
                }
                (PING | PONG, _) => {}
                (first, payload) => panic!("frame {first:#x} {payload:?}"),
            }
        }
    }

    fn attach(&self) -> Uplink {
        Uplink::Attach(Box::new(AttachRequest {
            vehicle: VehicleId::new("LUX-1").unwrap(),
            kind: AttachKind::Initial,
            token: None,
            boot_id: "b1".to_owned(),
            spool: SpoolReport { id: SpoolId(u64::MAX), oldest: 1, last: 0, acked: SeqRanges::new() },
            position: Some(Position::from_degrees(49.61, -6.13)),
            clock: None,
            wake: waygate_core::wake::WakeChannels::NONE,
            signals: self.catalogue.clone(),
        }))
    }
}

fn records(path: &[SignalPath]) -> Vec<Record> {
    let now = now_ms();
    let record = |at: i64| Record {
        t: Wall(now - 1000 * (100 - at)),
        fix: (at % 3 != 0).then(|| Fix {
            position: Position { lat_e7: 496_100_000 + at as i32 * 1000, lon_e7: -61_300_000 },
            alt_cm: (at % 2 == 0).then_some(-250),
            speed_cms: Some(1390),
            heading_cdeg: Some(35_999),
            hdop_centi: None,
        }),
        signals: vec![
            (path[0].clone(), SignalValue::Number(0.5 * at as f64)),
            (path[1].clone(), SignalValue::Flag(at % 2 == 0)),
            (path[2].clone(), SignalValue::Text("Zoë".to_owned())),
            (path[3].clone(), SignalValue::Integer(i64::MIN + at)),
        ],
    };
    (0..100).map(record).collect()
}

#[tokio::test]
async fn a_vehicle_that_speaks_protobuf_is_served_whole() {
    let west = start("west", "").await;
    let mut vehicle = Vehicle::connect(&west).await;
    vehicle.say(&vehicle.attach()).await;
    let Downlink::AttachAccept(accept) = vehicle.hear().await else { panic!("no accept") };
    assert_eq!((accept.resume_from, accept.areas.len(), accept.window_records), (1, 7, 4096));

    let records = records(&vehicle.catalogue);
    let telemetry = Telemetry { first_seq: 1, lane: Lane::Live, records: records.clone() };
    vehicle.say(&Uplink::Telemetry(telemetry)).await;
    let Downlink::TelemetryAck(ack) = vehicle.hear().await else { panic!("no ack") };
    assert_eq!((ack.spool, ack.through, ack.rejected.len()), (SpoolId(u64::MAX), 100, 0));

    vehicle.say(&Uplink::TimeRequest(Wall(17))).await;
    assert!(matches!(vehicle.hear().await, Downlink::TimeReply { sent: Wall(17), .. }));
    let position = Some(Position::from_degrees(52.52, 13.4));
    vehicle.say(&Uplink::TrackingUpdate(TrackingUpdate { cause: TrackingCause::Moved, position })).await;
    assert!(matches!(vehicle.hear().await, Downlink::TrackingAccept(accept) if accept.areas.len() == 7));

    let (_, page) = west.get("/v1/vehicles/LUX-1/telemetry").await;
    let served = page["records"].as_array().unwrap();
    assert_eq!(served.len(), 100);
    for (record, served) in records.iter().zip(served) {
        assert_eq!(served["spool"], "18446744073709551615");
        assert_eq!(served["lat"].as_f64(), record.fix.map(|fix| fix.position.lat()));
        assert_eq!(served["alt"].as_f64(), record.fix.and_then(|fix| fix.alt_cm).map(|cm| f64::from(cm) / 100.0));
        for (path, value) in &record.signals {
            let told = &served["signals"][path.as_str()];
            match value {
                SignalValue::Number(number) => assert_eq!(told.as_f64(), Some(*number)),
                SignalValue::Integer(integer) => assert_eq!(told.as_i64(), Some(*integer)),
                SignalValue::Flag(flag) => assert_eq!(told.as_bool(), Some(*flag)),
                SignalValue::Text(text) => assert_eq!(told.as_str(), Some(text.as_str())),
            }
        }
    }
    vehicle.say(&Uplink::Detach(DetachCause::IgnitionOff)).await;
    assert_eq!(vehicle.raw.closed().await, 1000);
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn protobuf_that_asks_for_more_than_it_may_is_refused_and_the_session_goes_on() {
    let west = start("west", "").await;
    let mut vehicle = Vehicle::connect(&west).await;
    vehicle.say(&vehicle.attach()).await;
    assert!(matches!(vehicle.hear().await, Downlink::AttachAccept(_)));
    // Uplink.telemetry (2) of many empty signal columns (11): two bytes each, far more in memory.
    let columns = [0x5a, 0].repeat(100_000);
    let mut bomb = vec![0x12];
    let mut length = columns.len();
    while length >= 0x80 {
        bomb.push(length as u8 | 0x80);
        length >>= 7;
    }
    bomb.push(length as u8);
    bomb.extend(columns);
    vehicle.raw.send(&frame(BINARY, &bomb)).await;
    let Downlink::Error(report) = vehicle.hear().await else { panic!("no error") };
    assert!(!report.fatal && report.text.contains("signals"), "{report:?}");
    // A message of a later version: field 15, empty.
    vehicle.raw.send(&frame(BINARY, &[0x7a, 0])).await;
    let Downlink::Error(report) = vehicle.hear().await else { panic!("no error") };
    assert_eq!((report.code, report.fatal), ("unknown_message", false));
    // Nothing at all.
    vehicle.raw.send(&frame(BINARY, &[])).await;
    assert!(matches!(vehicle.hear().await, Downlink::Error(report) if !report.fatal));
    // A record with too many signals is rejected alone.
    let signals = (0..513).map(|n| (SignalPath::new(&format!("Vehicle.S{n}")).unwrap(), SignalValue::Flag(true)));
    let full = Record { t: Wall(now_ms()), fix: None, signals: signals.collect() };
    let good = Record { signals: Vec::new(), ..full.clone() };
    vehicle.say(&Uplink::Telemetry(Telemetry { first_seq: 1, lane: Lane::Live, records: vec![full, good] })).await;
    let Downlink::TelemetryAck(ack) = vehicle.hear().await else { panic!("no ack") };
    assert_eq!((ack.through, ack.rejected), (2, vec![(1, RecordFault::BadSignal)]));
    drop(vehicle);
    west.gateway.shutdown().await;
}
