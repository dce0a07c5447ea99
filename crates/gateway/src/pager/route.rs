//! Where a page is answered: at the gateway that serves the vehicle.

use super::{PageReply, Pager};
use crate::presence::{Presence, State};
use std::time::Duration;
use tonic::transport::Channel;
use waygate_core::id::{NodeId, VehicleId};
use waygate_core::time::Millis;
use waygate_core::view::Known;
use waygate_wire::operator::PageOutcome;
use waygate_wire::proto;
use waygate_wire::proto::paging_client::PagingClient;

/// How long an answer of a peer may be on its way, beside what the page may take.
const WAY: Duration = Duration::from_secs(2);

/// How long to wait before the directory is asked again after a peer did not answer: its stream breaks meanwhile, if it
/// is gone.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Where a vehicle is served, as this gateway sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// There is no record of it.
    Unknown,
    /// Here.
    Here,
    /// At a gateway that is heard: its name and its operators' address.
    There(NodeId, String),
    /// At a gateway that is not heard.
    Unheard(NodeId),
}

impl Place {
    /// Looks in the view.
    pub fn of(state: &State, vehicle: &VehicleId) -> Self {
        let Some(sight) = state.sight(vehicle) else {
            return Self::Unknown;
        };
        let view = state.node.view();
        match view.node(&sight.owner) {
            _ if sight.owner == view.me().id => Self::Here,
            Some(status) if state.hears(&sight) => Self::There(sight.owner, status.info.operators_url.clone()),
            Some(_) | None => Self::Unheard(sight.owner),
        }
    }

    /// Asks the presence task; `None` if it has ended.
    pub async fn find(presence: &Presence, vehicle: &VehicleId) -> Option<Self> {
        let vehicle = vehicle.clone();
        presence.ask(move |state| Self::of(state, &vehicle)).await
    }
}

/// The gateway that a vehicle is online at, as this gateway sees it.
pub(super) fn serving(state: &State, vehicle: &VehicleId) -> Option<String> {
    let online = state.sight(vehicle).filter(|sight| sight.known == Known::Online && state.hears(sight));
    online.map(|sight| sight.owner.as_str().to_owned())
}

impl Pager {
    pub(super) async fn route(&self, vehicle: &VehicleId, wait: Duration, wake: bool) -> Option<PageReply> {
        let began = tokio::time::Instant::now();
        let took = || Millis(began.elapsed().as_millis() as u64);
        let mut detail = String::new();
        // The vehicle may move while it is asked for: then the directory is asked once more.
        for again in [false, true] {
            let left = wait.saturating_sub(began.elapsed());
            let (node, url) = match Place::find(&self.presence, vehicle).await? {
                Place::There(node, url) => (node, url),
                Place::Here | Place::Unheard(_) | Place::Unknown => {
                    let reply = self.here(vehicle.clone(), left, wake).await?;
                    return Some(PageReply { took: took(), ..reply });
                }
            };
            match self.ask(&url, vehicle, left, wake).await {
                Ok(Some(reply)) => return Some(PageReply { took: took(), ..reply }),
                Ok(None) => detail = format!("{node} was to serve it and does not; it is between two gateways"),
                Err(error) => {
                    tracing::debug!(%node, error, "a peer did not answer a page");
                    detail = format!("{node} serves it and did not answer the page: {error}");
                    if !again {
                        tokio::time::sleep(LOOK_AGAIN).await;
                    }
                }
            }
        }
        Some(PageReply { outcome: PageOutcome::Unreachable, took: took(), gateway: None, detail })
    }

    /// Asks a peer. `None` if it does not serve the vehicle.
    async fn ask(
        &self,
        url: &str,
        vehicle: &VehicleId,
        wait: Duration,
        wake: bool,
    ) -> Result<Option<PageReply>, String> {
        let mut client = self.client(url)?;
        let wait_ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
        let request = proto::PageRequest { vehicle: vehicle.as_str().to_owned(), wait_ms, wake };
        let reply = tokio::time::timeout(wait + WAY, client.page(request)).await;
        let reply = reply.map_err(|_| "no answer in time".to_owned())?.map_err(|status| status.message().to_owned())?;
        let reply = reply.into_inner();
        let outcome = match reply.outcome() {
            proto::PageOutcome::Reachable => PageOutcome::Reachable,
            proto::PageOutcome::Woken => PageOutcome::Woken,
            proto::PageOutcome::Unreachable => PageOutcome::Unreachable,
            proto::PageOutcome::NotServed => return Ok(None),
            proto::PageOutcome::Unspecified => return Err("its answer cannot be read".to_owned()),
        };
        let gateway = Some(reply.gateway).filter(|gateway| !gateway.is_empty());
        Ok(Some(PageReply { outcome, took: Millis(reply.took_ms), gateway, detail: reply.detail }))
    }

    /// Has a peer ask a vehicle for its signals. `None` if it does not serve the vehicle.
    pub async fn snapshot_there(
        &self,
        url: &str,
        vehicle: &VehicleId,
        signals: Vec<String>,
    ) -> Result<Option<bool>, String> {
        let mut client = self.client(url)?;
        let order = proto::SnapshotOrder { vehicle: vehicle.as_str().to_owned(), signals };
        let reply = tokio::time::timeout(WAY + WAY, client.snapshot(order)).await;
        let reply = reply.map_err(|_| "no answer in time".to_owned())?.map_err(|status| status.message().to_owned())?;
        let reply = reply.into_inner();
        Ok(reply.served.then_some(reply.requested))
    }

    fn client(&self, url: &str) -> Result<PagingClient<Channel>, String> {
        let channel = self.channels.to(url).ok_or_else(|| format!("{url:?} is no address"))?;
        Ok(PagingClient::new(channel))
    }
}
