//! What a gateway does for operators and peers beside presence: it wakes vehicles, knows which are admitted, and brings them
//! commands.

use super::StartError;
use super::engine::Engine;
use crate::commands::task::{CommandsTask, Means, Queues};
use crate::commands::waking;
use crate::config::Config;
use crate::enrolment::EnrolmentDesk;
use crate::enrolment::task::EnrolmentTask;
use crate::hooks::Hooks;
use crate::pager::Pager;
use crate::pager::task::Parts;
use crate::peers;
use tokio::sync::mpsc;
use waygate_core::commands::Record;

/// Begins to wake vehicles for whoever asks.
pub fn pager(config: &Config, engine: &Engine, wake_key: Vec<u8>) -> Result<Pager, StartError> {
    let Engine { clock, tasks, live, .. } = engine.clone();
    let hooks = Hooks::new(config, wake_key, &tasks)?;
    let (pager, asks) = Pager::new(engine.presence.clone(), engine.channels.clone());
    let parts = Parts { clock, live, hooks, rules: config.wake.rules(), tasks };
    engine.tasks.spawn("pager", pager.task(asks, parts).run());
    Ok(pager)
}

/// Reads which vehicles operators decided on, and begins to tell the peers. When this returns, those that are refused have no
/// session.
pub async fn enrolment(config: &Config, engine: &Engine) -> Result<EnrolmentDesk, StartError> {
    let Engine { clock, me, tasks, presence, channels, .. } = engine.clone();
    let (desk, mut task) =
        EnrolmentTask::open(&config.node.data_dir, me.id.as_str().to_owned(), clock, presence.clone())?;
    task.begin().await;
    tasks.spawn("enrolment", task.run(tasks.stopping()));
    let (telling, stopping) = (peers::enrolment::run(desk.clone(), presence, channels), tasks.stopping());
    tasks.spawn("enrolment tells", async move {
        tokio::select! { () = telling => {}, () = stopping => {} }
    });
    Ok(desk)
}

/// Goes on with the commands that the store kept, and takes new ones.
pub fn commands(engine: &Engine, pager: Pager, kept: Vec<Record>, queues: Queues) {
    let Engine { clock, me, tasks, presence, journal, channels, desk, .. } = engine.clone();
    let (wakes, wake_queue) = mpsc::channel(waking::WAKES_MAX);
    let means = Means { clock, presence, journal, channels, wakes, tasks };
    let task = CommandsTask::new(me.id, me.region, means, desk.clone());
    engine.tasks.spawn("commands", task.run(kept, queues));
    engine.tasks.spawn("waking", waking::by_pager(wake_queue, pager, desk));
}
