//! The operator API as a client asks it: one request, one deadline, and errors that say what to do. It decides
//! nothing, prints nothing and repeats nothing: what to do with an order that was not answered is the caller's.

use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;
use waygate_wire::operator::UnreadableEvent;

use crate::args::AskArgs;
use crate::exit::{Exit, Failure};
use crate::lines::Lines;
use crate::trust;
use crate::words;

/// The largest answer that is read: a page of 10 000 records with many signals stays well below.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The largest problem that is read: its text is shown to a person.
const PROBLEM_BYTES_MAX: usize = 64 * 1024;

/// Asks one gateway.
#[derive(Clone, Debug)]
pub struct Api {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: Url,
    pub(crate) timeout: Duration,
}

/// One request, before it is sent.
#[derive(Debug)]
struct Question<'a> {
    method: Method,
    path: &'a [&'a str],
    query: &'a [(&'a str, String)],
    body: Bytes,
    accept: &'static str,
    header: Option<(&'static str, &'a str)>,
}

impl<'a> Question<'a> {
    fn get(path: &'a [&'a str], query: &'a [(&'a str, String)]) -> Self {
        Self { method: Method::GET, path, query, body: Bytes::new(), accept: "application/json", header: None }
    }
}

/// Why an answer did not come, or is not one.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Nothing listens there, or the way there is broken; whether the question may have arrived.
    #[error("no gateway answers at {url} ({why})")]
    Unreachable { url: String, why: String, asked: bool },
    /// It took longer than it may.
    #[error("{url} gave no answer within {}", words::age(after.as_secs_f64()))]
    TimedOut { url: String, after: Duration },
    /// The gateway says what is wrong, in its own words.
    #[error("{}", problem_text(*status, title, detail, parameter.as_deref()))]
    Problem { status: StatusCode, title: String, detail: String, parameter: Option<String> },
    /// Something answers, but not with the operator API.
    #[error("{url} answers {why}: that is not a gateway's operator address")]
    NotTheApi { url: String, why: String },
    /// The question cannot be put into a request; nothing was asked.
    #[error("{what} cannot be sent: {why}")]
    Unsendable { what: String, why: String },
}

impl ApiError {
    /// Whether what was asked for may have been done all the same.
    pub fn is_unsure(&self) -> bool {
        match self {
            Self::Unreachable { asked, .. } => *asked,
            Self::TimedOut { .. } => true,
            Self::Problem { status, .. } => status.is_server_error(),
            Self::NotTheApi { .. } | Self::Unsendable { .. } => false,
        }
    }

    /// Whether the same question may be answered later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } => true,
            Self::Problem { status, .. } => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
            Self::NotTheApi { .. } | Self::Unsendable { .. } => false,
        }
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let exit = match &error {
            ApiError::Unreachable { .. } | ApiError::TimedOut { .. } => Exit::Unreachable,
            // Not the asker's fault: there is no such vehicle, or it has no socket.
            ApiError::Problem { status: StatusCode::NOT_FOUND | StatusCode::CONFLICT, .. } => Exit::Nothing,
            ApiError::Problem { status: StatusCode::TOO_MANY_REQUESTS, .. } => Exit::Server,
            ApiError::Problem { status, .. } if status.is_client_error() => Exit::Usage,
            ApiError::Problem { .. } | ApiError::NotTheApi { .. } => Exit::Server,
            ApiError::Unsendable { .. } => Exit::Internal,
        };
        let advice = match &error {
            ApiError::Unreachable { url, .. } if url.starts_with("https:") => {
                "\n  name the CA of its certificate with --ca or WAYGATE_CA, and the gateway by a host that the certificate is for"
            }
            ApiError::Unreachable { .. } => {
                "\n  start one with `waygate demo` or `waygate gateway --config FILE`, or name another with --url or WAYGATE_URL"
            }
            ApiError::TimedOut { .. } => "\n  allow it more with --timeout SECONDS, or ask another with --url",
            ApiError::NotTheApi { .. } => "\n  check --url: vehicles and operators have different ports",
            ApiError::Problem { .. } | ApiError::Unsendable { .. } => "",
        };
        Self::new(exit, format!("{error}{advice}"))
    }
}

