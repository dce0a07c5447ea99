use super::*;

const SPOOL: SpoolId = SpoolId(7);

/// Records 1 to 10 given out at 1000, 1001, …; 1 to 8 settled, 5 of them refused.
fn ledger() -> VehicleLedger {
    let mut ledger = VehicleLedger::new(VehicleId::new("LUX-0001").unwrap(), Wall(1000));
    for seq in 1..=10 {
        ledger.recorded(SPOOL, seq, t(seq));
    }
    ledger.settled(SPOOL, &[(1, 3)].into_iter().collect(), []);
    ledger.settled(SPOOL, &[(1, 8)].into_iter().collect(), [5]);
    ledger
}

fn t(seq: u64) -> Wall {
    Wall(999 + seq as i64)
}

fn audit(found: impl IntoIterator<Item = u64>) -> AuditOutcome {
    let ledger = ledger();
    let mut audit = Audit::new(&ledger);
    for seq in found {
        audit.found(SPOOL, seq, t(seq));
    }
    audit.finish()
}

#[test]
fn a_history_that_keeps_every_promise_is_clean() {
    let ledger = ledger();
    assert_eq!((ledger.given_out(), ledger.acked(), ledger.rejected()), (10, 7, 1));
    assert_eq!(audit([1, 2, 3, 4, 6, 7, 8]), AuditOutcome { kept: 7, unacked: 0, broken: vec![] });
}

#[test]
fn a_record_whose_ack_was_lost_may_be_there() {
    assert_eq!(audit([9, 8, 7, 6, 4, 3, 2, 1]), AuditOutcome { kept: 7, unacked: 1, broken: vec![] });
}

#[test]
fn lost_records_are_listed_as_ranges() {
    let outcome = audit([1, 7]);
    let lost = |a, b| Broken::Lost { spool: SPOOL, seqs: a..=b };
    assert_eq!(outcome.broken, [lost(2, 4), lost(6, 6), lost(8, 8)]);
    assert_eq!(outcome.kept, 2);
    assert_eq!(outcome.broken[0].to_string(), "records 2 to 4 of spool 7 were acked and are not there");
}

#[test]
fn a_record_that_is_there_twice_is_named() {
    let outcome = audit([1, 2, 3, 4, 6, 7, 8, 4]);
    assert_eq!(outcome.broken, [Broken::Doubled { spool: SPOOL, seq: 4 }]);
    assert_eq!((outcome.kept, outcome.unacked), (6, 0));
}

#[test]
fn refused_altered_and_invented_records_are_named() {
    assert_eq!(audit(1..=8).broken, [Broken::StoredThoughRejected { spool: SPOOL, seq: 5 }]);
    assert_eq!(audit([1, 2, 3, 4, 6, 7, 8, 11]).broken, [Broken::Invented { spool: SPOOL, seq: 11 }]);
    let ledger = ledger();
    let mut audit = Audit::new(&ledger);
    for seq in [1, 2, 3, 4, 6, 7, 8] {
        audit.found(SPOOL, seq, if seq == 6 { Wall(5) } else { t(seq) });
    }
    audit.found(SpoolId(8), 1, t(1));
    let broken = audit.finish().broken;
    assert_eq!(broken[0], Broken::Altered { spool: SPOOL, seq: 6, sent: t(6), found: Wall(5) });
    assert_eq!(broken[1], Broken::Invented { spool: SpoolId(8), seq: 1 });
}
