//! What ends a demo from outside: the first signal asks for a clean end, the second one ends it at once.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// SIGINT, SIGTERM and SIGHUP, counted.
pub struct StopSignals {
    count: watch::Receiver<u32>,
    _listening: JoinSet<()>,
}

impl StopSignals {
    /// Listens from now on.
    pub fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let (tell, count) = watch::channel(0);
        let mut listening = JoinSet::new();
        for kind in kinds {
            let (mut signals, tell): (Signal, _) = (listen(kind)?, tell.clone());
            listening.spawn(async move {
                while signals.recv().await.is_some() {
                    tell.send_modify(|n| *n += 1);
                }
            });
        }
        Ok(Self { count, _listening: listening })
    }

    async fn at_least(&self, n: u32) {
        let mut count = self.count.clone();
        if count.wait_for(|count| *count >= n).await.is_err() {
            // Nobody listens any more: then none will come.
            std::future::pending::<()>().await;
        }
    }

    /// Waits until one has come.
    pub async fn first(&self) {
        self.at_least(1).await;
    }

    /// Waits until two have come.
    pub async fn second(&self) {
        self.at_least(2).await;
    }
}
