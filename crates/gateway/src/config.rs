//! The configuration of a gateway: one TOML file, `WAYGATE_…` environment variables over it.
//!
//! Unknown keys are errors. The smallest useful file names the node, its region and where its data lies.

mod homes;
mod identity;
mod tls;
mod wake;

pub use identity::{AdmissionMode, IdentityConfig, KeyConfig, ProxyConfig};
pub use tls::TlsConfig;
pub use wake::{VEHICLE as WAKE_VEHICLE, WakeConfig, WakeMqttConfig, webhook as webhook_address};

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use waygate_core::id::{InvalidId, NodeId, RegionId};
use waygate_core::membership::SEEDS_MAX;
use waygate_core::time::Millis;
use waygate_core::timers::{TimerConflict, Timers};
use waygate_core::token::KeyId;

/// The longest timer, seconds: a hundred years, so that a span never ends before it began.
const TIMER_S_MAX: u64 = 100 * 365 * 24 * 3600;

/// The longest drain, seconds: whoever stops a gateway is waiting for it.
const DRAIN_WINDOW_S_MAX: u64 = 3600;

/// Everything a gateway is told at start.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Who it is.
    pub node: NodeConfig,
    /// The vehicles' edge.
    #[serde(default)]
    pub vehicles: VehiclesConfig,
    /// The operators' and peers' plane.
    #[serde(default)]
    pub operators: OperatorsConfig,
    /// The other gateways.
    #[serde(default)]
    pub peers: PeersConfig,
    /// TLS of the operators' and peers' plane. Without it that plane speaks plain HTTP.
    pub tls: Option<TlsConfig>,
    /// How many attaches are taken at once.
    #[serde(default)]
    pub admission: AdmissionConfig,
    /// The store.
    #[serde(default)]
    pub store: StoreConfig,
    /// The timers of sessions, in seconds.
    #[serde(default)]
    pub timers: TimersConfig,
    /// Wake-ups of vehicles without a socket.
    #[serde(default)]
    pub wake: WakeConfig,
    /// What all gateways of a cluster share.
    #[serde(default)]
    pub cluster: ClusterConfig,
    /// The areas of regions, by region; the same at every gateway of a cluster.
    #[serde(default)]
    pub regions: BTreeMap<String, RegionConfig>,
}

/// Who the gateway is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// Unique in the cluster.
    pub id: String,
    /// The region it serves.
    pub region: String,
    /// Where the database and the node's own key lie.
    pub data_dir: PathBuf,
    /// Seconds that the wall clock is taken to be ahead, for tests of wrong clocks.
    #[serde(default)]
    pub clock_offset_s: i64,
}

/// The vehicles' edge.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VehiclesConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The address vehicles are told, if it is not that of `listen`.
    pub url: Option<String>,
    /// Open sockets at once; more are refused with 503.
    pub sockets_max: usize,
    /// Sockets from one address that have not attached yet; more are refused with 503.
    pub unattached_per_address_max: usize,
    /// Over how long vehicles are sent elsewhere before the gateway stops, seconds; 0 to stop at once.
    pub drain_window_s: u64,
    /// The certificate that vehicles are shown, and the CAs of theirs; without it no TLS is spoken with them.
    pub tls: Option<TlsConfig>,
    /// How vehicles show who they are.
    pub identity: IdentityConfig,
}

impl Default for VehiclesConfig {
    fn default() -> Self {
        let listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7701);
        Self {
            listen,
            url: None,
            sockets_max: 100_000,
            unattached_per_address_max: 4096,
            drain_window_s: 20,
            tls: None,
            identity: IdentityConfig::default(),
        }
    }
}

/// The operators' and peers' plane.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OperatorsConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The address operators and peers are told, if it is not that of `listen`.
    pub url: Option<String>,
}

impl Default for OperatorsConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7801), url: None }
    }
}

/// The other gateways.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PeersConfig {
    /// Their operators' addresses, `http://host:port`, or `https://` with `[tls]`.
    pub seeds: Vec<String>,
}

/// How many attaches are taken at once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdmissionConfig {
    /// The longest expected wait of an attach, milliseconds; beyond it vehicles are told to come back.
    pub attach_wait_max_ms: u64,
    /// Attaches taken in a second, if there is a ceiling.
    pub attaches_per_second_max: Option<u32>,
}

impl Default for AdmissionConfig {
    fn default() -> Self {
        Self { attach_wait_max_ms: 2000, attaches_per_second_max: None }
    }
}

/// The store.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// How long a commit waits for company, milliseconds, at most 20.
    pub commit_delay_ms: u64,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { commit_delay_ms: 3 }
    }
}

