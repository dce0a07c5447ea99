//! The client against a gateway played by the test over real sockets: it says what the test tells it to.

use super::{Config, Obu, RecordError};
use crate::machine::{Batching, State};
use crate::notice::Notice;
use crate::spool::{DiskSpool, DiskSpoolConfig, MemorySpool};
use futures_util::{SinkExt, StreamExt};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use waygate_core::cause::{DetachCause, OrderCause};
use waygate_core::epoch::Epoch;
use waygate_core::id::{SessionId, SpoolId, VehicleId};
use waygate_core::message::{AttachAccept, AttachKind, AttachRequest, Downlink, TelemetryAck, Uplink};
use waygate_core::ranges::SeqRanges;
use waygate_core::record::{Position, Record, SignalPath, SignalValue, Telemetry};
use waygate_core::time::{Millis, Wall};
use waygate_core::timers::Timers;
use waygate_wire::Codec;

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} took too long"))
}

/// A gateway that the test plays.
struct Gateway {
    listener: TcpListener,
    codec: Codec,
}

/// One socket of a vehicle.
struct Session {
    socket: WebSocketStream<TcpStream>,
    codec: Codec,
    catalogue: Vec<SignalPath>,
}

impl Gateway {
    async fn bind(codec: Codec) -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap(), codec }
    }

    fn url(&self) -> String {
        format!("ws://{}/v1/obu", self.listener.local_addr().unwrap())
    }

    async fn socket(&self) -> Session {
        let (stream, _) = in_time("a dial", self.listener.accept()).await.unwrap();
        let subprotocol = self.codec.subprotocol();
        #[allow(clippy::result_large_err)] // as the library wants it
        let choose = |request: &Request, mut response: Response| {
            assert_eq!(request.uri().path(), "/v1/obu");
            assert_eq!(request.headers()["sec-websocket-protocol"], subprotocol);
            response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(subprotocol));
            Ok(response)
        };
        let socket = tokio_tungstenite::accept_hdr_async(stream, choose).await.unwrap();
        Session { socket, codec: self.codec, catalogue: Vec::new() }
    }

    /// Takes the next vehicle in.
    async fn accept(&self, resume_from: u64) -> (Session, AttachRequest) {
        let mut session = self.socket().await;
        let Uplink::Attach(request) = session.hear().await else { panic!("it does not attach") };
        session.catalogue.clone_from(&request.signals);
        session.say(accept(resume_from)).await;
        (session, *request)
    }
}

impl Session {
    async fn say(&mut self, message: Downlink) {
        let frame = self.codec.encode_downlink(&message);
        let frame = match self.codec {
            Codec::Json => Message::Text(frame.try_into().unwrap()),
            Codec::Proto => Message::Binary(frame),
        };
        self.socket.send(frame).await.unwrap();
    }

    /// The next message; `None` once the vehicle has closed.
    async fn next(&mut self) -> Option<Uplink> {
        loop {
            let frame = match in_time("a message", self.socket.next()).await? {
                Ok(Message::Text(text)) => text.into(),
                Ok(Message::Binary(bytes)) => bytes,
                Ok(_) => continue,
                Err(_) => return None,
            };
            return Some(self.codec.decode_uplink(&frame, &self.catalogue).unwrap());
        }
    }

    async fn hear(&mut self) -> Uplink {
        self.next().await.expect("the vehicle has closed")
    }

    async fn telemetry(&mut self) -> Telemetry {
        let Uplink::Telemetry(telemetry) = self.hear().await else { panic!("it is no telemetry") };
        telemetry
    }

    /// So many records, in one message or in more.
    async fn records(&mut self, count: usize) -> Telemetry {
        let mut all = self.telemetry().await;
        while all.records.len() < count {
            let more = self.telemetry().await;
            assert_eq!(more.first_seq, all.last_seq() + 1);
            all.records.extend(more.records);
        }
        all
    }

    async fn ack(&mut self, spool: SpoolId, through: u64) {
        let ack = TelemetryAck { spool, through, ranges: SeqRanges::new(), rejected: vec![] };
        self.say(Downlink::TelemetryAck(ack)).await;
    }
}

