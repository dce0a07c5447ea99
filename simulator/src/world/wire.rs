//! What is said crosses the wire in the form that it has on a real one.
//!
//! Not in every world: reading and writing every message takes longer than all the rest.

use super::check::Check;
use super::network::Payload;
use super::plant::Plant;
use super::run::World;
use waygate_core::message::{Downlink, Uplink};
use waygate_core::sync::Frame;
use waygate_wire::Codec;
use waygate_wire::peer::{ReadFrame, frame_from_proto, frame_to_proto};

impl World {
    /// The payload as the other end reads it.
    pub fn crossed(&mut self, payload: Payload) -> Payload {
        let Some(codec) = self.settings.codec else { return payload };
        match payload {
            Payload::Uplink(message) => Payload::Uplink(Box::new(self.uplink_crossed(codec, *message))),
            Payload::Downlink(message) => Payload::Downlink(Box::new(self.downlink_crossed(codec, *message))),
            Payload::Frame(mut frame, sent) => {
                order_cursors(&mut frame);
                let read = frame_from_proto(frame_to_proto((*frame).clone()));
                let whole = |read: &ReadFrame| (read.skipped, read.shortened) == (0, 0);
                let same = read.as_ref().is_ok_and(|read| read.frame.as_ref() == Some(&*frame) && whole(read));
                self.oracle.expect(Check::WireIsFaithful, self.now, same, || format!("{frame:?} is read as {read:?}"));
                Payload::Frame(frame, sent)
            }
            Payload::Ping | Payload::Pong | Payload::End(_) => payload,
        }
    }

    fn uplink_crossed(&mut self, codec: Codec, message: Uplink) -> Uplink {
        let mut bytes = codec.encode_uplink(&message, &[]);
        if self.plant == Some(Plant::CutOnTheWire) {
            bytes.truncate(bytes.len().saturating_sub(1));
        }
        let read = codec.decode_uplink(&bytes, &[]);
        self.oracle
            .expect(Check::WireIsFaithful, self.now, read.is_ok(), || format!("{message:?} is read as {read:?}"));
        read.unwrap_or(message)
    }

    fn downlink_crossed(&mut self, codec: Codec, message: Downlink) -> Downlink {
        let read = codec.decode_downlink(&codec.encode_downlink(&message));
        self.oracle
            .expect(Check::WireIsFaithful, self.now, read.is_ok(), || format!("{message:?} is read as {read:?}"));
        read.unwrap_or(message)
    }
}

/// Cursors of directories stand in a field of their own: they come after the others.
fn order_cursors(frame: &mut Frame) {
    match frame {
        Frame::Hello { cursors, .. } | Frame::Cursors { cursors, .. } => cursors.sort_by_key(|it| it.log.scope),
        Frame::Batch(_) | Frame::Audit(_) => {}
    }
}
