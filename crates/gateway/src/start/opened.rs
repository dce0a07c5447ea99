//! What a gateway reads and binds before anything of it runs: its configuration, keys and certificates, its addresses, its
//! store, and what that kept of its earlier life.

use super::keys::{keys, wake_key};
use super::restore::{places, restore};
use super::{Addresses, StartError};
use crate::areas::region_map;
use crate::clock::Clock;
use crate::commands::rows;
use crate::config::Config;
use crate::feed::Place;
use crate::tls::{Certificates, Owner, Revocations, Trust};
use crate::vehicles::identity::Identities;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use waygate_core::commands::Record;
use waygate_core::node::Node;
use waygate_core::redirect::Territory;
use waygate_core::view::NodeInfo;
use waygate_store::{OpenOptions, Reader, Store, Writer};

/// What is inside.
#[derive(Debug)]
pub struct Opened {
    /// The clocks.
    pub clock: Clock,
    /// This gateway, in the life that begins.
    pub me: NodeInfo,
    /// Its region, and the areas of all.
    pub territory: Arc<Territory>,
    /// The cluster's key for wake-ups.
    pub wake_key: Vec<u8>,
    /// What the store kept.
    pub kept: Kept,
    /// The store.
    pub writer: Writer,
    /// Reads it.
    pub reader: Reader,
}

/// What the store kept of an earlier life.
#[derive(Debug)]
pub struct Kept {
    /// Sessions, in a node that is ready to run.
    pub node: Node,
    /// Where vehicles were last.
    pub places: Vec<Place>,
    /// Commands that have not ended, or did lately.
    pub commands: Vec<Record>,
}

/// Where others come in, and how they show who they are.
#[derive(Debug)]
pub struct Doors {
    /// Where they are.
    pub addresses: Addresses,
    /// For vehicles.
    pub vehicles: TcpListener,
    /// For operators and peers.
    pub operators: TcpListener,
    /// Certificates between gateways, if they have some.
    pub trust: Option<Trust>,
    /// The certificate that vehicles are shown, and the CAs of theirs.
    pub vehicles_tls: Option<Certificates>,
    /// Who vehicles are, and what shows it.
    pub identities: Identities,
    /// What is revoked.
    pub revocations: Revocations,
}

/// Opens everything. If that fails, nothing of the gateway has run.
pub async fn open(config: &Config) -> Result<(Opened, Doors), StartError> {
    let clock = clock(config);
    let (id, region) = config.identity()?;
    let territory = Arc::new(Territory::new(region.clone(), region_map(config)?));
    let data_dir = &config.node.data_dir;
    std::fs::create_dir_all(data_dir).map_err(|source| StartError::DataDir { path: data_dir.clone(), source })?;
    let (keys, wake_key) = (keys(config, &region, data_dir)?, wake_key(config, data_dir)?);
    let doors = Doors::bind(config).await?;
    let (mut writer, reader) = Store::open(&data_dir.join("waygate.db"), OpenOptions::default()).await?;
    let me = NodeInfo {
        id,
        region,
        incarnation: writer.next_incarnation(clock.wall()).await?,
        vehicles_url: vehicles_url(config, doors.addresses.vehicles),
        operators_url: operators_url(config, doors.addresses.operators),
        draining: false,
        rest: Box::default(),
    };
    let homes = config.cluster.home_regions(&me.region)?;
    let node = Node::new(me.clone(), config.timers.timers(), keys).with_homes(homes);
    let kept = Kept {
        node: restore(node, &clock, &reader).await?,
        places: places(&reader).await?,
        commands: rows::kept(&clock, &reader).await?,
    };
    Ok((Opened { clock, me, territory, wake_key, kept, writer, reader }, doors))
}

impl Doors {
    async fn bind(config: &Config) -> Result<Self, StartError> {
        let revocations = Revocations::default();
        let trust = Trust::load(config, revocations.clone())?;
        let vehicles_tls = vehicles_tls(config, &revocations)?;
        let identities = Identities::read(&config.vehicles.identity, vehicles_tls.is_some(), &revocations)?;
        let (vehicles, at_vehicles) = listen("vehicles", config.vehicles.listen).await?;
        let (operators, at_operators) = listen("operators", config.operators.listen).await?;
        let addresses = Addresses { vehicles: at_vehicles, operators: at_operators };
        Ok(Self { addresses, vehicles, operators, trust, vehicles_tls, identities, revocations })
    }
}

/// The certificate that vehicles are shown, and the CAs of theirs.
fn vehicles_tls(config: &Config, revocations: &Revocations) -> Result<Option<Certificates>, StartError> {
    let Some(tls) = &config.vehicles.tls else { return Ok(None) };
    let loaded = Certificates::load("vehicles.tls", tls.files(), Owner::Host, revocations.clone());
    loaded.map(Some).map_err(StartError::VehiclesTls)
}

/// What vehicles are told to dial.
fn vehicles_url(config: &Config, listens: SocketAddr) -> String {
    let scheme = if config.vehicles.tls.is_some() { "wss" } else { "ws" };
    config.vehicles.url.clone().unwrap_or_else(|| format!("{scheme}://{listens}/v1/obu"))
}

/// What peers are told to dial.
fn operators_url(config: &Config, listens: SocketAddr) -> String {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    config.operators.url.clone().unwrap_or_else(|| format!("{scheme}://{listens}"))
}

async fn listen(section: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let fault = |source| StartError::Listen { section, address, source };
    let listener = TcpListener::bind(address).await.map_err(fault)?;
    let address = listener.local_addr().map_err(fault)?;
    Ok((listener, address))
}

/// The clocks, of which one may be meant to be wrong.
fn clock(config: &Config) -> Clock {
    if config.node.clock_offset_s != 0 {
        let offset_s = config.node.clock_offset_s;
        tracing::warn!(
            offset_s,
            "the wall clock is taken to be wrong, as [node] clock_offset_s says: this is for tests"
        );
    }
    Clock::wrong_by(config.node.clock_offset_s)
}
