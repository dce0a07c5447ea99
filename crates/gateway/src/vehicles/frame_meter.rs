//! Counts the fragments of a message while its bytes pass by, and reads no further than the end of a frame.
//!
//! The WebSocket library bounds frames and messages in bytes; fragments without a payload never reach such a
//! bound, and a vehicle could keep the gateway busy with them for ever. It also keeps a read buffer of the size of
//! the largest frame for as long as it lives: where a read ended with a frame, nothing is left in that buffer, and
//! the library can be started anew without it. Nothing here reads ahead or keeps bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
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

    /// How many more bytes belong to the frame under way, if they are known.
    fn left(&self) -> Option<usize> {
        match self.part {
            Part::Payload(left) => Some(usize::try_from(left).unwrap_or(usize::MAX)),
            Part::First | Part::Second | Part::Length(..) => None,
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
    /// Taken once the socket has moved on.
    socket: Option<S>,
    meter: FrameMeter,
    at_end: bool,
}

impl<S> Metered<S> {
    /// A socket from which these bytes were read already.
    pub fn new(socket: S, early: &[u8]) -> Self {
        let mut meter = FrameMeter::default();
        meter.see(early);
        Self { socket: Some(socket), meter, at_end: false }
    }

    /// Moves the socket out; this one only gives errors from now on.
    pub fn moved(&mut self) -> Self {
        Self { socket: self.socket.take(), ..*self }
    }

    /// The socket, past the count.
    pub fn uncounted(&mut self) -> Option<&mut S> {
        self.socket.as_mut()
    }

    /// Whether it was cut for too many fragments.
    pub fn exceeded(&self) -> bool {
        self.meter.exceeded()
    }

    /// Whether the last read ended with the end of a message that was under way before: whoever has taken that
    /// message has nothing more in its buffer.
    pub fn at_end(&self) -> bool {
        self.at_end
    }
}

fn moved_on() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the socket is read elsewhere")
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let Some(socket) = &mut this.socket else {
            return Poll::Ready(Err(moved_on()));
        };
        let left = this.meter.left();
        let room = left.unwrap_or(usize::MAX).min(buf.remaining());
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(room));
        ready!(Pin::new(socket).poll_read(cx, &mut part))?;
        let count = part.filled().len();
        if !this.meter.exceeded() {
            this.meter.see(part.filled());
            if this.meter.exceeded() {
                return Poll::Ready(Err(io::Error::other("a message has too many fragments")));
            }
        }
        this.at_end = left == Some(count) && this.meter.fragments == 0;
        buf.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.socket {
            Some(socket) => Pin::new(socket).poll_write(cx, buf),
            None => Poll::Ready(Err(moved_on())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Some(socket) => Pin::new(socket).poll_flush(cx),
            None => Poll::Ready(Err(moved_on())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Some(socket) => Pin::new(socket).poll_shutdown(cx),
            None => Poll::Ready(Err(moved_on())),
        }
    }
}

#[cfg(test)]
#[path = "frame_meter_tests.rs"]
mod tests;
