//! A real nginx with the configuration of `deploy`.

use super::PATIENCE;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The file that is delivered.
pub const CONFIG: &str = include_str!("../../../../deploy/nginx.conf");

pub struct Nginx {
    pub address: SocketAddr,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Replaces what stands once in a text.
fn replaced(text: &str, what: &str, by: &str) -> String {
    assert_eq!(text.matches(what).count(), 1, "{what:?} stands once in deploy/nginx.conf");
    text.replace(what, by)
}

impl Nginx {
    /// In front of a gateway, with this certificate and CA; `None`, said loudly, where it is not installed.
    pub async fn start(gateway: SocketAddr, cert: &Path, key: &Path, ca: &Path, read_timeout: &str) -> Option<Self> {
        let program = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"].into_iter().map(PathBuf::from);
        let Some(program) = program.into_iter().find(|path| path.exists()) else {
            let _ = writeln!(std::io::stderr(), "SKIPPED: nginx is not installed; apt-get install nginx-light");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        // Where it is installed for everyone, not for one test.
        let places =
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|name| format!("{name}_temp_path {name};"));
        let mut text = CONFIG.to_owned();
        for (what, by) in [
            (
                "worker_processes auto;",
                "worker_processes 1; daemon off; master_process off; pid nginx.pid; error_log stderr;".to_owned(),
            ),
            ("worker_rlimit_nofile 262144;", String::new()),
            ("worker_connections 131072;", "worker_connections 256;".to_owned()),
            ("http {", format!("http {{ access_log off; {}", places.join(" "))),
            ("listen 443 ssl;", format!("listen 127.0.0.1:{port} ssl;")),
            ("/etc/waygate/vehicles.pem", path(cert)),
            ("/etc/waygate/vehicles.key", path(key)),
            ("/etc/waygate/vehicles-ca.pem", path(ca)),
            ("proxy_pass http://127.0.0.1:7701;", format!("proxy_pass http://{gateway};")),
            ("proxy_read_timeout 120s;", format!("proxy_read_timeout {read_timeout};")),
        ] {
            text = replaced(&text, what, &by);
        }
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(program);
        command.args(["-e", "stderr", "-p"]).arg(folder.path()).arg("-c").arg(&file).stdin(Stdio::null());
        let mut child = command.spawn().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let started = Instant::now();
        while tokio::net::TcpStream::connect(address).await.is_err() {
            assert!(child.try_wait().unwrap().is_none() && started.elapsed() < PATIENCE, "nginx does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some(Self { address, child, _folder: folder })
    }
}
