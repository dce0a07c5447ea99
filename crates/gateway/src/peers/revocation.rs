//! Passes revocation lists on: each gateway asks every other for lists newer than its own, and is asked.
//!
//! A list proves itself by the signature of its CA, so it does not matter through whom it comes. A gateway that was cut off
//! has the newest within seconds of the first answer.

use super::channels::Channels;
use crate::operators::router::GRPC_MESSAGE_BYTES_MAX;
use crate::presence::Presence;
use crate::tasks::Tasks;
use crate::tls::Revocations;
use crate::tls::peer::IssuerKey;
use crate::tls::revocation::{Held, Number};
use futures_util::{StreamExt, stream};
use std::collections::BTreeSet;
use std::time::Duration;
use tonic::{Request, Response, Status};
use waygate_core::view::Liveness;
use waygate_wire::proto::revocation_client::RevocationClient;
use waygate_wire::proto::revocation_server::Revocation as RevocationService;
use waygate_wire::proto::{HeldList, RevocationExchange};

/// How often each other gateway is asked.
const EVERY: Duration = Duration::from_secs(3);

/// How long one may take.
const DEADLINE: Duration = Duration::from_secs(2);

/// Asked at once.
const AT_ONCE: usize = 64;

/// Lists of one message, and CAs that one is asked about.
const LISTS_MAX: usize = 64;

/// Answers what other gateways ask about lists. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lists(pub Revocations);

#[tonic::async_trait]
impl RevocationService for Lists {
    async fn exchange(&self, request: Request<RevocationExchange>) -> Result<Response<RevocationExchange>, Status> {
        let request = request.into_inner();
        take(&self.0, &request);
        Ok(Response::new(told(&self.0, &held(&request))))
    }
}

/// Asks every known gateway in turns, and at once when there is something new, until the gateway stops.
pub async fn run(revocations: Revocations, presence: Presence, channels: Channels, seeds: Vec<String>, tasks: Tasks) {
    let mut changes = revocations.changes();
    let stopping = tasks.stopping();
    tokio::pin!(stopping);
    loop {
        let round = ask_all(&revocations, &presence, &channels, &seeds);
        tokio::select! {
            () = round => {}
            () = &mut stopping => return,
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            changed = changes.changed() => if changed.is_err() { return },
            () = &mut stopping => return,
        }
    }
}

async fn ask_all(revocations: &Revocations, presence: &Presence, channels: &Channels, seeds: &[String]) {
    let known = presence.ask(|state| {
        let others = state.node.view().nodes().filter(|node| !matches!(node.liveness, Liveness::Own));
        others.map(|node| node.info.operators_url.clone()).collect::<Vec<_>>()
    });
    let mut urls: BTreeSet<String> = known.await.unwrap_or_default().into_iter().collect();
    urls.extend(seeds.iter().map(|seed| seed.trim_end_matches('/').to_owned()));
    let asked = stream::iter(urls).for_each_concurrent(AT_ONCE, |url: String| async move {
        let asked = tokio::time::timeout(DEADLINE, ask(revocations, channels, &url)).await;
        if let Ok(Err(status)) = asked {
            tracing::debug!(url, message = status.message(), "a peer tells no revocation lists");
        }
    });
    asked.await;
}

/// Takes what a peer has newer, and gives it what it lacks.
async fn ask(revocations: &Revocations, channels: &Channels, url: &str) -> Result<(), Status> {
    let channel = channels.to(url).ok_or_else(|| Status::invalid_argument("no address"))?;
    let mut client = RevocationClient::new(channel).max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX);
    let question = RevocationExchange { held: numbers(revocations), lists: Vec::new() };
    let answer = client.exchange(question).await?.into_inner();
    take(revocations, &answer);
    let gift = told(revocations, &held(&answer));
    if !gift.lists.is_empty() {
        client.exchange(gift).await?;
    }
    Ok(())
}

fn take(revocations: &Revocations, exchange: &RevocationExchange) {
    for list in exchange.lists.iter().take(LISTS_MAX) {
        if let Err(fault) = revocations.take(list) {
            metrics::counter!("waygate_revocation_lists_refused_total").increment(1);
            tracing::debug!(%fault, "a revocation list of a peer is not taken");
        }
    }
}

/// What one holds, and the lists that the other lacks.
fn told(revocations: &Revocations, other: &Held) -> RevocationExchange {
    let lists = revocations.newer_than(other).into_iter().take(LISTS_MAX).map(|list| list.to_vec());
    RevocationExchange { held: numbers(revocations), lists: lists.collect() }
}

fn numbers(revocations: &Revocations) -> Vec<HeldList> {
    let write = |(issuer, number): (&IssuerKey, &Number)| HeldList {
        issuer: issuer.0.to_vec(),
        number: number.bytes().to_vec(),
    };
    revocations.held().iter().map(write).collect()
}

fn held(exchange: &RevocationExchange) -> Held {
    let read = |list: &HeldList| Some((IssuerKey(list.issuer.as_slice().try_into().ok()?), Number::new(&list.number)));
    exchange.held.iter().take(LISTS_MAX).filter_map(read).collect()
}
