//! Gateways that know each other by certificates: who is let in, what is loaded anew, what is cut.
#![allow(clippy::unwrap_used)]

mod support;

use futures_util::{StreamExt, stream};
use http_body_util::Full;
use hyper::body::Bytes;
use serde_json::json;
use std::time::{Duration, Instant};
use support::cluster::free_ports;
use support::pki::{Ca, Pair, node, vehicle};
use support::trusted::{Plan, Trusted, client, pair, request};
use support::{PATIENCE, Vehicle};
use tokio::net::TcpListener;
use waygate_gateway::Config;
use waygate_gateway::peers::channels::Channels;
use waygate_gateway::tasks::Tasks;
use waygate_gateway::tls::serve::serve;
use waygate_gateway::tls::{Acceptor, Protocols, Revocations, Trust};
use waygate_wire::proto;
use waygate_wire::proto::presence_client::PresenceClient;
use waygate_wire::proto::presence_server::{Presence, PresenceServer};
use waygate_wire::proto::sync_frame::Frame;
use waygate_wire::proto::telemetry_query_client::TelemetryQueryClient;

/// A list reaches every gateway within this.
const REVOKED_WITHIN: Duration = Duration::from_secs(10);

/// What a gateway answers a call that any peer may make: gRPC's status.
async fn called(gateway: &Trusted, bundle: &str, caller: Option<&Pair>) -> Result<String, String> {
    let url = format!("https://{}/waygate.v1.Revocation/Exchange", gateway.address());
    let call = http::Request::post(url).header("content-type", "application/grpc").header("te", "trailers");
    let call = call.body(Full::new(Bytes::from_static(&[0; 5]))).unwrap();
    let (_, status, _) = request(gateway.address(), client(bundle, caller), call).await?;
    Ok(status.expect("a status of gRPC"))
}

const LET_IN: &str = "0";
const PERMISSION_DENIED: &str = "7";

