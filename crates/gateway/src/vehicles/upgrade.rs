//! Whether an HTTP request becomes a vehicle's WebSocket, and if not, why: decided without IO.

use http::header::{AsHeaderName, CONNECTION, CONTENT_LENGTH, HOST, ORIGIN, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, Method, Request, StatusCode, Version};
use std::borrow::Cow;
use std::sync::Arc;
use waygate_core::credential::{Class, Credential, Refusal};
use waygate_wire::Codec;

/// The path of the vehicles' endpoint.
pub const PATH: &str = "/v1/obu";

/// A request that may be upgraded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The form of the messages.
    pub codec: Codec,
    /// The value of `Sec-WebSocket-Accept`.
    pub accept: String,
    /// Whose request it is; `None` if it need not say.
    pub who: Option<Arc<Credential>>,
}

/// Why it may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The HTTP status.
    pub status: StatusCode,
    /// A header that tells what would do.
    pub header: Option<(&'static str, Cow<'static, str>)>,
    /// For a person.
    pub detail: String,
    /// What was wrong with who it says it is, if it was that.
    pub identity: Option<Refusal>,
}

fn refused(status: StatusCode, detail: impl Into<String>) -> Refused {
    Refused { status, header: None, detail: detail.into(), identity: None }
}

/// Checks a request, whatever its body is. Who it comes from is asked last but for the WebSocket itself.
pub fn check<B>(
    request: &Request<B>,
    who: impl FnOnce(&HeaderMap) -> Result<Option<Arc<Credential>>, Refusal>,
) -> Result<Accepted, Refused> {
    let (method, uri, headers) = (request.method(), request.uri(), request.headers());
    if request.version() >= Version::HTTP_11 && headers.get_all(HOST).iter().count() != 1 {
        return Err(refused(StatusCode::BAD_REQUEST, "Host must be sent once"));
    }
    if uri.path() != PATH {
        return Err(refused(StatusCode::NOT_FOUND, format!("vehicles attach at {PATH}")));
    }
    if method != Method::GET {
        let refused = refused(StatusCode::METHOD_NOT_ALLOWED, "the upgrade is a GET request");
        return Err(Refused { header: Some(("allow", "GET".into())), ..refused });
    }
    let upgrade = || Refused {
        header: Some(("upgrade", "websocket".into())),
        ..refused(StatusCode::UPGRADE_REQUIRED, "this is a WebSocket endpoint: send Upgrade: websocket")
    };
    // What HTTP/1.0 says of upgrades is to be ignored (RFC 9110, 7.8).
    let old = request.version() < Version::HTTP_11;
    if old || !has_token(headers, CONNECTION.as_str(), "upgrade") || !has_token(headers, UPGRADE.as_str(), "websocket")
    {
        return Err(upgrade());
    }
    if single(headers, "sec-websocket-version") != Some("13") {
        let refused = refused(StatusCode::UPGRADE_REQUIRED, "Sec-WebSocket-Version must be 13");
        return Err(Refused { header: Some(("sec-websocket-version", "13".into())), ..refused });
    }
    if headers.contains_key(ORIGIN) {
        return Err(refused(StatusCode::FORBIDDEN, "this endpoint is for vehicles, not for web pages: no Origin"));
    }
    if uri.query().is_some() {
        let detail = "this endpoint takes no query; credentials never belong in one";
        return Err(refused(StatusCode::BAD_REQUEST, detail));
    }
    if headers.contains_key(TRANSFER_ENCODING) || headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0") {
        return Err(refused(StatusCode::BAD_REQUEST, "the upgrade has no body: frames follow its answer"));
    }
    let who = who(headers).map_err(turned_away)?;
    let key = single(headers, "sec-websocket-key").filter(|key| is_key(key));
    let key =
        key.ok_or_else(|| refused(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key must be sent once, 16 bytes as base64"))?;
    let codec = subprotocol(headers)?;
    let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
    Ok(Accepted { codec, accept, who })
}

fn turned_away(refusal: Refusal) -> Refused {
    let (status, header) = match refusal.class() {
        Class::Unauthorized => (StatusCode::UNAUTHORIZED, Some(("www-authenticate", "Bearer".into()))),
        Class::Forbidden => (StatusCode::FORBIDDEN, None),
    };
    Refused { header, identity: Some(refusal), ..refused(status, refusal.text()) }
}

fn subprotocol(headers: &HeaderMap) -> Result<Codec, Refused> {
    let offered = tokens(headers, "sec-websocket-protocol");
    offered.into_iter().find_map(Codec::from_subprotocol).ok_or_else(|| {
        let known: Vec<_> = Codec::ALL.iter().map(|codec| codec.subprotocol()).collect();
        let detail = format!("Sec-WebSocket-Protocol must offer one of {}", known.join(", "));
        refused(StatusCode::BAD_REQUEST, detail)
    })
}

fn tokens<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).collect()
}

fn has_token(headers: &HeaderMap, name: &str, token: &str) -> bool {
    tokens(headers, name).iter().any(|offered| offered.eq_ignore_ascii_case(token))
}

/// The value of a header that is sent once.
pub(super) fn single(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).into_iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

/// 16 bytes in base64: 22 digits and two signs of padding.
fn is_key(key: &str) -> bool {
    let digits = key.strip_suffix("==").unwrap_or_default();
    digits.len() == 22 && digits.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}

#[cfg(test)]
#[path = "upgrade_tests.rs"]
mod tests;