/// The timers of sessions, in seconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimersConfig {
    /// Silence before a ping.
    pub ping_s: u64,
    /// How long the pong may take.
    pub pong_s: u64,
    /// How long a lost socket may be resumed unseen.
    pub hold_s: u64,
    /// How often an idle vehicle reports.
    pub periodic_update_s: u64,
    /// From idle to unreachable.
    pub reachable_s: u64,
    /// From unreachable to detached.
    pub implicit_detach_s: u64,
    /// From Suspend to the end of the socket, if the vehicle names no other.
    pub active_s: u64,
    /// The longest sleep, and the one meant if the vehicle names none.
    pub sleep_s: u64,
    /// How late a sleeping vehicle may be before it is unreachable.
    pub sleep_grace_s: u64,
    /// How long a detached vehicle stays in the directory.
    pub purge_s: u64,
}

impl Default for TimersConfig {
    fn default() -> Self {
        let timers = Timers::default();
        Self {
            ping_s: timers.ping.as_secs_ceil(),
            pong_s: timers.pong.as_secs_ceil(),
            hold_s: timers.hold.as_secs_ceil(),
            periodic_update_s: timers.periodic_update.as_secs_ceil(),
            reachable_s: timers.reachable.as_secs_ceil(),
            implicit_detach_s: timers.implicit_detach.as_secs_ceil(),
            active_s: timers.active.as_secs_ceil(),
            sleep_s: timers.sleep.as_secs_ceil(),
            sleep_grace_s: timers.sleep_grace.as_secs_ceil(),
            purge_s: timers.purge.as_secs_ceil(),
        }
    }
}

impl TimersConfig {
    /// The timers of the core.
    pub fn timers(&self) -> Timers {
        Timers {
            ping: Millis::secs(self.ping_s),
            pong: Millis::secs(self.pong_s),
            hold: Millis::secs(self.hold_s),
            periodic_update: Millis::secs(self.periodic_update_s),
            reachable: Millis::secs(self.reachable_s),
            implicit_detach: Millis::secs(self.implicit_detach_s),
            active: Millis::secs(self.active_s),
            sleep: Millis::secs(self.sleep_s),
            sleep_grace: Millis::secs(self.sleep_grace_s),
            purge: Millis::secs(self.purge_s),
        }
    }
}

/// What all gateways of a cluster share.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterConfig {
    /// The keys that authenticate a region's session tokens, by region. Without this region's own, one is made
    /// and kept in the data directory.
    pub token_keys: BTreeMap<String, TokenKeys>,
    /// The key that wake-ups are authenticated by, 32 bytes as hex, the same at all gateways. Without it one is made
    /// and kept in the data directory.
    pub wake_key: Option<String>,
    /// Which nodes are taken for peers, `urn:waygate:node:REGION:NODE` with `*` for any; empty for every node that a CA
    /// of `[tls]` has named so.
    pub nodes: Vec<String>,
    /// All regions of the cluster. With them gateways tell other regions no more than the directory: changes of state,
    /// and where a vehicle is in the large. Empty: every gateway is told all detail.
    pub regions: Vec<String>,
    /// In how many of `regions` the directory keeps each vehicle; without it in all.
    pub homes: Option<usize>,
}

/// The keys of one region: 32 bytes as hex each.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged, expecting = "a key as 64 hexadecimal digits, or a list of \"ID:64 hexadecimal digits\"")]
pub enum TokenKeys {
    /// One, with id 0.
    One(String),
    /// Several, each after its id and a colon. The first seals, all open.
    Several(Vec<String>),
}

impl std::fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKeys")
    }
}

/// Keys that one region may have at once: the one in use, its successor, and what was forgotten to be removed.
const REGION_KEYS_MAX: usize = 8;

impl TokenKeys {
    /// The keys with their ids, or what is wrong, without showing any of a key.
    fn read(&self) -> Result<Vec<(KeyId, Vec<u8>)>, String> {
        let key = |hex: &str| from_hex(hex).filter(|key| key.len() == 32);
        let listed = match self {
            Self::One(hex) => {
                let key = key(hex).ok_or("must be 64 hexadecimal digits (32 bytes)")?;
                return Ok(vec![(KeyId(0), key)]);
            }
            Self::Several(listed) => listed,
        };
        if listed.is_empty() || listed.len() > REGION_KEYS_MAX {
            return Err(format!("has {} keys; it must have 1 to {REGION_KEYS_MAX}", listed.len()));
        }
        let mut keys: Vec<(KeyId, Vec<u8>)> = Vec::new();
        for (text, number) in listed.iter().zip(1..) {
            let (id, hex) = text.split_once(':').ok_or_else(|| format!("entry {number} must be \"ID:KEY\""))?;
            let id: u8 = id.parse().map_err(|_| format!("entry {number}: the id must be 0 to 255"))?;
            let key = key(hex).ok_or_else(|| format!("entry {number}: the key must be 64 hexadecimal digits"))?;
            if keys.iter().any(|(other, _)| other.0 == id) {
                return Err(format!("entry {number}: the id {id} is there already; each key has its own"));
            }
            if let Some((same, _)) = keys.iter().find(|(_, other)| *other == key) {
                return Err(format!("entry {number}: this key is there already, with the id {}", same.0));
            }
            keys.push((KeyId(id), key));
        }
        Ok(keys)
    }
}

