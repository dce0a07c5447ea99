//! Several gateways as processes, each with its own folder, their ways to each other through proxies.

use super::proxy::Proxy;
use super::{PATIENCE, Serving, waygate};
use serde_json::Value;
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// What every gateway of a test is told beside its names and addresses.
pub const QUICK_TIMERS: &str = "[timers]\nping_s = 1\npong_s = 1\nhold_s = 1\nperiodic_update_s = 30\nreachable_s = 40\n\
    implicit_detach_s = 40\nsleep_grace_s = 5\n";

pub struct Node {
    pub id: String,
    child: Child,
    pub operators: SocketAddr,
    pub vehicles_url: String,
    pub way: Proxy,
    folder: tempfile::TempDir,
    config: std::path::PathBuf,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Node {
    /// SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        let pid = i32::try_from(self.child.id()).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::TERM)
            .unwrap();
    }

    pub async fn ended(&mut self, within: Duration) {
        let started = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < within, "{} has not ended", self.id);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Begins another life over the same folder.
    pub fn start_again(&mut self) {
        let (child, operators, vehicles_url) = spawn(&self.config);
        (self.child, self.operators, self.vehicles_url) = (child, operators, vehicles_url);
        self.way.lead_to(operators);
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        request(self.operators, "GET", path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        request(self.operators, "POST", path, Some(body)).await
    }

    /// Asks again until the answer fits; fails with the last answer.
    pub async fn eventually(&self, path: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let (_, answer) = self.get(path).await;
            if fits(&answer) {
                return answer;
            }
            assert!(started.elapsed() < PATIENCE, "{path} at {} still answers {answer:#}", self.id);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn shows(&self, vehicle: &str, state: &str, gateway: &str) -> Value {
        let path = format!("/v1/vehicles/{vehicle}");
        self.eventually(&path, |answer| answer["state"] == state && answer["gateway"] == gateway).await
    }
}

fn spawn(config: &std::path::Path) -> (Child, SocketAddr, String) {
    let mut child = waygate(&["gateway", "--exit-with-stdin", "--config"])
        .arg(config)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let serving = Serving::read(&mut child);
    (child, serving.operators, format!("ws://{}/v1/obu", serving.vehicles))
}

/// These gateways, each a region of its own, all heard by all; with this added to the configuration of each.
pub async fn start(ids: &[&str], more: &str) -> Vec<Node> {
    start_with(ids, |text| text + more).await
}

/// The same with the configuration of each changed.
pub async fn start_with(ids: &[&str], change: impl Fn(String) -> String) -> Vec<Node> {
    let mut ways = Vec::new();
    for _ in ids {
        ways.push(Proxy::start().await);
    }
    let urls: Vec<String> = ways.iter().map(|way| format!("http://{}", way.address)).collect();
    let keys: String = ids.iter().map(|id| format!("{id} = \"{}\"\n", "5a".repeat(32))).collect();
    let mut nodes = Vec::new();
    for (at, (id, way)) in ids.iter().zip(ways).enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("gateway.toml");
        let seeds: Vec<_> =
            urls.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, url)| format!("{url:?}")).collect();
        let text = format!(
            "[node]\nid = \"{id}\"\nregion = \"{id}\"\ndata_dir = {:?}\n[vehicles]\nlisten = \"127.0.0.1:0\"\n\
             [operators]\nlisten = \"127.0.0.1:0\"\nurl = {:?}\n[peers]\nseeds = [{}]\n\
             [cluster.token_keys]\n{keys}",
            folder.path().join("data"),
            urls[at],
            seeds.join(", "),
        );
        std::fs::write(&config, change(text)).unwrap();
        let (child, operators, vehicles_url) = spawn(&config);
        way.lead_to(operators);
        nodes.push(Node { id: (*id).to_owned(), child, operators, vehicles_url, way, folder, config });
    }
    for node in &nodes {
        node.eventually("/v1/regions", |answer| alive(answer) == ids.len()).await;
    }
    nodes
}

pub fn alive(answer: &Value) -> usize {
    let gateways = answer["regions"].as_array().into_iter().flatten().flat_map(|r| r["gateways"].as_array()).flatten();
    gateways.filter(|gateway| gateway["status"] == "alive").count()
}

/// One request over a connection of its own.
pub async fn request(address: SocketAddr, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    use http_body_util::{BodyExt, Full};
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    let driver = tokio::spawn(connection);
    let request = hyper::Request::builder().method(method).uri(path).header("host", address.to_string());
    let request = request.header("content-type", "application/json");
    let bytes = body.map(|body| body.to_string()).unwrap_or_default();
    let response =
        sender.send_request(request.body(Full::new(hyper::body::Bytes::from(bytes))).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    driver.abort();
    let text = String::from_utf8_lossy(&body).into_owned();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}
