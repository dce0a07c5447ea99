use super::*;
use waygate_core::message::Suspend;
use waygate_core::wake_up::seal;

const KEY: [u8; 16] = [9; 16];

fn nap(active: Millis, sleep: Millis) -> Event {
    Event::SuspendRequested(Nap { active, sleep })
}

fn told(active: Millis, sleep: Millis) -> Action {
    send(Uplink::Suspend(Suspend { active, sleep, wake: [WakeChannel::Mqtt].into_iter().collect() }))
}

fn wake_up(nonce: u64) -> Event {
    Event::Woken { payload: seal(&KEY, &VehicleId::new("LUX-1").unwrap(), nonce) }
}

fn attached() -> Unit {
    let mut unit = Unit::new(&["a", "b"]);
    unit.apply(Event::AttachRequested);
    assert!(unit.connected().wake.contains(WakeChannel::Mqtt));
    unit.receive(accepting(|accept| accept.wake_key = KEY.to_vec())).out.clear();
    unit
}

fn asleep() -> Unit {
    let mut unit = attached();
    unit.apply(nap(Millis::secs(5), Millis::secs(600))).wait().out.clear();
    assert_eq!(unit.machine.state(), State::Asleep);
    unit
}

#[test]
fn a_unit_says_that_it_sleeps_listens_closes_and_is_back_in_time() {
    let mut unit = attached();
    let begun = unit.now;
    let (active, sleep) = (Millis::secs(5), Millis::secs(600));
    assert_eq!(unit.apply(nap(active, sleep)).asked(), [told(active, sleep)]);
    assert_eq!(unit.wait().asked(), [CLOSE]);
    assert_eq!((unit.machine.state(), unit.now), (State::Asleep, begun + active));
    assert_eq!(unit.record(1).asked(), [], "records wait");
    assert_eq!(unit.wait().asked(), [connect("a")]);
    assert_eq!(unit.now, begun + sleep);
    let request = unit.connected();
    assert_eq!((request.kind, request.spool.last), (AttachKind::Resume, 1));
}

#[test]
fn without_a_wish_the_timers_of_the_accept_hold_and_a_sleep_is_not_longer() {
    let timers = Timers::default();
    let mut unit = attached();
    assert_eq!(unit.apply(nap(Millis(0), Millis(0))).asked(), [told(timers.active, timers.sleep)]);
    let mut unit = attached();
    let too_long = Millis(timers.sleep.0 + 1);
    assert_eq!(unit.apply(nap(too_long, too_long)).asked(), [told(timers.sleep, timers.sleep)]);
}

#[test]
fn a_sleep_waits_for_acks_as_a_goodbye_does_but_not_for_ever() {
    let mut unit = attached();
    unit.apply(nap(Millis::secs(5), Millis::secs(600)));
    unit.record(1);
    unit.apply(Event::RecordsSent { first: 1, last: 1, bytes: 50 }).wait().out.clear();
    assert_eq!(unit.machine.state(), State::Attached);
    let due = unit.machine.next_deadline().unwrap();
    assert_eq!(due, unit.now + GOODBYE_WAIT);
    assert_eq!(unit.wait().asked(), [CLOSE]);
    assert_eq!(unit.machine.state(), State::Asleep);

    let mut unit = attached();
    unit.apply(nap(Millis::secs(5), Millis::secs(600)));
    unit.record(1);
    unit.apply(Event::RecordsSent { first: 1, last: 1, bytes: 50 }).wait().out.clear();
    assert_eq!(unit.receive(ack(1)).asked().last(), Some(&CLOSE));
}

#[test]
fn a_unit_whose_socket_is_lost_while_it_falls_asleep_sleeps_as_it_said() {
    let mut unit = attached();
    let begun = unit.now;
    unit.apply(nap(Millis::secs(5), Millis::secs(600))).apply(lost(None));
    assert_eq!((unit.machine.state(), unit.machine.next_deadline()), (State::Asleep, Some(begun + Millis::secs(600))));
}

