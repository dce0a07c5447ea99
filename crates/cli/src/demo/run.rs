//! The course of a demo: prepare, start, drive, verify, end. Whatever happens on the way, the gateways are
//! stopped and the temporary folder is removed.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use waygate_simulator::fleet::{self, Fleet, FleetConfig, Issuing};
use waygate_simulator::judge::{Verdict, judge};
use waygate_simulator::ledger::VehicleLedger;
use waygate_simulator::movement::Movement;
use waygate_simulator::operator::Operator;
use waygate_simulator::regions::Regions;
use waygate_simulator::{bundled, fcd};

use super::DemoArgs;
use super::children::Gateway;
use super::folder::Folder;
use super::knowledge::Knowledge;
use super::pki::Pki;
use super::plan::{self, REGIONS, Seat};
use super::screen::Screen;
use super::status::{self, Recent};
use super::stop::StopSignals;
use super::{limits, words};
use crate::exit::{Exit, Failure};

/// How often the status is made anew.
const STATUS_EVERY: Duration = Duration::from_millis(500);

/// How often the gateways are asked what they know.
const KNOWLEDGE_EVERY: Duration = Duration::from_secs(1);

/// How long vehicles may take to get their last records acked and to say goodbye.
const GOODBYE_WITHIN: Duration = Duration::from_secs(10);

/// How long one page of a vehicle's history may take when everything is looked up.
const LOOK_WITHIN: Duration = Duration::from_secs(60);

/// Runs the demo until its end.
pub async fn run(args: DemoArgs) -> Result<Exit, Failure> {
    let mut screen = Screen::to_stdout();
    // What fails before anything runs can be mended on the command line.
    let prepared = prepare(&args, &mut screen).await.map_err(|error| Failure::usage(format!("{error:#}")))?;
    play(args, screen, prepared).await.map_err(|error| Failure::internal(format!("{error:#}")))
}

/// Everything that can be known to be possible before a process is started.
struct Prepared {
    folder: Folder,
    seats: Vec<Seat>,
    traffic: Traffic,
    issuing: Issuing,
}

async fn prepare(args: &DemoArgs, screen: &mut Screen) -> anyhow::Result<Prepared> {
    limits::allow_sockets(args.vehicles)?;
    let folder = Folder::new(args.dir.as_deref())?;
    let seats = plan::seats(folder.path(), args.vehicle_ports, args.operator_ports, args.tls)?;
    plan::check_ports(&seats)?;
    let traffic = Traffic::load(args, screen).await?;
    let pki = args.tls.then(|| Pki::make(folder.path())).transpose()?;
    plan::write_configs(&seats, pki.as_ref())?;
    let issuing = pki.map(Pki::vehicles).unwrap_or_default();
    Ok(Prepared { folder, seats, traffic, issuing })
}

async fn play(args: DemoArgs, screen: Screen, prepared: Prepared) -> anyhow::Result<Exit> {
    // The folder goes last.
    let Prepared { folder: _folder, seats, traffic, issuing } = prepared;
    let stop = StopSignals::new()?;
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let mut gateways = Vec::new();
    for seat in seats {
        gateways.push(Gateway::start(seat, &program)?);
    }
    let mut demo = Demo { args, screen, gateways, program, issuing };
    tokio::select! {
        outcome = demo.play(traffic, &stop) => outcome,
        // Dropping the gateways kills them.
        () = stop.second() => Ok(Exit::Internal),
    }
}

/// What drives, and where it is at home.
struct Traffic {
    movement: Movement,
    regions: Regions,
    prefix: &'static str,
}

impl Traffic {
    async fn load(args: &DemoArgs, screen: &mut Screen) -> anyhow::Result<Self> {
        let path = args.trace.clone();
        if let Some(path) = &path {
            screen.status(&format!("reading {}", path.display()));
        }
        let read = tokio::task::spawn_blocking(move || match &path {
            Some(path) => fcd::read_file(path),
            None => bundled::luxembourg(),
        });
        let trace = Arc::new(read.await.context("reading the trace ended early")??);
        screen.end_status();
        let (regions, prefix, what) = match &args.trace {
            None => (bundled::regions(&trace), "LUX", "Luxembourg".to_owned()),
            Some(path) => (Regions::spread(&trace, REGIONS.len()), "SIM", path.display().to_string()),
        };
        let title = screen.strong("Waygate demo");
        screen.line(&format!(
            "{title} · {} regions · {} vehicles on the roads of {what} ({} tracks, {} s)",
            REGIONS.len(),
            args.vehicles,
            trace.vehicles(),
            trace.duration_ms() / 1000
        ));
        let movement = Movement::new(trace, args.vehicles as usize, args.seed);
        Ok(Self { movement, regions, prefix })
    }

