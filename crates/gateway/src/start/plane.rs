//! The side of operators and peers: what they are answered, and the cluster that this gateway is one of.

use super::StartError;
use super::engine::Engine;
use super::keys::random;
use crate::config::Config;
use crate::enrolment::EnrolmentDesk;
use crate::operators::Operators;
use crate::operators::history::Places;
use crate::operators::origin::Names;
use crate::operators::router::router;
use crate::pager::Pager;
use crate::peers::commands::CommandService;
use crate::peers::handover::Errand;
use crate::peers::membership::{Parts, Ways};
use crate::peers::moment::OwnClock;
use crate::peers::service::PeerService;
use crate::peers::wiring::Wiring;
use crate::peers::{gate::Gate, revocation, watch};
use crate::tls::serve::serve;
use crate::tls::{Acceptor, Protocols, Revocations, Trust, kept};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Who may come in by that side, and by which door.
#[derive(Debug)]
pub struct Entrance {
    /// The door.
    pub listener: TcpListener,
    /// Certificates between gateways, if they have some.
    pub trust: Option<Trust>,
    /// What is revoked.
    pub revocations: Revocations,
}

/// Serves that side and joins the cluster.
pub fn serve_and_join(
    config: &Config,
    engine: &Engine,
    (pager, enrolment): (Pager, EnrolmentDesk),
    entrance: Entrance,
    errands: mpsc::Receiver<Errand>,
) -> Result<Ways, StartError> {
    let Engine { clock, me, tasks, presence, feed, live, channels, .. } = engine.clone();
    let Entrance { listener, trust, revocations } = entrance;
    let parts = Parts {
        clock,
        presence: presence.clone(),
        channels: channels.clone(),
        tasks: tasks.clone(),
        sockets_max: config.vehicles.sockets_max,
    };
    let names = Names::of_url(&me.operators_url);
    let chance = random().map_err(StartError::Random)?;
    let wiring = Wiring::new(me, &config.peers.seeds, chance, parts);
    let membership = wiring.ways().clone();
    let operators = operators(engine, pager, enrolment, membership.clone());
    if trust.is_some() {
        // Before anyone is let in.
        let path = config.node.data_dir.join(kept::FILE);
        kept::restore(&path, &revocations).map_err(|source| StartError::DataDir { path, source })?;
    }
    let tls = trust.as_ref().map(|trust| Acceptor::new(trust.certificates().clone(), Protocols::Web));
    let (gate, lists) = (Gate::new(trust.clone()), revocation::Lists(revocations.clone()));
    let plane = router(operators, wiring.routes(), names, gate, lists);
    tasks.spawn("operators", serve(listener, tls, plane, tasks.clone()));
    if let Some(trust) = trust {
        follow(config, engine, &trust, revocations);
    }
    tasks.spawn("watches", watch::run(live, feed, presence, channels, tasks.clone()));
    wiring.begin(errands);
    Ok(membership)
}

/// Follows the files of certificates, and what peers know to be revoked.
fn follow(config: &Config, engine: &Engine, trust: &Trust, revocations: Revocations) {
    let Engine { tasks, presence, channels, .. } = engine.clone();
    engine.tasks.spawn("certificates", trust.certificates().clone().run(tasks.clone()));
    let file = config.node.data_dir.join(kept::FILE);
    engine.tasks.spawn("revocation lists", kept::keep(file, revocations.clone(), tasks.clone()));
    let exchange = revocation::run(revocations, presence, channels, config.peers.seeds.clone(), tasks);
    engine.tasks.spawn("revocations", exchange);
}

fn operators(engine: &Engine, pager: Pager, enrolment: EnrolmentDesk, membership: Ways) -> Operators {
    let Engine { clock, me, tasks, presence, health, reader, feed, live, channels, desk, .. } = engine.clone();
    let own = PeerService {
        pager,
        enrolment,
        presence: presence.clone(),
        feed: feed.clone(),
        live: live.clone(),
        reader: reader.clone(),
        histories: Places::default(),
        tasks: tasks.clone(),
    };
    let commands = OwnClock { clock, incarnation: me.incarnation };
    let commands = CommandService { clock: commands, desk, reader: reader.clone() };
    let (me, metrics) = (me.id, recorder());
    Operators { clock, presence, feed, live, reader, channels, commands, me, own, health, membership, metrics, tasks }
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
