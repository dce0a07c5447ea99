//! Starts a gateway: opens the store, restores what it knew, binds its listeners, spawns its tasks.

mod keys;
mod restore;

use self::keys::{keys, random, wake_key};
use self::restore::{places, restore};
use crate::admission::Gate;
use crate::areas::region_map;
use crate::clock::Clock;
use crate::commands::task::{CommandsTask, Means, Queues};
use crate::commands::{Desk, waking};
use crate::config::{AdmissionMode, Config, ConfigError};
use crate::enrolment::file::FileError;
use crate::enrolment::task::EnrolmentTask;
use crate::feed::Feed;
use crate::hooks::Hooks;
use crate::journal::{Answers, Health, JOBS_MAX, Journal};
use crate::live::Live;
use crate::operators::Operators;
use crate::operators::history::Places;
use crate::operators::origin::Names;
use crate::operators::router::router;
use crate::pager::Pager;
use crate::pager::task::Parts;
use crate::peers::channels::Channels;
use crate::peers::commands::CommandService;
use crate::peers::membership;
use crate::peers::moment::OwnClock;
use crate::peers::service::PeerService;
use crate::peers::wiring::Wiring;
use crate::peers::{self, handover, watch};
use crate::presence::{ATTACHES_MAX, COMMANDS_MAX, Command, Outlets, Presence, PresenceTask};
use crate::tasks::Tasks;
use crate::timeline::{Keeper, NEWS_MAX};
use crate::tls::kept;
use crate::tls::serve::serve;
use crate::tls::{Acceptor, Certificates, FileFault, Owner, Protocols, Revocations, Trust, TrustFault};
use crate::vehicles::Edge;
use crate::vehicles::certificate;
use crate::vehicles::identity::Identities;
use crate::vehicles::listener::Listener;
use crate::vehicles::refusals::Refusals;
use crate::vehicles::revoked;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use waygate_core::admission::Settings;
use waygate_core::id::Incarnation;
use waygate_core::message::GatewayAddress;
use waygate_core::node::Node;
use waygate_core::redirect::{self, Territory};
use waygate_core::time::Millis;
use waygate_core::view::NodeInfo;
use waygate_store::{OpenError, OpenOptions, ReadError, Reader, Store};

