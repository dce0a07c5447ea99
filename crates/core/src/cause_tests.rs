use super::{DetachCause, OrderCause, RejectCause, RetryClass};
use std::collections::BTreeSet;

#[test]
fn the_close_code_of_a_reject_mirrors_its_class() {
    for cause in RejectCause::ALL {
        let codes = match cause.class() {
            RetryClass::RetrySame => 4000..=4099,
            RetryClass::RetryOther => 4100..=4199,
            RetryClass::FixThenRetry => 4200..=4299,
            RetryClass::Stop => 4300..=4399,
        };
        assert!(codes.contains(&cause.close_code()), "{cause:?}");
    }
}

#[test]
fn no_two_causes_share_a_name_a_code_or_a_number() {
    let names: BTreeSet<_> = RejectCause::ALL.iter().map(|cause| cause.wire()).collect();
    let codes: BTreeSet<_> = RejectCause::ALL.iter().map(|cause| cause.close_code()).collect();
    assert_eq!((names.len(), codes.len()), (RejectCause::ALL.len(), RejectCause::ALL.len()));
    let orders: BTreeSet<_> = OrderCause::ALL.iter().map(|cause| cause.close_code()).collect();
    assert_eq!(orders.len(), OrderCause::ALL.len());
    assert!(orders.is_disjoint(&codes));
    for cause in DetachCause::ALL {
        assert_ne!(cause.number(), 0, "0 is kept for none");
        assert_eq!(DetachCause::from_number(cause.number()), Some(*cause));
    }
    assert_eq!(DetachCause::from_number(0), None);
}
