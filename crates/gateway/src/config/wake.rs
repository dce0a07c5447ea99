//! `[wake]`: how vehicles without a socket are woken.

use super::ConfigError;
use serde::{Deserialize, Serialize};
use waygate_core::limits::WAKING_MAX;
use waygate_core::pager::WakeRules;
use waygate_core::time::Millis;

/// Stands for the vehicle's id in a topic.
pub const VEHICLE: &str = "{vehicle}";

/// Spans between wake-ups.
const APART_MAX: usize = 8;

/// The longest such span, seconds; all of them together are bounded too.
const SPAN_S_MAX: u64 = WAKING_MAX.0 / 1000;

/// Wake-ups of vehicles without a socket.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WakeConfig {
    /// Where wake-ups by `sms` are handed on: an `http://` address that takes a POST.
    pub webhook: Option<String>,
    /// Seconds between one wake-up and the next.
    pub apart_s: Vec<u64>,
    /// Seconds that the last one may take to bring the vehicle here.
    pub last_s: u64,
    /// Wake-ups a vehicle in an hour.
    pub per_hour: u32,
    /// Where wake-ups by `mqtt` are published.
    pub mqtt: Option<WakeMqttConfig>,
}

impl Default for WakeConfig {
    fn default() -> Self {
        let rules = WakeRules::default();
        Self {
            webhook: None,
            apart_s: rules.apart.iter().map(|span| span.as_secs_ceil()).collect(),
            last_s: rules.last.as_secs_ceil(),
            per_hour: rules.per_hour,
            mqtt: None,
        }
    }
}

/// A broker.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WakeMqttConfig {
    /// `mqtt://host:port`, or `mqtt://host` for port 1883.
    pub broker: String,
    /// Where a vehicle listens; `{vehicle}` stands for its id.
    #[serde(default = "topic")]
    pub topic: String,
    /// Who the gateway is to the broker.
    #[serde(default)]
    pub user: Option<String>,
    /// With which password.
    #[serde(default)]
    pub password: Option<String>,
}

impl std::fmt::Debug for WakeMqttConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { broker, topic, user, .. } = self;
        f.debug_struct("WakeMqttConfig").field("broker", broker).field("topic", topic).field("user", user).finish()
    }
}

fn topic() -> String {
    "waygate/{vehicle}/wake".to_owned()
}

impl WakeConfig {
    /// The rules of the core.
    pub fn rules(&self) -> WakeRules {
        WakeRules {
            apart: self.apart_s.iter().map(|s| Millis::secs(*s)).collect(),
            last: Millis::secs(self.last_s),
            per_hour: self.per_hour,
        }
    }

    /// Whether any hook is configured.
    pub fn has_hook(&self) -> bool {
        self.webhook.is_some() || self.mqtt.is_some()
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |key, what: String| Err(ConfigError::Bounds { key, what });
        let span = |seconds: &u64| (1..=SPAN_S_MAX).contains(seconds);
        if self.apart_s.len() > APART_MAX || !self.apart_s.iter().all(span) {
            let what = format!("must be at most {APART_MAX} spans of 1 to {SPAN_S_MAX} seconds");
            return wrong("[wake] apart_s", what);
        }
        if !span(&self.last_s) {
            return wrong("[wake] last_s", format!("is {}, must be 1 to {SPAN_S_MAX}", self.last_s));
        }
        let total = self.rules().total();
        if total > WAKING_MAX {
            let (is, max) = (total.as_secs_ceil(), WAKING_MAX.as_secs_ceil());
            return wrong("[wake] apart_s", format!("and last_s are {is} s together, must be at most {max}"));
        }
        if !(1..=3600).contains(&self.per_hour) {
            return wrong("[wake] per_hour", format!("is {}, must be 1 to 3600", self.per_hour));
        }
        if let Some(url) = &self.webhook {
            webhook(url).or_else(|what| wrong("[wake] webhook", what).map(|()| http::Uri::default()))?;
        }
        if let Some(mqtt) = &self.mqtt {
            mqtt.address().or_else(|what| wrong("[wake.mqtt] broker", what).map(|()| Default::default()))?;
            let topic = &mqtt.topic;
            if !topic.contains(VEHICLE) || topic.contains(['+', '#', '\0']) || topic.len() > 256 {
                let what = format!("is {topic:?}; it must contain {VEHICLE} and no + or #, in 256 bytes");
                return wrong("[wake.mqtt] topic", what);
            }
            if mqtt.password.is_some() && mqtt.user.is_none() {
                return wrong("[wake.mqtt] user", "is missing beside the password".to_owned());
            }
        }
        Ok(())
    }
}

/// The address of a webhook.
pub fn webhook(url: &str) -> Result<http::Uri, String> {
    if url.starts_with("https://") {
        return Err(format!(
            "{url:?}: this version speaks no TLS to a webhook; give it an http:// address on this machine or a network \
             of your own, where a proxy goes on with https"
        ));
    }
    let uri = url.parse::<http::Uri>().ok().filter(|uri| uri.scheme_str() == Some("http") && uri.host().is_some());
    uri.ok_or_else(|| format!("{url:?} is no http://host:port/path"))
}

impl WakeMqttConfig {
    /// Host and port of the broker.
    pub fn address(&self) -> Result<(String, u16), String> {
        let broker = &self.broker;
        if broker.starts_with("mqtts://") {
            return Err(format!(
                "{broker:?}: this version speaks no TLS to a broker; give it an mqtt:// address on this machine or a \
                 network of your own, where the broker or a proxy listens without"
            ));
        }
        let uri = broker.parse::<http::Uri>().ok().filter(|uri| uri.scheme_str() == Some("mqtt"));
        // Anything behind the port would be passed over unread.
        let uri = uri.filter(|uri| matches!(uri.path(), "" | "/") && uri.query().is_none());
        let host = uri.as_ref().and_then(http::Uri::host).filter(|_| !broker.contains('@'));
        match (host, &uri) {
            (Some(host), Some(uri)) => {
                // An IPv6 address stands in brackets in an address, and without them when it is dialled.
                let host = host.trim_start_matches('[').trim_end_matches(']');
                Ok((host.to_owned(), uri.port_u16().unwrap_or(1883)))
            }
            _ => Err(format!("{broker:?} is no mqtt://host:port")),
        }
    }
}

#[cfg(test)]
#[path = "wake_tests.rs"]
mod tests;
