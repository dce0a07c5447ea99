//! What a lab is told on the command line, and the programs it runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::place::quietly;
use super::scenarios::{Plan, SCENARIOS, Scenario};
use crate::program;

/// Entries to be caught up with in the long form.
const ENTRIES_LONG: u64 = 200_000;

/// What the words mean, for `help`.
pub const HELP: &str = "\
cargo xtask lab [SCENARIO…]  real gateways and vehicles in network namespaces (root, Linux); all scenarios, or these
    --list                   name the scenarios
    --short                  those that `cargo xtask test` runs
    --long                   disturbances as long as in the field, and 200 000 entries to catch up with
    --entries N              so many entries to catch up with
    --delay MS               what vehicles and gateways say to each other is so long under way, each way
    --with-binary OLD        begin with this waygate; the rolling upgrade goes from it to the one built here
    --release                build and run release binaries
    --json                   print the outcomes as JSON
    --keep                   keep folders, logs and databases of what passed, too";

/// What a lab is told.
#[derive(Debug, Default)]
pub struct Settings {
    pub scenarios: Vec<&'static Scenario>,
    pub list: bool,
    pub long: bool,
    pub json: bool,
    pub keep: bool,
    pub release: bool,
    pub delay_ms: u64,
    pub old_binary: Option<PathBuf>,
    entries: Option<u64>,
}

impl Settings {
    pub fn parse(words: &[&str]) -> Result<Self> {
        let (mut settings, mut short) = (Self::default(), false);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} wants a value\n{HELP}"));
            match *word {
                "--list" => settings.list = true,
                "--short" => short = true,
                "--long" => settings.long = true,
                "--json" => settings.json = true,
                "--keep" => settings.keep = true,
                "--release" => settings.release = true,
                "--delay" => settings.delay_ms = value()?.parse().context("--delay wants milliseconds")?,
                "--entries" => settings.entries = Some(value()?.parse().context("--entries wants a number")?),
                "--with-binary" => settings.old_binary = Some(PathBuf::from(value()?)),
                name => {
                    let named = SCENARIOS.iter().find(|scenario| scenario.name == name);
                    settings.scenarios.push(named.with_context(|| format!("there is no scenario {name}\n{HELP}"))?);
                }
            }
        }
        if settings.scenarios.is_empty() {
            settings.scenarios = SCENARIOS.iter().filter(|scenario| scenario.is_short || !short).collect();
        }
        Ok(settings)
    }

    /// How long something lasts: usually, and in the long form.
    pub fn time(&self, usual_s: u64, long_s: u64) -> Duration {
        Duration::from_secs(if self.long { long_s } else { usual_s })
    }

    /// How often something happens.
    pub fn times(&self, usual: u32, long: u32) -> u32 {
        if self.long { long } else { usual }
    }

    /// Entries that a plan's gateway is seeded with.
    pub fn entries(&self, plan: &Plan) -> u64 {
        let usual = if self.long { plan.entries.max(ENTRIES_LONG) } else { plan.entries };
        self.entries.unwrap_or(usual)
    }
}

/// What is run.
#[derive(Debug)]
pub struct Programs {
    pub gateway: PathBuf,
    pub old: Option<PathBuf>,
    pub convoy: PathBuf,
    seed: PathBuf,
}

impl Programs {
    /// Builds them.
    pub fn build(root: &Path, settings: &Settings) -> Result<Self> {
        let old = settings.old_binary.as_ref().map(|path| {
            path.canonicalize().with_context(|| format!("--with-binary {}: it cannot be found", path.display()))
        });
        let old = old.transpose()?;
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let profile: &[&str] = if settings.release { &["--release"] } else { &[] };
        let builds: [&[&str]; 2] = [
            // As the Rust tests build them.
            &["build", "--locked", "--workspace", "--bins"],
            &["build", "--locked", "-p", "waygate-store", "--example", "seed_presence"],
        ];
        for build in builds {
            program::run(&mut program::command(&cargo, &[build, profile].concat(), root))?;
        }
        let built = root.join("target").join(if settings.release { "release" } else { "debug" });
        let programs = Self {
            gateway: built.join("waygate"),
            old,
            convoy: built.join("waygate-convoy"),
            seed: built.join("examples/seed_presence"),
        };
        for path in [&programs.gateway, &programs.convoy, &programs.seed] {
            if !path.exists() {
                bail!("{} is not there after the build", path.display());
            }
        }
        Ok(programs)
    }

    /// What gateways begin with.
    pub fn first(&self) -> &Path {
        self.old.as_deref().unwrap_or(&self.gateway)
    }

    /// Writes so many vehicles that said goodbye into a data directory.
    pub fn seed(&self, data_dir: &Path, count: u64) -> Result<()> {
        let mut command = std::process::Command::new(&self.seed);
        command.arg(data_dir).arg(count.to_string());
        quietly(command)
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