fn accept(resume_from: u64) -> Downlink {
    Downlink::AttachAccept(Box::new(AttachAccept {
        token: vec![1, 2, 3],
        epoch: Epoch(5),
        session: SessionId(6),
        server_time: Wall(0),
        areas: vec![],
        timers: Timers::default(),
        window_records: 4096,
        window_bytes: 1 << 20,
        max_frame_bytes: 262_144,
        resume_from,
        pending_commands: 0,
        gateways: vec![],
        wake_key: Vec::new(),
    }))
}

const SPOOL: SpoolId = SpoolId(7);

fn config(gateways: &[&Gateway]) -> Config {
    let vehicle = VehicleId::new("LUX-1").unwrap();
    let mut config = Config::new(vehicle, gateways.iter().map(|gateway| gateway.url()).collect());
    config.codec = gateways[0].codec;
    config.batching = Batching { delay: Millis(20), ..Batching::default() };
    config
}

fn start(gateways: &[&Gateway]) -> Obu {
    Obu::start(config(gateways), MemorySpool::new(SPOOL, 1000))
}

fn record(n: i64) -> Record {
    let path = SignalPath::new("Vehicle.Speed").unwrap();
    Record { t: Wall(n), fix: None, signals: vec![(path, SignalValue::Integer(n))] }
}

async fn settled(obu: &Obu, count: u64) {
    let mut status = obu.status();
    in_time("an ack", status.wait_for(|status| status.counters.settled >= count)).await.unwrap();
}

#[tokio::test]
async fn a_unit_attaches_sends_and_lets_go_of_what_is_acked_in_both_forms() {
    for codec in Codec::ALL {
        let gateway = Gateway::bind(*codec).await;
        let obu = start(&[&gateway]);
        obu.record(record(1)).await.unwrap();
        obu.record(record(2)).await.unwrap();
        let (mut session, request) = gateway.accept(1).await;
        assert_eq!((request.vehicle.as_str(), request.kind), ("LUX-1", AttachKind::Initial));
        assert!(request.position.is_none() && request.clock.is_some());
        let telemetry = session.records(2).await;
        assert_eq!((telemetry.first_seq, telemetry.records), (1, vec![record(1), record(2)]));
        session.ack(SPOOL, 2).await;
        settled(&obu, 2).await;
        let status = obu.status().borrow().clone();
        assert_eq!((status.state, status.unsettled, status.counters.acked()), (State::Attached, 0, 2));
        assert_eq!(status.session, Some(SessionId(6)));
        in_time("the end", obu.shut_down()).await;
    }
}

#[tokio::test]
async fn what_was_not_acked_is_sent_again_after_a_loss_and_the_session_resumed() {
    let gateway = Gateway::bind(Codec::Proto).await;
    let obu = start(&[&gateway]);
    let (mut session, _) = gateway.accept(1).await;
    obu.record(record(1)).await.unwrap();
    obu.record(record(2)).await.unwrap();
    assert_eq!(session.records(2).await.last_seq(), 2);
    drop(session);
    let (mut session, request) = gateway.accept(2).await;
    assert_eq!((request.kind, request.token), (AttachKind::Resume, Some(vec![1, 2, 3])));
    assert_eq!(request.signals, [SignalPath::new("Vehicle.Speed").unwrap()]);
    let telemetry = session.telemetry().await;
    assert_eq!((telemetry.first_seq, telemetry.records), (2, vec![record(2)]));
    session.ack(SPOOL, 2).await;
    settled(&obu, 2).await;
    assert_eq!(obu.status().borrow().counters.resent, 1);
    obu.shut_down().await;
}

#[tokio::test]
async fn when_its_gateway_is_gone_a_unit_goes_to_the_next_with_its_token() {
    let (first, second) = (Gateway::bind(Codec::Proto).await, Gateway::bind(Codec::Proto).await);
    let obu = start(&[&first, &second]);
    let (session, _) = first.accept(1).await;
    drop((session, first));
    let (_session, request) = second.accept(1).await;
    assert_eq!((request.kind, request.token), (AttachKind::Handover, Some(vec![1, 2, 3])));
    assert!(in_time("the accept", obu.until(State::Attached)).await);
    obu.shut_down().await;
}

