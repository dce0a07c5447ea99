//! The cheap channel that stays open while the unit sleeps: a subscription on an MQTT broker.

use anyhow::Context;
use rand::Rng;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use std::time::Duration;
use url::Url;
use waygate_core::id::VehicleId;
use waygate_obu::Obu;

/// The first wait after a loss, and the longest; each is up to a half longer, so that not all come at once.
const WAIT: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(64);

/// Pings of the broker; short enough for the address translation of a mobile network.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Largest message that is read, bytes; a wake-up has at most 140.
const PACKET_BYTES_MAX: usize = 1024;

/// Where wake-ups come from.
#[derive(Clone, Debug)]
pub(crate) struct Broker {
    host: String,
    port: u16,
    topic: String,
}

impl Broker {
    /// `mqtt://host:port` and a topic.
    pub(crate) fn new(address: &str, topic: &str) -> anyhow::Result<Self> {
        let url = Url::parse(address).with_context(|| format!("--wake-mqtt {address:?}"))?;
        anyhow::ensure!(url.scheme() == "mqtt", "--wake-mqtt {address:?}: only mqtt:// addresses are supported");
        let host = url.host_str().with_context(|| format!("--wake-mqtt {address:?} names no host"))?;
        Ok(Self { host: host.to_owned(), port: url.port().unwrap_or(1883), topic: topic.to_owned() })
    }
}

/// Subscribes, for ever, and gives the unit what comes.
pub(crate) async fn run(obu: &Obu, broker: &Broker, vehicle: &VehicleId) {
    let mut options = MqttOptions::new(format!("waygate-obu-{vehicle}"), &broker.host, broker.port);
    // The broker keeps what comes while the unit has no connection to it.
    options.set_keep_alive(KEEP_ALIVE).set_clean_session(false);
    options.set_max_packet_size(PACKET_BYTES_MAX, PACKET_BYTES_MAX);
    let (client, mut events) = AsyncClient::new(options, 4);
    let mut wait = WAIT;
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                wait = WAIT;
                if let Err(error) = client.try_subscribe(&broker.topic, QoS::AtLeastOnce) {
                    tracing::warn!(%error, "cannot subscribe to wake-ups");
                }
            }
            Ok(Event::Incoming(Packet::Publish(message))) => obu.woken(&message.payload).await,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "the broker of wake-ups is lost, trying again");
                tokio::time::sleep(wait.mul_f64(1.0 + rand::rng().random::<f64>() / 2.0)).await;
                wait = (wait * 2).min(WAIT_MAX);
            }
        }
    }
}
