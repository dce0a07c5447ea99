//! What is wrong with a question, as `application/problem+json` (RFC 9457).

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode};
use waygate_wire::operator::Problem as Body;

/// An answer that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(Box<Body>);

impl Problem {
    /// With this status; `detail` says what is wrong and what to do.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self(Box::new(Body {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            parameter: None,
            missing_regions: None,
        }))
    }

    /// A parameter that cannot be used.
    pub fn parameter(name: &str, detail: impl Into<String>) -> Self {
        let mut problem = Self::new(StatusCode::BAD_REQUEST, detail);
        problem.0.parameter = Some(name.to_owned());
        problem
    }

    /// Names the regions that did not answer.
    #[must_use]
    pub fn missing(mut self, regions: Vec<String>) -> Self {
        self.0.missing_regions = Some(regions).filter(|regions| !regions.is_empty());
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
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.0)).into_response();
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/problem+json"));
        response
    }
}
