//! The enrolment between gateways: what this one answers, and how it tells the others what is new.
//!
//! Every peer that is heard is told everything once, and what changes from then on. Whoever was not heard meanwhile is told
//! everything anew: it may have lost its disk. Joining is the same in any order, so both simply tell.

use super::channels::Channels;
use super::service::PeerService;
use crate::enrolment::EnrolmentDesk;
use crate::presence::Presence;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tonic::{Request, Response, Status};
use waygate_core::enrolment::{Entry, Standing};
use waygate_core::id::{FleetId, Incarnation, NodeId, VehicleId};
use waygate_core::time::Wall;
use waygate_core::view::Liveness;
use waygate_wire::proto;
use waygate_wire::proto::enrolment_client::EnrolmentClient;
use waygate_wire::proto::enrolment_server::Enrolment as EnrolmentService;

/// Entries of one message: some 200 KiB.
const ENTRIES_MAX: usize = 1000;

/// Longest texts taken from a peer, bytes.
const TEXT_BYTES_MAX: usize = 64;

/// How often peers are looked at that have not been told.
const LOOK: Duration = Duration::from_secs(1);

/// How long a peer may take for one message. Nobody else waits for it meanwhile.
const DEADLINE: Duration = Duration::from_secs(5);

/// Which life of which gateway.
type Life = (NodeId, Incarnation);

/// How far everyone was told, and who is being told.
#[derive(Debug, Default)]
struct Told {
    reached: BTreeMap<Life, u64>,
    under_way: BTreeSet<Life>,
}

impl Told {
    /// Whom to tell now, where, and from where on: those that are heard and behind, but not those being told still.
    fn due(&mut self, heard: BTreeMap<Life, String>, upto: u64) -> Vec<(Life, String, u64)> {
        self.reached.retain(|peer, _| heard.contains_key(peer));
        let behind = heard.into_iter().filter_map(|(peer, url)| {
            let from = self.reached.get(&peer).copied().unwrap_or(0);
            (from < upto && self.under_way.insert(peer.clone())).then_some((peer, url, from))
        });
        behind.collect()
    }

    /// One was told so far, or not at all.
    fn done(&mut self, peer: Life, reached: u64) {
        self.under_way.remove(&peer);
        self.reached.insert(peer, reached);
    }
}

#[tonic::async_trait]
impl EnrolmentService for PeerService {
    async fn tell(&self, request: Request<proto::EnrolmentNews>) -> Result<Response<proto::EnrolmentReceipt>, Status> {
        let entries = request.into_inner().entries;
        if entries.len() > ENTRIES_MAX {
            return Err(Status::invalid_argument(format!("at most {ENTRIES_MAX} entries are taken at once")));
        }
        let all = entries.len();
        let read: Vec<_> = entries.into_iter().filter_map(from_proto).collect();
        if read.len() < all {
            metrics::counter!("waygate_enrolment_entries_skipped_total").increment((all - read.len()) as u64);
            tracing::warn!(skipped = all - read.len(), "entries of a peer's enrolment could not be read");
        }
        Ok(Response::new(proto::EnrolmentReceipt { kept: self.enrolment.learn(read).await }))
    }
}

/// Tells the others what is new here, for as long as this is polled.
pub async fn run(enrolment: EnrolmentDesk, presence: Presence, channels: Channels) {
    let mut changes = enrolment.changes();
    let (mut told, mut calls) = (Told::default(), FuturesUnordered::new());
    loop {
        let heard = presence.ask(|state| {
            let alive = state.node.view().nodes().filter(|node| matches!(node.liveness, Liveness::Alive { .. }));
            let told_of =
                alive.map(|node| ((node.info.id.clone(), node.info.incarnation), node.info.operators_url.clone()));
            told_of.collect::<BTreeMap<_, _>>()
        });
        let Some(heard) = heard.await else { return };
        let upto = *changes.borrow_and_update();
        for (peer, url, from) in told.due(heard, upto) {
            let (enrolment, channels) = (&enrolment, &channels);
            calls.push(async move { (peer, tell(enrolment, channels, &url, from).await) });
        }
        // A change is told at once; a peer that appears, or could not be told, within a second. Who is slow keeps nobody
        // else waiting.
        let look = tokio::time::sleep(LOOK);
        tokio::pin!(look);
        loop {
            tokio::select! {
                Some((peer, reached)) = calls.next(), if !calls.is_empty() => told.done(peer, reached),
                _ = changes.changed() => break,
                () = &mut look => break,
            }
        }
    }
}

/// Tells one peer what follows a change. Returns how far it knows.
async fn tell(enrolment: &EnrolmentDesk, channels: &Channels, url: &str, mut from: u64) -> u64 {
    let Some(channel) = channels.to(url) else { return from };
    let mut client = EnrolmentClient::new(channel);
    loop {
        let Some((entries, upto)) = enrolment.after(from, ENTRIES_MAX).await else { return from };
        if entries.is_empty() {
            return from;
        }
        let news = proto::EnrolmentNews { entries: entries.iter().map(to_proto).collect() };
        match tokio::time::timeout(DEADLINE, client.tell(news)).await {
            Ok(Ok(receipt)) if receipt.get_ref().kept => from = upto,
            Ok(Ok(_)) => return from,
            Ok(Err(status)) => {
                tracing::debug!(url, message = status.message(), "a peer was not told of the enrolment");
                return from;
            }
            Err(_) => return from,
        }
    }
}

fn to_proto((vehicle, entry): &(VehicleId, Entry)) -> proto::EnrolmentEntry {
    let standing = match entry.standing {
        Standing::Pending => proto::EnrolmentStanding::Pending,
        Standing::Admitted => proto::EnrolmentStanding::Admitted,
        Standing::Refused => proto::EnrolmentStanding::Refused,
    };
    proto::EnrolmentEntry {
        vehicle: vehicle.as_str().to_owned(),
        fleet: entry.fleet.as_str().to_owned(),
        standing: standing.into(),
        version: entry.version,
        first_ms: entry.first.0,
        last_ms: entry.last.0,
        means: entry.means.clone(),
        by: entry.by.clone(),
    }
}

fn from_proto(entry: proto::EnrolmentEntry) -> Option<(VehicleId, Entry)> {
    let standing = match entry.standing() {
        proto::EnrolmentStanding::Pending => Standing::Pending,
        proto::EnrolmentStanding::Admitted => Standing::Admitted,
        proto::EnrolmentStanding::Refused => Standing::Refused,
        proto::EnrolmentStanding::Unspecified => return None,
    };
    let short = entry.means.len() <= TEXT_BYTES_MAX && entry.by.len() <= TEXT_BYTES_MAX;
    // A decision has a version, and what waits has none.
    let counted = (entry.version == 0) == (standing == Standing::Pending);
    let entry = (short && counted).then_some(entry)?;
    let known = Entry {
        version: entry.version,
        standing,
        fleet: FleetId::new(&entry.fleet).ok()?,
        first: Wall(entry.first_ms),
        last: Wall(entry.last_ms),
        means: entry.means,
        by: entry.by,
    };
    Some((VehicleId::new(&entry.vehicle).ok()?, known))
}

#[cfg(test)]
#[path = "enrolment_tests.rs"]
mod tests;
