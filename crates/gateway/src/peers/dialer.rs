//! Dials the other gateways and keeps one presence stream with each.

use super::channels::Channels;
use super::membership::Membership;
use super::meter::{Meter, dialled};
use super::stream::Streams;
use crate::presence::Presence;
use crate::tasks::Tasks;
use futures_util::StreamExt;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use waygate_core::id::NodeId;
use waygate_wire::peer::greeter;
use waygate_wire::proto::presence_client::PresenceClient;

/// The first wait after a stream ended; doubled up to the longest.
const RETRY_FIRST: Duration = Duration::from_millis(200);
/// The longest wait.
const RETRY_LONGEST: Duration = Duration::from_secs(3);

/// Dials what the membership names.
#[derive(Debug, Clone)]
pub struct Dialer {
    presence: Presence,
    streams: Streams,
    channels: Channels,
    tasks: Tasks,
}

impl Dialer {
    /// A dialer whose streams end at this presence task.
    pub fn new(presence: Presence, streams: Streams, channels: Channels, tasks: Tasks) -> Self {
        Self { presence, streams, channels, tasks }
    }

    /// Keeps a task for every address until the gateway stops.
    pub async fn run(self, membership: impl Membership) {
        let mut roster = membership.roster();
        let mut dialling: BTreeMap<String, CancellationToken> = BTreeMap::new();
        let stopping = self.tasks.stopping();
        tokio::pin!(stopping);
        loop {
            let wanted = roster.borrow_and_update().dial.clone();
            dialling.retain(|address, stop| {
                let keep = wanted.contains(address);
                if !keep {
                    stop.cancel();
                }
                keep
            });
            for address in wanted {
                if !dialling.contains_key(&address) {
                    let stop = CancellationToken::new();
                    dialling.insert(address.clone(), stop.clone());
                    self.tasks.spawn("dial", self.clone().keep(address, stop));
                }
            }
            tokio::select! {
                biased;
                () = &mut stopping => return,
                changed = roster.changed() => if changed.is_err() {
                    // The list is final.
                    (&mut stopping).await;
                    return;
                },
            }
        }
    }

    async fn keep(self, address: String, stop: CancellationToken) {
        let stopping = self.tasks.stopping();
        tokio::pin!(stopping);
        let mut wait = RETRY_FIRST;
        let mut peer = None;
        loop {
            tokio::select! {
                biased;
                () = &mut stopping => return,
                heard = self.dial(&address, &mut peer, &stop) => {
                    wait = if heard { RETRY_FIRST } else { (wait * 2).min(RETRY_LONGEST) };
                }
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = &mut stopping => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// One stream, from the call to its end, which comes at once when it is to stop; the presence task learns of it
    /// either way. Returns whether the peer was heard.
    async fn dial(&self, address: &str, peer: &mut Option<NodeId>, stop: &CancellationToken) -> bool {
        if let Some(peer) = peer.clone()
            && self.presence.ask(move |state| state.node.link_to(&peer).is_some()).await == Some(true)
        {
            // It has dialled us, and that stream stands.
            return true;
        }
        let Some(channel) = self.channels.to(address) else {
            tracing::error!(address, "this is no address of a peer");
            return false;
        };
        let opened = self.streams.open(true, Meter::default()).await;
        let mut client = PresenceClient::new(dialled(channel, &opened.meter));
        let response = tokio::select! {
            biased;
            () = stop.cancelled() => Err(tonic::Status::cancelled("it is not to be dialled any more")),
            response = client.sync(opened.outbound.encoded()) => response,
        };
        let inbound = match response {
            Ok(response) => response.into_inner(),
            Err(status) => {
                tracing::debug!(address, message = status.message(), "a peer cannot be reached");
                let nothing = futures_util::stream::empty();
                self.streams.read(opened.link, &opened.meter, opened.reader, nothing, opened.hang_up, None).await;
                return false;
            }
        };
        // Whoever has answered had shown its certificate.
        let speaker = self.channels.speaker(address);
        if self.channels.are_trusted() && speaker.is_none() {
            opened.hang_up.cancel();
        }
        let mut heard = false;
        let noted = inbound.inspect(|frame| {
            if let Some(greeter) = frame.as_ref().ok().and_then(greeter) {
                heard = true;
                *peer = Some(greeter);
            }
        });
        let why = {
            let read =
                self.streams.read(opened.link, &opened.meter, opened.reader, noted, opened.hang_up.clone(), speaker);
            tokio::pin!(read);
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    opened.hang_up.cancel();
                    read.await
                }
                why = &mut read => why,
            }
        };
        tracing::debug!(address, why, "a stream to a peer has ended");
        heard
    }
}
