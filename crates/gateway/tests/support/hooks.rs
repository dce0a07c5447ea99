//! What wake-ups are handed on to: a web server that takes posts, and a real mosquitto with a listener.

use super::PATIENCE;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use rumqttc::{AsyncClient, Event, Incoming as Packet, MqttOptions, QoS};
use serde_json::Value;
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// A webhook.
pub struct Webhook {
    pub address: SocketAddr,
    pub posts: mpsc::UnboundedReceiver<Value>,
    /// How many came, also those that were refused.
    pub count: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Webhook {
    /// Answers every post with what `status` holds at that moment.
    pub async fn start(status: Arc<AtomicU16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, posts) = mpsc::unbounded_channel();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (sender, status, counted) = (sender.clone(), status.clone(), counted.clone());
                let service = hyper::service::service_fn(move |request: http::Request<Incoming>| {
                    let (sender, status, counted) = (sender.clone(), status.clone(), counted.clone());
                    async move {
                        assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/wake"));
                        let body = request.into_body().collect().await?.to_bytes();
                        counted.fetch_add(1, Ordering::SeqCst);
                        let status = status.load(Ordering::SeqCst);
                        if status < 300 {
                            let _ = sender.send(serde_json::from_slice(&body).unwrap());
                        }
                        let answer = http::Response::builder().status(status).body(Empty::<Bytes>::new()).unwrap();
                        Ok::<_, hyper::Error>(answer)
                    }
                });
                let io = hyper_util::rt::TokioIo::new(stream);
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(io, service));
            }
        });
        Self { address, posts, count, server }
    }

    pub async fn ready() -> Self {
        Self::start(Arc::new(AtomicU16::new(204))).await
    }

    pub async fn next(&mut self) -> Value {
        tokio::time::timeout(PATIENCE, self.posts.recv()).await.expect("a post in time").unwrap()
    }
}

/// A mosquitto on a port of the system's choosing.
pub struct Mosquitto {
    pub port: u16,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Mosquitto {
    /// `None`, said loudly, where it is not installed.
    pub async fn start() -> Option<Self> {
        let paths = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto"];
        let Some(program) = paths.into_iter().find(|path| std::path::Path::new(path).exists()) else {
            // Standard error reaches the log even of a test that passes.
            let _ = writeln!(std::io::stderr(), "SKIPPED: mosquitto is not installed; apt-get install mosquitto");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let file = folder.path().join("mosquitto.conf");
        std::fs::write(&file, format!("listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n")).unwrap();
        let mut command = Command::new(program);
        let child = command.arg("-c").arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let broker = Self { port, child, _folder: folder };
        let started = Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(started.elapsed() < PATIENCE, "mosquitto does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some(broker)
    }

    /// Messages on a topic from now on.
    pub async fn listen(&self, topic: &str) -> mpsc::UnboundedReceiver<String> {
        let options = MqttOptions::new(format!("listener-{topic}"), "127.0.0.1", self.port);
        let (client, mut events) = AsyncClient::new(options, 8);
        client.subscribe(topic, QoS::AtLeastOnce).await.unwrap();
        let (sender, messages) = mpsc::unbounded_channel();
        let (ready, subscribed) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let (mut ready, _client) = (Some(ready), client);
            while let Ok(event) = events.poll().await {
                if let Event::Incoming(Packet::SubAck(_)) = &event
                    && let Some(ready) = ready.take()
                {
                    let _ = ready.send(());
                }
                if let Event::Incoming(Packet::Publish(message)) = &event
                    && sender.send(String::from_utf8(message.payload.to_vec()).unwrap()).is_err()
                {
                    return;
                }
            }
        });
        tokio::time::timeout(PATIENCE, subscribed).await.expect("a subscription in time").unwrap();
        messages
    }
}
