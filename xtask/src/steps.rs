//! The steps of `cargo xtask test`, cheapest first.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::console;
use crate::lab;
use crate::program::{self, run_check, run_counted};
use crate::report::{self, Report};
use crate::tools::Tools;

/// What every step may use.
struct Context<'a> {
    root: &'a Path,
    tools: Tools,
}

struct Step {
    name: &'static str,
    heading: &'static str,
    run: fn(&Context<'_>, &mut Report) -> Result<()>,
}

const STEPS: &[Step] = &[
    Step { name: "format", heading: "formatting", run: format },
    Step { name: "clippy", heading: "clippy, warnings denied", run: clippy },
    Step { name: "deny", heading: "licences, bans and advisories", run: deny },
    Step { name: "machete", heading: "dependencies that nobody uses", run: machete },
    Step { name: "rust", heading: "Rust tests", run: rust },
    Step { name: "lab", heading: "the lab: real gateways in network namespaces, cut, killed and drained", run: lab },
    Step { name: "console", heading: "the console: types, unit tests, committed bundle", run: console },
    Step { name: "browser", heading: "the console in a real browser, over a real demo", run: browser },
];

pub fn names() -> impl Iterator<Item = &'static str> {
    STEPS.iter().map(|step| step.name)
}

/// Runs the wanted steps, or all; stops at the first failure.
pub fn run(root: &Path, wanted: &[&str], report: &mut Report) -> Result<()> {
    if let Some(unknown) = wanted.iter().find(|&&name| !names().any(|known| known == name)) {
        bail!("there is no step `{unknown}`; the steps are: {}", names().collect::<Vec<_>>().join(", "));
    }
    let mut tools = None;
    report.step("tools", |_| {
        tools = Some(Tools::ready(root)?);
        Ok(())
    })?;
    let Some(tools) = tools else { bail!("the tools are not there") };
    let context = Context { root, tools };
    for step in STEPS.iter().filter(|step| wanted.is_empty() || wanted.contains(&step.name)) {
        report.step(step.heading, |report| (step.run)(&context, report))?;
    }
    Ok(())
}

impl Context<'_> {
    /// Cargo as it was called for this program, with the tools on its path.
    fn cargo(&self, words: &[&str]) -> Command {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        self.tools.command(&cargo, words, self.root)
    }
}

fn format(context: &Context<'_>, report: &mut Report) -> Result<()> {
    run_check(context.cargo(&["fmt", "--all", "--check"]), report)
}

fn clippy(context: &Context<'_>, report: &mut Report) -> Result<()> {
    run_check(context.cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]), report)
}

fn deny(context: &Context<'_>, report: &mut Report) -> Result<()> {
    if !program::works("cargo-deny", &["--version"]) {
        report.skip("cargo deny", "it is not installed; `cargo install cargo-deny` brings it");
        return Ok(());
    }
    run_check(context.cargo(&["deny", "check", "licenses", "bans", "sources"]), report)?;
    // Advisories are fetched from outside; where that cannot be reached, nothing is known, and that is said.
    if !program::works("cargo-deny", &["fetch", "db"]) {
        report.skip("advisories", "their database cannot be fetched from here");
        return Ok(());
    }
    run_check(context.cargo(&["deny", "check", "advisories"]), report)
}

fn machete(context: &Context<'_>, report: &mut Report) -> Result<()> {
    if !program::works("cargo-machete", &["--version"]) {
        report.skip("cargo machete", "it is not installed; `cargo install cargo-machete` brings it");
        return Ok(());
    }
    run_check(program::command("cargo-machete", &[], context.root), report)
}

fn rust(context: &Context<'_>, report: &mut Report) -> Result<()> {
    // The programs first: some tests start them.
    run_check(context.cargo(&["build", "--locked", "--workspace", "--bins"]), report)?;
    run_counted(context.cargo(&["test", "--locked", "--workspace", "--no-fail-fast"]), report)
}

fn lab(context: &Context<'_>, report: &mut Report) -> Result<()> {
    lab::short(context.root, report)
}

fn console(context: &Context<'_>, report: &mut Report) -> Result<()> {
    console::check(context.root, &context.tools, report)
}

fn browser(context: &Context<'_>, report: &mut Report) -> Result<()> {
    report::say("building the binary, as the Rust tests do");
    program::run(&mut context.cargo(&["build", "--locked", "--workspace", "--bins"]))?;
    console::browse(context.root, &context.tools, report)
}