    /// A vehicle that is on the road for the first minutes, so that one who asks for it finds it.
    fn example(&self, speed: f64) -> String {
        let drives = |vehicle: usize, s: f64| self.movement.at(vehicle, (s * 1000.0 * speed) as u64).is_some();
        let stays = |vehicle: &usize| [15.0, 60.0, 120.0].iter().all(|&s| drives(*vehicle, s));
        let vehicle = (0..self.movement.vehicles()).find(stays).unwrap_or(0);
        fleet::vehicle_name(self.prefix, vehicle)
    }
}

struct Demo {
    args: DemoArgs,
    screen: Screen,
    gateways: Vec<Gateway>,
    program: PathBuf,
    issuing: Issuing,
}

impl Demo {
    async fn play(&mut self, traffic: Traffic, stop: &StopSignals) -> anyhow::Result<Exit> {
        let played = self.play_with_gateways(traffic, stop).await;
        self.screen.end_status();
        for gateway in &mut self.gateways {
            if gateway.stop().await? {
                let name = gateway.seat.name;
                self.screen.line(&format!("  {name} did not end when asked to and was killed"));
            }
        }
        played
    }

    async fn play_with_gateways(&mut self, traffic: Traffic, stop: &StopSignals) -> anyhow::Result<Exit> {
        tokio::select! {
            ready = self.wait_until_ready() => ready?,
            () = stop.first() => return Ok(Exit::Ok),
        }
        let program = self.program.clone();
        let example = traffic.example(self.args.speed);
        words::invitation(&mut self.screen, &self.gateways, &program, &example, self.args.respawn);
        let gateways = self.gateways.iter().map(|gateway| gateway.seat.vehicles_url()).collect();
        let config = FleetConfig {
            gateways,
            prefix: traffic.prefix.to_owned(),
            speed: self.args.speed,
            seed: self.args.seed,
            ledgers: self.args.verify,
            issuing: self.issuing.clone(),
        };
        let began = Instant::now();
        let fleet = Fleet::start(config, traffic.movement, traffic.regions)?;
        let driven = self.drive(&fleet, began, stop).await;
        self.screen.end_status();
        let drove = began.elapsed();
        self.screen.status("the vehicles say goodbye");
        let (figures, ledgers) = fleet.stop(GOODBYE_WITHIN).await;
        self.screen.end_status();
        driven?;
        words::summary(&mut self.screen, &figures, drove);
        if !self.args.verify {
            return Ok(Exit::Ok);
        }
        let verdict = self.verify(ledgers).await?;
        let heading = if verdict.holds() { "verified" } else { "NOT as promised" };
        let heading = self.screen.strong(heading);
        self.screen.line(&format!("  {heading}: {verdict}"));
        Ok(if verdict.holds() { Exit::Ok } else { Exit::Server })
    }

