//! Which web pages may ask: those that this gateway served, under a name that is its own.

use super::problem::Problem;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::StatusCode;
use std::net::IpAddr;
use std::sync::Arc;

/// The names that this gateway answers to, beside addresses and `localhost`.
#[derive(Clone, Debug)]
pub struct Names(Arc<str>);

impl Names {
    /// The host of the address that operators are told.
    pub fn of_url(url: &str) -> Self {
        let authority = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default();
        Self(Arc::from(host_of(authority)))
    }

    /// Whether a `Host` header names this gateway.
    fn knows(&self, host: &str) -> bool {
        let host = host_of(host);
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        address || host.eq_ignore_ascii_case("localhost") || host.eq_ignore_ascii_case(&self.0)
    }
}

/// Without the port.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !host.ends_with(':') => host,
        Some(_) | None => authority,
    }
}

/// A page of another origin may not ask, nor one whose name was made to point here.
pub async fn check(State(names): State<Names>, request: Request, next: Next) -> Result<Response, Problem> {
    let origin = request.headers().get("origin").map(|origin| origin.to_str().unwrap_or_default());
    let host = request.headers().get("host").and_then(|host| host.to_str().ok());
    let foreign = origin.is_some_and(|origin| {
        let asked = origin.split_once("://").map(|(_, host)| host);
        asked.is_none() || asked != host
    });
    if foreign {
        return Err(Problem::new(StatusCode::FORBIDDEN, "pages of another origin may not ask this gateway"));
    }
    if host.is_some_and(|host| !names.knows(host)) {
        let detail = "this gateway is not called so: ask by its address, or set [operators] url to this name";
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, detail));
    }
    Ok(next.run(request).await)
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn addresses_localhost_and_the_configured_name_are_known() {
        let names = Names::of_url("http://gw.example.org:7801");
        for host in ["127.0.0.1:7801", "192.0.2.1", "[::1]:7801", "[::1]", "localhost:1", "GW.example.org:7801"] {
            assert!(names.knows(host), "{host}");
        }
        for host in ["evil.example:7801", "gw.example.org.evil.example", ""] {
            assert!(!names.knows(host), "{host}");
        }
    }
}
