use super::{Entry, PRESENCE, RowBuilder, read_row, vehicles_of};
use crate::bytes::{Bytes, put_i64, put_option, put_u64};
use crate::sealed::unseal;
use crate::write::{Batch, CommandRecord, Latest, PresenceRecord, TransitionRecord};
use proptest::prelude::*;
use waygate_core::cell::Cell;
use waygate_core::epoch::Epoch;
use waygate_core::id::{Incarnation, NodeId, RegionId, SessionId, SpoolId, VehicleId};
use waygate_core::record::{Fix, Position, SignalPath, SignalValue};
use waygate_core::time::{Millis, Wall};

fn vehicle() -> VehicleId {
    VehicleId::new("LUX-1").unwrap()
}

fn presence() -> PresenceRecord {
    PresenceRecord {
        vehicle: vehicle(),
        epoch: Epoch(u64::MAX),
        session: SessionId(1 << 63),
        state: 3,
        cause: 6,
        cell: Cell::of(Position::from_degrees(49.61, 6.13)),
        contact: Wall(-1),
        spool: Some(SpoolId(u64::MAX)),
        sleep: Millis(u64::MAX),
        wake: 0b101,
        flags: u8::MAX,
    }
}

fn command() -> CommandRecord {
    let (expires, updated) = (Wall(i64::MAX), Wall(-7));
    CommandRecord { id: u128::MAX - 5, vehicle: vehicle(), ended: true, expires, updated, body: vec![9; 300] }
}

fn transition() -> TransitionRecord {
    TransitionRecord {
        vehicle: vehicle(),
        at: Wall(i64::MIN),
        owner: NodeId::new("gw-1.lux").unwrap(),
        region: RegionId::new("lux-west").unwrap(),
        incarnation: Incarnation(u64::MAX),
        seq: 1 << 63,
        epoch: Epoch(7),
        session: SessionId(u64::MAX),
        state: 2,
        cause: u32::MAX,
        cell: presence().cell,
        flags: 0x81,
    }
}

fn batch(columns: Vec<u8>) -> Batch {
    let position = Position { lat_e7: -1, lon_e7: i32::MAX };
    let fix = Fix { position, alt_cm: Some(-300), speed_cms: Some(7), heading_cdeg: None, hdop_centi: Some(90) };
    let signals = [
        SignalValue::Number(-0.5),
        SignalValue::Integer(i64::MIN),
        SignalValue::Flag(true),
        SignalValue::Flag(false),
        SignalValue::Text("é".to_owned()),
    ];
    let path = |i: usize| SignalPath::new(&format!("Vehicle.S{i}")).unwrap();
    Batch {
        vehicle: vehicle(),
        epoch: Epoch(1),
        spool: SpoolId(1 << 63),
        first_seq: 10,
        last_seq: 19,
        settled: [(10, 12), (15, 19)].into_iter().collect(),
        received: Wall(50),
        t_min: Wall(i64::MIN),
        t_max: Wall(i64::MAX),
        count: 8,
        columns,
        latest: Some(Latest { t: Wall(-3), fix }),
        latest_signals: signals.into_iter().enumerate().map(|(i, value)| (path(i), Wall(9), value)).collect(),
    }
}

fn row(columns: Vec<u8>) -> Vec<u8> {
    let mut row = RowBuilder::new();
    row.presence(4, &presence());
    row.batch(4, &batch(columns));
    row.forget(5);
    row.command(4, &command());
    row.transition(4, &transition());
    row.finish()
}

fn name(number: i64) -> Option<VehicleId> {
    (number == 4).then(vehicle)
}

proptest! {
    #[test]
    fn a_row_is_read_as_it_was_built(columns: Vec<u8>) {
        let body = row(columns.clone());
        let read = read_row(&body, name);
        prop_assert_eq!(read.damaged, 0);
        let [
            Entry::Presence { vehicle: 4, record },
            Entry::Batch(entry),
            Entry::Forget { vehicle: 5 },
            Entry::Command { vehicle: 4, record: kept },
            Entry::Transition { vehicle: 4, record: step },
        ] = &read.entries[..]
        else {
            return Err(TestCaseError::fail(format!("{:?}", read.entries)));
        };
        let expected = batch(columns.clone());
        prop_assert_eq!(record, &presence());
        prop_assert_eq!((kept, step), (&command(), &transition()));
        prop_assert_eq!(&entry.settled, &expected.settled);
        prop_assert_eq!(&entry.latest, &expected.latest);
        prop_assert_eq!(&entry.signals, &expected.latest_signals);
        let at = entry.sealed.clone().unwrap();
        let sealed = unseal(&mut Bytes(&body[at.range]), 4, entry.spool).unwrap();
        prop_assert_eq!((sealed.first_seq, sealed.last_seq, sealed.count), (10, 19, 8));
        prop_assert_eq!((sealed.t_min, sealed.t_max, sealed.received), (expected.t_min, expected.t_max, expected.received));
        prop_assert_eq!(sealed.columns, &columns[..]);
        prop_assert_eq!(vehicles_of(&body), [4, 4, 5, 4, 4]);
    }

    #[test]
    fn no_changed_bit_goes_unnoticed_or_changes_another_entry(at: prop::sample::Index, bit in 0u8..8) {
        let mut body = row(vec![7; 40]);
        let at = at.index(body.len());
        body[at] ^= 1 << bit;
        let read = read_row(&body, name);
        prop_assert!(read.damaged > 0);
        prop_assert!(read.entries.len() < 5);
        for entry in read.entries {
            match entry {
                Entry::Presence { record, .. } => prop_assert_eq!(record, presence()),
                Entry::Batch(entry) => prop_assert_eq!(entry.latest, batch(Vec::new()).latest),
                Entry::Forget { vehicle } => prop_assert_eq!(vehicle, 5),
                Entry::Command { record, .. } => prop_assert_eq!(record, command()),
                Entry::Transition { record, .. } => prop_assert_eq!(record, transition()),
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(mut body: Vec<u8>) {
        read_row(&body, name);
        body.insert(0, 1);
        read_row(&body, name);
        vehicles_of(&body);
    }
}

#[test]
fn a_batch_does_not_open_under_another_vehicle_or_spool() {
    let mut sealed = Vec::new();
    crate::sealed::seal(&mut sealed, 4, &batch(vec![1, 2, 3]));
    assert!(unseal(&mut Bytes(&sealed), 4, SpoolId(1 << 63)).is_ok());
    assert!(unseal(&mut Bytes(&sealed), 5, SpoolId(1 << 63)).is_err());
    assert!(unseal(&mut Bytes(&sealed), 4, SpoolId(1)).is_err());
}

#[test]
fn presence_that_was_written_before_there_was_sleep_reads_as_without() {
    let mut row = RowBuilder::new();
    let (old, entry) = (presence(), &mut row.entry);
    entry.push(PRESENCE);
    put_i64(entry, 4);
    put_u64(entry, old.epoch.0);
    put_u64(entry, old.session.0);
    entry.push(old.state);
    put_u64(entry, u64::from(old.cause));
    put_option(entry, old.cell.map(Cell::index));
    put_i64(entry, old.contact.0);
    put_option(entry, old.spool.map(|spool| spool.0));
    row.close();
    let read = read_row(&row.finish(), name);
    let [Entry::Presence { vehicle: 4, record }] = &read.entries[..] else { panic!("{read:?}") };
    assert_eq!(*record, PresenceRecord { sleep: Millis(0), wake: 0, flags: 0, ..old });
}
