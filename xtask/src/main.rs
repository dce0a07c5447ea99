//! `cargo xtask …`: what a developer and CI run. It builds nothing itself and knows nothing of gateways beyond
//! how to start the demo.

mod console;
mod demo;
mod lab;
mod program;
mod report;
mod steps;
mod tools;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::report::Report;

const HELP: &str = "\
cargo xtask test [STEP…]   run every check and test, or only these steps; the first failure stops
cargo xtask steps          name the steps
cargo xtask tools          install what the tests need (as root on Debian), or say what to run";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(code) => code,
        Err(error) => {
            report::complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<ExitCode> {
    let root = workspace_root()?;
    match words {
        ["test", wanted @ ..] => {
            let mut report = Report::default();
            let outcome = steps::run(&root, wanted, &mut report);
            Ok(report.close(outcome))
        }
        ["steps"] => {
            steps::names().for_each(report::say);
            Ok(ExitCode::SUCCESS)
        }
        ["tools"] => {
            tools::Tools::ready(&root)?;
            tools::ready_for_lab()?;
            Ok(ExitCode::SUCCESS)
        }
        ["lab", words @ ..] => lab::run(&root, words),
        [lab::sweeper::WORD, prefix] => {
            lab::sweeper::run(prefix)?;
            Ok(ExitCode::SUCCESS)
        }
        [] | ["help" | "--help" | "-h"] => {
            report::say(HELP);
            report::say(lab::HELP);
            Ok(ExitCode::SUCCESS)
        }
        [unknown, ..] => bail!("there is no `cargo xtask {unknown}`\n{HELP}"),
    }
}

/// The folder of the workspace, wherever this is run from.
fn workspace_root() -> Result<PathBuf> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).context("xtask does not lie in the workspace")
}
