//! Asks every gateway again and again whom it hears and what it counts, and keeps each change with its time.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::view::{Neighbour, Overview};

/// Between two questions to one gateway.
const EVERY: Duration = Duration::from_millis(200);

/// How long an answer may take: a gateway that does not answer is no reason to wait for the next look.
const WITHIN: Duration = Duration::from_millis(1000);

/// Changes of one gateway that are kept; a run has far fewer.
const SAMPLES_MAX: usize = 100_000;

/// What a gateway said from a moment on.
#[derive(Clone, Debug)]
pub struct Sample {
    pub at: Instant,
    pub overview: Overview,
}

type Samples = Arc<Mutex<Vec<Sample>>>;

/// Looks while it lives.
#[derive(Debug)]
pub struct Observer {
    ended: Arc<AtomicBool>,
    looking: Vec<(String, Samples, JoinHandle<()>)>,
}

impl Observer {
    /// Looks at these from this thread's place.
    pub fn start(gateways: &[(String, SocketAddr)]) -> Self {
        let ended = Arc::<AtomicBool>::default();
        let look = |(name, address): &(String, SocketAddr)| {
            let (samples, address, over) = (Samples::default(), *address, ended.clone());
            let kept = samples.clone();
            (name.clone(), samples, std::thread::spawn(move || look_at(address, &kept, &over)))
        };
        let looking = gateways.iter().map(look).collect();
        Self { ended, looking }
    }

    /// What a gateway said since then, beginning with what held at that moment.
    pub fn since(&self, gateway: &str, since: Instant) -> Vec<Sample> {
        let Some((_, samples, _)) = self.looking.iter().find(|(name, _, _)| name == gateway) else { return Vec::new() };
        let samples = lock(samples);
        let first = samples.iter().rposition(|sample| sample.at <= since).unwrap_or(0);
        samples[first..].to_vec()
    }

    /// When a gateway first said of another, after that moment, what fits.
    pub fn first(
        &self,
        gateway: &str,
        other: &str,
        since: Instant,
        fits: impl Fn(&Neighbour) -> bool,
    ) -> Option<Duration> {
        let said = self.since(gateway, since);
        let fitting = said.iter().find(|sample| sample.overview.neighbours.get(other).is_some_and(&fits));
        fitting.map(|sample| sample.at.saturating_duration_since(since))
    }

    /// How often a gateway changed its mind about whether it hears another.
    pub fn changes(&self, gateway: &str, other: &str, since: Instant) -> usize {
        let said = self.since(gateway, since);
        let minds: Vec<_> = said.iter().filter_map(|s| s.overview.neighbours.get(other)).map(|n| &n.status).collect();
        minds.windows(2).filter(|two| two[0] != two[1]).count()
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        for (_, _, looking) in self.looking.drain(..) {
            let _ = looking.join();
        }
    }
}

fn look_at(address: SocketAddr, samples: &Mutex<Vec<Sample>>, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let asked = Instant::now();
        if let Ok(overview) = Overview::ask(address, WITHIN) {
            let mut samples = lock(samples);
            let is_new = samples.last().is_none_or(|last| last.overview != overview);
            if is_new && samples.len() < SAMPLES_MAX {
                samples.push(Sample { at: Instant::now(), overview });
            }
        }
        std::thread::sleep(EVERY.saturating_sub(asked.elapsed()));
    }
}

/// A writer that panicked has written whole samples: they are still true.
fn lock(samples: &Mutex<Vec<Sample>>) -> MutexGuard<'_, Vec<Sample>> {
    samples.lock().unwrap_or_else(PoisonError::into_inner)
}
