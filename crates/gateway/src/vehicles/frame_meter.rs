//! Counts the fragments of a message while its bytes pass by.
//!
//! The WebSocket library bounds frames and messages in bytes; fragments without a payload never reach such a
//! bound, and a vehicle could keep the gateway busy with them for ever. Nothing here reads ahead or keeps bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Fragments of one message: the largest message in pieces of 64 bytes.
pub const FRAGMENTS_MAX: u32 = 4096;

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    /// FIN and opcode.
    #[default]
    First,
    /// The mask bit and the short length.
    Second,
    /// So many bytes of the long length are missing; what is known of it; whether a mask follows.
    Length(u8, u64, bool),
    /// So many bytes of mask and payload.
    Payload(u64),
}

/// The count of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameMeter {
    part: Part,
    fragments: u32,
}

impl FrameMeter {
    /// Bytes came.
    pub fn see(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            bytes = rest;
            self.part = match self.part {
                Part::First => {
                    self.count(byte);
                    Part::Second
                }
                Part::Second => {
                    let masked = byte & 0x80 != 0;
                    match byte & 0x7f {
                        126 => Part::Length(2, 0, masked),
                        127 => Part::Length(8, 0, masked),
                        short => payload(short.into(), masked),
                    }
                }
                Part::Length(left, value, masked) => match (left - 1, value << 8 | u64::from(byte)) {
                    (0, value) => payload(value, masked),
                    (left, value) => Part::Length(left, value, masked),
                },
                Part::Payload(left) => {
                    // This byte was one of them.
                    let skip = usize::try_from(left - 1).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = &bytes[skip..];
                    match left - 1 - skip as u64 {
                        0 => Part::First,
                        left => Part::Payload(left),
                    }
                }
            };
        }
    }

    /// Whether a message had more fragments than it may.
    pub fn exceeded(&self) -> bool {
        self.fragments > FRAGMENTS_MAX
    }

    fn count(&mut self, first: u8) {
        let (last, opcode) = (first & 0x80 != 0, first & 0x0f);
        if opcode >= 8 || self.exceeded() {
            return;
        }
        self.fragments = if last { 0 } else { self.fragments + 1 };
    }
}

fn payload(length: u64, masked: bool) -> Part {
    match length.saturating_add(if masked { 4 } else { 0 }) {
        0 => Part::First,
        length => Part::Payload(length),
    }
}

/// A socket whose frames are counted.
#[derive(Debug)]
pub struct Metered<S> {
    socket: S,
    meter: FrameMeter,
}

impl<S> Metered<S> {
    /// A socket from which these bytes were read already.
    pub fn new(socket: S, early: &[u8]) -> Self {
        let mut meter = FrameMeter::default();
        meter.see(early);
        Self { socket, meter }
    }

    /// The socket, past the count.
    pub fn uncounted(&mut self) -> &mut S {
        &mut self.socket
    }

    /// Whether it was cut for too many fragments.
    pub fn exceeded(&self) -> bool {
        self.meter.exceeded()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(cx, buf);
        if matches!(read, Poll::Ready(Ok(()))) && !self.meter.exceeded() {
            self.meter.see(&buf.filled()[before..]);
            if self.meter.exceeded() {
                return Poll::Ready(Err(io::Error::other("a message has too many fragments")));
            }
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[path = "frame_meter_tests.rs"]
mod tests;
