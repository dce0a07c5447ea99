//! Handshakes over real sockets: who is taken, what is loaded anew, and what stays.
#![allow(clippy::unwrap_used)]

#[path = "support/pki.rs"]
mod pki;

use pki::{Ca, Folder, Pair, node, vehicle};
use rustls::pki_types::ServerName;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use waygate_core::identity::Identity;
use waygate_gateway::tasks::Tasks;
use waygate_gateway::tls::queue::Queue;
use waygate_gateway::tls::{
    Accepted, Acceptor, Certificates, FileFault, Files, HandshakeFault, Owner, Peer, Protocols, Revocations,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// The files of one node, and the certificates in use from there.
struct Held {
    folder: Folder,
    certificates: Certificates,
    _dir: TempDir,
}

fn load(name: &str, pair: &Pair, bundle: &str, list: Option<&str>) -> Result<Held, FileFault> {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::write(dir.path(), pair, bundle);
    let files = Files {
        cert: folder.cert.clone(),
        key: folder.key.clone(),
        ca: folder.ca.clone(),
        crl: list.map(|list| {
            std::fs::write(&folder.crl, list).unwrap();
            folder.crl.clone()
        }),
    };
    let owner = Owner::Node(Identity::parse(name).unwrap());
    let certificates = Certificates::load("tls", files, owner, Revocations::default())?;
    Ok(Held { folder, certificates, _dir: dir })
}

fn held(name: &str, pair: &Pair, bundle: &str) -> Held {
    load(name, pair, bundle, None).unwrap()
}

/// One handshake of these two, and what the listening side has of it. The dialler has its end.
async fn shake(
    server: &Certificates,
    client: Arc<rustls::ClientConfig>,
) -> (Result<Accepted, HandshakeFault>, std::io::Result<tokio_rustls::client::TlsStream<TcpStream>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = Acceptor::new(server.clone(), Protocols::Web);
    let accept = async { acceptor.accept(listener.accept().await.unwrap().0, None).await };
    let dial = async {
        let stream = TcpStream::connect(address).await?;
        TlsConnector::from(client).connect(ServerName::try_from("localhost").unwrap(), stream).await
    };
    tokio::join!(accept, dial)
}

/// Who the listening side takes the dialler for.
async fn taken(server: &Certificates, client: &Certificates) -> Result<Option<Arc<Peer>>, String> {
    let (accepted, _) = shake(server, client.material().client()).await;
    accepted.map(|accepted| accepted.peer).map_err(|fault| fault.label().to_owned())
}

/// Waits until the certificates are others than these.
async fn reloaded(certificates: &Certificates, before: &Arc<waygate_gateway::tls::certificates::Material>) {
    let started = Instant::now();
    while Arc::ptr_eq(&certificates.material(), before) {
        assert!(started.elapsed() < PATIENCE, "the files are not loaded anew");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn both_sides_find_out_who_the_other_is() {
    let ca = Ca::new("one");
    let west = held(&node("west", "west-1"), &ca.issue(&node("west", "west-1")), &ca.pem());
    let east = held(&node("east", "east-1"), &ca.issue(&node("east", "east-1")), &ca.pem());
    let (accepted, dialled) = shake(&west.certificates, east.certificates.material().client()).await;
    let (accepted, dialled) = (accepted.unwrap(), dialled.unwrap());
    assert_eq!(accepted.peer.unwrap().identity.to_string(), node("east", "east-1"));
    let shown = dialled.get_ref().1.peer_certificates();
    let server = east.certificates.material().peer(shown, waygate_gateway::tls::verify::Side::Server).unwrap();
    assert_eq!(server.unwrap().identity.to_string(), node("west", "west-1"));
    assert_eq!(dialled.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
}

#[tokio::test]
async fn who_shows_no_certificate_is_nobody_and_who_shows_a_bad_one_is_refused() {
    let (ca, other) = (Ca::new("one"), Ca::new("two"));
    let west = held(&node("west", "west-1"), &ca.issue(&node("west", "west-1")), &ca.pem());
    // It trusts the other's CA, but is not trusted by it.
    let both = ca.pem() + &other.pem();
    let stranger = held(&node("east", "east-1"), &other.issue(&node("east", "east-1")), &both);
    assert_eq!(taken(&west.certificates, &stranger.certificates).await, Err("unknown_ca".to_owned()));
    let anonymous = anonymous(&ca);
    let (accepted, _) = shake(&west.certificates, anonymous).await;
    assert_eq!(accepted.unwrap().peer, None);
}

/// A client that trusts a CA and shows nothing.
fn anonymous(ca: &Ca) -> Arc<rustls::ClientConfig> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(waygate_gateway::tls::provider());
    let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    Arc::new(config.with_no_client_auth())
}

#[tokio::test]
async fn a_dialler_that_would_resume_shakes_hands_in_full_each_time() {
    let ca = Ca::new("one");
    let west = held(&node("west", "west-1"), &ca.issue(&node("west", "west-1")), &ca.pem());
    // It keeps every ticket that it is given.
    let client = anonymous(&ca);
    for _ in 0..3 {
        let (accepted, dialled) = shake(&west.certificates, client.clone()).await;
        let (mut accepted, mut dialled) = (accepted.unwrap(), dialled.unwrap());
        assert_eq!(dialled.get_ref().1.handshake_kind(), Some(rustls::HandshakeKind::Full));
        // Tickets come behind the handshake: whoever has read a word has read them.
        accepted.stream.write_all(b"x").await.unwrap();
        accepted.stream.flush().await.unwrap();
        assert_eq!(dialled.read_u8().await.unwrap(), b'x');
    }
}

#[tokio::test]
async fn who_says_nothing_takes_nobodys_place() {
    let ca = Ca::new("one");
    let west = held(&node("west", "west-1"), &ca.issue(&node("west", "west-1")), &ca.pem());
    let acceptor = Acceptor::with_queue(west.certificates.clone(), Protocols::Web, Queue::new(1, 1));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let _silent = TcpStream::connect(address).await.unwrap();
    let (first, _) = listener.accept().await.unwrap();
    let waits = tokio::spawn({
        let acceptor = acceptor.clone();
        async move { acceptor.accept(first, None).await }
    });
    let dial = async {
        let stream = TcpStream::connect(address).await?;
        TlsConnector::from(anonymous(&ca)).connect(ServerName::try_from("127.0.0.1").unwrap(), stream).await
    };
    let accept = async { acceptor.accept(listener.accept().await.unwrap().0, None).await };
    let (_, accepted) = tokio::join!(dial, accept);
    assert_eq!(accepted.unwrap().peer, None);
    assert!(!waits.is_finished(), "and the silent one is waited for still");
    waits.abort();
}

#[tokio::test]
async fn who_begins_more_handshakes_than_it_may_takes_no_place_of_another_address() {
    let ca = Ca::new("one");
    let west = held(&node("west", "west-1"), &ca.issue(&node("west", "west-1")), &ca.pem());
    let acceptor = Acceptor::with_queue(west.certificates.clone(), Protocols::Web, Queue::new(3, 2));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let [greedy, other] = ["192.0.2.1", "192.0.2.2"].map(|address| Some(address.parse().unwrap()));
    // These begin and never go on.
    let mut begun = Vec::new();
    for _ in 0..5 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&[22, 3, 1]).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        accepted.readable().await.unwrap();
        let acceptor = acceptor.clone();
        begun.push((stream, tokio::spawn(async move { acceptor.accept(accepted, greedy).await })));
    }
    tokio::task::yield_now().await;
    let dial = async {
        let stream = TcpStream::connect(address).await?;
        TlsConnector::from(anonymous(&ca)).connect(ServerName::try_from("127.0.0.1").unwrap(), stream).await
    };
    let accept = async { acceptor.accept(listener.accept().await.unwrap().0, other).await };
    let (_, accepted) = tokio::join!(dial, accept);
    assert_eq!(accepted.unwrap().peer, None);
    assert!(begun.iter().all(|(_, handshake)| !handshake.is_finished()), "and they are waited for still");
    begun.into_iter().for_each(|(_, handshake)| handshake.abort());
}

#[tokio::test]
async fn a_vehicle_is_told_from_a_gateway() {
    let ca = Ca::new("one");
    let west = held(&node("west", "west-1"), &ca.issue(&node("west", "west-1")), &ca.pem());
    let dir = tempfile::tempdir().unwrap();
    let Folder { cert, key, ca: bundle, .. } =
        Folder::write(dir.path(), &ca.issue(&vehicle("vans", "LUX-1")), &ca.pem());
    let files = Files { cert, key, ca: bundle, crl: None };
    let vehicle = Certificates::load("vehicle", files, Owner::Host, Revocations::default()).unwrap();
    let peer = taken(&west.certificates, &vehicle).await.unwrap().unwrap();
    assert!(matches!(peer.identity, Identity::Vehicle { .. }), "{peer:?}");
}

#[tokio::test]
async fn new_files_are_used_by_new_connections_and_cut_no_open_one() {
    let (old, new) = (Ca::new("one"), Ca::new("two"));
    let (west, east) = (node("west", "west-1"), node("east", "east-1"));
    let server = held(&west, &old.issue(&west), &old.pem());
    let client = held(&east, &old.issue(&east), &old.pem());
    let (accepted, dialled) = shake(&server.certificates, client.certificates.material().client()).await;
    let (mut accepted, mut dialled) = (accepted.unwrap().stream, dialled.unwrap());

    let tasks = Tasks::default();
    tasks.spawn("certificates", server.certificates.clone().run(tasks.clone()));
    // First both CAs are trusted, then the certificate is of the new one, then the old CA is gone.
    let before = server.certificates.material();
    std::fs::write(&server.folder.ca, old.pem() + &new.pem()).unwrap();
    server.certificates.reload();
    reloaded(&server.certificates, &before).await;
    assert!(taken(&server.certificates, &client.certificates).await.unwrap().is_some());
    let moved = held(&east, &new.issue(&east), &(old.pem() + &new.pem()));
    assert!(taken(&server.certificates, &moved.certificates).await.unwrap().is_some(), "two CAs overlap");
    let before = server.certificates.material();
    server.folder.renew(&new.issue(&west));
    std::fs::write(&server.folder.ca, new.pem()).unwrap();
    server.certificates.reload();
    reloaded(&server.certificates, &before).await;
    assert!(taken(&server.certificates, &moved.certificates).await.unwrap().is_some());
    assert_eq!(taken(&server.certificates, &client.certificates).await.map_err(drop), Err(()), "of the old CA");

    // The connection that was made at first lives on.
    dialled.write_all(b"still here").await.unwrap();
    dialled.flush().await.unwrap();
    let mut read = [0; 10];
    tokio::time::timeout(PATIENCE, accepted.read_exact(&mut read)).await.unwrap().unwrap();
    assert_eq!(&read, b"still here");
    tasks.stop();
    assert_eq!(tasks.ended(PATIENCE).await, 0);
}

#[tokio::test]
async fn files_that_cannot_be_used_change_nothing_until_they_can() {
    let ca = Ca::new("one");
    let (west, east) = (node("west", "west-1"), node("east", "east-1"));
    let server = held(&west, &ca.issue(&west), &ca.pem());
    let client = held(&east, &ca.issue(&east), &ca.pem());
    let tasks = Tasks::default();
    tasks.spawn("certificates", server.certificates.clone().run(tasks.clone()));
    let before = server.certificates.material();
    let next = ca.issue(&west);
    let broken = [
        ("-----BEGIN CERTIFICATE-----\nnonsense".to_owned(), next.key.clone()),
        (String::new(), next.key.clone()),
        // Half of a new pair.
        (next.cert.clone(), ca.issue(&west).key),
        // Another's.
        (ca.issue(&node("west", "west-2")).cert, next.key.clone()),
    ];
    for (cert, key) in broken {
        server.folder.renew(&Pair { cert, key, ..next.clone() });
        for _ in 0..3 {
            server.certificates.reload();
            assert!(taken(&server.certificates, &client.certificates).await.unwrap().is_some());
        }
        assert!(Arc::ptr_eq(&server.certificates.material(), &before));
    }
    server.folder.renew(&next);
    server.certificates.reload();
    reloaded(&server.certificates, &before).await;
    tasks.stop();
}

#[test]
fn at_the_start_a_file_that_cannot_be_used_is_named_with_what_is_wrong() {
    let (ca, other) = (Ca::new("one"), Ca::new("two"));
    let west = node("west", "west-1");
    let pair = ca.issue(&west);
    let error = |pair: &Pair, bundle: &str, list: Option<&str>| match load(&west, pair, bundle, list) {
        Ok(_) => panic!("it is taken"),
        Err(fault) => fault.to_string(),
    };
    let mixed = Pair { key: ca.issue(&west).key, ..pair.clone() };
    assert!(error(&mixed, &ca.pem(), None).contains("node.key: is not the key of"));
    assert!(error(&Pair { key: "none".into(), ..pair.clone() }, &ca.pem(), None).contains("no private key"));
    assert!(error(&pair, "", None).contains("ca.pem: holds no certificate"));
    assert!(error(&pair, &other.pem(), None).contains("not among those trusted"));
    let east = error(&ca.issue(&node("east", "east-1")), &ca.pem(), None);
    assert!(east.contains("is for urn:waygate:node:east:east-1 and not for urn:waygate:node:west:west-1"), "{east}");
    assert!(error(&pair, &ca.pem(), Some("nothing")).contains("crl.pem: holds no revocation list"));
    let foreign = error(&pair, &ca.pem(), Some(&other.list(1, &[]).0));
    assert!(foreign.contains("not signed by a CA that is trusted"), "{foreign}");
    assert!(error(&pair, &ca.pem(), Some(&ca.list(1, &[pair.serial]).0)).contains("revoked"));
}

#[tokio::test]
async fn whoever_speaks_no_tls_or_nothing_at_all_is_let_go() {
    let ca = Ca::new("one");
    let west = held(&node("west", "west-1"), &ca.issue(&node("west", "west-1")), &ca.pem());
    let acceptor = Acceptor::new(west.certificates.clone(), Protocols::Http1);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut plain = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n").await.unwrap();
    let fault = acceptor.accept(listener.accept().await.unwrap().0, None).await.unwrap_err();
    assert_eq!(fault.label(), "not_tls");
    let _silent = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let accepting = acceptor.accept(listener.accept().await.unwrap().0, None);
    let fault = tokio::time::timeout(PATIENCE, accepting).await.expect("it does not wait for ever").unwrap_err();
    assert_eq!(fault.label(), "late");
}
