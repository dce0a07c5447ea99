//! A running lab: its network, its gateways, its vehicles, who looks at them, and what came of it so far.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::config::Seat;
use super::gateway::Gateway;
use super::network::{Network, OBSERVER, VEHICLES};
use super::observer::Observer;
use super::outcome::{Condition, Outcome};
use super::scenarios::Plan;
use super::settings::{Programs, Settings};
use super::vehicles::Vehicles;
use super::view::Overview;
use crate::report;

const POLL: Duration = Duration::from_millis(100);

/// How long the beginning may take: everyone attached, all views equal.
const BEGIN_WITHIN: Duration = Duration::from_secs(60);

/// A running lab; everything ends with it, the network last.
#[derive(Debug)]
pub struct Lab<'a> {
    pub settings: &'a Settings,
    pub programs: &'a Programs,
    pub outcome: Outcome,
    pub vehicles: Vehicles,
    pub observer: Observer,
    pub gateways: Vec<Gateway>,
    pub network: Network,
}

impl<'a> Lab<'a> {
    /// Lays the network, starts the gateways of a plan, and puts their vehicles on the road. Moves this thread to the
    /// observer's place.
    pub fn begin(
        settings: &'a Settings,
        programs: &'a Programs,
        name: &str,
        prefix: &str,
        plan: &Plan,
        folder: &Path,
    ) -> Result<Self> {
        let places: Vec<_> = plan.seats.iter().map(|(place, _)| *place).collect();
        let network = Network::new(prefix, &places)?;
        network.place(OBSERVER)?.enter()?;
        let delay = Duration::from_millis(settings.delay_ms);
        let seats = seats(&network, plan, !delay.is_zero(), programs.old.is_some())?;
        let mut gateways = Vec::new();
        for seat in &seats {
            let program = programs.first();
            gateways.push(Gateway::new(seat.clone(), &seats, folder.join(&seat.place.name), program, delay)?);
        }
        let vehicles = Vehicles::start(network.place(VEHICLES)?, &programs.convoy, folder)?;
        let addresses: Vec<_> = gateways.iter().map(|g| (g.name().to_owned(), g.operators())).collect();
        let observer = Observer::start(&addresses);
        let outcome = Outcome { scenario: name.to_owned(), ..Outcome::default() };
        let mut lab = Self { settings, programs, outcome, vehicles, observer, gateways, network };
        lab.start(plan)?;
        Ok(lab)
    }

    fn start(&mut self, plan: &Plan) -> Result<()> {
        if let Some(place) = plan.seeded {
            let gateway = self.gateway(place)?;
            self.programs.seed(&gateway.data_dir(), self.settings.entries(plan))?;
        }
        for gateway in self.gateways.iter_mut().filter(|gateway| Some(gateway.name()) != plan.late) {
            gateway.start()?;
        }
        for gateway in self.gateways.iter_mut().filter(|gateway| gateway.runs()) {
            gateway.ready()?;
        }
        let has_vehicles = |place: &str| Some(place) != plan.late && plan.only.is_none_or(|only| only == place);
        for (place, _) in plan.seats.iter().filter(|(place, _)| has_vehicles(place)) {
            let units = units(place, plan.vehicles);
            let gateways = self.urls_from(place)?;
            self.vehicles.add(&units, &gateways)?;
        }
        let attached = self.vehicles.until(BEGIN_WITHIN, |units| units.iter().all(|unit| unit.is_attached()))?;
        attached.with_context(|| format!("not every vehicle attached within {BEGIN_WITHIN:?}"))?;
        self.agree(BEGIN_WITHIN)?.map_err(|why| anyhow::anyhow!("before anything was disturbed: {why}")).map(drop)
    }

    /// The addresses for vehicles, that of this gateway first.
    pub fn urls_from(&self, first: &str) -> Result<Vec<String>> {
        let own = self.gateway(first)?.seat.vehicles_url();
        let others = self.gateways.iter().map(|gateway| gateway.seat.vehicles_url()).filter(|url| *url != own);
        Ok(std::iter::once(own.clone()).chain(others).collect())
    }

