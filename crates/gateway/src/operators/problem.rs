//! What is wrong with a question, as `application/problem+json` (RFC 9457).

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use waygate_wire::operator::Problem as Body;

/// An answer that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    body: Box<Body>,
    /// When to ask again, seconds.
    retry_after_s: Option<u32>,
}

impl Problem {
    /// With this status; `detail` says what is wrong and what to do.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let body = Body {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            parameter: None,
            missing_regions: None,
        };
        Self { body: Box::new(body), retry_after_s: None }
    }

    /// A parameter that cannot be used.
    pub fn parameter(name: &str, detail: impl Into<String>) -> Self {
        let mut problem = Self::new(StatusCode::BAD_REQUEST, detail);
        problem.body.parameter = Some(name.to_owned());
        problem
    }

    /// Names the regions that did not answer.
    #[must_use]
    pub fn missing(mut self, regions: Vec<String>) -> Self {
        self.body.missing_regions = Some(regions).filter(|regions| !regions.is_empty());
        self
    }

    /// It may be asked again after so many seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The gateway is on its way down.
    pub fn stopping() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "this gateway stops; ask another")
    }

    /// The store could not be read; the log says why.
    pub fn unreadable() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the store of this gateway cannot be read; its log says why")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.body.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.body)).into_response();
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}