#[test]
fn a_unit_without_a_session_just_sleeps_or_tells_the_one_it_is_about_to_get() {
    let mut unit = Unit::new(&["a"]);
    unit.apply(Event::AttachRequested).apply(refused()).apply(nap(Millis(0), Millis::secs(60)));
    assert_eq!(unit.machine.state(), State::Asleep);
    let mut unit = Unit::new(&["a"]);
    unit.apply(Event::AttachRequested).apply(nap(Millis::secs(5), Millis::secs(60)));
    unit.connected();
    assert_eq!(unit.receive(accept()).asked()[1..], [told(Millis::secs(5), Millis::secs(60))]);
}

#[test]
fn the_owner_ends_a_sleep_and_a_goodbye_ends_it_for_good() {
    let mut unit = asleep();
    assert_eq!(unit.apply(Event::AttachRequested).asked(), [connect("a")]);
    assert_eq!(unit.connected().kind, AttachKind::Resume);
    let mut unit = asleep();
    unit.apply(Event::DetachRequested(DetachCause::Service));
    assert_eq!((unit.machine.state(), unit.machine.next_deadline()), (State::Stopped, None));
    assert_eq!(unit.apply(wake_up(1)).asked(), [], "who said goodbye is not woken");
}

#[test]
fn a_wake_up_makes_a_sleeper_attach_as_paged_and_once_only() {
    let mut unit = asleep();
    assert_eq!(unit.apply(wake_up(1)).asked(), [connect("a")]);
    let request = unit.connected();
    assert_eq!((request.kind, request.token.is_some()), (AttachKind::Paged, true));
    unit.receive(accepting(|accept| accept.wake_key = KEY.to_vec()));
    unit.apply(nap(Millis::secs(5), Millis::secs(600))).wait().out.clear();
    assert_eq!(unit.apply(wake_up(1)).asked(), [], "a repeat is ignored");
    let why = "it came before".to_owned();
    unit.apply(wake_up(1));
    assert_eq!(unit.notices(), [Notice::WakeUpIgnored { why }]);
    assert_eq!(unit.apply(wake_up(2)).asked(), [connect("a")]);
}

#[test]
fn what_is_no_wake_up_of_the_last_key_wakes_no_one() {
    for payload in [seal(&[8; 16], &VehicleId::new("LUX-1").unwrap(), 1), "hello".to_owned(), String::new()] {
        let mut unit = asleep();
        assert_eq!(unit.apply(Event::Woken { payload }).asked(), []);
        assert_eq!(unit.machine.state(), State::Asleep);
    }
}

#[test]
fn the_key_is_kept_over_a_reboot() {
    let token = Token { bytes: vec![3], gateway: "a".to_owned(), wake_key: KEY.to_vec() };
    let mut unit = Unit::with_spool(&["a"], 0, Some(token));
    unit.apply(Event::AttachRequested).apply(refused()).out.clear();
    assert_eq!(unit.apply(wake_up(4)).asked(), [connect("a")]);
    assert_eq!(unit.connected().kind, AttachKind::Paged);
}

#[test]
fn a_wake_up_that_meets_a_unit_that_falls_asleep_makes_it_come_back_at_once() {
    let mut unit = attached();
    unit.apply(nap(Millis::secs(5), Millis::secs(600))).out.clear();
    assert_eq!(unit.apply(wake_up(1)).asked(), [CLOSE, connect("a")]);
    assert_eq!(unit.connected().kind, AttachKind::Paged);
}

#[test]
fn a_busy_gateway_is_asked_again_when_it_says_and_the_ladder_goes_on() {
    let mut unit = Unit::new(&["a", "b"]);
    unit.apply(Event::AttachRequested);
    let busy = |random| {
        let retry_after = Some(Millis::secs(20));
        Event::ConnectFailed { link: MAIN, why: "HTTP 503".to_owned(), retry_after, random }
    };
    unit.apply(busy(0));
    assert_eq!(unit.machine.next_deadline(), Some(unit.now + Millis::secs(20)));
    assert_eq!(unit.machine.gateway(), "b");
    unit.wait().apply(busy(u64::MAX));
    assert_eq!(unit.machine.next_deadline(), Some(unit.now + Millis::secs(40)));
}