#[tokio::test]
async fn a_unit_moves_to_the_gateway_it_prefers_without_a_goodbye() {
    let (first, second) = (Gateway::bind(Codec::Json).await, Gateway::bind(Codec::Json).await);
    let obu = start(&[&first, &second]);
    let (mut session, _) = first.accept(1).await;
    assert!(in_time("the accept", obu.until(State::Attached)).await);
    obu.prefer(vec![second.url()]).await;
    let (_session, request) = second.accept(1).await;
    assert_eq!(request.kind, AttachKind::Handover);
    assert_eq!(session.next().await, None, "nothing was said to the old one");
    obu.shut_down().await;
}

#[tokio::test]
async fn a_goodbye_comes_after_the_acks_and_before_the_close() {
    let gateway = Gateway::bind(Codec::Json).await;
    let obu = start(&[&gateway]);
    let (mut session, _) = gateway.accept(1).await;
    obu.record(record(1)).await.unwrap();
    obu.detach(DetachCause::IgnitionOff).await;
    assert_eq!(session.telemetry().await.last_seq(), 1);
    session.ack(SPOOL, 1).await;
    assert_eq!(session.hear().await, Uplink::Detach(DetachCause::IgnitionOff));
    assert_eq!(session.next().await, None);
    assert!(in_time("the stop", obu.until(State::Stopped)).await);
    obu.record(record(2)).await.unwrap();
    obu.attach().await;
    let (mut session, request) = gateway.accept(2).await;
    assert_eq!((request.kind, request.spool.last), (AttachKind::Initial, 2));
    assert_eq!(session.telemetry().await.records, [record(2)]);
    obu.shut_down().await;
}

#[tokio::test]
async fn a_ping_is_answered() {
    let gateway = Gateway::bind(Codec::Proto).await;
    let obu = start(&[&gateway]);
    let (mut session, _) = gateway.accept(1).await;
    session.socket.send(Message::Ping("are you there".into())).await.unwrap();
    let pong = in_time("a pong", session.socket.next()).await.unwrap().unwrap();
    assert_eq!(pong, Message::Pong("are you there".into()));
    obu.shut_down().await;
}

#[tokio::test]
async fn a_drained_unit_leaves_with_the_order() {
    let (first, second) = (Gateway::bind(Codec::Proto).await, Gateway::bind(Codec::Proto).await);
    let obu = start(&[&first, &second]);
    let (mut session, _) = first.accept(1).await;
    session.say(Downlink::DetachOrder { cause: OrderCause::Draining, reattach: true }).await;
    assert_eq!(session.next().await, None);
    second.accept(1).await;
    obu.shut_down().await;
}

#[tokio::test]
async fn an_unknown_message_is_passed_over_and_an_unreadable_one_is_told() {
    let gateway = Gateway::bind(Codec::Json).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let mut config = config(&[&gateway]);
    let listener = Arc::clone(&told);
    config.listener = Some(Arc::new(move |notice: &Notice| {
        if matches!(notice, Notice::MessageUnreadable { .. }) {
            listener.lock().unwrap().push(notice.clone());
        }
    }));
    let obu = Obu::start(config, MemorySpool::new(SPOOL, 10));
    let (mut session, _) = gateway.accept(1).await;
    for text in [r#"{"type":"weather"}"#, r#"{"type":"telemetry_ack"}"#] {
        session.socket.send(Message::text(text)).await.unwrap();
    }
    obu.record(record(1)).await.unwrap();
    session.telemetry().await;
    session.ack(SPOOL, 1).await;
    settled(&obu, 1).await;
    obu.shut_down().await;
    let told = told.lock().unwrap();
    let [Notice::MessageUnreadable { why }] = told.as_slice() else { panic!("{told:?}") };
    assert!(why.contains("telemetry_ack"), "{why}");
}