impl std::fmt::Debug for ClusterConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let wake = if self.wake_key.is_some() { "a wake_key" } else { "no wake_key" };
        write!(f, "ClusterConfig {{ token_keys of {:?}, {wake}, nodes {:?} }}", self.token_keys.keys(), self.nodes)
    }
}

/// The area of a region.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegionConfig {
    /// H3 cells of resolution 5 or coarser.
    pub cells: Vec<String>,
    /// A GeoJSON file with polygons, beside the configuration file.
    pub geojson: Option<PathBuf>,
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML, or a key in it is unknown or of the wrong type. The text names line and key.
    #[error("{}: {source}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Where and what.
        source: Box<toml::de::Error>,
    },
    /// An environment variable does not fit.
    #[error("environment variables WAYGATE_…: {0}")]
    Environment(Box<figment::Error>),
    /// An identifier has characters that it may not.
    #[error("[node] {key}: {source}")]
    Identifier {
        /// Which key.
        key: &'static str,
        /// What is wrong.
        source: InvalidId,
    },
    /// The token keys of a region cannot be used.
    #[error("[cluster] token_keys.{region}: {what}")]
    TokenKey {
        /// Of which region.
        region: String,
        /// What is wrong.
        what: String,
    },
    /// The key of wake-ups is not 32 bytes as hex.
    #[error("[cluster] wake_key: must be 64 hexadecimal digits (32 bytes)")]
    WakeKey,
    /// The home regions cannot be used.
    #[error("[cluster] {key}: {what}")]
    Homes {
        /// Which key.
        key: &'static str,
        /// What is wrong.
        what: String,
    },
    /// Timers contradict each other.
    #[error("[timers] {0}")]
    Timers(#[from] TimerConflict),
    /// A region's area cannot be used.
    #[error("[regions.{region}] {what}")]
    Region {
        /// Which region.
        region: String,
        /// Which key, file and feature, and what is wrong.
        what: String,
    },
    /// The areas contradict each other.
    #[error("[regions] {0}")]
    Regions(Box<waygate_core::region_map::RegionMapError>),
    /// A value is out of its bounds.
    #[error("{key}: {what}")]
    Bounds {
        /// Which key.
        key: &'static str,
        /// What it must be.
        what: String,
    },
}

/// What an attach may wait, milliseconds: long enough for a commit, and with what a resume may have more, shorter than
/// the 15 s after which a vehicle goes elsewhere.
const ATTACH_WAIT_MS: std::ops::RangeInclusive<u64> = 100..=8000;

