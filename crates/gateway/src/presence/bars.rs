//! Vehicles that may have no session: those that have one lose it, those that ask for one are refused.
//!
//! This task looks at both, in the order in which they come: no attach slips by while the bars change.

use super::{Barred, PresenceTask, refuse};
use crate::mailbox::Mailbox;
use waygate_core::cause::RejectCause;
use waygate_core::credential::Bar;
use waygate_core::id::VehicleId;
use waygate_core::registrar::Event;
use waygate_core::time::Millis;

impl PresenceTask {
    /// From now on these are barred. Ends their sessions, with or without a socket.
    pub(super) fn bar(&mut self, barred: Barred) {
        match barred {
            Barred::Revoked(ids) => self.state.bars.revoked = ids,
            Barred::Refused(vehicles) => self.state.bars.refused = vehicles,
        }
        let mut barred = Vec::new();
        for (vehicle, session) in self.state.node.registrar().sessions() {
            let conns = session.conns().into_iter().flatten();
            let shown: Vec<_> = conns.map(|conn| self.state.mailboxes.get(&conn)).collect();
            let bar = match shown.as_slice() {
                [] => self.state.bars.against(vehicle, None),
                shown => shown.iter().find_map(|mailbox| {
                    let who = mailbox.and_then(|mailbox| mailbox.who());
                    self.state.bars.against(vehicle, who.map(AsRef::as_ref))
                }),
            };
            barred.extend(bar.map(|bar| (vehicle.clone(), bar)));
        }
        for (vehicle, bar) in barred {
            tracing::warn!(%vehicle, reason = word(bar), "the vehicle may have no session any more");
            self.register(Event::Barred(vehicle, bar));
        }
    }

    /// Refuses an attach of a vehicle that is barred.
    pub(super) fn turned_away(&self, mailbox: &Mailbox, vehicle: &VehicleId) -> bool {
        let Some(bar) = self.state.bars.against(vehicle, mailbox.who().map(AsRef::as_ref)) else { return false };
        let (cause, text) = match bar {
            Bar::Revoked => (RejectCause::Revoked, "the certificate was revoked"),
            Bar::Refused => (RejectCause::Forbidden, "an operator refuses this vehicle"),
        };
        self.refusals.tell(word(bar), None, Some(vehicle), text);
        refuse(mailbox, cause, Millis(0), text);
        true
    }
}

fn word(bar: Bar) -> &'static str {
    match bar {
        Bar::Revoked => "revoked",
        Bar::Refused => "refused",
    }
}
