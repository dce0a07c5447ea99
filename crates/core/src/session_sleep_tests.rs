use super::*;

#[test]
fn a_vehicle_that_said_so_is_asleep_as_soon_as_its_socket_ends_and_unreachable_when_it_is_late() {
    let mut bench = Bench::connected();
    let mqtt: WakeChannels = [WakeChannel::Mqtt].into_iter().collect();
    bench.does(Event::SuspendRequested(OLD, Millis::secs(3600), mqtt));
    assert_eq!(name(bench.session.phase()), "connected", "it still listens");
    bench.now = bench.now + Millis::secs(20);
    assert_eq!(bench.said(Event::SocketLost(OLD)), "publish asleep, keep asleep");
    let entry = bench.session.entry().unwrap();
    assert_eq!((entry.sleep, entry.wake), (Millis::secs(3600), mqtt));
    assert_eq!(bench.session.next_deadline(), Some(bench.now + Millis::secs(3600) + bench.timers.sleep_grace));
    assert_eq!(words(&bench.expires()), "publish unreachable, keep unreachable");
    assert_eq!(bench.session.entry().unwrap().sleep, Millis(0), "an overdue sleep is none");
}

#[test]
fn a_sleep_is_as_long_as_the_timer_allows_and_ends_with_the_next_attach() {
    let mut bench = Bench::connected();
    let most = bench.timers.sleep;
    for (asked, granted) in [(Millis(0), most), (most + Millis(1), most), (Millis(5), Millis(5))] {
        bench.does(Event::SuspendRequested(OLD, asked, WakeChannels::NONE));
        let mut asleep = Bench { session: bench.session.clone(), ..Bench::new() };
        asleep.does(Event::SocketLost(OLD));
        assert_eq!(asleep.session.entry().unwrap().sleep, granted);
    }
    bench.does(Event::SocketLost(OLD));
    assert!(bench.session.resumable(SessionId(5), Epoch(5)));
    bench.does(Event::AttachBegun(attempt(NEW, 5)));
    assert_eq!(bench.said(persisted(5)), "accept 2, publish connected");
    assert_eq!(bench.said(Event::SocketLost(NEW)), "", "a loss after it is held like any other");
    assert_eq!(name(bench.session.phase()), "held");
}

#[test]
fn a_late_suspend_of_an_old_socket_is_ignored() {
    let mut bench = Bench::connected();
    bench.does(Event::AttachBegun(attempt(NEW, 6)));
    bench.does(persisted(6));
    bench.does(Event::SuspendRequested(OLD, Millis::secs(3600), WakeChannels::NONE));
    bench.does(Event::SocketLost(NEW));
    assert_eq!(name(bench.session.phase()), "held");
}

#[test]
fn what_falls_asleep_while_a_resume_is_on_its_way_to_disk_is_kept_as_connected_once_that_is_there() {
    let mut bench = Bench::connected();
    bench.does(Event::SuspendRequested(OLD, Millis::secs(3600), WakeChannels::NONE));
    bench.does(Event::AttachBegun(attempt(NEW, 5)));
    let kept = |out: &[Action]| {
        let state = |action: &Action| if let Action::Persist { entry, .. } = action { Some(entry.state) } else { None };
        out.iter().filter_map(state).collect::<Vec<_>>()
    };
    assert_eq!(kept(&bench.does(Event::SocketLost(OLD))), [LiveState::Asleep], "behind the attach");
    assert_eq!(kept(&bench.does(persisted(5))), [LiveState::Connected]);
    // The next attach writes once again.
    bench.does(Event::AttachBegun(attempt(OLD, 5)));
    assert_eq!(kept(&bench.does(persisted(5))), []);
}
