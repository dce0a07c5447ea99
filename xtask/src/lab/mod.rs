//! `cargo xtask lab`: the real programs, each gateway a machine of its own as far as the network knows, through everything that
//! networks and machines do. What a gateway says of itself is held against what the vehicles know.
//!
//! One scenario after the other, each with a network, gateways and vehicles of its own. Nothing outlives the lab: see
//! `sweeper.rs`.

mod checker;
mod cluster;
mod config;
mod gateway;
mod http;
mod network;
mod observer;
mod outcome;
mod place;
mod scenarios;
mod settings;
pub mod sweeper;
mod vehicles;
mod view;
mod way;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::program;
use crate::report::{self, Report};
use crate::tools;
use cluster::Lab;
use outcome::{Outcome, table};
use scenarios::{SCENARIOS, Scenario};
use settings::{Programs, Settings};

pub use settings::HELP;

/// What is typed.
pub fn run(root: &Path, words: &[&str]) -> Result<ExitCode> {
    let settings = Settings::parse(words)?;
    if settings.list {
        for Scenario { name, about, is_short, .. } in SCENARIOS {
            report::say(&format!("{name:<16} {}{about}", if *is_short { "* " } else { "  " }));
        }
        report::say("\n* is part of `cargo xtask test`");
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(why) = hindrance() {
        bail!("the lab cannot run here: {why}");
    }
    let outcomes = play(root, &settings)?;
    if settings.json {
        let all: Vec<_> = outcomes.iter().map(Outcome::json).collect();
        report::say(&serde_json::to_string_pretty(&all).context("the outcomes are no JSON")?);
    } else {
        report::say(&format!("\n{}", table(&outcomes)));
    }
    let passed = outcomes.iter().all(Outcome::passed);
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The step of `cargo xtask test`.
pub fn short(root: &Path, report: &mut Report) -> Result<()> {
    if let Some(why) = hindrance() {
        report.skip("the lab", &why);
        return Ok(());
    }
    let outcomes = play(root, &Settings::parse(&["--short"])?)?;
    report::say(&format!("\n{}", table(&outcomes)));
    for outcome in &outcomes {
        if !outcome.passed() {
            bail!("the lab's scenario {} failed", outcome.scenario);
        }
        report.passed_check();
    }
    Ok(())
}

/// Why the lab cannot run here, if it cannot.
fn hindrance() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return Some("network namespaces are Linux's".to_owned());
    }
    if program::output_of("id", &["-u"]).as_deref() != Some("0") {
        return Some("it makes network namespaces, which takes root".to_owned());
    }
    if let Err(error) = tools::ready_for_lab() {
        return Some(format!("{error:#}"));
    }
    let probe = sweeper::prefix(0);
    let tried = network::Network::new(&probe, &["r1"]).and_then(|network| {
        network.slow("r1", 1000)?;
        network.lose("r1", 1)
    });
    tried.err().map(|error| format!("this machine does not allow it: {error:#}"))
}

fn play(root: &Path, settings: &Settings) -> Result<Vec<Outcome>> {
    sweeper::leftovers()?;
    let programs = Programs::build(root, settings)?;
    let folder = folder(root)?;
    let mut outcomes = Vec::new();
    for (number, scenario) in (1..).zip(&settings.scenarios) {
        report::say(&format!("\n--- {}: {}", scenario.name, scenario.about));
        let own = folder.join(scenario.name);
        std::fs::create_dir_all(&own).with_context(|| format!("cannot make {}", own.display()))?;
        let prefix = sweeper::prefix(number);
        let began = Instant::now();
        // A thread of its own: it goes to the observer's place and never comes back.
        let outcome =
            std::thread::scope(|scope| scope.spawn(|| play_one(settings, &programs, scenario, &prefix, &own)).join());
        let mut outcome = outcome.unwrap_or_else(|_| Outcome {
            scenario: scenario.name.to_owned(),
            fault: Some("the lab itself panicked".to_owned()),
            ..Outcome::default()
        });
        outcome.took = began.elapsed();
        if outcome.passed() && !settings.keep {
            std::fs::remove_dir_all(&own).with_context(|| format!("cannot remove {}", own.display()))?;
        } else {
            write_down(&own, &outcome)?;
            outcome.folder = Some(own);
        }
        outcomes.push(outcome);
    }
    // Only an empty one goes.
    let _ = std::fs::remove_dir(&folder);
    Ok(outcomes)
}

fn play_one(settings: &Settings, programs: &Programs, scenario: &Scenario, prefix: &str, folder: &Path) -> Outcome {
    let fault = |error: anyhow::Error| {
        report::say(&format!("  BROKEN: {error:#}"));
        Some(format!("{error:#}"))
    };
    let mut lab = match Lab::begin(settings, programs, scenario.name, prefix, &scenario.plan, folder) {
        Ok(lab) => lab,
        Err(error) => {
            return Outcome { scenario: scenario.name.to_owned(), fault: fault(error), ..Outcome::default() };
        }
    };
    if let Err(error) = (scenario.run)(&mut lab) {
        lab.outcome.fault = fault(error);
        // What it cost is known as far as it can be asked for.
        let _ = lab.note_costs();
    }
    lab.outcome.clone()
}

/// A folder for this run. Those of runs whose lab is gone are removed.
fn folder(root: &Path) -> Result<PathBuf> {
    let all = root.join("target/xtask/lab");
    for entry in std::fs::read_dir(&all).into_iter().flatten().flatten() {
        let maker = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if maker.is_some_and(|pid| !sweeper::runs(pid)) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    let own = all.join(std::process::id().to_string());
    std::fs::create_dir_all(&own).with_context(|| format!("cannot make {}", own.display()))?;
    Ok(own)
}

fn write_down(folder: &Path, outcome: &Outcome) -> Result<()> {
    let text = serde_json::to_string_pretty(&outcome.json()).context("an outcome is no JSON")?;
    std::fs::write(folder.join("outcome.json"), text).context("an outcome cannot be written")
}
