//! Thousands of vehicles in one process, each the real client: it attaches, spools, moves and fails over by
//! the same code that runs in a car.
//!
//! One task a vehicle owns its driver and its client; what all share is read-only or a counter. The fleet
//! owns the tasks: it can stop them all, and waits for them.

mod body;
mod issuing;
mod unit;

pub use issuing::Issuing;
pub use waygate_obu::{Credentials, Source};

use crate::driver::Signals;
use crate::latency::{Latencies, LatencyMeter};
use crate::ledger::VehicleLedger;
use crate::movement::Movement;
use crate::regions::Regions;
use crate::witness::SharedLedger;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use unit::Unit;
use waygate_core::id::{InvalidId, VehicleId};
use waygate_core::time::Wall;
use waygate_obu::client::Status;
use waygate_obu::machine::State;

/// What a fleet is told.
#[derive(Clone, Debug)]
pub struct FleetConfig {
    /// The gateways' addresses for vehicles, one a region, west to east.
    pub gateways: Vec<String>,
    /// Vehicles are called `PREFIX-0001`, ….
    pub prefix: String,
    /// How fast the traffic plays.
    pub speed: f64,
    /// For what the movement does not decide.
    pub seed: u64,
    /// Whether every promise is written down, to be judged at the end; 4 bytes a record.
    pub ledgers: bool,
    /// What vehicles show gateways.
    pub issuing: Issuing,
}

/// A fleet cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// Ids made of the prefix would be none.
    #[error("the prefix {prefix:?} makes no vehicle ids: {source}")]
    Prefix {
        /// As it was given.
        prefix: String,
        /// What is wrong.
        source: InvalidId,
    },
    /// A region without a gateway, or a gateway without a region.
    #[error("{regions} regions and {gateways} gateways: each region needs one")]
    Gateways {
        /// How many regions.
        regions: usize,
        /// How many gateways.
        gateways: usize,
    },
    /// A signal's path is none.
    #[error("a signal's path is not one that the protocol takes")]
    Signals,
}

/// What a fleet did so far, and how it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Vehicles in all.
    pub vehicles: u64,
    /// With a session.
    pub attached: u64,
    /// On the road and without a session.
    pub seeking: u64,
    /// Accepts since the start.
    pub attaches: u64,
    /// Records given out.
    pub recorded: u64,
    /// Of these, acked as stored.
    pub acked: u64,
    /// Records sent again.
    pub resent: u64,
    /// Records refused for good.
    pub rejected: u64,
    /// Records given up because a spool was full.
    pub dropped: u64,
    /// Bytes of the messages that carried records.
    pub sent_bytes: u64,
    /// From sending to the ack.
    pub ack_latencies: Latencies,
    /// The longest of them.
    pub ack_max: Option<Duration>,
}

/// What the `index`th vehicle of a fleet is called, counted from 0.
pub fn vehicle_name(prefix: &str, index: usize) -> String {
    format!("{prefix}-{:04}", index + 1)
}

/// What every vehicle reads.
struct Shared {
    movement: Movement,
    regions: Regions,
    signals: Signals,
    config: FleetConfig,
    latency: Arc<LatencyMeter>,
    /// By vehicle, once it has entered for the first time.
    statuses: Vec<OnceLock<watch::Receiver<Status>>>,
    /// By region, when its gateway returned, in milliseconds after the beginning; 0 if it was never away.
    returned_ms: Vec<AtomicU64>,
    began: Instant,
    began_at: Wall,
}

/// Vehicles that drive.
pub struct Fleet {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    units: JoinSet<()>,
    ledgers: Vec<SharedLedger>,
}

impl Fleet {
    /// Puts every vehicle of the movement on its way. Needs a tokio runtime.
    pub fn start(config: FleetConfig, movement: Movement, regions: Regions) -> Result<Self, FleetError> {
        if regions.count() != config.gateways.len() {
            return Err(FleetError::Gateways { regions: regions.count(), gateways: config.gateways.len() });
        }
        let ids = (0..movement.vehicles()).map(|index| VehicleId::new(&vehicle_name(&config.prefix, index)));
        let ids: Vec<VehicleId> = ids
            .collect::<Result<_, _>>()
            .map_err(|source| FleetError::Prefix { prefix: config.prefix.clone(), source })?;
        let began_at = wall_clock();
        let ledger = |id: &VehicleId| SharedLedger::new(VehicleLedger::new(id.clone(), began_at));
        let ledgers: Vec<_> = if config.ledgers { ids.iter().map(ledger).collect() } else { Vec::new() };
        let shared = Arc::new(Shared {
            statuses: ids.iter().map(|_| OnceLock::new()).collect(),
            movement,
            signals: Signals::new().ok_or(FleetError::Signals)?,
            config,
            latency: Arc::default(),
            returned_ms: (0..regions.count()).map(|_| AtomicU64::new(0)).collect(),
            regions,
            began: Instant::now(),
            began_at,
        });
        let (stop, stopped) = watch::channel(false);
        let mut units = JoinSet::new();
        for (index, id) in ids.into_iter().enumerate() {
            let unit = Unit::new(index, id, Arc::clone(&shared), ledgers.get(index).cloned());
            units.spawn(unit.run(stopped.clone()));
        }
        Ok(Self { shared, stop, units, ledgers })
    }

    /// What it did so far.
    pub fn figures(&self) -> Figures {
        let mut figures = Figures {
            vehicles: self.shared.statuses.len() as u64,
            ack_latencies: self.shared.latency.read(),
            ack_max: self.shared.latency.max(),
            ..Figures::default()
        };
        for status in self.shared.statuses.iter().filter_map(OnceLock::get) {
            figures.add(&status.borrow());
        }
        figures
    }

    /// The gateway of a region is back: vehicles in that region that found another one meanwhile come home,
    /// spread over a few seconds.
    pub fn gateway_returned(&self, region: usize) {
        if let Some(returned_ms) = self.shared.returned_ms.get(region) {
            let now_ms = u64::try_from(self.shared.began.elapsed().as_millis()).unwrap_or(u64::MAX);
            returned_ms.store(now_ms.max(1), Ordering::Relaxed);
        }
    }

    /// Takes every vehicle off the road: each has its records acked and says goodbye, if that can be done
    /// within a time. Returns what the fleet did and what it was promised.
    pub async fn stop(mut self, within: Duration) -> (Figures, Vec<VehicleLedger>) {
        self.stop.send_replace(true);
        let all = async { while self.units.join_next().await.is_some() {} };
        if tokio::time::timeout(within, all).await.is_err() {
            // What is left loses its power.
            self.units.shutdown().await;
        }
        let ledgers = self.ledgers.iter().map(SharedLedger::read).collect();
        (self.figures(), ledgers)
    }
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fleet").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

impl Figures {
    fn add(&mut self, status: &Status) {
        match status.state {
            State::Attached => self.attached += 1,
            State::Waiting | State::Connecting | State::Attaching => self.seeking += 1,
            State::Asleep | State::Stopped => {}
        }
        let counters = &status.counters;
        self.attaches += counters.attached;
        self.recorded += counters.recorded;
        self.acked += counters.acked();
        self.resent += counters.resent;
        self.rejected += counters.rejected;
        self.dropped += counters.dropped;
        self.sent_bytes += counters.sent_bytes;
    }
}

fn wall_clock() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
#[path = "fleet_tests.rs"]
mod tests;
