//! Running other programs: what they print is passed on and counted, and a failure names the command.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::report::{self, Report};

/// A command in a folder, without a terminal's colours and without standard input.
pub fn command(program: &str, words: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(words).current_dir(folder).stdin(Stdio::null()).env("NO_COLOR", "1").env("CARGO_TERM_COLOR", "never");
    command
}

/// Runs to the end and counts the tests it tells of.
pub fn run_counted(mut command: Command, report: &mut Report) -> Result<()> {
    let line = words(&command);
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("`{line}` does not start"))?;
    if let Some(stdout) = child.stdout.take() {
        for printed in BufReader::new(stdout).split(b'\n') {
            let printed = printed.with_context(|| format!("the output of `{line}` cannot be read"))?;
            let printed = String::from_utf8_lossy(&printed);
            report::say(&printed);
            report.count(&printed);
        }
    }
    let status = child.wait().with_context(|| format!("`{line}` cannot be waited for"))?;
    if !status.success() {
        bail!("`{line}` failed with {status}");
    }
    Ok(())
}

/// Runs to the end; it counts as one check.
pub fn run_check(mut command: Command, report: &mut Report) -> Result<()> {
    run(&mut command)?;
    report.passed_check();
    Ok(())
}

/// Runs to the end.
pub fn run(command: &mut Command) -> Result<()> {
    let line = words(command);
    let status = command.status().with_context(|| format!("`{line}` does not start"))?;
    if !status.success() {
        bail!("`{line}` failed with {status}");
    }
    Ok(())
}

/// What a command prints, or nothing if it cannot be run or fails.
pub fn output_of(program: &str, words: &[&str]) -> Option<String> {
    let output = Command::new(program).args(words).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether it can be run and says that it is well.
pub fn works(program: &str, words: &[&str]) -> bool {
    output_of(program, words).is_some()
}

fn words(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
