//! One vehicle of a fleet: its driver's deeds, performed with its client.

use super::Shared;
use super::body::Body;
use crate::driver::{Deed, Driver};
use crate::witness::{SharedLedger, WitnessedSpool};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Interval, MissedTickBehavior, interval_at};
use waygate_core::cause::DetachCause;
use waygate_core::command::Command;
use waygate_core::id::{SpoolId, VehicleId};
use waygate_core::time::Millis;
use waygate_obu::client::{Config, Listener, Obu};
use waygate_obu::machine::{Batching, State};
use waygate_obu::notice::Notice;
use waygate_obu::spool::MemorySpool;

/// How often a vehicle on the road reports.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Over how long the vehicles of a region come home when its gateway is back.
const COME_HOME_MS: u64 = 8000;

/// Records kept while no gateway can be reached: half an hour.
const SPOOL_RECORDS_MAX: usize = 1800;

/// One vehicle.
pub(super) struct Unit {
    index: usize,
    vehicle: VehicleId,
    shared: Arc<Shared>,
    ledger: Option<SharedLedger>,
    driver: Driver,
    /// Its reports lie so long after the full second: not all vehicles report at once.
    phase: Duration,
    /// The return of its region's gateway that it has heeded.
    heeded_ms: u64,
    /// From its first trip on.
    obu: Option<Obu>,
    deeds: Vec<Deed>,
    body: Body,
    /// For the body. The unit has a bounded number of them in hand.
    commands: (mpsc::UnboundedSender<Command>, mpsc::UnboundedReceiver<Command>),
}

impl Unit {
    pub(super) fn new(index: usize, vehicle: VehicleId, shared: Arc<Shared>, ledger: Option<SharedLedger>) -> Self {
        let mut rng =
            StdRng::seed_from_u64(shared.config.seed ^ (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let driver = Driver::new(rng.random_range(2e6..120e6), rng.random_range(25.0..95.0));
        let phase = Duration::from_millis(rng.random_range(0..REPORT_EVERY.as_millis() as u64));
        let (body, commands) = (Body::default(), mpsc::unbounded_channel());
        Self {
            index,
            vehicle,
            shared,
            ledger,
            driver,
            phase,
            heeded_ms: 0,
            obu: None,
            deeds: Vec::new(),
            body,
            commands,
        }
    }

    /// Drives until the fleet is stopped, then says goodbye.
    pub(super) async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let mut tick = interval_at(self.shared.began + self.phase, REPORT_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                biased;
                // An error says that the fleet is gone.
                _ = stopped.wait_for(|stopped| *stopped) => break,
                () = self.step(&mut tick) => {}
            }
        }
        if let Some(obu) = self.obu {
            obu.detach(DetachCause::IgnitionOff).await;
            obu.until(State::Stopped).await;
            obu.shut_down().await;
        }
    }

    /// Waits for the next report's time and does what is to be done then.
    async fn step(&mut self, tick: &mut Interval) {
        let since = tick.tick().await.duration_since(self.shared.began);
        let elapsed_ms = (since.as_millis() as f64 * self.shared.config.speed) as u64;
        let seen = self.shared.movement.at(self.index, elapsed_ms);
        // The time that was meant, not the one that it became: a steady rhythm takes fewer bytes.
        let t = self.shared.began_at + Millis(since.as_millis() as u64);
        let mut deeds = std::mem::take(&mut self.deeds);
        self.driver.observe(&self.shared.regions, &self.shared.signals, t, seen, &mut deeds);
        for deed in deeds.drain(..) {
            self.perform(deed).await;
        }
        self.deeds = deeds;
        self.come_home(since).await;
        if let Some(obu) = &self.obu {
            while let Ok(command) = self.commands.1.try_recv() {
                self.body.obey(obu, &command).await;
            }
            self.body.go_on(obu).await;
        }
    }

    /// Once the gateway of its region is back, goes there if it is elsewhere.
    async fn come_home(&mut self, since: Duration) {
        let (Some(region), Some(obu)) = (self.driver.region(), &self.obu) else { return };
        let returned_ms = self.shared.returned_ms[region].load(Ordering::Relaxed);
        let turn_ms = returned_ms + self.index as u64 * 997 % COME_HOME_MS;
        if returned_ms <= self.heeded_ms || (since.as_millis() as u64) < turn_ms {
            return;
        }
        self.heeded_ms = returned_ms;
        let elsewhere = obu.status().borrow().gateway != self.shared.config.gateways[region];
        if elsewhere {
            obu.prefer(self.gateways(region)).await;
        }
    }

    async fn perform(&mut self, deed: Deed) {
        match (deed, &self.obu) {
            (Deed::Enter { region }, None) => self.obu = Some(self.first_start(region)),
            (Deed::Enter { region }, Some(obu)) => {
                obu.ignition(true).await;
                obu.prefer(self.gateways(region)).await;
                obu.attach().await;
            }
            (Deed::Prefer { region }, Some(obu)) => obu.prefer(self.gateways(region)).await,
            (Deed::Report(record), Some(obu)) => {
                if let Err(error) = obu.record(record).await {
                    tracing::warn!(vehicle = %self.vehicle, %error, "a record was not taken");
                }
            }
            (Deed::Leave, Some(obu)) => {
                obu.detach(DetachCause::IgnitionOff).await;
                obu.ignition(false).await;
            }
            // A driver enters before it does anything else.
            (Deed::Prefer { .. } | Deed::Report(_) | Deed::Leave, None) => {}
        }
    }

    fn first_start(&self, region: usize) -> Obu {
        let spool = MemorySpool::new(SpoolId(rand::random()), SPOOL_RECORDS_MAX);
        let latency = Arc::clone(&self.shared.latency);
        let commands = self.commands.0.clone();
        let listener: Listener = Arc::new(move |notice| {
            if let Notice::Settled { latency: Some(took), .. } = notice {
                latency.observe(Duration::from_millis(took.0));
            } else if let Notice::CommandArrived(command) = notice {
                // One of a fleet that has stopped is done by nobody.
                let _ = commands.send(command.clone());
            }
        });
        let config = Config {
            boot_id: "simulated".to_owned(),
            // What is seen on the map should be of now.
            batching: Batching { delay: Millis(0), ..Batching::default() },
            signals: self.shared.signals.all().to_vec(),
            listener: Some(listener),
            takes_commands: true,
            credentials: self.shared.config.issuing.to(self.vehicle.as_str()),
            ..Config::new(self.vehicle.clone(), self.gateways(region))
        };
        let obu = Obu::start(config, WitnessedSpool::new(spool, self.ledger.clone()));
        // It starts once only.
        let _ = self.shared.statuses[self.index].set(obu.status());
        obu
    }

    /// The region's own gateway first, then its neighbours; of two as near, half of the vehicles take either.
    fn gateways(&self, region: usize) -> Vec<String> {
        let all = &self.shared.config.gateways;
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by_key(|&other| (other.abs_diff(region), (other < region) == self.index.is_multiple_of(2)));
        order.into_iter().map(|i| all[i].clone()).collect()
    }
}