impl Config {
    /// Reads a file, then the environment: `WAYGATE_NODE__ID` is `[node] id`.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        // Read alone first: its errors name the line.
        let config: Self = toml::from_str(&text)
            .map_err(|source| ConfigError::Malformed { path: path.to_owned(), source: Box::new(source) })?;
        let layered = Figment::new()
            .merge(Serialized::defaults(&config))
            // Others of our variables, such as WAYGATE_LOG, have no section.
            .merge(Env::prefixed("WAYGATE_").filter(|name| name.as_str().contains("__")).split("__"));
        let mut config: Self = layered.extract().map_err(|error| ConfigError::Environment(Box::new(error)))?;
        let beside = path.parent().unwrap_or(Path::new(""));
        for file in config.regions.values_mut().filter_map(|region| region.geojson.as_mut()) {
            *file = beside.join(&*file);
        }
        for tls in config.tls.iter_mut().chain(&mut config.vehicles.tls) {
            tls.beside(beside);
        }
        config.vehicles.identity.beside(beside);
        config.check()?;
        Ok(config)
    }

    /// Reads a configuration from text alone.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let config: Self = Figment::new()
            .merge(Toml::string(text))
            .extract()
            .map_err(|error| ConfigError::Environment(Box::new(error)))?;
        config.check()?;
        Ok(config)
    }

    /// The node's id and region.
    pub fn identity(&self) -> Result<(NodeId, RegionId), ConfigError> {
        let id = NodeId::new(&self.node.id).map_err(|source| ConfigError::Identifier { key: "id", source })?;
        let region =
            RegionId::new(&self.node.region).map_err(|source| ConfigError::Identifier { key: "region", source })?;
        Ok((id, region))
    }

    /// The keys of the regions with their ids, as bytes; the first of each region seals.
    pub fn token_keys(&self) -> Result<Vec<(RegionId, KeyId, Vec<u8>)>, ConfigError> {
        let mut all = Vec::new();
        for (region, keys) in &self.cluster.token_keys {
            let fault = |what| ConfigError::TokenKey { region: region.clone(), what };
            let of = RegionId::new(region).map_err(|invalid| fault(invalid.to_string()))?;
            all.extend(keys.read().map_err(fault)?.into_iter().map(|(id, key)| (of.clone(), id, key)));
        }
        Ok(all)
    }

    /// The key of wake-ups, as bytes.
    pub fn wake_key(&self) -> Result<Option<Vec<u8>>, ConfigError> {
        let read = |hex: &String| from_hex(hex).filter(|key| key.len() == 32).ok_or(ConfigError::WakeKey);
        self.cluster.wake_key.as_ref().map(read).transpose()
    }

    fn check(&self) -> Result<(), ConfigError> {
        let (_, region) = self.identity()?;
        self.cluster.home_regions(&region)?;
        self.token_keys()?;
        self.wake_key()?;
        self.wake.check()?;
        self.vehicles.identity.check(self.vehicles.tls.is_some())?;
        self.timers.timers().check()?;
        let TimersConfig { reachable_s, sleep_s, sleep_grace_s, purge_s, .. } = self.timers;
        let unbounded = [
            ("[timers] reachable_s", reachable_s),
            ("[timers] sleep_s", sleep_s),
            ("[timers] sleep_grace_s", sleep_grace_s),
            ("[timers] purge_s", purge_s),
        ];
        // The others are shorter than these.
        if let Some((key, is)) = unbounded.into_iter().find(|(_, is)| *is > TIMER_S_MAX) {
            let what = format!("is {is}, at most {TIMER_S_MAX} is allowed");
            return Err(ConfigError::Bounds { key, what });
        }
        if self.store.commit_delay_ms > 20 {
            let what = format!("is {}, at most 20 is allowed", self.store.commit_delay_ms);
            return Err(ConfigError::Bounds { key: "[store] commit_delay_ms", what });
        }
        if self.node.clock_offset_s.unsigned_abs() > TIMER_S_MAX {
            let what = format!("is {}, at most {TIMER_S_MAX} either way is allowed", self.node.clock_offset_s);
            return Err(ConfigError::Bounds { key: "[node] clock_offset_s", what });
        }
        if self.vehicles.drain_window_s > DRAIN_WINDOW_S_MAX {
            let what = format!("is {}, at most {DRAIN_WINDOW_S_MAX} is allowed", self.vehicles.drain_window_s);
            return Err(ConfigError::Bounds { key: "[vehicles] drain_window_s", what });
        }
        if !ATTACH_WAIT_MS.contains(&self.admission.attach_wait_max_ms) {
            let (least, most) = (ATTACH_WAIT_MS.start(), ATTACH_WAIT_MS.end());
            let what = format!("is {}, it must be {least} to {most}", self.admission.attach_wait_max_ms);
            return Err(ConfigError::Bounds { key: "[admission] attach_wait_max_ms", what });
        }
        if self.admission.attaches_per_second_max == Some(0) {
            let what = "is 0: no vehicle could attach; leave it out for no ceiling".to_owned();
            return Err(ConfigError::Bounds { key: "[admission] attaches_per_second_max", what });
        }
        let unspecified = |key, listen: SocketAddr, url: &Option<String>| {
            let what = format!("[{key}] listen is {listen}: say in [{key}] url where others reach it");
            let missing = listen.ip().is_unspecified() && url.is_none();
            if missing { Err(ConfigError::Bounds { key, what }) } else { Ok(()) }
        };
        unspecified("vehicles", self.vehicles.listen, &self.vehicles.url)?;
        unspecified("operators", self.operators.listen, &self.operators.url)?;
        if self.peers.seeds.len() > SEEDS_MAX {
            let what =
                format!("has {}, at most {SEEDS_MAX} are allowed; one that answers is enough", self.peers.seeds.len());
            return Err(ConfigError::Bounds { key: "[peers] seeds", what });
        }
        self.check_tls()
    }
}

/// Reads pairs of hexadecimal digits.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect();
    let digits = digits.filter(|d| d.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// Writes pairs of hexadecimal digits.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
