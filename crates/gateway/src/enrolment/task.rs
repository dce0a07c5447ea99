//! The enrolment's task: owns the enrolment and its file. A decision is answered once it is on disk; that a vehicle waits is
//! written within a second.

use super::file::{EnrolmentFile, FileError};
use super::{DecideError, Decision, EnrolmentDesk, LETTERS_MAX, Letter};
use crate::clock::Clock;
use crate::presence::{Barred, Command, Presence};
use std::collections::BTreeSet;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use waygate_core::enrolment::{Enrolment, Entry, Standing, Undecided};
use waygate_core::id::VehicleId;

/// How often what waits is written down.
const WRITE: Duration = Duration::from_secs(1);

/// The file in the data directory.
const FILE: &str = "enrolment.jsonl";

/// The task.
#[derive(Debug)]
pub struct EnrolmentTask {
    enrolment: Enrolment,
    file: EnrolmentFile,
    /// Not on disk yet.
    unkept: BTreeSet<VehicleId>,
    refused: Arc<BTreeSet<VehicleId>>,
    /// Whether the presence task has been told of all these.
    told: bool,
    clock: Clock,
    me: String,
    presence: Presence,
    letters: mpsc::Receiver<Letter>,
    change: watch::Sender<u64>,
}

impl EnrolmentTask {
    /// Reads what was kept.
    pub fn open(
        data_dir: &Path,
        me: String,
        clock: Clock,
        presence: Presence,
    ) -> Result<(EnrolmentDesk, Self), FileError> {
        let (file, entries) = EnrolmentFile::open(&data_dir.join(FILE))?;
        let mut enrolment = Enrolment::default();
        for (vehicle, entry) in entries {
            enrolment.learn(vehicle, entry);
        }
        let (sender, letters) = mpsc::channel(LETTERS_MAX);
        let change = watch::Sender::new(enrolment.change());
        let desk = EnrolmentDesk { letters: sender, change: change.subscribe() };
        let refused = enrolment.standing(Standing::Refused).map(|(vehicle, _)| vehicle.clone()).collect();
        let (unkept, refused, told) = (BTreeSet::new(), Arc::new(refused), false);
        Ok((desk, Self { enrolment, file, unkept, refused, told, clock, me, presence, letters, change }))
    }

    /// Tells the presence task whom operators refuse; to be awaited before anyone may attach.
    pub async fn begin(&mut self) {
        self.bar().await;
    }

    /// Runs until `stopping` resolves; what is not on disk then is written.
    pub async fn run(mut self, stopping: impl Future<Output = ()>) {
        let mut write = tokio::time::interval(WRITE);
        write.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        tokio::pin!(stopping);
        loop {
            tokio::select! {
                letter = self.letters.recv() => match letter {
                    Some(letter) => self.take(letter).await,
                    None => break,
                },
                _ = write.tick(), if !self.unkept.is_empty() => self.keep_on().await,
                () = &mut stopping => break,
            }
        }
        self.keep_on().await;
    }

    async fn take(&mut self, letter: Letter) {
        match letter {
            Letter::Ask(name, means, reply) => {
                let before = self.enrolment.change();
                let verdict = self.enrolment.ask(&name, means, self.clock.wall());
                if self.enrolment.change() != before {
                    self.unkept.insert(name.vehicle);
                    self.tell();
                }
                let _ = reply.send(verdict);
            }
            Letter::Decide(decision, reply) => {
                let decided = self.decide(decision).await;
                let _ = reply.send(decided);
            }
            Letter::Learn(entries, reply) => {
                for (vehicle, entry) in entries {
                    if self.enrolment.learn(vehicle.clone(), entry) {
                        self.note(vehicle);
                    }
                }
                self.tell();
                let kept = self.keep().await.is_ok();
                self.bar().await;
                let _ = reply.send(kept);
            }
            Letter::After(change, max, reply) => drop(reply.send(self.enrolment.after(change, max))),
            Letter::List(standing, after, max, reply) => drop(reply.send(self.list(standing, after, max))),
        }
    }

    async fn decide(&mut self, decision: Decision) -> Result<Entry, DecideError> {
        let Decision { vehicle, admit, fleet } = decision;
        let decided: Result<Entry, Undecided> =
            self.enrolment.decide(&vehicle, admit, fleet, &self.me, self.clock.wall());
        let entry = decided?;
        tracing::info!(%vehicle, fleet = %entry.fleet, standing = entry.standing.wire(), "an operator decided on a vehicle");
        self.note(vehicle);
        self.tell();
        let kept = self.keep().await;
        // In force also where the disk fails: a vehicle that is refused is not served for that.
        self.bar().await;
        kept.map(|()| entry).map_err(|error| DecideError::NotKept(Arc::new(error)))
    }

    fn list(&self, standing: Standing, after: Option<VehicleId>, max: usize) -> (Vec<(VehicleId, Entry)>, bool) {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut found = self.enrolment.range(from).filter(|(_, entry)| entry.standing == standing);
        let page = found.by_ref().take(max).map(|(vehicle, entry)| (vehicle.clone(), entry.clone())).collect();
        (page, found.next().is_some())
    }

    fn tell(&self) {
        let change = self.enrolment.change();
        self.change.send_if_modified(|last| std::mem::replace(last, change) != change);
        let pending = self.enrolment.waiting();
        metrics::gauge!("waygate_vehicles_pending").set(pending as f64);
    }

    /// What is known of a vehicle has changed.
    fn note(&mut self, vehicle: VehicleId) {
        let refused = self.enrolment.entry(&vehicle).is_some_and(|entry| entry.standing == Standing::Refused);
        if refused != self.refused.contains(&vehicle) {
            let all = Arc::make_mut(&mut self.refused);
            let _ = if refused { all.insert(vehicle.clone()) } else { all.remove(&vehicle) };
            self.told = false;
        }
        self.unkept.insert(vehicle);
    }

    /// Tells whom operators refuse, if that has changed.
    async fn bar(&mut self) {
        if !std::mem::replace(&mut self.told, true) {
            self.presence.tell(Command::Bar(Barred::Refused(self.refused.clone()))).await;
        }
    }

    async fn keep(&mut self) -> std::io::Result<()> {
        if self.unkept.is_empty() {
            return Ok(());
        }
        let unkept = &self.unkept;
        let changes = unkept.iter().filter_map(|vehicle| Some((vehicle, self.enrolment.entry(vehicle)?)));
        self.file.keep(changes, self.enrolment.entries()).await?;
        self.unkept.clear();
        Ok(())
    }

    async fn keep_on(&mut self) {
        if let Err(error) = self.keep().await {
            metrics::counter!("waygate_enrolment_write_failures_total").increment(1);
            tracing::error!(%error, "the enrolment cannot be written; it is tried again each second");
        }
    }
}
