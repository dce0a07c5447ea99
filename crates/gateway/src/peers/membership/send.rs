//! Packets on their way to other gateways, and the question who answers at an address.

use super::task::Letter;
use crate::peers::channels::Channels;
use crate::peers::gate::impostor;
use crate::tasks::Tasks;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use waygate_core::membership::{Member, Packet};
use waygate_wire::membership::{member_from_proto, member_to_proto, packet_to_proto};
use waygate_wire::proto::IntroduceRequest;
use waygate_wire::proto::membership_client::MembershipClient;

/// Packets and questions under way at once; what finds no room is dropped, as a network would.
const UNDER_WAY_MAX: usize = 256;

/// Of them to one address: a gateway that does not answer takes no more of the room.
const TO_ONE_MAX: usize = 8;

/// How long a packet may take. Later it would say nothing of now.
const PACKET_TIMEOUT: Duration = Duration::from_secs(2);

/// How long an address may take to say who answers there.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(3);

/// Why what a gateway says of itself is not believed.
fn doubt(channels: &Channels, seed: &str, member: &Member) -> Option<String> {
    match channels.speaker(seed) {
        None if channels.are_trusted() => Some("its certificate is not remembered".to_owned()),
        speaker => impostor(&member.info, speaker.as_ref()),
    }
}

/// Sends, without ever waiting.
#[derive(Debug)]
pub struct Sender {
    channels: Channels,
    tasks: Tasks,
    room: Arc<Semaphore>,
    to_one: std::collections::BTreeMap<String, Arc<Semaphore>>,
}

impl Sender {
    /// A sender over these channels.
    pub fn new(channels: Channels, tasks: Tasks) -> Self {
        let room = Arc::new(Semaphore::new(UNDER_WAY_MAX));
        Self { channels, tasks, room, to_one: std::collections::BTreeMap::new() }
    }

    /// Sends a packet; it may be lost.
    pub fn send(&mut self, to: &Member, packet: Packet) {
        let address = to.info.operators_url.clone();
        let Some((permits, channel)) = self.permits(&address).zip(self.channels.to(&address)) else {
            return metrics::counter!("waygate_membership_packets_dropped_total").increment(1);
        };
        self.tasks.spawn_small(async move {
            let packet = packet_to_proto(packet);
            let sent = tokio::time::timeout(PACKET_TIMEOUT, MembershipClient::new(channel).send(packet)).await;
            if let Ok(Err(status)) = sent {
                tracing::trace!(address, message = status.message(), "a packet of the membership was lost");
            }
            drop(permits);
        });
    }

    /// Asks who answers at an address; the answer comes as a letter.
    pub fn ask(&mut self, me: &Member, seed: String, letters: mpsc::Sender<Letter>) {
        let Some((permits, channel)) = self.permits(&seed).zip(self.channels.to(&seed)) else { return };
        let channels = self.channels.clone();
        let request = IntroduceRequest { from: Some(member_to_proto(me)) };
        self.tasks.spawn_small(async move {
            let mut client = MembershipClient::new(channel);
            let asked = client.introduce(request);
            match tokio::time::timeout(QUESTION_TIMEOUT, asked).await {
                Ok(Ok(reply)) => match member_from_proto(reply.into_inner().member) {
                    Ok(member) => match doubt(&channels, &seed, &member) {
                        Some(why) => tracing::warn!(seed, "who answers there is not believed: {why}"),
                        // Without room the seed is asked again.
                        None => drop(letters.try_send(Letter::Introduced { seed, member })),
                    },
                    Err(fault) => tracing::warn!(seed, %fault, "who answers there cannot be understood"),
                },
                Ok(Err(status)) => tracing::debug!(seed, message = status.message(), "nobody says who answers there"),
                Err(_) => tracing::debug!(seed, "nobody says in time who answers there"),
            }
            drop(permits);
        });
    }

    /// Drops what is kept of addresses that nothing is on its way to.
    pub fn tidy(&mut self) {
        self.to_one.retain(|_, room| room.available_permits() < TO_ONE_MAX);
    }

    /// Resolves when nothing is under way any more.
    pub async fn sent(&self) {
        // It is closed never.
        let _ = self.room.acquire_many(UNDER_WAY_MAX as u32).await;
    }

    fn permits(&mut self, address: &str) -> Option<[tokio::sync::OwnedSemaphorePermit; 2]> {
        let one = self.to_one.entry(address.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(TO_ONE_MAX)));
        let one = one.clone().try_acquire_owned().ok()?;
        Some([one, self.room.clone().try_acquire_owned().ok()?])
    }
}
