//! The web console, embedded: what a gateway serves at `/`.
//!
//! The sources are in `ui`, the built console is committed in `dist`, so that building this crate needs no
//! npm. Files are kept as gzip, as nearly every browser takes them, and unpacked for who does not. The crate
//! knows nothing of HTTP beyond header values and reads nothing from disk when running.

use rust_embed::Embed;
use std::borrow::Cow;
use std::io::Read;

#[derive(Embed)]
#[folder = "$OUT_DIR/packed"]
struct Packed;

/// What the console's pages may do: nothing but talk to the gateway they came from.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data: blob:; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// Headers that go with every file of the console.
pub const SECURITY_HEADERS: [(&str, &str); 4] = [
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
];

/// One file of the console, ready to be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// The body.
    pub bytes: Cow<'static, [u8]>,
    /// The value of `content-type`.
    pub content_type: &'static str,
    /// The value of `etag`, quoted.
    pub etag: String,
    /// The value of `content-encoding`, if the body is packed.
    pub encoding: Option<&'static str>,
    /// The value of `cache-control`.
    pub cache_control: &'static str,
}

/// The file at a path of the console's URL, unpacked; `/` is `index.html`.
pub fn asset(path: &str) -> Option<Asset> {
    asset_for(path, "")
}

/// The file at a path, packed if `accept_encoding`, the request's header, takes gzip.
pub fn asset_for(path: &str, accept_encoding: &str) -> Option<Asset> {
    let name = match path.trim_start_matches('/') {
        "" => "index.html",
        name => name,
    };
    let file = Packed::get(name)?;
    let hash: String = file.metadata.sha256_hash()[..12].iter().map(|b| format!("{b:02x}")).collect();
    let content_type = content_type(name);
    let cache_control = cache_control(name);
    if takes_gzip(accept_encoding) {
        let etag = format!("\"{hash}-gzip\"");
        return Some(Asset { bytes: file.data, content_type, etag, encoding: Some("gzip"), cache_control });
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(file.data.as_ref()).read_to_end(&mut plain).ok()?;
    Some(Asset { bytes: Cow::Owned(plain), content_type, etag: format!("\"{hash}\""), encoding: None, cache_control })
}

/// The names of all files, as `index.html` refers to them.
pub fn names() -> impl Iterator<Item = Cow<'static, str>> {
    Packed::iter()
}

fn takes_gzip(accept_encoding: &str) -> bool {
    accept_encoding.split(',').any(|offer| {
        let mut parts = offer.split(';').map(str::trim);
        let named = matches!(parts.next(), Some("gzip" | "*"));
        named && !parts.any(|p| matches!(p, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Names under `assets` carry a hash of their content and never change; the page itself is asked for anew.
fn cache_control(name: &str) -> &'static str {
    if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" }
}

#[cfg(test)]
#[path = "lib_tests.rs"]
mod tests;
