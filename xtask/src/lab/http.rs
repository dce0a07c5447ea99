//! The little of HTTP that asking a gateway needs: one request a connection, one deadline, JSON.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// How long an answer may take, unless it is said otherwise.
pub const WITHIN: Duration = Duration::from_secs(3);

/// The largest answer that is read: a page of 1000 vehicles is about 400 kB.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The JSON of an answer that says 2xx.
pub fn get(address: SocketAddr, path: &str, within: Duration) -> Result<Value> {
    let (status, body) = exchange(address, "GET", path, "", within)?;
    if !(200..300).contains(&status) {
        bail!("{address}{path} answers {status}: {}", String::from_utf8_lossy(&body));
    }
    serde_json::from_slice(&body).with_context(|| format!("{address}{path} answers no JSON"))
}

/// The same after giving it some.
pub fn post(address: SocketAddr, path: &str, body: &Value, within: Duration) -> Result<Value> {
    let (status, body) = exchange(address, "POST", path, &body.to_string(), within)?;
    if !(200..300).contains(&status) {
        bail!("{address}{path} answers {status}: {}", String::from_utf8_lossy(&body));
    }
    serde_json::from_slice(&body).with_context(|| format!("{address}{path} answers no JSON"))
}

/// The status and the body.
pub fn exchange(address: SocketAddr, method: &str, path: &str, body: &str, within: Duration) -> Result<(u16, Vec<u8>)> {
    let until = Instant::now() + within;
    let mut socket = TcpStream::connect_timeout(&address, within)?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.set_write_timeout(Some(within))?;
    socket.write_all(request.as_bytes())?;
    let (mut answer, mut bytes) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || answer.len() > ANSWER_BYTES_MAX {
            bail!("{address}{path} gave no whole answer within {within:?}");
        }
        socket.set_read_timeout(Some(left))?;
        match socket.read(&mut bytes)? {
            0 => return parse(&answer).with_context(|| format!("{address}{path} answers no HTTP")),
            count => answer.extend_from_slice(&bytes[..count]),
        }
    }
}

fn parse(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = &answer[end + 4..];
    let chunked = head.to_ascii_lowercase().contains("\r\ntransfer-encoding: chunked");
    Some((status, if chunked { unchunked(body)? } else { body.to_vec() }))
}

fn unchunked(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let line = body.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(&body[..line]).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        let end = (line + 2).checked_add(size)?;
        whole.extend_from_slice(body.get(line + 2..end)?);
        body = body.get(end + 2..)?;
    }
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
