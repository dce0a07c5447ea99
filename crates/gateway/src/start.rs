//! Starts a gateway and ends it. What is read before anything runs is in `start/opened.rs`; then, in this order, `engine.rs` starts
//! what all is built around, `services.rs` what is done for operators and peers, `plane.rs` their side, and `edge.rs` that of vehicles.

mod edge;
mod engine;
mod keys;
mod opened;
mod plane;
mod restore;
mod services;

use self::engine::{Engine, Loose};
use self::opened::Doors;
use crate::commands::task::Queues;
use crate::config::{Config, ConfigError};
use crate::enrolment::file::FileError;
use crate::pager::Pager;
use crate::peers::membership;
use crate::presence::{Command, Presence};
use crate::tasks::Tasks;
use crate::tls::{Certificates, FileFault, Trust, TrustFault};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::oneshot;
use waygate_core::id::Incarnation;
use waygate_core::time::Millis;
use waygate_store::{OpenError, ReadError, Reader};

/// How long tasks may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// A gateway that runs.
#[derive(Debug)]
pub struct Gateway {
    addresses: Addresses,
    tasks: Tasks,
    presence: Presence,
    pager: Pager,
    membership: membership::Ways,
    journal: tokio::task::JoinHandle<waygate_store::Writer>,
    outlived: tokio::sync::watch::Receiver<Option<Incarnation>>,
    reader: Reader,
    drain_window: Millis,
    trust: Option<Trust>,
    vehicles_tls: Option<Certificates>,
}

/// Where a gateway listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// For vehicles.
    pub vehicles: SocketAddr,
    /// For operators and peers.
    pub operators: SocketAddr,
}

/// The gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data directory cannot be used.
    #[error("[node] data_dir {}: {source}", path.display())]
    DataDir {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The database cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The database cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The node's new life cannot be written down.
    #[error("the node's incarnation cannot be stored: {0}")]
    Incarnation(#[from] waygate_store::CommitError),
    /// An address cannot be listened on.
    #[error("[{section}] listen {address}: {source}")]
    Listen {
        /// Which.
        section: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Trust(TrustFault),
    /// TLS with vehicles cannot be set up.
    #[error("[vehicles.tls] {0}")]
    VehiclesTls(FileFault),
    /// The list of vehicles that operators decided on cannot be read.
    #[error("the enrolment of vehicles: {0}")]
    Enrolment(#[from] FileError),
    /// No random bits for the node's key.
    #[error("the system gives no random bits: {0}")]
    Random(getrandom::Error),
}

impl From<TrustFault> for StartError {
    fn from(fault: TrustFault) -> Self {
        match fault {
            TrustFault::Config(error) => Self::Config(error),
            fault @ TrustFault::File(_) => Self::Trust(fault),
        }
    }
}

impl Gateway {
    /// Starts a gateway. When this returns, it serves.
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        let (opened, doors) = opened::open(&config).await?;
        let Doors { addresses, vehicles, operators, trust, vehicles_tls, identities, revocations } = doors;
        let (incarnation, wake_key) = (opened.me.incarnation, opened.wake_key.clone());
        let (engine, loose) = Engine::start(&config, opened, trust.clone());
        let Loose { journal, outlived, errands, letters, written, commands } = loose;
        let pager = services::pager(&config, &engine, wake_key.clone())?;
        let enrolment = services::enrolment(&config, &engine).await?;
        let queues = Queues { letters, written, live: engine.live.changes() };
        services::commands(&engine, pager.clone(), commands, queues);
        let entrance = plane::Entrance { listener: operators, trust: trust.clone(), revocations: revocations.clone() };
        let asked = (pager.clone(), enrolment.clone());
        let membership = plane::serve_and_join(&config, &engine, asked, entrance, errands)?;
        let open = identities.rules().open();
        let entrance = edge::Entrance { listener: vehicles, tls: vehicles_tls.clone(), identities, revocations };
        edge::serve(&config, &engine, enrolment, wake_key, entrance).await;
        announce(&config, addresses, incarnation.0, open);
        let drain_window = Millis::secs(config.vehicles.drain_window_s);
        let Engine { tasks, presence, reader, .. } = engine;
        Ok(Self {
            addresses,
            tasks,
            presence,
            pager,
            membership,
            journal,
            outlived,
            reader,
            drain_window,
            trust,
            vehicles_tls,
        })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// The way to its pages.
    pub fn pager(&self) -> &Pager {
        &self.pager
    }

    /// Looks at the files of certificates now, instead of within seconds.
    pub fn reload(&self) {
        if let Some(trust) = &self.trust {
            trust.certificates().reload();
        }
        if let Some(certificates) = &self.vehicles_tls {
            certificates.reload();
        }
    }

    /// Sends the vehicles elsewhere over the configured window. Resolves when the last has left, or the window and a grace
    /// are over; dropped before, the next is [`shutdown`](Self::shutdown) all the same.
    pub async fn drain(&self) {
        if self.drain_window > Millis(0) {
            let (done, drained) = oneshot::channel();
            self.presence.tell(Command::Drain(self.drain_window, done)).await;
            // An error is an end as well.
            let _ = drained.await;
        }
    }

    /// Resolves if peers know a life of this node that its store does not: its disk was lost and its clock is behind. Until
    /// it has ended and begun anew, nobody believes it.
    pub async fn outlived(&self) -> Incarnation {
        let mut outlived = self.outlived.clone();
        match outlived.wait_for(Option::is_some).await.ok().and_then(|life| *life) {
            Some(life) => life,
            // It ends anyway.
            None => std::future::pending().await,
        }
    }

    /// Ends at once: orders every vehicle that is left away, ends every task and closes the store.
    pub async fn shutdown(self) {
        self.presence.tell(Command::SendAway).await;
        self.membership.leave(PATIENCE).await;
        self.tasks.stop();
        let left = self.tasks.ended(PATIENCE).await;
        if left > 0 {
            tracing::warn!(left, "tasks did not end in time");
        }
        drop((self.presence, self.pager));
        let outlived = *self.outlived.borrow();
        match (tokio::time::timeout(PATIENCE, self.journal).await, outlived) {
            (Ok(Ok(mut writer)), Some(life)) => {
                if let Err(error) = writer.outlived(life).await {
                    tracing::error!(%error, life = life.0, "the life that peers know is not noted; they will say so again");
                }
            }
            (Ok(Ok(_)), None) => {}
            (Ok(Err(error)), _) => {
                tracing::error!(%error, "the journal broke off; what it had not committed was not acked")
            }
            (Err(_), _) => {
                tracing::warn!("the journal did not end in time; what it had not committed was not acked");
            }
        }
        self.reader.close().await;
        tracing::info!("stopped");
    }
}

fn announce(config: &Config, addresses: Addresses, incarnation: u64, open: bool) {
    let Addresses { vehicles, operators } = addresses;
    tracing::info!(node = config.node.id, region = config.node.region, %vehicles, %operators, incarnation, "serving");
    if open {
        let only = "vehicles are taken from this machine only, unauthenticated";
        tracing::warn!("no vehicle credentials are configured: {only}");
    }
    if config.tls.is_none() && !operators.ip().is_loopback() {
        tracing::warn!(%operators, "operators and peers are not authenticated: anyone who reaches this address may ask");
    }
    if config.tls.is_some() && !operators.ip().is_loopback() {
        tracing::warn!(%operators, "operators are not authenticated: anyone who reaches this address may ask; peers are");
    }
}
