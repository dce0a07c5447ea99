//! The sockets of a unit: that of its session, and one beside it while it moves.

use super::link::{Caller, Closing, Input, Link};
use crate::machine::LinkId;
use tokio_tungstenite::tungstenite::Bytes;
use waygate_core::record::SignalPath;
use waygate_wire::Codec;

/// A link and the signals that were agreed on for it.
#[derive(Default)]
struct Slot {
    id: LinkId,
    link: Link,
    catalogue: Vec<SignalPath>,
}

/// Two links at most.
#[derive(Default)]
pub(super) struct Links([Slot; 2]);

impl Links {
    /// Dials a gateway as `id`.
    pub(super) fn dial(&mut self, id: LinkId, gateway: String, codec: Codec, caller: &Caller) {
        let slots = &mut self.0;
        // The machine closes one before it dials a third; should it not, the older one makes room.
        let free = slots.iter().position(|slot| matches!(slot.link, Link::Absent));
        let at = free.unwrap_or(usize::from(slots[1].id < slots[0].id));
        slots[at] = Slot { id, link: Link::dial(gateway, codec, caller), catalogue: Vec::new() };
    }

    /// The next thing that comes on any of them. Nothing is lost if it is dropped while it waits.
    pub(super) async fn next(&mut self) -> (LinkId, Input) {
        let [one, other] = &mut self.0;
        tokio::select! {
            input = one.link.next() => (one.id, input),
            input = other.link.next() => (other.id, input),
        }
    }

    fn slot(&mut self, id: LinkId) -> Option<&mut Slot> {
        self.0.iter_mut().find(|slot| slot.id == id && !matches!(slot.link, Link::Absent))
    }

    /// Agrees on signals for a link.
    pub(super) fn agree(&mut self, id: LinkId, catalogue: &[SignalPath]) {
        if let Some(slot) = self.slot(id) {
            catalogue.clone_into(&mut slot.catalogue);
        }
    }

    /// The signals that were agreed on for it.
    pub(super) fn catalogue(&mut self, id: LinkId) -> &[SignalPath] {
        self.slot(id).map_or(&[], |slot| &slot.catalogue)
    }

    /// Sends a message. An error means that the socket is lost.
    pub(super) async fn send(&mut self, id: LinkId, codec: Codec, frame: Bytes) -> Result<(), String> {
        match self.slot(id) {
            Some(slot) => slot.link.send(codec, frame).await,
            None => Err("there is no socket".to_owned()),
        }
    }

    /// Lets go of a link; the future says goodbye to the other side.
    pub(super) fn close(&mut self, id: LinkId, code: u16) -> Option<Closing> {
        self.slot(id).and_then(|slot| slot.link.close(code))
    }
}
