//! The journal: the one task that writes to the store.
//!
//! Everything that arrives while a commit is under way goes into the next one (group commit). Only after the
//! commit returned are its writers told. A full disk rolls the commit back as a whole, so the same writes wait
//! until there is room, and nobody is told anything. After any other failure nothing of it is known to be on
//! disk: its writers are told that it failed, and the database is opened anew before the next commit.

use crate::feed::{Committed, Feed};
use crate::mailbox::{Letter, Mailbox};
use crate::presence::context::Context;
use crate::tasks::Tasks;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use waygate_core::command::CommandId;
use waygate_core::epoch::Epoch;
use waygate_core::id::{SessionId, VehicleId};
use waygate_core::ingest::Ticket;
use waygate_core::ranges::SeqRanges;
use waygate_store::{CommitError, CommitErrorKind, Outcome, TransitionRecord, Write, Writer};

/// Jobs that may wait; beyond it, whoever submits waits.
pub const JOBS_MAX: usize = 4096;

/// Jobs of one commit.
const COMMIT_JOBS_MAX: usize = 4096;

/// Bytes of records of one commit, about: what is gathered stops here, however much waits.
const COMMIT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long a commit that found the disk full waits before it is tried again.
const FULL_RETRY: Duration = Duration::from_secs(1);

/// How long to wait before the database is opened anew after a failure, and before what was not written is tried again.
const REOPEN_RETRY: Duration = Duration::from_secs(1);

/// Something to be made durable, and who waits for it.
#[derive(Debug)]
pub enum Job {
    /// A vehicle's state. With `answer`, the presence task is told.
    Presence {
        /// What to write.
        write: Write,
        /// The attach that waits for it.
        answer: Option<(VehicleId, SessionId, Epoch)>,
    },
    /// A vehicle's session went on at another gateway, which is told what is settled here.
    Fence {
        /// What to write.
        write: Write,
        /// What is settled. Dropped if the write failed.
        reply: oneshot::Sender<Context>,
    },
    /// What another gateway has stored of a spool.
    Settle {
        /// What to write.
        write: Write,
        /// Whose telemetry waits for it; told of all that is settled of the spool.
        mailbox: Option<Arc<Mailbox>>,
    },
    /// What became known of vehicles' timelines.
    Transitions {
        /// What to write.
        writes: Vec<Write>,
        /// Given back once it is written or given up; `None` once nobody waits for that.
        under_way: Option<OwnedSemaphorePermit>,
    },
    /// A command. The commands task is told.
    Command {
        /// What to write.
        write: Write,
        /// Which.
        id: CommandId,
    },
    /// Telemetry of one ticket.
    Batches {
        /// What to write.
        writes: Vec<Write>,
        /// For the feed, once committed.
        committed: Committed,
        /// Who waits.
        mailbox: Arc<Mailbox>,
        /// For what.
        ticket: Ticket,
    },
}

/// What became of an attach's write.
#[derive(Debug)]
pub struct Answer {
    /// Whose.
    pub vehicle: VehicleId,
    /// Which.
    pub session: SessionId,
    /// Its epoch.
    pub epoch: Epoch,
    /// What is settled of its spool, or that it failed.
    pub settled: Option<SeqRanges>,
}

/// Who is told what became of a write.
#[derive(Debug)]
pub struct Answers {
    /// Attaches: the presence task.
    pub attaches: mpsc::Sender<Answer>,
    /// Commands, and whether they are on disk: the commands task.
    pub commands: mpsc::Sender<(CommandId, bool)>,
}

/// Whether the store takes writes, for readiness.
#[derive(Debug, Default)]
pub struct Health(AtomicU8);

impl Health {
    const OK: u8 = 0;
    const FULL: u8 = 1;
    const FAILED: u8 = 2;

    /// What is wrong, if anything.
    pub fn trouble(&self) -> Option<&'static str> {
        match self.0.load(Ordering::Relaxed) {
            Self::OK => None,
            Self::FULL => Some("the disk is full: nothing is acked until there is room"),
            _ => Some("the database failed and is being opened anew"),
        }
    }

    fn set(&self, state: u8) {
        self.0.store(state, Ordering::Relaxed);
    }
}

/// The task's state.
#[derive(Debug)]
pub struct Journal {
    writer: Writer,
    jobs: mpsc::Receiver<Job>,
    answers: Answers,
    feed: Feed,
    health: Arc<Health>,
    commit_delay: Duration,
    tasks: Tasks,
    /// Presence of a commit that failed, for the next one.
    unwritten: Vec<Job>,
}

