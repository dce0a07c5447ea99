//! The side of vehicles: their door, and what they are told of other gateways.

use super::engine::Engine;
use crate::config::{AdmissionMode, Config};
use crate::enrolment::EnrolmentDesk;
use crate::presence::Presence;
use crate::tasks::Tasks;
use crate::tls::{Acceptor, Certificates, Protocols, Revocations};
use crate::vehicles::identity::Identities;
use crate::vehicles::listener::Listener;
use crate::vehicles::{Edge, certificate, revoked};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use waygate_core::message::GatewayAddress;
use waygate_core::redirect;

/// How often the list of neighbours that vehicles are told is made anew.
const NEIGHBOURS: Duration = Duration::from_secs(1);

/// How vehicles come in.
#[derive(Debug)]
pub struct Entrance {
    /// The door.
    pub listener: TcpListener,
    /// The certificate that they are shown, and the CAs of theirs.
    pub tls: Option<Certificates>,
    /// Who they are, and what shows it.
    pub identities: Identities,
    /// What is revoked.
    pub revocations: Revocations,
}

/// Serves vehicles, once those whose certificates are revoked have no session.
pub async fn serve(config: &Config, engine: &Engine, enrolment: EnrolmentDesk, wake_key: Vec<u8>, entrance: Entrance) {
    let Engine { clock, territory, tasks, presence, journal, pressure, refusals, desk, .. } = engine.clone();
    let Entrance { listener, tls, identities, revocations } = entrance;
    revoked::tell(&revocations, &presence).await;
    let (revoking, stopping) = (revoked::run(revocations.clone(), presence.clone()), tasks.stopping());
    tasks.spawn("revoked vehicles", async move {
        tokio::select! { () = revoking => {}, () = stopping => {} }
    });
    if let Some(certificates) = &tls {
        tasks.spawn("vehicles' certificates", certificates.clone().run(tasks.clone()));
    }
    let proxy = config.vehicles.identity.proxy.as_ref();
    if let Some((ca, crl)) = proxy.and_then(|proxy| proxy.ca.clone().zip(proxy.crl.clone())) {
        let lists = certificate::follow(ca, crl, revocations, tasks.clone());
        tasks.spawn("proxied certificates' lists", lists);
    }
    let edge = Edge {
        clock,
        neighbours: neighbours(presence.clone(), &tasks),
        presence,
        desk,
        journal,
        timers: config.timers.timers(),
        territory,
        pressure,
        identities,
        enrolment: Some(enrolment).filter(|_| config.vehicles.identity.admission == AdmissionMode::Listed),
        refusals,
        wake_key: Some(wake_key).filter(|_| config.wake.has_hook()),
    };
    let tls = tls.map(|certificates| Acceptor::new(certificates, Protocols::Http1));
    let (sockets, unattached) = (config.vehicles.sockets_max, config.vehicles.unattached_per_address_max);
    let vehicles = Listener::new(Arc::new(edge), tasks.clone(), tls, sockets, unattached);
    tasks.spawn("vehicles", vehicles.run(listener));
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
