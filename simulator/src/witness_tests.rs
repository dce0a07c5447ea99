use super::*;
use waygate_core::id::VehicleId;

fn record(t: i64) -> Record {
    Record { t: Wall(t), fix: None, signals: Vec::new() }
}

#[test]
fn what_is_settled_is_promised_and_what_is_dropped_is_not() {
    let ledger = SharedLedger::new(VehicleLedger::new(VehicleId::new("LUX-0001").unwrap(), Wall(0)));
    let mut spool = WitnessedSpool::new(MemorySpool::new(SpoolId(3), 4), Some(ledger.clone()));
    for t in 1..=6 {
        spool.append(Wall(t), &record(t)).unwrap();
    }
    assert_eq!(spool.settled().count(), 2, "the first two had to make room");
    spool.settle(&[(3, 5)].into_iter().collect(), &[(4, RecordFault::BadSignal)]).unwrap();
    let ledger = ledger.read();
    assert_eq!((ledger.given_out(), ledger.acked(), ledger.rejected()), (6, 2, 1));
    assert_eq!((spool.id(), spool.last(), spool.settled().count()), (SpoolId(3), 6, 5));
}
