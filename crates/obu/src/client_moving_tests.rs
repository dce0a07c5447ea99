//! Two sockets at once, sleep and commands, over real sockets.

use super::*;
use std::collections::BTreeSet;
use waygate_core::command::{Command, CommandId, CommandName, CommandStatus, Policy, VehicleVerdict};
use waygate_core::message::{GatewayAddress, Redirect, RedirectReason, Suspend};
use waygate_core::wake::WakeChannel;
use waygate_core::wake_up::seal;

fn redirect(to: &Gateway) -> Downlink {
    let targets = vec![GatewayAddress { region: "r".to_owned(), url: to.url() }];
    Downlink::Redirect(Redirect { targets, reason: RedirectReason::Balance, deadline: Millis(0) })
}

/// Plays a session to its end: acks what comes, and gives the numbers that came.
async fn serve(mut session: Session, until: u64) -> (Session, BTreeSet<u64>) {
    let mut seen = BTreeSet::new();
    while let Some(message) = session.next().await {
        let Uplink::Telemetry(telemetry) = message else { panic!("{message:?}") };
        seen.extend(telemetry.first_seq..=telemetry.last_seq());
        let ranges = seen.iter().map(|seq| (*seq, *seq)).collect();
        let ack = TelemetryAck { spool: SPOOL, through: 0, ranges, rejected: vec![] };
        session.say(Downlink::TelemetryAck(ack)).await;
        if seen.contains(&until) {
            break;
        }
    }
    (session, seen)
}

