//! One unit of a convoy: the real client, a rhythm of records, and what it saw.

use super::order::UnitSight;
use crate::witness::{SharedLedger, WitnessedSpool};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};
use waygate_core::cause::RejectCause;
use waygate_core::command::{Command, CommandStatus, VehicleVerdict};
use waygate_core::epoch::Epoch;
use waygate_core::id::{SessionId, SpoolId, VehicleId};
use waygate_core::record::{Fix, Position, Record};
use waygate_core::time::Millis;
use waygate_obu::client::{Config, Listener, Obu, Status};
use waygate_obu::machine::{Batching, State};
use waygate_obu::notice::Notice;
use waygate_obu::spool::MemorySpool;

/// Records kept while no gateway can be reached: at ten a second, a quarter of an hour.
const SPOOL_RECORDS_MAX: usize = 9000;

/// Where all of them stand: a place that no region of a test claims.
const PLACE: Position = Position { lat_e7: 496_100_000, lon_e7: 61_300_000 };

/// What a unit was told, beside its status.
#[derive(Clone, Debug, Default)]
struct Told {
    session: Option<SessionId>,
    epoch: Option<Epoch>,
    resumed: u64,
    superseded: u64,
    refused: BTreeMap<&'static str, u64>,
    begun: BTreeMap<String, u64>,
}

/// A unit. Its tasks end with the process, without a goodbye.
#[derive(Debug)]
pub(super) struct Unit {
    vehicle: VehicleId,
    obu: Arc<Obu>,
    status: watch::Receiver<Status>,
    told: Arc<Mutex<Told>>,
    pause: watch::Sender<bool>,
}

impl Unit {
    pub(super) fn start(
        vehicle: VehicleId,
        gateways: Vec<String>,
        report_every: Duration,
        ledger: SharedLedger,
    ) -> Self {
        let told = Arc::<Mutex<Told>>::default();
        let (commands, orders) = mpsc::unbounded_channel();
        let listener: Listener = {
            let told = told.clone();
            Arc::new(move |notice| hear(&told, &commands, notice))
        };
        let spool = MemorySpool::new(SpoolId(rand::random()), SPOOL_RECORDS_MAX);
        let config = Config {
            boot_id: "convoy".to_owned(),
            batching: Batching { delay: Millis(0), ..Batching::default() },
            listener: Some(listener),
            takes_commands: true,
            ..Config::new(vehicle.clone(), gateways)
        };
        let obu = Arc::new(Obu::start(config, WitnessedSpool::new(spool, Some(ledger))));
        let (pause, paused) = watch::channel(false);
        tokio::spawn(report(obu.clone(), report_every, paused));
        tokio::spawn(do_commands(obu.clone(), told.clone(), orders));
        Self { vehicle, status: obu.status(), obu, told, pause }
    }

    pub(super) fn obu(&self) -> &Obu {
        &self.obu
    }

    /// No record from now on.
    pub(super) fn pause(&self) {
        self.pause.send_replace(true);
    }

    pub(super) fn sight(&self, name: &str) -> UnitSight {
        let status = self.status.borrow().clone();
        let told = read(&self.told).clone();
        UnitSight {
            unit: name.to_owned(),
            vehicle: self.vehicle.as_str().to_owned(),
            state: word(status.state).to_owned(),
            gateway: status.gateway,
            session: status.session.map(|session| session.0.to_string()),
            epoch: told.epoch.map_or(0, |epoch| epoch.0).to_string(),
            unsettled: status.unsettled,
            attempts: status.counters.attempts,
            attached: status.counters.attached,
            resumed: told.resumed,
            superseded: told.superseded,
            refused: told.refused.iter().map(|(cause, times)| ((*cause).to_owned(), *times)).collect(),
            lost: status.counters.lost,
            recorded: status.counters.recorded,
            begun: told.begun,
        }
    }
}

const fn word(state: State) -> &'static str {
    match state {
        State::Waiting => "waiting",
        State::Connecting => "connecting",
        State::Attaching => "attaching",
        State::Attached => "attached",
        State::Asleep => "asleep",
        State::Stopped => "stopped",
    }
}

/// A writer that panicked has written whole values: they are still true.
fn read(told: &Mutex<Told>) -> std::sync::MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hear(told: &Mutex<Told>, commands: &mpsc::UnboundedSender<Command>, notice: &Notice) {
    if let Notice::Attached { session, epoch, .. } = notice {
        let mut told = read(told);
        if told.session.replace(*session) == Some(*session) {
            told.resumed += 1;
        }
        told.epoch = Some(*epoch);
    } else if let Notice::AttachRejected { reject, .. } = notice {
        *read(told).refused.entry(RejectCause::wire(reject.cause)).or_default() += 1;
    } else if let Notice::Superseded { .. } = notice {
        read(told).superseded += 1;
    } else if let Notice::CommandArrived(command) = notice {
        // The unit has a bounded number of them in hand; once it is gone nobody does them.
        let _ = commands.send(command.clone());
    }
}

/// Gives the unit a record whenever it is time.
async fn report(obu: Arc<Obu>, every: Duration, mut paused: watch::Receiver<bool>) {
    let mut tick = interval(every.max(Duration::from_millis(1)));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            // An error says that the unit is gone.
            _ = paused.wait_for(|paused| *paused) => return,
        }
        let fix = Fix { position: PLACE, alt_cm: None, speed_cms: Some(0), heading_cdeg: None, hdop_centi: None };
        let record = Record { t: super::wall_clock(), fix: Some(fix), signals: Vec::new() };
        if obu.record(record).await.is_err() {
            return;
        }
    }
}

/// Begins what is granted, counts it, and says that it is done.
async fn do_commands(obu: Arc<Obu>, told: Arc<Mutex<Told>>, mut orders: mpsc::UnboundedReceiver<Command>) {
    while let Some(command) = orders.recv().await {
        if !obu.begin_command(command.id).await {
            continue;
        }
        *read(&told).begun.entry(command.id.to_string()).or_default() += 1;
        let status = CommandStatus {
            id: command.id,
            verdict: VehicleVerdict::Succeeded,
            code: String::new(),
            text: String::new(),
            result: String::new(),
        };
        if let Err(error) = obu.command_status(status).await {
            tracing::warn!(%error, "a unit cannot say what became of a command");
        }
    }
}