    /// That of this gateway alone.
    pub fn url_of(&self, name: &str) -> Result<Vec<String>> {
        Ok(vec![self.gateway(name)?.seat.vehicles_url()])
    }

    pub fn gateway(&self, name: &str) -> Result<&Gateway> {
        let found = self.gateways.iter().find(|gateway| gateway.name() == name);
        found.with_context(|| format!("the lab has no gateway {name}"))
    }

    pub fn gateway_mut(&mut self, name: &str) -> Result<&mut Gateway> {
        let found = self.gateways.iter_mut().find(|gateway| gateway.name() == name);
        found.with_context(|| format!("the lab has no gateway {name}"))
    }

    pub fn operators(&self, name: &str) -> Result<SocketAddr> {
        self.gateway(name).map(Gateway::operators)
    }

    /// What a gateway says now.
    pub fn overview(&self, name: &str) -> Result<Overview> {
        Overview::ask(self.operators(name)?, super::http::WITHIN)
    }

    /// The gateways that run, other than this one.
    pub fn others(&self, name: &str) -> Vec<String> {
        let others = self.gateways.iter().filter(|gateway| gateway.runs() && gateway.name() != name);
        others.map(|gateway| gateway.name().to_owned()).collect()
    }

    /// Notes a condition, and says at once whether it held.
    pub fn expect(&mut self, what: &str, held: bool, saw: impl Into<String>) {
        let saw = saw.into();
        report::say(&format!("  {} {what} ({saw})", if held { "held:  " } else { "BROKEN:" }));
        self.outcome.conditions.push(Condition { what: what.to_owned(), held, saw });
    }

    /// The same of something that took a time, if it happened at all.
    pub fn expect_within(&mut self, what: &str, took: Option<Duration>, within: Duration) {
        let saw = took.map_or("not seen".to_owned(), report::seconds);
        let held = took.is_some_and(|took| took <= within);
        self.expect(what, held, format!("{saw}, at most {}", report::seconds(within)));
    }

    /// Looks until something is so; says how long that took.
    pub fn until(
        &mut self,
        within: Duration,
        mut fits: impl FnMut(&mut Self) -> Result<bool>,
    ) -> Result<Option<Duration>> {
        let began = Instant::now();
        loop {
            if fits(self)? {
                return Ok(Some(began.elapsed()));
            }
            if began.elapsed() > within {
                return Ok(None);
            }
            std::thread::sleep(POLL);
        }
    }

    /// Lets a disturbance last.
    pub fn last(&self, time: Duration) {
        std::thread::sleep(time);
    }

    /// What it has cost so far.
    pub fn note_costs(&mut self) -> Result<()> {
        let is_gateway = |name: &str| self.gateways.iter().any(|gateway| gateway.name() == name);
        let bytes = self.network.bytes()?;
        self.outcome.link_bytes =
            bytes.into_iter().filter(|((from, to), _)| is_gateway(from) && is_gateway(to)).collect();
        self.outcome.peak_kb = self.gateways.iter_mut().map(|g| (g.name().to_owned(), g.peak_kb())).collect();
        Ok(())
    }
}

fn seats(network: &Network, plan: &Plan, delayed: bool, told_all: bool) -> Result<Vec<Seat>> {
    let seat = |(place, region): &(&str, &str)| {
        let clock_offset_s = plan.skewed.iter().find(|(skewed, _)| skewed == place).map_or(0, |(_, by)| *by);
        Ok(Seat {
            place: network.place(place)?.clone(),
            region: (*region).to_owned(),
            delayed,
            told_all,
            clock_offset_s,
        })
    };
    plan.seats.iter().map(seat).collect()
}

/// The vehicles that begin at a gateway.
pub fn units(place: &str, count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("{place}-{number:02}")).collect()
}
