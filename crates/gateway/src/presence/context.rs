//! The context of a vehicle that goes from one gateway to another, the records of its spool that are settled: what is asked
//! of the gateways before, and what is answered to the one that has it now.
//!
//! A question outlives the connection for which it was asked: whatever the gateway before has stored is noted here, and
//! whoever asks this gateway meanwhile is answered behind it. So what one gateway of a chain has stored, the last one knows,
//! however fast the vehicle passed the others; unless one of them does not answer in time.

use super::PresenceTask;
use crate::journal::Job;
use crate::mailbox::{Letter, Mailbox};
use crate::peers::handover::{self, BUDGET, Errand, Notice};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::oneshot;
use waygate_core::epoch::Epoch;
use waygate_core::id::{ConnId, NodeId, SpoolId, VehicleId};
use waygate_core::log::LiveState;
use waygate_core::ranges::SeqRanges;
use waygate_core::registrar::Event as RegistrarEvent;
use waygate_store::Write;

/// Questions of other gateways about a vehicle whose own question is not answered yet. It has been at as many gateways
/// within two seconds.
const WAITING_MAX: usize = 4;

/// A question of the gateway that has the vehicle now.
#[derive(Debug)]
pub struct ContextRequest {
    /// What it tells.
    pub notice: Notice,
    /// What it asks about.
    pub spool: SpoolId,
    /// Dropped if there is no answer.
    pub reply: oneshot::Sender<Context>,
}

/// What a gateway answers of a vehicle that it served before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Context {
    /// What is settled of the spool; nothing more will be.
    Settled(SeqRanges),
    /// The vehicle is connected there by a later attach, with this epoch: the session that asks has lost.
    Later(Epoch),
    /// A later attach is known there, and the vehicle is not connected by it. Its entry will tell.
    Refused,
}

/// What is asked of other gateways, and who waits to ask this one.
#[derive(Debug, Default)]
pub struct Gathering {
    /// Vehicles of which other gateways are being asked. No more than there are errands.
    asked: BTreeMap<VehicleId, Asked>,
    /// Questions about vehicles that attach here at the moment, until the disk has answered. No more vehicles than attaches
    /// under way.
    undecided: BTreeMap<VehicleId, Vec<ContextRequest>>,
}

/// One vehicle of which others are being asked.
#[derive(Debug, Default)]
struct Asked {
    /// Questions without an answer.
    open: usize,
    /// The spool of which something was noted since.
    noted: Option<SpoolId>,
    /// Whose telemetry waits, and of which spool it is.
    conn: Option<(ConnId, SpoolId)>,
    /// Who waits to ask this gateway.
    waiting: Vec<ContextRequest>,
}

impl Gathering {
    /// A session begins. Whether its telemetry has to wait: for its own question, which is about to be asked, or for one of
    /// a session before it.
    pub(super) fn begins(&mut self, vehicle: &VehicleId, conn: (ConnId, SpoolId), asks: bool) -> bool {
        if asks {
            self.asked.entry(vehicle.clone()).or_default();
        }
        let waits = self.asked.get_mut(vehicle).map(|asked| asked.conn = Some(conn));
        waits.is_some()
    }

    fn asks(&mut self, vehicle: &VehicleId) {
        self.asked.entry(vehicle.clone()).or_default().open += 1;
    }

    /// A question was answered, or will not be; with the last one nothing is waited for any more. `noted` is the spool of which
    /// the answer tells.
    fn answered(&mut self, vehicle: &VehicleId, noted: Option<SpoolId>) -> Option<Asked> {
        let asked = self.asked.get_mut(vehicle)?;
        asked.open = asked.open.saturating_sub(1);
        asked.noted = noted.or(asked.noted);
        if asked.open > 0 { None } else { self.asked.remove(vehicle) }
    }

    /// Lets a question wait for the answers that this gateway waits for; gives it back if it waits for none.
    fn wait(&mut self, request: ContextRequest) -> Option<ContextRequest> {
        let Some(asked) = self.asked.get_mut(&request.notice.vehicle) else { return Some(request) };
        push(&mut asked.waiting, request);
        None
    }

    /// Lets a question wait until it is known whether the vehicle attaches here.
    fn hold(&mut self, request: ContextRequest) {
        push(self.undecided.entry(request.notice.vehicle.clone()).or_default(), request);
    }

    /// Every question about a vehicle that waits, for whatever.
    fn take_waiting(&mut self, vehicle: &VehicleId) -> Vec<ContextRequest> {
        let mut waiting = self.undecided.remove(vehicle).unwrap_or_default();
        if let Some(asked) = self.asked.get_mut(vehicle) {
            waiting.append(&mut asked.waiting);
        }
        waiting
    }
}

/// Beyond the bound a question is dropped, and so has no answer.
fn push(waiting: &mut Vec<ContextRequest>, request: ContextRequest) {
    // Whoever has given up takes no one's place.
    waiting.retain(|request| !request.reply.is_closed());
    if waiting.len() < WAITING_MAX {
        waiting.push(request);
    }
}