    async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let names: Vec<_> = self.gateways.iter().map(|gateway| gateway.seat.name).collect();
        for (i, gateway) in self.gateways.iter_mut().enumerate() {
            self.screen.status(&format!("starting {}", names[i..].join(", ")));
            gateway.ready().await?;
        }
        self.screen.end_status();
        Ok(())
    }

    /// Keeps the status and the gateways up until the end of the drive.
    async fn drive(&mut self, fleet: &Fleet, began: Instant, stop: &StopSignals) -> anyhow::Result<()> {
        let ends = self.args.duration.map(|s| began + Duration::from_secs(s));
        let (tell, mut told) = watch::channel(Knowledge::default());
        let mut asking = JoinSet::new();
        let asked = self.gateways.iter().map(|g| (g.seat.short(), g.operator.clone())).collect();
        asking.spawn(ask_for_ever(asked, tell));
        let mut recent = Recent::default();
        let mut tick = interval(STATUS_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut losses = Losses::default();
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = stop.first() => return Ok(()),
                () = sleep_until(ends.unwrap_or_else(Instant::now)), if ends.is_some() => return Ok(()),
            }
            self.look_after_gateways(&mut losses)?;
            recent.add(Instant::now(), fleet.figures());
            let knowledge = told.borrow_and_update();
            self.note_return(fleet, &knowledge, &mut losses);
            self.screen.status(&status::line(began.elapsed(), &recent, &knowledge, self.screen.columns()));
        }
    }

    /// Says when a gateway's process has ended, and starts it again when its time has come.
    fn look_after_gateways(&mut self, losses: &mut Losses) -> anyhow::Result<()> {
        for (seat, gateway) in self.gateways.iter_mut().enumerate() {
            let (pid, name) = (gateway.pid(), gateway.seat.name);
            if let Some(status) = gateway.ended()? {
                losses.since.get_or_insert_with(Instant::now);
                losses.away.insert(seat);
                let after = match self.args.respawn {
                    _ if gateway.is_hopeless() => format!("It is not started again.{}", gateway.log_tail()),
                    0 => "It stays dead (--respawn).".to_owned(),
                    s => {
                        gateway.respawn_at = Some(Instant::now() + Duration::from_secs(s));
                        format!("It is started again in {s} s (--respawn).")
                    }
                };
                let pid = pid.unwrap_or_default();
                self.screen
                    .line(&format!("  {name} (pid {pid}) ended: {status}. Its vehicles go to the neighbours. {after}"));
            } else if gateway.respawn_at.is_some_and(|at| at <= Instant::now()) {
                gateway.spawn()?;
                let pid = gateway.pid().unwrap_or_default();
                self.screen.line(&format!("  {name} is started again (pid {pid})."));
            }
        }
        Ok(())
    }

    /// Sends vehicles home once their gateway is back, and says when all is as it was before a loss.
    fn note_return(&mut self, fleet: &Fleet, knowledge: &Knowledge, losses: &mut Losses) {
        for (gateway, (_, answer)) in self.gateways.iter_mut().zip(&knowledge.answers) {
            if answer.is_some() {
                gateway.note_ready();
            }
        }
        let Some(since) = losses.since else { return };
        if !knowledge.is_whole() || self.gateways.iter().any(|gateway| gateway.pid().is_none()) {
            return;
        }
        for seat in std::mem::take(&mut losses.away) {
            fleet.gateway_returned(seat);
            let name = self.gateways[seat].seat.name;
            self.screen.line(&format!("  {name} is heard by all again; its vehicles come home."));
        }
        if knowledge.is_fresh() {
            losses.since = None;
            let after = status::span(since.elapsed());
            self.screen.line(&format!("  No vehicle is stale anywhere any more, {after} after the loss."));
        }
    }

    async fn verify(&mut self, ledgers: Vec<VehicleLedger>) -> anyhow::Result<Verdict> {
        for gateway in &mut self.gateways {
            gateway.ended()?;
            if gateway.pid().is_none() {
                self.screen
                    .line(&format!("  {} is started again: what it holds is to be looked at", gateway.seat.name));
                gateway.spawn()?;
            }
            gateway.ready().await?;
        }
        self.screen.status(&format!("looking up every acked record of {} vehicles", ledgers.len()));
        let operator = Operator::new(&self.gateways[0].seat.operators_url(), LOOK_WITHIN);
        let verdict = judge(&operator, ledgers).await;
        self.screen.end_status();
        Ok(verdict)
    }
}

/// Gateways that died, until all is as it was before.
#[derive(Default)]
struct Losses {
    /// When the first of them died.
    since: Option<Instant>,
    /// By seat, those whose vehicles have not been sent home yet.
    away: BTreeSet<usize>,
}

/// Asks every gateway for what it knows, again and again.
async fn ask_for_ever(asked: Vec<(&'static str, Operator)>, tell: watch::Sender<Knowledge>) {
    let mut tick = interval(KNOWLEDGE_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let mut asking = JoinSet::new();
        for (seat, (_, operator)) in asked.iter().enumerate() {
            let operator = operator.clone();
            asking.spawn(async move { (seat, operator.ask("/v1/regions").await.ok()) });
        }
        let mut answers: Vec<_> = asked.iter().map(|(name, _)| (*name, None)).collect();
        while let Some(answered) = asking.join_next().await {
            if let Ok((seat, answer)) = answered {
                answers[seat].1 = answer;
            }
        }
        if tell.send(Knowledge { answers }).is_err() {
            return;
        }
    }
}
