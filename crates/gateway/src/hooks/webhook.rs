//! The webhook: a POST to the operator's own service, which sends the short message or whatever taps the vehicle.

use super::{PATIENCE, WakeUp};
use crate::config::webhook_address;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;

/// A request that failed is made once more at once: the connection it was made on may have been an old one.
const TRIES: usize = 2;

/// Where wake-ups are posted to.
#[derive(Debug)]
pub struct Webhook {
    uri: http::Uri,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// What is posted.
#[derive(Debug, Serialize)]
struct Body<'a> {
    vehicle: &'a str,
    channel: &'a str,
    reason: &'a str,
    nonce: String,
    payload: &'a str,
    deadline_s: f64,
}

impl Webhook {
    /// A hook that posts to this address.
    pub fn new(url: &str) -> Result<Self, String> {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Ok(Self { uri: webhook_address(url)?, client })
    }

    /// Hands a wake-up on; any answer of 2xx takes it.
    pub async fn post(&self, wake_up: &WakeUp, nonce: u64, payload: &str) -> Result<(), String> {
        let body = Body {
            vehicle: wake_up.vehicle.as_str(),
            channel: "sms",
            reason: wake_up.reason,
            nonce: nonce.to_string(),
            payload,
            deadline_s: wake_up.deadline.0 as f64 / 1000.0,
        };
        let body = Bytes::from(serde_json::to_vec(&body).map_err(|error| error.to_string())?);
        let mut failure = String::new();
        for _ in 0..TRIES {
            match tokio::time::timeout(PATIENCE, self.once(body.clone())).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => failure = error,
                Err(_) => failure = format!("{} did not answer within {} s", self.uri, PATIENCE.as_secs()),
            }
        }
        Err(failure)
    }

    async fn once(&self, body: Bytes) -> Result<(), String> {
        let request = http::Request::post(self.uri.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("waygate/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        let response = self.client.request(request).await.map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("{}: {error}{cause}", self.uri)
        })?;
        let status = response.status();
        if status.is_success() { Ok(()) } else { Err(format!("{} answered {status}", self.uri)) }
    }
}