impl Api {
    pub fn new(ask: &AskArgs) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(ask.timeout));
        connector.set_nodelay(true);
        connector.enforce_http(false);
        let tls = HttpsConnectorBuilder::new().with_tls_config(trust::client(ask.ca.as_ref()));
        let connector = tls.https_or_http().enable_http1().wrap_connector(connector);
        Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            base: ask.url.clone(),
            timeout: ask.timeout,
        }
    }

    /// The gateway's address as it was given, without the slash at its end.
    pub fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// The same gateway, for an answer that may take so much longer.
    pub fn patient(&self, longer: Duration) -> Self {
        Self { timeout: self.timeout + longer, ..self.clone() }
    }

    /// Asks for `/v1/<path…>` and reads the whole answer.
    pub async fn ask(&self, path: &[&str], query: &[(&str, String)]) -> Result<Value, ApiError> {
        self.exchange(Question::get(path, query)).await
    }

    /// Posts to `/v1/<path…>`, with a body if there is one, and reads the whole answer.
    pub async fn post<T: Serialize>(
        &self,
        path: &[&str],
        body: Option<&T>,
        header: Option<(&'static str, &str)>,
    ) -> Result<Value, ApiError> {
        let body = body.map(serde_json::to_vec).transpose();
        let body = body.map_err(|error| unsendable("the body", &error))?;
        let body = Bytes::from(body.unwrap_or_default());
        self.exchange(Question { method: Method::POST, body, header, ..Question::get(path, &[]) }).await
    }

    /// Deletes `/v1/<path…>` and reads the whole answer.
    pub async fn delete(&self, path: &[&str]) -> Result<Value, ApiError> {
        self.exchange(Question { method: Method::DELETE, ..Question::get(path, &[]) }).await
    }

    async fn exchange(&self, question: Question<'_>) -> Result<Value, ApiError> {
        let exchange = async {
            let response = self.send(question).await?;
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            body.map(|body| body.to_bytes()).map_err(|error| self.broken(error.as_ref()))
        };
        let body = tokio::time::timeout(self.timeout, exchange).await.map_err(|_| self.timed_out())??;
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body)
            .map_err(|error| self.not_the_api(format!("with something other than JSON ({error})")))
    }

    /// Opens the live stream; what comes is read by the caller at its own pace.
    pub async fn follow(&self, query: &[(&str, String)], last_event_id: Option<&str>) -> Result<Incoming, ApiError> {
        let header = last_event_id.map(|id| ("last-event-id", id));
        let question = Question { accept: "text/event-stream", header, ..Question::get(&["stream"], query) };
        let response =
            tokio::time::timeout(self.timeout, self.send(question)).await.map_err(|_| self.timed_out())??;
        let kind =
            response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("no content type");
        if kind.starts_with("text/event-stream") {
            Ok(response.into_body())
        } else {
            let why = format!("a stream with `{}`", words::plain(kind));
            Err(self.not_the_api(why))
        }
    }

    /// Asks for lines of JSON; they are read by the caller at its own pace.
    pub async fn lines(&self, path: &[&str], query: &[(&str, String)]) -> Result<Lines, ApiError> {
        let question = Question { accept: "application/x-ndjson", ..Question::get(path, query) };
        let response =
            tokio::time::timeout(self.timeout, self.send(question)).await.map_err(|_| self.timed_out())??;
        Ok(Lines::new(self.clone(), response.into_body()))
    }

    /// Reads an answer's value as the type the API documents.
    pub fn read<T: DeserializeOwned>(&self, value: Value) -> Result<T, ApiError> {
        serde_json::from_value(value).map_err(|error| self.not_the_api(format!("with another shape ({error})")))
    }

    /// An event of the stream that cannot be read as what it says it is.
    pub fn unreadable(&self, error: &UnreadableEvent) -> ApiError {
        self.not_the_api(format!("with another shape ({error})"))
    }

    async fn send(&self, question: Question<'_>) -> Result<Response<Incoming>, ApiError> {
        let Question { method, path, query, body, accept, header } = question;
        let json = !body.is_empty();
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.uri(path, query)?;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("waygate/", env!("CARGO_PKG_VERSION"))));
        if json {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some((name, text)) = header {
            let value =
                HeaderValue::from_str(text).map_err(|error| unsendable(&format!("the header {name}"), &error))?;
            headers.insert(name, value);
        }
        let response = self.client.request(request).await.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let problem = self.problem(response).await;
        // Only a single vehicle or command can be unknown; a list that is not there is another server.
        match problem {
            ApiError::Problem { status: StatusCode::NOT_FOUND, detail, .. } if path.len() == 1 => {
                Err(self.not_the_api(format!("\"{detail}\"")))
            }
            other @ (ApiError::Problem { .. }
            | ApiError::NotTheApi { .. }
            | ApiError::Unreachable { .. }
            | ApiError::TimedOut { .. }
            | ApiError::Unsendable { .. }) => Err(other),
        }
    }

    fn uri(&self, path: &[&str], query: &[(&str, String)]) -> Result<Uri, ApiError> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url.as_str().parse().map_err(|error| self.not_the_api(format!("to no such address ({error})")))
    }

    async fn problem(&self, response: Response<Incoming>) -> ApiError {
        let status = response.status();
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("application/problem+json") {
            return self.not_the_api(format!("{status}"));
        }
        let body = match Limited::new(response.into_body(), PROBLEM_BYTES_MAX).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return self.broken(error.as_ref()),
        };
        let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = |key: &str| problem.get(key).and_then(Value::as_str).map(|text| words::plain(text).into_owned());
        ApiError::Problem {
            status,
            title: text("title").unwrap_or_else(|| status.to_string()),
            detail: text("detail").unwrap_or_default(),
            parameter: text("parameter"),
        }
    }

    fn unreachable(&self, error: &hyper_util::client::legacy::Error) -> ApiError {
        ApiError::Unreachable { url: self.base().to_owned(), why: root_cause(error), asked: !error.is_connect() }
    }

    pub(crate) fn broken(&self, error: &(dyn std::error::Error + 'static)) -> ApiError {
        if error.is::<LengthLimitError>() {
            self.not_the_api("with more than can be read at once; ask for less with --limit".to_owned())
        } else {
            ApiError::Unreachable {
                url: self.base().to_owned(),
                why: format!("the answer broke off: {error}"),
                asked: true,
            }
        }
    }

    pub(crate) fn timed_out(&self) -> ApiError {
        ApiError::TimedOut { url: self.base().to_owned(), after: self.timeout }
    }

    pub(crate) fn not_the_api(&self, why: String) -> ApiError {
        ApiError::NotTheApi { url: self.base().to_owned(), why }
    }
}

fn unsendable(what: &str, error: &dyn std::error::Error) -> ApiError {
    ApiError::Unsendable { what: what.to_owned(), why: error.to_string() }
}

/// The innermost reason, which is the one that a person can act on ("connection refused").
fn root_cause(error: &hyper_util::client::legacy::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    match cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
        Some(std::io::ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
        Some(_) | None => cause.to_string(),
    }
}

fn problem_text(status: StatusCode, title: &str, detail: &str, parameter: Option<&str>) -> String {
    let said = if detail.is_empty() { title } else { detail };
    match parameter {
        Some(parameter) if !said.contains(parameter) => format!("{parameter}: {said}"),
        Some(_) | None if status.is_server_error() => format!("the gateway answers {status}: {said}"),
        Some(_) | None => said.to_owned(),
    }
}

#[cfg(test)]
#[path = "api_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "api_server.rs"]
pub mod server;
