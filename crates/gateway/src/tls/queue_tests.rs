use super::Queue;
use futures_util::poll;
use std::pin::pin;
use std::task::Poll;

#[tokio::test]
async fn one_address_takes_its_part_and_others_go_ahead_of_what_it_has_beyond() {
    let queue = Queue::new(4, 2);
    let [one, other] = ["10.0.0.1", "10.0.0.2"].map(|address| Some(address.parse().unwrap()));
    let held = [queue.turn(one).await.unwrap(), queue.turn(one).await.unwrap()];
    let mut third = pin!(queue.turn(one));
    assert!(poll!(third.as_mut()).is_pending());
    let theirs = [queue.turn(other).await.unwrap(), queue.turn(None).await.unwrap()];
    drop(held);
    assert!(matches!(poll!(third.as_mut()), Poll::Ready(Some(_))), "it comes when one of its own has ended");
    drop(theirs);
    assert!(queue.addresses.lock().unwrap().is_empty(), "who has ended is not remembered");
}

#[tokio::test]
async fn who_gives_up_waiting_leaves_nothing() {
    let queue = Queue::new(4, 1);
    let address = Some("10.0.0.1".parse().unwrap());
    let held = queue.turn(address).await;
    {
        let mut second = pin!(queue.turn(address));
        assert!(poll!(second.as_mut()).is_pending());
    }
    drop(held);
    assert!(queue.addresses.lock().unwrap().is_empty());
    assert!(poll!(pin!(queue.turn(address))).is_ready());
}

#[tokio::test]
async fn whoever_counts_as_none_is_bound_by_the_number_of_all_alone() {
    let queue = Queue::new(3, 1);
    let held = [queue.turn(None).await, queue.turn(None).await, queue.turn(None).await];
    assert!(poll!(pin!(queue.turn(None))).is_pending());
    drop(held);
}

#[tokio::test]
async fn addresses_of_one_network_of_ipv6_count_as_one_and_a_mapped_one_as_what_it_is() {
    for (one, two, same) in [
        ("2001:db8::1", "2001:db8::ffff:2", true),
        ("2001:db8::1", "2001:db8:0:1::1", false),
        ("10.0.0.1", "::ffff:10.0.0.1", true),
        ("10.0.0.1", "10.0.0.2", false),
    ] {
        let queue = Queue::new(4, 1);
        let _held = queue.turn(Some(one.parse().unwrap())).await;
        assert_eq!(poll!(pin!(queue.turn(Some(two.parse().unwrap())))).is_pending(), same, "{one} and {two}");
    }
}