/// How often the list of neighbours that vehicles are told is made anew.
const NEIGHBOURS: Duration = Duration::from_secs(1);

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
        let clock = clock(&config);
        let (id, region) = config.identity()?;
        let territory = Arc::new(Territory::new(region.clone(), region_map(&config)?));
        let data_dir = config.node.data_dir.clone();
        let fault = |source| StartError::DataDir { path: data_dir.clone(), source };
        std::fs::create_dir_all(&data_dir).map_err(fault)?;
        let keys = keys(&config, &region, &data_dir)?;
        let wake_key = wake_key(&config, &data_dir)?;
        let revocations = Revocations::default();
        let trust = Trust::load(&config, revocations.clone())?;
        let vehicles_tls = vehicles_tls(&config, &revocations)?;
        let identities = Identities::read(&config.vehicles.identity, vehicles_tls.is_some(), &revocations)?;
        let vehicles = listen("vehicles", config.vehicles.listen).await?;
        let operators = listen("operators", config.operators.listen).await?;
        let addresses = Addresses {
            vehicles: vehicles.local_addr().map_err(fault)?,
            operators: operators.local_addr().map_err(fault)?,
        };
        let (mut writer, reader) = Store::open(&data_dir.join("waygate.db"), OpenOptions::default()).await?;
        let incarnation = writer.next_incarnation(clock.wall()).await?;
        let me = NodeInfo {
            id,
            region,
            incarnation,
            vehicles_url: vehicles_url(&config, addresses.vehicles),
            operators_url: operators_url(&config, addresses.operators),
            draining: false,
            rest: Box::default(),
        };
        let names = Names::of_url(&me.operators_url);
        let (node_id, own_region) = (me.id.clone(), me.region.clone());
        let known_as = me.clone();
        let timers = config.timers.timers();
        let homes = config.cluster.home_regions(&me.region)?;
        let node = restore(Node::new(me, timers, keys).with_homes(homes), &clock, &reader).await?;
        let places = places(&reader).await?;
        let kept = crate::commands::rows::kept(&clock, &reader).await?;

        let tasks = Tasks::default();
        let live = Live::new(incarnation);
        let health = Arc::new(Health::default());
        let (commands, command_queue) = mpsc::channel(COMMANDS_MAX);
        let (jobs, job_queue) = mpsc::channel(JOBS_MAX);
        let (answers, answer_queue) = mpsc::channel(ATTACHES_MAX);
        let (errands, errand_queue) = mpsc::channel(handover::ERRANDS_MAX);
        let presence = Presence::new(commands);
        let channels = Channels::new(trust.clone());
        let (feed, feed_task) = Feed::new(live.clone(), places);
        let delay = Duration::from_millis(config.store.commit_delay_ms);

        let (desk, letters) = Desk::new();
        let (written_sender, written) = mpsc::channel(JOBS_MAX);
        let answers = Answers { attaches: answers, commands: written_sender };
        let (wakes, wake_queue) = mpsc::channel(waking::WAKES_MAX);
        let journal = Journal::new(writer, job_queue, answers, feed.clone(), health.clone(), delay, tasks.clone());
        // Ends after all others: what they submitted is still committed.
        let journal = tokio::spawn(journal.run());
        tokio::spawn(feed_task.run());
        let gate = Gate::new(admission(&config), clock.now());
        let pressure = gate.pressure();
        let refusals = Arc::new(Refusals::new(clock));
        let outlets = Outlets { journal: jobs.clone(), errands, live: live.clone(), refusals: refusals.clone() };
        let presence_task =
            PresenceTask::new(node, clock, command_queue, answer_queue, outlets, territory.clone(), gate);
        let (news, news_queue) = mpsc::channel(NEWS_MAX);
        let (telling, outlived) = tokio::sync::watch::channel(None);
        tokio::spawn(presence_task.keeping(news).telling(telling).run());
        // Ends after the presence task, and before the journal.
        tokio::spawn(Keeper::new(news_queue, reader.clone(), jobs.clone()).run());

        let hooks = Hooks::new(&config, wake_key.clone(), &tasks)?;
        let (pager, asks) = Pager::new(presence.clone(), channels.clone());
        let parts = Parts { clock, live: live.clone(), hooks, rules: config.wake.rules(), tasks: tasks.clone() };
        tasks.spawn("pager", pager.task(asks, parts).run());
        let (enrolment, mut enrolment_task) =
            EnrolmentTask::open(&config.node.data_dir, node_id.as_str().to_owned(), clock, presence.clone())?;
        enrolment_task.begin().await;
        tasks.spawn("enrolment", enrolment_task.run(tasks.stopping()));
        tasks.spawn("enrolment tells", {
            let run = peers::enrolment::run(enrolment.clone(), presence.clone(), channels.clone());
            let stopping = tasks.stopping();
            async move {
                tokio::select! { () = run => {}, () = stopping => {} }
            }
        });
        let own = PeerService {
            pager: pager.clone(),
            enrolment: enrolment.clone(),
            presence: presence.clone(),
            feed: feed.clone(),
            live: live.clone(),
            reader: reader.clone(),
            histories: Places::default(),
            tasks: tasks.clone(),
        };
        let means = Means {
            clock,
            presence: presence.clone(),
            journal: jobs.clone(),
            channels: channels.clone(),
            wakes,
            tasks: tasks.clone(),
        };
        let queues = Queues { letters, written, live: live.changes() };
        tasks.spawn("commands", CommandsTask::new(node_id.clone(), own_region, means, desk.clone()).run(kept, queues));
        tasks.spawn("waking", waking::by_pager(wake_queue, pager.clone(), desk.clone()));
        let parts = membership::Parts {
            clock,
            presence: presence.clone(),
            channels: channels.clone(),
            tasks: tasks.clone(),
            sockets_max: config.vehicles.sockets_max,
        };
        let chance = random().map_err(StartError::Random)?;
        let wiring = Wiring::new(known_as, &config.peers.seeds, chance, parts);
        let membership = wiring.ways().clone();
        let commands = OwnClock { clock, incarnation };
        let commands = CommandService { clock: commands, desk: desk.clone(), reader: reader.clone() };
        let operator_plane = Operators {
            clock,
            presence: presence.clone(),
            feed: feed.clone(),
            live: live.clone(),
            reader: reader.clone(),
            channels: channels.clone(),
            commands,
            me: node_id,
            own,
            health,
            membership: membership.clone(),
            metrics: recorder(),
            tasks: tasks.clone(),
        };
        let tls = trust.as_ref().map(|trust| Acceptor::new(trust.certificates().clone(), Protocols::Web));
        let (gate, lists) = (peers::gate::Gate::new(trust.clone()), peers::revocation::Lists(revocations.clone()));
        if trust.is_some() {
            // Before anyone is let in.
            let path = data_dir.join(kept::FILE);
            kept::restore(&path, &revocations).map_err(|source| StartError::DataDir { path, source })?;
        }
        let plane = router(operator_plane, wiring.routes(), names, gate, lists);
        tasks.spawn("operators", serve(operators, tls, plane, tasks.clone()));
        if let Some(trust) = &trust {
            tasks.spawn("certificates", trust.certificates().clone().run(tasks.clone()));
            let file = data_dir.join(kept::FILE);
            tasks.spawn("revocation lists", kept::keep(file, revocations.clone(), tasks.clone()));
            let (presence, channels, seeds) = (presence.clone(), channels.clone(), config.peers.seeds.clone());
            let exchange = peers::revocation::run(revocations.clone(), presence, channels, seeds, tasks.clone());
            tasks.spawn("revocations", exchange);
        }
        tasks.spawn("watches", watch::run(live, feed, presence.clone(), channels, tasks.clone()));
        wiring.begin(errand_queue);
        let wake_key = Some(wake_key).filter(|_| config.wake.has_hook());
        let neighbours = neighbours(presence.clone(), &tasks);
        let edge = Edge {
            clock,
            presence: presence.clone(),
            desk,
            journal: jobs,
            timers,
            territory,
            neighbours,
            pressure,
            identities,
            enrolment: Some(enrolment).filter(|_| config.vehicles.identity.admission == AdmissionMode::Listed),
            refusals,
            wake_key,
        };
        let open = edge.identities.rules().open();
        let proxied_lists = revocations.clone();
        revoked::tell(&revocations, &presence).await;
        tasks.spawn("revoked vehicles", {
            let (run, stopping) = (revoked::run(revocations, presence.clone()), tasks.stopping());
            async move {
                tokio::select! { () = run => {}, () = stopping => {} }
            }
        });
        if let Some(certificates) = &vehicles_tls {
            tasks.spawn("vehicles' certificates", certificates.clone().run(tasks.clone()));
        }
        let proxy = config.vehicles.identity.proxy.as_ref();
        if let Some((ca, crl)) = proxy.and_then(|proxy| proxy.ca.clone().zip(proxy.crl.clone())) {
            let lists = certificate::follow(ca, crl, proxied_lists, tasks.clone());
            tasks.spawn("proxied certificates' lists", lists);
        }
        let limits = &config.vehicles;
        let tls = vehicles_tls.clone().map(|certificates| Acceptor::new(certificates, Protocols::Http1));
        let (sockets, unattached) = (limits.sockets_max, limits.unattached_per_address_max);
        let listener = Listener::new(Arc::new(edge), tasks.clone(), tls, sockets, unattached);
        tasks.spawn("vehicles", listener.run(vehicles));
        announce(&config, addresses, incarnation.0, open);
        let drain_window = Millis::secs(limits.drain_window_s);
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