#[tokio::test]
async fn a_refused_upgrade_is_told_with_its_status() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/v1/obu", listener.local_addr().unwrap());
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let mut config = Config::new(VehicleId::new("LUX-1").unwrap(), vec![url]);
    config.listener = Some(Arc::new(move |notice: &Notice| {
        if let Notice::DialFailed { why, .. } = notice {
            let _ = tell.send(why.clone());
        }
    }));
    let obu = Obu::start(config, MemorySpool::new(SPOOL, 10));
    let (mut stream, _) = in_time("a dial", listener.accept()).await.unwrap();
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut request = [0; 1024];
    let _ = in_time("a request", stream.read(&mut request)).await.unwrap();
    stream.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 7\r\n\r\nbe gone").await.unwrap();
    let why = in_time("a notice", told.recv()).await.unwrap();
    assert!(why.starts_with("HTTP 401"), "{why}");
    obu.shut_down().await;
}

#[tokio::test]
async fn a_record_too_long_for_a_message_is_not_taken() {
    let gateway = Gateway::bind(Codec::Proto).await;
    let obu = start(&[&gateway]);
    let path = SignalPath::new("Vehicle.Text").unwrap();
    let long = Record { t: Wall(0), fix: None, signals: vec![(path, SignalValue::Text("x".repeat(300_000)))] };
    assert!(matches!(obu.record(long).await, Err(RecordError::TooLong { .. })));
    obu.shut_down().await;
}

#[tokio::test]
async fn a_unit_that_was_cut_off_goes_on_from_its_disk_where_it_was() {
    let gateway = Gateway::bind(Codec::Proto).await;
    let dir = tempfile::tempdir().unwrap();
    let open = || DiskSpool::open(dir.path(), DiskSpoolConfig::default(), SPOOL).unwrap().0;
    let obu = Obu::start(config(&[&gateway]), open());
    let (mut session, _) = gateway.accept(1).await;
    for n in 1..=3 {
        obu.record(record(n)).await.unwrap();
    }
    assert_eq!(session.records(3).await.records.len(), 3);
    session.ack(SPOOL, 1).await;
    settled(&obu, 1).await;
    obu.shut_down().await;

    let obu = Obu::start(config(&[&gateway]), open());
    let (mut session, request) = gateway.accept(2).await;
    assert_eq!((request.kind, request.token), (AttachKind::Resume, Some(vec![1, 2, 3])));
    assert_eq!((request.spool.id, request.spool.oldest, request.spool.last), (SPOOL, 2, 3));
    let telemetry = session.records(2).await;
    assert_eq!((telemetry.first_seq, telemetry.records), (2, vec![record(2), record(3)]));
    obu.shut_down().await;
}

#[tokio::test]
async fn a_backlog_larger_than_the_window_goes_out_as_acks_make_room() {
    let gateway = Gateway::bind(Codec::Proto).await;
    let obu = start(&[&gateway]);
    for n in 1..=900 {
        obu.record(record(n)).await.unwrap();
    }
    let mut session = gateway.socket().await;
    let Uplink::Attach(request) = session.hear().await else { panic!("it does not attach") };
    session.catalogue.clone_from(&request.signals);
    let Downlink::AttachAccept(mut message) = accept(1) else { panic!("it is no accept") };
    message.window_records = 100;
    session.say(Downlink::AttachAccept(message)).await;
    let (mut acked, mut seen) = (0, 0);
    while seen < 900 {
        let telemetry = session.telemetry().await;
        assert_eq!(telemetry.first_seq, seen + 1);
        seen = telemetry.last_seq();
        assert!(seen - acked <= 100, "{seen} sent, {acked} acked");
        if seen - acked == 100 || seen == 900 {
            session.ack(SPOOL, seen).await;
            acked = seen;
        }
    }
    settled(&obu, 900).await;
    obu.shut_down().await;
}

#[tokio::test]
async fn a_position_without_a_record_is_told_at_the_next_attach() {
    let gateway = Gateway::bind(Codec::Proto).await;
    let obu = start(&[&gateway]);
    let place = Position::from_degrees(49.61, 6.13);
    obu.position(place).await;
    let (session, _) = gateway.accept(1).await;
    drop(session);
    let (_session, request) = gateway.accept(1).await;
    assert_eq!(request.position, Some(place));
    obu.shut_down().await;
}

#[path = "client_moving_tests.rs"]
mod moving;
