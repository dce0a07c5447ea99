//! Asks gateways what an operator would ask: one GET, one deadline, JSON.
//!
//! The judge uses it to look at what was stored, the demo to see what each region knows.

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::{StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// The largest answer that is read: a page of 10 000 records is about 4 MB.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Characters of an answer that an error repeats.
const SHOWN_CHARS_MAX: usize = 300;

/// One gateway's operator address. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Operator {
    client: Client<HttpConnector, Empty<Bytes>>,
    base: String,
    timeout: Duration,
}

/// A question without an answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No gateway is there.
    #[error("{url} does not answer: {source}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// What the system says.
        #[source]
        source: hyper_util::client::legacy::Error,
    },
    /// The answer did not come in time.
    #[error("{url} gave no answer within {} s", after.as_secs_f32())]
    TimedOut {
        /// What was asked.
        url: String,
        /// How long was waited.
        after: Duration,
    },
    /// The gateway refuses or fails.
    #[error("{url} answers {status}: {body}")]
    Refused {
        /// What was asked.
        url: String,
        /// As it answered.
        status: StatusCode,
        /// Shortened.
        body: String,
    },
    /// What came is not what the API promises.
    #[error("{url} answers with something else than the operator API: {why}")]
    NotTheApi {
        /// What was asked.
        url: String,
        /// In which way.
        why: String,
    },
}

impl Operator {
    /// `base` is as in `http://127.0.0.1:7801`.
    pub fn new(base: &str, timeout: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(timeout));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { client, base: base.trim_end_matches('/').to_owned(), timeout }
    }

    /// The address, without a slash at its end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Asks for a path with its query and reads the answer as JSON.
    pub async fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<T, AskError> {
        let url = format!("{}{path}", self.base);
        let (status, body) = self.fetch(&url).await?;
        if !status.is_success() {
            let body: String = String::from_utf8_lossy(&body).chars().take(SHOWN_CHARS_MAX).collect();
            return Err(AskError::Refused { url, status, body });
        }
        serde_json::from_slice(&body).map_err(|e| AskError::NotTheApi { url, why: e.to_string() })
    }

    /// Asks for a path and reads the status alone.
    pub async fn status(&self, path: &str) -> Result<StatusCode, AskError> {
        Ok(self.fetch(&format!("{}{path}", self.base)).await?.0)
    }

    async fn fetch(&self, url: &str) -> Result<(StatusCode, Bytes), AskError> {
        let not_the_api = |why: String| AskError::NotTheApi { url: url.to_owned(), why };
        let uri: Uri = url.parse().map_err(|e| not_the_api(format!("no address: {e}")))?;
        let exchange = async {
            let answer = self.client.get(uri).await;
            let answer = answer.map_err(|source| AskError::Unreachable { url: url.to_owned(), source })?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
            Ok((status, body.map_err(|e| not_the_api(format!("the answer broke off: {e}")))?.to_bytes()))
        };
        let late = |_| AskError::TimedOut { url: url.to_owned(), after: self.timeout };
        tokio::time::timeout(self.timeout, exchange).await.map_err(late)?
    }
}