fn admission(config: &Config) -> Settings {
    Settings {
        wait_max: Millis(config.admission.attach_wait_max_ms),
        queue_max: ATTACHES_MAX as u64,
        per_second_max: config.admission.attaches_per_second_max,
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

async fn listen(section: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { section, address, source })
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

/// Keeps the list of gateways that vehicles are told.
fn neighbours(presence: Presence, tasks: &Tasks) -> tokio::sync::watch::Receiver<Vec<GatewayAddress>> {
    let (sender, receiver) = tokio::sync::watch::channel(Vec::new());
    let stopping = tasks.stopping();
    tasks.spawn("neighbours", async move {
        tokio::pin!(stopping);
        loop {
            let alive = presence.ask(|state| redirect::neighbours(state.node.view()));
            let Some(alive) = alive.await else { return };
            sender.send_if_modified(|list| {
                let changed = *list != alive;
                *list = alive;
                changed
            });
            tokio::select! {
                () = tokio::time::sleep(NEIGHBOURS) => {}
                () = &mut stopping => return,
            }
        }
    });
    receiver
}

/// The process has one recorder of metrics, whatever gateways run in it.
fn recorder() -> Option<PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    HANDLE
        .get_or_init(|| match PrometheusBuilder::new().install_recorder() {
            Ok(handle) => Some(handle),
            Err(error) => {
                tracing::warn!(%error, "metrics are recorded by someone else in this process");
                None
            }
        })
        .clone()
}
