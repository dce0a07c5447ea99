//! The MQTT hook: a message on the topic that the vehicle listens to, QoS 1 and not retained.
//!
//! One task owns the connection to the broker. It is made when the first wake-up is to be sent and given up at the
//! first error; what was under way on it then has failed, and the pager's next try makes a new one. So nothing is
//! ever sent again that may be late, and no acknowledgement is taken for another's.

use super::PATIENCE;
use crate::config::{WAKE_VEHICLE, WakeMqttConfig};
use crate::tasks::Tasks;
use rumqttc::{AsyncClient, ConnectionError, Event, EventLoop, Incoming, MqttOptions, Outgoing, QoS};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use waygate_core::id::VehicleId;

/// Messages that wait for the task or for the broker.
const PUBLICATIONS_MAX: usize = 256;

/// How often an idle connection shows the broker that it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

struct Publication {
    topic: String,
    payload: String,
    /// Told once the broker has it; dropped with the connection.
    done: oneshot::Sender<()>,
}

/// The way to the task that owns the connection.
#[derive(Debug)]
pub struct Mqtt {
    broker: String,
    topic: String,
    publications: mpsc::Sender<Publication>,
}

impl Mqtt {
    /// A hook that publishes at this broker. Nothing is dialled yet.
    pub fn new(node: &str, config: &WakeMqttConfig, tasks: &Tasks) -> Result<Self, String> {
        let (host, port) = config.address()?;
        // A broker hangs up on whoever has the name of a newer client: the node's is unique in the cluster.
        let mut options = MqttOptions::new(format!("waygate-{node}"), host, port);
        options.set_keep_alive(KEEP_ALIVE).set_clean_session(true);
        if let Some(user) = &config.user {
            options.set_credentials(user, config.password.as_deref().unwrap_or_default());
        }
        let (publications, queue) = mpsc::channel(PUBLICATIONS_MAX);
        let stopping = tasks.stopping();
        tasks.spawn("mqtt", async move {
            tokio::select! { () = run(options, queue) => {}, () = stopping => {} }
        });
        Ok(Self { broker: config.broker.clone(), topic: config.topic.clone(), publications })
    }

    /// Publishes a wake-up; done once the broker has acknowledged it.
    pub async fn publish(&self, vehicle: &VehicleId, payload: &str) -> Result<(), String> {
        let (done, acknowledged) = oneshot::channel();
        let topic = self.topic.replace(WAKE_VEHICLE, vehicle.as_str());
        let publication = Publication { topic, payload: payload.to_owned(), done };
        if self.publications.try_send(publication).is_err() {
            return Err(format!("{PUBLICATIONS_MAX} messages wait for {} already", self.broker));
        }
        match tokio::time::timeout(PATIENCE, acknowledged).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(format!("{} cannot be reached, or hung up; debug logs say why", self.broker)),
            Err(_) => Err(format!("{} did not acknowledge within {} s", self.broker, PATIENCE.as_secs())),
        }
    }
}

/// A connection to the broker, and who waits for an acknowledgement on it.
struct Link {
    client: AsyncClient,
    events: EventLoop,
    connected: bool,
    /// In the order in which they were given to the client.
    queued: VecDeque<oneshot::Sender<()>>,
    /// By packet id.
    sent: BTreeMap<u16, oneshot::Sender<()>>,
}

async fn run(options: MqttOptions, mut publications: mpsc::Receiver<Publication>) {
    let mut link: Option<Link> = None;
    loop {
        // While it is dialled, nothing else is taken: that would begin the dialling anew.
        let takes = link.as_ref().is_none_or(|link| link.connected && link.queued.len() < PUBLICATIONS_MAX);
        tokio::select! {
            publication = publications.recv(), if takes => match publication {
                Some(publication) => link.get_or_insert_with(|| Link::new(&options)).publish(publication),
                None => return,
            },
            event = next(&mut link) => match (event, &mut link) {
                (Ok(event), Some(link)) => link.note(&event),
                (Err(error), _) => {
                    tracing::debug!(%error, "the connection to the broker is lost");
                    link = None;
                }
                (Ok(_), None) => {}
            },
        }
    }
}

async fn next(link: &mut Option<Link>) -> Result<Event, ConnectionError> {
    match link {
        Some(link) => link.events.poll().await,
        None => std::future::pending().await,
    }
}

impl Link {
    fn new(options: &MqttOptions) -> Self {
        let (client, events) = AsyncClient::new(options.clone(), PUBLICATIONS_MAX);
        Self { client, events, connected: false, queued: VecDeque::new(), sent: BTreeMap::new() }
    }

    fn publish(&mut self, publication: Publication) {
        let Publication { topic, payload, done } = publication;
        if done.is_closed() {
            // Whoever asked has given up: a late wake-up helps nobody, and takes the room of a fresh one.
            return;
        }
        match self.client.try_publish(topic, QoS::AtLeastOnce, false, payload) {
            Ok(()) => self.queued.push_back(done),
            // Whoever waits sees it dropped.
            Err(error) => tracing::debug!(%error, "a message was not taken by the client"),
        }
    }

    fn note(&mut self, event: &Event) {
        if let Event::Incoming(Incoming::ConnAck(_)) = event {
            self.connected = true;
        } else if let Event::Outgoing(Outgoing::Publish(id)) = event {
            if let Some(done) = self.queued.pop_front() {
                self.sent.insert(*id, done);
            }
        } else if let Event::Incoming(Incoming::PubAck(ack)) = event
            && let Some(done) = self.sent.remove(&ack.pkid)
        {
            let _ = done.send(());
        }
    }
}
