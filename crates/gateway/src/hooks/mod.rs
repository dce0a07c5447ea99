//! Wake hooks: hand a wake-up on to whatever reaches a vehicle without a socket.
//!
//! A hook only hands on; whether the vehicle comes is seen by the pager. Each wake-up is sent by a task of its own,
//! a bounded number at once, and each has an end: a hook that hangs holds up none but itself.

pub mod mqtt;
pub mod webhook;

use crate::config::{Config, ConfigError};
use crate::tasks::Tasks;
use mqtt::Mqtt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use waygate_core::id::VehicleId;
use waygate_core::time::Millis;
use waygate_core::wake::{WakeChannel, WakeChannels};
use waygate_core::wake_up;
use webhook::Webhook;

/// Wake-ups that are handed on at once; more wait for these.
const AT_ONCE_MAX: usize = 64;

/// How long a hook may take to take a wake-up.
const PATIENCE: Duration = Duration::from_secs(5);

/// One wake-up to be handed on.
#[derive(Clone, Debug)]
pub struct WakeUp {
    /// Whom.
    pub vehicle: VehicleId,
    /// By which channels.
    pub channels: WakeChannels,
    /// Why: `page` or `command`.
    pub reason: &'static str,
    /// How long it may take to bring the vehicle here; later it is of no use.
    pub deadline: Millis,
}

/// The hooks of one gateway. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Hooks(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    key: Vec<u8>,
    webhook: Option<Webhook>,
    mqtt: Option<Mqtt>,
    permits: Semaphore,
    failing: [AtomicBool; 2],
}

impl Hooks {
    /// The hooks that are configured; `key` is the cluster's.
    pub fn new(config: &Config, key: Vec<u8>, tasks: &Tasks) -> Result<Self, ConfigError> {
        let wrong = |key| move |what| ConfigError::Bounds { key, what };
        let webhook = config.wake.webhook.as_deref().map(Webhook::new).transpose();
        let mqtt = config.wake.mqtt.as_ref().map(|mqtt| Mqtt::new(&config.node.id, mqtt, tasks)).transpose();
        Ok(Self(Arc::new(Inner {
            key,
            webhook: webhook.map_err(wrong("[wake] webhook"))?,
            mqtt: mqtt.map_err(wrong("[wake.mqtt] broker"))?,
            permits: Semaphore::new(AT_ONCE_MAX),
            failing: Default::default(),
        })))
    }

    /// The channels that there is a hook for.
    pub fn channels(&self) -> WakeChannels {
        let hooked = |channel: &&WakeChannel| match channel {
            WakeChannel::Sms => self.0.webhook.is_some(),
            WakeChannel::Mqtt => self.0.mqtt.is_some(),
        };
        WakeChannel::ALL.iter().filter(hooked).copied().collect()
    }

    /// Hands a wake-up on by all of its channels. Returns whether any hook took it.
    pub async fn send(&self, wake_up: &WakeUp) -> bool {
        let deadline = Duration::from_millis(wake_up.deadline.0);
        let Ok(Ok(_permit)) = tokio::time::timeout(deadline, self.0.permits.acquire()).await else {
            metrics::counter!("waygate_wakes_total", "channel" => "any", "result" => "too_late").increment(1);
            return false;
        };
        let mut random = [0; 8];
        if let Err(error) = getrandom::fill(&mut random) {
            tracing::error!(%error, "no random bits: a wake-up is not sent");
            return false;
        }
        let nonce = u64::from_be_bytes(random);
        let payload = wake_up::seal(&wake_up::key_for(&self.0.key, &wake_up.vehicle), &wake_up.vehicle, nonce);
        let by = |channel: WakeChannel| wake_up.channels.contains(channel);
        let sms = async {
            match self.0.webhook.as_ref().filter(|_| by(WakeChannel::Sms)) {
                Some(hook) => self.note(WakeChannel::Sms, hook.post(wake_up, nonce, &payload).await),
                None => false,
            }
        };
        let mqtt = async {
            match self.0.mqtt.as_ref().filter(|_| by(WakeChannel::Mqtt)) {
                Some(hook) => self.note(WakeChannel::Mqtt, hook.publish(&wake_up.vehicle, &payload).await),
                None => false,
            }
        };
        let (sms, mqtt) = tokio::join!(sms, mqtt);
        sms || mqtt
    }

    /// Counts what became of a wake-up; tells of the first failure and of its end.
    fn note(&self, channel: WakeChannel, result: Result<(), String>) -> bool {
        let name = if result.is_ok() { "taken" } else { "failed" };
        metrics::counter!("waygate_wakes_total", "channel" => channel.wire(), "result" => name).increment(1);
        let failing = match channel {
            WakeChannel::Sms => &self.0.failing[0],
            WakeChannel::Mqtt => &self.0.failing[1],
        };
        let failed_before = failing.swap(result.is_err(), Ordering::Relaxed);
        match &result {
            Err(error) if !failed_before => {
                tracing::warn!(channel = channel.wire(), error, "a wake hook fails; wake-ups are tried again");
            }
            Err(error) => tracing::debug!(channel = channel.wire(), error, "a wake hook still fails"),
            Ok(()) if failed_before => tracing::info!(channel = channel.wire(), "a wake hook takes wake-ups again"),
            Ok(()) => {}
        }
        result.is_ok()
    }
}
