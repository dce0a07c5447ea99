//! A real `waygate demo` on free ports, for tests that want one. Ends with the one who started it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Gateways of the demo; each takes a port for vehicles and one for operators.
const GATEWAYS: u16 = 3;

/// How long the demo may take until vehicles are online, in a debug build on a busy machine.
const START_MAX: Duration = Duration::from_secs(120);

/// How long it may take to end once it is asked to.
const END_MAX: Duration = Duration::from_secs(20);

const POLL: Duration = Duration::from_millis(200);

/// A running demo.
#[derive(Debug)]
pub struct Demo {
    child: Child,
    log: PathBuf,
    pub operators_port: u16,
}

impl Demo {
    /// Starts it and waits until its first gateway shows vehicles online.
    pub fn start(root: &Path) -> Result<Self> {
        let (vehicles_port, operators_port) = free_ports()?;
        let folder = root.join("target/xtask/demo");
        if folder.exists() {
            std::fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let log = folder.join("demo.log");
        let file = std::fs::File::create(&log).with_context(|| format!("cannot make {}", log.display()))?;
        let child = Command::new(root.join("target/debug/waygate"))
            .args(["demo", "--vehicle-ports", &vehicles_port.to_string()])
            .args(["--operator-ports", &operators_port.to_string()])
            .arg("--dir")
            .arg(folder.join("data"))
            .stdin(Stdio::null())
            .stderr(file.try_clone().context("the demo's log cannot be shared")?)
            .stdout(file)
            .spawn()
            .context("target/debug/waygate does not start")?;
        let mut demo = Self { child, log, operators_port };
        demo.wait_until_online()?;
        Ok(demo)
    }

    /// The first gateway's address for operators.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.operators_port)
    }

    /// The gateway of another region that the demo names for killing: it starts that one again by itself.
    pub fn expendable(&self) -> Option<u32> {
        let said = self.said();
        let (_, rest) = said.split_once("kill -9 ")?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    }

    /// The process of another region's gateway, which the demo invites to kill and starts again.
    pub fn neighbour_pid(&self) -> Option<u32> {
        let said = std::fs::read_to_string(&self.log).ok()?;
        let after = said.split_once("kill -9 ")?.1;
        after.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    }

    fn wait_until_online(&mut self) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < START_MAX {
            if let Some(status) = self.child.try_wait().context("the demo cannot be waited for")? {
                bail!("the demo ended with {status}:\n{}", self.said());
            }
            if online(self.operators_port).is_some_and(|vehicles| vehicles > 0) {
                return Ok(());
            }
            std::thread::sleep(POLL);
        }
        bail!("no vehicle of the demo was online within {} s:\n{}", START_MAX.as_secs(), self.said());
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_else(|error| format!("(its log cannot be read: {error})"))
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // SIGTERM lets it end its gateways; without `kill` there is only the hard way, at which they end by themselves.
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let start = Instant::now();
        while asked.is_ok() && start.elapsed() < END_MAX {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(POLL),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Vehicles online over all regions, as the gateway at this port counts them.
fn online(port: u16) -> Option<u64> {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let request = format!("GET /v1/regions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).ok()?;
    let totals = answer.split_once("\"totals\"")?.1;
    let online = totals.split_once("\"online\":")?.1;
    online.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The first of as many consecutive free ports as there are gateways, twice.
fn free_ports() -> Result<(u16, u16)> {
    let first = free_run(0)?;
    let second = free_run(first)?;
    Ok((first, second))
}

/// Consecutive free ports that do not meet those from `taken` on.
fn free_run(taken: u16) -> Result<u16> {
    for _ in 0..100 {
        let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
        let first = probe.local_addr().context("a port has no address")?.port();
        drop(probe);
        let Some(end) = first.checked_add(GATEWAYS) else { continue };
        let apart = taken == 0 || end <= taken || first >= taken + GATEWAYS;
        let held: Vec<_> = (first..end).map_while(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()).collect();
        if apart && held.len() == usize::from(GATEWAYS) {
            return Ok(first);
        }
    }
    bail!("no {GATEWAYS} consecutive ports are free on 127.0.0.1")
}