#[tokio::test]
async fn records_made_during_a_move_are_acked_by_one_of_the_two_and_the_old_socket_is_open_until_the_accept() {
    let (first, second) = (Gateway::bind(Codec::Proto).await, Gateway::bind(Codec::Proto).await);
    let obu = Arc::new(start(&[&first, &second]));
    let (mut old, _) = first.accept(1).await;
    let maker = {
        let obu = Arc::clone(&obu);
        tokio::spawn(async move {
            for n in 1..=200 {
                obu.record(record(n)).await.unwrap();
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
    };
    let before = old.records(1).await.last_seq();
    old.ack(SPOOL, before).await;
    old.say(redirect(&second)).await;
    let old = tokio::spawn(serve(old, u64::MAX));
    let mut new = second.socket().await;
    let Uplink::Attach(request) = new.hear().await else { panic!("it does not attach") };
    assert_eq!((request.kind, request.token), (AttachKind::Handover, Some(vec![1, 2, 3])));
    new.catalogue.clone_from(&request.signals);
    assert!(!old.is_finished(), "the old socket is open");
    assert_eq!(obu.status().borrow().state, State::Attached);
    new.say(accept(1)).await;
    let (mut new, by_new) = serve(new, 200).await;
    let (_, by_old) = in_time("the end of the old socket", old).await.unwrap();
    maker.await.unwrap();
    // What was under way on the old one may come a second time.
    let answer = tokio::spawn(async move { while new.next().await.is_some() {} });
    let all: BTreeSet<u64> = by_old.union(&by_new).copied().collect();
    assert!(all.iter().copied().eq(before + 1..=200), "{before}, {all:?}");
    assert_eq!(obu.status().borrow().gateway, second.url());
    assert_eq!(obu.status().borrow().counters.lost, 0);
    Arc::into_inner(obu).unwrap().shut_down().await;
    answer.await.unwrap();
}

#[tokio::test]
async fn a_move_that_is_refused_leaves_the_session_as_it_is() {
    let first = Gateway::bind(Codec::Proto).await;
    let gone = Gateway::bind(Codec::Proto).await;
    let obu = start(&[&first]);
    let (mut session, _) = first.accept(1).await;
    let message = redirect(&gone);
    drop(gone);
    session.say(message).await;
    obu.record(record(1)).await.unwrap();
    assert_eq!(session.telemetry().await.last_seq(), 1);
    session.ack(SPOOL, 1).await;
    settled(&obu, 1).await;
    let status = obu.status().borrow().clone();
    assert_eq!((status.state, status.counters.lost), (State::Attached, 0));
    obu.shut_down().await;
}

#[tokio::test]
async fn a_unit_sleeps_and_is_woken() {
    let gateway = Gateway::bind(Codec::Json).await;
    let mut config = config(&[&gateway]);
    config.wake = [WakeChannel::Mqtt].into_iter().collect();
    let obu = Obu::start(config, MemorySpool::new(SPOOL, 10));
    let mut session = gateway.socket().await;
    let Uplink::Attach(request) = session.hear().await else { panic!("it does not attach") };
    assert!(request.wake.contains(WakeChannel::Mqtt));
    let Downlink::AttachAccept(mut message) = accept(1) else { panic!("it is no accept") };
    message.wake_key = vec![5; 16];
    session.say(Downlink::AttachAccept(message)).await;
    assert!(in_time("the accept", obu.until(State::Attached)).await);
    obu.suspend(Millis(10), Millis::secs(600)).await;
    let Uplink::Suspend(Suspend { sleep, wake, .. }) = session.hear().await else { panic!("it does not say so") };
    assert_eq!((sleep, wake), (Millis::secs(600), request.wake));
    assert_eq!(session.next().await, None);
    assert!(in_time("sleep", obu.until(State::Asleep)).await);
    obu.woken(b"nonsense").await;
    obu.woken(seal(&[5; 16], &VehicleId::new("LUX-1").unwrap(), 1).as_bytes()).await;
    let (_session, request) = gateway.accept(1).await;
    assert_eq!(request.kind, AttachKind::Paged);
    obu.shut_down().await;
}

#[tokio::test]
async fn a_command_is_begun_once_also_after_a_reboot() {
    let gateway = Gateway::bind(Codec::Proto).await;
    let dir = tempfile::tempdir().unwrap();
    let open = || DiskSpool::open(dir.path(), DiskSpoolConfig::default(), SPOOL).unwrap().0;
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let mut config = config(&[&gateway]);
    config.takes_commands = true;
    config.listener = Some(Arc::new(move |notice: &Notice| {
        if let Notice::CommandArrived(command) = notice {
            let _ = tell.send(command.id);
        }
    }));
    let name = CommandName::new("honk").unwrap();
    let (id, issued, ttl) = (CommandId(9), Wall(0), Millis::secs(60));
    let command = Command { id, name, arguments: "{}".to_owned(), issued, ttl, sent: Wall(0), policy: Policy::Now };
    let message = || Downlink::Command(Box::new(command.clone()));

    let obu = Obu::start(config.clone(), open());
    let (mut session, _) = gateway.accept(1).await;
    session.say(message()).await;
    assert_eq!(in_time("the command", told.recv()).await, Some(id));
    assert!(obu.begin_command(id).await);
    assert!(!obu.begin_command(id).await);
    let word = |verdict, result: &str| {
        let (code, text, result) = (String::new(), String::new(), result.to_owned());
        CommandStatus { id, verdict, code, text, result }
    };
    assert_eq!(session.hear().await, Uplink::CommandStatus(word(VehicleVerdict::Running(0), "")));
    assert!(obu.command_status(word(VehicleVerdict::Succeeded, "{no json")).await.is_err());
    assert!(obu.command_status(word(VehicleVerdict::Succeeded, "1e999")).await.is_err(), "no gateway would take it");
    obu.command_status(word(VehicleVerdict::Succeeded, "{\"volume\":3}")).await.unwrap();
    assert_eq!(session.hear().await, Uplink::CommandStatus(word(VehicleVerdict::Succeeded, "{\"volume\":3}")));
    drop(session);
    obu.shut_down().await;

    let obu = Obu::start(config, open());
    let (mut session, _) = gateway.accept(1).await;
    session.say(message()).await;
    let Uplink::CommandStatus(status) = session.hear().await else { panic!("it says nothing") };
    assert_eq!(status.verdict, VehicleVerdict::Duplicate);
    assert!(told.try_recv().is_err() && !obu.begin_command(id).await);
    obu.shut_down().await;
}

#[tokio::test]
async fn a_snapshot_comes_as_a_record_of_the_latest_values() {
    let gateway = Gateway::bind(Codec::Proto).await;
    let obu = start(&[&gateway]);
    let (mut session, _) = gateway.accept(1).await;
    for n in [1, 2] {
        obu.record(record(n)).await.unwrap();
    }
    session.records(2).await;
    session.say(Downlink::SnapshotRequest(vec![])).await;
    let telemetry = session.telemetry().await;
    assert_eq!((telemetry.first_seq, &telemetry.records[0].signals), (3, &record(2).signals));
    assert!(telemetry.records[0].t.0 > 1_700_000_000_000, "its time is now");
    obu.shut_down().await;
}

#[tokio::test]
async fn a_busy_gateway_says_when_to_come_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/v1/obu", listener.local_addr().unwrap());
    let obu = Obu::start(Config::new(VehicleId::new("LUX-1").unwrap(), vec![url]), MemorySpool::new(SPOOL, 10));
    let answer = |status: &'static str| {
        let listener = &listener;
        async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let (mut stream, _) = in_time("a dial", listener.accept()).await.unwrap();
            let mut request = [0; 1024];
            let _ = in_time("a request", stream.read(&mut request)).await.unwrap();
            let text = format!("HTTP/1.1 {status}\r\nretry-after: 2\r\ncontent-length: 4\r\n\r\nbusy");
            stream.write_all(text.as_bytes()).await.unwrap();
        }
    };
    answer("503 Service Unavailable").await;
    let refused = std::time::Instant::now();
    answer("429 Too Many Requests").await;
    assert!(refused.elapsed() >= Duration::from_millis(1900), "{:?}", refused.elapsed());
    obu.shut_down().await;
}