/// Waits until a call with this certificate comes to nothing.
async fn refused_in_time(gateway: &Trusted, bundle: &str, caller: &Pair) {
    let started = Instant::now();
    while called(gateway, bundle, Some(caller)).await.is_ok() {
        assert!(started.elapsed() < REVOKED_WITHIN, "it is still let in");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What another node of the cluster calls with.
fn channels(ca: &Ca, name: &str) -> (Channels, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let trust = trust(ca, name, dir.path());
    (Channels::new(Some(trust)), dir)
}

fn trust(ca: &Ca, name: &str, dir: &std::path::Path) -> Trust {
    let folder = support::pki::Folder::write(dir, &pair(ca, name), &ca.pem());
    let toml = format!(
        "[node]\nid = \"{name}-1\"\nregion = \"{name}\"\ndata_dir = {dir:?}\n[tls]\ncert = {:?}\nkey = {:?}\nca = {:?}\n",
        folder.cert, folder.key, folder.ca
    );
    Trust::load(&Config::parse(&toml).unwrap(), Revocations::default()).unwrap().unwrap()
}

#[tokio::test]
async fn gateways_that_show_good_certificates_agree_on_who_is_where() {
    let (ca, ports) = (Ca::new("one"), free_ports());
    let west = Plan::new("west", ports[0], &[ports[1]]).start(&pair(&ca, "west"), &ca.pem()).await;
    let east = Plan::new("east", ports[1], &[]).start(&pair(&ca, "east"), &ca.pem()).await;
    west.sees("east", "alive").await;
    east.sees("west", "alive").await;
    let (_vehicle, _) = Vehicle::attach(west.running.vehicles(), "LUX-1", json!({})).await;
    let started = Instant::now();
    loop {
        let list = east.get("/v1/vehicles").await;
        if list["vehicles"][0]["gateway"] == "west-1" {
            assert_eq!(list["vehicles"][0]["state"], "online");
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{list}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    west.running.gateway.shutdown().await;
    east.running.gateway.shutdown().await;
}

#[tokio::test]
async fn what_gateways_ask_each_other_is_answered_to_nodes_of_the_list_alone() {
    let (ca, other, ports) = (Ca::new("one"), Ca::new("two"), free_ports());
    let listed = "[cluster]\nnodes = [\"urn:waygate:node:west:*\", \"urn:waygate:node:east:east-1\"]\n";
    let west = Plan::new("west", ports[0], &[]).with(listed).start(&pair(&ca, "west"), &ca.pem()).await;
    let bundle = ca.pem();
    assert_eq!(called(&west, &bundle, Some(&pair(&ca, "east"))).await.unwrap(), LET_IN);
    assert_eq!(called(&west, &bundle, None).await.unwrap(), PERMISSION_DENIED);
    let callers =
        [vehicle("vans", "LUX-1"), vehicle("west", "west-1"), node("east", "east-2"), node("north", "east-1")];
    for name in callers {
        assert_eq!(called(&west, &bundle, Some(&ca.issue(&name))).await.unwrap(), PERMISSION_DENIED, "{name}");
    }
    assert!(called(&west, &bundle, Some(&pair(&other, "east"))).await.is_err(), "of another CA");
    // Operators need none, and plain HTTP is not spoken any more.
    assert_eq!(west.get("/v1/vehicles").await["vehicles"], json!([]));
    west.running.gateway.shutdown().await;
}

#[tokio::test]
async fn a_gateway_of_another_ca_or_not_on_the_list_is_never_heard() {
    let (ca, other, ports) = (Ca::new("one"), Ca::new("two"), free_ports());
    let both = ca.pem() + &other.pem();
    let listed = "[cluster]\nnodes = [\"urn:waygate:node:west:*\", \"urn:waygate:node:centre:*\"]\n";
    let west = Plan::new("west", ports[0], &[ports[1], ports[2]]).with(listed);
    let west = west.start(&pair(&ca, "west"), &ca.pem()).await;
    // They would take west for a peer, and dial it too.
    let stranger = Plan::new("centre", ports[1], &[ports[0]]).start(&pair(&other, "centre"), &both).await;
    let unlisted = Plan::new("east", ports[2], &[ports[0]]).start(&pair(&ca, "east"), &ca.pem()).await;
    // A third that is in order shows that there was time enough.
    let port = free_ports()[0];
    let good = Plan::new("centre", port, &[ports[0]]).start(&pair(&ca, "centre"), &ca.pem()).await;
    west.sees("centre", "alive").await;
    good.sees("west", "alive").await;
    assert_eq!(west.status_of("east").await, None);
    assert_eq!((stranger.status_of("west").await, unlisted.status_of("west").await), (None, None));
    for one in [west, stranger, unlisted, good] {
        one.running.gateway.shutdown().await;
    }
}

fn hello(region: &str, node: &str) -> proto::SyncFrame {
    let node = proto::Node {
        id: node.to_owned(),
        region: region.to_owned(),
        incarnation: 7,
        vehicles_url: "ws://127.0.0.1:1/v1/obu".to_owned(),
        operators_url: "https://127.0.0.1:1".to_owned(),
        draining: false,
    };
    let hello = proto::Hello {
        node: prost::Message::encode_to_vec(&node),
        protocol: 1,
        cursors: Vec::new(),
        oldest_protocol: 1,
        ..proto::Hello::default()
    };
    proto::SyncFrame { frame: Some(Frame::Hello(hello)) }
}

#[tokio::test]
async fn a_node_that_dials_and_says_that_it_is_another_is_hung_up_on() {
    let (ca, ports) = (Ca::new("one"), free_ports());
    let west = Plan::new("west", ports[0], &[]).start(&pair(&ca, "west"), &ca.pem()).await;
    let (channels, _dir) = channels(&ca, "north");
    let url = format!("https://{}", west.address());
    for (region, id, taken) in
        [("east", "east-1", false), ("north", "north-2", false), ("east", "north-1", false), ("north", "north-1", true)]
    {
        let frames = stream::iter([hello(region, id)]).chain(stream::pending());
        let mut client = PresenceClient::new(channels.to(&url).unwrap());
        let mut answers = client.sync(frames).await.unwrap().into_inner();
        if taken {
            west.sees("north", "alive").await;
        } else {
            let end = async { while let Ok(Some(_)) = answers.message().await {} };
            tokio::time::timeout(PATIENCE, end).await.expect("it is hung up on");
            assert_eq!((west.status_of("east").await, west.status_of("north").await), (None, None));
        }
    }
    west.running.gateway.shutdown().await;
}

/// Answers every stream with the same Hello.
struct Impostor(proto::SyncFrame);

#[tonic::async_trait]
impl Presence for Impostor {
    type SyncStream = stream::BoxStream<'static, Result<proto::SyncFrame, tonic::Status>>;

    async fn sync(
        &self,
        request: tonic::Request<tonic::Streaming<proto::SyncFrame>>,
    ) -> Result<tonic::Response<Self::SyncStream>, tonic::Status> {
        let answers = stream::iter([Ok(self.0.clone())]).chain(request.into_inner().filter(|_| async { false }));
        Ok(tonic::Response::new(answers.boxed()))
    }

    async fn supersede(
        &self,
        _: tonic::Request<proto::SupersedeRequest>,
    ) -> Result<tonic::Response<proto::SupersedeReply>, tonic::Status> {
        Err(tonic::Status::unimplemented("no"))
    }
}

#[tokio::test]
async fn a_node_that_answers_and_says_that_it_is_another_is_hung_up_on() {
    let (ca, tasks) = (Ca::new("one"), Tasks::default());
    let dir = tempfile::tempdir().unwrap();
    let north = trust(&ca, "north", dir.path());
    let mut ports = Vec::new();
    for frame in [hello("east", "east-1"), hello("north", "north-1")] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        ports.push(listener.local_addr().unwrap().port());
        let router = tonic::service::Routes::new(PresenceServer::new(Impostor(frame))).into_axum_router();
        let acceptor = Acceptor::new(north.certificates().clone(), Protocols::Web);
        tasks.spawn("impostor", serve(listener, Some(acceptor), router, tasks.clone()));
    }
    let west = Plan::new("west", free_ports()[0], &ports).start(&pair(&ca, "west"), &ca.pem()).await;
    west.sees("north", "alive").await;
    assert_eq!(west.status_of("east").await, None);
    west.running.gateway.shutdown().await;
    tasks.stop();
}

/// The certificate that a gateway shows now.
async fn shown(gateway: &Trusted, bundle: &str) -> Option<Vec<u8>> {
    let stream = tokio::net::TcpStream::connect(gateway.address()).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("127.0.0.1").unwrap();
    let connected = tokio_rustls::TlsConnector::from(client(bundle, None)).connect(name, stream).await.ok()?;
    Some(connected.get_ref().1.peer_certificates()?[0].to_vec())
}

async fn shows(gateway: &Trusted, bundle: &str, pair: &Pair) {
    let started = Instant::now();
    while shown(gateway, bundle).await.as_ref() != Some(&pair.der) {
        assert!(started.elapsed() < PATIENCE, "the new certificate is not shown");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_cluster_goes_over_to_another_ca_without_dropping_a_stream() {
    let (old, new, ports) = (Ca::new("one"), Ca::new("two"), free_ports());
    let west = Plan::new("west", ports[0], &[ports[1]]).start(&pair(&old, "west"), &old.pem()).await;
    let east = Plan::new("east", ports[1], &[]).start(&pair(&old, "east"), &old.pem()).await;
    west.sees("east", "alive").await;
    // A stream of the kind that a gateway holds with its peer.
    let (channels, _dir) = channels(&old, "north");
    let channel = channels.to(&format!("https://{}", west.address())).unwrap();
    let mut held = TelemetryQueryClient::new(channel).watch(proto::WatchRequest {}).await.unwrap().into_inner();
    let (mut vehicle, _) = Vehicle::attach(west.running.vehicles(), "LUX-1", json!({})).await;

    // Both CAs are trusted everywhere, then the certificates are of the new one, then the old CA goes.
    let both = old.pem() + &new.pem();
    for gateway in [&west, &east] {
        std::fs::write(&gateway.folder.ca, &both).unwrap();
        gateway.running.gateway.reload();
    }
    let (west_new, east_new) = (pair(&new, "west"), pair(&new, "east"));
    for (gateway, pair, other) in [(&west, &west_new, "east"), (&east, &east_new, "west")] {
        refuses_not(gateway, &both, &pair_of(&new)).await;
        gateway.folder.renew(pair);
        gateway.running.gateway.reload();
        shows(gateway, &both, pair).await;
        assert_eq!(gateway.status_of(other).await.as_deref(), Some("alive"));
    }
    for gateway in [&west, &east] {
        std::fs::write(&gateway.folder.ca, new.pem()).unwrap();
        gateway.running.gateway.reload();
        refused_in_time(gateway, &new.pem(), &pair(&old, "north")).await;
        assert_eq!(called(gateway, &new.pem(), Some(&pair(&new, "north"))).await.unwrap(), LET_IN);
    }
    // What was open at first still carries.
    vehicle.telemetry(1, vec![support::record(1, 49.61, 6.13)]).await;
    let batch = tokio::time::timeout(PATIENCE, held.message()).await.expect("a batch in time").unwrap().unwrap();
    assert_eq!(batch.positions[0].vehicle, "LUX-1");
    assert_eq!(west.status_of("east").await.as_deref(), Some("alive"));
    drop(held);
    west.running.gateway.shutdown().await;
    east.running.gateway.shutdown().await;
}

fn pair_of(ca: &Ca) -> Pair {
    pair(ca, "north")
}

/// Waits until a call with this certificate is let in.
async fn refuses_not(gateway: &Trusted, bundle: &str, caller: &Pair) {
    let started = Instant::now();
    while called(gateway, bundle, Some(caller)).await.as_deref() != Ok(LET_IN) {
        assert!(started.elapsed() < PATIENCE, "the new CA is not trusted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_revoked_node_is_cut_everywhere_and_the_list_reaches_who_comes_later_and_outlives_a_restart() {
    let (ca, ports) = (Ca::new("one"), free_ports());
    let (bundle, east_pair) = (ca.pem(), pair(&ca, "east"));
    // Only west has the file of lists; west and east do not dial each other.
    let west_dir = tempfile::tempdir().unwrap();
    let folder = support::pki::Folder::write(west_dir.path(), &pair(&ca, "west"), &bundle);
    std::fs::write(&folder.crl, ca.list(1, &[]).0).unwrap();
    let west = Plan::new("west", ports[0], &[ports[1]]).start_in(west_dir, folder).await;
    let centre = Plan::new("centre", ports[1], &[ports[2]]).start(&pair(&ca, "centre"), &bundle).await;
    let east = Plan::new("east", ports[2], &[]).start(&east_pair, &bundle).await;
    centre.sees("east", "alive").await;
    centre.sees("west", "alive").await;
    // A stream that the revoked node has dialled, beside the one that it was dialled for.
    let dir = tempfile::tempdir().unwrap();
    let files = support::pki::Folder::write(dir.path(), &east_pair, &bundle);
    let toml = format!(
        "[node]\nid = \"east-1\"\nregion = \"east\"\ndata_dir = {:?}\n[tls]\ncert = {:?}\nkey = {:?}\nca = {:?}\n",
        dir.path(),
        files.cert,
        files.key,
        files.ca
    );
    let as_east = Trust::load(&Config::parse(&toml).unwrap(), Revocations::default()).unwrap();
    let channel = Channels::new(as_east).to(&format!("https://{}", centre.address())).unwrap();
    let mut held = TelemetryQueryClient::new(channel).watch(proto::WatchRequest {}).await.unwrap().into_inner();

    let revoked = Instant::now();
    std::fs::write(&west.folder.crl, ca.list(2, &[east_pair.serial]).0).unwrap();
    let end = async { while let Ok(Some(_)) = held.message().await {} };
    tokio::time::timeout(REVOKED_WITHIN, end).await.expect("the stream that it dialled is cut");
    centre.sees("east", "lost").await;
    for gateway in [&west, &centre] {
        refused_in_time(gateway, &bundle, &east_pair).await;
    }
    assert!(revoked.elapsed() < REVOKED_WITHIN, "{:?}", revoked.elapsed());
    assert_eq!(called(&centre, &bundle, Some(&pair(&ca, "east"))).await.unwrap(), LET_IN, "a new one is let in");

    // One that was not there asks the others, and does not forget it.
    let plan = Plan::new("north", free_ports()[0], &[ports[1]]);
    let north = plan.start(&pair(&ca, "north"), &bundle).await;
    refused_in_time(&north, &bundle, &east_pair).await;
    let kept = north.running.dir.path().join("revoked.pem");
    let started = Instant::now();
    while !kept.exists() {
        assert!(started.elapsed() < PATIENCE, "the list is not kept");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for one in [west, centre, east] {
        one.running.gateway.shutdown().await;
    }
    let Trusted { running: support::Running { gateway, dir }, folder } = north;
    gateway.shutdown().await;
    let north = plan.start_in(dir, folder).await;
    assert!(
        called(&north, &bundle, Some(&east_pair)).await.is_err(),
        "it is known after a restart, with nobody to ask"
    );
    assert_eq!(called(&north, &bundle, Some(&pair(&ca, "west"))).await.unwrap(), LET_IN);
    north.running.gateway.shutdown().await;
}

#[tokio::test]
async fn a_list_that_a_peer_brings_counts_only_if_a_trusted_ca_has_signed_it() {
    let (ca, other, ports) = (Ca::new("one"), Ca::new("two"), free_ports());
    let west = Plan::new("west", ports[0], &[]).start(&pair(&ca, "west"), &ca.pem()).await;
    let (channels, _dir) = channels(&ca, "north");
    let caller = pair(&ca, "east");
    let channel = channels.to(&format!("https://{}", west.address())).unwrap();
    let mut client = proto::revocation_client::RevocationClient::new(channel);
    let forged = other.list(9, &[caller.serial]).1;
    let mut changed = ca.list(9, &[caller.serial]).1;
    let at = changed.len() - 5;
    changed[at] ^= 1;
    for list in [forged, changed, vec![1, 2, 3]] {
        let answer = client.exchange(proto::RevocationExchange { held: vec![], lists: vec![list] }).await.unwrap();
        assert_eq!(answer.into_inner().held, vec![]);
        assert_eq!(called(&west, &ca.pem(), Some(&caller)).await.unwrap(), LET_IN);
    }
    let list = ca.list(9, &[caller.serial]).1;
    let answer = client.exchange(proto::RevocationExchange { held: vec![], lists: vec![list.clone()] }).await.unwrap();
    let answer = answer.into_inner();
    assert_eq!((answer.held.len(), answer.lists), (1, vec![list]));
    assert!(called(&west, &ca.pem(), Some(&caller)).await.is_err());
    west.running.gateway.shutdown().await;
}

#[tokio::test]
async fn without_tls_peers_are_dialled_by_http_alone_and_operators_are_answered() {
    let channels = Channels::new(None);
    assert!(channels.to("http://127.0.0.1:1").is_some() && channels.to("https://127.0.0.1:1").is_none());
    let plain = support::start("west", "").await;
    assert_eq!(plain.get("/healthz").await.0, 200);
    plain.gateway.shutdown().await;
}