impl PresenceTask {
    /// Asks the gateway that served the vehicle before, or only tells it that its session lost.
    pub(super) fn fetch(&mut self, node: NodeId, notice: Notice, spool: Option<SpoolId>) {
        if spool.is_some() {
            self.gathering.asks(&notice.vehicle);
        }
        let until = tokio::time::Instant::now() + BUDGET;
        if let Err(refused) = self.errands.try_send(Errand { node, notice, spool, until }) {
            // Best effort: the winning entry tells the same by gossip.
            let Errand { notice, spool, .. } = refused.into_inner();
            handover::count(spool, "unanswered");
            if let Some(spool) = spool {
                self.gathered(&notice, spool, None);
            }
        }
    }

    /// What was asked with this notice is answered, or will not be. What another gateway has stored is noted on disk; behind
    /// that telemetry is taken and whoever waits is answered.
    pub(super) fn gathered(&mut self, notice: &Notice, spool: SpoolId, context: Option<Context>) {
        let (vehicle, epoch) = (notice.vehicle.clone(), notice.by);
        let settled = match context {
            Some(Context::Settled(settled)) => settled,
            Some(Context::Later(by)) => {
                // What it still has to say is taken there.
                let session = self.state.node.registrar().session(&vehicle).map(|session| session.id());
                let lost =
                    session.map(|session| RegistrarEvent::Superseded { vehicle: vehicle.clone(), session, epoch, by });
                lost.into_iter().for_each(|lost| self.register(lost));
                SeqRanges::new()
            }
            Some(Context::Refused) | None => SeqRanges::new(),
        };
        let told = Some(spool).filter(|_| !settled.is_empty());
        let Asked { noted, conn, waiting, .. } = self.gathering.answered(&vehicle, told).unwrap_or_default();
        // A session that has ended meanwhile takes no telemetry.
        let conns = self.state.node.registrar().session(&vehicle).map(|session| session.conns()).unwrap_or_default();
        let conn = conn.filter(|(conn, _)| conns.contains(&Some(*conn)));
        let mailbox = conn.and_then(|(conn, of)| Some((self.state.mailboxes.get(&conn)?.clone(), of)));
        match mailbox {
            // It goes on with what is on disk then.
            Some((mailbox, of)) if of == spool && noted == Some(spool) => {
                self.note(vehicle, spool, settled, Some(mailbox));
            }
            // Of nothing, or of another spool, it is not told; it waited for that answer all the same.
            Some((mailbox, _)) => {
                self.note(vehicle, spool, settled, None);
                mailbox.put(Letter::Gathered(SeqRanges::new()));
            }
            None => self.note(vehicle, spool, settled, None),
        }
        waiting.into_iter().for_each(|request| self.tell_context(request));
    }

    fn note(&self, vehicle: VehicleId, spool: SpoolId, settled: SeqRanges, mailbox: Option<Arc<Mailbox>>) {
        if settled.is_empty() && mailbox.is_none() {
            return;
        }
        let write = Write::Settle { vehicle, spool, settled };
        if let Err(refused) = self.journal.try_send(Job::Settle { write, mailbox }) {
            tracing::debug!("the journal is busy: what another gateway has stored is not noted");
            if let Job::Settle { mailbox: Some(mailbox), .. } = refused.into_inner() {
                mailbox.put(Letter::Gathered(SeqRanges::new()));
            }
        }
    }

    /// Another gateway has the vehicle now: ends the session here, and answers once nothing more of it can be stored and what
    /// others were asked before is noted.
    pub(super) fn tell_context(&mut self, request: ContextRequest) {
        let Notice { vehicle, session, epoch, by, .. } = request.notice.clone();
        self.register(RegistrarEvent::Superseded { vehicle: vehicle.clone(), session, epoch, by });
        // Before it waits: two gateways between which the vehicle went back at once wait for each other.
        if let Some(session) = self.state.node.registrar().session(&vehicle) {
            let later = session.entry().filter(|entry| entry.epoch > by);
            let context = match later {
                Some(entry) if entry.state == LiveState::Connected => Context::Later(entry.epoch),
                Some(_) => Context::Refused,
                None if session.epoch() > by => return self.gathering.hold(request),
                None => return self.fence(request),
            };
            // Whoever asked may have given up.
            let _ = request.reply.send(context);
            return;
        }
        self.fence(request);
    }

    /// The disk has decided on an attach: what waited for that, or for what the session before it had asked, is looked at anew.
    pub(super) fn decided(&mut self, vehicle: &VehicleId) {
        for request in self.gathering.take_waiting(vehicle) {
            self.tell_context(request);
        }
    }

    fn fence(&mut self, request: ContextRequest) {
        let Notice { vehicle, by, .. } = request.notice.clone();
        let Some(ContextRequest { spool, reply, .. }) = self.gathering.wait(request) else { return };
        // Behind every write of the session that is under way.
        let fence = Job::Fence { write: Write::Fence { vehicle, epoch: by, spool }, reply };
        if self.journal.try_send(fence).is_err() {
            tracing::debug!("the journal is busy: a handover's context is not told");
        }
    }
}

#[cfg(test)]
#[path = "context_tests.rs"]
mod tests;