impl Journal {
    /// A journal over a store that was just opened.
    pub fn new(
        writer: Writer,
        jobs: mpsc::Receiver<Job>,
        answers: Answers,
        feed: Feed,
        health: Arc<Health>,
        commit_delay: Duration,
        tasks: Tasks,
    ) -> Self {
        Self { writer, jobs, answers, feed, health, commit_delay, tasks, unwritten: Vec::new() }
    }

    /// Runs until every sender is gone: what was submitted before the gateway stopped is still committed. Gives the writer
    /// back.
    pub async fn run(mut self) -> Writer {
        while let Some(first) = self.next().await {
            // Company for the commit: what arrives within the delay shares its sync.
            if !self.commit_delay.is_zero() {
                tokio::time::sleep(self.commit_delay).await;
            }
            let mut jobs = std::mem::take(&mut self.unwritten);
            jobs.extend(first);
            let mut bytes: usize = jobs.iter().map(Job::bytes).sum();
            while jobs.len() < COMMIT_JOBS_MAX
                && bytes < COMMIT_BYTES_MAX
                && let Ok(job) = self.jobs.try_recv()
            {
                bytes += job.bytes();
                jobs.push(job);
            }
            self.commit(jobs).await;
        }
        let left = std::mem::take(&mut self.unwritten);
        if !left.is_empty() {
            self.commit(left).await;
        }
        self.writer
    }

    /// The next job, or none while only those of a commit that failed wait: they are tried again though nothing else comes.
    /// `None` once every sender is gone.
    async fn next(&mut self) -> Option<Option<Job>> {
        if self.unwritten.is_empty() {
            return self.jobs.recv().await.map(Some);
        }
        match tokio::time::timeout(REOPEN_RETRY, self.jobs.recv()).await {
            Ok(job) => job.map(Some),
            Err(_) => Some(None),
        }
    }

    async fn commit(&mut self, jobs: Vec<Job>) {
        loop {
            let started = Instant::now();
            let writes: Vec<Write> = jobs.iter().flat_map(Job::writes).cloned().collect();
            match self.writer.commit(writes).await {
                Ok(outcomes) => {
                    metrics::histogram!("waygate_store_commit_seconds").record(started.elapsed().as_secs_f64());
                    self.health.set(Health::OK);
                    return self.answer(jobs, outcomes).await;
                }
                Err(error) if error.kind == CommitErrorKind::Full => {
                    if self.health.trouble().is_none() {
                        tracing::error!(%error, "the disk is full; vehicles keep what is not acked");
                    }
                    self.health.set(Health::FULL);
                    metrics::counter!("waygate_store_commit_failures_total", "kind" => "full").increment(1);
                    if self.tasks.is_stopping() {
                        return self.fail(jobs).await;
                    }
                    tokio::time::sleep(FULL_RETRY).await;
                    self.reopen().await;
                }
                Err(error) => {
                    self.log_failure(&error);
                    self.fail(jobs).await;
                    self.health.set(Health::FAILED);
                    return self.reopen().await;
                }
            }
        }
    }

    fn log_failure(&self, error: &CommitError) {
        metrics::counter!("waygate_store_commit_failures_total", "kind" => "io").increment(1);
        tracing::error!(%error, "a commit failed; nothing of it is acked, the database is opened anew");
    }

    async fn reopen(&mut self) {
        while let Err(error) = self.writer.reopen().await {
            tracing::error!(%error, "the database cannot be opened; trying again");
            if self.tasks.is_stopping() {
                return;
            }
            tokio::time::sleep(REOPEN_RETRY).await;
        }
    }

    async fn answer(&self, jobs: Vec<Job>, outcomes: Vec<Outcome>) {
        let mut outcomes = outcomes.into_iter();
        for job in jobs {
            let count = job.writes().count();
            let mine: Vec<Outcome> = outcomes.by_ref().take(count).collect();
            match job {
                Job::Presence { answer: None, .. } | Job::Transitions { .. } => {}
                Job::Presence { answer: Some((vehicle, session, epoch)), .. } => {
                    let settled = settled(mine);
                    self.tell(Answer { vehicle, session, epoch, settled }).await;
                }
                // Whoever asked may have given up.
                Job::Fence { reply, .. } => drop(settled(mine).map(|settled| reply.send(Context::Settled(settled)))),
                Job::Settle { mailbox, .. } => gathered(mailbox, mine),
                Job::Command { id, .. } => {
                    let refused = mine.iter().find_map(|outcome| match outcome {
                        Outcome::Refused(why) => Some(why),
                        Outcome::Attached { .. }
                        | Outcome::Stored
                        | Outcome::Duplicate
                        | Outcome::Overlap { .. }
                        | Outcome::Fenced { .. }
                        | Outcome::Done => None,
                    });
                    if let Some(why) = refused {
                        tracing::error!(%id, %why, "a command is not stored");
                    }
                    self.tell_command(id, refused.is_none()).await;
                }
                Job::Batches { committed, mailbox, ticket, .. } => {
                    let letter = verdict(ticket, &mine);
                    if matches!(letter, Letter::Persisted(_)) {
                        self.feed.committed(committed).await;
                    }
                    mailbox.put(letter);
                }
            }
        }
    }

