//! Gateways that speak TLS to each other, and a client that asks them over it.

use super::pki::{Ca, Folder, Pair, node};
use super::{PATIENCE, Running};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use waygate_gateway::{Config, Gateway};

/// A gateway of the region `name`, called `name`-1, with its files.
pub struct Trusted {
    pub running: Running,
    pub folder: Folder,
}

/// Where it will listen, and what its configuration is.
pub struct Plan {
    pub name: &'static str,
    pub port: u16,
    pub seeds: Vec<u16>,
    pub extra: String,
}

impl Plan {
    pub fn new(name: &'static str, port: u16, seeds: &[u16]) -> Self {
        Self { name, port, seeds: seeds.to_vec(), extra: String::new() }
    }

    pub fn with(mut self, extra: &str) -> Self {
        self.extra = extra.to_owned();
        self
    }

    /// Starts it with this pair and these CAs.
    pub async fn start(&self, pair: &Pair, bundle: &str) -> Trusted {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::write(dir.path(), pair, bundle);
        self.start_in(dir, folder).await
    }

    /// Starts it over what is there.
    pub async fn start_in(&self, dir: TempDir, folder: Folder) -> Trusted {
        let seeds: Vec<_> = self.seeds.iter().map(|port| format!("\"https://127.0.0.1:{port}\"")).collect();
        let Folder { cert, key, ca, crl } = &folder;
        let listed = if crl.exists() { format!("crl = {crl:?}\n") } else { String::new() };
        let toml = format!(
            "[node]\nid = \"{name}-1\"\nregion = \"{name}\"\ndata_dir = {dir:?}\n[vehicles]\nlisten = \"127.0.0.1:0\"\n\
             [operators]\nlisten = \"127.0.0.1:{port}\"\n[peers]\nseeds = [{seeds}]\n\
             [tls]\ncert = {cert:?}\nkey = {key:?}\nca = {ca:?}\n{listed}{extra}",
            name = self.name,
            port = self.port,
            dir = dir.path(),
            seeds = seeds.join(", "),
            extra = self.extra,
        );
        let gateway = Gateway::bind(Config::parse(&toml).unwrap()).await.unwrap();
        Trusted { running: Running { gateway, dir }, folder }
    }
}

/// The pair of the gateway of a region.
pub fn pair(ca: &Ca, name: &str) -> Pair {
    ca.issue(&node(name, &format!("{name}-1")))
}

/// A client that trusts these CAs and shows this pair, if any.
pub fn client(bundle: &str, pair: Option<&Pair>) -> Arc<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    for ca in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots.add(ca.unwrap()).unwrap();
    }
    let config = rustls::ClientConfig::builder_with_provider(waygate_gateway::tls::provider());
    let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let mut config = match pair {
        Some(pair) => {
            let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
            config.with_client_auth_cert(vec![CertificateDer::from(pair.der.clone())], key).unwrap()
        }
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// One request over HTTP/2 on a connection of its own: status, the gRPC status if there is one, and the body.
pub async fn request(
    address: SocketAddr,
    client: Arc<rustls::ClientConfig>,
    request: http::Request<Full<Bytes>>,
) -> Result<(u16, Option<String>, Bytes), String> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let stream = TlsConnector::from(client).connect(name, stream).await.map_err(|error| error.to_string())?;
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), io).await.unwrap();
    let driver = tokio::spawn(connection);
    let answer = async {
        let response = sender.send_request(request).await.map_err(|error| format!("{error:?}"))?;
        let status = response.status().as_u16();
        let grpc = response.headers().get("grpc-status").map(|value| value.to_str().unwrap().to_owned());
        let body = response.into_body().collect().await.map_err(|error| format!("{error:?}"))?;
        let grpc = grpc.or_else(|| {
            let trailers = body.trailers()?;
            Some(trailers.get("grpc-status")?.to_str().unwrap().to_owned())
        });
        Ok((status, grpc, body.to_bytes()))
    };
    let answer = tokio::time::timeout(PATIENCE, answer).await.expect("an answer in time");
    driver.abort();
    answer
}

impl Trusted {
    pub fn address(&self) -> SocketAddr {
        self.running.operators()
    }

    /// A GET of an operator, who has no certificate.
    pub async fn get(&self, path: &str) -> Value {
        let bundle = std::fs::read_to_string(&self.folder.ca).unwrap();
        let ask = http::Request::get(format!("https://{}{path}", self.address())).body(Full::default()).unwrap();
        let (status, _, body) = request(self.address(), client(&bundle, None), ask).await.unwrap();
        assert_eq!(status, 200, "{path}: {body:?}");
        serde_json::from_slice(&body).unwrap()
    }

    /// The status of a gateway as this one sees it, and whether it is heard by now.
    pub async fn status_of(&self, name: &str) -> Option<String> {
        let answer = self.get("/v1/regions").await;
        let regions = answer["regions"].as_array().cloned().unwrap_or_default();
        let gateways = regions.iter().flat_map(|region| region["gateways"].as_array().cloned().unwrap_or_default());
        let gateway = gateways.into_iter().find(|gateway| gateway["id"] == format!("{name}-1"))?;
        Some(gateway["status"].as_str().unwrap().to_owned())
    }

    /// Waits until a gateway has this status here.
    pub async fn sees(&self, name: &str, status: &str) {
        let started = Instant::now();
        loop {
            let is = self.status_of(name).await;
            if is.as_deref() == Some(status) {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{name} is {is:?} and not {status}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}
