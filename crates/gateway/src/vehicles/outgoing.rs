//! Frames to a vehicle, put together for one write.
//!
//! The library's own write buffer keeps the size of the largest message for as long as the session lives; an
//! accept in JSON is over a kibibyte. This one is given back after each write. Only the library's answers to
//! pings and closes still go through it.

use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Opcodes of RFC 6455 that a gateway sends, with FIN set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// A message in UTF-8.
    Text = 0x81,
    /// A message in bytes.
    Binary = 0x82,
    /// Asks for a pong.
    Ping = 0x89,
}

/// Frames that wait for the next write.
#[derive(Debug, Default)]
pub struct Outgoing(Vec<u8>);

impl Outgoing {
    /// Adds a frame, unmasked as from a server.
    pub fn push(&mut self, opcode: Opcode, payload: &[u8]) {
        self.0.reserve(payload.len() + 10);
        self.0.push(opcode as u8);
        match payload.len() {
            short @ 0..126 => self.0.push(short as u8),
            medium @ 126..=0xffff => {
                self.0.push(126);
                self.0.extend_from_slice(&(medium as u16).to_be_bytes());
            }
            long => {
                self.0.push(127);
                self.0.extend_from_slice(&(long as u64).to_be_bytes());
            }
        }
        self.0.extend_from_slice(payload);
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes everything and gives its room back.
    pub async fn write(&mut self, stream: &mut (impl AsyncWrite + Unpin)) -> std::io::Result<()> {
        let frames = std::mem::take(&mut self.0);
        stream.write_all(&frames).await
    }
}

#[cfg(test)]
mod tests {
    use super::{Opcode, Outgoing};

    #[test]
    fn the_length_takes_as_many_bytes_as_the_rfc_says() {
        for (length, head) in [
            (0, vec![0x82, 0]),
            (125, vec![0x82, 125]),
            (126, vec![0x82, 126, 0, 126]),
            (0xffff, vec![0x82, 126, 0xff, 0xff]),
            (0x1_0000, vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut outgoing = Outgoing::default();
            outgoing.push(Opcode::Binary, &vec![7; length]);
            assert_eq!(outgoing.0[..head.len()], head);
            assert_eq!(outgoing.0.len(), head.len() + length);
        }
    }
}
