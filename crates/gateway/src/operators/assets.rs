//! The console's files.

use super::problem::Problem;
use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};

/// A file of the console, or a problem.
pub fn serve(uri: &Uri, headers: &HeaderMap) -> Result<Response, Problem> {
    let encodings = headers.get("accept-encoding").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let asset = waygate_console::asset_for(uri.path(), encodings)
        .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at {}", uri.path())))?;
    let known = headers.get("if-none-match").is_some_and(|etag| etag.as_bytes() == asset.etag.as_bytes());
    let body = if known { Body::empty() } else { Body::from(asset.bytes.into_owned()) };
    let mut response = Response::new(body);
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let fields = [
        ("content-type", asset.content_type),
        ("etag", asset.etag.as_str()),
        ("cache-control", asset.cache_control),
        ("vary", "accept-encoding"),
    ];
    for (name, value) in fields.into_iter().chain(waygate_console::SECURITY_HEADERS) {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    if let Some(encoding) = asset.encoding {
        response.headers_mut().insert("content-encoding", HeaderValue::from_static(encoding));
    }
    Ok(response)
}
