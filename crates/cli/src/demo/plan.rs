//! What the demo will start: three gateways, their ports, their configuration files.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Serialize;

use super::pki::{Pki, TlsTable};

/// The regions from west to east; each has one gateway of the same name.
pub const REGIONS: [&str; 3] = ["lux-west", "lux-centre", "lux-east"];

/// One gateway of the demo.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Its node id, and its region's.
    pub name: &'static str,
    pub vehicles_port: u16,
    pub operators_port: u16,
    /// Whether vehicles are spoken TLS with.
    pub tls: bool,
    /// Its data, its configuration and its log.
    pub dir: PathBuf,
}

impl Seat {
    pub fn vehicles_url(&self) -> String {
        let scheme = if self.tls { "wss" } else { "ws" };
        format!("{scheme}://127.0.0.1:{}/v1/obu", self.vehicles_port)
    }

    pub fn operators_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.operators_port)
    }

    pub fn config_file(&self) -> PathBuf {
        self.dir.join("gateway.toml")
    }

    pub fn log_file(&self) -> PathBuf {
        self.dir.join("gateway.log")
    }

    /// The name without the prefix that all share.
    pub fn short(&self) -> &'static str {
        self.name.strip_prefix("lux-").unwrap_or(self.name)
    }
}

/// Three gateways, west to east, with consecutive ports from these.
pub fn seats(dir: &Path, vehicles_port: u16, operators_port: u16, tls: bool) -> anyhow::Result<Vec<Seat>> {
    let last = REGIONS.len() as u16 - 1;
    let (low, high) = (vehicles_port.min(operators_port), vehicles_port.max(operators_port));
    if high.checked_add(last).is_none() || low == 0 {
        bail!("the ports must lie between 1 and {}, each gateway takes the next one", u16::MAX - last);
    }
    if high - low <= last {
        bail!(
            "--vehicle-ports {vehicles_port} and --operator-ports {operators_port} overlap: each takes {} ports from there",
            REGIONS.len()
        );
    }
    let seat = |(i, &name): (usize, &&'static str)| Seat {
        name,
        vehicles_port: vehicles_port + i as u16,
        operators_port: operators_port + i as u16,
        tls,
        dir: dir.join(name),
    };
    Ok(REGIONS.iter().enumerate().map(seat).collect())
}

/// Fails with the way out if any of the ports is taken.
pub fn check_ports(seats: &[Seat]) -> anyhow::Result<()> {
    for seat in seats {
        for (port, whose) in [(seat.vehicles_port, "vehicles"), (seat.operators_port, "operators")] {
            match TcpListener::bind(("127.0.0.1", port)) {
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::AddrInUse => bail!(
                    "port {port} on 127.0.0.1 is taken, and {} needs it for its {whose}.\n  \
                     Is another demo running? End it, or choose other ports: \
                     waygate demo --vehicle-ports 8701 --operator-ports 8801",
                    seat.name
                ),
                Err(e) => return Err(e).with_context(|| format!("cannot listen on 127.0.0.1:{port}")),
            }
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct GatewayFile {
    node: NodeTable,
    vehicles: VehiclesTable,
    operators: ListenTable,
    peers: PeersTable,
    cluster: ClusterTable,
}

#[derive(Serialize)]
struct NodeTable {
    id: String,
    region: String,
    data_dir: PathBuf,
}

#[derive(Serialize)]
struct ListenTable {
    listen: String,
    url: String,
}

#[derive(Serialize)]
struct VehiclesTable {
    listen: String,
    url: String,
    /// The demo ends its fleet before its gateways: nobody is left to be sent elsewhere.
    drain_window_s: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<TlsTable>,
}

#[derive(Serialize)]
struct PeersTable {
    seeds: Vec<String>,
}

#[derive(Serialize)]
struct ClusterTable {
    token_keys: BTreeMap<String, String>,
}

/// Writes each gateway's configuration. Every file holds the token keys of all regions, so that a vehicle
/// may go from any to any; they are made anew for every demo folder and kept with it.
pub fn write_configs(seats: &[Seat], pki: Option<&Pki>) -> anyhow::Result<()> {
    let keys = token_keys(seats)?;
    for seat in seats {
        let others = seats.iter().filter(|other| other.name != seat.name);
        let file = GatewayFile {
            node: NodeTable { id: seat.name.to_owned(), region: seat.name.to_owned(), data_dir: seat.dir.join("data") },
            vehicles: VehiclesTable {
                listen: format!("127.0.0.1:{}", seat.vehicles_port),
                url: seat.vehicles_url(),
                drain_window_s: 0,
                tls: pki.map(|pki| pki.gateway(seat)).transpose()?,
            },
            operators: ListenTable { listen: format!("127.0.0.1:{}", seat.operators_port), url: seat.operators_url() },
            peers: PeersTable { seeds: others.map(Seat::operators_url).collect() },
            cluster: ClusterTable { token_keys: keys.clone() },
        };
        let path = seat.config_file();
        let head = "# Written by `waygate demo` at each start. Holds secret keys.\n\n";
        let text = format!("{head}{}", toml::to_string(&file).context("the configuration cannot be written as TOML")?);
        write_private(&path, &text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The keys that an earlier demo in the same folder wrote, or new ones: a vehicle's token outlives a restart.
fn token_keys(seats: &[Seat]) -> anyhow::Result<BTreeMap<String, String>> {
    let kept: BTreeMap<String, String> = seats
        .first()
        .and_then(|seat| std::fs::read_to_string(seat.config_file()).ok())
        .and_then(|text| text.parse::<toml::Table>().ok())
        .and_then(|mut file| file.remove("cluster")?.get("token_keys")?.clone().try_into().ok())
        .unwrap_or_default();
    let mut keys = BTreeMap::new();
    for seat in seats {
        let key = match kept.get(seat.name) {
            Some(key) => key.clone(),
            None => {
                let mut bytes = [0_u8; 32];
                getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("no random bytes from the system: {e}"))?;
                bytes.iter().map(|b| format!("{b:02x}")).collect()
            }
        };
        keys.insert(seat.name.to_owned(), key);
    }
    Ok(keys)
}

pub fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