    async fn fail(&mut self, jobs: Vec<Job>) {
        for job in jobs {
            match job {
                // Nobody waits for it and nobody would say it again: it goes into the next commit.
                job @ Job::Presence { answer: None, .. } if self.unwritten.len() < JOBS_MAX => self.unwritten.push(job),
                Job::Transitions { writes, under_way } if self.unwritten.len() < JOBS_MAX => {
                    // Whoever ends is not held up by a disk that takes nothing.
                    let under_way = under_way.filter(|_| !self.tasks.is_stopping());
                    self.unwritten.push(Job::Transitions { writes, under_way });
                }
                Job::Presence { answer: None, .. } | Job::Fence { .. } => {}
                Job::Transitions { writes, .. } => {
                    metrics::counter!("waygate_timeline_dropped_total").increment(writes.len() as u64);
                }
                Job::Presence { answer: Some((vehicle, session, epoch)), .. } => {
                    self.tell(Answer { vehicle, session, epoch, settled: None }).await;
                }
                // Without it telemetry is taken all the same.
                Job::Settle { mailbox, .. } => gathered(mailbox, Vec::new()),
                Job::Command { id, .. } => self.tell_command(id, false).await,
                Job::Batches { mailbox, ticket, .. } => mailbox.put(Letter::PersistFailed(ticket)),
            }
        }
    }

    /// The presence task keeps no more attaches under way than this queue holds, so this never waits for long.
    async fn tell(&self, answer: Answer) {
        if self.answers.attaches.send(answer).await.is_err() {
            tracing::debug!("the presence task has ended; an attach is not answered");
        }
    }

    /// The commands task reads this queue before all else and never waits for the journal.
    async fn tell_command(&self, id: CommandId, on_disk: bool) {
        if self.answers.commands.send((id, on_disk)).await.is_err() {
            tracing::debug!("the commands task has ended; a command is not answered");
        }
    }
}

impl Job {
    /// Bytes of its records, about.
    fn bytes(&self) -> usize {
        let bytes = |write: &Write| match write {
            Write::Batch(batch) => batch.columns.len(),
            Write::Command(command) => command.body.len(),
            Write::Transition(_) => size_of::<TransitionRecord>(),
            Write::Attach { .. }
            | Write::Presence(_)
            | Write::Forget { .. }
            | Write::Fence { .. }
            | Write::Settle { .. } => 0,
        };
        self.writes().map(bytes).sum()
    }

    fn writes(&self) -> impl Iterator<Item = &Write> {
        match self {
            Self::Presence { write, .. }
            | Self::Fence { write, .. }
            | Self::Settle { write, .. }
            | Self::Command { write, .. } => std::slice::from_ref(write),
            Self::Batches { writes, .. } | Self::Transitions { writes, .. } => writes.as_slice(),
        }
        .iter()
    }
}

/// The telemetry that waits for what another gateway has stored is taken from now on.
fn gathered(mailbox: Option<Arc<Mailbox>>, outcomes: Vec<Outcome>) {
    if let Some(mailbox) = mailbox {
        mailbox.put(Letter::Gathered(settled(outcomes).unwrap_or_default()));
    }
}

/// What is settled of the spool that an attach or a fence asked about; `None` if a later attach is known.
fn settled(outcomes: Vec<Outcome>) -> Option<SeqRanges> {
    outcomes.into_iter().find_map(|outcome| match outcome {
        Outcome::Attached { settled } => Some(settled),
        Outcome::Stored
        | Outcome::Duplicate
        | Outcome::Overlap { .. }
        | Outcome::Fenced { .. }
        | Outcome::Done
        | Outcome::Refused(_) => None,
    })
}

/// What a connection is told of the writes of one ticket.
fn verdict(ticket: Ticket, outcomes: &[Outcome]) -> Letter {
    let mut settled = SeqRanges::new();
    let mut overlapped = false;
    for outcome in outcomes {
        match outcome {
            Outcome::Stored | Outcome::Duplicate | Outcome::Done | Outcome::Attached { .. } => {}
            Outcome::Overlap { settled: there } => {
                overlapped = true;
                settled.extend(there);
            }
            Outcome::Fenced { .. } => return Letter::Fenced,
            Outcome::Refused(_) => return Letter::PersistFailed(ticket),
        }
    }
    if overlapped { Letter::Overlapped(ticket, settled) } else { Letter::Persisted(ticket) }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
