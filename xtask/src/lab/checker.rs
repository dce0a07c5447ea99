//! What every scenario ends with: all views are equal, they show what the vehicles know to be true, and every record that was
//! acked is there once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::cluster::Lab;
use super::vehicles::Unit;
use super::view::{self, View};
use crate::report;

const POLL: Duration = Duration::from_millis(200);

/// How long records may take to be acked once nobody reports any more.
const ACKED_WITHIN: Duration = Duration::from_secs(30);

/// What may be missing of what was promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promises {
    /// Nothing.
    All,
    /// Records that lay on a disk which this scenario destroyed, and on no other.
    ButOfTheLostDisk,
}

/// What gateways that agree have in common.
#[derive(Clone, Copy, Debug)]
pub struct Agreed {
    pub hash: u64,
    /// When their logs were seen to be equal, or all of what they show, where they do not tell of their logs.
    pub at: Instant,
}

impl Lab<'_> {
    /// Waits until all agree, counted from the end of the disturbance, and checks everything.
    pub fn check(&mut self, since: Instant, within: Duration, promises: Promises) -> Result<()> {
        let passed = since.elapsed();
        match self.agree(within.saturating_sub(passed))? {
            Ok(Agreed { hash, at }) => {
                let took = at.saturating_duration_since(since);
                (self.outcome.converged, self.outcome.hash) = (Some(took), Some(hash));
                let saw = format!("{}, at most {}; {hash:016x}", report::seconds(took), report::seconds(within));
                self.expect("all views are equal and true", took <= within, saw);
            }
            Err(why) => self.expect("all views are equal and true", false, why),
        }
        self.check_promises(promises)?;
        self.note_costs()
    }

    /// Looks until every running gateway hears all others, shows the same, and that is what the vehicles know. Gives what they have
    /// in common, or what was wrong at the end.
    pub fn agree(&mut self, within: Duration) -> Result<Result<Agreed, String>> {
        let began = Instant::now();
        loop {
            let wrong = match self.disagreement() {
                Ok(Ok(agreed)) => return Ok(Ok(agreed)),
                Ok(Err(why)) => why,
                // A gateway that cannot be asked may be able to answer the next time.
                Err(error) => format!("{error:#}"),
            };
            if began.elapsed() > within {
                return Ok(Err(wrong));
            }
            std::thread::sleep(POLL);
        }
    }

    fn disagreement(&mut self) -> Result<Result<Agreed, String>> {
        let names: Vec<String> = self.others("");
        let (mut views, mut logs) = (BTreeMap::new(), Vec::new());
        for name in &names {
            let overview = self.overview(name)?;
            for other in &names {
                let seen = overview.neighbours.get(other).cloned().unwrap_or_default();
                if seen.status != "alive" || seen.lag_entries > 0 {
                    return Ok(Err(format!("{name} sees {other} as {seen:?}")));
                }
            }
            logs.push(view::logs(self.operators(name)?)?);
        }
        // What is shown follows from the logs. Reading all of it takes long where there is much.
        let told = logs.iter().all(|logs| !logs.is_empty()) && logs.windows(2).all(|two| two[0] == two[1]);
        let equal = told.then(Instant::now);
        for name in &names {
            let view = View::ask(self.operators(name)?)?;
            let absent: Vec<_> = view.missing.iter().filter(|region| self.region_runs(region)).collect();
            if !absent.is_empty() {
                return Ok(Err(format!("{name} misses {absent:?}")));
            }
            views.insert(name.clone(), view);
        }
        let (first, view) = views.iter().next().context("no gateway runs")?;
        for (name, other) in &views {
            if let Some(difference) = view.difference(other) {
                return Ok(Err(format!("{first} and {name}: {difference}")));
            }
        }
        let units = self.vehicles.sight()?;
        let agreed = Agreed { hash: view.hash(), at: equal.unwrap_or_else(Instant::now) };
        Ok(self.untrue(&units, view).map_or(Ok(agreed), Err))
    }

    fn region_runs(&self, region: &str) -> bool {
        self.gateways.iter().any(|gateway| gateway.runs() && gateway.seat.region == region)
    }

    /// What of a view is not as the vehicles know it.
    fn untrue(&self, units: &[Unit], view: &View) -> Option<String> {
        let mut by_vehicle: BTreeMap<&str, Vec<&Unit>> = BTreeMap::new();
        for unit in units {
            by_vehicle.entry(&unit.vehicle).or_default().push(unit);
        }
        by_vehicle.into_iter().find_map(|(vehicle, units)| {
            let attached: Vec<_> = units.iter().filter(|unit| unit.is_attached()).collect();
            let Some(shown) = view.vehicles.get(vehicle) else { return Some(format!("{vehicle} is not shown")) };
            let is = |key: &str, value: &str| shown.get(key).is_some_and(|shown| *shown == format!("{value:?}"));
            match attached.as_slice() {
                [unit] => {
                    let gateway = self.gateways.iter().find(|gateway| gateway.seat.vehicles_url() == unit.gateway);
                    let true_of_it = is("state", "online")
                        && gateway.is_some_and(|gateway| is("gateway", gateway.name()))
                        && unit.session.as_deref().is_some_and(|session| is("session", session))
                        && is("epoch", &unit.epoch.to_string());
                    (!true_of_it).then(|| format!("{vehicle} is shown as {shown:?} and is {unit:?}"))
                }
                [] if units.iter().all(|unit| unit.state == "stopped") => {
                    (!is("state", "offline")).then(|| format!("{vehicle} said goodbye and is shown as {shown:?}"))
                }
                [] => Some(format!("{vehicle} has no session: {units:?}")),
                [..] => Some(format!("{vehicle} has two sessions: {attached:?}")),
            }
        })
    }

    /// Every record that was acked is there exactly once, asked of one gateway.
    fn check_promises(&mut self, promises: Promises) -> Result<()> {
        self.vehicles.pause()?;
        let acked = |units: &[Unit]| units.iter().all(|unit| unit.unsettled == 0 || !unit.is_attached());
        let acked = self.vehicles.until(ACKED_WITHIN, acked)?;
        self.expect_within("every record is acked", acked, ACKED_WITHIN);
        let asked = self.others("").into_iter().next().context("no gateway runs")?;
        let operator = format!("http://{}", self.operators(&asked)?);
        let verdict = self.vehicles.judge(&operator)?;
        let lost = if promises == Promises::All { verdict.lost } else { 0 };
        let kept = lost == 0 && verdict.spoiled == 0 && verdict.unseen == 0 && verdict.acked > 0;
        let what = match promises {
            Promises::All => "every acked record is there once",
            Promises::ButOfTheLostDisk => "every acked record is there once, but for those on the lost disk alone",
        };
        self.expect(what, kept, if kept && verdict.lost == 0 { first_line(&verdict.text) } else { verdict.text });
        Ok(())
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
