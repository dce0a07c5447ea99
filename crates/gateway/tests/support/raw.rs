//! A client that writes its bytes by hand: what no WebSocket library would send.

use super::{PATIENCE, attach_request};
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;
/// FIN not set.
pub const TEXT_BEGINS: u8 = 0x01;
pub const CONTINUES: u8 = 0x00;
pub const ENDS: u8 = 0x80;

/// The headers of a good upgrade, in order.
pub const GOOD: &[(&str, &str)] = &[
    ("Host", "localhost"),
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Protocol", "waygate.v1.json"),
];

pub struct Raw {
    pub stream: TcpStream,
    buffer: Vec<u8>,
}

/// What an HTTP answer said.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// A request's head; `GOOD` without the headers named in `changes`, then those of them that have a value.
pub fn head(line: &str, changes: &[(&str, Option<&str>)]) -> Vec<u8> {
    let mut text = format!("{line}\r\n");
    for (name, value) in GOOD {
        if !changes.iter().any(|(changed, _)| changed.eq_ignore_ascii_case(name)) {
            text += &format!("{name}: {value}\r\n");
        }
    }
    for (name, value) in changes {
        if let Some(value) = value {
            text += &format!("{name}: {value}\r\n");
        }
    }
    (text + "\r\n").into_bytes()
}

pub fn good_head() -> Vec<u8> {
    head("GET /v1/obu HTTP/1.1", &[])
}

/// A frame as a client must send it.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The header alone of a masked frame that claims this length in 64 bits.
pub fn lying_header(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first, 0x80 | 127];
    bytes.extend(length.to_be_bytes());
    bytes.extend([1, 2, 3, 4]);
    bytes
}

/// The payload of a Close frame.
pub fn close_body(code: u16, reason: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes()[..], reason].concat()
}

impl Raw {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    /// Upgraded, not attached.
    pub async fn upgraded(address: SocketAddr, subprotocol: &str) -> Self {
        let mut raw = Self::connect(address).await;
        raw.send(&head("GET /v1/obu HTTP/1.1", &[("Sec-WebSocket-Protocol", Some(subprotocol))])).await;
        let answer = raw.answer().await;
        assert_eq!(answer.status, 101, "{answer:?}");
        raw
    }

    /// Attached, JSON.
    pub async fn attached(address: SocketAddr, id: &str) -> Self {
        let mut raw = Self::upgraded(address, "waygate.v1.json").await;
        raw.say(&attach_request(id, json!({}))).await;
        let accept = raw.hear().await;
        assert_eq!(accept["type"], "attach_accept", "{accept}");
        raw
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// A JSON message in one text frame.
    pub async fn say(&mut self, message: &Value) {
        self.send(&frame(TEXT, message.to_string().as_bytes())).await;
    }

    /// The next message, past pings and pongs.
    pub async fn hear(&mut self) -> Value {
        loop {
            let (first, payload) = self.frame().await.expect("a frame before the end");
            match first {
                TEXT => return serde_json::from_slice(&payload).unwrap(),
                PING | PONG => {}
                other => panic!("expected a message, got frame {other:#x} {payload:?}"),
            }
        }
    }

    /// The next frame; `None` at the end of the stream. A reset is a failure: it may eat what was sent before.
    /// The gateway's question for all signals, which comes when it likes, is passed over.
    pub async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            let frame = self.any_frame().await;
            let asked =
                |frame: &(u8, Vec<u8>)| frame.0 == TEXT && frame.1.starts_with(br#"{"type":"snapshot_request""#);
            if !frame.as_ref().is_some_and(asked) {
                return frame;
            }
        }
    }

    async fn any_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let header = self.fill(2).await?;
        let (first, length) = (header[0], header[1]);
        assert_eq!(length & 0x80, 0, "a server does not mask");
        let (at, length) = match length {
            126 => {
                let header = self.fill(4).await?;
                (4, usize::from(u16::from_be_bytes([header[2], header[3]])))
            }
            127 => panic!("no message of the gateway is that long"),
            length => (2, usize::from(length)),
        };
        let payload = self.fill(at + length).await?[at..at + length].to_vec();
        self.buffer.drain(..at + length);
        Some((first, payload))
    }

    /// The code of the Close frame, past whatever comes before it; then the stream must end without a reset.
    pub async fn closed(&mut self) -> u16 {
        let code = loop {
            let (first, payload) = self.frame().await.expect("a Close frame before the end");
            if first == CLOSE {
                break payload.get(..2).map_or(1005, |code| u16::from_be_bytes([code[0], code[1]]));
            }
        };
        // Answered, as a client must. Where the gateway was answered already, this is passed over.
        let _ = self.stream.write_all(&frame(CLOSE, &close_body(1000, b""))).await;
        assert_eq!(self.frame().await, None, "nothing follows a Close");
        // On some systems a reset throws away what was received before it.
        assert!(self.stream.take_error().unwrap().is_none(), "the gateway reset the connection");
        code
    }

    /// An HTTP answer.
    pub async fn answer(&mut self) -> Answer {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.read().await, "an answer, not the end after {:?}", String::from_utf8_lossy(&self.buffer));
        };
        let head = String::from_utf8(self.buffer.drain(..end).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, body: String::new() };
        if let Some(length) = answer.header("content-length").map(|length| length.parse::<usize>().unwrap()) {
            // The answer to a HEAD tells a length and has no body.
            while self.buffer.len() < length && self.read().await {}
            let length = length.min(self.buffer.len());
            answer.body = String::from_utf8(self.buffer.drain(..length).collect()).unwrap();
        }
        answer
    }

    /// Waits for the end of the stream; whatever comes before it is passed over, a reset counts as an end.
    pub async fn ended(&mut self) {
        let mut bytes = [0; 4096];
        let end = async { while matches!(self.stream.read(&mut bytes).await, Ok(1..)) {} };
        tokio::time::timeout(PATIENCE, end).await.expect("the stream ends");
    }

    async fn fill(&mut self, length: usize) -> Option<&[u8]> {
        while self.buffer.len() < length {
            if !self.read().await {
                assert!(self.buffer.is_empty(), "the stream ended inside a frame: {:?}", self.buffer);
                return None;
            }
        }
        Some(&self.buffer[..length])
    }

    async fn read(&mut self) -> bool {
        let mut bytes = [0; 16 * 1024];
        let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut bytes)).await.expect("bytes in time");
        match read {
            Ok(count) => {
                self.buffer.extend(&bytes[..count]);
                count > 0
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => panic!("the gateway reset the connection"),
            Err(error) => panic!("{error}"),
        }
    }
}
