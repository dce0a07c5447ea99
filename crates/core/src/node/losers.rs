//! Where home regions are configured, a gateway that lost a vehicle to one of another region may keep nothing of the
//! winner's word. The vehicle's home regions tell it: one end of that, and the other.

use super::{Action, Node};
use crate::epoch::Epoch;
use crate::id::{SessionId, VehicleId};
use crate::log::LiveState;
use crate::registrar::Event as RegistrarEvent;
use crate::time::{Millis, Mono};
use crate::view::NodeStatus;

/// How often a gateway is told that a session of it lost, as long as it does not let go.
const TELL_AGAIN: Millis = Millis::secs(5);

/// Vehicles that two gateways speak for and that are looked at in one tick, in turn: some milliseconds of work.
const CONTESTED_LOOKS: usize = 512;

/// Of these, gateways that are told in one tick: calls that attaches need go the same way.
pub(super) const TOLD_AT_ONCE: usize = 64;

/// Vehicles of which only a home region's word is known; with one more, one is forgotten, and its homes tell again.
const OUTRANKED_MAX: usize = 65_536;

impl Node {
    /// What the home region knows counts as if it were held here: the vehicle's next attach has to be above it.
    pub(super) fn told_outranked(
        &mut self,
        now: Mono,
        vehicle: VehicleId,
        lost: (SessionId, Epoch),
        (by, detached): (Epoch, bool),
        out: &mut Vec<Action>,
    ) {
        if self.view.known_epoch(&vehicle) < Some(by) {
            let known = self.outranked.entry(vehicle.clone()).or_insert(by);
            *known = by.max(*known);
            if self.outranked.len() > OUTRANKED_MAX {
                self.outranked.pop_first();
            }
        }
        let session = self.registrar.session(&vehicle).map(|session| (session.id(), session.epoch()));
        if session == Some(lost) && by >= lost.1 {
            self.register(now, RegistrarEvent::Outranked { vehicle, by, detached }, out);
        }
    }

    /// Gateways that speak for a vehicle that another has by now, and keep nothing of that one's word, are told of it by the
    /// vehicle's home regions: again and again, until they have let go.
    pub(super) fn tell_losers(&mut self, now: Mono, out: &mut Vec<Action>) {
        let contested: Vec<_> = self.view.contested(self.looked_at.as_ref()).take(CONTESTED_LOOKS).cloned().collect();
        // Each has its turn, from the first again after the last.
        let last = contested.last().filter(|_| contested.len() == CONTESTED_LOOKS).cloned();
        let mut room = TOLD_AT_ONCE;
        for vehicle in contested {
            if room == 0 {
                return;
            }
            self.looked_at = Some(vehicle.clone());
            let losers = self.view.losers(&vehicle);
            if losers.is_empty() {
                self.view.settled(&vehicle);
                self.told.remove(&vehicle);
                continue;
            }
            if self.told.get(&vehicle).is_some_and(|told| now.since(*told) < TELL_AGAIN) {
                continue;
            }
            let mut told = false;
            for (loser, lost, winner, won) in losers {
                let present = |node: &NodeStatus| node.info.incarnation == loser.incarnation;
                let link = self.link_to(&loser.owner).filter(|_| self.view.node(&loser.owner).is_some_and(present));
                // Of two with one epoch the name of the gateway decides: who lost so is told as well.
                if link.is_some_and(|link| !link.tells(&self.view, winner, &vehicle)) {
                    let (node, vehicle) = (loser.owner.clone(), vehicle.clone());
                    let (lost, by, detached) =
                        ((lost.session, lost.epoch), won.epoch, won.state == LiveState::Detached);
                    out.push(Action::TellOutranked { node, vehicle, lost, by, detached });
                    told = true;
                }
            }
            if told {
                self.told.insert(vehicle, now);
                room -= 1;
            }
        }
        self.looked_at = last;
    }
}
