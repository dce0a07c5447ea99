use super::{Letter, Mailbox, OFFERED_MAX};
use waygate_core::id::ConnId;
use waygate_core::time::Mono;

#[test]
fn a_vehicle_that_does_not_read_is_offered_so_much_and_no_more_while_its_session_goes_on() {
    let mailbox = Mailbox::new(ConnId(1), Mono(0));
    for _ in 0..OFFERED_MAX {
        assert!(mailbox.offer(Letter::Close(1000)));
    }
    assert!(!mailbox.offer(Letter::Close(1000)));
    mailbox.put(Letter::Close(1001));
    assert_eq!(mailbox.take().len(), OFFERED_MAX + 1);
    assert!(mailbox.offer(Letter::Close(1000)));
}
