//! The context of a vehicle that goes from one gateway to another, the records of its spool that are settled: what is asked
//! of the gateways before, and what is answered to the one that has it now.
//!
//! A question outlives the connection for which it was asked: whatever the gateway before has stored is noted here, and
//! whoever asks this gateway meanwhile is answered behind it. So what one gateway of a chain has stored, the last one knows,
//! however fast the vehicle passed the others.

use super::PresenceTask;
use crate::journal::Job;
use crate::mailbox::{Letter, Mailbox};
use crate::peers::handover::{self, BUDGET, Errand, Notice};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::oneshot;
use waygate_core::epoch::Epoch;
use waygate_core::id::{ConnId, NodeId, SpoolId, VehicleId};
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
    /// The vehicle has attached there since, with this epoch: the session that asks has lost.
    Later(Epoch),
}

/// Vehicles of which other gateways are being asked what they have stored. No more than there are errands.
#[derive(Debug, Default)]
pub struct Gathering(BTreeMap<VehicleId, Gathered>);

/// One vehicle of which others are being asked.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Questions without an answer.
    asked: usize,
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
            self.0.entry(vehicle.clone()).or_default();
        }
        let waits = self.0.get_mut(vehicle).map(|gathered| gathered.conn = Some(conn));
        waits.is_some()
    }

    fn asks(&mut self, vehicle: &VehicleId) {
        self.0.entry(vehicle.clone()).or_default().asked += 1;
    }

    /// A question was answered, or will not be; with the last one nothing is waited for any more.
    fn answered(&mut self, vehicle: &VehicleId) -> Option<Gathered> {
        let gathered = self.0.get_mut(vehicle)?;
        gathered.asked = gathered.asked.saturating_sub(1);
        if gathered.asked > 0 { None } else { self.0.remove(vehicle) }
    }

    /// Lets a question wait for the answers that this gateway waits for; gives it back if it waits for none. Beyond the bound it
    /// is dropped.
    fn wait(&mut self, request: ContextRequest) -> Option<ContextRequest> {
        let Some(gathered) = self.0.get_mut(&request.notice.vehicle) else { return Some(request) };
        if gathered.waiting.len() < WAITING_MAX {
            gathered.waiting.push(request);
        }
        None
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
            None => SeqRanges::new(),
        };
        let gathered = self.gathering.answered(&vehicle);
        let (conn, waiting) = gathered.map(|gathered| (gathered.conn, gathered.waiting)).unwrap_or_default();
        // A session that has ended meanwhile takes no telemetry.
        let conns = self.state.node.registrar().session(&vehicle).map(|session| session.conns()).unwrap_or_default();
        let conn = conn.filter(|(conn, _)| conns.contains(&Some(*conn)));
        let mailbox = conn.and_then(|(conn, of)| Some((self.state.mailboxes.get(&conn)?.clone(), of == spool)));
        match mailbox {
            Some((mailbox, true)) if !settled.is_empty() => self.note(vehicle, spool, settled, Some(mailbox)),
            // Of another spool it is not told; it waited for that answer all the same.
            Some((mailbox, _)) => {
                self.note(vehicle, spool, settled, None);
                mailbox.put(Letter::Gathered(SeqRanges::new()));
            }
            None => self.note(vehicle, spool, settled, None),
        }
        waiting.into_iter().for_each(|request| self.tell_context(request));
    }

    fn note(&self, vehicle: VehicleId, spool: SpoolId, settled: SeqRanges, mailbox: Option<Arc<Mailbox>>) {
        if settled.is_empty() {
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
        let here = self.state.node.registrar().session(&vehicle).map(|session| session.epoch());
        if let Some(later) = here.filter(|here| *here > by) {
            // Whoever asked may have given up.
            let _ = request.reply.send(Context::Later(later));
            return;
        }
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
