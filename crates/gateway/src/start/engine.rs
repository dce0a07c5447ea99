//! The tasks that all others are built around: the journal, the feed of positions, presence, the keeper of timelines.

use super::opened::{Kept, Opened};
use crate::admission::{Gate, Pressure};
use crate::clock::Clock;
use crate::commands::Desk;
use crate::commands::desk::Letter;
use crate::config::Config;
use crate::feed::Feed;
use crate::journal::{Answers, Health, JOBS_MAX, Job, Journal};
use crate::live::Live;
use crate::peers::channels::Channels;
use crate::peers::handover::{ERRANDS_MAX, Errand};
use crate::presence::{ATTACHES_MAX, COMMANDS_MAX, Outlets, Presence, PresenceTask};
use crate::tasks::Tasks;
use crate::timeline::{Keeper, NEWS_MAX};
use crate::tls::Trust;
use crate::vehicles::refusals::Refusals;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use waygate_core::admission::Settings;
use waygate_core::command::CommandId;
use waygate_core::commands::Record;
use waygate_core::id::Incarnation;
use waygate_core::redirect::Territory;
use waygate_core::time::Millis;
use waygate_core::view::NodeInfo;
use waygate_store::{Reader, Writer};

/// The ways to what runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {
    /// The clocks.
    pub clock: Clock,
    /// This gateway.
    pub me: NodeInfo,
    /// Its region, and the areas of all.
    pub territory: Arc<Territory>,
    /// Spawns.
    pub tasks: Tasks,
    /// The way to the presence task.
    pub presence: Presence,
    /// The way to the journal.
    pub journal: mpsc::Sender<Job>,
    /// Whether the store takes writes.
    pub health: Arc<Health>,
    /// Reads the store.
    pub reader: Reader,
    /// Latest positions.
    pub feed: Feed,
    /// Live events.
    pub live: Live,
    /// The peers.
    pub channels: Channels,
    /// What is known of the load.
    pub pressure: Arc<Pressure>,
    /// Tells of vehicles that were turned away.
    pub refusals: Arc<Refusals>,
    /// The way to the commands task.
    pub desk: Desk,
}

/// What one task each will read.
#[derive(Debug)]
pub struct Loose {
    /// The journal's end, with the writer.
    pub journal: JoinHandle<Writer>,
    /// A life of this node that peers know and its store does not.
    pub outlived: watch::Receiver<Option<Incarnation>>,
    /// What other gateways are to be asked.
    pub errands: mpsc::Receiver<Errand>,
    /// For the commands task: letters of its desk.
    pub letters: mpsc::Receiver<Letter>,
    /// Which command is on disk.
    pub written: mpsc::Receiver<(CommandId, bool)>,
    /// Commands that the store kept.
    pub commands: Vec<Record>,
}

impl Engine {
    /// Starts it.
    pub fn start(config: &Config, opened: Opened, trust: Option<Trust>) -> (Self, Loose) {
        let Opened { clock, me, territory, kept, writer, reader, wake_key: _ } = opened;
        let Kept { node, places, commands } = kept;
        let (tasks, live, health) = (Tasks::default(), Live::new(me.incarnation), Arc::new(Health::default()));
        let (asks, queue) = mpsc::channel(COMMANDS_MAX);
        let (jobs, job_queue) = mpsc::channel(JOBS_MAX);
        let (attaches, answers) = mpsc::channel(ATTACHES_MAX);
        let (errands, errand_queue) = mpsc::channel(ERRANDS_MAX);
        let (told, written) = mpsc::channel(JOBS_MAX);
        let (desk, letters) = Desk::new();
        let (feed, feed_task) = Feed::new(live.clone(), places);
        let delay = Duration::from_millis(config.store.commit_delay_ms);
        let told = Answers { attaches, commands: told };
        let journal = Journal::new(writer, job_queue, told, feed.clone(), health.clone(), delay, tasks.clone());
        // Ends after all others: what they submitted is still committed.
        let journal = tokio::spawn(journal.run());
        tokio::spawn(feed_task.run());
        let gate = Gate::new(admission(config), clock.now());
        let (pressure, refusals) = (gate.pressure(), Arc::new(Refusals::new(clock)));
        let outlets = Outlets { journal: jobs.clone(), errands, live: live.clone(), refusals: refusals.clone() };
        let task = PresenceTask::new(node, clock, queue, answers, outlets, territory.clone(), gate);
        let (news, news_queue) = mpsc::channel(NEWS_MAX);
        let (telling, outlived) = watch::channel(None);
        tokio::spawn(task.keeping(news).telling(telling).run());
        // Ends after the presence task, and before the journal.
        tokio::spawn(Keeper::new(news_queue, reader.clone(), jobs.clone()).run());
        let engine = Self {
            clock,
            me,
            territory,
            tasks,
            presence: Presence::new(asks),
            journal: jobs,
            health,
            reader,
            feed,
            live,
            channels: Channels::new(trust),
            pressure,
            refusals,
            desk,
        };
        (engine, Loose { journal, outlived, errands: errand_queue, letters, written, commands })
    }
}

fn admission(config: &Config) -> Settings {
    Settings {
        wait_max: Millis(config.admission.attach_wait_max_ms),
        queue_max: ATTACHES_MAX as u64,
        per_second_max: config.admission.attaches_per_second_max,
    }
}
