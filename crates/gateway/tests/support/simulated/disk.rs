//! What outlives a crash, in memory: the number of the life, and what was last written of each vehicle. Every write is
//! answered for at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use waygate_core::id::VehicleId;
use waygate_core::ranges::SeqRanges;
use waygate_gateway::journal::{Answer, Job};
use waygate_gateway::mailbox::Letter;
use waygate_gateway::presence::context::Context;
use waygate_store::{PresenceRecord, Write};

/// One gateway's. Cheap to clone.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    life: u64,
    vehicles: BTreeMap<VehicleId, PresenceRecord>,
}

impl Disk {
    /// A life begins.
    pub fn next_life(&self) -> u64 {
        let mut kept = self.0.lock().unwrap();
        kept.life += 1;
        kept.life
    }

    /// What was written of vehicles.
    pub fn vehicles(&self) -> Vec<PresenceRecord> {
        self.0.lock().unwrap().vehicles.values().cloned().collect()
    }

    /// Stands in for the journal's task.
    pub async fn run(self, mut jobs: mpsc::Receiver<Job>, answers: mpsc::Sender<Answer>) {
        while let Some(job) = jobs.recv().await {
            match job {
                Job::Presence { write, answer } => {
                    self.write(write);
                    if let Some((vehicle, session, epoch)) = answer {
                        let settled = Some(SeqRanges::new());
                        let _ = answers.send(Answer { vehicle, session, epoch, settled }).await;
                    }
                }
                Job::Fence { reply, .. } => drop(reply.send(Context::Settled(SeqRanges::new()))),
                Job::Settle { mailbox, .. } => {
                    if let Some(mailbox) = mailbox {
                        mailbox.put(Letter::Gathered(SeqRanges::new()));
                    }
                }
                // Nobody here tells of these.
                Job::Transitions { .. } | Job::Command { .. } | Job::Batches { .. } => {}
            }
        }
    }

    fn write(&self, write: Write) {
        let vehicles = &mut self.0.lock().unwrap().vehicles;
        match write {
            Write::Attach { presence, .. } | Write::Presence(presence) => {
                vehicles.insert(presence.vehicle.clone(), presence);
            }
            Write::Forget { vehicle } => drop(vehicles.remove(&vehicle)),
            Write::Batch(_) | Write::Fence { .. } | Write::Settle { .. } | Write::Command(_) | Write::Transition(_) => {
            }
        }
    }
}
